"""The router that widens until it has enough: what it decides, and what becomes of it in whole networks."""

import pytest

from overlay.errors import UsageError
from overlay.identity.ids import PeerId
from overlay.plugins.rings import Rings, gain, needs
from overlay.questions import NeighbourView, Progress, Route


def peer(number: int) -> PeerId:
    return PeerId(bytes([number]) * 20)


def progress(
    found: int = 0, want: int = 20, reached: int = 1, known: int = 999, hops: dict[PeerId, int] | None = None, degree: int = 10,
    origin: PeerId | None = None, underWay: int = 0, quiet: float = 0.0, ttl: int = 0, elapsed: float = 0.0,
) -> Progress:
    """Neighbour 1 is the nearest; what has gone nowhere near as far as the query may is not asked yet."""
    views = [NeighbourView(peer(number), 0.01 * number) for number in range(degree, 0, -1)]
    hops = hops or {}
    furthest = max(0, ttl - 1)
    asked = frozenset(one for one, far in hops.items() if far == furthest)
    return Progress(
        b"i", "x", origin, want, ttl, elapsed, 10.0 - elapsed, views, asked, frozenset(), found, hops=hops, underWay=underWay,
        quiet=quiet, reached=reached, known=known, distinct=found,
    )


def ask(**more: object) -> tuple[list[int], int]:
    """Whom, and how far."""
    route = Rings().next(progress(**more))  # type: ignore[arg-type]
    assert not route.then and not route.stop and route.enough == more.get("want", 20)
    return [one[0] for one in route.ask], route.hops


RING = {peer(number): 1 for number in range(1, 11)}


def test_nearestFirst() -> None:
    """The nearest neighbours, alone, and no more of them than it seems to take."""
    assert ask() == ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 1)
    assert ask(found=18) == ([1], 1)
    assert ask(found=4, want=8) == ([1], 1)
    assert ask(found=1, want=8) == ([1, 2, 3, 4], 1)
    assert ask(found=1, want=8, hops={peer(1): 1, peer(2): 1, peer(3): 1}, reached=4) == ([4, 5, 6, 7, 8, 9, 10], 1)


def test_furtherRings() -> None:
    """Then more hops by way of as many as it takes, then still more; what has been asked so far already is passed over."""
    assert ask(found=10, reached=11, hops=RING) == ([1], 2)
    assert ask(found=25, want=50, reached=11, hops=RING) == ([1], 2)
    assert ask(found=10, want=50, reached=11, hops=RING) == ([1, 2, 3, 4], 2)
    assert ask(found=12, reached=20, hops={**RING, peer(1): 2}) == ([2], 2)
    whom, far = ask(found=5, want=50, reached=11, known=9999, hops=RING)
    assert (whom, far) == ([1, 2, 3, 4, 5, 6, 7, 8], 2)
    assert ask(found=2, want=30, reached=11, known=9999, hops=RING) == ([1], 3)


@pytest.mark.parametrize("changes", [
    {"reached": 11, "hops": RING}, {"reached": 11, "hops": RING, "found": 1, "want": 200}, {"reached": 4, "known": 30, "found": 1},
    {"elapsed": 3.0, "found": 10, "reached": 11, "hops": RING},
])
def test_theWholeNetwork(changes: dict[str, object]) -> None:
    """Where most of it would be needed, or time runs short, another router asks everybody, which may still find enough."""
    route = Rings(then="flood").next(progress(**changes))  # type: ignore[arg-type]
    assert (route.then, list(route.ask), route.stop) == ("flood", [], False) and route.enough > 0


def test_enough() -> None:
    """It stops with enough, and where everybody who is known has answered."""
    assert Rings().next(progress(found=20)) == Route((), enough=20, reasons=Rings().next(progress(found=20)).reasons)
    over = Rings().next(progress(reached=11, known=10, hops=RING))
    assert over.stop and not over.then and not over.ask


def test_everybodyIsANeighbour() -> None:
    """Where all that are left are neighbours that were not asked yet, all of these are asked at once."""
    assert ask(known=10) == ([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 1)
    assert ask(known=10, found=19, reached=8, hops={peer(number): 1 for number in range(1, 8)}) == ([10, 9, 8], 1)


def test_patience() -> None:
    """It waits for those that were asked, but not for ever for those that are silent."""
    waiting = Rings(patience=1.0).next(progress(underWay=2, quiet=0.25, hops=RING, reached=9))
    assert not waiting.ask and not waiting.stop and waiting.wait == pytest.approx(0.75)
    assert ask(underWay=2, quiet=1.0, hops=RING, reached=9, found=10)[1] == 2


def test_aLimit() -> None:
    """A query that may not go far goes no further by rings."""
    assert ask(found=8, want=80, reached=11, hops=RING, ttl=3)[1] == 2
    far = dict.fromkeys(RING, 2)
    assert Rings().next(progress(found=8, want=80, reached=60, hops=far, ttl=3)).then == "summary"


def test_onTheWay() -> None:
    """Somebody else's search is passed on as far as it may go."""
    route = Rings().next(progress(origin=peer(99), found=0, ttl=2))
    assert len(route.ask) == 10 and route.stop and not route.enough and not route.hops


@pytest.mark.parametrize(("found", "want", "reached", "more"), [(10, 20, 10, 9.5), (0, 20, 1, 40), (0, 20, 11, 440), (49, 50, 30, 0.6)])
def test_needs(found: int, want: int, reached: int, more: float) -> None:
    """As many as it takes at the rate so far."""
    assert needs(found, want, reached) == pytest.approx(more, abs=0.05)


def test_gain() -> None:
    """On a tree of nine ways onward: itself, those behind it, those behind them."""
    assert [gain(9, 0, hops) for hops in (1, 2, 3)] == [1, 10, 91]
    assert (gain(9, 1, 2), gain(9, 2, 3), gain(1, 3, 10)) == (9, 81, 7)
    assert gain(63, 0, 63) < 1e24


@pytest.mark.parametrize("wrong", [{"caution": 0.0}, {"caution": 2.0}, {"most": -1.0}, {"patience": 0.0}])
def test_badArguments(wrong: dict[str, float]) -> None:
    """One sentence that names the argument."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Rings(**wrong)  # type: ignore[arg-type]


def test_noWaitThatIsNone() -> None:
    """What rounding leaves of the patience is no time to wait for: no clock would come further by it."""
    asked = {peer(1): 1}
    waiting = Rings().next(progress(hops=asked, underWay=1, quiet=0.75))
    assert (waiting.ask, waiting.wait) == ((), 0.25)
    over = Rings().next(progress(hops=asked, underWay=1, quiet=0.9999999999995453))
    assert over.ask and over.wait >= 0.05
