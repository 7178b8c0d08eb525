"""What this peer does when its role changes: the acts of L{overlay.roles.life}."""

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from overlay.commons import Commons
from overlay.identity.ids import idText, shortText
from overlay.roles.handingover import WITHIN
from overlay.roles.life import IRole, lifeOf
from overlay.roles.mandate import BadMandate
from overlay.wire.statements import Mandate, Nomination, Signed, contentOf, unseal

if TYPE_CHECKING:
    from overlay.membership.membership import Membership
    from overlay.membership.neighbours import Neighbours
    from overlay.roles.election import Election
    from overlay.roles.handingover import HandingOver
    from overlay.roles.homes import Homes
    from overlay.roles.hosting import Hosting
    from overlay.roles.verifier import Verifier

SETTLED = 600.0
"""A promotion that ends before so many seconds was reversed."""
FIRST_WAIT = 30.0
LONGEST_WAIT = 3600.0
_TABLE = "role"
_ROLE = b"role"


@implementer(IRole)
class Role:
    """
    @ivar life: the machine.
    @ivar state: C{leaf}, C{waiting}, C{self-appointed}, C{heir}, C{mandated} or C{resigning}.
    @ivar because: how this peer came to it, in a sentence.
    @ivar reversals: promotions of this peer that failed or were reversed lately.
    @ivar servedBefore: whether it was a super-peer when it last stopped.
    """

    __slots__ = (
        "_barredUntil", "_commons", "_election", "_heirs", "_homes", "_hosting", "_membership", "_neighbours", "_since",
        "_table", "_timer", "_verifier", "because", "life", "reversals", "servedBefore", "state",
    )

    def __init__(
        self,
        commons: Commons,
        membership: "Membership",
        neighbours: "Neighbours",
        homes: "Homes",
        hosting: "Hosting",
        verifier: "Verifier",
        election: "Election",
    ) -> None:
        self._commons = commons
        self._membership = membership
        self._neighbours = neighbours
        self._homes = homes
        self._hosting = hosting
        self._verifier = verifier
        self._election = election
        self._table = commons.softTable(_TABLE)
        self._heirs: Signed | None = None
        self._since = 0.0
        self._timer: IDelayedCall | None = None
        self._barredUntil = float("-inf")
        self.servedBefore = self._table.get(_ROLE) == b"super"
        self.reversals = 0
        self.state = "leaf"
        self.because = "every peer begins as a leaf"
        self.life = lifeOf(self)

    def stop(self) -> None:
        """The peer stops; what it was is kept for the next start."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    # --- measures ----------------------------------------------------------------------------------------------------

    @property
    def servingFor(self) -> float:
        """Seconds since it took the role."""
        return self._commons.seconds() - self._since if self._membership.serving else 0.0

    @property
    def barredFor(self) -> float:
        """Seconds for which it must not serve, after promotions that failed."""
        return max(0.0, self._barredUntil - self._commons.seconds())

    @property
    def resigning(self) -> bool:
        return self.state == "resigning"

    @property
    def mandateLeft(self) -> float:
        """The part of the mandate's life that is left, 0 to 1; 0 without a mandate."""
        nomination = self._nomination()
        if nomination is None:
            return 0.0
        whole = nomination.expires - nomination.issued
        return min(1.0, max(0.0, (nomination.expires - self._commons.now()) / whole))

    def _nomination(self) -> Nomination | None:
        own = self._verifier.own
        return None if own is None else contentOf(own.nomination, Nomination)

    def nominationFor(self, mandate: Mandate, caller: bytes) -> Nomination:
        """
        The nomination in a mandate that C{caller} offers to this peer.

        @raise SuperpeerError: it is not C{caller}'s, or not for this peer.
        """
        nomination = unseal(self._commons.scheme, mandate.nomination, Nomination, self._commons.network.id, caller)
        if nomination.caller != caller or nomination.candidate != self._commons.peerId:
            raise BadMandate("the nomination is not for this peer")
        return nomination

    def describeMandate(self) -> dict[str, Any] | None:
        """For people."""
        own, nomination = self._verifier.own, self._nomination()
        if own is None or nomination is None:
            return None
        return {
            "caller": idText(nomination.caller),
            "seat": nomination.counter,
            "electorate": [shortText(one) for one in nomination.electorate],
            "votes": [shortText(one.signer) for one in own.votes],
            "seconds left": round(nomination.expires - self._commons.now()),
        }

    def reversed(self) -> None:
        """A promotion did not last: the next one has to wait, twice as long each time."""
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2**self.reversals)
        self.reversals += 1
        self._barredUntil = self._commons.seconds() + wait

    def checkExpiry(self) -> None:
        """Let a mandate lapse that is past its expiry."""
        if self._verifier.own is not None and self.mandateLeft <= 0:
            self.life.mandateLapsed()
        if self.reversals and self.servingFor > SETTLED:
            self.reversals = 0

    # --- what the machine has done -----------------------------------------------------------------------------------

    def wait(self) -> None:
        self.state = "waiting"
        self.because = "no super-peer can be reached"

    def endWait(self) -> None:
        self.state = "leaf"
        self.because = "a super-peer can be reached"

    def serve(self, mandate: Mandate | None, heirs: Signed | None) -> None:
        commons = self._commons
        self._since = commons.seconds()
        self._election.reign.begin()
        self._heirs = heirs
        self._table.put(_ROLE, b"super")
        self._describe(mandate)
        self._homes.pause()
        self._hosting.begin()
        self._membership.setRole("super", mandate, heirs)
        # A leaf does not look at the electorates of others; who serves has to.
        self._membership.rejudge()
        self._neighbours.begin()
        commons.tally.count("elections", "served")
        commons.log.info("serving as a super-peer: {because}", because=self.because)

    def carry(self, mandate: Mandate | None) -> None:
        self._describe(mandate)
        self._membership.setRole("super", mandate, self._heirs)

    def _describe(self, mandate: Mandate | None) -> None:
        self._verifier.own = mandate
        if mandate is not None:
            self._heirs = None
            nomination = contentOf(mandate.nomination, Nomination)
            self.state = "mandated"
            self.because = (
                f"elected to seat {nomination.counter} of {shortText(nomination.caller)} by {len(mandate.votes)}"
                f" of {len(nomination.electorate)} electors"
            )
        elif self._heirs is not None:
            self.state = "heir"
            self.because = "named as an heir by a home that is dead, and summoned by its leaves"
        else:
            self.state = "self-appointed"
            self.because = (
                "it served when it last stopped" if self.servedBefore
                else "fewer than three live mandates: super-peers are appointed until there are enough to vote"
            )

    def handOver(self, code: str) -> None:
        self.state = "resigning"
        self.because = f"it resigns ({code})"
        self._commons.log.info("resigning ({code}), {leaves} leaves move on", code=code, leaves=self._hosting.count)
        self._commons.tally.count("elections", "resigned")
        if self.servingFor < SETTLED and code != "surplus":
            self.reversed()
        self._timer = self._commons.clock.callLater(1.0, self._checkGone, self._hosting.resign("resigning"))

    def _checkGone(self, leaving: "HandingOver") -> None:
        leaving.tick()
        if self._hosting.leaves() and (not leaving.over or self._commons.seconds() < leaving.told + WITHIN):
            self._timer = self._commons.clock.callLater(1.0, self._checkGone, leaving)
        else:
            self.life.handedOver()

    def step(self) -> None:
        self._verifier.own = None
        self._heirs = None
        self.servedBefore = False
        self.state = "leaf"
        self.because = "it has resigned"
        self._table.put(_ROLE, b"leaf")
        self._election.reign.end()
        self._neighbours.end()
        self._membership.setRole("leaf")
        self._hosting.end()
        self._homes.resume()


