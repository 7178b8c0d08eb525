"""
Many rows ranked by their classes. Rows of one length class that have each term equally often score alike, so that of thousands of rows
there are some dozens of scores: the classes are counted, the classes are scored, and only rows of the best classes are looked at. A class
is one number: a digit for the level of each unit, and a last one for the length.
"""

import sys
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice

import numpy as np
from pyroaring import BitMap

from overlay.index.bm25 import classLength
from overlay.index.postings import Postings
from overlay.index.ranking import Best, Unit, Unseen
from overlay.index.scoring import FRONT_MOST, Front, Parts, covers
from overlay.questions import Formula

CLASSES_MOST = 1 << 16
"""Numbers that there may be for classes; each row has one of two bytes."""
CELLS_MOST = 1024
"""Ways in which the terms may occur, likewise."""
_LENGTHS = np.array([classLength(number) for number in range(256)], np.float64)
_ONE_BY_ONE = 256
"""Classes up to which each is scored by itself: an array takes as long as some dozens of them."""
_FEW_TIES = 4
"""Of more than so many times the rows wanted that score alike, the first by content are picked before all are sorted."""
_NOWHERE = 256
_BYTES = [bytes((number,)) for number in range(256)]
_TOP: Best = (1.0, 0, 0, b"")
_ORDER = sys.byteorder


class Classes:
    """
    Rows by class.

    @ivar rows: in rising order.
    """

    def __init__(self, postings: Postings, rows: np.ndarray, codes: np.ndarray, tables: list[list[int]], low: int, width: int) -> None:
        """
        @param codes: of each row, its class.
        @param tables: for each unit, the level that each digit stands for.
        @param low: length class that the last digit 0 stands for.
        @param width: how many length classes there may be.
        """
        self._postings = postings
        self.rows = rows
        self._codesOf = codes
        self._tables = tables
        self._low = low
        self._width = width
        size = width
        for table in tables:
            size *= len(table)
        self._size = size
        counts = np.bincount(codes, minlength=size)
        classes = counts.nonzero()[0]
        # How many rows each class has, in rising order of their numbers.
        self._counts: dict[int, int] = dict(zip(classes.tolist(), counts[classes].tolist(), strict=True))
        self._scores: dict[int, float] = {}
        self._places: list[int] = []
        self._number = 1
        # By what a class is made of but for the length: its parts from the second on.
        self._ends: dict[int, bytes] = {}
        # What the last call of best has sorted, and the classes of these rows by their parts.
        self._found: list[Best] = []
        self._codes: dict[Parts, int] = {}

    @classmethod
    def of(cls, postings: Postings, some: BitMap, units: Sequence[Unit], every: bool = False) -> "Classes | None":
        """
        @param every: whether all of these rows have all units.
        @return: None if there are too many classes to be counted.
        """
        rows = np.frombuffer(some.to_array(), np.uint32)
        bands = postings.lengths.bands
        low = min(bands)
        size = width = max(bands) - low + 1
        tables: list[list[int]] = []
        marks: list[tuple[list[array[int]], list[bytes]]] = []
        for unit in units:
            posting = unit.posting
            left = len(rows) if every else some.intersection_cardinality(posting.rows)
            mine: list[array[int]] = []
            digits: list[bytes] = []
            if left == len(rows):
                table = [1]
            else:
                table = [0, 1]
                having = (some & posting.rows).to_array()
                marks.append(([having], [size.to_bytes(2, _ORDER) * len(having)]))
            base = len(table) - 1
            for level in sorted(posting.levels):
                if not left:
                    break
                these = posting.levels[level] & some
                if these:
                    having = these.to_array()
                    left -= len(having)
                    mine.append(having)
                    digits.append((size * (len(table) - base) & 0xFFFF).to_bytes(2, _ORDER) * len(having))
                    table.append(level)
            if mine:
                marks.append((mine, digits))
            tables.append(table)
            size *= len(table)
            if size > CLASSES_MOST or size > CELLS_MOST * width:
                return None
        codes = np.frombuffer(postings.lengths.values, np.uint8)[rows].astype(np.uint16)
        if low:
            codes -= np.uint16(low)
        if marks:
            codes += _marked(postings, rows, marks)
        return cls(postings, rows, codes, tables, low, width)

    def score(self, units: Sequence[Unit], average: float, places: int, formula: Formula) -> None:
        """Score every class that has a row, the very numbers that L{overlay.index.scoring.scorer} gives."""
        self._places = [unit.place for unit in units]
        self._number = 1 + places
        k1 = formula.k1
        norms = _norms(self._low, self._width, average, k1, formula.b)
        if len(self._counts) > _ONE_BY_ONE:
            self._scoreAll(units, k1, norms)
            return
        width = self._width
        none = (0.0,) * width
        values = []
        for unit, table in zip(units, self._tables, strict=True):
            weight = unit.weight
            values.append([[weight * (one * (k1 + 1) / (one + norm)) for norm in norms] if one else none for one in table])
        scores = self._scores
        before = -1
        worth: list[Sequence[float]] = []
        for code in self._counts:
            rest, length = divmod(code, width)
            if rest != before:
                before, worth = rest, []
                for ofLevels in values:
                    rest, digit = divmod(rest, len(ofLevels))
                    worth.append(ofLevels[digit])
            score = 0.0
            for one in worth:
                score += one[length]
            scores[code] = score

    def _scoreAll(self, units: Sequence[Unit], k1: float, norms: Sequence[float]) -> None:
        classes = np.array(list(self._counts))
        rest, lengths = np.divmod(classes, self._width)
        norm = np.array(norms)[lengths]
        scores = np.zeros(len(rest), np.float64)
        for unit, table in zip(units, self._tables, strict=True):
            rest, digits = np.divmod(rest, len(table))
            occurrences = np.array(table, np.float64)[digits]
            if table[0]:
                scores += unit.weight * (occurrences * (k1 + 1) / (occurrences + norm))
            else:
                there = digits > 0
                some = occurrences[there]
                scores[there] += unit.weight * (some * (k1 + 1) / (some + norm[there]))
        self._scores = dict(zip(self._counts, scores.tolist(), strict=True))

    def _partsOf(self, code: int) -> Parts:
        cell, length = divmod(code, self._width)
        end = self._ends.get(cell)
        if end is None:
            rest = cell
            levels = bytearray(self._number - 1)
            for place, table in zip(self._places, self._tables, strict=True):
                rest, digit = divmod(rest, len(table))
                levels[place] = table[digit]
            end = self._ends[cell] = bytes(levels)
        # Length says nothing where nothing scores.
        return _BYTES[self._low + length] + end if any(end) else bytes(self._number)

    def best(self, wanted: int) -> list[Best]:
        """At most C{wanted} rows, best first; ties by content, then key."""
        scores = self._scores
        rows, codes = self.rows, self._codesOf
        chosen = scores
        last = 0.0
        if wanted < len(rows):
            chosen, last = self._chosen(wanted)
            if len(chosen) < len(scores):
                table = bytearray(self._size)
                for code in chosen:
                    table[code] = 1
                picked = np.frombuffer(table, np.bool_)[codes].nonzero()[0]
                rows, codes = rows[picked], codes[picked]
        contents = np.frombuffer(self._postings.contents.values, np.uint64)[rows]
        if len(rows) > _FEW_TIES * wanted:
            table = bytearray(self._size)
            for code in chosen:
                table[code] = scores[code] > last
            above = np.frombuffer(table, np.bool_)[codes]
            room = wanted - int(above.sum())
            ties = contents[~above]
            kept = np.flatnonzero(above | (contents <= np.partition(ties, room - 1)[room - 1]))
            rows, codes, contents = rows[kept], codes[kept], contents[kept]
        worst = {code: -scores[code] for code in chosen}
        parts = {code: self._partsOf(code) for code in chosen}
        numbers = codes.tolist()
        found: list[Best] = list(
            zip(map(worst.__getitem__, numbers), contents.tolist(), rows.tolist(), map(parts.__getitem__, numbers), strict=True)
        )
        found.sort()
        ordered = [one[1] for one in found]
        if len(set(ordered)) < len(ordered):
            self._inOrderOfKeys(found)
        self._found = found
        self._codes = {one: code for code, one in parts.items()}
        return found[:wanted]

    def last(self, wanted: int) -> float:
        """The score of the last of the best C{wanted} rows; 0 if there are not so many."""
        return self._chosen(wanted)[1] if wanted <= len(self.rows) else 0.0

    def _chosen(self, wanted: int) -> tuple[dict[int, float], float]:
        """The best classes that have so many rows together, with their scores, and the least of these."""
        chosen: dict[int, float] = {}
        counts = self._counts
        room = wanted
        last = 0.0
        for code, score in sorted(self._scores.items(), key=_score, reverse=True):
            if room <= 0 and score < last:
                break
            chosen[code] = last = score
            room -= counts[code]
        return chosen, last

    def _inOrderOfKeys(self, found: list[Best]) -> None:
        """Sort rows of like score and content by their keys."""
        before = _TOP
        for one in found:
            if one[1] == before[1] and one[0] == before[0]:
                keyOf = self._postings.keyOf
                found.sort(key=lambda one: (one[0], one[1], keyOf(one[2])))
                return
            before = one

    # --- what is held back -------------------------------------------------------------------------------------------

    def front(self, shown: Sequence[Best], score: Callable[[Parts], float], unseen: Sequence[Unseen] = ()) -> Front:
        """
        What covers all rows but those shown: of the classes that no other covers at most L{overlay.index.scoring.FRONT_MOST}.

        Only for a class of which a row is shown is the first content looked up that another row of it has. A row that is covered by
        other parts than its own scores less than those, so that its content decides nothing.

        @param score: a guess; when there are too many, those that it gives least are joined.
        @param unseen: what covers further rows.
        """
        codes = self._codes
        taken: dict[int, int] = {}
        for one in shown:
            code = codes[one[3]]
            taken[code] = taken.get(code, 0) + 1
        held = [code for code, count in self._counts.items() if code not in taken or count > taken[code]]
        first: dict[Parts, int] = {}
        for code in self._skyline(held):
            parts = self._partsOf(code)
            if not any(parts[1:]):
                # Where nothing scores, content alone decides. Whatever scores covers what scores nothing.
                if not first:
                    first[parts] = self._firstHeld(None, parts, shown)
            else:
                first[parts] = self._firstHeld(code, parts, shown) if code in taken else 0
        for _, parts, content in unseen:
            if parts in first or not any(covers(above, parts) for above in first):
                first[parts] = min(content, first.get(parts, content))
        return Front(first) if len(first) <= FRONT_MOST else Front.of(first, score)

    def _firstHeld(self, code: int | None, parts: Parts, shown: Sequence[Best]) -> int:
        """
        The first content of rows of these parts that are not shown, nor as good as shown: of like content, and no better.

        @param code: of their class; None for all rows.
        """
        seen = {one[2] for one in shown}
        contentsSeen = {one[1] for one in shown}

        def isShown(content: int, row: int) -> bool:
            return row in seen or (
                content in contentsSeen and any(one[1] == content and covers(one[3], parts) for one in shown)
            )

        if code is not None:
            # Most often it is among what was sorted, and what is shown comes first there.
            sortedOut = islice(self._found, len(shown), None) if self._found[: len(shown)] == shown else self._found
            for _, content, row, mine in sortedOut:
                if mine == parts and not isShown(content, row):
                    return content
        rows = self.rows if code is None else self.rows[self._codesOf == code]
        contents = np.frombuffer(self._postings.contents.values, np.uint64)[rows]
        order = contents.argsort()
        content = 0
        for row, content in zip(rows[order].tolist(), contents[order].tolist(), strict=True):
            if not isShown(content, row):
                break
        return content

    def _skyline(self, codes: list[int]) -> list[int]:
        """Of some classes, in rising order, those that no other covers, but for those that score nothing; these come last."""
        shortest: dict[int, int] = {}
        for code in codes:
            cell, length = divmod(code, self._width)
            if cell not in shortest:
                shortest[cell] = length
        strides = []
        cells = 1
        for table in self._tables:
            strides.append((cells, len(table)))
            cells *= len(table)
        # By how often the terms occur from the most often on: the shortest of those that have no term less often.
        reached = [_NOWHERE] * cells
        found = []
        for cell in range(cells - 1, -1, -1):
            beyond = _NOWHERE
            for stride, digits in strides:
                if cell // stride % digits + 1 < digits and reached[cell + stride] < beyond:
                    beyond = reached[cell + stride]
            length = shortest.get(cell, _NOWHERE)
            if length < beyond:
                found.append(cell * self._width + length)
                beyond = length
            reached[cell] = beyond
        return found


@lru_cache(maxsize=64)
def _norms(low: int, width: int, average: float, k1: float, b: float) -> tuple[float, ...]:
    """What the length adds below, for each of so many length classes."""
    return tuple((k1 * (1 - b + b * _LENGTHS[low : low + width] / average)).tolist())


def _score(entry: tuple[int, float]) -> float:
    return entry[1]


def _marked(postings: Postings, rows: np.ndarray, marks: Sequence[tuple[Sequence["array[int]"], Sequence[bytes]]]) -> np.ndarray:
    """
    Of each row, the sum of the numbers of those that have it.

    @param marks: some of C{rows}, and as many numbers of two bytes; in one sequence no row is twice.
    """
    held = postings.marks
    if len(held) < len(postings.wordsOf):
        held.frombytes(bytes(held.itemsize * (len(postings.wordsOf) - len(held))))
    scratch = np.frombuffer(held, np.uint16)
    try:
        for apart, numbers in marks:
            places = np.frombuffer(b"".join(apart), np.uint32)
            scratch[places] += np.frombuffer(b"".join(numbers), np.uint16)
        return scratch[rows]
    finally:
        scratch[rows] = 0
