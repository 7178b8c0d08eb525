"""
Rows by term. Most terms are in one row alone and are kept as one number; a few rows are a small array; more are bitmaps, one for each
level of occurrences.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence

from pyroaring import BitMap

PREFIX_TERMS = 1000
"""Most terms that a prefix stands for: of more, those in most rows."""
FEW = 16
"""Rows up to which a term's rows are an array."""
_PENDING = 1024

Packed = int
"""One row of one term: row << 9 | named << 8 | level."""


def _pack(row: int, level: int, named: bool) -> Packed:
    return row << 9 | named << 8 | level


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


def _unpacked(held: "Packed | array[int]") -> Posting:
    posting = Posting()
    for one in (held,) if isinstance(held, int) else held:
        posting.add(one >> 9, one & 0xFF, bool(one & 0x100))
    return posting


class Terms:
    """The rows of every term."""

    def __init__(self) -> None:
        self._held: dict[str, Packed | array[int] | Posting] = {}
        # Terms in order as of the last sorting (some may have gone since), and those that came after it.
        self._sorted: list[str] = []
        self._fresh: list[str] = []

    def __len__(self) -> int:
        return len(self._held)

    def postings(self) -> int:
        """Pairs of a term and a row that has it; a count over all terms."""
        return sum(map(self._size, self._held))

    def add(self, term: str, row: int, level: int, named: bool) -> None:
        """C{row} does not have the term yet."""
        held = self._held.get(term)
        if held is None:
            self._held[term] = _pack(row, level, named)
            self._fresh.append(term)
            if len(self._fresh) > 2 * len(self._held) + _PENDING:
                self._sorted, self._fresh = sorted(self._held), []
        elif isinstance(held, int):
            self._held[term] = array("Q", (held, _pack(row, level, named)))
        elif isinstance(held, Posting):
            held.add(row, level, named)
        else:
            held.append(_pack(row, level, named))
            if len(held) > FEW:
                self._held[term] = _unpacked(held)

    def remove(self, term: str, row: int) -> None:
        """C{row} has the term no longer; no error if it never had."""
        held = self._held.get(term)
        if isinstance(held, int):
            if held >> 9 == row:
                del self._held[term]
        elif isinstance(held, Posting):
            held.remove(row)
            if not held.rows:
                del self._held[term]
        elif held is not None:
            for one in held:
                if one >> 9 == row:
                    held.remove(one)
                    break
            if not held:
                del self._held[term]

    def removeAll(self, gone: BitMap) -> None:
        """Many rows go at once: one sweep over all terms."""
        for term, held in list(self._held.items()):
            if isinstance(held, int):
                left: object = held >> 9 not in gone
            elif isinstance(held, Posting):
                held.removeAll(gone)
                left = held.rows
            else:
                kept = array("Q", [one for one in held if one >> 9 not in gone])
                self._held[term] = left = kept
            if not left:
                del self._held[term]

    def get(self, term: str) -> Posting | None:
        """The rows of a term; not to be changed by the caller."""
        held = self._held.get(term)
        return held if held is None or isinstance(held, Posting) else _unpacked(held)

    def union(self, terms: Sequence[str]) -> tuple[BitMap, BitMap]:
        """The rows that have any of these terms, and those that have any in name or location."""
        packed: list[Packed] = []
        whole: list[Posting] = []
        for term in terms:
            held = self._held.get(term)
            if isinstance(held, int):
                packed.append(held)
            elif isinstance(held, Posting):
                whole.append(held)
            elif held is not None:
                packed.extend(held)
        rows = BitMap([one >> 9 for one in packed])
        names = BitMap([one >> 9 for one in packed if one & 0x100])
        return BitMap.union(rows, *(one.rows for one in whole)), BitMap.union(names, *(one.names for one in whole))

    def _size(self, term: str) -> int:
        held = self._held[term]
        if isinstance(held, int):
            return 1
        return len(held.rows) if isinstance(held, Posting) else len(held)

    def beginning(self, start: str) -> list[str]:
        """The terms that begin so, in order; of more than L{PREFIX_TERMS} those in most rows, then the first ones."""
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
        few: list[tuple[str, bytes]] = []
        many: list[tuple] = []
        for term, held in self._held.items():
            if isinstance(held, int):
                singles.append(term)
                packed.append(held)
            elif isinstance(held, Posting):
                levels = {level: rows.serialize() for level, rows in held.levels.items()}
                many.append((term, held.rows.serialize(), held.names.serialize(), levels))
            else:
                few.append((term, held.tobytes()))
        return singles, packed.tobytes(), few, many

    def load(self, dumped: Sequence) -> None:
        singles, packed, few, many = dumped
        numbers = array("Q")
        numbers.frombytes(packed)
        self._held = dict(zip(singles, numbers, strict=True))
        for term, data in few:
            rows = self._held[term] = array("Q")
            rows.frombytes(data)
        for term, rows, names, levels in many:
            posting = self._held[term] = Posting()
            posting.rows = BitMap.deserialize(rows)
            posting.names = BitMap.deserialize(names)
            posting.levels = {level: BitMap.deserialize(some) for level, some in levels.items()}
        self._sorted = sorted(self._held)
