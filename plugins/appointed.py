"""The operator names the super-peers; nobody else is ever elected."""

from zope.interface import implementer

from overlay.identity.ids import PeerId, parseId
from overlay.interfaces import IElection
from overlay.policy import PolicyPlugin, PolicySurroundings
from overlay.questions import Candidate, Claim, Load, Standing
from overlay.verdict import Reason, Verdict


@implementer(IElection)
class Appointed:
    """Every peer of the network is given the same names."""

    def __init__(self, surroundings: PolicySurroundings, peers: str = "", me: bool = False, most: int = 1000) -> None:
        """
        @param peers: whole ids of the super-peers, joined by C{+}.
        @param me: whether this peer is one of them, so that its id need not be known beforehand.
        @param most: registrations from which a super-peer refuses.
        """
        named: set[PeerId] = {parseId(one) for one in peers.split("+") if one}
        if me:
            named.add(surroundings.peerId)
        if not named:
            raise ValueError("name the super-peers: peers=ID+ID, or me=yes at a super-peer itself")
        self._named = frozenset(named)
        self._own = surroundings.peerId
        self._most = most

    def _isNamed(self, peer: bytes) -> Reason:
        return Reason.must("named by the operator", peer in self._named)

    def mayServe(self, standing: Standing) -> Verdict:
        return Verdict.allOf(self._isNamed(standing.peerId))

    def patience(self, standing: Standing) -> Verdict:
        """None for those who are named; C{mayServe} keeps the others from serving at all."""
        return Verdict.yes(self._isNamed(standing.peerId), score=0.0)

    def admits(self, load: Load) -> Verdict:
        return Verdict.allOf(Reason.atMost("registrations", load.registrations, self._most - 1))

    def shouldCall(self, load: Load) -> Verdict:
        return Verdict.no(Reason("super-peers are named by the operator", True, None, False))

    def fitness(self, candidate: Candidate) -> Verdict:
        return Verdict.allOf(self._isNamed(candidate.peerId), score=float(candidate.peerId in self._named))

    def vote(self, candidate: Candidate) -> Verdict:
        return Verdict.allOf(self._isNamed(candidate.peerId))

    def shouldResign(self, load: Load) -> Verdict:
        return Verdict.allOf(Reason.must("not named by the operator", self._own not in self._named))

    def recognises(self, claim: Claim) -> Verdict:
        return Verdict.allOf(self._isNamed(claim.peerId))


appointed = PolicyPlugin(
    "election", "appointed", "overlay.plugins.appointed:Appointed", "The operator names the super-peers (peers=ID+ID, me=yes)."
)
