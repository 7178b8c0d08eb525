"""What a verifier need not judge again, and what it has to."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from overlay.lab.world import World
from overlay.membership.known import Known
from overlay.roles import verifier as module
from overlay.roles.verifier import Verifier
from overlay.wire.statements import Advert
from tests.roles.test_election import network

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def world() -> World:
    return network(peers=24, wanted=3)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The mandates that are looked at in full."""
    found: list[Any] = []
    judge = module.judge

    def counted(scheme: Any, network: Any, mandate: Any, *args: Any) -> Any:
        found.append(mandate)
        return judge(scheme, network, mandate, *args)

    monkeypatch.setattr(module, "judge", counted)
    yield found


@pytest.fixture
def known(world: World) -> Known:
    """A super-peer with a mandate, as another knows it."""
    one, other, *_ = world.superPeers()
    found = one.peer.membership.get(other.peerId)
    assert found is not None and found.mandated and found.advert.mandate is not None
    return found


@pytest.fixture
def verifier(world: World, known: Known, judged: list[Any]) -> Verifier:
    """The one of that other, which has just judged it, and nothing has changed since."""
    found: Verifier = world.superPeers()[0].peer.election.verifier
    for _ in range(3):
        # By the first its owner may become one of the voters.
        judged.clear()
        assert found.judge(known.advert) == (True, False, "")
    assert not judged
    return found


def later(known: Known, **changes: Any) -> Advert:
    """A newer advert of the same peer, read from the wire as adverts are."""
    changed = replace(known.advert, sequence=known.advert.sequence + 1, **changes)
    return msgspec.msgpack.decode(msgspec.msgpack.encode(changed), type=Advert)


def test_anotherLoadIsNoOtherMandate(verifier: Verifier, known: Known, judged: list[Any]) -> None:
    """Adverts come every minute, and a mandate lasts an hour."""
    for load in (7, 8):
        advert = later(known, load=load)
        assert [verifier.judge(advert) for _ in range(2)] == [(True, False, "")] * 2
    assert not judged


def test_anotherMandateIsJudged(verifier: Verifier, known: Known, judged: list[Any]) -> None:
    """Whoever had a good one does not pass with a bad one."""
    assert known.advert.mandate is not None
    forged = replace(known.advert.mandate, votes=[])
    assert verifier.judge(later(known, mandate=forged))[0] is False and judged == [forged]
    assert verifier.judge(later(known, mandate=None)) == (False, False, "")


def test_heirsAreLookedAt(verifier: Verifier, known: Known, judged: list[Any]) -> None:
    """An advert that names heirs is another one, each time."""
    for number in (1, 2):
        assert verifier.judge(later(known, heirs=known.signed)) == (True, False, "") and len(judged) == number
    assert verifier.judge(later(known)) == (True, False, "") and len(judged) == 3


def test_timeEndsIt(verifier: Verifier, known: Known, judged: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A mandate that was good an hour ago is not."""
    monkeypatch.setattr(verifier._commons, "now", lambda: known.advert.issued + 1e6)
    assert verifier.judge(later(known, load=9))[0] is False and len(judged) == 1


def test_otherVotersOtherJudgement(world: World, verifier: Verifier, known: Known, judged: list[Any]) -> None:
    """Who votes is known better now, so the electorate is looked at again."""
    membership = world.superPeers()[0].peer.membership
    gone = next(one for one in membership.superPeers() if one is not known)
    membership.markDead(gone.peerId, False)
    assert verifier.judge(later(known, load=10))[0] is True and len(judged) == 1
    membership.revived(gone.peerId)
