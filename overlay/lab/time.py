"""Virtual time: a heap of calls, in the order of their times and, at one time, of their making."""

import heapq
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer


@implementer(IDelayedCall)
class VirtualCall:
    """One call to come. Each peer has half a dozen all the time, so there is no more in it than must be."""

    __slots__ = ("_args", "_clock", "_function", "_when")

    def __init__(self, clock: "VirtualTime | PeerClock", when: float, function: Callable[..., Any], args: tuple) -> None:
        self._clock = clock
        self._when = when
        # None once it has been cancelled or made; if it was made, the arguments are None as well.
        self._function: Callable[..., Any] | None = function
        self._args: tuple | None = args

    def getTime(self) -> float:
        return self._when

    def cancel(self) -> None:
        self._check()
        # What it was to be called with may be large, and the heap keeps this for a while.
        self._function, self._args = None, ()
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
        if self._function is None:
            raise AlreadyCalled() if self._args is None else AlreadyCancelled()

    def _run(self) -> None:
        function, args = self._function, self._args
        self._function = self._args = None
        if function is not None and args is not None and not self._clock.dead:
            function(*args)


def _isDue(call: VirtualCall, when: float) -> bool:
    """Whether a call is still to be made, at that time."""
    return call._function is not None and call._when == when


@implementer(IReactorTime)
class VirtualTime:
    """
    A clock that moves only when it is told to.

    @ivar calls: how many calls have been run.
    """

    dead = False

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        # Time, order, and what is to be done: a call, or function and arguments of one that nobody can cancel.
        self._heap: list[tuple[float, int, VirtualCall | tuple[Callable[..., Any], tuple]]] = []
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
        return self.later(self, delay, partial(callable, **kw) if kw else callable, args)

    def later(self, clock: "VirtualTime | PeerClock", delay: float, function: Callable[..., Any], args: tuple) -> VirtualCall:
        """A call for C{clock}: it does not happen if that is dead by then."""
        if delay < 0:
            raise ValueError(f"a call {-delay} seconds ago")
        when = self._now + delay
        call = VirtualCall(clock, when, function, args)
        heapq.heappush(self._heap, (when, next(self._order), call))
        if self._cancelled > 1000:
            self._tidy()
        return call

    def post(self, when: float, function: Callable[..., Any], args: tuple) -> None:
        """A call that is never cancelled nor put off, as of a message that arrives: nobody is given anything to do so with."""
        heapq.heappush(self._heap, (when, next(self._order), (function, args)))

    def _push(self, call: VirtualCall) -> None:
        heapq.heappush(self._heap, (call._when, next(self._order), call))
        if self._cancelled > 1000:
            self._tidy()

    def _tidy(self) -> None:
        """Timers that are set and cancelled over and over must not fill the heap."""
        if self._cancelled > len(self._heap) // 2:
            self._heap = [entry for entry in self._heap if isinstance(entry[2], tuple) or _isDue(entry[2], entry[0])]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        found = {id(call): call for when, _, call in self._heap if not isinstance(call, tuple) and _isDue(call, when)}
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
            if not isinstance(call, tuple) and not _isDue(call, when):
                continue  # cancelled, or put off
            if when > self._now:
                self._now = when
            self.calls += 1
            if isinstance(call, tuple):
                call[0](*call[1])
            else:
                call._run()
            return True
        return False

    def _runAll(self, until: float) -> None:
        """The same for all calls that are due by C{until}: nothing in the lab runs more often than this loop."""
        pop = heapq.heappop
        while True:
            if self._interrupted:
                self._interrupted = False
                raise KeyboardInterrupt
            if not self._heap or self._heap[0][0] > until:
                return
            when, _, call = pop(self._heap)
            if isinstance(call, tuple):
                if when > self._now:
                    self._now = when
                self.calls += 1
                call[0](*call[1])
                continue
            function = call._function
            if function is None or call._when != when:
                continue
            if when > self._now:
                self._now = when
            self.calls += 1
            args = call._args
            call._function = call._args = None
            if args is not None and not call._clock.dead:
                function(*args)

    def interrupt(self) -> None:
        """Have C{KeyboardInterrupt} raised before the next call, where no callback of a Deferred swallows it."""
        self._interrupted = True

    def advance(self, seconds: float) -> None:
        """Let C{seconds} pass."""
        until = self._now + seconds
        self._runAll(until)
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
        return self.time.later(self, delay, partial(callable, **kw) if kw else callable, args)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        return self.time.getDelayedCalls()
