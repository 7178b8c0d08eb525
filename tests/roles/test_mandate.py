"""Which mandates hold."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import Expired, Forged, SuperpeerError
from overlay.identity.identity import Identity
from overlay.lab.scheme import StandInScheme
from overlay.roles.mandate import (
    BadMandate,
    checkMandate,
    distance,
    electorateOf,
    judge,
    majorityOf,
    passedOver,
    seatPoint,
)
from overlay.wire.statements import Mandate, Nomination, Vote, seal

SCHEME = StandInScheme()
NETWORK = b"n" * 16
RNG = random.Random(4)
PEERS = [Identity.generate(RNG, SCHEME) for _ in range(12)]
CALLER, CANDIDATE, *VOTERS = PEERS
NOW = 1_000_000


def mandate(electors: list[Identity] | None = None, voters: int = 3, **changes: object) -> Mandate:
    """A mandate of the candidate, good unless something is changed."""
    ids = electorateOf(NETWORK, CALLER.peerId, 1, NOW, CANDIDATE.peerId, [one.peerId for one in VOTERS])
    chosen = electors if electors is not None else [next(one for one in VOTERS if one.peerId == peer) for peer in ids]
    fields = {
        "network": NETWORK, "caller": CALLER.peerId, "counter": 1, "lastOutcome": "none", "candidate": CANDIDATE.peerId,
        "addresses": ["10.0.0.1:7116"], "electorate": [one.peerId for one in chosen], "issued": NOW, "expires": NOW + 3600,
    }
    nomination = seal(CALLER, Nomination(**{**fields, **changes}))  # type: ignore[arg-type]
    votes = [
        seal(one, Vote(NETWORK, one.peerId, nomination.digest, CALLER.peerId, 1, CANDIDATE.peerId, NOW, NOW + 3600))
        for one in chosen[:voters]
    ]
    return Mandate(nomination, votes)


def check(one: Mandate, now: float = NOW + 1, holder: bytes = CANDIDATE.peerId) -> object:
    return checkMandate(SCHEME, NETWORK, one, holder, now)


@given(st.integers(1, 10_000), st.integers(0, 10))
def test_theElectorateIsTheNearest(counter: int, count: int) -> None:
    """Five of those who serve, nearest to the seat first; neither caller nor candidate; the same at every peer."""
    able = [one.peerId for one in PEERS[: count + 2]]
    chosen = electorateOf(NETWORK, CALLER.peerId, counter, NOW, CANDIDATE.peerId, able)
    point = seatPoint(NETWORK, CALLER.peerId, counter, NOW)
    assert len(chosen) == min(5, count) and not {CALLER.peerId, CANDIDATE.peerId} & set(chosen)
    assert chosen == sorted(chosen, key=lambda one: distance(point, one))
    assert chosen == electorateOf(NETWORK, CALLER.peerId, counter, NOW, CANDIDATE.peerId, reversed(able))


@given(st.lists(st.integers(0, 2**63 - 1), max_size=40), st.integers(0, 2**30))
def test_threePlacesAnHour(counters: list[int], hour: int) -> None:
    """Whatever numbers a caller gives its seats, they lie at no more than three places in one hour; in the next one elsewhere."""
    begin = hour * 3600
    places = {seatPoint(NETWORK, CALLER.peerId, one, begin + one % 3600) for one in counters}
    assert len(places) <= 3
    assert not places & {seatPoint(NETWORK, CALLER.peerId, one, begin + 3600) for one in counters}
    assert not places & {seatPoint(NETWORK, CANDIDATE.peerId, one, begin) for one in counters}


def test_majorities() -> None:
    """More than half."""
    assert [majorityOf([b""] * count) for count in range(6)] == [1, 1, 2, 2, 3, 3]


def test_aGoodMandate() -> None:
    """Signed by its caller, with a majority of its electors, it holds until it expires."""
    assert check(mandate())
    with pytest.raises(Expired):
        check(mandate(), NOW + 3600)


@pytest.mark.parametrize(
    "bad",
    [
        mandate(voters=2),
        mandate(voters=0),
        mandate(electors=[]),
        mandate(candidate=VOTERS[0].peerId),
        mandate(caller=VOTERS[1].peerId),
        mandate(expires=NOW + 10**6),
        mandate(issued=NOW + 4000, expires=NOW + 5000),
        mandate(electorate=[VOTERS[0].peerId] * 3),
        mandate(electorate=[CALLER.peerId, VOTERS[0].peerId]),
        mandate(network=b"m" * 16),
        Mandate(mandate().nomination, [*mandate().votes[:1]] * 3),
        Mandate(mandate().nomination, mandate(addresses=["10.0.0.9:1"]).votes),
        Mandate(msgspec.structs.replace(mandate().nomination, signature=b"s" * 64), mandate().votes),
        Mandate(mandate().nomination, [msgspec.structs.replace(one, signature=b"s" * 64) for one in mandate().votes]),
    ],
)
def test_badMandates(bad: Mandate) -> None:
    """Too few votes, votes for something else, forged, replayed or of another network: it does not hold."""
    with pytest.raises(SuperpeerError):
        check(bad)


def test_anothersMandate() -> None:
    """A mandate is its holder's alone."""
    with pytest.raises(BadMandate):
        check(mandate(), holder=VOTERS[0].peerId)
    assert issubclass(BadMandate, Forged)


def test_judgedByTheViewOfTheNetwork() -> None:
    """An electorate that passes over more than two who were nearer gives the role, but no vote."""
    view = {one.peerId: NOW - 100 for one in VOTERS}
    assert judge(SCHEME, NETWORK, mandate(), CANDIDATE.peerId, NOW + 1, view).mayVote
    ids = electorateOf(NETWORK, CALLER.peerId, 1, NOW, CANDIDATE.peerId, view)
    friends = [one for one in VOTERS if one.peerId not in ids]
    chosen = judge(SCHEME, NETWORK, mandate(friends), CANDIDATE.peerId, NOW + 1, view)
    assert (chosen.mandated, chosen.mayVote) == (True, False) and "passes over" in chosen.problem
    few = dict(list(view.items())[:2])
    assert judge(SCHEME, NETWORK, mandate(friends), CANDIDATE.peerId, NOW + 1, few).mayVote
    later = dict.fromkeys(view, NOW + 5)
    assert judge(SCHEME, NETWORK, mandate(friends), CANDIDATE.peerId, NOW + 1, later).mayVote
    assert not judge(SCHEME, NETWORK, mandate(voters=1), CANDIDATE.peerId, NOW + 1, view).mandated


def test_datedBack() -> None:
    """A nomination that claims to be older than all whom it passes over is no older than the first sight of it."""
    view = {one.peerId: NOW - 100 for one in VOTERS}
    alone = mandate(VOTERS[:1], 1, issued=NOW - 3000)
    assert judge(SCHEME, NETWORK, alone, CANDIDATE.peerId, NOW, view).mayVote
    judged = judge(SCHEME, NETWORK, alone, CANDIDATE.peerId, NOW, view, NOW - 5)
    assert (judged.mandated, judged.mayVote) == (True, False)
    # Those that were elected after it was first seen could not be named.
    assert judge(SCHEME, NETWORK, alone, CANDIDATE.peerId, NOW, view, NOW - 200).mayVote


def test_whoIsPassedOver() -> None:
    """Of a short electorate everybody unnamed is passed over; of a full one only those who are nearer than its last."""
    short = mandate(VOTERS[:2], 2)
    nomination = msgspec.msgpack.decode(short.nomination.body, type=Nomination)
    assert set(passedOver(NETWORK, nomination, [one.peerId for one in PEERS])) == {one.peerId for one in VOTERS[2:]}


@given(st.sets(st.binary(min_size=20, max_size=20), max_size=60), st.integers(0, 1000), st.integers(0, 7), st.integers(0, 2**32))
def test_passedOverAmongMany(ids: set[bytes], counter: int, spared: int, seed: int) -> None:
    """Found by their place in the order, they are the same as found by looking at everybody's distance."""
    point = seatPoint(NETWORK, CALLER.peerId, counter, NOW)
    nearest = sorted(ids, key=lambda one: distance(point, one))
    named = nearest[spared : spared + 5]
    random.Random(seed).shuffle(named)
    nomination = Nomination(
        network=NETWORK, caller=CALLER.peerId, counter=counter, candidate=CANDIDATE.peerId,
        addresses=["10.0.0.1:1"], lastOutcome="none",
        electorate=named, issued=NOW, expires=NOW + 10,
    )
    expected = nearest[:spared] if len(named) == 5 else [one for one in nearest if one not in named]
    assert passedOver(NETWORK, nomination, ids) == sorted(expected)

