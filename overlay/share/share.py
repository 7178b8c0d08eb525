"""The user's own folders: finds what is in them, has it read, and tells what is new, changed or gone."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.index.document import Document
from overlay.share.cache import Cache, Remembered
from overlay.share.exclusion import Exclusion
from overlay.share.reading import Reader, Request, documentOf
from overlay.share.scan import Entry, Walk, nameFolders
from overlay.share.watch import Watch

SLICE = 0.01
"""Seconds of walking in one turn of the reactor."""
HAND_ON = 0.25
"""Seconds after which what was read is handed on, or as soon as there are L{BATCH}."""
BATCH = 200
AHEAD = 500
"""Files waiting to be read at which the walk pauses."""
RESCAN = 300.0
POLL = 3.0
"""Seconds between two scans where there is no inotify."""
AGAIN = 1.0
"""Seconds after which a file that was being written is read again."""
STORE_AGAIN = 5.0
"""Seconds after which what could not be stored is tried again; nothing more is read until then."""
PROGRESS = 5.0
EXAMPLES = 5


def _ignore(changed: Sequence[Document], removed: Sequence[str]) -> None:
    """Nobody listens yet."""


class Share:
    """
    @ivar onChange: called with documents that are new or changed, and locations that are gone.
    @ivar isShared: whether a location has a record already; then an unchanged file need not be read again.
    @ivar scanning: whether a walk is under way.
    """

    def __init__(
        self, commons: Commons, folders: list[Path], exclude: list[str], reactor: Any, data: Path | None = None,
        rescan: float = RESCAN,
    ) -> None:
        """
        @param data: the peer's own state, which is never shared.
        """
        self._commons = commons
        self._reactor = reactor
        self._folders = nameFolders(folders)
        self._exclusion = Exclusion(exclude)
        self._data = data
        self._rescan = rescan
        settings = commons.settings
        self._cache = Cache(commons.softTable("files", remember=False), settings.textLimit, commons.network.dialect)
        self._reader = Reader(reactor, settings.textLimit, settings.termLimit, commons.network.dialect)
        self._watch = Watch(reactor, self._pathsChanged, self._scanSoon)
        self.onChange: Callable[[Sequence[Document], Sequence[str]], None] = _ignore
        self.isShared: Callable[[str], bool] = lambda location: False
        self.scanning = False
        self._running = False
        self._walk: Iterator[Entry | None] | None = None
        self._seen: set[bytes] = set()
        self._missing: list[Path] = []
        self._files = 0
        self._read = 0
        self._bytes = 0
        self._skipped: dict[str, dict[str, None]] = {}
        self._skippedCount: dict[str, int] = {}
        self._changed: dict[str, Document] = {}
        self._removed: dict[str, None] = {}
        self._remember: dict[bytes, Remembered] = {}
        self._reading: dict[bytes, Entry] = {}
        self._again: set[bytes] = set()
        self._unsettled: set[bytes] = set()
        self._calls: dict[str, IDelayedCall] = {}
        self._started = 0.0
        self._scanAgain = False
        self._problem = ""

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Look through the folders, then watch them."""
        self._running = True
        self._started = self._reactor.seconds()
        self._watch.start()
        self._scan()

    def stop(self) -> Deferred[None]:
        """
        @return: fires when the child process has gone.
        """
        self._running = False
        for call in self._calls.values():
            if call.active():
                call.cancel()
        self._calls.clear()
        self._watch.stop()
        self._handOn()
        return self._reader.stop()

    def _later(self, name: str, seconds: float, what: Callable[[], None]) -> None:
        """One call of each name at a time."""
        call = self._calls.get(name)
        if self._running and (call is None or not call.active()):
            self._calls[name] = self._reactor.callLater(seconds, what)

    def _clear(self, name: str) -> None:
        """No call of this name waits any more."""
        call = self._calls.pop(name, None)
        if call is not None and call.active():
            call.cancel()

    # --- scanning ----------------------------------------------------------------------------------------------------

    def _scanSoon(self) -> None:
        self._later("scan", 0.0, self._scan)

    def _scan(self) -> None:
        if self.scanning or not self._running:
            self._scanAgain = True
            return
        self.scanning, self._scanAgain = True, False
        self._seen = set()
        self._skipped.clear()
        self._skippedCount.clear()
        there = [one for one in self._folders if one.path.is_dir()]
        self._missing = [one.path for one in self._folders if one not in there]
        for path in self._missing:
            self._commons.log.warn("the share folder {path} is not there; its records are kept", path=str(path))
        walk = Walk(there, self._exclusion, self._skip, self._watch.folder, self._data)
        self._walk = walk.entries()
        self._later("walk", 0.0, self._step)
        self._later("progress", PROGRESS, self._logProgress)

    def _step(self) -> None:
        """Walk for a moment."""
        if self._walk is None or not self._running:
            return
        until = self._reactor.seconds() + SLICE
        while self._reactor.seconds() < until:
            if self._isBehind():
                break
            try:
                entry = next(self._walk)
            except StopIteration:
                self._walk = None
                self._scanned()
                return
            if entry is not None:
                self._seen.add(entry.path)
                self._look(entry)
        self._clear("walk")
        self._later("walk", 0.05 if self._isBehind() else 0.0, self._step)

    def _isBehind(self) -> bool:
        """Whether the walk has to wait."""
        return bool(self._problem) or self._reader.waiting > AHEAD

    def _scanned(self) -> None:
        """A whole walk is done: what was remembered and not seen is gone, unless its folder is only missing for now."""
        self.scanning = False
        missing = [os.fsencode(path) + b"/" for path in self._missing]
        gone = [
            path for path in self._cache.paths()
            if path not in self._seen and not any(path.startswith(one) for one in missing)
        ]
        self._drop(gone)
        self._files = len(self._seen)
        self._seen = set()
        self._clear("walk")
        self._later("rescan", self._rescan if self._watch.mode == "inotify" else min(self._rescan, POLL), self._scan)
        if self._scanAgain:
            self._scanSoon()
        if not self._reader.waiting:
            self._logProgress()

    def _skip(self, reason: str, path: str) -> None:
        self._skippedCount[reason] = self._skippedCount.get(reason, 0) + 1
        examples = self._skipped.setdefault(reason, {})
        if len(examples) < EXAMPLES:
            examples[path] = None

    def _look(self, entry: Entry) -> None:
        """One file: have it read unless it is as it was."""
        if self._problem:
            # It could not be stored. Once there is room, a whole scan finds it.
            self._scanAgain = True
            return
        held = self._cache.get(entry.path)
        if held is not None and self._cache.isFresh(held, entry.size, entry.modified, entry.location):
            if held.problem:
                self._skip(held.problem, entry.location)
            if self.isShared(entry.location):
                return
        elif held is not None and held.location != entry.location:
            self._removed[held.location] = None
        if entry.path in self._reading:
            self._again.add(entry.path)
            return
        self._readOne(entry, True)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _readOne(self, entry: Entry, extract: bool) -> None:
        self._reading[entry.path] = entry
        self._reader.read(
            Request(
                entry.path, entry.name, entry.size, lambda answer: self._wasRead(entry, extract, answer), extract
            )
        )

    def _wasRead(self, entry: Entry, extract: bool, answer: tuple | None) -> None:
        self._reading.pop(entry.path, None)
        if answer is None:
            if extract:
                # It killed its reader; its hash and name can still be had.
                self._readOne(entry, False)
            else:
                self._skip("unreadable", entry.location)
            return
        if entry.path in self._again:
            self._again.discard(entry.path)
            self._pathsChanged([entry.path])
            return
        problem, size, modified = answer[:3]
        if size < 0:
            if problem == "changing":
                self._unsettled.add(entry.path)
                self._later("again", AGAIN, self._lookAgain)
            elif problem != "vanished":
                self._skip(problem, entry.location)
            return
        if not extract:
            problem = "extraction failed"
        if problem:
            self._skip(problem, entry.location)
        self._read += 1
        self._bytes += size
        self._changed[entry.location] = documentOf(entry, answer)
        self._removed.pop(entry.location, None)
        self._remember[entry.path] = self._cache.make(size, modified, entry.location, problem)
        if len(self._changed) >= BATCH and not self._problem:
            self._handOn()
        else:
            self._later("hand-on", HAND_ON, self._handOn)

    def _handOn(self) -> None:
        self._clear("hand-on")
        if not self._changed and not self._removed:
            return
        try:
            self.onChange(list(self._changed.values()), list(self._removed))
        except SuperpeerError as problem:
            # A full disk: all of it is kept for the next try.
            if str(problem) != self._problem:
                self._problem = str(problem)
                self._commons.log.error("the share could not be stored: {problem}", problem=problem)
            self._later("hand-on", STORE_AGAIN, self._handOn)
            return
        self._cache.put(self._remember.items())
        self._changed, self._removed, self._remember = {}, {}, {}
        if self._problem:
            self._problem = ""
            self._commons.log.info("the share is stored again")
        if self._scanAgain and not self.scanning:
            self._scanSoon()

    def _lookAgain(self) -> None:
        self._clear("again")
        paths, self._unsettled = sorted(self._unsettled), set()
        self._pathsChanged(paths)

    def _drop(self, paths: list[bytes]) -> None:
        for path in paths:
            held = self._cache.get(path)
            if held is not None:
                self._removed[held.location] = None
                self._changed.pop(held.location, None)
            self._remember.pop(path, None)
        if paths:
            self._cache.remove(paths)
            self._later("hand-on", HAND_ON, self._handOn)

    # --- changes -----------------------------------------------------------------------------------------------------

    def _pathsChanged(self, paths: list[bytes]) -> None:
        if not self._running:
            return
        for path in paths:
            if self._data is not None and (path + b"/").startswith(os.fsencode(self._data) + b"/"):
                continue
            if os.path.lexists(path):
                self._appeared(path)
            else:
                self._vanished(path)

    def _appeared(self, path: bytes) -> None:
        walk = Walk(self._folders, self._exclusion, self._skip, self._watch.folder, self._data)
        for folder in self._folders:
            top = os.fsencode(folder.path)
            if path == top or path.startswith(top + b"/"):
                if path == top:
                    self._scanSoon()
                    return
                for number, entry in enumerate(walk.below(folder, path)):
                    if entry is not None:
                        self._look(entry)
                    if number > 2000:
                        # A whole tree was moved in: that is work for a scan.
                        self._scanSoon()
                        return

    def _vanished(self, path: bytes) -> None:
        if any(path == os.fsencode(one.path) for one in self._folders):
            self._scanSoon()
            return
        held = self._cache.get(path)
        self._drop([path] if held is not None else self._cache.below(path))

    # --- for people --------------------------------------------------------------------------------------------------

    def _logProgress(self) -> None:
        self._clear("progress")
        waiting = self._reader.waiting
        if self.scanning or waiting:
            self._commons.log.info(
                "share: {read} files read, {waiting} waiting{walking}", read=self._read, waiting=waiting,
                walking=", still looking for more" if self.scanning else "",
            )
            self._later("progress", PROGRESS, self._logProgress)
        elif self._folders:
            self._commons.log.info(
                "share: {files} files, {read} of them read in this run", files=self._files, read=self._read
            )

    def report(self) -> dict[str, Any]:
        """What is shared, what is not and why, and how far the reading is."""
        waiting = self._reader.waiting
        known = max(self._files, len(self._seen))
        done = known - waiting
        spent = max(0.001, self._reactor.seconds() - self._started)
        return {
            "folders": [
                {"path": str(one.path), "name": one.name, "there": one.path not in self._missing} for one in self._folders
            ],
            "files": known,
            "waiting": waiting,
            "scanning": self.scanning,
            "progress": 1.0 if not waiting and not self.scanning else round(max(0, done) / max(1, known), 3),
            "read": self._read,
            "bytes read": self._bytes,
            "files per second": round(self._read / spent, 1),
            "skipped": {
                reason: {"count": count, "examples": list(self._skipped.get(reason, ()))}
                for reason, count in sorted(self._skippedCount.items())
            },
            "excluded": list(self._exclusion.patterns),
            "watching": self._watch.mode,
            "child running": self._reader.running,
            "children lost": self._reader.deaths,
            "problem": self._problem,
        }
