"""What waits until everybody who prunes by a summary knows its newest version."""

from collections import deque
from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

Act = Callable[[], None]


@attrs.define(slots=True, eq=False)
class _Entry:
    version: int
    deadline: float
    act: Act


class Awaiting:
    """
    @param hold: seconds after which whoever has not acknowledged has noticed that it hears nothing, and prunes no more.
    @param isKnown: whether everybody knows a version.
    """

    def __init__(self, clock: IReactorTime, hold: float, isKnown: Callable[[int], bool]) -> None:
        self._clock = clock
        self._hold = hold
        self._isKnown = isKnown
        self._entries: deque[_Entry] = deque()
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, version: int, act: Act) -> None:
        """Call C{act} once C{version} is known; at once if it is."""
        if not self._entries and self._isKnown(version):
            act()
            return
        self._entries.append(_Entry(version, self._clock.seconds() + self._hold, act))
        self._timeHead()

    def look(self) -> None:
        """Something may be known now."""
        while self._entries:
            first = self._entries[0]
            if not self._isKnown(first.version) and self._clock.seconds() < first.deadline:
                break
            self._entries.popleft().act()
        self._timeHead()

    def _timeHead(self) -> None:
        if self._timer is None and self._entries:
            wait = max(0.0, self._entries[0].deadline - self._clock.seconds())
            self._timer = self._clock.callLater(wait, self._timeOver)

    def _timeOver(self) -> None:
        self._timer = None
        self.look()

    def stop(self) -> None:
        """Nobody is told of what still waits."""
        self._entries.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
