"""The child process: it is replaced when a file kills it, and ended when there is no work."""

import os
import signal
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from overlay.share import reading
from overlay.share.reading import Reader, Request
from tests.eventually import until, within


def ask(reader: Reader, path: Path, extract: bool = True) -> Deferred[Any]:
    answered: Deferred[Any] = Deferred()
    reader.read(Request(os.fsencode(path), path.name, path.stat().st_size, answered.callback, extract))
    return answered


@within(60)
async def test_readAndEnd(tmp_path: Path, monkeypatch: Any) -> None:
    """Several files are read in order; without work the child goes, and with new work comes again."""
    monkeypatch.setattr(reading, "IDLE", 0.2)
    reader = Reader(reactor, 100, 100)
    files = []
    for number in range(40):
        path = tmp_path / f"{number}.txt"
        path.write_text(f"text {number}")
        files.append(path)
    answers = [await one for one in [ask(reader, path) for path in files]]
    assert [answer[5] for answer in answers] == [f"text {number}" for number in range(40)]
    await until(lambda: not reader.running)
    assert (await ask(reader, files[0]))[5] == "text 0"
    await reader.stop()
    assert not reader.running and reader.waiting == 0


@within(60)
async def test_theChildDies(tmp_path: Path) -> None:
    """The file that it had before it is told; the others are read by the next one."""
    reader = Reader(reactor, 100, 100)
    big, small = tmp_path / "big", tmp_path / "small.txt"
    with big.open("wb") as out:
        out.truncate(3 << 30)
    small.write_text("small")
    first, second = ask(reader, big), ask(reader, small)
    process: Any = reader._process
    os.kill(process.pid, signal.SIGKILL)
    assert await first is None
    assert (await second)[5] == "small" and reader.deaths == 1
    await reader.stop()


@within(60)
async def test_aStalledFile(tmp_path: Path, monkeypatch: Any) -> None:
    """A file that takes too long costs its child."""
    monkeypatch.setattr(reading, "STALLED", 0.3)
    monkeypatch.setattr(reading, "PER_SECOND", 1 << 62)
    reader = Reader(reactor, 100, 100)
    big = tmp_path / "big"
    with big.open("wb") as out:
        out.truncate(20 << 30)
    assert await ask(reader, big) is None
    await reader.stop()
