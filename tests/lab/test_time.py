"""Virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
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


@pytest.mark.parametrize("whole", [True, False])
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["call", "post", "cancelled", "later"])), max_size=40))
def test_whatIsPostedHasItsTurn(whole: bool, made: list[tuple[int, str]]) -> None:
    """Calls that nobody can cancel are made among the others, in one order whether time is advanced or looked at after each."""
    time = VirtualTime()
    ran: list[tuple[float, int]] = []
    expected: list[tuple[int, int]] = []

    def note(number: int) -> None:
        ran.append((time.seconds(), number))

    for number, (when, kind) in enumerate(made):
        if kind == "post":
            time.post(when, note, (number,))
        else:
            call = time.callLater(when, note, number=number)
            if kind == "cancelled":
                call.cancel()
                continue
            if kind == "later":
                call.delay(10)
                when += 10
        expected.append((when, number))
    if whole:
        time.advance(20)
    else:
        time.runUntil(lambda: False, 20)
    # What was put off comes after what was made for that moment earlier; here nothing else is made for one so late.
    assert ran == sorted(expected) and time.calls == len(expected) and time.seconds() == 20


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
        time.post(1.0, ran.append, (number,))
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
