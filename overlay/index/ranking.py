"""
The best rows of many, without scoring each: rows fall into classes that have one score (length class, level of occurrences of
each term), and the classes are taken apart best first until enough rows have come out. The bounds are those of the threshold
algorithm (Fagin, Lotem and Naor 2001, "Optimal Aggregation Algorithms for Middleware").
"""

import heapq
from collections.abc import Callable, Sequence
from itertools import count

import attrs
from pyroaring import BitMap

from overlay.index.bm25 import classLength, saturation
from overlay.index.postings import Postings
from overlay.index.terms import Posting

SCORED_ONE_BY_ONE = 256
"""Rows up to which each is simply scored."""
# A bound is summed in another order than a score, and may come out smaller by rounding.
_SLACK = 1 + 1e-12

Best = tuple[float, int, bytes, int]
"""Score with its sign turned, start of the content hash, key, row: so that sorting gives the best first."""


@attrs.frozen(slots=True)
class Unit:
    """
    One thing that scores: a word, or all the words of a prefix as if they were one.

    @ivar weight: how telling it is (see L{overlay.index.bm25.termWeight}).
    """

    posting: Posting
    weight: float


class Ranking:
    """
    @param units: what scores.
    @param average: words of a record on average.
    """

    def __init__(self, postings: Postings, units: Sequence[Unit], average: float) -> None:
        self._postings = postings
        self._units = units
        self._average = max(1.0, average)
        self._worth: dict[tuple[int, int, int], float] = {}
        self._levels = [sorted(unit.posting.levels, reverse=True) for unit in units]

    def best(self, rows: BitMap, wanted: int) -> list[Best]:
        """At most C{wanted} of C{rows}, best first; ties by content, then owner and record id."""
        if not rows or wanted <= 0:
            return []
        if not self._units:
            found = self._tied(rows, 0.0, wanted)
        elif len(rows) <= SCORED_ONE_BY_ONE:
            found = self._scored(rows)
        else:
            found = self._apart(rows, wanted)
        found.sort()
        return found[:wanted]

    def _value(self, unit: int, level: int, length: int) -> float:
        """What a level of one unit is worth in a length class."""
        key = (unit, level, length)
        found = self._worth.get(key)
        if found is None:
            found = self._units[unit].weight * saturation(level, classLength(length), self._average)
            self._worth[key] = found
        return found

    def _entry(self, row: int, score: float) -> Best:
        return -score, self._postings.contents.values[row], self._postings.keyOf(row), row

    def _scored(self, rows: BitMap) -> list[Best]:
        lengths = self._postings.lengths.values
        scores = dict.fromkeys(rows, 0.0)
        for number, unit in enumerate(self._units):
            left = rows & unit.posting.rows
            for level in self._levels[number]:
                some = left & unit.posting.levels[level]
                for row in some:
                    scores[row] += self._value(number, level, lengths[row])
                left -= some
            for row in left:
                scores[row] += self._value(number, 1, lengths[row])
        return [self._entry(row, score) for row, score in scores.items()]

    def _tied(self, rows: BitMap, score: float, wanted: int) -> list[Best]:
        """The best of rows that have one score: the first by content."""
        if len(rows) <= 2 * wanted:
            return [self._entry(row, score) for row in rows]
        found: list[Best] = []
        bands = self._postings.contents.bands
        for band in sorted(bands):
            found += [self._entry(row, score) for row in bands[band] & rows]
            if len(found) >= wanted:
                break
        return found

    def _apart(self, rows: BitMap, wanted: int) -> list[Best]:
        order: Callable[[], int] = count().__next__
        heap: list[tuple[float, int, int, int, float, BitMap]] = []

        def push(some: BitMap, length: int, unit: int, score: float) -> None:
            # What the units from here on can add at most.
            bound = score
            for number in range(unit, len(self._units)):
                top = self._levels[number][0] if self._levels[number] else 1
                bound += self._value(number, top, length)
            heapq.heappush(heap, (-bound * (_SLACK if unit < len(self._units) else 1), order(), length, unit, score, some))

        for length, band in self._postings.lengths.bands.items():
            some = band & rows
            if some:
                push(some, length, 0, 0.0)
        found: list[Best] = []
        last = 0.0
        while heap and (len(found) < wanted or -heap[0][0] >= last):
            _, _, length, number, score, some = heapq.heappop(heap)
            if number == len(self._units):
                last = score
                found += self._tied(some, score, wanted)
                continue
            posting = self._units[number].posting
            left = some & posting.rows
            without = some - left
            if without:
                push(without, length, number + 1, score)
            for level in self._levels[number]:
                if not left:
                    break
                part = left & posting.levels[level]
                if part:
                    push(part, length, number + 1, score + self._value(number, level, length))
                    left -= part
            if left:
                push(left, length, number + 1, score + self._value(number, 1, length))
        return found
