"""What a home has refused is taken once the reason is over, and nobody is asked for it in vain."""

from collections.abc import Callable

import attrs
import pytest

from overlay.lab.world import LabPeer, World
from overlay.settings import Settings
from overlay.wire import limits
from overlay.wire.registration import Register, Registered
from tests.roles.test_handover import Told

HOUR = 3600.0
DAY = 24 * HOUR
SUPER, LEAF = Settings(role="super"), Settings(role="leaf", homes=1)


def network(supers: int = 1, leaf: Settings = LEAF, skew: float = 0.0, **home: float) -> tuple[World, list[LabPeer], LabPeer]:
    """Super-peers with these settings, and a leaf that shares nothing yet."""
    world = World(5, specs={"election": "fittest:wanted=100,settle=1000000,patience=1", "rate-limit": "unlimited"})
    first = world.add("s0", settings=attrs.evolve(SUPER, **home))
    homes = [first, *(world.add(f"s{number}", [first], settings=first.settings) for number in range(1, supers))]
    assert world.until(lambda: all(one.isSuper for one in homes), 200)
    return world, homes, world.add("leaf", [first], settings=leaf, skew=skew, dialable=False)


def share(leaf: LabPeer, *numbers: int, text: str = "dawn") -> None:
    leaf.share(*(leaf.world.document(f"s/{number:03}.txt", f"{text} {number}") for number in numbers))


def unshare(leaf: LabPeer, *numbers: int) -> None:
    leaf.unshare(*(f"s/{number:03}.txt" for number in numbers))


def held(home: LabPeer, leaf: LabPeer) -> int:
    found = home.peer.registry.holding(leaf.peerId)
    return found.records if found is not None else 0


def codes(leaf: LabPeer) -> list[str]:
    """Of all that the leaf's homes have refused, as far as it knows."""
    return sorted(code for view in leaf.peer.homes.views() for code in view.refused.values())


def sent(told: Told) -> int:
    """Records that were sent with their texts."""
    return sum(len(one.additions) for one in told.of(Register))


# --- the times of the heads -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "away"), [(0.1, 1.2), (0.45, 0.6)])
def test_awayForLong(before: float, away: float) -> None:
    """Whoever comes back with records that have expired signs them anew, and they are found at once, however long it has been away."""
    life = 2 * HOUR
    world, (home,), leaf = network(leaf=attrs.evolve(LEAF, recordLife=life))
    share(leaf, 1, 2, 3)
    world.run(before * life)
    assert len(home.search("dawn").hits) == 3
    leaf.crash()
    world.run(away * life)
    leaf.restart()
    told = Told(world)
    assert world.until(world.registered, 20)
    assert (held(home, leaf), len(home.search("dawn").hits), codes(leaf)) == (3, 3, [])
    # Once as they were, and once more as they are now.
    assert sent(told) == 6
    world.run(2 * life)
    assert len(home.search("dawn").hits) == 3 and sent(told) == 6


def test_awayWithMany(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is if they come in several batches, of which some are on their way when the first are refused."""
    monkeypatch.setattr(limits, "BATCH_RECORDS", 2)
    world, (home,), leaf = network(leaf=attrs.evolve(LEAF, recordLife=2 * HOUR))
    share(leaf, *range(15))
    world.run(20)
    leaf.crash()
    world.run(3 * HOUR)
    leaf.restart()
    told = Told(world)
    assert world.until(world.registered, 20)
    assert (held(home, leaf), len(home.search("dawn").hits), codes(leaf), sent(told)) == (15, 15, [], 30)


@pytest.mark.parametrize("skew", [2 * DAY, -10 * DAY, 900.0])
@pytest.mark.parametrize("supers", [1, 3])
def test_signedByAWrongClock(skew: float, supers: int) -> None:
    """What was signed before the right time was known is signed anew once it is, and all homes take it."""
    world, homes, leaf = network(supers, attrs.evolve(LEAF, homes=2), skew)
    share(leaf, 1, 2, 3)
    world.run(20)
    assert world.registered() and codes(leaf) == []
    assert sorted(held(one, leaf) for one in homes) == [0, 3, 3][-supers:]
    assert (len(homes[0].search("dawn").hits), homes[0].search("dawn").ranking) == (3, "exact")


# --- room -------------------------------------------------------------------------------------------------------------


def test_roomAgain() -> None:
    """What there was no room for is taken as soon as the leaf shares so much less, and no more of it is sent than there is room for."""
    world, (home,), leaf = network(quotaRecords=3)
    share(leaf, 1, 2, 3)
    world.run(20)
    share(leaf, 4, 5, 6)
    world.run(20)
    assert (held(home, leaf), codes(leaf)) == (3, 3 * ["quota-records"])
    told = Told(world)
    unshare(leaf, 1, 2)
    world.run(5)
    assert (held(home, leaf), codes(leaf), sent(told)) == (3, ["quota-records"], 2)
    assert len(home.search("dawn").hits) == 3 and world.registered()
    world.run(DAY)
    assert sent(told) == 2
    unshare(leaf, 3, 4, 5, 6)
    world.run(5)
    assert (held(home, leaf), codes(leaf), sent(told)) == (0, [], 2)


def test_roomThatDoesNotDo() -> None:
    """As long as the room is too small for what was refused, the leaf is not asked for it, whatever else it changes."""
    world, (home,), leaf = network(quotaBytes=3000)
    share(leaf, 1, 2, 3, text="dawn " * 100)
    share(leaf, 4, text="dawn " * 500)
    world.run(20)
    assert (held(home, leaf), codes(leaf)) == (3, ["quota-bytes"])
    told = Told(world)
    unshare(leaf, 1)
    world.run(5)
    share(leaf, 2)
    world.run(HOUR)
    assert (held(home, leaf), codes(leaf), sent(told)) == (2, ["quota-bytes"], 1)
    unshare(leaf, 2, 3)
    world.run(5)
    assert (held(home, leaf), codes(leaf), sent(told)) == (1, [], 2)


def test_manyThatWait(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one message can name are asked for bit by bit."""
    monkeypatch.setattr(limits, "BATCH_RECORDS", 2)
    world, (home,), leaf = network(quotaRecords=9)
    share(leaf, *range(20))
    world.run(20)
    assert (held(home, leaf), len(codes(leaf))) == (9, 11)
    told = Told(world)
    keep = {int(row.location[2:5]) for row in home.search("dawn").hits}
    unshare(leaf, *list(keep)[:7])
    world.run(10)
    assert (held(home, leaf), len(codes(leaf)), sent(told)) == (9, 4, 7)


def restartLeaf(world: World, home: LabPeer, leaf: LabPeer) -> None:
    leaf.crash()
    world.run(2)
    leaf.restart()


def loseLink(world: World, home: LabPeer, leaf: LabPeer) -> None:
    leaf.peer.links.drop(home.peerId, "lost")


@pytest.mark.parametrize("again", [restartLeaf, loseLink])
def test_knownAgain(again: Callable[[World, LabPeer, LabPeer], None]) -> None:
    """Whoever comes back is told what is refused, sends none of it in vain, and has it taken once there is room."""
    world, (home,), leaf = network(quotaRecords=3)
    share(leaf, 1, 2, 3, 4, 5)
    world.run(20)
    told = Told(world)
    again(world, home, leaf)
    world.run(30)
    assert world.registered() and (held(home, leaf), codes(leaf), sent(told)) == (3, 2 * ["quota-records"], 0)
    unshare(leaf, *(int(hit.location[2:5]) for hit in home.search("dawn").hits[:2]))
    world.run(5)
    assert (held(home, leaf), codes(leaf), sent(told)) == (3, [], 2)


def test_moreRoomForThoseWhoComeBack() -> None:
    """A home that keeps more than before asks those who come back for what it had refused."""
    world, (home,), leaf = network(quotaRecords=3)
    share(leaf, *range(9))
    world.run(20)
    told = Told(world)
    commons = home.peer.commons
    commons.settings = attrs.evolve(commons.settings, quotaRecords=7)
    world.run(HOUR)
    assert (held(home, leaf), sent(told)) == (3, 0)
    loseLink(world, home, leaf)
    world.run(30)
    assert world.registered() and (held(home, leaf), codes(leaf), sent(told)) == (7, 2 * ["quota-records"], 4)


def test_askedForWhatIsGone() -> None:
    """A home may ask for what is not shared any more: it hears that it is not."""
    world, (home,), leaf = network()
    share(leaf, 1)
    world.run(20)
    told = Told(world)
    leaf.peer.homes._homes[home.peerId]._wanted = (bytes(16),)
    share(leaf, 2)
    world.run(5)
    assert world.registered() and [one.removals for one in told.of(Register)] == [[bytes(16)]]
    assert held(home, leaf) == 2 and not any(one.code for one in told.of(Registered))
