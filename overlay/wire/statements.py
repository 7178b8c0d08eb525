"""
Signed statements: what a peer says so that others may pass it on and nobody can alter it.

A statement travels as L{Signed}: its encoded body as the signer wrote it, the signer's public key, and the signature
over a domain name and that body. Nothing is ever re-encoded before it is checked, so there is no canonical form to get wrong.
All times are whole seconds of network time (Unix epoch).
"""

import hashlib
from typing import Annotated, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from overlay.errors import Forged, Malformed
from overlay.identity.identity import Identity
from overlay.identity.ids import ID_BYTES, PeerId, peerIdOf
from overlay.identity.network import NETWORK_ID_BYTES
from overlay.identity.signing import KEY_BYTES, SIGNATURE_BYTES, ISignatureScheme
from overlay.wire import limits

Id = Annotated[bytes, msgspec.Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
NetworkId = Annotated[bytes, msgspec.Meta(min_length=NETWORK_ID_BYTES, max_length=NETWORK_ID_BYTES)]
Key = Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
Signature = Annotated[bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
AddressText = Annotated[str, msgspec.Meta(max_length=limits.ADDRESS)]
Addresses = Annotated[list[AddressText], msgspec.Meta(max_length=limits.ADDRESSES)]


class Signed(msgspec.Struct, frozen=True, array_like=True, weakref=True):
    """
    @ivar body: the encoded statement, as signed.
    @ivar key: public key of the signer, 32 bytes.
    @ivar signature: 64 bytes over the statement's domain and C{body}.
    """

    body: Annotated[bytes, msgspec.Meta(max_length=64 * 1024)]
    key: Key
    signature: Signature

    @property
    def signer(self) -> PeerId:
        return peerIdOf(self.key)

    @property
    def digest(self) -> bytes:
        """32 bytes that name this very statement."""
        return hashlib.sha256(self.body).digest()


class Statement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all statements. The tag, which is encoded first, keeps one kind from being taken for another."""

    network: NetworkId


class Capacity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    What a peer claims of itself; a hint, never a proof.

    @ivar bandwidth: bytes per second upward.
    @ivar memory: bytes free for an index.
    @ivar descriptors: connections it may hold open.
    @ivar uptime: seconds since this peer started.
    """

    bandwidth: Count = 0
    memory: Count = 0
    descriptors: Count = 0
    uptime: Count = 0


class Mandate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    The permission to fill a seat.

    @ivar nomination: L{Nomination}, signed by the caller.
    @ivar votes: L{Vote}s, each signed by an elector.
    """

    nomination: Signed
    votes: Annotated[list[Signed], msgspec.Meta(max_length=limits.ELECTORATE)]


class Advert(Statement, frozen=True, array_like=True, tag="advert", gc=False):
    """
    A peer about itself.

    @ivar owner: who signs.
    @ivar sequence: grows with each advert of this owner, over restarts too.
    @ivar role: C{leaf} or C{super}.
    @ivar addresses: C{HOST:PORT} strings at which it believes it can be dialled; empty if it cannot.
    @ivar load: registrations it holds.
    @ivar mandate: what lets it serve; None for a leaf, and for a super-peer that appointed itself.
    @ivar heirs: the signed heir list by which it serves as an heir, or None.
    @ivar clusters: reserved for later versions.
    """

    owner: Id
    sequence: Count
    issued: Seconds
    expires: Seconds
    role: Annotated[str, msgspec.Meta(max_length=16)]
    addresses: Addresses
    capacity: Capacity
    load: Count
    agent: Annotated[str, msgspec.Meta(max_length=limits.AGENT)]
    mandate: Mandate | None = None
    heirs: Signed | None = None


class RecordHead(Statement, frozen=True, array_like=True, tag="record", gc=False):
    """
    One shared item, without its text.

    @ivar number: the owner's registration sequence when this head was signed; a newer head of one location has a larger one.
    @ivar content: SHA-256 of the whole content.
    @ivar name: the file's name.
    @ivar location: where it lies in the owner's share: path with C{/}, starting with the share's own name.
    @ivar size: bytes.
    @ivar modified: seconds since the epoch; negative times are written as 0.
    @ivar mediaType: as in C{text/plain}.
    @ivar textDigest: SHA-256 of the record's text (UTF-8 bytes).
    @ivar termsDigest: SHA-256 of the record's packed terms.
    """

    owner: Id
    number: Count
    issued: Seconds
    expires: Seconds
    content: Digest
    name: Annotated[str, msgspec.Meta(max_length=limits.NAME)]
    location: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.LOCATION)]
    size: Count
    modified: Seconds
    mediaType: Annotated[str, msgspec.Meta(max_length=limits.MEDIA_TYPE)]
    textDigest: Digest
    termsDigest: Digest


class HomeList(Statement, frozen=True, array_like=True, tag="homes", gc=False):
    """The homes of one owner, in order: a record counts at the first of them that answers."""

    owner: Id
    sequence: Count
    homes: Annotated[list[Id], msgspec.Meta(max_length=limits.HOMES)]


class Heir(msgspec.Struct, frozen=True, array_like=True, gc=False):
    peerId: Id
    addresses: Addresses


class HeirList(Statement, frozen=True, array_like=True, tag="heirs", gc=False):
    """Who may take over from C{home}, in order, if it is dead and its leaves ask for it: their standby mandate."""

    home: Id
    issued: Seconds
    expires: Seconds
    heirs: Annotated[list[Heir], msgspec.Meta(max_length=limits.HEIRS)]


class Nomination(Statement, frozen=True, array_like=True, tag="nomination", gc=False):
    """
    The caller of a seat names its candidate. Two different ones for one seat void both.

    @ivar counter: consecutive seats of this caller, from 1.
    @ivar lastOutcome: how the caller's seat before this one ended: C{none}, C{filled} or C{abandoned}.
    @ivar addresses: where the electors may dial the candidate back.
    @ivar electorate: ids of the electors as the caller sees them, nearest first.
    """

    caller: Id
    counter: Count
    lastOutcome: Annotated[str, msgspec.Meta(max_length=16)]
    candidate: Id
    addresses: Addresses
    electorate: Annotated[list[Id], msgspec.Meta(max_length=limits.ELECTORATE)]
    issued: Seconds
    expires: Seconds


class Vote(Statement, frozen=True, array_like=True, tag="vote", gc=False):
    """An elector's consent to one nomination, after it dialled the candidate back itself."""

    elector: Id
    nomination: Digest
    caller: Id
    counter: Count
    candidate: Id
    issued: Seconds
    expires: Seconds


class NetworkChange(Statement, frozen=True, array_like=True, tag="network", gc=False):
    """
    The founder changes what concerns all.

    @ivar generation: one more than the last.
    @ivar networkKey: the key from now on; the old one where only C{expelled} changed.
    @ivar expelled: all who are out, ids.
    """

    generation: Count
    networkKey: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    expelled: Annotated[list[Id], msgspec.Meta(max_length=limits.EXPELLED)]
    issued: Seconds


class Pulse(Statement, frozen=True, array_like=True, tag="pulse", gc=False):
    """
    The root of the spanning tree, who signs, is alive.

    @ivar round: grows with each beacon of this root, over restarts too.
    """

    round: Count


S = TypeVar("S", bound=Statement)

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type, msgspec.msgpack.Decoder] = {}


class _Opened:
    """
    @ivar content: the decoded statement.
    @ivar scheme: by which the signature over a statement of that kind was found good; None if that was not looked at.
    @ivar packed: the signed statement, encoded; None until it is wanted.
    """

    __slots__ = ("content", "packed", "scheme")

    def __init__(self) -> None:
        self.content: Statement | None = None
        self.scheme: ISignatureScheme | None = None
        self.packed: bytes | None = None


# A statement comes again and again, by many ways, and is asked about every few seconds: as long as anybody keeps it, it is decoded
# and encoded once, and its signature is checked once.
_opened: "WeakKeyDictionary[Signed, _Opened]" = WeakKeyDictionary()


def _open(signed: Signed) -> _Opened:
    opened = _opened.get(signed)
    if opened is None:
        opened = _opened[signed] = _Opened()
    return opened


def _domain(kind: type[Statement]) -> bytes:
    return b"superpeer " + str(kind.__struct_config__.tag).encode("ascii") + b"\0"


def encodeBody(statement: Statement) -> bytes:
    return _encoder.encode(statement)


def decodeBody(body: bytes, kind: type[S]) -> S:
    """
    The statement without any check of who signed it; for bodies that were checked when they came in.

    @raise Malformed: it is not such a statement.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise Malformed(f"{kind.__name__}: {problem}") from problem


def signBody(identity: Identity, kind: type[Statement], body: bytes) -> bytes:
    """The 64 bytes of signature alone, for statements whose key is known from elsewhere (records)."""
    return identity.signer.sign(_domain(kind) + body)


def checkBody(scheme: ISignatureScheme, kind: type[Statement], body: bytes, key: bytes, signature: bytes) -> bool:
    return scheme.verify(key, signature, _domain(kind) + body)


def seal(identity: Identity, statement: Statement) -> Signed:
    """Sign a statement; it must be one that L{decodeBody} would accept."""
    body = encodeBody(statement)
    signed = Signed(body, identity.publicKey, signBody(identity, type(statement), body))
    # Whoever signs it asks about it too, and in one process others do.
    _open(signed).content = statement
    return signed


def unseal(scheme: ISignatureScheme, signed: Signed, kind: type[S], network: bytes, signer: bytes | None = None) -> S:
    """
    Check a statement and give its content. Expiry is the caller's to judge.

    @param network: id of the network that it must be about.
    @param signer: peer id that must have signed it; None if any may.
    @raise Forged: the signature is wrong, or another network's, or another peer's.
    @raise Malformed: it is not a C{kind}.
    """
    if signer is not None and signed.signer != signer:
        raise Forged(f"{kind.__name__} signed by another peer")
    opened = _open(signed)
    if opened.scheme is not scheme or type(opened.content) is not kind:
        if not checkBody(scheme, kind, signed.body, signed.key, signed.signature):
            raise Forged(f"signature of {kind.__name__}")
        contentOf(signed, kind)
        opened.scheme = scheme
    statement = contentOf(signed, kind)
    if statement.network != network:
        raise Forged(f"{kind.__name__} of another network")
    return statement


def contentOf(signed: Signed, kind: type[S]) -> S:
    """
    What a statement says, without any check of who signed it; for those that were checked when they came in.

    @return: to be read only: it is the same object for all who ask.
    @raise Malformed: it is no C{kind}.
    """
    opened = _open(signed)
    if type(opened.content) is kind:
        return opened.content
    statement = decodeBody(signed.body, kind)
    opened.content, opened.scheme = statement, None
    return statement


def pack(signed: Signed) -> bytes:
    """A signed statement as it is stored."""
    opened = _open(signed)
    if opened.packed is None:
        opened.packed = _encoder.encode(signed)
    return opened.packed
