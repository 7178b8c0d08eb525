"""An owner that loses all its homes at once, and finds others, counts once."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from overlay.identity.ids import PeerId
from overlay.index.store import Registration
from overlay.lab.world import LabPeer, World
from overlay.roles.former import FormerHomes
from overlay.wire.registration import Unregister
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


def kept(
    isHome: Callable[[bytes], bool], links: Callable[[PeerId], object] = lambda peer: None
) -> tuple[FormerHomes, Clock, list[list[PeerId]]]:
    """Of a peer that has been signing lists of homes, which are noted."""
    clock, signed = Clock(), list[list[PeerId]]()
    settings = SimpleNamespace(lease=300.0, beats=SimpleNamespace(dead=20.0))
    commons = SimpleNamespace(
        seconds=clock.seconds, settings=settings, peerId=PeerId(b"o" * 20), links=SimpleNamespace(get=links)
    )
    own = SimpleNamespace(setHomes=lambda homes, former: signed.append([*homes, *former]))
    return FormerHomes(commons, None, own, isHome), clock, signed  # type: ignore[arg-type]


def test_whoIsToBeAHomeAgainIsToldNothing() -> None:
    """What is being registered there must not be taken away; once it is over, it is told."""
    sent: list[object] = []
    trying = [True]
    former, other = PeerId(b"f" * 20), PeerId(b"n" * 20)
    lost, _, signed = kept(lambda peer: trying[0], lambda peer: SimpleNamespace(peerId=peer, send=lambda message: not sent.append(message)))
    lost.lose(former, [[former]])
    lost.list([other])
    lost.look()
    assert not sent and not lost.isOver([other])
    trying[0] = False
    lost.look()
    assert sent == [Unregister(True)] and lost.isOver([other])
    lost.list([other])
    assert signed == [[other, former], [other]]


def test_whoWasLostLastIsListedFirst() -> None:
    """Where there is no room for all: it lives most probably."""
    lost, clock, signed = kept(lambda peer: False)
    homes = [PeerId(bytes([number]) * 20) for number in range(4)]
    for home in homes[:3]:
        lost.lose(home, [[home]])
        clock.advance(1.0)
    lost.list(homes[3:])
    assert signed == [[homes[3], homes[2], homes[1], homes[0]]]
