"""
Rows by term. Most terms are in one row alone and are kept as one number; a few rows are packed into bytes, five for each; more are
bitmaps, one for each level of occurrences.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import compress

from pyroaring import BitMap

from overlay.index import bm25

PREFIX_TERMS = 1000
"""Most terms that a prefix stands for: of more, those in most rows."""
FEW = 96
"""Rows up to which a term's rows are packed: a bitmap takes some 100 bytes however few its rows are."""
_PENDING = 1024
_ROW = 4
_ORDER = sys.byteorder
_ODD = tuple(code & 1 for code in range(256))

_LEVELS = sorted({bm25.level(occurrences) for occurrences in range(1, bm25.MOST_LEVEL + 1)})
# Level and whether it is a word of the name as one byte, and back.
_CODES = {(one, named): number << 1 | named for number, one in enumerate(_LEVELS) for named in (False, True)}
_MEANINGS = {code: meaning for meaning, code in _CODES.items()}
_LEVEL_OF = [_MEANINGS[code][0] for code in range(len(_MEANINGS))]


class Few:
    """
    A few rows of one term as bytes: first the rows, four bytes each in the machine's order, then a byte for each with its level and
    whether it is a word of the name.
    """

    @staticmethod
    def one(row: int, level: int, named: bool) -> int:
        """A single row, as a number."""
        return row << 8 | _CODES[level, named]

    @staticmethod
    def ofOne(packed: int) -> bytes:
        return (packed >> 8).to_bytes(_ROW, _ORDER) + bytes((packed & 0xFF,))

    @staticmethod
    def added(held: bytes, row: int, level: int, named: bool) -> bytes:
        rows = len(held) // (_ROW + 1) * _ROW
        return b"".join((held[:rows], row.to_bytes(_ROW, _ORDER), held[rows:], bytes((_CODES[level, named],))))

    @staticmethod
    def without(held: bytes, row: int) -> bytes:
        """The same without a row; nothing is changed if it is not there."""
        rows = len(held) // (_ROW + 1) * _ROW
        sought = row.to_bytes(_ROW, _ORDER)
        at = held.find(sought, 0, rows)
        while at >= 0 and at % _ROW:
            at = held.find(sought, at + 1, rows)
        if at < 0:
            return held
        code = rows + at // _ROW
        return b"".join((held[:at], held[at + _ROW : code], held[code + 1 :]))

    @staticmethod
    def rows(held: bytes) -> "array[int]":
        return array("I", held[: len(held) // (_ROW + 1) * _ROW])

    @staticmethod
    def named(held: bytes) -> "array[int]":
        """The rows where it is a word of the name."""
        rows = Few.rows(held)
        return array("I", compress(rows, map(_ODD.__getitem__, held[_ROW * len(rows) :])))

    @staticmethod
    def viewed(held: "bytes | int") -> "Posting":
        """For who does not change it."""
        posting = _View()
        posting.held = held
        posting.rows = BitMap((held >> 8,)) if isinstance(held, int) else BitMap(Few.rows(held))
        return posting

    @staticmethod
    def unpacked(held: "bytes | int") -> "Posting":
        posting = Posting()
        if isinstance(held, int):
            posting.add(held >> 8, *_MEANINGS[held & 0xFF])
            return posting
        rows = Few.rows(held)
        codes = held[_ROW * len(rows) :]
        posting.rows = BitMap(rows)
        named: array[int] = array("I")
        levels: dict[int, array[int]] = {}
        for code in sorted(set(codes)):
            level, isNamed = _MEANINGS[code]
            some = array("I", compress(rows, map(code.__eq__, codes)))
            if isNamed:
                named += some
            if level != 1:
                levels[level] = levels[level] + some if level in levels else some
        posting.names = BitMap(named)
        posting.levels = {level: BitMap(some) for level, some in levels.items()}
        return posting


class Posting:
    """
    The rows of one term.

    @ivar rows: all of them.
    @ivar names: those where the term is a word of name or location.
    @ivar levels: rows by level of occurrences (see L{overlay.index.bm25.level}), without level 1.
    """

    __slots__ = ("levels", "names", "rows")

    def __init__(self) -> None:
        self.rows = BitMap()
        self.names = BitMap()
        self.levels: dict[int, BitMap] = {}

    def levelsAmong(self, some: BitMap, rows: Sequence[int]) -> list[int]:
        """
        The level of each of some rows, which are given in both ways in rising order; 0 for one that has not the term.
        """
        if some.issubset(self.rows):
            found = dict.fromkeys(rows, 1)
        else:
            having = self.rows
            found = {row: 1 if row in having else 0 for row in rows}
        for level, those in self.levels.items():
            for row in those & some:
                found[row] = level
        return list(found.values())

    def add(self, row: int, level: int, named: bool) -> None:
        self.rows.add(row)
        if named:
            self.names.add(row)
        if level != 1:
            rows = self.levels.get(level)
            if rows is None:
                rows = self.levels[level] = BitMap()
            rows.add(row)

    def remove(self, row: int) -> None:
        self.rows.discard(row)
        self.names.discard(row)
        for level, rows in self.levels.items():
            if row in rows:
                rows.discard(row)
                if not rows:
                    del self.levels[level]
                return

    def removeAll(self, gone: BitMap) -> None:
        self.rows -= gone
        self.names -= gone
        for level, rows in list(self.levels.items()):
            rows -= gone
            if not rows:
                del self.levels[level]


class _View(Posting):
    """
    What is packed, taken apart as far as somebody asks.

    @ivar held: the packed rows.
    """

    __slots__ = ("held",)

    held: bytes | int

    def __init__(self) -> None:
        """The rest is set by whoever makes it, or when it is asked for."""

    def __getattr__(self, name: str) -> object:
        if name not in ("levels", "names"):
            raise AttributeError(name)
        whole = Few.unpacked(self.held)
        self.levels, self.names = whole.levels, whole.names
        return getattr(self, name)

    def levelsAmong(self, some: BitMap, rows: Sequence[int]) -> list[int]:
        held = self.held
        if isinstance(held, int):
            level, only = _LEVEL_OF[held & 0xFF], held >> 8
            return [level if row == only else 0 for row in rows]
        mine = Few.rows(held)
        codes = dict(zip(mine, held[_ROW * len(mine) :], strict=True))
        return [_LEVEL_OF[codes[row]] if row in codes else 0 for row in rows]


class Terms:
    """The rows of every term."""

    def __init__(self) -> None:
        self._held: dict[str, int | bytes | Posting] = {}
        # Terms in order as of the last sorting (some may have gone since), and those that came after it; None until somebody asks.
        self._sorted: list[str] = []
        self._fresh: list[str] | None = None

    def __len__(self) -> int:
        return len(self._held)

    def postings(self) -> int:
        """Pairs of a term and a row that has it; a count over all terms."""
        return sum(map(self._rowsIn, self._held.values()))

    def add(self, term: str, row: int, level: int, named: bool) -> None:
        """C{row} does not have the term yet."""
        held = self._held.get(term)
        if held is None:
            self._held[term] = Few.one(row, level, named)
            if self._fresh is None:
                return
            self._fresh.append(term)
            if len(self._fresh) > 2 * len(self._held) + _PENDING:
                self._sorted, self._fresh = sorted(self._held), []
            return
        if isinstance(held, Posting):
            held.add(row, level, named)
            return
        more = Few.added(Few.ofOne(held) if isinstance(held, int) else held, row, level, named)
        self._held[term] = more if len(more) <= (_ROW + 1) * FEW else Few.unpacked(more)

    def remove(self, term: str, row: int) -> None:
        """C{row} has the term no longer; no error if it never had."""
        held = self._held.get(term)
        if held is None:
            return
        if isinstance(held, Posting):
            held.remove(row)
            left = bool(held.rows)
        elif isinstance(held, int):
            left = held >> 8 != row
        else:
            self._held[term] = held = Few.without(held, row)
            left = bool(held)
        if not left:
            del self._held[term]

    def removeAll(self, gone: BitMap) -> None:
        """Many rows go at once: one sweep over all terms."""
        for term, held in list(self._held.items()):
            if isinstance(held, int):
                left: object = held >> 8 not in gone
            elif isinstance(held, Posting):
                held.removeAll(gone)
                left = held.rows
            else:
                kept = held
                for row in Few.rows(held):
                    if row in gone:
                        kept = Few.without(kept, row)
                self._held[term] = left = kept
            if not left:
                del self._held[term]

    def shrink(self) -> None:
        """Give back what bitmaps hold in reserve."""
        for held in self._held.values():
            if isinstance(held, Posting):
                for rows in (held.rows, held.names, *held.levels.values()):
                    rows.shrink_to_fit()

    def get(self, term: str) -> Posting | None:
        """The rows of a term; not to be changed by the caller."""
        held = self._held.get(term)
        if held is None or isinstance(held, Posting):
            return held
        return Few.viewed(held)

    def union(self, terms: Sequence[str]) -> tuple[BitMap, BitMap]:
        """The rows that have any of these terms, and those that have any in name or location."""
        rows: array[int] = array("I")
        names: array[int] = array("I")
        whole: list[Posting] = []
        for term in terms:
            held = self._held.get(term)
            if isinstance(held, int):
                held = Few.ofOne(held)
            if isinstance(held, Posting):
                whole.append(held)
            elif held is not None:
                rows += Few.rows(held)
                names += Few.named(held)
        return BitMap.union(BitMap(rows), *(one.rows for one in whole)), BitMap.union(BitMap(names), *(one.names for one in whole))

    def _size(self, term: str) -> int:
        return self._rowsIn(self._held[term])

    @staticmethod
    def _rowsIn(held: "int | bytes | Posting") -> int:
        if isinstance(held, int):
            return 1
        return len(held.rows) if isinstance(held, Posting) else len(held) // (_ROW + 1)

    def beginning(self, start: str) -> list[str]:
        """The terms that begin so, in order; of more than L{PREFIX_TERMS} those in most rows, then the first ones."""
        if self._fresh is None:
            self._sorted, self._fresh = sorted(self._held), []
        if len(self._fresh) > max(_PENDING, len(self._sorted) // 64):
            merged = [one for one in self._sorted if one in self._held]
            merged += sorted(one for one in set(self._fresh) if one in self._held)
            merged.sort()  # two sorted runs: linear
            self._sorted, self._fresh = merged, []
        found = {one for one in self._fresh if one.startswith(start) and one in self._held}
        at = bisect_left(self._sorted, start)
        while at < len(self._sorted) and self._sorted[at].startswith(start):
            if self._sorted[at] in self._held:
                found.add(self._sorted[at])
            at += 1
        if len(found) > PREFIX_TERMS:
            return sorted(sorted(found, key=lambda one: (-self._size(one), one))[:PREFIX_TERMS])
        return sorted(found)

    # --- snapshots ---------------------------------------------------------------------------------------------------

    def dump(self) -> tuple:
        singles: list[str] = []
        packed = array("Q")
        few: list[str] = []
        lengths = array("I")
        data: list[bytes] = []
        many: list[tuple] = []
        for term, held in self._held.items():
            if isinstance(held, int):
                singles.append(term)
                packed.append(held)
            elif isinstance(held, Posting):
                levels = {level: rows.serialize() for level, rows in held.levels.items()}
                many.append((term, held.rows.serialize(), held.names.serialize(), levels))
            else:
                few.append(term)
                lengths.append(len(held))
                data.append(held)
        return _ORDER, singles, packed.tobytes(), few, lengths.tobytes(), b"".join(data), many

    def load(self, dumped: Sequence) -> None:
        """
        @raise ValueError: it was dumped on another kind of machine.
        """
        order, singles, packed, few, lengths, data, many = dumped
        if order != _ORDER:
            raise ValueError("the bytes of a number stand in another order")
        numbers, sizes = array("Q"), array("I")
        numbers.frombytes(packed)
        sizes.frombytes(lengths)
        self._held = dict(zip(singles, numbers, strict=True))
        at = 0
        for term, size in zip(few, sizes, strict=True):
            self._held[term] = data[at : at + size]
            at += size
        for term, rows, names, levels in many:
            posting = self._held[term] = Posting()
            posting.rows = BitMap.deserialize(rows)
            posting.names = BitMap.deserialize(names)
            posting.levels = {level: BitMap.deserialize(some) for level, some in levels.items()}
        self._sorted, self._fresh = sorted(self._held), []
