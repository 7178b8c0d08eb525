"""
Many rows ranked by arrays. Rows of one length class that have each term equally often score alike: of what is held back only such
I{classes} are looked at. A class is one number: a digit for the grade of each unit (L{overlay.index.grades}), and a last one for the
length.
"""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from pyroaring import BitMap

from overlay.index.grades import LEVEL_OF_GRADE, gradesOf, worthOf
from overlay.index.postings import Postings
from overlay.index.scoring import FRONT_MOST, Best, Front, Parts, Unit, Unseen, covers
from overlay.questions import Formula

CLASSES_MOST = 1 << 16
"""Numbers that there may be for classes."""
CELLS_MOST = 1024
"""Ways in which the terms may occur, likewise."""
_FEW_TIES = 4
"""Of more than so many times the rows wanted that score alike, the first by content are picked before all are sorted."""
_NOWHERE = 256
_LEVELS = bytes(LEVEL_OF_GRADE.tolist()).ljust(256, b"\0")


class Classes:
    """
    Rows, what each scores, and their classes.

    @ivar rows: in rising order.
    """

    def __init__(
        self, postings: Postings, some: BitMap, units: Sequence[Unit], average: float, places: int, formula: Formula, every: bool
    ) -> None:
        """
        @param average: words of a record on average.
        @param places: how many words and prefixes score in the expression.
        @param every: whether all of these rows have all units.
        """
        self._made = postings, some, units, average, places, formula, every
        self._postings = postings
        self._every = every and len(units) > 0
        self._size = 1 + places
        self._places = [1 + unit.place for unit in units]
        rows: np.ndarray = np.frombuffer(some.to_array(), np.uint32)
        self.rows = rows
        self._lengths = lengths = np.frombuffer(postings.lengths.values, np.uint8).take(rows)
        worth = worthOf(average, formula.k1, formula.b)
        self._grades = []
        scores: np.ndarray | None = None
        # The very numbers that L{overlay.index.scoring.scorer} gives.
        for unit in units:
            grades = gradesOf(unit.posting, some, rows, every)
            self._grades.append(grades)
            mine = worth[grades, lengths]
            mine *= unit.weight
            if scores is None:
                scores = mine
            else:
                scores += mine
        self._scores = np.zeros(len(rows)) if scores is None else scores
        # Places among the rows of what the last call of best has sorted.
        self._sorted: np.ndarray = rows
        # Of each row its class, for each unit how many digits there are, and the shortest length and how many there may be.
        self._codes = np.zeros(0, np.intp)
        self._digits: list[int] = []
        self._low, self._width = 0, 1

    def best(self, wanted: int) -> list[Best]:
        """At most C{wanted} rows, best first; ties by content, then key."""
        worst: np.ndarray = -self._scores
        rows = self.rows
        whole = np.frombuffer(self._postings.contents.values, np.uint64)
        at: np.ndarray | None = None
        if wanted < len(rows):
            last = np.partition(worst, wanted - 1)[wanted - 1]
            at = (worst <= last).nonzero()[0]
            worst, rows = worst[at], rows[at]
        contents = whole.take(rows)
        if at is not None and len(at) > _FEW_TIES * wanted:
            above = worst < last
            ties = contents[~above]
            room = wanted - (len(at) - len(ties))
            kept = (above | (contents <= np.partition(ties, room - 1)[room - 1])).nonzero()[0]
            at, worst, rows, contents = at[kept], worst[kept], rows[kept], contents[kept]
        order = np.lexsort((contents, worst))
        ordered = contents[order].tolist()
        if len(set(ordered)) < len(ordered):
            keyOf = self._postings.keyOf
            order = np.array(sorted(order.tolist(), key=lambda one: (worst[one], contents[one], keyOf(int(rows[one])))))
        self._sorted = order if at is None else at[order]
        order = order[:wanted]
        return list(
            zip(worst[order].tolist(), ordered, rows[order].tolist(), self._partsOf(self._sorted[:wanted]), strict=False)
        )

    def _partsOf(self, places: np.ndarray) -> list[Parts]:
        """Of some rows, by their places among all."""
        none = bytes(len(places))
        columns = [self._lengths.take(places).tobytes(), *([none] * (self._size - 1))]
        for place, grades in zip(self._places, self._grades, strict=True):
            columns[place] = grades.take(places).tobytes().translate(_LEVELS)
        parts = list(map(bytes, zip(*columns, strict=True)))
        # Length says nothing where nothing scores.
        return parts if self._every else [one if any(one[1:]) else bytes(len(one)) for one in parts]

    def last(self, wanted: int) -> float:
        """The score of the last of the best C{wanted} rows; 0 if there are not so many."""
        scores = self._scores
        if wanted > len(scores):
            return 0.0
        return float(np.partition(scores, len(scores) - wanted)[len(scores) - wanted])

    # --- what is held back -------------------------------------------------------------------------------------------

    def front(self, shown: Sequence[Best], score: Callable[[Parts], float], unseen: Sequence[Unseen] = ()) -> Front:
        """
        What covers all rows but those shown: of the classes that no other covers at most L{overlay.index.scoring.FRONT_MOST}.

        Only for a class of which a row is shown is the first content looked up that another row of it has. A row that is covered by
        other parts than its own scores less than those, so that its content decides nothing.

        @param shown: of what L{best} has given last.
        @param score: a guess; when there are too many, those that it gives least are joined.
        @param unseen: what covers further rows.
        """
        if not self._fewClasses():
            from overlay.index.vectors import Vectors

            return Front(Vectors(*self._made).front(shown, unseen))
        codes = self._codes = self._classed()
        counts = np.bincount(codes)
        rows = [one[2] for one in shown]
        at = self._sorted[: len(rows)]
        if self.rows.take(at).tolist() != rows:
            at = self.rows.searchsorted(np.array(rows, np.uint32))
        taken = codes.take(at)
        counts -= np.bincount(taken, minlength=len(counts))
        of = set(taken.tolist())
        first: dict[Parts, int] = {}
        for code in self._skyline(counts.nonzero()[0].tolist()):
            parts = self._partsOfClass(code)
            if not any(parts[1:]):
                # Where nothing scores, content alone decides. Whatever scores covers what scores nothing.
                if not first:
                    first[parts] = self._firstHeld(None, parts, shown)
            else:
                first[parts] = self._firstHeld(code, parts, shown) if code in of else 0
        for _, parts, content in unseen:
            if parts in first or not any(covers(above, parts) for above in first):
                first[parts] = min(content, first.get(parts, content))
        return Front(first) if len(first) <= FRONT_MOST else Front.of(first, score)

    def _fewClasses(self) -> bool:
        """Whether there are so few that they can be counted."""
        lengths = self._lengths
        self._low = int(lengths.min())
        size = self._width = int(lengths.max()) - self._low + 1
        self._digits = [int(grades.max()) + 1 for grades in self._grades]
        for one in self._digits:
            size *= one
        return size <= CLASSES_MOST and size <= CELLS_MOST * self._width

    def _classed(self) -> np.ndarray:
        codes = self._lengths.astype(np.intp)
        codes -= self._low
        stride = self._width
        for grades, digits in zip(self._grades, self._digits, strict=True):
            codes += np.multiply(grades, stride, dtype=np.intp)
            stride *= digits
        return codes

    def _partsOfClass(self, code: int) -> Parts:
        cell, length = divmod(code, self._width)
        parts = bytearray(self._size)
        for place, digits in zip(self._places, self._digits, strict=True):
            cell, digit = divmod(cell, digits)
            parts[place] = _LEVELS[digit]
        if any(parts):
            parts[0] = self._low + length
        return bytes(parts)

    def _firstHeld(self, code: int | None, parts: Parts, shown: Sequence[Best]) -> int:
        """
        The first content of rows of these parts that are not shown, nor as good as shown: of like content, and no better.

        @param code: of their class; None for all rows.
        """
        contentsSeen = {one[1]: one[2] for one in shown}
        seen = set(contentsSeen.values()) if len(contentsSeen) == len(shown) else {one[2] for one in shown}

        @cache
        def asGood() -> set[int]:
            above = {one for one in {one[3] for one in shown} if covers(one, parts)}
            return {one[1] for one in shown if one[3] in above}

        def isShown(content: int, row: int) -> bool:
            return row in seen or (content in contentsSeen and content in asGood())

        whole = np.frombuffer(self._postings.contents.values, np.uint64)
        if code is not None:
            # Most often it is among what was sorted, and what is shown comes first there.
            at = self._sorted
            rows = self.rows[at[self._codes[at] == code]]
            for row, content in zip(rows.tolist(), whole.take(rows).tolist(), strict=True):
                if not isShown(content, row):
                    return content
        rows = self.rows if code is None else self.rows[self._codes == code]
        contents = whole.take(rows)
        order = contents.argsort()
        content = 0
        for row, content in zip(rows[order].tolist(), contents[order].tolist(), strict=True):
            if not isShown(content, row):
                break
        return content

    def _skyline(self, codes: list[int]) -> list[int]:
        """Of some classes, in rising order, those that no other covers, but for those that score nothing; these come last."""
        width = self._width
        shortest: dict[int, int] = {}
        for code in reversed(codes):
            cell = code // width
            shortest[cell] = code - cell * width
        strides = []
        cells = 1
        for digits in self._digits:
            strides.append((cells, digits))
            cells *= digits
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
                found.append(cell * width + length)
                beyond = length
            reached[cell] = beyond
        return found
