"""The folders that are watched go on being watched, whatever becomes of some of them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet import reactor

from overlay.share.watch import Watch
from tests.eventually import until, within

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
pytestmark = pytest.mark.skipif(not QUEUE.exists(), reason="there is no inotify here")


class Ear:
    """Hears of changes below one folder, and has each new folder watched, as a share does."""

    def __init__(self, top: Path) -> None:
        self.heard: list[Path] = []
        self.overflows = 0
        self.watch = Watch(reactor, self._changed, self._overflowed)
        self.watch.start()
        self._look(top)

    def _look(self, folder: Path) -> None:
        self.watch.folder(bytes(folder))
        for one in folder.rglob("*"):
            if one.is_dir():
                self.watch.folder(bytes(one))

    def _changed(self, paths: list[bytes]) -> None:
        for path in [Path(one.decode()) for one in paths]:
            self.heard.append(path)
            if path.is_dir():
                self._look(path)

    def _overflowed(self) -> None:
        self.overflows += 1

    async def hears(self, path: Path, act: Callable[[], object]) -> None:
        """Do something, and wait until it is heard."""
        del self.heard[:]
        act()
        await until(lambda: path in self.heard)


@within(30)
async def test_aDeletedFolderIsNotTheEnd(tmp_path: Path) -> None:
    """Also when it comes back."""
    sub = tmp_path / "sub"
    sub.mkdir()
    ear = Ear(tmp_path)
    await ear.hears(sub / "one", (sub / "one").touch)
    await ear.hears(sub, lambda: shutil.rmtree(sub))
    await ear.hears(tmp_path / "two", (tmp_path / "two").touch)
    await ear.hears(sub, sub.mkdir)
    await ear.hears(sub / "three", (sub / "three").touch)
    assert ear.watch.mode == "inotify"
    ear.watch.stop()


@within(30)
async def test_aRenamedFolderAndItsSuccessor(tmp_path: Path) -> None:
    """Both are watched, each under its own name, and so are folders within them."""
    old, new = tmp_path / "project", tmp_path / "project-old"
    (old / "deep").mkdir(parents=True)
    ear = Ear(tmp_path)
    await ear.hears(new, lambda: old.rename(new))
    await ear.hears(new / "deep" / "one", (new / "deep" / "one").touch)
    await ear.hears(old, lambda: (old / "deep").mkdir(parents=True))
    await ear.hears(old / "two", (old / "two").touch)
    await ear.hears(old / "deep" / "three", (old / "deep" / "three").touch)
    await ear.hears(new / "deep" / "four", (new / "deep" / "four").touch)
    ear.watch.stop()


@within(30)
async def test_aFolderThatIsMovedAway(tmp_path: Path) -> None:
    """What becomes of it elsewhere is not heard."""
    top, elsewhere = tmp_path / "top", tmp_path / "elsewhere"
    (top / "sub").mkdir(parents=True)
    ear = Ear(top)
    await ear.hears(top / "sub", lambda: (top / "sub").rename(elsewhere))
    (elsewhere / "one").touch()
    await ear.hears(top / "two", (top / "two").touch)
    assert [one for one in ear.heard if one.name == "one"] == []
    ear.watch.stop()


@within(60)
async def test_lostEventsAreTold(tmp_path: Path) -> None:
    """More than the kernel keeps while nobody reads them."""
    queue = int(QUEUE.read_text())
    if queue > 100_000:
        pytest.skip("it keeps too many")
    ear = Ear(tmp_path)
    for number in range(queue // 2 + 100):
        (tmp_path / f"{number}").touch()
    await until(lambda: ear.overflows > 0)
    ear.watch.stop()
