"""Many deadlines with one timer."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from overlay.search.deadlines import SPARE, Deadlines


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=40))
def test_eachAtItsTime(added: list[tuple[int, bool]]) -> None:
    """Whatever is dropped, each of the others is over at its time, those of one time in the order in which they were added."""
    clock = Clock()
    over: list[tuple[float, int]] = []
    deadlines: Deadlines[int] = Deadlines(clock, lambda one: over.append((clock.seconds(), one)))
    for number, (when, _) in enumerate(added):
        deadlines.add(float(when), number)
    for number, (_, dropped) in enumerate(added):
        if dropped:
            deadlines.drop(number)
    assert len(clock.getDelayedCalls()) == (len(added) > 0)
    clock.pump([0.0, *[1.0] * 20])
    assert over == sorted((float(when), number) for number, (when, dropped) in enumerate(added) if not dropped)
    assert not clock.getDelayedCalls() and len(deadlines) == 0


def test_droppedAreForgotten() -> None:
    """What was dropped long before its time does not pile up while something else stands."""
    clock = Clock()
    deadlines: Deadlines[int] = Deadlines(clock, lambda one: None)
    deadlines.add(1000.0, -1)
    for number in range(10 * SPARE):
        deadlines.add(500.0, number)
        deadlines.drop(number)
    assert len(deadlines) == 1 and len(deadlines._due) <= SPARE + 4


def test_oneTimerForManyThatEndSoon() -> None:
    """Of those that come one after the other, and end long before their time, none sets a timer but the first; stopped, there is none."""
    clock = Clock()
    over: list[int] = []
    deadlines: Deadlines[int] = Deadlines(clock, over.append)
    for number in range(50):
        deadlines.add(clock.seconds() + 10.0, number)
        (timer,) = clock.getDelayedCalls()
        assert timer.getTime() == (10.0 if number < 40 else 18.0)
        if number not in (32, 49):
            deadlines.drop(number)
        clock.advance(0.25)
    assert not over
    clock.pump([0.25] * 38)
    assert over == [32]
    deadlines.stop()
    assert not clock.getDelayedCalls() and not len(deadlines)
    deadlines.add(clock.seconds() + 1.0, 3)
    clock.advance(1.0)
    assert over == [32, 3]
