"""Virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IReactorTime
from zope.interface.verify import verifyObject

from overlay.lab.time import VirtualTime


def test_isAReactorsTime() -> None:
    """It can stand wherever Twisted wants time."""
    assert verifyObject(IReactorTime, VirtualTime())


@given(st.lists(st.floats(0, 100), max_size=50))
def test_callsInOrder(delays: list[float]) -> None:
    """Calls run in the order of their times; of equal times, in the order of their making."""
    time = VirtualTime(5.0)
    ran: list[tuple[float, int]] = []
    for number, delay in enumerate(delays):
        time.callLater(delay, lambda delay=delay, number=number: ran.append((5.0 + delay, number)))
    time.advance(200)
    assert ran == sorted(ran) and len(ran) == len(delays)
    assert time.seconds() == 205.0


def test_cancelDelayReset() -> None:
    """A call can be cancelled, delayed and reset until it has run, and not after."""
    time = VirtualTime()
    ran: list[str] = []
    gone = time.callLater(1, ran.append, "gone")
    later = time.callLater(1, ran.append, "later")
    sooner = time.callLater(50, ran.append, "sooner")
    gone.cancel()
    later.delay(10)
    sooner.reset(2)
    assert not gone.active() and later.getTime() == 11
    assert len(time.getDelayedCalls()) == 2
    time.advance(20)
    assert ran == ["sooner", "later"]
    with pytest.raises(AlreadyCalled):
        later.cancel()
    with pytest.raises(AlreadyCancelled):
        gone.delay(1)
    with pytest.raises(ValueError, match="seconds ago"):
        time.callLater(-1, ran.append, "")


KINDS = ["call", "cancelled", "later", 1, 2, 3]
"""Ways to have something called; the number is that of a peer."""


@pytest.mark.parametrize("whole", [True, False])
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(KINDS)), max_size=40))
def test_whatIsPostedHasItsTurn(whole: bool, made: list[tuple[int, str | int]]) -> None:
    """
    At one time first what was set for it before, then what arrives, peer by peer, then what is put off to the same moment; whether time is
    advanced or looked at after each.
    """
    time = VirtualTime()
    ran: list[tuple[float, int]] = []
    expected: list[tuple[int, float, int]] = []

    def note(number: int) -> None:
        ran.append((time.seconds(), number))

    for number, (when, kind) in enumerate(made):
        rank = 0.0 if when else float("inf")
        if isinstance(kind, int):
            rank = kind
            time.post(when, rank, note, (number,))
        else:
            call = time.callLater(when, note, number=number)
            if kind == "cancelled":
                call.cancel()
                continue
            if kind == "later":
                # It comes after what was made for that moment earlier; here nothing else is made for one so late.
                call.delay(10)
                when, rank = when + 10, 0.0
        expected.append((when, rank, number))
    if whole:
        time.advance(20)
    else:
        time.runUntil(lambda: False, 20)
    assert ran == [(when, number) for when, _, number in sorted(expected)]
    assert time.calls == len(expected) and time.seconds() == 20


def test_whatComesMeanwhile() -> None:
    """What a call adds to its own moment and to later ones, within one slot and beyond, finds its place among what is there."""
    time = VirtualTime()
    ran: list[str] = []

    def first() -> None:
        ran.append("first")
        time.callLater(0, ran.append, "put off")
        time.post(1.0, 1, ran.append, ("to the first",))
        time.post(1.0, 3, ran.append, ("to the third",))
        time.callLater(0.001, ran.append, "soon")
        time.callLater(0.003, ran.append, "later")

    time.callLater(1.0, first)
    time.callLater(1.0, ran.append, "second")
    time.post(1.0, 2, ran.append, ("to the second",))
    time.callLater(1.002, ran.append, "between")
    time.callLater(7.0, ran.append, "last")
    time.advance(10)
    assert ran == [
        "first", "second", "to the first", "to the second", "to the third", "put off", "soon", "between", "later", "last",
    ]


def test_runUntilFired() -> None:
    """Time stands still at the call that fires, at the limit if none does; what fires afterwards halts nothing."""
    time = VirtualTime()
    early, late, never = Deferred[str](), Deferred[str](), Deferred[str]()
    time.callLater(1, early.callback, "early")
    time.callLater(1, lambda: None)
    time.callLater(9, late.callback, "late")
    assert time.runUntilFired(early, 5) and time.seconds() == 1 and time.calls == 1
    assert time.runUntilFired(early, 5) and time.seconds() == 1 and time.calls == 1
    assert not time.runUntilFired(late, 5) and time.seconds() == 6
    time.advance(14)
    assert time.seconds() == 20 and late.called
    time.callLater(1, time.interrupt)
    time.callLater(2, never.callback, "never")
    with pytest.raises(KeyboardInterrupt):
        time.runUntilFired(never, 5)
    time.callLater(5, lambda: None)
    time.advance(5)
    assert never.called and time.seconds() == 26 and time.calls == 6
    found: list[str] = []
    early.addCallback(found.append)
    assert found == ["early"]


def test_manyCancelledCallsAreSweptOut() -> None:
    """Timers that are set and cancelled over and over do not fill the heap."""
    time = VirtualTime()
    for _ in range(10_000):
        time.callLater(1000, lambda: None).cancel()
    assert sum(1 for _ in time._entries()) < 3000


def test_whatIsPostedIsNotSweptOut() -> None:
    """Nor is it one of the calls that can be had back."""
    time = VirtualTime()
    ran: list[int] = []
    for number in range(100):
        time.post(1.0, 1, ran.append, (number,))
    for _ in range(5000):
        time.callLater(1000, lambda: None).cancel()
    assert time.getDelayedCalls() == []
    time.advance(2)
    assert ran == list(range(100))


def test_runUntil() -> None:
    """Time passes until the predicate holds, or for as long as the limit allows."""
    time = VirtualTime()
    ran: list[int] = []
    for number in range(10):
        time.callLater(number, ran.append, number)
    assert time.runUntil(lambda: len(ran) == 3, 100)
    assert time.seconds() == 2
    assert not time.runUntil(lambda: len(ran) == 30, 100)
    assert time.seconds() == 102
