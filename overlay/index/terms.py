"""
Rows by term. Most terms are in one row alone and are kept as one number; a few rows are packed into bytes; more are a
L{overlay.index.posting.Posting}.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Sequence

from pyroaring import BitMap

from overlay.index.posting import ROW, Few, Posting

PREFIX_TERMS = 1000
"""Most terms that a prefix stands for: of more, those in most rows."""
FEW = 96
"""Rows up to which a term's rows are packed: a bitmap takes some 100 bytes however few its rows are."""
_PENDING = 1024
_ORDER = sys.byteorder


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
        self._held[term] = more if len(more) <= (ROW + 1) * FEW else Few.unpacked(more)

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
                held.shrink()

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
        return len(held.rows) if isinstance(held, Posting) else len(held) // (ROW + 1)

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
                many.append((term, *held.dump()))
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
        for term, *whole in many:
            self._held[term] = Posting.load(whole)
        self._sorted, self._fresh = sorted(self._held), []
