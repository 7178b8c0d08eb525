"""
The rows of one term. Of most rows there is no more to say than of most others, as a rule that they have it once, in the text: they are in
a bitmap and nowhere else. The others are I{marked}: their numbers in one array, and a byte for each in another, both in the order of the
rows, so that to look up many rows touches little memory. A few rows are packed into bytes, five for each, and a single one is a number.
"""

import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import compress

from pyroaring import BitMap

from overlay.index import bm25

ROW = 4
"""Bytes of a row's number, in the machine's order."""
MAPPED = 1024
"""Marked rows from which on they are kept as a bitmap besides: intersections of large sets are what bitmaps are best at."""
_ORDER = sys.byteorder
_PICKED = 64
"""Rows up to which each is looked at by itself."""
_ODD = tuple(code & 1 for code in range(256))

LEVELS = sorted({bm25.level(occurrences) for occurrences in range(1, bm25.MOST_LEVEL + 1)})
"""All levels that there are, by rank."""
# Rank of the level and whether it is a word of the name as one byte, and back.
CODES = {(one, named): number << 1 | named for number, one in enumerate(LEVELS) for named in (False, True)}
MEANINGS = {code: meaning for meaning, code in CODES.items()}
PLAIN = CODES[1, False]
_PLAIN_ALONE = bytes((PLAIN,))
LEVEL_OF = bytes(MEANINGS[code][0] if code in MEANINGS else 0 for code in range(256))
"""The level that a code stands for."""


class Few:
    """
    A few rows of one term as bytes: first the rows, four bytes each in the machine's order, then a byte for each with its level and
    whether it is a word of the name.
    """

    @staticmethod
    def one(row: int, level: int, named: bool) -> int:
        """A single row, as a number."""
        return row << 8 | CODES[level, named]

    @staticmethod
    def ofOne(packed: int) -> bytes:
        return (packed >> 8).to_bytes(ROW, _ORDER) + bytes((packed & 0xFF,))

    @staticmethod
    def added(held: bytes, row: int, level: int, named: bool) -> bytes:
        rows = len(held) // (ROW + 1) * ROW
        return b"".join((held[:rows], row.to_bytes(ROW, _ORDER), held[rows:], bytes((CODES[level, named],))))

    @staticmethod
    def without(held: bytes, row: int) -> bytes:
        """The same without a row; nothing is changed if it is not there."""
        rows = len(held) // (ROW + 1) * ROW
        sought = row.to_bytes(ROW, _ORDER)
        at = held.find(sought, 0, rows)
        while at >= 0 and at % ROW:
            at = held.find(sought, at + 1, rows)
        if at < 0:
            return held
        code = rows + at // ROW
        return b"".join((held[:at], held[at + ROW : code], held[code + 1 :]))

    @staticmethod
    def rows(held: bytes) -> "array[int]":
        return array("I", held[: len(held) // (ROW + 1) * ROW])

    @staticmethod
    def named(held: bytes) -> "array[int]":
        """The rows where it is a word of the name."""
        rows = Few.rows(held)
        return array("I", compress(rows, map(_ODD.__getitem__, held[ROW * len(rows) :])))

    @staticmethod
    def meant(held: "bytes | int") -> dict[int, int]:
        """The code of each row, in rising order of the rows."""
        if isinstance(held, int):
            return {held >> 8: held & 0xFF}
        rows = Few.rows(held)
        return dict(sorted(zip(rows, held[ROW * len(rows) :], strict=True)))

    @staticmethod
    def viewed(held: "bytes | int") -> "Posting":
        """For who does not change it."""
        posting = _View()
        posting.held = held
        posting.rows = BitMap((held >> 8,)) if isinstance(held, int) else BitMap(Few.rows(held))
        return posting

    @staticmethod
    def unpacked(held: "bytes | int") -> "Posting":
        meant = Few.meant(held)
        counts = Counter(meant.values())
        return Posting(BitMap(meant), meant.items(), max(counts, key=lambda code: (counts[code], -code)))


class Posting:
    """
    The rows of one term.

    @ivar rows: all of them.
    @ivar usual: the code (L{MEANINGS}) of those that are not marked.
    @ivar marked: those of another code, in rising order.
    @ivar codes: of each of these, its code.
    @ivar top: no code is larger.
    """

    __slots__ = ("_levels", "_mapped", "codes", "marked", "rows", "top", "usual")

    def __init__(self, rows: BitMap | None = None, meant: Iterable[tuple[int, int]] = (), usual: int = PLAIN) -> None:
        """
        @param meant: some of C{rows} in rising order, each with its code; the others are as usual.
        """
        self.rows = BitMap() if rows is None else rows
        self.usual = usual
        marked = [one for one in meant if one[1] != usual]
        self.marked = array("I", [row for row, _ in marked])
        self.codes = bytearray(code for _, code in marked)
        self.top = max(max(self.codes, default=PLAIN), usual)
        self._mapped: BitMap | None = None
        # Kept for the next who asks where it takes long, until something changes.
        self._levels: dict[int, BitMap] | None = None

    @property
    def mapped(self) -> BitMap:
        """The marked rows; not to be changed by the caller."""
        held = self._mapped
        if held is None:
            held = BitMap(self.marked)
            if len(self.marked) >= MAPPED:
                self._mapped = held
        return held

    @property
    def names(self) -> BitMap:
        """The rows where the term is a word of name or location, made anew for each who asks."""
        return self._having(_ODD)

    @property
    def levels(self) -> dict[int, BitMap]:
        """Rows by level of occurrences (see L{overlay.index.bm25.level}), without level 1; not to be changed by the caller."""
        held = self._levels
        if held is None:
            levels = sorted({LEVEL_OF[code] for code in (self.usual, *set(self.codes))} - {1})
            made = {level: self._having([level == one for one in LEVEL_OF]) for level in levels}
            held = {level: rows for level, rows in made.items() if rows}
            if len(self.marked) >= MAPPED:
                self._levels = held
        return held

    def _having(self, table: Sequence[int]) -> BitMap:
        """
        @param table: of each code, whether its rows are wanted.
        """
        usual = table[self.usual]
        if len(self.marked) >= MAPPED:
            from overlay.index.grades import markedHaving

            these = markedHaving(self, [bool(one) is not bool(usual) for one in table])
        else:
            others = [row for row, code in zip(self.marked, self.codes, strict=True) if bool(table[code]) is not bool(usual)]
            these = BitMap(array("I", others))
        return self.rows - these if usual else these

    def markedAmong(self, some: BitMap) -> Iterable[tuple[int, int]]:
        """Those of some rows that are marked, each with its code."""
        marked, codes = self.marked, self.codes
        if len(marked) <= _PICKED:
            return [(row, code) for row, code in zip(marked, codes, strict=True) if row in some]
        these = self.mapped & some
        if self._mapped is not None:
            from overlay.index.grades import codesAmong

            rows = these.to_array()
            return zip(rows, codesAmong(self, rows).tolist(), strict=True)
        found = []
        at = 0
        for row in these:
            at = bisect_left(marked, row, at)
            found.append((row, codes[at]))
        return found

    def add(self, row: int, level: int, named: bool) -> None:
        self._levels = None
        self.rows.add(row)
        code = CODES[level, named]
        if code == self.usual:
            return
        if code > self.top:
            self.top = code
        marked = self.marked
        if not marked or row > marked[-1]:
            marked.append(row)
            self.codes.append(code)
        else:
            at = bisect_left(marked, row)
            marked.insert(at, row)
            self.codes.insert(at, code)
        if self._mapped is not None:
            self._mapped.add(row)

    def remove(self, row: int) -> None:
        self._levels = None
        self.rows.discard(row)
        self._unmark(row)
        if self._mapped is not None:
            self._mapped.discard(row)

    def _unmark(self, row: int) -> None:
        at = bisect_left(self.marked, row)
        if at < len(self.marked) and self.marked[at] == row:
            del self.marked[at], self.codes[at]

    def removeAll(self, gone: BitMap) -> None:
        self._levels = None
        self.rows -= gone
        if not self.marked:
            return
        these = self.mapped & gone
        if len(these) <= _PICKED:
            for row in these:
                self._unmark(row)
        else:
            kept = [row not in these for row in self.marked]
            self.marked = array("I", compress(self.marked, kept))
            self.codes = bytearray(compress(self.codes, kept))
        if self._mapped is not None:
            self._mapped -= these

    def shrink(self) -> None:
        """Give back what is held in reserve for rows that may come, and mark the fewest rows."""
        self._levels = None
        self.rows.shrink_to_fit()
        if 2 * len(self.marked) > len(self.rows):
            self._becomeUsual()
        self.marked, self.codes = self.marked[:], self.codes[:]
        self.top = max(max(self.codes, default=PLAIN), self.usual)
        if self._mapped is not None:
            self._mapped.shrink_to_fit()
            if len(self.marked) < MAPPED:
                self._mapped = None

    def _becomeUsual(self) -> None:
        counts = Counter(self.codes)
        code, most = max(counts.items(), key=lambda one: (one[1], -one[0]))
        if most > len(self.rows) - len(self.marked):
            meant = dict.fromkeys(self.rows, self.usual)
            meant.update(zip(self.marked, self.codes, strict=True))
            again = Posting(self.rows, meant.items(), code)
            self.usual, self.marked, self.codes, self._mapped = code, again.marked, again.codes, None

    def dump(self) -> tuple[bytes, int, bytes, bytes]:
        """For L{load}."""
        return self.rows.serialize(), self.usual, self.marked.tobytes(), bytes(self.codes)

    @classmethod
    def load(cls, dumped: Sequence) -> "Posting":
        """From a dump made on a machine of the same order of bytes."""
        rows, usual, marked, codes = dumped
        made = cls(BitMap.deserialize(rows), (), usual)
        made.marked.frombytes(marked)
        made.codes += codes
        made.top = max(max(codes, default=PLAIN), usual)
        return made


class _View(Posting):
    """
    What is packed, taken apart as far as somebody asks.

    @ivar held: the packed rows.
    """

    __slots__ = ("held",)

    held: bytes | int

    def __init__(self) -> None:
        """The rest is set by whoever makes it, or when it is asked for."""
        self._mapped = self._levels = None
        self.usual = PLAIN

    def __getattr__(self, name: str) -> object:
        if name not in ("marked", "codes", "top"):
            raise AttributeError(name)
        meant = Few.meant(self.held)
        whole = Posting(self.rows, meant.items())
        self.marked, self.codes, self.top = whole.marked, whole.codes, whole.top
        return getattr(self, name)

    def markedAmong(self, some: BitMap) -> Iterable[tuple[int, int]]:
        held = self.held
        if isinstance(held, int):
            return ((held >> 8, held & 0xFF),) if held >> 8 in some else ()
        rows = len(held) // (ROW + 1) * ROW
        codes = held[rows:]
        if not codes.strip(_PLAIN_ALONE):
            return ()
        return [(row, code) for row, code in zip(Few.rows(held), codes, strict=True) if code != PLAIN and row in some]
