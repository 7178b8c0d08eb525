"""
Many rows ranked by their classes. Rows of one length class that have each term equally often score alike, so that of thousands of rows
there are some dozens of scores: the classes are counted, the classes are scored, and only rows of the best classes are looked at. A class
is one number: a digit for the level of each unit, and a last one for the length.
"""

from array import array
from collections.abc import Callable, Sequence

import numpy as np
from pyroaring import BitMap

from overlay.index.bm25 import classLength
from overlay.index.postings import Postings
from overlay.index.ranking import Best, Unit
from overlay.index.scoring import FRONT_MOST, Front, Parts, covers
from overlay.questions import Formula

CLASSES_MOST = 1 << 16
"""Numbers that there may be for classes; each row has one of two bytes."""
CELLS_MOST = 1024
"""Ways in which the terms may occur, likewise."""
_LENGTHS = np.array([classLength(number) for number in range(256)], np.float64)
_FEW_TIES = 4
"""Of more than so many times the rows wanted that score alike, the first by content are picked before all are sorted."""
_NOWHERE = 256


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
        self._codes = codes
        self._tables = tables
        self._low = low
        self._width = width
        self._size = width
        for table in tables:
            self._size *= len(table)
        self._counts = np.bincount(codes, minlength=self._size)
        self._parts: list[Parts] = []
        self._scores = np.empty(0)

    @classmethod
    def of(cls, postings: Postings, some: BitMap, units: Sequence[Unit]) -> "Classes | None":
        """
        @return: None if there are too many classes to be counted.
        """
        rows = np.frombuffer(some.to_array(), np.uint32)
        lengths = np.frombuffer(postings.lengths.values, np.uint8)[rows]
        low = int(lengths.min())
        size = width = int(lengths.max()) - low + 1
        tables: list[list[int]] = []
        marks: list[list[tuple[array[int], int]]] = []
        for unit in units:
            posting = unit.posting
            left = some.intersection_cardinality(posting.rows)
            mine: list[tuple[array[int], int]] = []
            if left == len(rows):
                table = [1]
            else:
                table = [0, 1]
                marks.append([((some & posting.rows).to_array(), size)])
            base = len(table) - 1
            for level in sorted(posting.levels):
                if not left:
                    break
                having = (posting.levels[level] & some).to_array()
                if having:
                    left -= len(having)
                    mine.append((having, size * (len(table) - base)))
                    table.append(level)
            marks.append(mine)
            tables.append(table)
            size *= len(table)
            if size > CLASSES_MOST or size > CELLS_MOST * width:
                return None
        codes = _marked(postings, rows, marks)
        codes += lengths
        codes -= np.uint16(low)
        return cls(postings, rows, codes, tables, low, width)

    def score(self, units: Sequence[Unit], average: float, places: int, formula: Formula) -> None:
        """Score every class that has a row, the very numbers that L{overlay.index.scoring.scorer} gives."""
        self._classes = np.flatnonzero(self._counts)
        rest, lengths = np.divmod(self._classes, self._width)
        lengths += self._low
        k1, b = formula.k1, formula.b
        norm = k1 * (1 - b + b * _LENGTHS[lengths] / average)
        parts = np.zeros((len(rest), 1 + places), np.uint8)
        parts[:, 0] = lengths
        scores = np.zeros(len(rest), np.float64)
        silent = not units
        for unit, table in zip(units, self._tables, strict=True):
            rest, digits = np.divmod(rest, len(table))
            occurrences = np.array(table, np.float64)[digits]
            parts[:, 1 + unit.place] = occurrences
            if table[0]:
                scores += unit.weight * (occurrences * (k1 + 1) / (occurrences + norm))
            else:
                silent = True
                there = digits > 0
                some = occurrences[there]
                scores[there] += unit.weight * (some * (k1 + 1) / (some + norm[there]))
        if silent:
            parts[~parts[:, 1:].any(axis=1)] = 0
        size = 1 + places
        joined = parts.tobytes()
        self._parts = [joined[at : at + size] for at in range(0, len(joined), size)]
        self._scores = scores

    def best(self, wanted: int) -> list[Best]:
        """At most C{wanted} rows, best first; ties by content, then key."""
        scores, classes = self._scores, self._classes
        rows, codes = self.rows, self._codes
        contentOf = np.frombuffer(self._postings.contents.values, np.uint64)
        last = 0.0
        if wanted < len(rows):
            order = (-scores).argsort(kind="stable")
            last = scores[order[self._counts[classes[order]].cumsum().searchsorted(wanted)]]
            chosen = np.zeros(self._size, np.bool_)
            chosen[classes[scores >= last]] = True
            picked = np.flatnonzero(chosen[codes])
            rows, codes = rows[picked], codes[picked]
        at = classes.searchsorted(codes)
        worst = -scores[at]
        contents = contentOf[rows]
        if len(rows) > _FEW_TIES * wanted:
            above = worst < -last
            room = wanted - int(above.sum())
            ties = contents[~above]
            kept = np.flatnonzero(above | (contents <= np.partition(ties, room - 1)[room - 1]))
            rows, at, worst, contents = rows[kept], at[kept], worst[kept], contents[kept]
        order = np.lexsort((contents, worst))
        partsOf = map(self._parts.__getitem__, at[order].tolist())
        found = list(zip(worst[order].tolist(), contents[order].tolist(), rows[order].tolist(), partsOf, strict=True))
        ordered = contents[order]
        if (ordered[1:] == ordered[:-1]).any():
            keyOf = self._postings.keyOf
            found.sort(key=lambda one: (one[0], one[1], keyOf(one[2])))
        return found[:wanted]

    # --- what is held back -------------------------------------------------------------------------------------------

    def front(self, shown: Sequence[Best], score: Callable[[Parts], float]) -> Front:
        """
        What covers all rows but those shown: of the classes that no other covers at most L{overlay.index.scoring.FRONT_MOST}.

        Only for a class of which a row is shown is the first content looked up that another row of it has. A row that is covered by
        other parts than its own scores less than those, so that its content decides nothing.

        @param score: a guess; when there are too many, those that it gives least are joined.
        """
        taken = self._codes[self.rows.searchsorted(np.array([one[2] for one in shown], np.uint32))]
        counts = self._counts - np.bincount(taken, minlength=self._size)
        touched = dict.fromkeys(taken.tolist())
        first: dict[Parts, int] = {}
        for code in self._skyline(np.flatnonzero(counts).tolist()):
            parts = self._parts[int(self._classes.searchsorted(code))]
            if not any(parts[1:]):
                # Where nothing scores, content alone decides. Whatever scores covers what scores nothing.
                if not first:
                    first[parts] = self._firstHeld(None, parts, shown)
            else:
                first[parts] = self._firstHeld(np.flatnonzero(self._codes == code), parts, shown) if code in touched else 0
        return Front(first) if len(first) <= FRONT_MOST else Front.of(first, score)

    def _firstHeld(self, which: "np.ndarray | None", parts: Parts, shown: Sequence[Best]) -> int:
        """
        The first content of rows of these parts that are not shown, nor as good as shown: of like content, and no better.

        @param which: their places among all rows; None for all.
        """
        rows = self.rows if which is None else self.rows[which]
        contents = np.frombuffer(self._postings.contents.values, np.uint64)[rows]
        order = contents.argsort()
        seen = {one[2] for one in shown}
        known: dict[int, list[Parts]] = {}
        for one in shown:
            known.setdefault(one[1], []).append(one[3])
        content = 0
        for row, content in zip(rows[order].tolist(), contents[order].tolist(), strict=True):
            if row not in seen and not any(covers(above, parts) for above in known.get(content, ())):
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


def _marked(postings: Postings, rows: np.ndarray, marks: Sequence[Sequence[tuple["array[int]", int]]]) -> np.ndarray:
    """
    Of each row, the sum of the numbers of those that have it.

    @param marks: some of C{rows} with a number; of those in one sequence none has a row of another.
    """
    held = postings.marks
    if len(held) < len(postings.wordsOf):
        held.frombytes(bytes(held.itemsize * (len(postings.wordsOf) - len(held))))
    scratch = np.frombuffer(held, np.uint16)
    try:
        for apart in marks:
            if apart:
                places = np.frombuffer(b"".join([some for some, _ in apart]), np.uint32)
                scratch[places] += np.repeat(np.array([number for _, number in apart], np.uint16), [len(some) for some, _ in apart])
        return scratch[rows]
    finally:
        scratch[rows] = 0
