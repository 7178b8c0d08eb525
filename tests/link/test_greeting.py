"""Whose hello is accepted, and what the others are told."""

from typing import Any

import msgspec
import pytest

from overlay.identity.network import Network, proveMembership
from overlay.identity.work import findWork, workDone
from overlay.questions import Deed
from overlay.settings import Settings
from overlay.verdict import Verdict
from overlay.wire import limits
from overlay.wire.messages import Goodbye, Hello
from overlay.wire.statements import Advert, Signed, decodeBody, seal
from tests.link.fakes import CLOSED, WALL, Place, Wire, Wires, advertOf, alone, identityOf

STRANGER = identityOf(2)
OPEN = Network("tests")


def helloOf(place: Place, wire: Wire, **changed: Any) -> Hello:
    """What a good peer at the other end of C{wire} says, except for C{changed}."""
    network = place.commons.network
    proof = proveMembership(network.key, wire.binding, not wire.dialled, wire.remoteId, place.peerId)
    advert = advertOf(STRANGER, network)
    hello = Hello(
        (1, 1), [], network.id, network.generation, proof, b"", 1, "link", 7116, "10.0.0.1", "" if wire.dialled else "10.0.0.1:7116",
        limits.ANALYSIS, "another/1", WALL, advert,
    )
    return msgspec.structs.replace(hello, **changed)


def answered(place: Place, wires: Wires, hello: Hello | None = None, **changed: Any) -> Wire:
    """The stranger dials and says its hello."""
    wire = Wire(STRANGER, dialled=False)
    wires.accept(wire)
    assert wire.sent == []
    wire.receive(hello or helloOf(place, wire, **changed))
    return wire


def refusal(place: Place, wires: Wires, **changed: Any) -> Goodbye:
    wire = answered(place, wires, **changed)
    (goodbye,) = wire.sent
    assert isinstance(goodbye, Goodbye) and wire.ended == "closed" and place.observer.events == []
    assert len(place.links) == 0 and wire.allowed == 0
    msgspec.msgpack.decode(msgspec.msgpack.encode(goodbye), type=Goodbye)
    return goodbye


def test_accepted() -> None:
    """The listener answers a good hello with its own, and the link is up with what was said."""
    place, wires, _clock = alone()
    wire = answered(place, wires, features=["later"], agent="another/1\n\x1b[2J", wall=WALL + 7.0, versions=(1, 4))
    (hello,) = wire.sent
    assert isinstance(hello, Hello) and hello.network == CLOSED.id and hello.advert is not None
    assert hello.proof == proveMembership(CLOSED.key, wire.binding, False, place.peerId, STRANGER.peerId)
    link = place.links.get(STRANGER.peerId)
    assert link is not None and link.isOpen and place.observer.events == [("made", STRANGER.peerId)]
    assert (link.version, link.features, link.agent, link.listening, link.clockOffset) == (1, frozenset(), "another/1[2J", 7116, 7.0)
    assert wire.allowed == limits.MESSAGE and place.links.wasDialled
    assert place.links.observedAddresses() == ["10.0.0.1:7116"]


def test_helloOfBefore() -> None:
    """A hello without the fields that came later is understood: it is of words as they are."""
    place, wires, _clock = alone()
    wire = Wire(STRANGER, dialled=False)
    whole = msgspec.msgpack.decode(msgspec.msgpack.encode(helloOf(place, wire)))
    older = msgspec.msgpack.decode(msgspec.msgpack.encode(whole[:-2]), type=Hello)
    assert len(whole) == 18 and (older.dialect, older.nonce) == ("", b"")
    wires.accept(wire)
    wire.receive(older)
    assert place.links.get(STRANGER.peerId) is not None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"analysis": 1}, "newer superpeer is needed there"),
        ({"analysis": limits.ANALYSIS + 1}, "newer superpeer is needed here"),
        ({"dialect": "stem:english"}, "as they are here, as stem:english there"),
    ],
)
def test_anotherAnalysis(changed: dict[str, Any], says: str) -> None:
    """Who makes other terms of a text is told which, and what to do."""
    place, wires, _clock = alone()
    assert says in refusal(place, wires, **changed).text


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"network": b"x" * 16}, "network"),
        ({"proof": b""}, "network"),
        ({"proof": b"x" * 32}, "network"),
        ({"generation": 1}, "generation"),
        ({"versions": (2, 3)}, "version"),
        ({"versions": (0, 0)}, "version"),
        ({"analysis": 1}, "analysis"),
        ({"analysis": limits.ANALYSIS + 1}, "analysis"),
        ({"dialect": "stem:english"}, "analysis"),
        ({"dialect": "x\n" * 32}, "analysis"),
        ({"purpose": "mining"}, "purpose"),
        ({"purpose": "x" * 32}, "purpose"),
        ({"advert": None}, "malformed"),
        ({"advert": advertOf(identityOf(3), CLOSED)}, "forged"),
        ({"advert": advertOf(STRANGER, OPEN)}, "forged"),
        ({"advert": Signed(b"\x91" * 50, STRANGER.publicKey, b"s" * 64)}, "forged"),
        ({"advert": msgspec.structs.replace(advertOf(STRANGER, CLOSED), signature=b"s" * 64)}, "forged"),
    ],
)
def test_refused(changed: dict, code: str) -> None:
    """Each has its code, the text fits, the link is closed, and the refusal is counted."""
    place, wires, _clock = alone()
    assert refusal(place, wires, **changed).code == code
    assert place.commons.tally.counts[("refusals", "link-" + code)] == 1


def test_advertThatNamesAnotherOwner() -> None:
    """A well signed advert about somebody else is no introduction."""
    place, wires, _clock = alone()
    body = msgspec.structs.replace(decodeBody(advertOf(STRANGER, CLOSED).body, Advert), owner=b"o" * 20)
    assert refusal(place, wires, advert=seal(STRANGER, body)).code == "malformed"


def test_aStrangerLearnsNothingElse() -> None:
    """Who is of another network is told so, whatever else is wrong; a wrong proof costs reputation."""
    place, wires, _clock = alone()
    place.commons.blocked.add(STRANGER.peerId)
    assert refusal(place, wires, network=b"x" * 16, versions=(9, 9), purpose="?").code == "network"
    assert place.deeds() == []
    assert refusal(place, wires, proof=b"x" * 32, versions=(9, 9)).code == "network"
    assert place.deeds() == [Deed.GARBAGE]
    assert refusal(place, wires, versions=(9, 9)).code == "blocked"


def test_proofOfAnotherChannelOrDirection() -> None:
    """A proof that was heard on another link, or reflected from this end, does not hold."""
    place, wires, _clock = alone()
    other = proveMembership(CLOSED.key, b"o" * 32, True, STRANGER.peerId, place.peerId)
    assert refusal(place, wires, proof=other).code == "network"
    reflected = proveMembership(CLOSED.key, b"b" * 32, False, place.peerId, STRANGER.peerId)
    assert refusal(place, wires, proof=reflected).code == "network"


def test_expelled() -> None:
    """A member that the founder has put out is told."""
    place, wires, _clock = alone(membership=CLOSED.rotated(CLOSED.key, 1, frozenset({STRANGER.peerId})))
    assert refusal(place, wires).code == "blocked"


def test_theSamePeer() -> None:
    """A peer that reaches itself notices; another machine with its identity is reported."""
    place, wires, _clock = alone()
    for boot, twin in ((place.commons.boot, False), (99, True)):
        wire = Wire(place.identity, dialled=False)
        wires.accept(wire)
        proof = proveMembership(CLOSED.key, wire.binding, True, place.peerId, place.peerId)
        wire.receive(helloOf(place, wire, proof=proof, boot=boot, advert=advertOf(place.identity, CLOSED)))
        assert [message.code for message in wire.sent if isinstance(message, Goodbye)] == ["self"]
        assert bool(place.links.twin) is twin


def test_theKeyBeforeTheLast() -> None:
    """A known member that was away for one rotation gets in with the key it has, and is sent the change."""
    rotated = CLOSED.rotated(b"n" * 32, 1, frozenset())
    proof = proveMembership(CLOSED.key, b"b" * 32, True, STRANGER.peerId, identityOf(1).peerId)
    place, wires, _clock = alone(membership=rotated)
    assert refusal(place, wires, generation=0, proof=proof).code == "generation"
    place.known.knewBefore = lambda peer: peer == STRANGER.peerId
    place.links.networkChange = advertOf(STRANGER, CLOSED)
    wire = answered(place, wires, generation=0, proof=proof)
    hello, change = wire.sent
    assert isinstance(hello, Hello) and hello.generation == 0
    assert hello.proof == proveMembership(CLOSED.key, wire.binding, False, place.peerId, STRANGER.peerId)
    assert type(change).__name__ == "NetworkChanged"


def test_openNetworksAskForWork() -> None:
    """Where nobody has to prove a key, an identity costs work, and the listener has done its own."""
    place, wires, _clock = alone(membership=OPEN, settings=Settings(workBits=8))
    assert refusal(place, wires, proof=b"", work=b"").code == "work"
    wire = answered(place, wires, proof=b"", work=findWork(STRANGER.publicKey, OPEN.id, 8))
    (hello,) = wire.sent
    assert isinstance(hello, Hello) and workDone(place.identity.publicKey, OPEN.id, hello.work) >= 8
    assert hello.proof == b""


def test_rateLimit() -> None:
    """Who comes too often is told when to come again."""
    place, wires, _clock = alone()
    place.policies.verdict = Verdict.no(wait=12.5)
    goodbye = refusal(place, wires)
    assert (goodbye.code, goodbye.retry) == ("rate", 12.5)


def test_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer with as many links as it can have names others instead; it keeps some room for super-peers."""
    monkeypatch.setattr("overlay.link.room.MOST", 8)
    place, wires, _clock = alone()

    def comes(number: int, role: str) -> None:
        identity = identityOf(number)
        wire = Wire(identity, dialled=False)
        wires.accept(wire)
        proof = proveMembership(CLOSED.key, wire.binding, True, identity.peerId, place.peerId)
        wire.receive(helloOf(place, wire, proof=proof, advert=advertOf(identity, CLOSED, role)))

    for number in range(10, 18):
        comes(number, "leaf")
    assert len(place.links) == 7
    for number in range(18, 20):
        comes(number, "super")
    assert len(place.links) == 8
    other = advertOf(identityOf(5), CLOSED, "super")
    place.known.sample = lambda count: [other]
    wire = answered(place, wires)
    (goodbye,) = wire.sent
    assert isinstance(goodbye, Goodbye) and goodbye.code == "full" and goodbye.adverts == [other]
