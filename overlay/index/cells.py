"""
Very many rows that all have every word, narrowed to those among which the best are. Rows that have each word about equally often are one
I{cell}, which is bounded by the most that one of them has: an intersection of bitmaps, most of them small, since few rows have a word
more than once or in their name. Cells are taken best first; then those that could still hold one of the best, and of these only the rows
that are short enough (the bounds are those of the threshold algorithm, Fagin, Lotem and Naor 2001).
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from operator import ge

from pyroaring import BitMap

from overlay.index.postings import Postings
from overlay.index.ranking import Unit, Unseen
from overlay.index.scoring import Parts

UNITS_MOST = 3
"""Words up to which there are so few cells that they are worth while."""
_TIERS = ((2, 2), (3, 3), (4, 7), (8, 255))
"""Levels that are one, but for the first."""
_FEW = 64
"""A cell that cannot have more rows is looked at to say how short they are; of others it is taken that some are as short as any."""

Levels = tuple[int, ...]


class Cells:
    """
    @param rows: all of them have every unit.
    @param value: what a level of a unit, by its number, is worth in a length class.
    @param places: how many words and prefixes score in the expression.
    """

    def __init__(
        self, postings: Postings, rows: BitMap, units: Sequence[Unit], places: int, value: Callable[[int, int, int], float]
    ) -> None:
        self._rows = rows
        self._levels = [_tiersOf(unit.posting.levels) for unit in units]
        self._places = [1 + unit.place for unit in units]
        self._number = 1 + places
        self._value = value
        self._bands = postings.lengths.bands
        self._lengths = sorted(self._bands)
        self._shortest = next((length for length in self._lengths if self._bands[length].intersect(rows)), 0)
        # Those that have not been taken, with the best that a row of them may score, the best one last.
        self._left = sorted(
            (self._score(levels, self._shortest), levels) for levels in product(*((1, *sorted(some)) for some in self._levels))
        )
        self._unseen: list[tuple[float, int, Levels]] = []

    def _score(self, levels: Levels, length: int) -> float:
        score = 0.0
        for number, level in enumerate(levels):
            score += self._value(number, level, length)
        return score

    def _cell(self, levels: Levels) -> BitMap:
        """The rows that have each unit so often, or nearly."""
        some: BitMap | None = None
        upper = [held[level] for held, level in zip(self._levels, levels, strict=True) if level > 1]
        for one in sorted(upper, key=len):
            some = one if some is None else some & one
        some = self._rows if some is None else some & self._rows
        for held, level in zip(self._levels, levels, strict=True):
            if level == 1:
                for one in held.values():
                    some = some - one
        return some

    def first(self, wanted: int) -> BitMap:
        """At least C{wanted} rows, if there are so many, of the best cells."""
        taken: list[BitMap] = []
        while self._left and wanted > 0:
            some = self._cell(self._left.pop()[1])
            if some:
                wanted -= len(some)
                taken.append(some)
        return BitMap.union(*taken) if taken else BitMap()

    def further(self, least: float) -> BitMap:
        """The other rows that may score C{least} or more. To be called once."""
        taken = [BitMap()]
        for bound, levels in reversed(self._left):
            if bound < least:
                self._leaveOut(bound, levels)
                continue
            cell = self._cell(levels)
            for length in self._lengths:
                if not cell:
                    break
                some = cell & self._bands[length]
                if not some:
                    continue
                score = self._score(levels, length)
                if score < least:
                    self._unseen.append((score, length, levels))
                    break
                taken.append(some)
                cell = cell - some
        return BitMap.union(*taken)

    def _leaveOut(self, bound: float, levels: Levels) -> None:
        length = self._shortest
        sizes = [len(held[level]) for held, level in zip(self._levels, levels, strict=True) if level > 1]
        if sizes and min(sizes) <= _FEW:
            cell = self._cell(levels)
            if not cell:
                return
            length = next(length for length in self._lengths if self._bands[length].intersect(cell))
            bound = self._score(levels, length)
        self._unseen.append((bound, length, levels))

    def unseen(self) -> list[Unseen]:
        """What covers the rows that neither L{first} nor L{further} gave."""
        line: list[tuple[float, int, Levels]] = []
        for one in self._unseen:
            if not any(above[1] <= one[1] and all(map(ge, above[2], one[2])) for above in line):
                line.append(one)
        return [(bound, self._partsOf(length, levels), 0) for bound, length, levels in line]

    def _partsOf(self, length: int, levels: Levels) -> Parts:
        parts = bytearray(self._number)
        parts[0] = length
        for place, level in zip(self._places, levels, strict=True):
            parts[place] = level
        return bytes(parts)


def _tiersOf(levels: Mapping[int, BitMap]) -> dict[int, BitMap]:
    """The rows of each tier, by its highest level that there is."""
    found = {}
    for low, high in _TIERS:
        some = [level for level in levels if low <= level <= high]
        if some:
            found[max(some)] = levels[some[0]] if len(some) == 1 else BitMap.union(*map(levels.__getitem__, some))
    return found
