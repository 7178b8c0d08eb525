"""The end of a turn of the reactor."""

from collections.abc import Callable
from types import SimpleNamespace

from twisted.internet.task import Clock

from overlay.link.turn import Turn


def test_oneCallForAll() -> None:
    """What is asked for in one turn is done in the order of asking, by one call, then what these ask for; the rest a turn later."""
    calls: list[Callable[[], None]] = []
    turn = Turn(SimpleNamespace(callLater=lambda seconds, act: calls.append(act)))
    done: list[str] = []

    def again() -> None:
        done.append("first")
        turn.atEnd(written)

    def written() -> None:
        done.append("written")
        turn.atEnd(lambda: done.append("later"))

    turn.atEnd(again)
    turn.atEnd(lambda: done.append("second"))
    assert len(calls) == 1 and done == []
    calls.pop()()
    assert done == ["first", "second", "written"] and len(calls) == 1
    calls.pop()()
    assert done == ["first", "second", "written", "later"] and not calls


def test_othersGoOn(loggedFailures) -> None:
    """What fails is logged, and does not hold up what comes after it."""
    clock = Clock()
    turn = Turn(clock)
    done: list[float] = []
    turn.atEnd(lambda: done.append(1 / 0))
    turn.atEnd(lambda: done.append(2))
    clock.advance(0)
    assert done == [2] and len(loggedFailures.flush(ZeroDivisionError)) == 1
