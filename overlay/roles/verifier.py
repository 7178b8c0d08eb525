"""Judges the mandates that others show, and knows who may vote."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from overlay.commons import Commons
from overlay.roles.heirs import isHeir
from overlay.roles.mandate import judge
from overlay.wire.statements import Advert, Mandate, Nomination, contentOf

if TYPE_CHECKING:
    from overlay.membership.membership import Membership

_JUDGED_MOST = 20_000
GRACE = 60.0
"""Seconds that a self-appointed super-peer has to be elected once there are three mandates."""
SETTLING = 300.0
"""Seconds of serving after which a super-peer has heard of all mandates, and hears of new ones when they are issued."""
EARLY = 1e-6
"""Seconds before something is due from which it is looked at again."""
UNSEEN = -1
"""The number of the view of whoever does not look."""


class _Verified(msgspec.Struct, eq=False, gc=False):
    """
    @ivar issued: seconds since the epoch; of the nomination.
    @ivar mayVote: whether the electorate fits this peer's view.
    @ivar since: monotonic time of the first time this holder was found mandated.
    @ivar known: network time of the first sight of this very mandate; None if this peer was new itself then.
    @ivar advert: that was judged, and C{view} the number of the view of the voters that was held then: the answer is the same as long
        as both are, until C{until}.
    """

    issued: int
    expires: int
    mayVote: bool
    since: float
    advert: Advert
    view: int
    until: float
    heir: bool
    problem: str
    known: float | None

    def sameAs(self, other: "_Verified | None") -> bool:
        """Whether both give the same voters."""
        return other is not None and (self.issued, self.expires, self.mayVote, self.since) == (
            other.issued, other.expires, other.mayVote, other.since
        )


class Verifier:
    """
    @ivar own: this peer's own mandate, or None.
    """

    __slots__ = (
        "_commons", "_gathered", "_looking", "_membership", "_order", "_settled", "_verified", "_version", "_viewNumber", "_voters",
        "own",
    )

    def __init__(self, commons: Commons, membership: "Membership") -> None:
        self._commons = commons
        self._membership = membership
        self._verified: dict[bytes, _Verified] = {}
        self.own: Mandate | None = None
        # What the voters were gathered from, when the first of them will have expired, and the voters.
        self._gathered: tuple[object, int, object, float] = (None, 0, None, 0.0)
        self._voters: dict[bytes, int] = {}
        self._order: Sequence[bytes] = ()
        self._viewNumber = 0
        self._settled: tuple[object, int, float, float, int] = (None, 0, 0.0, 0.0, 0)
        self._version = 0
        # Monotonic time since when this peer looks at electorates; None while it does not serve.
        self._looking: float | None = None

    def judge(self, advert: Advert) -> tuple[bool, bool, str]:
        """
        For L{overlay.membership.membership.Membership}.

        @return: whether the advert's mandate holds, whether its owner serves as an heir, and what is wrong with the mandate.
        """
        commons = self._commons
        owner = advert.owner
        before = self._verified.get(owner)
        now = commons.now()
        # Whoever does not serve asks nobody for a vote, and looks at the electorates only when it begins to.
        serves = self._membership.serving
        view = self._view(now) if serves else {}
        number = self._viewNumber if serves else UNSEEN
        if serves != (self._looking is not None):
            self._looking = commons.seconds() if serves else None
        if before is not None and before.view == number and now < before.until:
            if before.advert is advert:
                return True, before.heir, before.problem
            if advert.heirs is None and advert.mandate == before.advert.mandate:
                # Nothing but its load, or the like, is another.
                before.advert = advert
                return True, before.heir, before.problem
        heir = isHeir(commons, advert)
        if advert.mandate is None:
            self._forget(owner)
            return False, heir, ""
        known = self._known(before, advert.mandate, now)
        order = self._order if serves else ()
        judgement = judge(commons.scheme, commons.network.id, advert.mandate, owner, now, view, known, order)
        if not judgement.mandated:
            self._forget(owner)
            return False, heir, judgement.problem
        nomination = contentOf(advert.mandate.nomination, Nomination)
        # Whatever life a caller gives it: a vote lasts no longer than mandates do here, so none is dated back further than that.
        expires = min(nomination.expires, nomination.issued + int(commons.settings.mandate))
        verified = self._verified[owner] = _Verified(
            nomination.issued, expires, judgement.mayVote, before.since if before is not None else commons.seconds(),
            advert, number, nomination.expires if advert.heirs is None else float("-inf"), heir, judgement.problem, known,
        )
        if not verified.sameAs(before):
            self._version += 1
        while len(self._verified) > _JUDGED_MOST:
            self._forget(next(iter(self._verified)))
        return True, heir, judgement.problem

    def _known(self, before: _Verified | None, mandate: Mandate, now: float) -> float | None:
        """See L{_Verified.known}."""
        if before is not None and before.advert.mandate is not None and before.advert.mandate.nomination == mandate.nomination:
            return before.known
        settled = self._looking is not None and self._commons.seconds() - self._looking >= SETTLING
        return now if settled else None

    def _forget(self, owner: bytes) -> None:
        if self._verified.pop(owner, None) is not None:
            self._version += 1

    def voters(self) -> dict[bytes, int]:
        """Live mandated super-peers that may vote, this one included, with the times at which their mandates were issued."""
        return dict(self._view(self._commons.now()))

    def _view(self, now: float) -> dict[bytes, int]:
        """The voters, not to be altered: gathered again only when somebody comes, goes or is judged otherwise, or a mandate expires."""
        serving = self._membership.superPeerView()
        before, version, own, until = self._gathered
        if before is serving and version == self._version and own is self.own and now < until:
            return self._voters
        voters: dict[bytes, int] = {}
        until = float("inf")
        for known in serving:
            verified = self._verified.get(known.peerId) if known.mandated else None
            if verified is not None and verified.mayVote and verified.expires > now:
                voters[known.peerId] = verified.issued
                until = min(until, verified.expires)
        if self.own is not None:
            nomination = contentOf(self.own.nomination, Nomination)
            if nomination.expires > now:
                voters[self._commons.peerId] = nomination.issued
                until = min(until, nomination.expires)
        self._gathered = (serving, self._version, self.own, until)
        if voters != self._voters:
            self._voters, self._order = voters, sorted(voters)
            self._viewNumber += 1
        return self._voters

    def settled(self, age: float) -> int:
        """How many other live mandates have been known for at least C{age} seconds."""
        serving = self._membership.superPeerView()
        before, version, until, of, count = self._settled
        seconds = self._commons.seconds()
        if before is not serving or version != self._version or seconds >= until or of != age:
            count, until = 0, float("inf")
            for known in serving:
                verified = self._verified.get(known.peerId) if known.mandated else None
                if verified is None:
                    continue
                if seconds - verified.since >= age:
                    count += 1
                else:
                    # Somewhat sooner, whatever is lost in rounding.
                    until = min(until, verified.since + age - EARLY)
            self._settled = (serving, self._version, until, age, count)
        return count

    def live(self) -> int:
        """For L{overlay.membership.membership.Membership}: how many mandates are not brand new, this peer's own among them."""
        return self.settled(GRACE) + (self.own is not None)

    def serving(self) -> dict[bytes, int]:
        """All recognised super-peers, this one included: those who vote at the beginning."""
        whole: dict[bytes, int] = {known.peerId: 0 for known in self._membership.superPeers()}
        if self._membership.serving:
            whole[self._commons.peerId] = 0
        return whole
