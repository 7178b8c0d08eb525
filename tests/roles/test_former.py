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


@pytest.mark.parametrize("homes", [1, 2])
def test_formerHomesAfterARestart(homes: int) -> None:
    """They are not forgotten with it."""
    world, peers, leaf, former = moved(homes, 1)
    leaf.kill()
    world.run(1)
    leaf.restart()
    assert world.until(world.registered, 60)
    world.run(10)
    assert all(held(one, leaf) for one in former)
    outcome = find(world, peers[5], "dawn")
    assert (outcome.receipt.documents, outcome.ranking) == (8, "estimated")


def test_homesLostOneAfterTheOther() -> None:
    """The first goes on counting by a list of which nothing is left once the second is gone."""
    world, peers = network(5, [(one, other) for one in range(5) for other in range(one)])
    leaf = leafOf(world, "leaf", peers[:2])
    leaf.share(world.document("s/leaf.txt", "dawn"))
    world.run(20)
    first, second = [one for one in peers if one.peerId in leaf.peer.homes.complete()]
    third, *others = [one for one in peers if one not in (first, second)]
    for one in (first, *others):
        world.net.cut(leaf.peerId, one.peerId)
    assert world.until(lambda: third.peerId in leaf.peer.homes.complete(), 90)
    world.run(5)
    second.kill()
    for one in peers:
        if one is not second:
            one.peer.membership.markDead(second.peerId, False)
    world.run(30)
    outcome = find(world, third, "dawn")
    assert held(first, leaf) and (outcome.receipt.documents, outcome.ranking) == (6, "estimated")
    world.run(330)
    outcome = find(world, third, "dawn")
    assert not held(first, leaf) and (outcome.receipt.documents, outcome.ranking) == (5, "exact")


def test_aFormerHomeThatIsOneAgain() -> None:
    """What is being registered there anew is not taken away."""
    for seed in range(1, 9):
        world, peers, leaf, former = moved(2, seed)
        for one in former:
            world.net.mend(leaf.peerId, one.peerId)
        homes = [one for one in peers if one.peerId in leaf.peer.homes.complete()]
        homes[0].kill()
        world.run(60)
        for one in peers:
            if one.running and one.peerId in leaf.peer.homes.complete():
                assert held(one, leaf)
        assert len(leaf.peer.homes.complete()) == 2
