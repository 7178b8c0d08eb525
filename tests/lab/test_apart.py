"""The lab lives apart."""

import ast
from collections.abc import Iterator
from pathlib import Path

HOUSE = Path(__file__).parent.parent.parent
OFFERED_BY = {"overlay/cli.py", "overlay/demo.py"}
"""The commands C{superpeer lab} and C{superpeer demo}."""


def imported(source: str) -> Iterator[str]:
    """Every module that a source imports, at its top or anywhere below, and names that may be modules."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # Plugins are named as strings.
            yield node.value.partition(":")[0]


def knowsTheLab(source: str) -> bool:
    return any(name == "overlay.lab" or name.startswith("overlay.lab.") for name in imported(source))


def test_nothingKnowsOfTheLab() -> None:
    """Of the product, plugins and C{twistd} plugin included, only the two commands that offer the lab's parts import it."""
    files = [
        path for folder in ("overlay", "plugins", "twisted") for path in (HOUSE / folder).rglob("*.py")
        if HOUSE / "overlay" / "lab" not in path.parents
    ]
    assert len(files) > 100
    assert {str(path.relative_to(HOUSE)) for path in files if knowsTheLab(path.read_text("utf-8"))} == OFFERED_BY


def test_howImportsAreSeen() -> None:
    """However it is written."""
    within = "def f():\n    from overlay.lab.time import VirtualTime"
    for source in ("import overlay.lab.world", "from overlay import lab", within, "x = 'overlay.lab.x:Y'"):
        assert knowsTheLab(source), source
    for source in ("import overlay.label", "from overlay.link import link", "x = 'overlay.lab, that is'"):
        assert not knowsTheLab(source), source
