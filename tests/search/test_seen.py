"""Which queries are remembered, and for how long."""

from twisted.internet.task import Clock

from overlay.search.seen import SEEN_FOR, SEEN_MOST, Seen

ONE, TWO = b"1" * 16, b"2" * 16


def test_onceEach() -> None:
    """The first copy is new; of those after it only one that goes further counts, and that is not new."""
    seen = Seen(Clock())
    assert seen.isNew(ONE, 2) is True and ONE in seen
    assert [seen.isNew(ONE, ttl) for ttl in (2, 1, 3, 3, 2, 0, 0, 9)] == [None, None, False, None, None, False, None, None]
    assert seen.isNew(TWO, 1) is True


def test_howLong() -> None:
    """From the first copy on, whatever comes later: nothing of a query can be under way for longer than that."""
    clock = Clock()
    seen = Seen(clock)
    seen.isNew(ONE, 2)
    clock.advance(SEEN_FOR - 1)
    seen.isNew(TWO, 2)
    assert seen.isNew(ONE, 3) is False
    clock.advance(0.5)
    assert seen.isNew(ONE, 3) is None
    clock.advance(0.5)
    assert seen.isNew(TWO, 2) is None and ONE not in seen and TWO in seen
    assert seen.isNew(ONE, 2) is True


def test_howMany() -> None:
    """A flood of ids costs the oldest, and never memory without a bound."""
    seen = Seen(Clock())
    for number in range(SEEN_MOST + 10):
        assert seen.isNew(number.to_bytes(16, "big"), 1) is True
    assert (9).to_bytes(16, "big") not in seen and (10).to_bytes(16, "big") in seen
    assert len(seen._queries) == SEEN_MOST
