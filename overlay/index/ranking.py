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
from overlay.index.scoring import BM25, Parts, covers, normal
from overlay.index.terms import Posting
from overlay.questions import Formula

SCORED_ONE_BY_ONE = 256
"""Rows up to which each is simply scored."""
MANY_UNITS = 4
"""From so many on, classes are about as many as rows: each of these is scored if there are no more than twice as many as are wanted."""
# A bound is summed in another order than a score, and may come out smaller by rounding.
_SLACK = 1 + 1e-12

Best = tuple[float, int, bytes, int, Parts]
"""Score with its sign turned, start of the content hash, key, row, parts: so that sorting gives the best first."""


@attrs.frozen(slots=True)
class Unit:
    """
    One thing that scores: a word, or all the words of a prefix as if they were one.

    @ivar place: its number among all that score in the expression, from 0; those that no record has are no units.
    @ivar weight: how telling it is (see L{overlay.index.bm25.termWeight}).
    """

    posting: Posting
    weight: float
    place: int


class Ranking:
    """
    @param units: what scores.
    @param average: words of a record on average.
    @param places: how many words and prefixes score in the expression.
    """

    def __init__(
        self, postings: Postings, units: Sequence[Unit], average: float, places: int, formula: Formula = BM25
    ) -> None:
        self._postings = postings
        self._units = units
        self._average = max(1.0, average)
        self._places = places
        self._formula = formula
        self._unseen: list[Parts] = []
        self._cut: list[Best] = []
        self._worth: dict[tuple[int, int, int], float] = {}
        self._levels = [sorted(unit.posting.levels, reverse=True) for unit in units]

    def best(self, rows: BitMap, wanted: int) -> list[Best]:
        """At most C{wanted} of C{rows}, best first; ties by content, then owner and record id."""
        if not rows or wanted <= 0:
            return []
        if self._formula.order == "newest":
            found = self._newest(rows, wanted)
        elif not self._units:
            found = self._tied(rows, 0.0, wanted, bytes(1 + self._places))
        elif len(rows) <= max(SCORED_ONE_BY_ONE, 2 * wanted if len(self._units) >= MANY_UNITS else 0):
            found = self._scored(rows)
        else:
            found = self._apart(rows, wanted)
        found.sort()
        self._cut = found[wanted:]
        return found[:wanted]

    def beyond(self, held: Sequence[Best], shown: Sequence[Best]) -> dict[Parts, int]:
        """
        What covers C{held}, and all rows that the last L{best} has left out: parts, and the first content that any of them may have.
        A row whose content is shown already, and cannot score better than that, is as good as shown.

        @param held: in order.
        """
        # So that of like parts the first content is the last to be put in.
        first: dict[Parts, int] = {}
        twice: dict[int, list[Parts]] = {}
        for _, content, _, _, parts in shown:
            twice.setdefault(content, []).append(parts)
        for some in (self._cut, held):
            for _, content, _, _, parts in reversed(some):
                if content not in twice or not any(covers(one, parts) for one in twice[content]):
                    first[parts] = content
        first.update(dict.fromkeys(self._unseen, 0))
        return first

    def _newest(self, rows: BitMap, wanted: int) -> list[Best]:
        """The best by time of change."""
        values, bands = self._postings.modified.values, self._postings.modified.bands
        found: list[Best] = []
        for band in sorted(bands, reverse=True):
            found += [self._entry(row, float(values[row]), b"") for row in bands[band] & rows]
            if len(found) >= wanted:
                break
        return found

    def _value(self, unit: int, level: int, length: int) -> float:
        """What a level of one unit is worth in a length class."""
        key = (unit, level, length)
        found = self._worth.get(key)
        if found is None:
            formula = self._formula
            found = self._units[unit].weight * saturation(level, classLength(length), self._average, formula.k1, formula.b)
            self._worth[key] = found
        return found

    def _entry(self, row: int, score: float, parts: Parts) -> Best:
        return -score, self._postings.contents.values[row], self._postings.keyOf(row), row, parts

    def _scored(self, rows: BitMap) -> list[Best]:
        lengths = self._postings.lengths.values
        scores = dict.fromkeys(rows, 0.0)
        parts = {row: bytearray(1 + self._places) for row in rows}
        for number, unit in enumerate(self._units):
            at = 1 + unit.place
            left = rows & unit.posting.rows
            for level in self._levels[number]:
                some = left & unit.posting.levels[level]
                for row in some:
                    scores[row] += self._value(number, level, lengths[row])
                    parts[row][at] = level
                left -= some
            for row in left:
                scores[row] += self._value(number, 1, lengths[row])
                parts[row][at] = 1
        for row, one in parts.items():
            one[0] = lengths[row]
        return [self._entry(row, score, normal(bytes(parts[row]))) for row, score in scores.items()]

    def _tied(self, rows: BitMap, score: float, wanted: int, parts: Parts) -> list[Best]:
        """The best of rows that have one score: the first by content."""
        if len(rows) <= 2 * wanted:
            return [self._entry(row, score, parts) for row in rows]
        found: list[Best] = []
        bands = self._postings.contents.bands
        for band in sorted(bands):
            found += [self._entry(row, score, parts) for row in bands[band] & rows]
            if len(found) >= wanted:
                break
        return found

    def _apart(self, rows: BitMap, wanted: int) -> list[Best]:
        order: Callable[[], int] = count().__next__
        heap: list[tuple[float, int, Parts, int, float, BitMap]] = []

        def push(some: BitMap, parts: Parts, unit: int, score: float) -> None:
            length = parts[0]
            # What the units from here on can add at most.
            bound = score
            for number in range(unit, len(self._units)):
                top = self._levels[number][0] if self._levels[number] else 1
                bound += self._value(number, top, length)
            heapq.heappush(heap, (-bound * (_SLACK if unit < len(self._units) else 1), order(), parts, unit, score, some))

        nothing = bytes(self._places)
        for length, band in self._postings.lengths.bands.items():
            some = band & rows
            if some:
                push(some, bytes((length, *nothing)), 0, 0.0)
        found: list[Best] = []
        last = 0.0
        while heap and (len(found) < wanted or -heap[0][0] >= last):
            _, _, parts, number, score, some = heapq.heappop(heap)
            if number == len(self._units):
                last = score
                found += self._tied(some, score, wanted, normal(parts))
                continue
            length = parts[0]
            posting, place = self._units[number].posting, 1 + self._units[number].place
            left = some & posting.rows
            without = some - left
            if without:
                push(without, parts, number + 1, score)
            for level in self._levels[number]:
                if not left:
                    break
                part = left & posting.levels[level]
                if part:
                    push(part, _with(parts, place, level), number + 1, score + self._value(number, level, length))
                    left -= part
            if left:
                push(left, _with(parts, place, 1), number + 1, score + self._value(number, 1, length))
        self._unseen = [self._most(parts, number) for _, _, parts, number, _, _ in heap]
        return found

    def _most(self, parts: Parts, unit: int) -> Parts:
        """What covers all rows that have these parts in the units before C{unit}."""
        for number in range(unit, len(self._units)):
            parts = _with(parts, 1 + self._units[number].place, self._levels[number][0] if self._levels[number] else 1)
        return parts


def _with(parts: Parts, place: int, level: int) -> Parts:
    return parts[:place] + bytes((level,)) + parts[place + 1 :]
