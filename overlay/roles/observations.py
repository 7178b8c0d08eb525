"""What this peer has seen of others that might serve: whether they could be dialled back, how fast, how long they have stayed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId
from overlay.questions import Candidate
from overlay.wire.statements import Capacity

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

KEPT = 4096
"""Most peers of whom a dial-back is remembered."""
FRESH = 300.0
"""Seconds for which a dial-back counts."""


class DialBack(msgspec.Struct, frozen=True, gc=False):
    """
    @ivar address: that answered; empty if none did.
    @ivar rtt: seconds for the dial and the hello; None if none answered.
    @ivar when: monotonic time.
    """

    address: str
    rtt: float | None
    when: float


class Observations:
    """Dial-backs of this peer, by peer id."""

    __slots__ = ("_commons", "_known", "_membership")

    def __init__(self, commons: Commons, membership: "Membership") -> None:
        self._commons = commons
        self._membership = membership
        self._known: dict[bytes, DialBack] = {}

    def last(self, peer: bytes) -> DialBack | None:
        """The last dial-back of a peer, unless it is too long ago."""
        known = self._known.get(peer)
        if known is None or self._commons.seconds() - known.when > FRESH:
            return None
        return known

    def isSilent(self, peer: bytes) -> bool:
        """Whether it answered at no address a moment ago: where most cannot be dialled the same ones would be the fittest again."""
        last = self.last(peer)
        return last is not None and last.rtt is None

    def forget(self, peer: bytes) -> None:
        self._known.pop(peer, None)

    def dialBack(self, peer: bytes, addresses: Sequence[str]) -> "Deferred[DialBack]":
        """
        Dial a peer at each of its addresses until one answers with its identity.

        @return: always fires with a L{DialBack}.
        """
        left = list(dict.fromkeys(addresses))[:4]
        if not left:
            return succeed(self._remember(peer, DialBack("", None, self._commons.seconds())))

        def attempt(failure: Failure | None = None) -> Any:
            if failure is not None:
                failure.trap(SuperpeerError)
            if not left:
                return self._remember(peer, DialBack("", None, self._commons.seconds()))
            address = left.pop(0)
            probing: Deferred[float] = self._commons.links.probe(address, PeerId(peer))
            answered: Deferred[DialBack] = probing.addCallback(
                lambda rtt: self._remember(peer, DialBack(address, rtt, self._commons.seconds()))
            )
            return answered.addErrback(attempt)

        started = attempt()
        assert isinstance(started, Deferred)
        return started

    def _remember(self, peer: bytes, dialBack: DialBack) -> DialBack:
        self._known.pop(peer, None)
        self._known[peer] = dialBack
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        return dialBack

    def candidate(self, peer: bytes, link: "Link | None", claims: Capacity) -> Candidate:
        """What a policy is told of a candidate: what was observed, and beside it what the candidate says of itself."""
        commons = self._commons
        dialBack = self.last(peer)
        rtt = link.rtt if link is not None and link.rtt is not None else (dialBack.rtt if dialBack else None)
        return Candidate(
            peerId=PeerId(peer),
            linked=commons.seconds() - link.since if link is not None else 0.0,
            known=self._membership.met.upFor(peer),
            rtt=rtt,
            dialable=dialBack is not None and dialBack.rtt is not None,
            trust=commons.trust(PeerId(peer)),
            claims=claims,
        )
