"""Virtual time: a heap of calls, in the order of their times and, at one time, of their making."""

import heapq
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer


@implementer(IDelayedCall)
class VirtualCall:
    """One call to come."""

    __slots__ = ("_args", "_done", "_function", "_kwargs", "_time", "_when")

    def __init__(
        self, time: "VirtualTime", when: float, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]
    ) -> None:
        self._time = time
        self._when = when
        self._function: Callable[..., Any] | None = function
        self._args = args
        self._kwargs = kwargs
        self._done = False

    def getTime(self) -> float:
        return self._when

    def cancel(self) -> None:
        self._check()
        self._function = None
        self._time._cancelled += 1

    def active(self) -> bool:
        return self._function is not None and not self._done

    def delay(self, secondsLater: float) -> None:
        self._check()
        self._when += secondsLater
        self._time._push(self)

    def reset(self, secondsFromNow: float) -> None:
        self._check()
        self._when = self._time.seconds() + secondsFromNow
        self._time._push(self)

    def _check(self) -> None:
        if self._done:
            raise AlreadyCalled()
        if self._function is None:
            raise AlreadyCancelled()

    def _run(self) -> None:
        function, self._function = self._function, None
        self._done = True
        assert function is not None
        function(*self._args, **self._kwargs)


@implementer(IReactorTime)
class VirtualTime:
    """
    A clock that moves only when it is told to.

    @ivar calls: how many calls have been run.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._heap: list[tuple[float, int, VirtualCall]] = []
        self._order = count()
        self._cancelled = 0
        self.calls = 0

    def seconds(self) -> float:
        return self._now

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any) -> VirtualCall:
        if delay < 0:
            raise ValueError(f"a call {-delay} seconds ago")
        call = VirtualCall(self, self._now + delay, callable, args, kw)
        self._push(call)
        return call

    def _push(self, call: VirtualCall) -> None:
        heapq.heappush(self._heap, (call._when, next(self._order), call))
        if self._cancelled > 1000 and self._cancelled > len(self._heap) // 2:
            # Timers that are set and cancelled over and over must not fill the heap.
            self._heap = [entry for entry in self._heap if entry[2].active() and entry[0] == entry[2]._when]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        found = {id(call): call for when, _, call in self._heap if call.active() and call._when == when}
        return list(found.values())

    def _next(self) -> VirtualCall | None:
        """The call that is due first, left on the heap."""
        while self._heap:
            when, _, call = self._heap[0]
            if call.active() and call._when == when:
                return call
            heapq.heappop(self._heap)
        return None

    def step(self, until: float) -> bool:
        """
        Run the next call if it is due by C{until}.

        @return: whether there was one.
        """
        call = self._next()
        if call is None or call._when > until:
            return False
        heapq.heappop(self._heap)
        self._now = max(self._now, call._when)
        self.calls += 1
        call._run()
        return True

    def advance(self, seconds: float) -> None:
        """Let C{seconds} pass."""
        until = self._now + seconds
        while self.step(until):
            pass
        self._now = max(self._now, until)

    def runUntil(self, predicate: Callable[[], object], limit: float) -> bool:
        """
        Run call by call until C{predicate} holds, for at most C{limit} seconds.

        @return: whether it holds.
        """
        until = self._now + limit
        while not predicate():
            if not self.step(until):
                self._now = max(self._now, until)
                return bool(predicate())
        return True
