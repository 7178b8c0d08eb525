"""
The voter's side of an election: checks a nomination, dials the candidate back itself, asks the policy, and signs at most one vote for a
seat, over restarts too.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import msgspec

from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId, shortText
from overlay.questions import Deed, Work
from overlay.roles.mandate import TOLERATED, passedOver
from overlay.roles.observations import DialBack, Observations
from overlay.wire import limits
from overlay.wire.messages import VoteAnswer, VoteWanted
from overlay.wire.statements import Capacity, Nomination, Signed, Vote, seal, unseal

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

ABANDONED_MOST = 3
"""So many abandoned seats in a row bar their caller."""
BARRED = 3600.0
"""For so many seconds."""
_TABLE = "votes"


class _KeptVote(msgspec.Struct, array_like=True):
    """What is stored of a seat that was voted on; new fields go at the end."""

    digest: bytes
    vote: Signed | None
    expires: int
    void: bool = False


@attrs.define(slots=True)
class _Caller:
    """
    What is known of one caller's seats.

    @ivar abandoned: monotonic times of seats that it said were abandoned.
    """

    counter: int = 0
    abandoned: list[float] = attrs.field(factory=list)


class Elector:
    """
    @ivar voters: gives the ids of live mandated super-peers as this peer knows them, with the times of their mandates.
    """

    def __init__(
        self,
        commons: Commons,
        membership: "Membership",
        observations: Observations,
        voters: Callable[[], dict[bytes, int]],
    ) -> None:
        self._commons = commons
        self._membership = membership
        self._observations = observations
        self.voters = voters
        self._votes = commons.storage.table(_TABLE)
        self._callers: dict[bytes, _Caller] = {}
        # Nominations whose candidates are being dialled, with the callers that wait for an answer.
        self._busy: dict[bytes, bytes] = {}
        self._prune()

    def _prune(self) -> None:
        now = self._commons.now()
        old = [
            key for key, value in self._votes.items()
            if msgspec.msgpack.decode(value, type=_KeptVote).expires + limits.CLOCK_SLACK < now
        ]
        self._votes.removeMany(old)

    def needs(self, peer: bytes) -> bool:
        """Whether a peer waits for an answer."""
        return peer in self._busy.values()

    def voteWanted(self, link: "Link", message: VoteWanted) -> None:
        """A caller asks for a vote; exactly one answer goes back."""
        digest = message.nomination.digest
        commons = self._commons
        admitted = commons.admit(link.peerId, Work.ELECTION)
        if not admitted:
            link.send(VoteAnswer(digest, None, "rate", f"again in {admitted.wait:.0f} s"))
            return
        try:
            nomination = unseal(commons.scheme, message.nomination, Nomination, commons.network.id)
        except SuperpeerError as problem:
            commons.report(link.peerId, Deed.FORGED_STATEMENT)
            link.send(VoteAnswer(digest, None, problem.code, str(problem)[: limits.REASON_TEXT]))
            return
        kept = self._kept(nomination)
        if kept is not None and kept.digest == digest and kept.vote is not None and not kept.void:
            link.send(VoteAnswer(digest, kept.vote))
            return
        code, text = self._objection(link, message.nomination, nomination, kept)
        if code:
            commons.tally.count("elections", "vote-refused")
            link.send(VoteAnswer(digest, None, code, text))
            return
        self._busy[digest] = link.peerId
        dialled = self._observations.dialBack(nomination.candidate, nomination.addresses)
        dialled.addCallback(lambda seen: self._decide(link, message.nomination, nomination, seen))

    def _key(self, nomination: Nomination) -> bytes:
        return nomination.caller + nomination.counter.to_bytes(8, "big")

    def _kept(self, nomination: Nomination) -> _KeptVote | None:
        stored = self._votes.get(self._key(nomination))
        return msgspec.msgpack.decode(stored, type=_KeptVote) if stored is not None else None

    def _objection(
        self, link: "Link", signed: Signed, nomination: Nomination, kept: _KeptVote | None
    ) -> tuple[str, str]:
        """Why this nomination gets no vote, as a code and a sentence; empty if nothing speaks against it so far."""
        commons = self._commons
        now = commons.now()
        if signed.signer != nomination.caller or nomination.caller != link.peerId:
            commons.report(link.peerId, Deed.FORGED_STATEMENT)
            return "caller", "the nomination is not that of the peer that sent it"
        if commons.peerId not in nomination.electorate or not self._membership.serving:
            return "elector", "this peer is not an elector of the seat"
        caller = self._membership.get(nomination.caller)
        if caller is None or not caller.recognised or caller.advert.role != "super":
            return "caller", "the caller is no super-peer that this peer knows"
        if commons.isRefused(nomination.candidate):
            return "blocked", "the candidate is blocked here"
        if nomination.candidate == commons.peerId:
            return "self", "nobody votes for itself"
        if abs(nomination.issued - now) > limits.CLOCK_SLACK:
            return "clock", "the nomination is not of this time"
        if not 0 < nomination.expires - nomination.issued <= limits.MANDATE_LIFE:
            return "expiry", "the mandate would last too long"
        if kept is not None and kept.digest != signed.digest:
            self._double(nomination, kept)
            return "double", "two nominations for one seat: both are void"
        if signed.digest in self._busy:
            return "busy", "the candidate is being dialled"
        missing = passedOver(commons.network.id, nomination, [one for one in self.voters() if one != commons.peerId])
        if len(missing) > TOLERATED:
            names = ", ".join(shortText(one) for one in missing[:4])
            return "electorate", f"nearer ones are not named: {names}"
        return self._grinding(nomination)

    def _double(self, nomination: Nomination, kept: _KeptVote) -> None:
        self._commons.report(PeerId(nomination.caller), Deed.DOUBLE_VOTE)
        self._commons.tally.count("elections", "double-nomination")
        void = msgspec.structs.replace(kept, void=True)
        self._votes.put(self._key(nomination), msgspec.msgpack.encode(void))

    def _grinding(self, nomination: Nomination) -> tuple[str, str]:
        """A caller that gives up seat after seat looks for a friendly electorate."""
        seconds = self._commons.seconds()
        caller = self._callers.setdefault(nomination.caller, _Caller())
        if len(self._callers) > 4096:
            del self._callers[next(iter(self._callers))]
        if nomination.counter < caller.counter:
            return "counter", f"seat {nomination.counter} comes after seat {caller.counter}"
        if nomination.counter > caller.counter:
            caller.counter = nomination.counter
            if nomination.lastOutcome == "abandoned":
                caller.abandoned.append(seconds)
            elif nomination.lastOutcome == "filled":
                caller.abandoned.clear()
        caller.abandoned = [one for one in caller.abandoned if seconds - one < BARRED]
        if len(caller.abandoned) >= ABANDONED_MOST:
            return "barred", f"{len(caller.abandoned)} seats of this caller were abandoned within the hour"
        return "", ""

    def _decide(self, link: "Link", signed: Signed, nomination: Nomination, seen: DialBack) -> None:
        commons = self._commons
        digest = signed.digest
        self._busy.pop(digest, None)
        if commons.isRefused(nomination.candidate):
            link.send(VoteAnswer(digest, None, "blocked", "the candidate is blocked here"))
            return
        known = self._membership.get(nomination.candidate)
        candidate = self._observations.candidate(
            nomination.candidate,
            commons.links.get(PeerId(nomination.candidate)),
            known.advert.capacity if known is not None else Capacity(),
        )
        verdict = commons.policies.election.vote(candidate)
        if not verdict:
            commons.tally.count("elections", "vote-refused")
            against = ", ".join(f"{one.name} {one.value}" for one in verdict.reasons if not one.holds)
            link.send(VoteAnswer(digest, None, "unfit", against[: limits.REASON_TEXT]))
            return
        kept = self._kept(nomination)
        if kept is not None and (kept.digest != digest or kept.void):
            link.send(VoteAnswer(digest, None, "double", "two nominations for one seat: both are void"))
            return
        vote = seal(
            commons.identity,
            Vote(
                commons.network.id, commons.peerId, digest, nomination.caller, nomination.counter, nomination.candidate,
                int(commons.now()), nomination.expires,
            ),
        )
        # The vote is stored before it is sent: a restart must not let this peer vote twice.
        self._votes.put(self._key(nomination), msgspec.msgpack.encode(_KeptVote(digest, vote, nomination.expires)))
        commons.tally.count("elections", "voted")
        link.send(VoteAnswer(digest, vote))
