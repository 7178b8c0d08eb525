"""
The best rows of many. A few are sorted without arrays (L{overlay.index.handful}), more of them by arrays (L{overlay.index.classes}; of many
words L{overlay.index.vectors}). Of many that have every word most are never looked at (L{overlay.index.summit}), and so of very many: rows
fall into classes that have one score (length class, level of occurrences of each term), and these are taken apart best first until enough
rows have come out. The bounds are those of the threshold algorithm (Fagin, Lotem and Naor 2001, "Optimal Aggregation Algorithms for
Middleware").
"""

import heapq
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING

from pyroaring import BitMap

from overlay.index.bm25 import classLength, saturation
from overlay.index.handful import Handful
from overlay.index.having import Having
from overlay.index.postings import Postings
from overlay.index.scoring import BM25, Best, Front, Parts, Unit, Unseen, normal
from overlay.questions import Formula

if TYPE_CHECKING:
    from overlay.index.classes import Classes
    from overlay.index.vectors import Vectors

HANDFUL = 64
"""Rows up to which they are sorted without arrays; a peer that holds little never loads what arrays need."""
CLASSED = 32_768
"""Rows up to which all are scored, of few words."""
NARROWED = 1024
"""Of more rows that have every word, most are not looked at (L{overlay.index.summit})."""
UNITS_MOST = 3
"""Words up to which that is tried."""
SCORED_AT_ONCE = 4096
"""Of more rows most are left out before they are scored."""
MANY_UNITS = 4
"""From so many on, classes are about as many as rows: then all of L{SCORED_OF_MANY} are scored."""
SCORED_OF_MANY = 65_536
# A bound is summed in another order than a score, and may come out smaller by rounding.
_SLACK = 1 + 1e-12


class Ranking:
    """
    @param units: what scores.
    @param average: words of a record on average.
    @param places: how many words and prefixes score in the expression.
    @param every: whether all rows have all units.
    """

    def __init__(
        self, postings: Postings, units: Sequence[Unit], average: float, places: int, formula: Formula = BM25, every: bool = False
    ) -> None:
        self._postings = postings
        self._units = units
        self._average = max(1.0, average)
        self._places = places
        self._formula = formula
        self._every = every
        # What the last call of best has looked at, and what covers all else.
        self._sorter: Handful | Classes | None = None
        self._vectors: Vectors | None = None
        self._unseen: list[Unseen] = []
        self._worth: dict[tuple[int, int, int], float] = {}

    def best(self, having: Having, wanted: int) -> list[Best]:
        """At most C{wanted} of some rows, best first; ties by content, then owner and record id."""
        size = len(having)
        if not size or wanted <= 0:
            return []
        if self._formula.order == "newest":
            return self._sorted(self._newest(having.rows, wanted))[:wanted]
        units, average, places, formula, every = self._units, self._average, self._places, self._formula, self._every
        if size <= HANDFUL:
            self._sorter = Handful(self._postings, having.rows, units, average, places, formula, every)
            return self._sorter.best(wanted)
        # Most peers hold too little to need arrays, and what brings them takes memory and time to load.
        if every and size > max(NARROWED, 4 * wanted) and 0 < len(units) <= UNITS_MOST:
            from overlay.index.summit import Summit

            summit = Summit.of(self._postings, having, units, average, places, formula, wanted)
            if summit is not None:
                self._sorter, self._unseen = summit.classes, summit.unseen
                return summit.classes.best(wanted)
        rows = having.rows
        if size <= CLASSED and len(units) < MANY_UNITS:
            from overlay.index.classes import Classes

            self._sorter = Classes(self._postings, rows, units, average, places, formula, every)
            return self._sorter.best(wanted)
        if size > (SCORED_OF_MANY if len(self._units) >= MANY_UNITS else max(SCORED_AT_ONCE, 2 * wanted)):
            rows = self._narrowed(rows, wanted)
        from overlay.index.vectors import Vectors

        vectors = self._vectors = Vectors(self._postings, rows, units, average, places, formula, every)
        return vectors.best(wanted, self._postings.keyOf)

    def _sorted(self, found: list[Best]) -> list[Best]:
        return sorted(found, key=lambda one: (one[0], one[1], self._postings.keyOf(one[2])))

    def front(self, shown: Sequence[Best], want: int, score: Callable[[Parts], float]) -> Front:
        """
        What covers all rows of the last L{best} but those C{shown}, as far as any may be among the best C{want} contents. A row whose
        content is shown already, and cannot score better than that, is as good as shown.

        @param score: a guess by which parts are looked at.
        """
        pairs = [(one[3], one[1]) for one in shown]
        if self._sorter is not None:
            return self._sorter.front(shown, score, self._unseen).without(pairs, want)
        assert self._vectors is not None
        return Front(self._vectors.front(shown, self._unseen)).without(pairs, want)

    def _newest(self, rows: BitMap, wanted: int) -> list[Best]:
        """The best by time of change."""
        values, bands = self._postings.modified.values, self._postings.modified.bands
        contents = self._postings.contents.values
        found: list[Best] = []
        for band in sorted(bands, reverse=True):
            found += [(-float(values[row]), contents[row], row, b"") for row in bands[band] & rows]
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

    # --- of very many ------------------------------------------------------------------------------------------------

    def _narrowed(self, rows: BitMap, wanted: int) -> BitMap:
        """Some of C{rows}, the best C{wanted} among them; what covers the others is kept."""
        order: Callable[[], int] = count().__next__
        held = [unit.posting.levels for unit in self._units]
        levels = [sorted(one, reverse=True) for one in held]
        heap: list[tuple[float, int, Parts, int, float, BitMap]] = []

        def push(some: BitMap, parts: Parts, unit: int, score: float) -> None:
            length = parts[0]
            # What the units from here on can add at most.
            bound = score
            for number in range(unit, len(self._units)):
                top = levels[number][0] if levels[number] else 1
                bound += self._value(number, top, length)
            heapq.heappush(heap, (-bound * (_SLACK if unit < len(self._units) else 1), order(), parts, unit, score, some))

        if self._units:
            nothing = bytes(self._places)
            for length, band in self._postings.lengths.bands.items():
                some = band & rows
                if some:
                    push(some, bytes((length, *nothing)), 0, 0.0)
        else:
            push(rows, bytes(1 + self._places), 0, 0.0)
        kept: list[BitMap] = []
        found = 0
        last = 0.0
        while heap and (found < wanted or -heap[0][0] >= last):
            _, _, parts, number, score, some = heapq.heappop(heap)
            if number == len(self._units):
                last = score
                some = self._tied(some, score, parts, wanted)
                kept.append(some)
                found += len(some)
                continue
            length = parts[0]
            posting, place = self._units[number].posting, 1 + self._units[number].place
            left = some & posting.rows
            without = some - left
            if without:
                push(without, parts, number + 1, score)
            for level in levels[number]:
                if not left:
                    break
                part = left & held[number][level]
                if part:
                    push(part, _with(parts, place, level), number + 1, score + self._value(number, level, length))
                    left -= part
            if left:
                push(left, _with(parts, place, 1), number + 1, score + self._value(number, 1, length))
        for bound, _, parts, number, _, _ in heap:
            for unit in range(number, len(self._units)):
                parts = _with(parts, 1 + self._units[unit].place, levels[unit][0] if levels[unit] else 1)
            self._unseen.append((-bound, normal(parts), 0))
        return BitMap.union(*kept)

    def _tied(self, rows: BitMap, score: float, parts: Parts, wanted: int) -> BitMap:
        """Some of the rows that have one score: at least C{wanted}, the first by content."""
        if len(rows) <= max(wanted, SCORED_AT_ONCE // 4):
            return rows
        import numpy as np

        listed = np.frombuffer(rows.to_array(), np.uint32)
        contents = np.frombuffer(self._postings.contents.values, np.uint64)[listed]
        last = np.partition(contents, wanted - 1)[wanted - 1]
        some = BitMap(listed[contents <= last])
        if len(some) < len(rows):
            self._unseen.append((score, normal(parts), int(last)))
        return some


def _with(parts: Parts, place: int, level: int) -> Parts:
    return parts[:place] + bytes((level,)) + parts[place + 1 :]
