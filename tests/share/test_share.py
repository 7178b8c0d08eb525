"""The user's folders: what is found is handed on, and nothing of it is lost when it cannot be stored at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor

from overlay.errors import StoreFull
from overlay.index.document import Document
from overlay.share import share as shareModule
from overlay.share.share import Share
from tests.eventually import until, within
from tests.index.material import identity
from tests.index.surroundings import commonsOf


class Shelf:
    """Where a share is stored; there may be no room."""

    def __init__(self) -> None:
        self.full = False
        self.tries = 0
        self.held: dict[str, Document] = {}

    def change(self, changed: Sequence[Document], removed: Sequence[str]) -> None:
        self.tries += 1
        if self.full:
            raise StoreFull("no space left")
        for location in removed:
            self.held.pop(location, None)
        self.held.update({one.location: one for one in changed})

    def names(self) -> set[str]:
        return {one.name for one in self.held.values()}


def shareOf(folder: Path, shelf: Shelf) -> Share:
    share = Share(commonsOf(identity(1)), [folder], [], reactor)
    share.onChange = shelf.change
    share.isShared = shelf.held.__contains__
    return share


@within(60)
async def test_whatIsThereAndWhatChanges(tmp_path: Path) -> None:
    """Files that are there, that appear, change, move and vanish."""
    (tmp_path / "one.txt").write_text("dawn")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "two.txt").write_text("dusk")
    shelf = Shelf()
    share = shareOf(tmp_path, shelf)
    share.start()
    await until(lambda: shelf.names() == {"one.txt", "two.txt"})
    (tmp_path / "three.txt").write_text("noon")
    (tmp_path / "one.txt").write_text("dawn again")
    (tmp_path / "sub" / "two.txt").rename(tmp_path / "four.txt")
    await until(lambda: shelf.names() == {"one.txt", "three.txt", "four.txt"})
    await until(lambda: "dawn again" in {one.text for one in shelf.held.values()})
    (tmp_path / "three.txt").unlink()
    await until(lambda: shelf.names() == {"one.txt", "four.txt"})
    await share.stop()


@within(60)
async def test_noRoomForAWhile(tmp_path: Path, monkeypatch: Any) -> None:
    """What could not be stored is stored once there is room: new, changed and gone alike, and what changed meanwhile."""
    monkeypatch.setattr(shareModule, "STORE_AGAIN", 0.2)
    (tmp_path / "old.txt").write_text("dawn")
    (tmp_path / "changing.txt").write_text("first")
    shelf = Shelf()
    share = shareOf(tmp_path, shelf)
    share.start()
    await until(lambda: shelf.names() == {"old.txt", "changing.txt"})
    shelf.full = True
    (tmp_path / "new.txt").write_text("dusk")
    await until(lambda: "no space left" in share.report()["problem"])
    (tmp_path / "changing.txt").write_text("second")
    (tmp_path / "old.txt").unlink()
    for number in range(250):
        (tmp_path / f"later{number}.txt").write_text(f"noon {number}")
    tries = shelf.tries
    await until(lambda: shelf.tries > tries + 1)
    assert shelf.names() == {"old.txt", "changing.txt"}
    shelf.full = False
    await until(lambda: shelf.names() == {"new.txt", "changing.txt", *(f"later{number}.txt" for number in range(250))})
    await until(lambda: "second" in {one.text for one in shelf.held.values()})
    assert share.report()["problem"] == ""
    await share.stop()


@within(60)
async def test_noRoomFromTheStart(tmp_path: Path, monkeypatch: Any) -> None:
    """A long walk rests while nothing can be stored, does not gather what it reads without bound, and goes on by itself."""
    monkeypatch.setattr(shareModule, "STORE_AGAIN", 0.2)
    monkeypatch.setattr(shareModule, "AHEAD", 20)
    monkeypatch.setattr(shareModule, "BATCH", 20)
    for number in range(400):
        (tmp_path / f"{number}.txt").write_text(f"noon {number}")
    shelf = Shelf()
    shelf.full = True
    share = shareOf(tmp_path, shelf)
    share.start()
    await until(lambda: shelf.tries > 3)
    assert share.report()["read"] < 200 and share.report()["waiting"] == 0 and not shelf.held
    shelf.full = False
    await until(lambda: len(shelf.held) == 400)
    await share.stop()
