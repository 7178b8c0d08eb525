"""Virtual time: a heap of calls, in the order of their times and, at one time, of their making."""

import heapq
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

_NONE: dict[str, Any] = {}


@implementer(IDelayedCall)
class VirtualCall:
    """One call to come."""

    __slots__ = ("_args", "_clock", "_done", "_function", "_kwargs", "_when")

    def __init__(
        self, clock: "VirtualTime | PeerClock", when: float, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]
    ) -> None:
        self._clock = clock
        self._when = when
        self._function: Callable[..., Any] | None = function
        self._args = args
        self._kwargs = kwargs or _NONE
        self._done = False

    def getTime(self) -> float:
        return self._when

    def cancel(self) -> None:
        self._check()
        # What it was to be called with may be large, and the heap keeps this for a while.
        self._function, self._args, self._kwargs = None, (), _NONE
        self._clock.time._cancelled += 1

    def active(self) -> bool:
        return self._function is not None

    def delay(self, secondsLater: float) -> None:
        self._check()
        self._when += secondsLater
        self._clock.time._push(self)

    def reset(self, secondsFromNow: float) -> None:
        self._check()
        self._when = self._clock.seconds() + secondsFromNow
        self._clock.time._push(self)

    def _check(self) -> None:
        if self._done:
            raise AlreadyCalled()
        if self._function is None:
            raise AlreadyCancelled()

    def _run(self) -> None:
        function, args, kwargs = self._function, self._args, self._kwargs
        self._function, self._args, self._kwargs, self._done = None, (), _NONE, True
        if function is not None and not self._clock.dead:
            function(*args, **kwargs)


@implementer(IReactorTime)
class VirtualTime:
    """
    A clock that moves only when it is told to.

    @ivar calls: how many calls have been run.
    """

    dead = False

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._heap: list[tuple[float, int, VirtualCall]] = []
        self._order = count()
        self._cancelled = 0
        self._interrupted = False
        self.calls = 0

    @property
    def time(self) -> "VirtualTime":
        return self

    def seconds(self) -> float:
        return self._now

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any) -> VirtualCall:
        return self.later(self, delay, callable, args, kw)

    def later(
        self, clock: "VirtualTime | PeerClock", delay: float, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]
    ) -> VirtualCall:
        """A call for C{clock}: it does not happen if that is dead by then."""
        if delay < 0:
            raise ValueError(f"a call {-delay} seconds ago")
        call = VirtualCall(clock, self._now + delay, function, args, kwargs)
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

    def step(self, until: float) -> bool:
        """
        Run the next call if it is due by C{until}.

        @return: whether there was one.
        """
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt
        while self._heap and (entry := self._heap[0])[0] <= until:
            heapq.heappop(self._heap)
            when, _, call = entry
            if call._function is None or call._when != when:
                continue  # cancelled, or put off
            if when > self._now:
                self._now = when
            self.calls += 1
            call._run()
            return True
        return False

    def interrupt(self) -> None:
        """Have C{KeyboardInterrupt} raised before the next call, where no callback of a Deferred swallows it."""
        self._interrupted = True

    def advance(self, seconds: float) -> None:
        """Let C{seconds} pass."""
        until = self._now + seconds
        step = self.step
        while step(until):
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


@implementer(IReactorTime)
class PeerClock:
    """The virtual time of one peer: when the peer crashes, none of its calls happens any more."""

    __slots__ = ("dead", "time")

    def __init__(self, time: VirtualTime) -> None:
        self.time = time
        self.dead = False

    def seconds(self) -> float:
        return self.time._now

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any) -> VirtualCall:
        return self.time.later(self, delay, callable, args, kw)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        return self.time.getDelayedCalls()
