"""
A record as it lies in a table: the byte strings head, signature, key, text, terms and name, one after the other in a MessagePack array.
Its beginning is the beginning of a hit (L{overlay.wire.query.Hit}), so what is found passes from the disk to the link undecoded.
"""

import re
import struct
from collections.abc import Callable

import msgspec
from pyroaring import BitMap

from overlay.errors import Damaged
from overlay.identity.ids import ID_BYTES, PeerId
from overlay.index.record import RECORD_ID_BYTES
from overlay.index.snippet import LENGTH
from overlay.index.store import StoredRecord


class _Row(msgspec.Struct, array_like=True, gc=False):
    """A record as it is stored; new fields go at the end."""

    head: bytes
    signature: bytes
    key: bytes
    text: bytes
    terms: bytes
    name: bytes


NAME_BYTES = ID_BYTES + RECORD_ID_BYTES
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Row)
_AS_IT_IS = re.compile(rb"[!-~]+(?: [!-~]+)*")
_rest = struct.Struct(">BdBB").pack
_FLOAT = 0xCB
_HIT = b"\x96"
_BIN8, _BIN16, _BIN32 = 0xC4, 0xC5, 0xC6
# A signature and a key of the usual sizes, each with its two bytes of length.
_SIGNED = 100
_SIGNATURE, _KEY = b"\xc4\x40", b"\xc4\x20"
_SHORT = tuple(bytes((0xA0 | size,)) if size < 32 else bytes((0xD9, size)) for size in range(256))
"""How a short text begins, by its length."""


def pack(owner: bytes, record: StoredRecord) -> bytes:
    """The name is owner and record id, joined."""
    return _encoder.encode(_Row(record.head, record.signature, record.key, record.text, record.terms, owner + record.recordId))


def unpack(packed: bytes) -> StoredRecord:
    """
    @raise msgspec.DecodeError: these are no packed record.
    """
    row = _decoder.decode(packed)
    return StoredRecord(row.name[ID_BYTES:], row.head, row.signature, row.key, row.text, row.terms)


def nameOf(packed: bytes) -> bytes:
    """Owner and record id, joined."""
    return packed[-NAME_BYTES:]


def _string(packed: bytes, at: int) -> tuple[int, int]:
    """
    Where the byte string begins and ends whose length stands at C{at}.

    @raise Damaged: there is none.
    """
    kind = packed[at]
    if kind == _BIN8:
        return at + 2, at + 2 + packed[at + 1]
    if kind == _BIN16:
        return at + 3, at + 3 + (packed[at + 1] << 8 | packed[at + 2])
    if kind == _BIN32:
        return at + 5, at + 5 + int.from_bytes(packed[at + 1 : at + 5], "big")
    raise Damaged("a row")


def _signedEnd(packed: bytes) -> int:
    """Where head, signature and key end."""
    _, end = _string(packed, 1)
    if packed[end] == _BIN8 and packed[end + 1] == 64 and packed[end + 66] == _BIN8 and packed[end + 67] == 32:
        return end + _SIGNED
    _, end = _string(packed, end)
    return _string(packed, end)[1]


def textOf(packed: bytes) -> bytes:
    """
    The text alone.

    @raise Damaged: this is no packed record.
    """
    try:
        start, end = _string(packed, _signedEnd(packed))
    except IndexError as problem:
        raise Damaged("a row") from problem
    return packed[start:end]


class Answer:
    """
    What all rows of one search have in common.

    @ivar genuine: numbers of the rows whose signatures this peer has checked.
    @ivar passage: makes the snippet of a text.
    """

    __slots__ = ("genuine", "passage")

    def __init__(self, genuine: BitMap, passage: Callable[[str], str]) -> None:
        self.genuine = genuine
        self.passage = passage


class PackedRow:
    """
    A row that was found (see L{overlay.index.store.Row}), taken apart only as far as somebody asks.

    @ivar worst: the score with its sign turned, as rows are sorted.
    @ivar content: the first 8 bytes of the content hash, as a number.
    @ivar number: of the row, as long as the store does not change.
    """

    # Not a struct of the codec's own kind, which would go out as it is, and not as it says of itself.
    __slots__ = ("_opened", "_passage", "answer", "content", "number", "packed", "parts", "worst")

    def __init__(self, packed: bytes, worst: float, parts: bytes, content: int, number: int, answer: Answer) -> None:
        self.packed = packed
        self.worst = worst
        self.parts = parts
        self.content = content
        self.number = number
        self.answer = answer

    @property
    def score(self) -> float:
        return -self.worst or 0.0

    @property
    def owner(self) -> PeerId:
        return PeerId(self.packed[-NAME_BYTES:-RECORD_ID_BYTES])

    @property
    def recordId(self) -> bytes:
        return self.packed[-RECORD_ID_BYTES:]

    @property
    def genuine(self) -> bool:
        """Whether this peer has checked the signature of what lies there; to be asked before the store changes."""
        return self.number in self.answer.genuine

    def confirm(self) -> None:
        """The signature has been checked, and the store has not changed meanwhile."""
        self.answer.genuine.add(self.number)

    def _open(self) -> _Row:
        try:
            return self._opened
        except AttributeError:
            self._opened: _Row = _decoder.decode(self.packed)
            return self._opened

    @property
    def head(self) -> bytes:
        return self._open().head

    @property
    def signature(self) -> bytes:
        return self._open().signature

    @property
    def key(self) -> bytes:
        return self._open().key

    @property
    def snippet(self) -> str:
        try:
            return self._passage
        except AttributeError:
            text = self._open().text
            self._passage: str = self.answer.passage(text.decode("utf-8", "replace")) if text else ""
            return self._passage

    def encoded(self) -> bytes:
        """As a hit travels."""
        packed, parts = self.packed, self.parts
        # Nearly every row is of this shape, and of each search dozens go out.
        kind = packed[1]
        end = 4 + (packed[2] << 8 | packed[3]) if kind == _BIN16 else 3 + packed[2] if kind == _BIN8 else 0
        if packed[end : end + 2] == _SIGNATURE and packed[end + 66 : end + 68] == _KEY:
            end += _SIGNED
        else:
            end = _signedEnd(packed)
        size = packed[end + 1]
        if packed[end] == _BIN8 and size <= LENGTH and (not size or _AS_IT_IS.fullmatch(packed, end + 2, end + 2 + size)):
            passage = packed[end + 2 : end + 2 + size]
        else:
            passage = self.snippet.encode("utf-8", "replace")
            size = len(passage)
        said = _SHORT[size] if size < 256 else b"\xda" + size.to_bytes(2, "big")
        return b"".join((_HIT, packed[1:end], said, passage, _rest(_FLOAT, self.score, _BIN8, len(parts)), parts))

    def _compared(self) -> tuple:
        return self.packed, self.score, self.parts, self.snippet

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedRow) and self._compared() == other._compared()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<PackedRow {self.recordId.hex()} {self.score:.4f}>"
