"""Records: packed terms, heads, digests."""

import hashlib

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import Expired, Forged, Malformed
from overlay.identity.network import Network
from overlay.index.record import (
    EMPTY_DIGEST,
    LONGEST_LIFE,
    Terms,
    addDigest,
    makeRecord,
    openHead,
    openTerms,
    packTerms,
    recordIdOf,
    removeDigest,
    renewRecord,
    trimmed,
    unpackTerms,
    verifyBody,
    verifyHead,
)
from overlay.wire import limits
from tests.index.material import NETWORK, NOW, SCHEME, document, identity, record

ANNA, BERT = identity(1), identity(2)
counted = st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda one: one.isprintable()), st.integers(1, 2**20), max_size=9)


@given(counted, st.integers(0, 1000))
def test_packedTermsComeBack(terms: dict[str, int], more: int) -> None:
    """What is packed is unpacked, in the order of terms, whatever order it was given in; the bytes are the same each time."""
    length = sum(terms.values()) + more
    packed = packTerms(terms.items(), length)
    assert unpackTerms(packed) == (tuple(sorted(terms.items())), length)
    assert packTerms(reversed(list(terms.items())), length) == packed


def test_wordsOfTheTitle() -> None:
    """The words of a title are named by their places among the terms; without any the bytes are those of records without titles."""
    terms = [("bloom", 2), ("filter", 1), ("tree", 4)]
    assert msgspec.msgpack.decode(packTerms(terms, 9, title="A Tree of Bloom")) == [
        2, 9, ["bloom", "filter", "tree"], [2, 1, 4], "", [0, 2]
    ]
    assert openTerms(packTerms(terms, 9, title="A Tree of Bloom")) == Terms(tuple(terms), 9, "", frozenset({"bloom", "tree"}))
    assert packTerms(terms, 9, title="nothing of it") == packTerms(terms, 9)
    with pytest.raises(Malformed):
        openTerms(msgspec.msgpack.encode([1, 9, ["bloom"], [2], "", [1]]))


@given(st.binary(max_size=40))
def test_garbageIsNoTerms(garbage: bytes) -> None:
    """Whatever the bytes, they are terms or malformed."""
    try:
        terms, length = unpackTerms(garbage)
    except Malformed:
        return
    assert sum(count for _, count in terms) <= length


@pytest.mark.parametrize(
    "wrong",
    [
        [0, 3, ["a"], [1]],
        [3, 3, ["a"], [1]],
        [2, 3, ["a"], [1], "x" * 65],
        [1, 3, ["a", "b"], [1]],
        [1, 1, ["a", "b"], [1, 1]],
        [1, 9, ["b", "a"], [1, 1]],
        [1, 9, ["a", "a"], [1, 1]],
        [1, 9, [""], [1]],
        [1, 9, ["a"], [0]],
        [1, 9, ["x" * (limits.TERM + 1)], [1]],
        [1, 9, ["\u00e9" * limits.TERM], [1]],
        [1, 2**31, [], []],
        [1, limits.TERMS + 1, [f"{number:05}" for number in range(limits.TERMS + 1)], [1] * (limits.TERMS + 1)],
    ],
)
def test_packedTermsThatBreakALimit(wrong: list) -> None:
    """Another version, odd numbers, order, and size are refused."""
    with pytest.raises(Malformed):
        unpackTerms(msgspec.msgpack.encode(wrong))


def test_packedTermsOfBefore() -> None:
    """Terms of version 1 lie in stores and are words like any; with a dialect they have a fifth part."""
    assert unpackTerms(msgspec.msgpack.encode([1, 9, ["caf\u00e9"], [2]])) == ((("caf\u00e9", 2),), 9)
    assert msgspec.msgpack.decode(packTerms([("a", 1)], 2)) == [2, 2, ["a"], [1]]
    packed = packTerms([("a", 1)], 2, "stop:english")
    assert openTerms(packed).dialect == "stop:english" and len(msgspec.msgpack.decode(packed)) == 5


def test_termsOfAnotherDialect() -> None:
    """A record whose terms are not made as the network makes them is not taken."""
    one = record(ANNA, document("a/x", "bloom"))
    verifyBody(openHead(one.head), one.text, one.terms)
    with pytest.raises(Malformed):
        verifyBody(openHead(one.head), one.text, one.terms, "stem:english")


def test_idIsOfOwnerAndLocation() -> None:
    """A record's id is the same for all content, and another for each owner and place."""
    ids = {recordIdOf(owner.peerId, location) for owner in (ANNA, BERT) for location in ("a/x", "a/y")}
    assert len(ids) == 4
    assert {len(one) for one in ids} == {16}
    assert recordIdOf(ANNA.peerId, "a/x") == hashlib.sha256(b"superpeer record\0" + ANNA.peerId + b"a/x").digest()[:16]


def test_madeRecordVerifies() -> None:
    """What an owner signs is accepted by anyone who has its key, and says what the document says."""
    made = document("a/x", "bloom filter", mediaType="text/plain")
    one = record(ANNA, made)
    head = verifyHead(SCHEME, NETWORK.id, ANNA.publicKey, one.head, one.signature, NOW)
    verifyBody(head, one.text, one.terms)
    assert (head.content, head.name, head.location, head.size) == (made.content, "x", "a/x", made.size)
    assert (one.recordId, one.text) == (recordIdOf(ANNA.peerId, "a/x"), b"bloom filter")


def test_negativeTimesAreZero() -> None:
    """A file older than the epoch can be shared."""
    assert openHead(record(ANNA, document("a/x", modified=-5)).head).modified == 0


def test_forgedHeads() -> None:
    """Another's key, another network, another signature: none of it passes."""
    one = record(ANNA, document("a/x"))
    other = Network("other", b"k" * 32, b"f" * 32)
    for network, key, signature in (
        (NETWORK.id, BERT.publicKey, one.signature), (other.id, ANNA.publicKey, one.signature),
        (NETWORK.id, ANNA.publicKey, bytes(64)),
    ):
        with pytest.raises(Forged):
            verifyHead(SCHEME, network, key, one.head, signature, NOW)


@pytest.mark.parametrize(
    ("issued", "expires", "problem"),
    [
        (NOW - 10, NOW - 1, Expired),
        (NOW - 10, NOW, None),
        (NOW + limits.CLOCK_SLACK, NOW + 900, None),
        (NOW + limits.CLOCK_SLACK + 1, NOW + 900, Expired),
        (NOW, NOW + LONGEST_LIFE, None),
        (NOW, NOW + LONGEST_LIFE + limits.CLOCK_SLACK + 1, Malformed),
    ],
)
def test_timesOfAHead(issued: float, expires: float, problem: type[Exception] | None) -> None:
    """A head is good from its issue, give or take the slack, to its expiry, and for no longer than a head may live."""
    one = record(ANNA, document("a/x"), issued=issued, expires=expires)
    if problem is None:
        verifyHead(SCHEME, NETWORK.id, ANNA.publicKey, one.head, one.signature, NOW)
        return
    with pytest.raises(problem):
        verifyHead(SCHEME, NETWORK.id, ANNA.publicKey, one.head, one.signature, NOW)


@pytest.mark.parametrize("head", [b"", b"x", b"\x90", b"x" * (limits.HEAD + 1)])
def test_whatIsNoHead(head: bytes) -> None:
    """Other bytes are malformed, and so is a head that is too long."""
    with pytest.raises(Malformed):
        verifyHead(SCHEME, NETWORK.id, ANNA.publicKey, head, bytes(64), NOW)


def test_bodyIsTheOneNamed() -> None:
    """Text and terms must be those whose digests the head names, readable, and within their limits."""
    one = record(ANNA, document("a/x", "bloom"))
    head = openHead(one.head)
    for text, terms in ((b"other", one.terms), (one.text, b"other")):
        with pytest.raises(Forged):
            verifyBody(head, text, terms)
    for text, terms in ((b"\xff", one.terms), (one.text, b"\x90"), (b"x" * (limits.TEXT + 1), one.terms)):
        named = msgspec.structs.replace(
            head, textDigest=hashlib.sha256(text).digest(), termsDigest=hashlib.sha256(terms).digest()
        )
        with pytest.raises(Malformed):
            verifyBody(named, text, terms)


def test_renewedSaysTheSameForLonger() -> None:
    """A renewal changes number and times, and is signed."""
    one = record(ANNA, document("a/x", "bloom"))
    new = renewRecord(ANNA, one, 5, NOW + 10, NOW + 900)
    head = verifyHead(SCHEME, NETWORK.id, ANNA.publicKey, new.head, new.signature, NOW + 10)
    assert (head.number, head.issued, head.expires) == (5, NOW + 10, NOW + 900)
    assert msgspec.structs.replace(head, number=1, issued=int(NOW), expires=int(NOW + 604_800)) == openHead(one.head)
    assert (new.recordId, new.text, new.terms) == (one.recordId, one.text, one.terms)


@pytest.mark.parametrize("location", ["", "\udc80", "x" * 1025, "\u00e9" * 1000])
def test_locationThatCannotTravel(location: str) -> None:
    """There is no record of it."""
    with pytest.raises(Malformed):
        makeRecord(ANNA, NETWORK, document(location), 1, NOW, NOW + 9)


def test_trimmedFits() -> None:
    """Whatever a document brings, what is left of it packs and unpacks."""
    made = attrs.evolve(
        document("a/x", "\u00e9" * 100_000),
        terms=(("b", 2**40), ("", 1), ("\udc80", 1), ("x" * 65, 1), ("zero", 0), ("a", 3), ("c", 3)), length=1,
    )
    small = trimmed(made, 7, 2)
    assert small.text == "\u00e9" * 3
    assert small.terms == (("a", 3), ("b", 2**31 - 1))
    assert unpackTerms(packTerms(small.terms[:1], small.length)) == ((("a", 3),), 2**31 - 1)
    assert len(trimmed(made, 10**6, 10**6).text.encode()) == limits.TEXT


@given(st.lists(st.binary(max_size=5), unique=True, max_size=6), st.randoms(use_true_random=False))
def test_digestIsOfTheSet(heads: list[bytes], rng) -> None:  # type: ignore[no-untyped-def]
    """A digest does not depend on the order, and what is taken out again leaves no trace."""
    shuffled = list(heads)
    rng.shuffle(shuffled)
    assert addDigest(EMPTY_DIGEST, *heads) == addDigest(EMPTY_DIGEST, *shuffled)
    assert removeDigest(addDigest(EMPTY_DIGEST, *heads), *shuffled) == EMPTY_DIGEST
    if heads:
        assert addDigest(EMPTY_DIGEST, *heads) != addDigest(EMPTY_DIGEST, *heads[1:])
