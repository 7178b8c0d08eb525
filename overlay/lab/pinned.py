"""Real super-peers that keep the neighbours they are given, for experiments about a graph and nothing else."""

from typing import TYPE_CHECKING

from zope.interface import implementer

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.interfaces import IElection
from overlay.membership.gossip import Gossip
from overlay.membership.membership import Membership
from overlay.membership.neighbours import Neighbours
from overlay.peer import Peer
from overlay.policy import PolicyPlugin
from overlay.questions import Candidate, Claim, Load, Standing
from overlay.roles.election import Election
from overlay.verdict import Reason, Verdict

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.known import Known

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


class QuietMembership(Membership):
    """Knows only whom it is linked to."""

    def __init__(self, commons: Commons) -> None:
        super().__init__(commons)
        self.gossip = QuietGossip(commons, self)


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
