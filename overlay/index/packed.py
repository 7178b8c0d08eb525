"""
A record as it lies in a table: head, signature, key, text, terms, a number and the name, one after the other in a MessagePack array. Its
beginning is the beginning of a hit (L{overlay.wire.query.Hit}), so what is found passes from the disk to the link undecoded. The number
says how much of it that is: up to the end of the text, if that is shown as it is; else 0. (Rows of versions before have no such number.)
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import overload

import msgspec
from pyroaring import BitMap

from overlay.errors import Damaged
from overlay.identity.ids import ID_BYTES, PeerId
from overlay.index.record import RECORD_ID_BYTES
from overlay.index.snippet import LENGTH
from overlay.index.store import StoredRecord


class _Row(msgspec.Struct, array_like=True, gc=False):
    """
    A record as it is stored. The name is the last of it.

    @ivar text: encoded, as a string if it is shown as it is, else as bytes.
    @ivar sent: bytes of the row that go out as they are.
    """

    head: bytes
    signature: bytes
    key: bytes
    text: msgspec.Raw
    terms: bytes
    sent: int
    name: bytes


class _OlderRow(msgspec.Struct, array_like=True, gc=False):
    """The same of versions before."""

    head: bytes
    signature: bytes
    key: bytes
    text: msgspec.Raw
    terms: bytes
    name: bytes


NAME_BYTES = ID_BYTES + RECORD_ID_BYTES
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Row)
_textDecoder = msgspec.msgpack.Decoder()
_olderDecoder = msgspec.msgpack.Decoder(_OlderRow)
_AS_IT_IS = re.compile(rb"[!-~]+(?: [!-~]+)*")
_rest = struct.Struct(">BdBB").pack
_FLOAT, _UINT16 = 0xCB, 0xCD
_HIT = b"\x96"
_OLDER = 0x96
"""How rows of versions before begin."""
_NAMED_BYTES = 2 + NAME_BYTES
"""Bytes of a name as it lies."""
_SENT_MOST = 0xFFFF
_SENT = -_NAMED_BYTES - 2
"""Where the number stands that says how much is sent."""
_BIN8, _BIN16, _BIN32 = 0xC4, 0xC5, 0xC6
_SHORT = tuple(bytes((0xA0 | size,)) if size < 32 else bytes((0xD9, size)) for size in range(256))
"""How a short text begins, by its length."""


def pack(owner: bytes, record: StoredRecord) -> bytes:
    """The name is owner and record id, joined."""
    text, name = record.text, owner + record.recordId
    shown = len(text) <= LENGTH and (not text or _AS_IT_IS.fullmatch(text) is not None)
    said = msgspec.Raw(_encoder.encode(text.decode() if shown else text))
    row = _Row(record.head, record.signature, record.key, said, record.terms, 0, name)
    packed = _encoder.encode(row)
    sent = len(packed) - len(_encoder.encode(record.terms)) - 1 - _NAMED_BYTES if shown else 0
    if sent > _SENT_MOST:
        sent = 0
    # The number is always as wide, so that it is found from the end.
    return b"".join((packed[: -_NAMED_BYTES - 1], bytes((_UINT16, sent >> 8, sent & 0xFF)), packed[-_NAMED_BYTES:]))


def _opened(packed: bytes) -> _Row:
    if packed and packed[0] == _OLDER:
        older = _olderDecoder.decode(packed)
        return _Row(older.head, older.signature, older.key, older.text, older.terms, 0, older.name)
    return _decoder.decode(packed)


def _textOf(row: _Row) -> bytes:
    text: bytes | str = _textDecoder.decode(row.text)
    return text if isinstance(text, bytes) else text.encode()


def unpack(packed: bytes) -> StoredRecord:
    """
    @raise msgspec.DecodeError: these are no packed record.
    """
    row = _opened(packed)
    return StoredRecord(row.name[ID_BYTES:], row.head, row.signature, row.key, _textOf(row), row.terms)


def textOf(packed: bytes) -> bytes:
    """
    The text alone.

    @raise msgspec.DecodeError: these are no packed record.
    """
    return _textOf(_opened(packed))


def nameOf(packed: bytes) -> bytes:
    """Owner and record id, joined."""
    return packed[-NAME_BYTES:]


def _stringEnd(packed: bytes, at: int) -> int:
    """
    Where the byte string ends whose length stands at C{at}.

    @raise Damaged: there is none.
    """
    kind = packed[at]
    if kind == _BIN8:
        return at + 2 + packed[at + 1]
    if kind == _BIN16:
        return at + 3 + (packed[at + 1] << 8 | packed[at + 2])
    if kind == _BIN32:
        return at + 5 + int.from_bytes(packed[at + 1 : at + 5], "big")
    raise Damaged("a row")


def _signedEnd(packed: bytes) -> int:
    """Where head, signature and key end."""
    end = 1
    for _ in range(3):
        end = _stringEnd(packed, end)
    return end


def sentOf(packed: bytes) -> int:
    """Up to where a row goes out as it lies; 0 if it does not."""
    return packed[_SENT] << 8 | packed[_SENT + 1] if len(packed) > -_SENT and packed[0] != _OLDER else 0


def beginningsOf(rows: Sequence[bytes | None]) -> list[bytes]:
    """Of rows as they lie, what goes out as it is, but for the first byte; nothing of one that is not there, or does not go out so."""
    return [b"" if one is None else one[1 : sentOf(one)] for one in rows]


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
            self._opened: _Row = _opened(self.packed)
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
            text = _textOf(self._open())
            self._passage: str = self.answer.passage(text.decode("utf-8", "replace")) if text else ""
            return self._passage

    def encoded(self) -> bytes:
        """As a hit travels."""
        packed, parts = self.packed, self.parts
        rest = _rest(_FLOAT, -self.worst or 0.0, _BIN8, len(parts))
        sent = sentOf(packed)
        if sent:
            return b"".join((_HIT, packed[1:sent], rest, parts))
        passage = self.snippet.encode("utf-8", "replace")
        size = len(passage)
        said = _SHORT[size] if size < 256 else b"\xda" + size.to_bytes(2, "big")
        return b"".join((_HIT, packed[1 : _signedEnd(packed)], said, passage, rest, parts))

    def _compared(self) -> tuple:
        return self.packed, self.score, self.parts, self.snippet

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedRow) and self._compared() == other._compared()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<PackedRow {self.recordId.hex()} {self.score:.4f}>"


class PackedRows(Sequence[PackedRow]):
    """
    The rows of one answer, best first, in columns: of most answers nobody looks at a single row before they go out as they are.

    @ivar packed: of each row what lies in the table, and likewise the others, as in L{PackedRow}.
    """

    __slots__ = ("_rows", "answer", "contents", "numbers", "packed", "parts", "worst")

    def __init__(
        self, packed: Sequence[bytes], worst: Sequence[float], parts: Sequence[bytes], contents: Sequence[int], numbers: Sequence[int],
        answer: Answer,
    ) -> None:
        self.packed = packed
        self.worst = worst
        self.parts = parts
        self.contents = contents
        self.numbers = numbers
        self.answer = answer
        self._rows: list[PackedRow] | None = None

    def _all(self) -> list[PackedRow]:
        rows = self._rows
        if rows is None:
            columns = zip(self.packed, self.worst, self.parts, self.contents, self.numbers, strict=True)
            rows = self._rows = [PackedRow(*one, self.answer) for one in columns]
        return rows

    def __len__(self) -> int:
        return len(self.packed)

    def __iter__(self) -> Iterator[PackedRow]:
        return iter(self._all())

    @overload
    def __getitem__(self, at: int) -> PackedRow: ...

    @overload
    def __getitem__(self, at: slice) -> list[PackedRow]: ...

    def __getitem__(self, at: int | slice) -> PackedRow | list[PackedRow]:
        return self._all()[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedRows | list) and self._all() == list(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def genuine(self) -> bool:
        """Whether each of them is; see L{PackedRow.genuine}."""
        return all(map(self.answer.genuine.__contains__, self.numbers))

    def pieces(self) -> list[bytes]:
        """As hits travel, one after the other."""
        pieces: list[bytes] = []
        for number, (packed, worst, parts) in enumerate(zip(self.packed, self.worst, self.parts, strict=True)):
            sent = sentOf(packed)
            if sent:
                pieces += (_HIT, packed[1:sent], _rest(_FLOAT, -worst or 0.0, _BIN8, len(parts)), parts)
            else:
                pieces.append(self._all()[number].encoded())
        return pieces
