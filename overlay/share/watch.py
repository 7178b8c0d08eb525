"""Hears of changes in the shared folders: by inotify where there is one, with a rescan behind it in any case."""

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.python.filepath import FilePath

SETTLE = 0.3
"""Seconds of quiet after which changes are looked at: a file is often written in several steps."""
LATEST = 1.0
"""Seconds after which they are looked at however busy it is."""


class Watch:
    """
    @ivar mode: C{inotify}, C{inotify and rescans} when not every folder could be watched, or C{rescans}.
    """

    def __init__(self, reactor: Any, changed: Callable[[list[bytes]], None], overflowed: Callable[[], None]) -> None:
        """
        @param changed: called with paths that were made, written, moved or removed.
        @param overflowed: called when events were lost.
        """
        self._reactor = reactor
        self._changed = changed
        self._overflowed = overflowed
        self._dirty: dict[bytes, None] = {}
        self._timer: IDelayedCall | None = None
        self._first = 0.0
        self._notifier: Any = None
        self._watched: set[bytes] = set()
        self.mode = "rescans"

    def start(self) -> None:
        """Open inotify if this machine has it."""
        try:
            from overlay.share.notifier import GONE, MASK, MOVED, Notifier

            self._notifier = Notifier(self._reactor, self._overflowed)
            self._notifier.startReading()
        except Exception:  # no inotify here, or no descriptor left: every failure means the same
            self._notifier = None
            return
        self._mask, self._gone, self._moved = MASK, GONE, MOVED
        self.mode = "inotify"

    def stop(self) -> None:
        """Close it."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        notifier, self._notifier = self._notifier, None
        if notifier is not None:
            notifier.end()

    def folder(self, path: bytes) -> None:
        """Watch one folder; nothing happens if it is watched."""
        if self._notifier is None or path in self._watched:
            return
        try:
            self._notifier.watch(FilePath(path), self._mask, callbacks=[self._heard])
        except Exception:  # the limit of watches is reached, or the folder has gone
            self.mode = "inotify and rescans"
            return
        self._watched.add(path)

    def _heard(self, ignored: object, path: FilePath, mask: int) -> None:
        where = path.asBytesMode().path
        if mask & self._gone:
            self._watched.discard(where)
        elif mask & self._moved:
            self._moveAway(where)
        seconds = self._reactor.seconds()
        if not self._dirty:
            self._first = seconds
        self._dirty[where] = None
        wait = max(0.0, min(SETTLE, self._first + LATEST - seconds))
        if self._timer is not None and self._timer.active():
            self._timer.reset(wait)
        else:
            self._timer = self._reactor.callLater(wait, self._tell)

    def _moveAway(self, where: bytes) -> None:
        """The folders there are elsewhere now, where they are watched anew; another may come in their place."""
        below = where + b"/"
        for one in [one for one in self._watched if one == where or one.startswith(below)]:
            self._watched.discard(one)
            if self._notifier is not None:
                self._notifier.forget(one)

    def _tell(self) -> None:
        self._timer = None
        dirty, self._dirty = list(self._dirty), {}
        self._changed(dirty)
