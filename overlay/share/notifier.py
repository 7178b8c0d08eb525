"""
Twisted's inotify, which goes on when one of the watched folders is deleted, and tells when the kernel has lost events. Only where the
system has inotify can this be imported.
"""

import struct
from collections.abc import Callable
from typing import Any

from twisted.internet import inotify
from twisted.internet.fdesc import readFromFD
from twisted.python.filepath import FilePath

MASK = (
    inotify.IN_CLOSE_WRITE | inotify.IN_CREATE | inotify.IN_DELETE | inotify.IN_MOVED_FROM | inotify.IN_MOVED_TO
    | inotify.IN_DELETE_SELF | inotify.IN_MOVE_SELF | inotify.IN_ATTRIB
)
GONE = inotify.IN_DELETE_SELF | inotify.IN_IGNORED
MOVED = inotify.IN_MOVED_FROM | inotify.IN_MOVE_SELF
"""Signs that what was at a path is elsewhere now, and what is watched below it with it."""
_event = struct.Struct("=LLLL")


class Notifier(inotify.INotify):
    """Watches folders, none of which brings the others down with it."""

    def __init__(self, reactor: Any, overflowed: Callable[[], None]) -> None:
        """
        @param overflowed: called when events were lost.
        """
        super().__init__(reactor)
        self._overflowed = overflowed
        self._ending = False

    def end(self) -> None:
        """Watch nothing any more."""
        self._ending = True
        self.loseConnection()

    def loseConnection(self, _connDone: Any = None) -> None:
        """Twisted's class closes itself with the first folder that is deleted."""
        if self._ending:
            super().loseConnection()

    def doRead(self) -> Any:
        return readFromFD(self.fileno(), self._came)

    def _came(self, data: bytes) -> None:
        # That events were lost is told of no folder, and so to nobody.
        at, lost = 0, False
        while at + _event.size <= len(data):
            _, mask, _, size = _event.unpack_from(data, at)
            at += _event.size + size
            lost = lost or bool(mask & inotify.IN_Q_OVERFLOW)
        self._doRead(data)
        if lost:
            self._overflowed()

    def forget(self, path: bytes) -> None:
        """A folder is watched no longer; nothing happens if it was not."""
        try:
            self.ignore(FilePath(path))
        except KeyError:
            return
