"""
Virtual time: calls in the order of their times. At one time first come those that were set for it before, then what arrives then, all that
is for one peer together, and in the end what is put off to the same moment; within each of these in the order of their making.

Ten thousand peers have some hundred thousand calls to come, and nearly every one is far off: in one heap each push and each pop would
walk through entries that no cache holds any more. So time is cut into slots. A slot to come is a list in no order, which is sorted when it
has come; what is put into it from then on is a small heap. (R. Brown, "Calendar queues", Communications of the ACM 31, 1988.)
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, count
from operator import itemgetter
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

PER_SECOND = 64.0
"""Slots of a virtual second: a few hundred calls in each, with ten thousand peers."""
LAST = 1 << 62
"""The slot of what lies too far off to be counted."""

BEARABLE = 1000
"""Cancelled calls that are kept until their time comes, however few the others are."""

_SET = 0
_PUT_OFF = 1 << 62

Entry = tuple[float, int, int, Callable[..., Any] | None, Any]
"""
Time, rank among those of one time, order, and what is to be done: a function and its arguments, of a call that nobody can cancel; or None
and the L{VirtualCall}.
"""


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


def _isDue(entry: Entry) -> bool:
    """Whether a call is still to be made, at the time of this entry: it may have been cancelled, or put off."""
    when, _, _, function, call = entry
    return function is not None or (call._function is not None and call._when == when)


@implementer(IReactorTime)
class VirtualTime:
    """
    A clock that moves only when it is told to.

    @ivar calls: how many calls have been run.
    """

    dead = False

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        # The calls of the slot that has come, the last one first, and what was put into it and into those before it since.
        self._ready: list[Entry] = []
        self._heap: list[Entry] = []
        self._slot = int(start * PER_SECOND)
        self._later: dict[int, list[Entry]] = {}
        # The slots to come that have any.
        self._slots: list[int] = []
        self._order = count()
        self._cancelled = 0
        self._bearable = BEARABLE
        self._interrupted = False
        self._halted = False
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
        call = VirtualCall(clock, self._now + delay, function, args)
        self._push(call)
        return call

    def post(self, when: float, rank: int, function: Callable[..., Any] | None, args: Any) -> None:
        """
        A call that is never cancelled nor put off, as of a message that arrives: nobody is given anything to do so with.

        @param rank: the number of the peer that it is for, from 1 on. Where latency is constant the messages of thousands arrive at one
            moment, and a peer that takes all of its own in turn is in the processor's caches for all but the first.
        @param function: called with C{args}; None if those are a L{VirtualCall}.
        """
        number = when * PER_SECOND
        slot = int(number) if number < LAST else LAST
        entry = (when, rank, next(self._order), function, args)
        if slot <= self._slot:
            heapq.heappush(self._heap, entry)
        elif slot in self._later:
            self._later[slot].append(entry)
        else:
            self._later[slot] = [entry]
            heapq.heappush(self._slots, slot)

    def _push(self, call: VirtualCall) -> None:
        self.post(call._when, _SET if call._when > self._now else _PUT_OFF, None, call)
        if self._cancelled > self._bearable:
            self._tidy()

    def _turn(self) -> list[Entry]:
        """Nothing is left of this slot: what the next one has, the last one first; empty if there is none."""
        if self._slots:
            # Whatever is put into this slot from now on, even if the clock does not come so far yet, finds its place in the heap.
            self._slot = heapq.heappop(self._slots)
            self._ready = self._later.pop(self._slot)
            self._ready.sort(reverse=True)
        return self._ready

    def _entries(self) -> Iterator[Entry]:
        return chain(self._ready, self._heap, *self._later.values())

    def _tidy(self) -> None:
        """Timers that are set and cancelled over and over must not fill the memory."""
        self._bearable = max(BEARABLE, (len(self._ready) + len(self._heap) + sum(map(len, self._later.values()))) // 2)
        if self._cancelled > self._bearable:
            # In their order, so that those of one time stay in it.
            kept = sorted(filter(_isDue, self._entries()), key=itemgetter(0, 1, 2))
            self._ready, self._heap, self._later, self._slots = [], [], {}, []
            self._cancelled, self._bearable = 0, BEARABLE
            for when, rank, _, function, call in kept:
                self.post(when, rank, function, call)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        found = {id(call): call for _, _, _, function, call in filter(_isDue, self._entries()) if function is None}
        return list(found.values())

    def _runAll(self, until: float, predicate: Callable[[], object] | None = None) -> bool:
        """
        Run the calls that are due by C{until}, as long as C{predicate} does not hold: nothing in the lab runs more often than this loop.

        @return: whether it holds, or somebody has called a halt.
        """
        pop = heapq.heappop
        while predicate is None or not predicate():
            if self._halted:
                self._halted = False
                if self._interrupted:
                    self._interrupted = False
                    raise KeyboardInterrupt
                return True
            ready, heap = self._ready, self._heap
            if not heap and not ready:
                ready = self._turn()
                if not ready:
                    return False
            if not heap or (ready and ready[-1] < heap[0]):
                if ready[-1][0] > until:
                    return False
                when, _, _, function, call = ready.pop()
            else:
                if heap[0][0] > until:
                    return False
                when, _, _, function, call = pop(heap)
            if function is not None:
                if when > self._now:
                    self._now = when
                self.calls += 1
                function(*call)
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
        return True

    def interrupt(self) -> None:
        """Have C{KeyboardInterrupt} raised before the next call, where no callback of a Deferred swallows it."""
        self._interrupted = self._halted = True

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
        if self._runAll(until, predicate):
            return True
        self._now = max(self._now, until)
        return bool(predicate())

    def runUntilFired(self, deferred: Deferred[Any], limit: float) -> bool:
        """
        L{runUntil} C{deferred} has fired, which costs nothing at the calls before.

        @return: whether it has.
        """
        until = self._now + limit
        waiting, fired = True, False

        def halt(result: Any) -> Any:
            nonlocal fired
            fired = True
            self._halted = self._halted or waiting
            return result

        deferred.addBoth(halt)
        try:
            if not self._runAll(until):
                self._now = max(self._now, until)
        finally:
            waiting = False
        return fired


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
