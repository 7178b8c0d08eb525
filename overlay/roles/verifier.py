"""Judges the mandates that others show, and knows who may vote."""

from typing import TYPE_CHECKING

import attrs

from overlay.commons import Commons
from overlay.roles.heirs import isHeir
from overlay.roles.mandate import judge
from overlay.wire.statements import Advert, Mandate, Nomination, contentOf

if TYPE_CHECKING:
    from overlay.membership.membership import Membership

_JUDGED_MOST = 20_000
LOOK_AGAIN = 60.0
"""Seconds after which a voter looks again whether another's electorate fits what it knows by then."""


@attrs.frozen(slots=True)
class _Verified:
    """
    @ivar issued: seconds since the epoch; of the nomination.
    @ivar mayVote: whether the electorate fits this peer's view.
    @ivar since: monotonic time of the first time this holder was found mandated; C{judged} of the last look at its electorate.
    """

    mandate: Mandate
    issued: int
    expires: int
    mayVote: bool
    since: float
    judged: float


class Verifier:
    """
    @ivar own: this peer's own mandate, or None.
    """

    def __init__(self, commons: Commons, membership: "Membership") -> None:
        self._commons = commons
        self._membership = membership
        self._verified: dict[bytes, _Verified] = {}
        self._settled = (float("-inf"), 0.0, 0)
        self.own: Mandate | None = None

    def judge(self, advert: Advert) -> tuple[bool, bool, str]:
        """
        For L{overlay.membership.membership.Membership}.

        @return: whether the advert's mandate holds, whether its owner serves as an heir, and what is wrong with the mandate.
        """
        heir = isHeir(self._commons, advert)
        if advert.mandate is None:
            self._verified.pop(advert.owner, None)
            return False, heir, ""
        commons = self._commons
        before = self._verified.get(advert.owner)
        if before is not None and before.expires > commons.now() and before.mandate == advert.mandate:
            # What it says has not changed. Whether its holder may vote is for voters to ask, and only a wider view changes that.
            fresh = commons.seconds() - before.judged < LOOK_AGAIN
            if before.mayVote and (fresh or not self._membership.serving):
                return True, heir, ""
        # Whoever does not serve asks nobody for a vote, and looks at the electorates when it begins to.
        voters = self.voters() if self._membership.serving else {}
        voters.pop(advert.owner, None)
        judgement = judge(commons.scheme, commons.network.id, advert.mandate, advert.owner, commons.now(), voters)
        if not judgement.mandated:
            self._verified.pop(advert.owner, None)
            return False, heir, judgement.problem
        nomination = contentOf(advert.mandate.nomination, Nomination)
        seconds = commons.seconds()
        self._verified[advert.owner] = _Verified(
            advert.mandate, nomination.issued, nomination.expires, judgement.mayVote,
            before.since if before is not None else seconds, seconds if self._membership.serving else float("-inf"),
        )
        while len(self._verified) > _JUDGED_MOST:
            del self._verified[next(iter(self._verified))]
        return True, heir, judgement.problem

    def voters(self) -> dict[bytes, int]:
        """Live mandated super-peers that may vote, this one included, with the times at which their mandates were issued."""
        now = self._commons.now()
        voters: dict[bytes, int] = {}
        for known in self._membership.mandated():
            verified = self._verified.get(known.peerId)
            if verified is not None and verified.mayVote and verified.expires > now:
                voters[known.peerId] = verified.issued
        if self.own is not None:
            nomination = contentOf(self.own.nomination, Nomination)
            if nomination.expires > now:
                voters[self._commons.peerId] = nomination.issued
        return voters

    def settled(self, age: float) -> int:
        """How many other live mandates have been known for at least C{age} seconds; counted once a second."""
        seconds = self._commons.seconds()
        when, asked, count = self._settled
        if asked == age and 0 <= seconds - when < 1.0:
            return count
        count = 0
        for known in self._membership.mandated():
            verified = self._verified.get(known.peerId)
            if verified is not None and seconds - verified.since >= age:
                count += 1
        self._settled = (seconds, age, count)
        return count

    def serving(self) -> dict[bytes, int]:
        """All recognised super-peers, this one included: those who vote at the beginning."""
        whole: dict[bytes, int] = {known.peerId: 0 for known in self._membership.superPeers()}
        if self._membership.serving:
            whole[self._commons.peerId] = 0
        return whole
