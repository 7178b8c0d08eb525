"""The caller's side of an election: finds the best candidate among what was observed, and gets its electorate to vote."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import implementer

from overlay.commons import Commons
from overlay.errors import SuperpeerError, TurnedAway
from overlay.identity.ids import PeerId, shortText
from overlay.roles.choosing import Choice
from overlay.roles.mandate import GENESIS, TOLERATED, distance, electorateOf, majorityOf, seatPoint
from overlay.roles.observations import Observations
from overlay.roles.seat import ICalling, seatOf
from overlay.verdict import Verdict
from overlay.wire import limits
from overlay.wire.messages import MandateAnswer, MandateGiven, Qualified, SeatCalled, VoteAnswer, VoteWanted
from overlay.wire.statements import Capacity, Mandate, Nomination, Signed, Vote, seal, unseal

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

ANSWERS_WITHIN = 2.0
"""Seconds that leaves have to answer a call."""
FAILED_FOR = 600.0
"""Seconds for which a candidate that failed, or an elector that did not answer, is passed over."""
_TABLE = "seats"
_LAST = b"last"


@attrs.define(slots=True, eq=False)
class _Call:
    """
    One seat while it is being filled.

    @ivar purpose: C{growth}, C{renewal} or C{petition}.
    @ivar answers: who would serve, with addresses and claims.
    @ivar candidate: chosen, with addresses, and with what was observed of it in C{fitness}.
    @ivar beyond: electors that have no link and name no address: they may live, but are not asked this time.
    @ivar issued: network time that the nomination bears, seconds since the epoch: the seat's place depends on it.
    """

    purpose: str
    counter: int
    asked: int = 0
    answers: dict[bytes, tuple[list[str], Capacity]] = attrs.field(factory=dict)
    candidate: PeerId = attrs.field(default=PeerId(b""))
    addresses: list[str] = attrs.field(factory=list)
    fitness: Verdict | None = None
    beyond: list[PeerId] = attrs.field(factory=list)
    issued: int = 0
    electorate: list[PeerId] = attrs.field(factory=list)
    nomination: Signed | None = None
    votes: dict[bytes, Signed] = attrs.field(factory=dict)
    against: dict[bytes, str] = attrs.field(factory=dict)


@implementer(ICalling)
class Caller:
    """
    @ivar pool: gives those who may be electors now: ids with the times of their mandates.
    @ivar leaves: gives the links of leaves that may be asked.
    @ivar closed: called with (purpose, candidate, outcome) when a seat has ended.
    @ivar crowned: called with (purpose, mandate) when this peer itself has won, as at a renewal.
    @ivar history: what became of the last seats, for people.
    """

    def __init__(
        self,
        commons: Commons,
        membership: "Membership",
        observations: Observations,
        pool: Callable[[], dict[bytes, int]],
        leaves: "Callable[[], list[Link]]",
        closed: Callable[[str, bytes, str], None],
        crowned: Callable[[str, Mandate], None],
    ) -> None:
        self._commons = commons
        self._membership = membership
        self._observations = observations
        self._pool = pool
        self._leaves = leaves
        self._closed = closed
        self._crowned = crowned
        self._seat = seatOf(self)
        self._call: _Call | None = None
        self._choice: Choice | None = None
        self._timer: IDelayedCall | None = None
        self._failed: dict[bytes, float] = {}
        self._silent: dict[bytes, float] = {}
        self._table = commons.softTable(_TABLE)
        stored = self._table.get(_LAST) or b"\0" * 8 + b"none"
        self._counter = int.from_bytes(stored[:8], "big")
        self._lastOutcome = stored[8:].decode("ascii")
        self.history: list[dict[str, object]] = []

    @property
    def busy(self) -> bool:
        return self._call is not None

    def needs(self, peer: bytes) -> bool:
        """Whether a peer has a part in the open seat."""
        return self._call is not None and (peer in self._call.electorate or peer == self._call.candidate)

    def call(self) -> None:
        """Call a seat for the best of the leaves; nothing happens while another is open."""
        if self._call is None:
            self._call = _Call("growth", self._counter + 1)
            self._seat.call()

    def callFor(self, candidate: PeerId, addresses: list[str], claims: Capacity, purpose: str) -> None:
        """Call a seat for one candidate."""
        if self._call is None:
            self._call = _Call(purpose, self._counter + 1)
            self._call.answers[candidate] = (addresses, claims)
            self._seat.callFor()

    def stop(self) -> None:
        """Leave the seat that is open, if any, as it is."""
        self._stopTimer()
        if self._choice is not None:
            self._choice.stop()
        self._call = None
        self._seat = seatOf(self)

    # --- messages ----------------------------------------------------------------------------------------------------

    def qualified(self, link: "Link", message: Qualified) -> None:
        """A leaf has answered the call."""
        call = self._call
        if call is None or message.counter != call.counter or call.purpose != "growth":
            return
        call.asked -= 1
        if message.willing and message.addresses:
            call.answers[link.peerId] = (list(message.addresses), message.capacity)
        if call.asked <= 0:
            self._seat.answersIn()

    def voteAnswered(self, link: "Link", message: VoteAnswer) -> None:
        """An elector has answered."""
        call = self._call
        if call is None or call.nomination is None or message.nomination != call.nomination.digest:
            return
        if link.peerId not in call.electorate:
            return
        if message.vote is None:
            call.against[link.peerId] = message.code
        elif self._isVote(call, link, message.vote):
            call.votes[link.peerId] = message.vote
        needed = majorityOf(call.electorate)
        if len(call.votes) >= needed:
            self._seat.won()
        elif len(call.electorate) - len(call.against) < needed:
            self._seat.lost()

    def _isVote(self, call: _Call, link: "Link", signed: Signed) -> bool:
        try:
            vote = unseal(self._commons.scheme, signed, Vote, self._commons.network.id, link.peerId)
        except SuperpeerError:
            return False
        assert call.nomination is not None
        return vote.elector == link.peerId and vote.nomination == call.nomination.digest

    def mandateAnswered(self, link: "Link", message: MandateAnswer) -> None:
        """The winner has answered."""
        call = self._call
        if call is None or link.peerId != call.candidate or message.counter != call.counter:
            return
        if message.accepted:
            self._seat.taken()
        else:
            call.against[link.peerId] = message.code
            self._seat.declined()

    # --- what the machine has done -----------------------------------------------------------------------------------

    def askLeaves(self) -> None:
        call = self._theCall()
        for link in self._leaves():
            if link.send(SeatCalled(call.counter)):
                call.asked += 1
        self._startTimer(ANSWERS_WITHIN if call.asked else 0.0, self._seat.answersIn)

    def chooseCandidate(self) -> None:
        call = self._theCall()
        self._stopTimer()
        commons = self._commons
        if commons.peerId in call.answers:
            # A renewal: nobody need dial itself back, the electors will.
            self._choose(call, commons.peerId)
            return
        seconds = commons.seconds()
        self._failed = {one: when for one, when in self._failed.items() if seconds - when < FAILED_FOR}
        able = [
            one for one in call.answers
            if not commons.isRefused(one) and (call.purpose == "petition" or not (one in self._failed or self._observations.isSilent(one)))
        ]
        def chosen(peer: bytes | None, verdict: Verdict | None) -> None:
            if call is self._call:
                call.fitness = verdict
                if peer is not None:
                    self._choose(call, PeerId(peer))
                else:
                    self._seat.noCandidate()

        self._choice = Choice(commons, self._observations, call.answers, able, chosen)

    def _choose(self, call: _Call, peer: PeerId) -> None:
        call.candidate = peer
        call.addresses = call.answers[peer][0][: limits.ADDRESSES]
        self._seat.candidateChosen()

    def reachElectors(self) -> None:
        """Dial those electors that are not linked; one that does not answer is dead, and the next nearest takes its place."""
        call = self._theCall()
        if not call.issued:
            call.issued = int(self._commons.now())
        call.electorate = self._electorate(call)
        dialling: list[Deferred[object]] = []
        for elector in call.electorate:
            if self._commons.links.get(elector) is None:
                dialling.append(self._dial(call, elector))
        if not dialling:
            self._seat.electorsReached()
            return
        whole: Deferred[list[tuple[bool, object]]] = DeferredList(dialling)
        whole.addCallback(lambda ignored: self._reachedSome(call))

    def _reachedSome(self, call: _Call) -> None:
        if call is not self._call:
            return
        if self._electorate(call) != call.electorate:
            self.reachElectors()
        else:
            self._seat.electorsReached()

    def _electorate(self, call: _Call) -> list[PeerId]:
        """The nearest voters; of those that cannot be asked, or let a call to vote go by lately, the nearest two are passed over."""
        commons = self._commons
        seat = (commons.network.id, commons.peerId, call.counter, call.issued)
        pool = self._pool()
        point, seconds = seatPoint(*seat), commons.seconds()
        self._silent = {one: when for one, when in self._silent.items() if seconds - when < FAILED_FOR}
        mute = {one for one in (*self._silent, *call.beyond) if one in pool}
        passedOver = sorted(mute, key=lambda one: distance(point, one))[:TOLERATED]
        return electorateOf(*seat, call.candidate, [one for one in pool if one not in passedOver])

    def _dial(self, call: _Call, peer: PeerId) -> "Deferred[object]":
        left = list(self._membership.addresses(peer))[:3]

        def attempt(failure: Failure | None = None) -> object:
            if failure is not None and failure.check(TurnedAway):
                # It lives, and cannot be asked.
                self._silent[peer] = self._commons.seconds()
                return None
            if not left and failure is None:
                call.beyond.append(peer)
                return None
            if not left:
                self._membership.markDead(peer, True)
                return None
            return self._commons.links.dial(left.pop(0), peer).addErrback(attempt)

        started = attempt()
        if isinstance(started, Deferred):
            return started
        done: Deferred[object] = Deferred()
        done.callback(None)
        return done

    def nominate(self) -> None:
        call = self._theCall()
        commons = self._commons
        nomination = Nomination(
            commons.network.id, commons.peerId, call.counter, self._lastOutcome, call.candidate, call.addresses,
            list(call.electorate), call.issued, call.issued + int(commons.settings.mandate),
        )
        call.nomination = seal(commons.identity, nomination)
        # From here on the seat counts: its number is used up whatever becomes of it.
        self._keep(call.counter, "abandoned")
        if not call.electorate:
            # Nobody else serves yet: at the beginning super-peers are appointed.
            self._seat.won()
            return
        for elector in call.electorate:
            link = commons.links.get(elector)
            if link is None or not link.send(VoteWanted(call.nomination)):
                call.against[elector] = "unreachable"
        if len(call.electorate) - len(call.against) < majorityOf(call.electorate):
            self._seat.lost()
            return
        self._startTimer(4 * commons.settings.dialTimeout + 2.0, self._seat.lost)

    def giveMandate(self) -> None:
        call = self._theCall()
        self._stopTimer()
        assert call.nomination is not None
        mandate = Mandate(call.nomination, list(call.votes.values()))
        if call.candidate == self._commons.peerId:
            self._crowned(call.purpose, mandate)
            self._seat.taken()
            return
        link = self._commons.links.get(call.candidate)
        if link is None or not link.send(MandateGiven(mandate)):
            self._seat.declined()
            return
        self._startTimer(self._commons.settings.dialTimeout + 2.0, self._seat.declined)

    def close(self, outcome: str) -> None:
        call = self._theCall()
        self._stopTimer()
        self._call = None
        commons = self._commons
        if outcome != "none":
            self._keep(call.counter, outcome)
        if outcome == "abandoned":
            self._failed[call.candidate] = commons.seconds()
            if len(call.votes) < majorityOf(call.electorate):
                mute = [one for one in call.electorate if one not in call.votes and one not in call.against]
                self._silent.update(dict.fromkeys(mute, commons.seconds()))
        commons.tally.count("elections", outcome)
        self.history = [
            *self.history[-9:],
            {
                "seat": call.counter, "purpose": call.purpose, "outcome": outcome,
                "candidate": shortText(call.candidate) if call.candidate else "",
                "electors": [shortText(one) for one in call.electorate],
                "votes": [shortText(one) for one in call.votes],
                "against": {shortText(one): code for one, code in call.against.items()},
                "willing": len(call.answers),
                "fitness": call.fitness.asJSON() if call.fitness is not None else None,
            },
        ]
        commons.log.info(
            "seat {seat} ({purpose}): {outcome}, candidate {candidate}, {votes} of {electors} votes",
            seat=call.counter, purpose=call.purpose, outcome=outcome,
            candidate=shortText(call.candidate) if call.candidate else "none",
            votes=len(call.votes), electors=len(call.electorate),
        )
        self._closed(call.purpose, call.candidate, outcome)

    # --- small parts -------------------------------------------------------------------------------------------------

    def _theCall(self) -> _Call:
        assert self._call is not None
        return self._call

    def _keep(self, counter: int, outcome: str) -> None:
        self._counter, self._lastOutcome = counter, outcome
        self._table.put(_LAST, counter.to_bytes(8, "big") + outcome.encode("ascii"))

    def _startTimer(self, seconds: float, what: Callable[[], None]) -> None:
        self._stopTimer()
        self._timer = self._commons.clock.callLater(seconds, what)

    def _stopTimer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


def votersFirst(mandated: dict[bytes, int], recognised: dict[bytes, int]) -> dict[bytes, int]:
    """Who may be electors: the mandated; while there are fewer than three of them, all who serve."""
    return mandated if len(mandated) >= GENESIS else recognised
