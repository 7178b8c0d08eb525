"""
Many rows ranked by their classes. Rows of one length class that have each term equally often score alike, so that of thousands of rows
there are some dozens of scores: the classes are counted, the classes are scored, and only rows of the best classes are looked at. A class
is one number: a digit for the level of each unit, and a last one for the length.
"""

from collections.abc import Callable, Sequence

import numpy as np
from pyroaring import BitMap

from overlay.index.bm25 import classLength
from overlay.index.postings import Postings
from overlay.index.ranking import Best, Unit
from overlay.index.scoring import Front, Parts, covers
from overlay.questions import Formula

CLASSES_MOST = 1 << 16
"""Numbers that there may be for classes; each row has one of two bytes."""
_LENGTHS = np.array([classLength(number) for number in range(256)], np.float64)
_FEW_TIES = 4
"""Of more than so many times the rows wanted that score alike, the first by content are picked before all are sorted."""
_SIEVE = 12
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
        marks: list[tuple[BitMap, int]] = []
        for unit in units:
            posting = unit.posting
            left = some.intersection_cardinality(posting.rows)
            table = [1] if left == len(rows) else [0, 1]
            if left and len(table) > 1:
                marks.append((some & posting.rows, size))
            for level, whole in sorted(posting.levels.items()):
                if not left:
                    break
                having = whole & some
                count = len(having)
                if count:
                    left -= count
                    marks.append((having, size * (len(table) - table.index(1))))
                    table.append(level)
            tables.append(table)
            size *= len(table)
            if size > CLASSES_MOST:
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
        parts = self._parts
        found = list(
            zip(worst[order].tolist(), contents[order].tolist(), rows[order].tolist(), map(parts.__getitem__, at[order].tolist()), strict=True)
        )
        ordered = contents[order]
        if (ordered[1:] == ordered[:-1]).any():
            keyOf = self._postings.keyOf
            found.sort(key=lambda one: (one[0], one[1], keyOf(one[2])))
        return found[:wanted]

    # --- what is held back -------------------------------------------------------------------------------------------

    def front(self, shown: Sequence[Best], score: Callable[[Parts], float]) -> Front:
        """
        What covers all rows but those shown, and those of like content that cannot score better than one shown: of classes that no other
        covers the shortest, at most L{overlay.index.scoring.FRONT_MOST}.

        Only for a class of which a row is shown is the first content looked up that another row of it has. A row that is covered by
        other parts than its own scores less than those, so that its content decides nothing.

        @param score: a guess; when there are too many, those that it gives least are joined.
        """
        counts = self._counts.copy()
        positions = self.rows.searchsorted(np.array([one[2] for one in shown], np.uint32)).tolist() if shown else []
        gone = dict.fromkeys(positions)
        contents = np.frombuffer(self._postings.contents.values, np.uint64)[self.rows]
        gone.update(dict.fromkeys(self._asGoodAsShown(contents, shown, gone)))
        out = np.fromiter(gone, np.intp, len(gone))
        taken = self._codes[out]
        touched = dict.fromkeys(taken.tolist())
        counts -= np.bincount(taken, minlength=self._size)
        first: dict[Parts, int] = {}
        for code, parts in self._skyline(counts):
            content = 0
            if code in touched or not any(parts[1:]):
                # Where nothing scores, whatever is left scores nothing, and content alone decides.
                same = self._codes == code if any(parts[1:]) else np.ones(len(self.rows), np.bool_)
                same[out] = False
                content = int(contents[same].min())
            first[parts] = content
        return Front.of(first, score)

    def _asGoodAsShown(self, contents: np.ndarray, shown: Sequence[Best], gone: dict[int, None]) -> list[int]:
        """Positions of rows that have the content of one that is shown, and do not score better."""
        known: dict[int, list[Parts]] = {}
        for _, content, _, parts in shown:
            known.setdefault(content, []).append(parts)
        shift = np.uint64(64 - _SIEVE)
        sieve = np.zeros(1 << _SIEVE, np.bool_)
        sieve[[content >> 64 - _SIEVE for content in known]] = True
        found = []
        for at in np.flatnonzero(sieve[(contents >> shift).astype(np.intp)]).tolist():
            above = known.get(int(contents[at]))
            if above is None or at in gone:
                continue
            parts = self._parts[int(self._classes.searchsorted(self._codes[at]))]
            if any(covers(one, parts) for one in above):
                found.append(at)
        return found

    def _skyline(self, counts: np.ndarray) -> list[tuple[int, Parts]]:
        """Of the classes that have rows, those that no other covers."""
        tables = self._tables
        there = counts.reshape([*(len(table) for table in reversed(tables)), self._width]) > 0
        shortest = np.where(there.any(axis=-1), there.argmax(axis=-1), _NOWHERE)
        # The shortest of those that have no term less often, itself included, and then of those that have one of them more often.
        reached = shortest
        for axis in range(len(tables)):
            reached = np.flip(np.minimum.accumulate(np.flip(reached, axis), axis), axis)
        kept = shortest < _NOWHERE
        for axis in range(len(tables)):
            beyond = np.full_like(shortest, _NOWHERE)
            ahead = (slice(None),) * axis
            beyond[(*ahead, slice(None, -1))] = reached[(*ahead, slice(1, None))]
            kept &= shortest < beyond
        number = np.flatnonzero(kept)
        codes = (number * self._width + shortest.reshape(-1)[number]).tolist()
        found = [(code, self._parts[int(at)]) for code, at in zip(codes, self._classes.searchsorted(codes), strict=True)]
        loud = [one for one in found if any(one[1][1:])]
        # Whatever scores covers what scores nothing.
        return loud or found


def _marked(postings: Postings, rows: np.ndarray, marks: list[tuple[BitMap, int]]) -> np.ndarray:
    """Of each row, the sum of the numbers of the bitmaps that have it, all of whose rows are among C{rows}."""
    held = postings.marks
    if len(held) < len(postings.wordsOf):
        held.frombytes(bytes(held.itemsize * (len(postings.wordsOf) - len(held))))
    scratch = np.frombuffer(held, np.uint16)
    try:
        for some, number in marks:
            scratch[np.frombuffer(some.to_array(), np.uint32)] += np.uint16(number)
        return scratch[rows]
    finally:
        scratch[rows] = 0
