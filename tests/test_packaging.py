"""What is installed: the names in the wheel, and third parties' plugins beside it."""

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from overlay.lab.processes import PeerProcess

ROOT = Path(__file__).parent.parent
_NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "dropin.cache"
)


def buildWheel(source: Path, into: Path) -> Path:
    """Build a wheel of the tree at C{source}; setuptools is a requirement of the test extra."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", into, source],
        check=True, capture_output=True, timeout=120,
    )
    (wheel,) = into.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("source") / "superpeer"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=_NOT_SOURCE)
    return buildWheel(copy, tmp_path_factory.mktemp("wheel"))


def test_wheelHoldsEveryModule(wheel: Path) -> None:
    """The wheel has exactly the modules of overlay/, plugins/ and twisted/plugins/, and the marker of its types."""
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {"overlay/py.typed", "twisted/plugins/superpeer.py"}
    for path in (ROOT / "overlay").rglob("*.py"):
        expected.add(path.relative_to(ROOT).as_posix())
    expected |= {f"overlay/plugins/{path.name}" for path in (ROOT / "plugins").glob("*.py")}
    assert inside == expected


def test_wheelLeavesTwistedAlone(wheel: Path) -> None:
    """Twisted's own package files are not overwritten."""
    names = zipfile.ZipFile(wheel).namelist()
    assert not {"twisted/__init__.py", "twisted/plugins/__init__.py"} & set(names)
    assert not (ROOT / "twisted/__init__.py").exists() and not (ROOT / "twisted/plugins/__init__.py").exists()


def test_everyPackageIsListed() -> None:
    """setup.cfg lists every package by name."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    present = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in (ROOT / "overlay").rglob("__init__.py")
    }
    assert listed == present | {"overlay.plugins", "twisted.plugins"}


def test_commandIsDeclared(wheel: Path) -> None:
    """The wheel brings the superpeer command."""
    archive = zipfile.ZipFile(wheel)
    (entry,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "superpeer = overlay.cli:main" in archive.read(entry).decode()


@pytest.mark.system
def test_pluginsOfAnotherDistribution(wheel: Path, tmp_path: Path) -> None:
    """A separately installed distribution adds a policy, beside an installed superpeer."""
    acme = tmp_path / "acme"
    (acme / "src/overlay/plugins").mkdir(parents=True)
    (acme / "src/acme_policy").mkdir()
    (acme / "src/acme_policy/__init__.py").write_text(
        "from zope.interface import implementer\n"
        "from overlay.interfaces import IReputation\n"
        "from overlay.verdict import Verdict\n"
        "@implementer(IReputation)\n"
        "class Acme:\n"
        "    def __init__(self, trust: float = 0.25): self.level = trust\n"
        "    def observed(self, peer, deed, weight): pass\n"
        "    def trust(self, peer): return Verdict.yes(score=self.level)\n"
    )
    (acme / "src/overlay/plugins/acme.py").write_text(
        "from overlay.policy import PolicyPlugin\n"
        'acme = PolicyPlugin("reputation", "acme", "acme_policy:Acme", "As Acme sees it.")\n'
    )
    (acme / "setup.cfg").write_text(
        "[metadata]\nname = acme-policy\nversion = 1\n[options]\npackage_dir =\n    = src\n"
        "packages =\n    acme_policy\n    overlay.plugins\n"
    )
    (acme / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools >= 64"]\nbuild-backend = "setuptools.build_meta"\n'
    )
    site = tmp_path / "site"
    for archive in (wheel, buildWheel(acme, tmp_path / "wheels")):
        zipfile.ZipFile(archive).extractall(site)
    listed = subprocess.run(
        [sys.executable, "-P", "-c", "import sys; from overlay.cli import main; sys.exit(main(['plugins']))"],
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "COLUMNS": "400"},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )
    assert listed.returncode == 0, listed.stderr
    assert "acme" in listed.stdout and str(site / "overlay/plugins/acme.py") in listed.stdout, listed.stdout
    peer = PeerProcess(
        "one", tmp_path / "one", options=["--reputation", "acme:trust=0.75"], environment={"PYTHONPATH": str(site)}
    )
    peer.start()
    try:
        peer.ready()
        said = peer.ask(f"EXPLAIN peer {peer.peerId}")["reputation"]
        assert (said["plugin"], said["trust"]) == ("acme", 0.75)
    finally:
        peer.stop()
