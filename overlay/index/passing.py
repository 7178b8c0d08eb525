"""The rows of an answer of which nobody wants to know more than goes out."""

import struct
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain, repeat
from operator import sub
from typing import Any, overload

import msgspec
from pyroaring import BitMap

from overlay.index.packed import Answer, PackedRows
from overlay.index.rowtable import RowTable

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


def piecesOf(beginnings: Sequence[bytes], worst: Sequence[float], parts: Sequence[bytes]) -> list[bytes]:
    """
    Hits as they travel, one after the other, in pieces.

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
    pieces[-1] = pieces[-1][:-1]
    return pieces


class PassingRows(Sequence[Passed]):
    """
    Rows that were found, best first, in columns, as L{overlay.index.packed.PackedRows}; of the table only what goes out is read, and that
    when the rows of several answers can be read together (see L{readTogether}), before the store changes.

    @ivar beginnings: of each row what goes out as it lies, but for the first byte.
    """

    __slots__ = ("_contents", "_genuine", "_passage", "_rows", "_table", "beginnings", "numbers", "parts", "worst")

    def __init__(
        self, table: RowTable, numbers: Sequence[int], worst: Sequence[float], parts: Sequence[bytes], contents: Sequence[int],
        genuine: BitMap, passage: Callable[[], Callable[[str], str]],
    ) -> None:
        """
        @param genuine: numbers of the rows whose signatures this peer has checked.
        @param passage: gives what makes the snippet of a text.
        """
        self.beginnings: Sequence[bytes] = ()
        self.worst = worst
        self.parts = parts
        self.numbers = numbers
        self._genuine = genuine
        self._table = table
        self._contents = contents
        self._passage = passage
        self._rows: list[Passed] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, at: int) -> Passed: ...

    @overload
    def __getitem__(self, at: slice) -> list[Passed]: ...

    def __getitem__(self, at: int | slice) -> Passed | list[Passed]:
        if self._rows is None:
            columns = zip(self.beginnings, self.worst, self.parts, strict=True)
            self._rows = [_decoder.decode(b"".join(piecesOf((one,), (worst,), (parts,)))) for one, worst, parts in columns]
        return self._rows[at]

    @property
    def genuine(self) -> bool:
        """Whether the signatures of all of them have been checked."""
        return all(map(self._genuine.__contains__, self.numbers))

    def pieces(self) -> list[bytes]:
        """As hits travel, one after the other."""
        return piecesOf(self.beginnings, self.worst, self.parts)

    def _whole(self) -> PackedRows | None:
        """The same rows, of which each is read whole; None if the table has lost one of them."""
        packed = self._table.packed(self.numbers)
        if None in packed:
            return None
        answer = Answer(self._genuine, self._passage())
        return PackedRows(packed, self.worst, self.parts, self._contents, self.numbers, answer)  # type: ignore[arg-type]


def readTogether(several: Sequence[Sequence[Any]]) -> list[Any]:
    """
    Read what goes out of the rows of several answers, with one look at the table in which all of them lie.

    @param several: of each answer its rows, as L{PassingRows} or as they are.
    @return: the same; whole ones if one of an answer does not go out as it lies, or if they lie in another table than those of the first,
        and None if the table has lost one.
    @raise overlay.errors.Damaged: they cannot be read.
    """
    passing = [one for one in several if type(one) is PassingRows]
    if not passing:
        return list(several)
    table = passing[0]._table
    passing = [one for one in passing if one._table is table]
    found = table.beginnings(list(chain.from_iterable([one.numbers for one in passing])))
    at = 0
    for one in passing:
        end = at + len(one.numbers)
        one.beginnings = found[at:end]
        at = end
    return [one._whole() if type(one) is PassingRows and not (one.beginnings and all(one.beginnings)) else one for one in several]
