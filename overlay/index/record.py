"""Making, checking and summing up records."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated

import attrs
import msgspec

from overlay.errors import Expired, Forged, Malformed
from overlay.identity.identity import Identity
from overlay.identity.ids import peerIdOf
from overlay.identity.network import Network
from overlay.identity.signing import ISignatureScheme
from overlay.index import analysis
from overlay.index.dialect import analysisOf
from overlay.index.document import Document
from overlay.index.store import StoredRecord
from overlay.wire import limits
from overlay.wire.statements import RecordHead, checkBody, decodeBody, encodeBody, signBody

RECORD_ID_BYTES = 16
DIGEST_BYTES = 32
EMPTY_DIGEST = bytes(DIGEST_BYTES)
"""The digest of no records."""
LONGEST_LIFE = 30 * 86400
"""Seconds that a head may live at most; nobody can serve a record for ever."""
MOST_OF_A_TERM = 2**31 - 1
"""Largest count of one term, and largest number of words of a record."""


def recordIdOf(owner: bytes, location: str) -> bytes:
    """16 bytes that name what lies at C{location} in C{owner}'s share, whatever its content."""
    whole = b"superpeer record\0" + owner + location.encode("utf-8", "surrogatepass")
    return hashlib.sha256(whole).digest()[:RECORD_ID_BYTES]


# --- packed terms ---------------------------------------------------------------------------------------------------


class _Packed(msgspec.Struct, array_like=True, gc=False):
    version: int
    length: Annotated[int, msgspec.Meta(ge=0, le=MOST_OF_A_TERM)]
    terms: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=limits.TERM)]],
        msgspec.Meta(max_length=limits.TERMS),
    ]
    counts: Annotated[
        list[Annotated[int, msgspec.Meta(ge=1, le=MOST_OF_A_TERM)]], msgspec.Meta(max_length=limits.TERMS)
    ]
    dialect: Annotated[str, msgspec.Meta(max_length=limits.DIALECT)] = ""
    titles: Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(max_length=limits.TERMS)] = []


_UNDERSTOOD = (1, analysis.VERSION)
"""
Versions of packed terms that are taken. Those of version 1 lie in stores of before: they are words all the same, found less well where
they have accents, until their owner, who reads its files again, replaces them.
"""
_encoder = msgspec.msgpack.Encoder()
_packed = msgspec.msgpack.Decoder(_Packed)


def packTerms(terms: Iterable[tuple[str, int]], length: int, dialect: str = "", title: str = "") -> bytes:
    """
    Terms and counts as bytes, always the same for the same terms: MessagePack C{[version, length, [term ...], [count ...]]} in the
    order of terms, with the dialect as a fifth item if there is one. If any of them are words of the title, their places among the
    terms follow the dialect, in order, as a sixth.

    @param length: words in the whole text.
    @param dialect: in which they were made; see L{overlay.index.dialect}.
    @param title: of the document, whose words count more.
    """
    ordered = sorted(terms)
    packed: list[object] = [analysis.VERSION, length, [term for term, count in ordered], [count for term, count in ordered]]
    words = frozenset(analysisOf(dialect).of(analysis.words(title))) if title else frozenset()
    titles = [place for place, (term, _) in enumerate(ordered) if term in words]
    if dialect or titles:
        packed.append(dialect)
    return _encoder.encode([*packed, titles] if titles else packed)


@attrs.frozen(slots=True)
class Terms:
    """
    Packed terms, taken apart.

    @ivar counted: terms with their counts, in order.
    @ivar length: words of the whole text.
    @ivar dialect: in which they were made.
    @ivar titles: those that are words of the title.
    """

    counted: tuple[tuple[str, int], ...]
    length: int
    dialect: str
    titles: frozenset[str] = frozenset()


def unpackTerms(packed: bytes) -> tuple[tuple[tuple[str, int], ...], int]:
    """
    @return: the terms with their counts, in order, and the number of words of the whole text.
    @raise Malformed: as L{openTerms}.
    """
    opened = openTerms(packed)
    return opened.counted, opened.length


def openTerms(packed: bytes) -> Terms:
    """
    @raise Malformed: these are not packed terms of a version that is understood, or break a limit.
    """
    try:
        found = _packed.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise Malformed(f"packed terms: {problem}") from problem
    terms = found.terms
    if found.version not in _UNDERSTOOD:
        raise Malformed(f"packed terms of version {found.version}")
    if len(terms) != len(found.counts):
        raise Malformed("packed terms: as many counts as terms are needed")
    if sum(found.counts) > found.length:
        raise Malformed("packed terms: more occurrences than words")
    previous = ""
    for term in terms:
        if term <= previous:
            raise Malformed("packed terms: not in order")
        if not term.isascii() and len(term.encode("utf-8", "surrogatepass")) > limits.TERM:
            raise Malformed("packed terms: a term is too long")
        previous = term
    if found.titles and max(found.titles) >= len(terms):
        raise Malformed("packed terms: a word of the title that is no term")
    titles = frozenset(terms[place] for place in found.titles)
    return Terms(tuple(zip(terms, found.counts, strict=True)), found.length, found.dialect, titles)


# --- records --------------------------------------------------------------------------------------------------------


def isEncodable(text: str) -> bool:
    """Whether a text can travel: the name of a file may hold bytes that are no text."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def nameOf(document: Document) -> str:
    """A document's name as its record has it."""
    return document.name.encode("utf-8", "replace").decode("utf-8")[: limits.NAME]


def mediaTypeOf(document: Document) -> str:
    """A document's media type as its record has it."""
    return document.mediaType.encode("utf-8", "replace").decode("utf-8")[: limits.MEDIA_TYPE]


def trimmed(document: Document, textLimit: int, termLimit: int) -> Document:
    """
    The document with no more than a record may hold.

    @param textLimit: bytes of text.
    @param termLimit: distinct terms; those that occur most often stay.
    """
    text = document.text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > min(textLimit, limits.TEXT):
        text = encoded[: min(textLimit, limits.TEXT)].decode("utf-8", "ignore")
    terms = {
        term: min(count, MOST_OF_A_TERM)
        for term, count in document.terms
        if count > 0 and isEncodable(term) and 0 < len(term.encode("utf-8")) <= limits.TERM
    }
    most = min(termLimit, limits.TERMS)
    if len(terms) > most:
        terms = dict(sorted(terms.items(), key=lambda one: (-one[1], one[0]))[:most])
    length = min(MOST_OF_A_TERM, max(document.length, sum(terms.values())))
    return attrs.evolve(document, text=text, terms=tuple(sorted(terms.items())), length=length)


def makeRecord(
    identity: Identity, network: Network, document: Document, number: int, issued: float, expires: float
) -> StoredRecord:
    """
    Sign one shared item.

    @param number: of the registration in which it is new.
    @param issued: network time, seconds since the epoch; likewise C{expires}.
    @raise Malformed: the location is too long, empty, or no text.
    """
    if not 0 < len(document.location) <= limits.LOCATION or not isEncodable(document.location):
        raise Malformed("a location that no record can hold")
    text = document.text.encode("utf-8", "replace")
    terms = packTerms(document.terms, document.length, network.dialect, document.title)
    head = RecordHead(
        network=network.id,
        owner=identity.peerId,
        number=number,
        issued=int(issued),
        expires=int(expires),
        content=document.content,
        name=nameOf(document),
        location=document.location,
        size=document.size,
        modified=max(0, document.modified),
        mediaType=mediaTypeOf(document),
        textDigest=hashlib.sha256(text).digest(),
        termsDigest=hashlib.sha256(terms).digest(),
    )
    body = encodeBody(head)
    if len(body) > limits.HEAD:
        raise Malformed(f"a head of {len(body)} bytes")
    return StoredRecord(
        recordIdOf(identity.peerId, document.location),
        body,
        signBody(identity, RecordHead, body),
        identity.publicKey,
        text,
        terms,
    )


def renewRecord(identity: Identity, record: StoredRecord, number: int, issued: float, expires: float) -> StoredRecord:
    """The same record with a head that lives longer."""
    head = msgspec.structs.replace(openHead(record.head), number=number, issued=int(issued), expires=int(expires))
    body = encodeBody(head)
    return StoredRecord(
        record.recordId, body, signBody(identity, RecordHead, body), record.key, record.text, record.terms
    )


def openHead(head: bytes) -> RecordHead:
    """
    A head that was checked when it came in.

    @raise Malformed: it is no head.
    """
    return decodeBody(head, RecordHead)


def verifyHead(
    scheme: ISignatureScheme, network: bytes, key: bytes, head: bytes, signature: bytes, now: float
) -> RecordHead:
    """
    Check a head and everything that it says of itself.

    @param network: id of the network.
    @param key: public key of the owner.
    @param now: network time, seconds since the epoch.
    @raise Forged: the signature is wrong, or another network's, or not the owner's.
    @raise Expired: it is past its expiry, or not yet issued.
    @raise Malformed: it is no head, or lives longer than a head may.
    """
    opened = judgeHead(network, key, head, now)
    if not checkBody(scheme, RecordHead, head, key, signature):
        raise Forged("signature of a record")
    return opened


def judgeHead(network: bytes, key: bytes, head: bytes, now: float) -> RecordHead:
    """L{verifyHead} without its costly part, the signature."""
    if len(head) > limits.HEAD:
        raise Malformed(f"a head of {len(head)} bytes")
    opened = openHead(head)
    if opened.network != network:
        raise Forged("a record of another network")
    if opened.owner != _ownerOf(key):
        raise Forged("a record of another owner")
    if opened.expires - opened.issued > LONGEST_LIFE + limits.CLOCK_SLACK:
        raise Malformed("a record that lives too long")
    if now > opened.expires:
        raise Expired("a record")
    if opened.issued > now + limits.CLOCK_SLACK:
        raise Expired("a record that is issued in the future")
    return opened


_lastOwner: tuple[bytes, bytes] = (b"", b"")


def _ownerOf(key: bytes) -> bytes:
    """The id of a key; a batch holds hundreds of records of one key."""
    global _lastOwner
    if _lastOwner[0] != key:
        _lastOwner = (key, peerIdOf(key))
    return _lastOwner[1]


def verifyBody(head: RecordHead, text: bytes, terms: bytes, dialect: str = "") -> None:
    """
    Check text and terms against the head that names them.

    @param dialect: of the network.

    @raise Forged: a digest differs.
    @raise Malformed: the text is not UTF-8, or the terms cannot be read.
    """
    if hashlib.sha256(text).digest() != head.textDigest:
        raise Forged("text of a record")
    if hashlib.sha256(terms).digest() != head.termsDigest:
        raise Forged("terms of a record")
    if len(text) > limits.TEXT:
        raise Malformed(f"a text of {len(text)} bytes")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Malformed(f"text of a record: {problem}") from problem
    if openTerms(terms).dialect != dialect:
        raise Malformed("terms of another dialect")


# --- digests of many ------------------------------------------------------------------------------------------------


def addDigest(digest: bytes, *heads: bytes) -> bytes:
    """
    The digest of a set of records with some more: the sum of the SHA-256 of their heads modulo 2**256 (an incremental set hash,
    Bellare and Micciancio 1997, AdHash), so that its order does not matter and records can be taken out again.

    It is there to notice mistakes: the owner who sends the records also states the digest, so nobody gains from a collision.
    """
    return sumDigests(digest, [hashlib.sha256(head).digest() for head in heads], [])


def removeDigest(digest: bytes, *heads: bytes) -> bytes:
    """The digest of a set of records without some."""
    return sumDigests(digest, [], [hashlib.sha256(head).digest() for head in heads])


def sumDigests(digest: bytes, added: Sequence[bytes], removed: Sequence[bytes]) -> bytes:
    """The same from the digests of single heads."""
    value = int.from_bytes(digest, "big")
    value += sum(int.from_bytes(one, "big") for one in added)
    value -= sum(int.from_bytes(one, "big") for one in removed)
    return (value % (1 << 256)).to_bytes(DIGEST_BYTES, "big")
