"""What the documents show is true: pictures, examples, links, and the names of everything that users meet."""

import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from overlay.console.commands import COMMANDS
from overlay.identity.ids import PeerId
from overlay.interfaces import IDiscovery
from overlay.options import OPTIONS
from overlay.policy import PolicySurroundings
from overlay.questions import Lead
from overlay.storage import MemoryStorage
from overlay.wire.messages import MESSAGES

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
USE = """
import random, sys
from pathlib import Path
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject
from overlay.interfaces import POINTS
from overlay.policy import PolicySurroundings, addPluginFolder, findPlugins
from overlay.storage import MemoryStorage
addPluginFolder(Path(sys.argv[1]))
found = findPlugins()
assert not found.problems, found.problems
plugin = found.find("reputation", "mine").plugin
policy = plugin.build(PolicySurroundings(Clock(), random.Random(), b"p" * 20, MemoryStorage()), {"trust": "0.9"})
verifyObject(POINTS["reputation"], policy)
assert policy.trust(b"x" * 20).score == 0.9
policy.observed(b"x" * 20, "sent a forged record", 1.0)
assert policy.trust(b"x" * 20).score == 0
"""


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def test_picturesAreThoseOfTheCode() -> None:
    """The state machines in the documents are drawn from the code as it is."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "machines.py"), "--check"], capture_output=True, text=True, check=False, cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "plugins.md"], ids=lambda page: page.name)
def test_thePolicyRuns(page: Path, tmp_path: Path) -> None:
    """The policy in fifteen lines is one, loads from its folder, and does what it says."""
    (source,) = blocks(page, "python plugin mine.py")
    assert sum(bool(line.strip()) for line in source.splitlines()) <= 15
    (tmp_path / "mine.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path)], capture_output=True, text=True, check=False, cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr


def test_examplesRun() -> None:
    """Python in the documents runs."""
    (source,) = blocks(ROOT / "docs" / "architecture.md", "python")
    exec(source, {})


def test_theDiscoveryRuns() -> None:
    """So does the way to find peers that docs/plugins.md shows."""
    (source,) = blocks(ROOT / "docs" / "plugins.md", "python")
    names: dict[str, Any] = {}
    exec(source, names)
    surroundings = PolicySurroundings(Clock(), random.Random(), PeerId(b"p" * 20), MemoryStorage())
    discovery = names["classroom"].build(surroundings, {"desks": "2"})
    assert verifyObject(IDiscovery, discovery)
    assert discovery.find() == [Lead("desk1.lab.example:7116"), Lead("desk2.lab.example:7116")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linksLeadSomewhere(page: Path) -> None:
    """Every link to a file of this project finds it."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def test_everythingIsNamed() -> None:
    """Every message and verb is in docs/protocol.md, and every option in the README."""
    protocol, readme = (ROOT / "docs" / "protocol.md").read_text(), (ROOT / "README.md").read_text()
    assert [one.__name__ for one in MESSAGES.values() if f"`{one.__name__}`" not in protocol] == []
    assert [verb for verb in COMMANDS if f"`{verb}" not in protocol] == []
    assert [one.name for one in OPTIONS if f"--{one.name}" not in readme] == []
