"""The rows of an answer of which nobody wants to know more than goes out."""

import struct
from collections.abc import Callable, Sequence
from functools import cache
from itertools import repeat
from operator import sub
from typing import overload

import msgspec

from overlay.index.packed import Answer

HIT = 0x96
"""How a hit begins, as it travels: it has six fields."""
_BEGINNING = bytes((HIT,))
_FLOAT, _BIN8 = 0xCB, 0xC4


class Passed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A row with the fields of a hit (see L{overlay.wire.query.Hit})."""

    head: bytes
    signature: bytes
    key: bytes
    snippet: str
    score: float
    parts: bytes


_decoder = msgspec.msgpack.Decoder(Passed)


@cache
def _restAndMore(size: int) -> Callable[..., bytes]:
    """Packs what follows the text of a hit whose parts have so many bytes, and the first byte of the next hit."""
    return struct.Struct(f">BdBB{size}sB").pack


def joined(beginnings: Sequence[bytes], worst: Sequence[float], parts: Sequence[bytes]) -> bytes:
    """
    Hits as they travel, one after the other.

    @param beginnings: all of each up to its score, but for the first byte.
    @param worst: scores, with their signs turned.
    @param parts: of equal size.
    """
    size = len(parts[0])
    pieces = [_BEGINNING] * (2 * len(beginnings) + 1)
    pieces[1::2] = beginnings
    pieces[2::2] = map(
        _restAndMore(size), repeat(_FLOAT), map(sub, repeat(0.0), worst), repeat(_BIN8), repeat(size), parts, repeat(HIT)
    )
    return b"".join(pieces)[:-1]


class PassingRows(Sequence[Passed]):
    """
    Rows that were found, best first, in columns, as L{overlay.index.packed.PackedRows}; of the table only what goes out was read.

    @ivar beginnings: of each row what goes out as it lies, but for the first byte.
    """

    __slots__ = ("_rows", "answer", "beginnings", "numbers", "parts", "worst")

    def __init__(
        self, beginnings: Sequence[bytes], worst: Sequence[float], parts: Sequence[bytes], numbers: Sequence[int], answer: Answer
    ) -> None:
        self.beginnings = beginnings
        self.worst = worst
        self.parts = parts
        self.numbers = numbers
        self.answer = answer
        self._rows: list[Passed] | None = None

    def __len__(self) -> int:
        return len(self.beginnings)

    @overload
    def __getitem__(self, at: int) -> Passed: ...

    @overload
    def __getitem__(self, at: slice) -> list[Passed]: ...

    def __getitem__(self, at: int | slice) -> Passed | list[Passed]:
        if self._rows is None:
            columns = zip(self.beginnings, self.worst, self.parts, strict=True)
            self._rows = [_decoder.decode(joined((one,), (worst,), (parts,))) for one, worst, parts in columns]
        return self._rows[at]

    @property
    def genuine(self) -> bool:
        """Whether the signatures of all of them have been checked."""
        return all(map(self.answer.genuine.__contains__, self.numbers))

    def encoded(self) -> bytes:
        """As hits travel, one after the other."""
        return joined(self.beginnings, self.worst, self.parts)
