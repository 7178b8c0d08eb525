"""An owner that loses all its homes at once, and finds others, counts once."""

import pytest

from overlay.index.store import Registration
from overlay.lab.world import LabPeer, World
from tests.search.test_honest import find, leafOf, network


def moved(homes: int, seed: int) -> tuple[World, list[LabPeer], LabPeer, list[LabPeer]]:
    """Six super-peers with a record each, a leaf that has just found other homes, and its former ones, which it cannot reach."""
    world, peers = network(6, [(one, other) for one in range(6) for other in range(one)], seed)
    leaf = leafOf(world, "leaf", peers[:homes], homes)
    leaf.share(world.document("s/leaf.txt", "dawn"))
    world.run(20)
    assert world.registered()
    former = [one for one in peers if one.peerId in leaf.peer.homes.complete()]
    for one in former:
        world.net.cut(leaf.peerId, one.peerId)

    def again() -> bool:
        complete = leaf.peer.homes.complete()
        return len(complete) == homes and not any(one.peerId in complete for one in former)

    assert world.until(again, 90)
    return world, peers, leaf, former


def held(at: LabPeer, leaf: LabPeer) -> Registration | None:
    return at.peer.registry.holding(leaf.peerId)


@pytest.mark.parametrize("homes", [1, 2])
@pytest.mark.parametrize("seed", [1, 2])
def test_formerHomesAreTold(homes: int, seed: int) -> None:
    """Once the former homes can be reached they forget the owner; until then no order is said to be exact, since it counts twice."""
    world, peers, leaf, former = moved(homes, seed)
    outcome = find(world, peers[5], "dawn")
    assert (outcome.receipt.documents, outcome.ranking, len(outcome.hits)) == (8, "estimated", 7)
    for one in former:
        world.net.mend(leaf.peerId, one.peerId)
    world.run(30)
    outcome = find(world, peers[5], "dawn")
    assert (outcome.receipt.documents, outcome.ranking, outcome.status, len(outcome.hits)) == (7, "exact", "complete", 7)
    assert not any(held(one, leaf) for one in former)


@pytest.mark.parametrize("homes", [1, 2])
def test_formerHomesThatAreNeverReached(homes: int) -> None:
    """They forget the owner when its lease is over."""
    world, peers, leaf, former = moved(homes, 1)
    world.run(200)
    assert all(held(one, leaf) for one in former) and find(world, peers[5], "dawn").ranking == "estimated"
    world.run(150)
    assert not any(held(one, leaf) for one in former)
    outcome = find(world, peers[5], "dawn")
    assert (outcome.receipt.documents, outcome.ranking) == (7, "exact")
