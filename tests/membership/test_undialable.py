"""Super-peers that nobody can dial: what another says of them is not found out by dialling, and a living one is never counted as gone."""

from collections.abc import Sequence

import attrs

from overlay.lab.experiment import Measured
from overlay.lab.graphs import Edge
from overlay.lab.pinned import SPECS, PinnedNeighbours, SettledElection, TrustingMembership, introduce, pinnedWorld
from overlay.lab.world import LabPeer, World
from overlay.membership.gossip import DOUBT_WITHIN
from overlay.peer import Peer
from overlay.roles.caller import _Call
from overlay.search.outcome import Outcome
from overlay.settings import Settings
from overlay.wire import limits
from overlay.wire.messages import AdvertIds

LINE = [(0, 1), (1, 2), (2, 3), (4, 3)]
ALL = [(0, 1), (0, 2), (1, 2), (3, 0), (3, 1), (3, 2)]
SETTINGS = Settings(role="super")
BELIEVED = SETTINGS.beats.dead + DOUBT_WITHIN + SETTINGS.gossip
"""Seconds after which whoever has lost a link to one that others take for alive does so too."""


class GossipingPeer(Peer):
    """A super-peer that keeps the neighbours it is given, and is the product in everything else that concerns members."""

    makeMembership = TrustingMembership
    makeNeighbours = PinnedNeighbours
    makeElection = SettledElection


class Street:
    """
    Super-peers on a graph that is given, of whom the last cannot be dialled.

    @ivar hidden: that one.
    """

    def __init__(self, edges: Sequence[Edge]) -> None:
        count = 1 + max(map(max, edges))
        self.world: World = pinnedWorld(Measured(), 1, "none", (0.01, 0.03), attrs.evolve(SETTINGS, beacon=0.0), SPECS["router"])
        self.peers = [self.world.add(f"s{at}", makePeer=GossipingPeer, dialable=at < count - 1) for at in range(count)]
        self.hidden = self.peers[-1]
        self.world.run(0.0)
        for one, other in edges:
            self.peers[one].peer.links.dial(self.peers[other].address, self.peers[other].peerId)
        self.world.run(3.0)
        for one, other in edges:
            for here, there in ((one, other), (other, one)):
                neighbours = self.peers[here].peer.neighbours
                assert isinstance(neighbours, PinnedNeighbours)
                neighbours.pin(self.peers[there].peerId)
        introduce(self.peers)
        for one in self.peers:
            one.share(self.world.document(f"s/{one.name}.txt", "dawn"))
        # Others have to have found that it cannot be dialled.
        assert self.world.until(lambda: all(self._names(one) == [] for one in self.peers[:-1]), 1200.0)
        self.world.run(10.0)

    def _names(self, one: LabPeer) -> list[str] | None:
        """The addresses of the hidden one, as another knows them."""
        known = one.peer.membership.get(self.hidden.peerId)
        return known.advert.addresses if known is not None else None

    def believers(self) -> list[str]:
        """Who takes it for alive."""
        found = [(one.name, one.peer.membership.get(self.hidden.peerId)) for one in self.peers if one is not self.hidden]
        return [name for name, known in found if known is not None and known.alive]

    def lose(self, one: LabPeer, other: LabPeer) -> None:
        """One link breaks at both ends."""
        link = one.peer.links.get(other.peerId)
        assert link is not None
        link.abort("lost")
        self.world.run(0.5)

    def search(self) -> Outcome:
        return self.peers[0].search("dawn", want=100)


def test_theLivingAreMissing() -> None:
    """One that cannot be dialled and that no copy has reached is missing, each time, and nobody is told that it is dead."""
    street = Street(LINE)
    assert (street.search().status, street.search().answered) == ("complete", 5)
    street.lose(street.peers[2], street.peers[3])
    for _ in range(4):
        outcome = street.search()
        assert (outcome.status, outcome.answered, outcome.missing) == ("incomplete", 4, 1)
        street.world.run(10.0)
        assert street.believers() == ["s0", "s1", "s2", "s3"]


def test_hearsayKillsNobody() -> None:
    """Whoever cannot dial the one that is said to be dead does not believe it."""
    street = Street(LINE)
    for one in street.peers[:3]:
        for link in one.peer.links:
            link.send(AdvertIds([], [street.hidden.peerId]))
    street.world.run(5.0)
    assert street.believers() == ["s0", "s1", "s2", "s3"]


def test_whoHasLostIt() -> None:
    """
    Where all were linked to one that dies all take it for dead, and for good. Where only some were, the others cannot know, nor whoever was
    as soon as these speak on of it: it is missing until its advert expires.
    """
    street = Street(ALL)
    street.hidden.kill()
    street.world.run(DOUBT_WITHIN + 1.0)
    assert street.believers() == [] and (street.search().status, street.search().answered) == ("complete", 3)
    street.world.run(10 * BELIEVED)
    assert street.believers() == []

    street = Street(LINE)
    street.hidden.kill()
    street.world.run(DOUBT_WITHIN + 1.0)
    assert street.believers() == ["s0", "s1", "s2"] and street.search().missing == 1
    street.world.run(2 * BELIEVED)
    assert street.believers() == ["s0", "s1", "s2", "s3"] and street.search().missing == 1
    street.world.run(limits.ADVERT_LIFE)
    assert street.believers() == [] and street.search().status == "complete"


def test_whoHasLostOneThatLives() -> None:
    """Whoever takes a living one for dead since its own link to it broke learns from the others that it lives."""
    street = Street(ALL)
    street.lose(street.peers[1], street.hidden)
    street.world.run(DOUBT_WITHIN)
    assert street.believers() == ["s0", "s2"] and street.search().answered == 4
    street.world.run(2 * BELIEVED)
    assert street.believers() == ["s0", "s1", "s2"]


def test_oneThatSaysGoodbye() -> None:
    """Whoever hears a goodbye believes it."""
    street = Street(ALL)
    street.hidden.stop()
    street.world.run(1.0)
    assert street.believers() == []


def test_anElectorThatCannotBeDialled() -> None:
    """It is not asked this time, and lives."""
    street = Street(LINE)
    caller = street.peers[0].peer.election.caller
    call = _Call("growth", 1)
    caller._pool = lambda: dict.fromkeys((one.peerId for one in street.peers[1:]), 0)
    assert street.hidden.peerId in caller._electorate(call)
    caller._dial(call, street.hidden.peerId)
    assert street.hidden.peerId not in caller._electorate(call)
    assert street.hidden.peerId in caller._electorate(_Call("growth", 1)) and street.believers() == ["s0", "s1", "s2", "s3"]
