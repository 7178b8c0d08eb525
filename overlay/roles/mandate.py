"""
What makes a mandate hold: whom the electorate of a seat has to be, and whether enough of it agreed.

All of it is pure: the same view of the network gives the same answer.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache

import attrs

from overlay.errors import Expired, Forged, SuperpeerError
from overlay.identity.ids import ID_BYTES, PeerId
from overlay.identity.signing import ISignatureScheme
from overlay.wire import limits
from overlay.wire.statements import Mandate, Nomination, Signed, Vote, unseal

TOLERATED = 2
"""Nearer ids that a verifier knows and a mandate need not name: views differ for a while."""
CHECKED = 2048
"""Mandates that were checked last and need not be checked again."""
GENESIS = 3
"""Below so many live mandates super-peers may appoint themselves."""
PLACES = 3
"""Places among the ids at which the seats of one caller lie within C{PERIOD}: so many electorates it can try, whatever it says."""
PERIOD = 3600
"""Seconds."""


class BadMandate(Forged):
    """A mandate does not hold."""

    code = "mandate"


@attrs.frozen(slots=True)
class Checked:
    """
    A mandate whose signatures, names and times are right.

    @ivar expires: seconds since the epoch, network time.
    """

    nomination: Nomination
    voters: tuple[PeerId, ...]
    expires: int


def seatPoint(network: bytes, caller: bytes, counter: int, issued: int) -> int:
    """
    Where the seat lies among the ids. No verifier sees every seat of a caller, so none could tell a number that was chosen for its
    electorate from the next one in the row: the number counts modulo L{PLACES}, together with the hour.

    @param issued: of the nomination, seconds since the epoch.
    """
    place = (counter % PLACES).to_bytes(8, "big") + (issued // PERIOD).to_bytes(8, "big")
    digest = hashlib.sha256(b"superpeer seat\0" + network + caller + place).digest()
    return int.from_bytes(digest[:ID_BYTES], "big")


def distance(point: int, peerId: bytes) -> int:
    """XOR distance, as in Kademlia (Maymounkov and Mazieres 2002)."""
    return point ^ int.from_bytes(peerId, "big")


def electorateOf(
    network: bytes, caller: bytes, counter: int, issued: int, candidate: bytes, voters: Iterable[bytes]
) -> list[PeerId]:
    """
    The electors of a seat: of C{voters} the nearest five, nearest first; neither the caller nor the candidate votes.
    """
    point = seatPoint(network, caller, counter, issued)
    able = {one for one in voters if one not in (caller, candidate)}
    return [PeerId(one) for one in sorted(able, key=lambda one: distance(point, one))[: limits.ELECTORATE]]


def majorityOf(electorate: Collection[bytes]) -> int:
    return len(electorate) // 2 + 1


def passedOver(network: bytes, nomination: Nomination, voters: Iterable[bytes]) -> list[PeerId]:
    """Those of C{voters} that should have been among the electors and are not named."""
    return _passedOver(network, nomination, sorted(set(voters)))


def _passedOver(network: bytes, nomination: Nomination, voters: Sequence[bytes]) -> list[PeerId]:
    """
    @param voters: in the order of their ids.
    """
    named = set(nomination.electorate)
    able = voters
    if len(named) >= limits.ELECTORATE:
        # Whoever is nearer to the seat than the farthest elector differs from it in low bits only, and so is in one stretch of the
        # order; and every super-peer judges every other's mandate whenever somebody comes or goes.
        point = seatPoint(network, nomination.caller, nomination.counter, nomination.issued)
        farthest = max(distance(point, one) for one in named)
        low = farthest.bit_length()
        first = point >> low << low
        end = first + (1 << low)
        start = bisect_left(voters, first.to_bytes(ID_BYTES, "big"))
        stop = bisect_left(voters, end.to_bytes(ID_BYTES, "big")) if end >> 8 * ID_BYTES == 0 else len(voters)
        able = [one for one in voters[start:stop] if distance(point, one) < farthest]
    return [PeerId(one) for one in able if one not in named and one not in (nomination.caller, nomination.candidate)]


def checkMandate(
    scheme: ISignatureScheme, network: bytes, mandate: Mandate, holder: bytes, now: float
) -> Checked:
    """
    Check everything about a mandate that needs no view of the network.

    @param holder: peer id of who shows it.
    @param now: network time, seconds.
    @raise Expired: it is past its expiry.
    @raise Forged: something in it does not hold.
    @raise overlay.errors.Malformed: something in it is no statement.
    """
    checked = _checked(scheme, network, mandate.nomination, tuple(mandate.votes), holder)
    if checked.nomination.issued > now + limits.CLOCK_SLACK:
        raise BadMandate("it is from the future")
    if checked.expires <= now:
        raise Expired("the mandate")
    return checked


@lru_cache(CHECKED)
def _checked(scheme: ISignatureScheme, network: bytes, signed: Signed, votes: tuple[Signed, ...], holder: bytes) -> Checked:
    """All that does not depend on the time; one mandate is shown again and again, with each advert of its holder."""
    nomination = unseal(scheme, signed, Nomination, network)
    if signed.signer != nomination.caller:
        raise BadMandate("the nomination is not signed by its caller")
    if nomination.candidate != holder:
        raise BadMandate("it is another peer's")
    if len(set(nomination.electorate)) != len(nomination.electorate):
        raise BadMandate("it names an elector twice")
    if {nomination.caller, nomination.candidate} & set(nomination.electorate):
        raise BadMandate("the caller or the candidate is among the electors")
    if not 0 < nomination.expires - nomination.issued <= limits.MANDATE_LIFE:
        raise BadMandate("its life is too long")
    digest = signed.digest
    voters: list[PeerId] = []
    for ballot in votes:
        vote = unseal(scheme, ballot, Vote, network)
        if ballot.signer != vote.elector or vote.elector not in nomination.electorate or vote.elector in voters:
            raise BadMandate("a vote is not that of an elector")
        if vote.nomination != digest or vote.candidate != holder:
            raise BadMandate("a vote is for something else")
        voters.append(PeerId(vote.elector))
    if not nomination.electorate or len(voters) < majorityOf(nomination.electorate):
        raise BadMandate(f"{len(voters)} of {len(nomination.electorate)} electors are no majority")
    return Checked(nomination, tuple(voters), nomination.expires)


@attrs.frozen(slots=True)
class Judgement:
    """
    What a verifier makes of a mandate.

    @ivar mandated: it lets its holder serve.
    @ivar mayVote: it also lets its holder vote here.
    @ivar problem: why it does not hold, or gives no vote; else empty.
    """

    mandated: bool
    mayVote: bool
    problem: str = ""


@cache
def _passesOver(count: int) -> str:
    return f"its electorate passes over {count} who were nearer, so it has no vote yet"


def judge(
    scheme: ISignatureScheme,
    network: bytes,
    mandate: Mandate,
    holder: bytes,
    now: float,
    voters: Mapping[bytes, int],
    known: float | None = None,
    order: Sequence[bytes] | None = None,
) -> Judgement:
    """
    Judge a mandate by what the verifier knows.

    Electors do not sign a nomination that passes over more than two whom they know. A mandate that does so all the same comes from
    the other side of a split, from an island that has only just been met, or from a group that elects itself: its holder may
    serve, for a split must never end in conflict, but it has no vote here until the joint electorate has renewed it.

    @param voters: ids of the live mandated super-peers that the verifier knows, with the times their mandates were issued;
        the holder is not counted.
    @param known: network time at which the verifier first saw the mandate, if it would have seen it when it was issued: what a
        nomination says of its own age is not to be believed further back. None if the verifier is new itself.
    @param order: C{voters} in the order of their ids, by whoever has them so.
    """
    try:
        checked = checkMandate(scheme, network, mandate, holder, now)
    except SuperpeerError as problem:
        return Judgement(False, False, str(problem))
    if len(voters) - (holder in voters) < GENESIS:
        return Judgement(True, True)
    nomination = checked.nomination
    since = nomination.issued if known is None else max(nomination.issued, known)
    # Those who had a mandate before.
    order = sorted(voters) if order is None else order
    missing = [one for one in _passedOver(network, nomination, order) if voters[one] < since]
    if len(missing) <= TOLERATED:
        return Judgement(True, True)
    return Judgement(True, False, _passesOver(len(missing)))
