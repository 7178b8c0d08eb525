"""The end of a turn of the reactor."""

from twisted.internet.task import Clock

from overlay.link.turn import Turn


def test_oneCallForAll() -> None:
    """What is asked for in one turn is done in the order of asking, by one call; what is asked for meanwhile, after all that."""
    clock = Clock()
    turn = Turn(clock)
    done: list[str] = []

    def again() -> None:
        done.append("first")
        turn.atEnd(lambda: done.append("later"))

    turn.atEnd(again)
    turn.atEnd(lambda: done.append("second"))
    assert len(clock.getDelayedCalls()) == 1 and done == []
    clock.advance(0)
    assert done == ["first", "second", "later"] and not clock.getDelayedCalls()


def test_othersGoOn(loggedFailures) -> None:
    """What fails is logged, and does not hold up what comes after it."""
    clock = Clock()
    turn = Turn(clock)
    done: list[float] = []
    turn.atEnd(lambda: done.append(1 / 0))
    turn.atEnd(lambda: done.append(2))
    clock.advance(0)
    assert done == [2] and len(loggedFailures.flush(ZeroDivisionError)) == 1
