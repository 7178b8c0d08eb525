"""Networks, invitations and the two proofs: of membership and of work."""

import base64
import hashlib
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import UsageError
from overlay.identity.ids import PeerId
from overlay.identity.invitation import PREFIX, Invitation
from overlay.identity.network import Network, checkMembership, proveMembership
from overlay.identity.work import findWork, workDone

names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=16)
keys = st.binary(min_size=32, max_size=32)
FOUNDER = b"f" * 32
CLOSED = Network("lab", b"k" * 32, FOUNDER)


def render(*fields: object) -> str:
    """An invitation whose check is right, whatever it says."""
    packed = msgspec.msgpack.encode(fields)
    return PREFIX + base64.urlsafe_b64encode(packed + hashlib.sha256(packed).digest()[:4]).decode().rstrip("=")


@given(names, keys, keys, st.integers(0, 2**60), st.binary(min_size=20, max_size=20), st.lists(st.text(max_size=30), max_size=4))
def test_invitationRoundTrip(name: str, key: bytes, founder: bytes, generation: int, peer: bytes, addresses: list[str]) -> None:
    """An invitation says what it was made of, also after a mail program has broken its line."""
    for network in (Network(name, key, founder, generation), Network(name), Network(name, dialect="stem:english")):
        invitation = Invitation(network, PeerId(peer), tuple(addresses))
        text = invitation.render()
        assert Invitation.parse(text) == invitation
        assert Invitation.parse(f"\n {text[:30]}\r\n  {text[30:]} ") == invitation


def test_invitationsOfBefore() -> None:
    """An invitation that says nothing of a dialect is to a network that has none; one that says too much is refused."""
    fields = ("lab", b"k" * 32, FOUNDER, 0, b"p" * 20, [])
    assert Invitation.parse(render(*fields)).network == CLOSED
    assert Invitation.parse(render(*fields, "stem:dutch", "later")).network.dialect == "stem:dutch"
    with pytest.raises(UsageError):
        Invitation.parse(render(*fields, "x" * 65))


@given(st.data())
def test_invitationThatWasCutOrChanged(data: st.DataObject) -> None:
    """A part of an invitation, or one with another character, is refused."""
    text = Invitation(CLOSED, PeerId(b"p" * 20), ("10.0.0.1:7116",)).render()
    with pytest.raises(UsageError):
        Invitation.parse(text[: data.draw(st.integers(0, len(text) - 1))])
    at = data.draw(st.integers(len(PREFIX), len(text) - 2))
    other = data.draw(st.sampled_from([one for one in "abcXYZ019-_!" if one != text[at]]))
    with pytest.raises(UsageError, match="not whole"):
        Invitation.parse(text[:at] + other + text[at + 1 :])


@pytest.mark.parametrize(
    "fields",
    [
        ("lab", b"k" * 31, FOUNDER, 0, b"p" * 20, []), ("lab", b"k" * 32, b"", 0, b"p" * 20, []), ("lab", b"k" * 32, FOUNDER, 0, b"p", []),
        ("lab", b"k" * 32, FOUNDER, -1, b"p" * 20, []), ("lab", "k", FOUNDER, 0, b"p" * 20, []), ("lab",), ("", b"", b"", 0, b"p" * 20, []),
        ("two words", b"", b"", 0, b"p" * 20, []),
    ],
)
def test_invitationsOfAnotherKind(fields: tuple) -> None:
    """Whole, but nothing that can be used."""
    with pytest.raises(UsageError):
        Invitation.parse(render(*fields))


@given(st.text(max_size=80))
def test_anyTextAsInvitation(text: str) -> None:
    """Any text is refused with a sentence for people."""
    with pytest.raises(UsageError):
        Invitation.parse(text)
    with pytest.raises(UsageError):
        Invitation.parse(PREFIX + text)


@pytest.mark.parametrize("name", ["", "two words", "a\nb", "x" * 65, "é" * 33, "\x00"])
def test_namesOfNetworks(name: str) -> None:
    """A name is short, printable and one word."""
    with pytest.raises(UsageError, match="name"):
        Network(name)


def test_networkIds() -> None:
    """The id tells open from closed and one founder from another, and outlives a rotation of the key."""
    opened = Network.open("open:lab")
    assert opened.isOpen and opened.title == "open:lab" and opened == Network.open("lab")
    rotated = CLOSED.rotated(b"n" * 32, 1, frozenset({b"x" * 20}))
    assert rotated.id == CLOSED.id != opened.id
    assert (rotated.key, rotated.previousKey, rotated.generation) == (b"n" * 32, b"k" * 32, 1)
    again = rotated.rotated(b"n" * 32, 2, frozenset())
    assert (again.key, again.previousKey, again.generation, again.expelled) == (b"n" * 32, b"k" * 32, 2, frozenset())
    assert Network("lab", b"k" * 32, b"g" * 32).id != CLOSED.id
    assert Network("lab", b"o" * 32, FOUNDER).id == CLOSED.id
    assert "k" * 32 not in repr(CLOSED)


def test_foundedNetworksDiffer() -> None:
    """Each founding draws a new key."""
    rng = random.Random(3)
    first, second = Network.found("lab", FOUNDER, rng), Network.found("lab", FOUNDER, rng)
    assert first.key != second.key and len(first.key) == 32 and not first.isOpen


@given(keys, keys, st.booleans())
def test_membershipProofs(key: bytes, binding: bytes, dialled: bool) -> None:
    """A proof holds for one key, one channel, one direction and one pair of peers."""
    one, other = b"1" * 20, b"2" * 20
    proof = proveMembership(key, binding, dialled, one, other)
    assert checkMembership(proof, key, binding, dialled, one, other)
    assert not checkMembership(proof, key, binding, not dialled, one, other)
    assert not checkMembership(proof, key, binding, dialled, other, one)
    assert not checkMembership(proof, key, binding[::-1] + b"x", dialled, one, other)
    assert not checkMembership(proof, bytes(32) if any(key) else b"x" * 32, binding, dialled, one, other)
    assert not checkMembership(b"", key, binding, dialled, one, other)


def test_openNetworksProveNothing() -> None:
    """There is no key to know."""
    assert proveMembership(b"", b"b" * 32, True, b"1" * 20, b"2" * 20) == b""


@pytest.mark.parametrize("bits", [0, 1, 5, 12])
def test_work(bits: int) -> None:
    """A nonce that was found is worth what was asked for, for this key and this network alone."""
    nonce = findWork(b"k" * 32, b"n" * 16, bits)
    assert workDone(b"k" * 32, b"n" * 16, nonce) >= bits
    assert len(nonce) == (8 if bits else 0)
    if bits == 12:
        assert workDone(b"k" * 32, b"m" * 16, nonce) < 12 and workDone(b"l" * 32, b"n" * 16, nonce) < 12


def test_workOutOfBounds() -> None:
    """More than can be found is refused; a nonce that is too long is worth nothing."""
    for bits in (-1, 41):
        with pytest.raises(ValueError, match="0 to 40"):
            findWork(b"k" * 32, b"n" * 16, bits)
    assert workDone(b"k" * 32, b"n" * 16, bytes(9)) == 0
