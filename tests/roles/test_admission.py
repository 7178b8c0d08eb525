"""How many leaves a super-peer takes: a refusal must not keep anybody out of the network for good."""

import attrs
import pytest
from twisted.internet.defer import fail

from overlay.errors import TurnedAway
from overlay.lab.world import LabPeer, World
from overlay.link.links import Links
from overlay.link.room import FULL_RETRY
from overlay.membership.bootstrap import UNUSED
from overlay.questions import HeadRoom
from overlay.roles.homes import HOMELESS_RETRY
from overlay.roles.registering import FIRST_RETRY, LONGEST_RETRY
from overlay.roles.reign import ROOM_EVERY
from overlay.wire.registration import RegisterAnswer
from tests.roles.test_handover import Told

LIMIT = 4
"""Registrations from which on a super-peer of these networks refuses: twice what it wants."""


def crowd(count: int) -> tuple[World, LabPeer]:
    """One peer that can be dialled, and so many that cannot."""
    world = World(3, specs={"election": f"fittest:wanted={LIMIT // 2}"})
    home = world.add("home")
    assert world.until(lambda: home.isSuper, 30)
    for number in range(count):
        world.add(f"p{number}", [home], [world.document(f"s/{number}.txt", f"dusk {number}")], dialable=False)
    return world, home


def full(told: Told) -> int:
    return sum(one.code == "full" for one in told.of(RegisterAnswer))


def leave(home: LabPeer, room: HeadRoom) -> None:
    """So much is left on its machine now."""
    commons = home.peer.commons
    commons.surroundings = attrs.evolve(commons.surroundings, headRoom=lambda: room)


def test_theOnlyOne() -> None:
    """
    It refuses those that come after it is full while somebody else may be elected; as nobody can be, it takes them too, and the next
    that can be dialled is elected although it came last.
    """
    world, home = crowd(LIMIT + 3)
    told = Told(world)
    assert world.until(lambda: full(told) >= 3, 20) and home.peer.hosting.count == LIMIT
    assert world.until(world.registered, 60) and home.peer.hosting.count == LIMIT + 3 and home.peer.election.reign.vain > 0
    assert len(home.search("dusk").hits) == LIMIT + 3
    late = world.add("late", [home])
    assert world.until(lambda: late.isSuper, 60)
    assert world.until(lambda: home.peer.election.reign.vain == 0, 1)
    assert world.until(world.registered, 60) and late.peer.hosting.count > 0


def test_whatTheMachineBears() -> None:
    """With little left on its machine it takes nobody beyond its limit; those outside ask again, and are taken once there is more."""
    world, home = crowd(LIMIT)
    leave(home, HeadRoom(memory=1000))
    world.run(ROOM_EVERY)
    last = world.add("last", [home], dialable=False)
    world.run(60)
    assert home.isSuper and home.peer.election.reign.vain > 0
    assert home.peer.hosting.count == LIMIT and last.peer.homes.homeless
    leave(home, HeadRoom(10**9, 10**4))
    world.run(ROOM_EVERY + 1.4 * HOMELESS_RETRY)
    assert world.registered() and home.peer.hosting.count == LIMIT + 1


@pytest.mark.parametrize(("code", "wait"), [("full", FULL_RETRY), ("blocked", LONGEST_RETRY), ("leaving", FIRST_RETRY)])
def test_turnedAway(monkeypatch: pytest.MonkeyPatch, code: str, wait: float) -> None:
    """A crowded super-peer is asked again after a while, one that stops soon, one that will not have this peer ever more rarely."""
    world = World(3, specs={"election": f"fittest:wanted={LIMIT // 2}"})
    home = world.add("home")
    assert world.until(lambda: home.isSuper, 30)
    leaf = world.add("leaf", [home], settings=attrs.evolve(world.settings, role="leaf"))
    assert world.until(world.registered, 60)
    monkeypatch.setattr(Links, "dial", lambda links, address, expected=None: fail(TurnedAway("no", code)))
    leaf.peer.links.drop(home.peerId, "lost")
    waits = []
    for _ in range(900):
        world.run(1)
        waits.append(leaf.peer.homes._avoid.get(home.peerId, (0.0, 0.0))[1])
    assert waits[-1] == max(waits) == wait and leaf.peer.homes.homeless


def test_whoWaitsKeepsItsLink() -> None:
    """A leaf without any home does not give up the link to a super-peer that may take it later, though nothing else needs it."""
    world, home = crowd(LIMIT + 1)
    leave(home, HeadRoom(0, 0))
    world.run(20)
    (homeless,) = [one for one in world.peers.values() if one.peer.homes.homeless and one is not home]
    link = homeless.peer.links.get(home.peerId)
    world.run(3 * UNUSED)
    assert link is not None and homeless.peer.homes.homeless and homeless.peer.links.get(home.peerId) is link
