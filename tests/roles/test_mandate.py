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
    ids = electorateOf(NETWORK, CALLER.peerId, 1, CANDIDATE.peerId, [one.peerId for one in VOTERS])
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
    chosen = electorateOf(NETWORK, CALLER.peerId, counter, CANDIDATE.peerId, able)
    point = seatPoint(NETWORK, CALLER.peerId, counter)
    assert len(chosen) == min(5, count) and not {CALLER.peerId, CANDIDATE.peerId} & set(chosen)
    assert chosen == sorted(chosen, key=lambda one: distance(point, one))
    assert chosen == electorateOf(NETWORK, CALLER.peerId, counter, CANDIDATE.peerId, reversed(able))


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
    ids = electorateOf(NETWORK, CALLER.peerId, 1, CANDIDATE.peerId, view)
    friends = [one for one in VOTERS if one.peerId not in ids]
    chosen = judge(SCHEME, NETWORK, mandate(friends), CANDIDATE.peerId, NOW + 1, view)
    assert (chosen.mandated, chosen.mayVote) == (True, False) and "passes over" in chosen.problem
    few = dict(list(view.items())[:2])
    assert judge(SCHEME, NETWORK, mandate(friends), CANDIDATE.peerId, NOW + 1, few).mayVote
    later = dict.fromkeys(view, NOW + 5)
    assert judge(SCHEME, NETWORK, mandate(friends), CANDIDATE.peerId, NOW + 1, later).mayVote
    assert not judge(SCHEME, NETWORK, mandate(voters=1), CANDIDATE.peerId, NOW + 1, view).mandated


def test_whoIsPassedOver() -> None:
    """Of a short electorate everybody unnamed is passed over; of a full one only those who are nearer than its last."""
    short = mandate(VOTERS[:2], 2)
    nomination = msgspec.msgpack.decode(short.nomination.body, type=Nomination)
    assert set(passedOver(NETWORK, nomination, [one.peerId for one in PEERS])) == {one.peerId for one in VOTERS[2:]}
