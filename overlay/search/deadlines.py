"""Many deadlines, and one timer for the next of them: most are dropped long before they are due, and a timer costs."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

_T = TypeVar("_T")
SPARE = 64
"""Deadlines that were dropped are kept until they are so many, and more than those that stand."""
_SOON = 1e-9
"""Seconds: no clock reckons more exactly."""


class Deadlines(Generic[_T]):
    """Of what there is, each calls C{over} at its time; those of one time in the order in which they were added."""

    __slots__ = ("_clock", "_due", "_next", "_numbers", "_over", "_standing", "_timer")

    def __init__(self, clock: IReactorTime, over: Callable[[_T], object]) -> None:
        self._clock = clock
        self._over = over
        self._next = 0
        self._due: list[tuple[float, int]] = []
        self._numbers: dict[_T, int] = {}
        self._standing: dict[int, _T] = {}
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._standing)

    def add(self, when: float, one: _T) -> None:
        """
        @param when: in seconds of the clock.
        """
        self._next += 1
        self._numbers[one] = self._next
        self._standing[self._next] = one
        heappush(self._due, (when, self._next))
        if self._timer is None or when < self._timer.getTime():
            self._wait()

    def drop(self, one: _T) -> None:
        """It has ended before its time."""
        number = self._numbers.pop(one, None)
        if number is None:
            return
        del self._standing[number]
        if not self._standing:
            # The timer goes on: most often there is another one before its time, which then needs none.
            self._due.clear()
        elif len(self._due) > SPARE + 2 * len(self._standing):
            self._due = [entry for entry in self._due if entry[1] in self._standing]
            heapify(self._due)

    def stop(self) -> None:
        """Forget all."""
        self._due.clear()
        self._numbers.clear()
        self._standing.clear()
        self._stopTimer()

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _wait(self) -> None:
        self._stopTimer()
        self._timer = self._clock.callLater(max(0.0, self._due[0][0] - self._clock.seconds()), self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds() + _SOON
        while self._due and self._due[0][0] <= now:
            one = self._standing.pop(heappop(self._due)[1], None)
            if one is not None:
                del self._numbers[one]
                self._over(one)
        if self._due and self._timer is None:
            self._wait()
