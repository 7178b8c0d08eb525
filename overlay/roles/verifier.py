"""Judges the mandates that others show, and knows who may vote."""

from typing import TYPE_CHECKING

import attrs

from overlay.commons import Commons
from overlay.roles.heirs import isHeir
from overlay.roles.mandate import judge
from overlay.wire.statements import Advert, Mandate, Nomination, decodeBody

if TYPE_CHECKING:
    from overlay.membership.membership import Membership

_JUDGED_MOST = 20_000


@attrs.frozen(slots=True)
class _Verified:
    """
    @ivar issued: seconds since the epoch; of the nomination.
    @ivar mayVote: whether the electorate fits this peer's view.
    @ivar since: monotonic time of the first time this holder was found mandated.
    """

    digest: bytes
    issued: int
    expires: int
    mayVote: bool
    since: float


class Verifier:
    """
    @ivar own: this peer's own mandate, or None.
    """

    def __init__(self, commons: Commons, membership: "Membership") -> None:
        self._commons = commons
        self._membership = membership
        self._verified: dict[bytes, _Verified] = {}
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
        voters = self.voters()
        voters.pop(advert.owner, None)
        commons = self._commons
        judgement = judge(commons.scheme, commons.network.id, advert.mandate, advert.owner, commons.now(), voters)
        if not judgement.mandated:
            self._verified.pop(advert.owner, None)
            return False, heir, judgement.problem
        before = self._verified.get(advert.owner)
        nomination = decodeBody(advert.mandate.nomination.body, Nomination)
        self._verified[advert.owner] = _Verified(
            advert.mandate.nomination.digest, nomination.issued, nomination.expires, judgement.mayVote,
            before.since if before is not None else commons.seconds(),
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
            nomination = decodeBody(self.own.nomination.body, Nomination)
            if nomination.expires > now:
                voters[self._commons.peerId] = nomination.issued
        return voters

    def settled(self, age: float) -> int:
        """How many other live mandates have been known for at least C{age} seconds."""
        seconds = self._commons.seconds()
        count = 0
        for known in self._membership.mandated():
            verified = self._verified.get(known.peerId)
            if verified is not None and seconds - verified.since >= age:
                count += 1
        return count

    def serving(self) -> dict[bytes, int]:
        """All recognised super-peers, this one included: those who vote at the beginning."""
        whole: dict[bytes, int] = {known.peerId: 0 for known in self._membership.superPeers()}
        if self._membership.serving:
            whole[self._commons.peerId] = 0
        return whole
