"""Real super-peers that keep the neighbours they are given, for experiments about a graph and nothing else."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zope.interface import implementer

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.identity.signing import Ed25519
from overlay.interfaces import IElection
from overlay.lab.experiment import Measured
from overlay.lab.graphs import Edge
from overlay.lab.network import Latency
from overlay.lab.pages import useLargePages
from overlay.lab.world import LabPeer, World
from overlay.membership.gossip import Gossip
from overlay.membership.membership import Membership
from overlay.membership.neighbours import Neighbours
from overlay.peer import Peer
from overlay.policy import PolicyPlugin
from overlay.questions import Candidate, Claim, Load, Standing
from overlay.roles.election import Election
from overlay.settings import Beats, Settings
from overlay.verdict import Reason, Verdict

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.known import Known

SETTINGS = Settings(role="super", beats=Beats(720.0), advert=7200.0, gossip=600.0, beacon=0.0)
"""Links that neither fall silent nor talk while nothing is searched for."""
SPECS = {"election": "everybody", "reputation": "neutral", "rate-limit": "unlimited", "router": "flood"}
SETTLING = 2.0
"""Virtual seconds for the greetings, and so many latencies."""
LATENCIES = 10
_REASON = Reason("everybody serves", True)


@implementer(IElection)
class Everybody:
    """Serves at once and for ever, and takes everybody for a super-peer."""

    def mayServe(self, standing: Standing) -> Verdict:
        return Verdict.yes(_REASON)

    def patience(self, standing: Standing) -> Verdict:
        return Verdict.yes(_REASON, score=0.0)

    def admits(self, load: Load) -> Verdict:
        return Verdict.yes(_REASON)

    def shouldCall(self, load: Load) -> Verdict:
        return Verdict.no(_REASON)

    def fitness(self, candidate: Candidate) -> Verdict:
        return Verdict.yes(_REASON, score=1.0)

    def vote(self, candidate: Candidate) -> Verdict:
        return Verdict.yes(_REASON)

    def shouldResign(self, load: Load) -> Verdict:
        return Verdict.no(_REASON)

    def recognises(self, claim: Claim) -> Verdict:
        return Verdict.yes(_REASON)


everybody = PolicyPlugin("election", "everybody", Everybody, "Everybody serves (in the lab).")


class QuietGossip(Gossip):
    """Tells nobody of anybody."""

    def start(self) -> None:
        """No rounds."""

    def greet(self, link: "Link") -> None:
        """No comparing."""

    def learned(self, known: "Known", source: "Link | None") -> None:
        """No rumours."""

    def died(self, peer: bytes) -> None:
        """No obituaries."""


class TrustingMembership(Membership):
    """Takes whoever says so for a super-peer; where nobody is elected there are no mandates to look at, again and again."""

    def _judge(self, known: "Known") -> None:
        recognised = known.advert.role == "super"
        if known.recognised != recognised:
            self._view.touch(known.peerId)
        known.recognised = recognised


class QuietMembership(TrustingMembership):
    """Knows whom it is linked to, or was introduced to, and for good."""

    def __init__(self, commons: Commons) -> None:
        super().__init__(commons)
        self.gossip = QuietGossip(commons, self)

    def rejudge(self, whole: bool = True) -> None:
        """Nobody comes or goes."""


class PinnedNeighbours(Neighbours):
    """Seeks none."""

    def _look(self) -> None:
        self._stopTimer()

    def pin(self, peer: PeerId) -> None:
        """A linked peer is a neighbour, from now on and as long as the link lasts."""
        self._add(peer)


class SettledElection(Election):
    """Whoever serves goes on, and asks nobody for a mandate."""

    def _serve(self) -> None:
        """Nothing is to be decided."""


class PinnedPeer(Peer):
    """A peer that neither seeks neighbours nor gossips, and serves for ever."""

    makeMembership = QuietMembership
    makeNeighbours = PinnedNeighbours
    makeElection = SettledElection


def pinnedWorld(
    measured: Measured, seed: int, codec: str, latency: Latency, settings: Settings = SETTINGS, router: str = SPECS["router"]
) -> World:
    """A world whose peers are L{PinnedPeer}s unless they are made otherwise."""
    scheme = Ed25519() if codec == "full" else None
    specs = {**SPECS, "router": router}
    return measured.world(seed, settings, scheme, codec, latency, specs, makePeer=PinnedPeer, plugins=[everybody])


def pinnedGraph(world: World, count: int, edges: Sequence[Edge], slowest: float = 0.0) -> list[LabPeer]:
    """
    Add so many super-peers, and make them neighbours as the edges say.

    @param slowest: the longest latency, in seconds.
    """
    peers = [world.add() for _ in range(count)]
    world.run(0.0)
    useLargePages()
    for one, other in edges:
        peers[one].peer.links.dial(peers[other].address, peers[other].peerId)
    world.run(SETTLING + LATENCIES * slowest)
    useLargePages()
    for one, other in edges:
        for near, far in ((peers[one], peers[other]), (peers[other], peers[one])):
            neighbours = near.peer.neighbours
            assert isinstance(neighbours, PinnedNeighbours) and near.peer.links.get(far.peerId) is not None
            neighbours.pin(far.peerId)
    return peers


def introduce(peers: Sequence[LabPeer], whom: Sequence[LabPeer] | None = None) -> None:
    """
    Let everybody know some others, as gossip would: a spanning tree has to know who may be its root.

    @param whom: None for everybody.
    """
    adverts = [one.peer.membership.ownSigned() for one in (peers if whom is None else whom)]
    for one in peers:
        for signed in adverts:
            one.peer.membership.take(signed)
