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

PREFIX_TERMS = 20_000
"""Most terms that a prefix stands for: of more, those in most rows. To join so many takes some 30 ms, for which nothing else is done."""
SIZED = 4
"""So many times as many are compared by their rows."""
FEW = 96
"""Rows up to which a term's rows are packed: a bitmap takes some 100 bytes however few its rows are."""
_PENDING = 1024
_ORDER = sys.byteorder


class Terms:
    """The rows of every term."""

    def __init__(self) -> None:
        # Apart from one another, since a dictionary of bytes and numbers alone is passed over by Python's search for cycles, which would
        # otherwise look through all terms again and again.
        self._few: dict[str, int | bytes] = {}
        self._many: dict[str, Posting] = {}
        # Terms in order as of the last sorting (some may have gone since), and those that came after it; None until somebody asks.
        # Not a list, for the same reason.
        self._sorted: tuple[str, ...] = ()
        self._fresh: list[str] | None = None

    def __len__(self) -> int:
        return len(self._few) + len(self._many)

    def __contains__(self, term: str) -> bool:
        return term in self._few or term in self._many

    def _all(self) -> list[str]:
        return [*self._few, *self._many]

    def postings(self) -> int:
        """Pairs of a term and a row that has it; a count over all terms."""
        return sum(map(self._rowsIn, self._few.values())) + sum(map(self._rowsIn, self._many.values()))

    def add(self, term: str, row: int, level: int, named: bool) -> None:
        """C{row} does not have the term yet."""
        held = self._few.get(term)
        if held is not None:
            more = Few.added(Few.ofOne(held) if isinstance(held, int) else held, row, level, named)
            if len(more) <= (ROW + 1) * FEW:
                self._few[term] = more
            else:
                del self._few[term]
                self._many[term] = Few.unpacked(more)
            return
        many = self._many.get(term)
        if many is not None:
            many.add(row, level, named)
            return
        self._few[term] = Few.one(row, level, named)
        if self._fresh is not None:
            self._fresh.append(term)
            if len(self._fresh) > 2 * len(self) + _PENDING:
                self._sort()

    def _sort(self) -> None:
        self._sorted, self._fresh = tuple(sorted(self._all())), []

    def remove(self, term: str, row: int) -> None:
        """C{row} has the term no longer; no error if it never had."""
        many = self._many.get(term)
        if many is not None:
            many.remove(row)
            if not many.rows:
                del self._many[term]
            return
        held = self._few.get(term)
        if isinstance(held, int):
            if held >> 8 == row:
                del self._few[term]
        elif held is not None:
            left = Few.without(held, row)
            if left:
                self._few[term] = left
            else:
                del self._few[term]

    def removeAll(self, gone: BitMap) -> None:
        """Many rows go at once: one sweep over all terms."""
        for term, many in list(self._many.items()):
            many.removeAll(gone)
            if not many.rows:
                del self._many[term]
        for term, held in list(self._few.items()):
            if isinstance(held, int):
                if held >> 8 in gone:
                    del self._few[term]
                continue
            kept = held
            for row in Few.rows(held):
                if row in gone:
                    kept = Few.without(kept, row)
            if not kept:
                del self._few[term]
            elif kept is not held:
                self._few[term] = kept

    def shrink(self) -> None:
        """Give back what bitmaps hold in reserve."""
        for held in self._many.values():
            held.shrink()

    def get(self, term: str) -> Posting | None:
        """The rows of a term; not to be changed by the caller."""
        held = self._few.get(term)
        return self._many.get(term) if held is None else Few.viewed(held)

    def union(self, terms: Sequence[str]) -> tuple[BitMap, BitMap]:
        """The rows that have any of these terms, and those that have any in name or location."""
        rows: array[int] = array("I")
        names: array[int] = array("I")
        whole: list[Posting] = []
        for term in terms:
            held = self._few.get(term)
            if isinstance(held, int):
                held = Few.ofOne(held)
            if held is not None:
                rows += Few.rows(held)
                names += Few.named(held)
            elif term in self._many:
                whole.append(self._many[term])
        return BitMap.union(BitMap(rows), *(one.rows for one in whole)), BitMap.union(BitMap(names), *(one.names for one in whole))

    def _size(self, term: str) -> int:
        held = self._few.get(term)
        return self._rowsIn(self._many[term] if held is None else held)

    @staticmethod
    def _rowsIn(held: "int | bytes | Posting") -> int:
        if isinstance(held, int):
            return 1
        return len(held.rows) if isinstance(held, Posting) else len(held) // (ROW + 1)

    def beginning(self, start: str) -> list[str]:
        """The terms that begin so, in order; of more than L{PREFIX_TERMS} those in most rows, then the first ones."""
        if self._fresh is None:
            self._sort()
        assert self._fresh is not None
        if len(self._fresh) > max(_PENDING, len(self._sorted) // 64):
            merged = [one for one in self._sorted if one in self]
            merged += sorted(one for one in set(self._fresh) if one in self)
            merged.sort()  # two sorted runs: linear
            self._sorted, self._fresh = tuple(merged), []
        found = {one for one in self._fresh if one.startswith(start) and one in self}
        low = bisect_left(self._sorted, start)
        high = bisect_left(self._sorted, True, low, key=lambda one: not one.startswith(start))
        if high - low > SIZED * PREFIX_TERMS:
            # To look at each would take too long: of those in few rows the first ones do.
            often = [one for one in self._many if one.startswith(start)]
            found = set(sorted(often, key=lambda one: (-self._size(one), one))[:PREFIX_TERMS])
            for at in range(low, high):
                if len(found) >= PREFIX_TERMS:
                    break
                if self._sorted[at] in self:
                    found.add(self._sorted[at])
            return sorted(found)
        found.update(one for one in self._sorted[low:high] if one in self)
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
        for term, held in self._few.items():
            if isinstance(held, int):
                singles.append(term)
                packed.append(held)
            else:
                few.append(term)
                lengths.append(len(held))
                data.append(held)
        many = [(term, *held.dump()) for term, held in self._many.items()]
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
        self._few = dict(zip(singles, numbers, strict=True))
        at = 0
        for term, size in zip(few, sizes, strict=True):
            self._few[term] = data[at : at + size]
            at += size
        self._many = {term: Posting.load(whole) for term, *whole in many}
        self._sort()
