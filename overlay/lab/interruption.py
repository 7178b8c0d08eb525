"""Ctrl-C in the lab: heard at any time, and let through where a run can be left with what it has measured."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class Interruption:
    """
    Stands in, as a context, for Python's own answer to Ctrl-C. That raises C{KeyboardInterrupt} wherever the program happens to be: in the
    callback of a Deferred, which swallows it, or while a result is on its way to another process.

    @ivar last: the process ends with what this guards: from the first Ctrl-C on others do nothing afterwards, so that what was printed, and
        the exit status, stay as they are. Between a handler that is put back and one that is set anew there would be a moment for one more.
    @ivar heard: how many times.
    @ivar pending: whether one was heard that nobody has been told of.
    """

    def __init__(self, *, last: bool = False) -> None:
        self.last = last
        self.heard = 0
        self.pending = False
        self._allowed = False
        self._stop: Callable[[], bool] = lambda: False
        self._before: Any = None

    def __enter__(self) -> "Interruption":
        # Signals are for the main thread alone; elsewhere there is no Ctrl-C.
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._signalled)
        return self

    def __exit__(self, *ignored: object) -> None:
        self._allowed = False
        if self._before is not None:
            signal.signal(signal.SIGINT, signal.SIG_IGN if self.last and self.heard else self._before)

    def allow(self, stop: Callable[[], bool] = lambda: False) -> None:
        """
        From now on Ctrl-C raises C{KeyboardInterrupt}, once.

        @param stop: called at the first, within the signal; if it is true, that will be raised at a better moment than this one. The second
            does not wait.
        @raise KeyboardInterrupt: there was one already.
        """
        self._stop = stop
        self._allowed = True
        if self.pending:
            self._raise()

    def refuse(self) -> None:
        """From now on it is only noted."""
        self._allowed = False

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.heard += 1
        again, self.pending = self.pending, True
        if self._allowed and (again or not self._stop()):
            self._raise()

    def _raise(self) -> None:
        self._allowed = self.pending = False
        raise KeyboardInterrupt
