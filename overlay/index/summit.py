"""
Many rows that all have every word, narrowed to those among which the best are. Few rows are marked (L{overlay.index.posting}): they have
a word more than once or in their name, and are most often the best. First all rows are looked at that are marked for every word, or else
for the most telling word, or else for any of them. The rows that are left have at least some words as usual; how much they can score at
most says whether they have to be looked at, and covers them if not (the bounds are those of the threshold algorithm, Fagin, Lotem and
Naor 2001).
"""

from collections.abc import Sequence

import numpy as np
from pyroaring import BitMap

from overlay.index.classes import Classes
from overlay.index.grades import LEVEL_OF_GRADE, worthOf
from overlay.index.having import Having
from overlay.index.postings import Postings
from overlay.index.scoring import Unit, Unseen
from overlay.questions import Formula


class Summit:
    """
    @ivar classes: the best rows, and some more.
    @ivar unseen: what covers all others.
    """

    def __init__(
        self, postings: Postings, rows: Having, units: Sequence[Unit], average: float, places: int, formula: Formula
    ) -> None:
        self._postings = postings
        self._rows = rows
        self._units = units
        self._average = average
        self._places = places
        self._formula = formula
        self.classes: Classes
        self.unseen: list[Unseen] = []

    @classmethod
    def of(
        cls, postings: Postings, rows: Having, units: Sequence[Unit], average: float, places: int, formula: Formula, wanted: int
    ) -> "Summit | None":
        """
        @param rows: all of them have every unit.
        @return: None if the best cannot be told so.
        """
        made = cls(postings, rows, units, average, places, formula)
        return made if made._found(wanted) else None

    def _found(self, wanted: int) -> bool:
        """Whether the best C{wanted} rows are among those of C{classes}."""
        bands = self._postings.lengths.bands
        shortest = next(length for length in sorted(bands) if self._rows.meets(bands[length]))
        worth = worthOf(self._average, self._formula.k1, self._formula.b)[:, shortest].tolist()
        return (self._ofOne if len(self._units) == 1 else self._ofSome)(wanted, shortest, worth)

    def _ofOne(self, wanted: int, shortest: int, worth: Sequence[float]) -> bool:
        """
        Of one word: the rows that have it most often.

        @param shortest: length class of the shortest rows.
        @param worth: what each grade is worth there.
        """
        unit = self._units[0]
        usual = 1 + (unit.posting.usual >> 1)
        grade = _enough(unit, wanted)
        if grade <= usual:
            return False
        some = self._reaching(unit, grade)
        if len(some) < wanted:
            return False
        least = self._sort(some).last(wanted)
        below = grade - 1
        while below > usual and unit.weight * worth[below] >= least:
            below -= 1
        score = unit.weight * worth[below]
        if score >= least:
            return False
        if below + 1 < grade:
            self._sort(self._reaching(unit, below + 1))
        self._leaveOut(score, shortest, [below])
        return True

    def _ofSome(self, wanted: int, shortest: int, worth: Sequence[float]) -> bool:
        """
        @param shortest: as for L{_ofOne}, likewise C{worth}.
        """
        units = self._units
        some, groups = self._first(wanted)
        if len(some) < wanted:
            return False
        least = self._sort(some).last(wanted)
        tops = [1 + (unit.posting.top >> 1) for unit in units]
        usual = [1 + (unit.posting.usual >> 1) for unit in units]
        more: list[BitMap] = []
        for plain in groups:
            grades = [usual[number] if number in plain else top for number, top in enumerate(tops)]
            score = _score(units, grades, worth)
            others = [number for number in range(len(units)) if number not in plain]
            if score >= least:
                if len(others) != 1:
                    return False
                other = others[0]
                while score >= least and grades[other] > usual[other]:
                    grades[other] -= 1
                    score = _score(units, grades, worth)
                if score >= least:
                    return False
                more.append(self._reaching(units[other], grades[other] + 1))
            self._leaveOut(score, shortest, grades)
        if any(more):
            self._sort(BitMap.union(some, *more))
        return True

    def _leaveOut(self, score: float, shortest: int, grades: Sequence[int]) -> None:
        parts = bytearray(1 + self._places)
        parts[0] = shortest
        for unit, grade in zip(self._units, grades, strict=True):
            parts[1 + unit.place] = LEVEL_OF_GRADE[grade]
        self.unseen.append((score, bytes(parts), 0))

    def _first(self, wanted: int) -> tuple[BitMap, list[tuple[int, ...]]]:
        """
        What is looked at first.

        @return: also, of each kind of row that is left, the units of which it is not marked.
        """
        rows, postings = self._rows, [unit.posting for unit in self._units]
        marked = [one.mapped for one in postings]
        some = rows.among(BitMap.intersection(*sorted(marked, key=len)), *[one.rows for one in postings])
        number = len(postings)
        if len(some) >= wanted:
            return some, [(one,) for one in range(number)]
        telling = max(range(number), key=lambda one: self._units[one].weight)
        some = rows.among(marked[telling], postings[telling].rows)
        if len(some) >= wanted:
            return some, [(telling,)]
        every = [rows.among(one, posting.rows) for one, posting in zip(marked, postings, strict=True)]
        return BitMap.union(*every), [tuple(range(number))]

    def _reaching(self, unit: Unit, grade: int) -> BitMap:
        return self._rows.among(_reaching(unit, grade), unit.posting.rows)

    def _sort(self, some: BitMap) -> Classes:
        self.classes = Classes(self._postings, some, self._units, self._average, self._places, self._formula, True)
        return self.classes


def _score(units: Sequence[Unit], grades: Sequence[int], worth: Sequence[float]) -> float:
    score = 0.0
    for unit, grade in zip(units, grades, strict=True):
        score += unit.weight * worth[grade]
    return score


def _enough(unit: Unit, wanted: int) -> int:
    """The highest grade that so many marked rows reach; 0 if there are not so many."""
    counts = np.bincount(np.frombuffer(unit.posting.codes, np.uint8) >> 1).tolist() if unit.posting.codes else []
    for grade in range(len(counts), 0, -1):
        wanted -= counts[grade - 1]
        if wanted <= 0:
            return grade
    return 0


def _reaching(unit: Unit, grade: int) -> BitMap:
    """The rows that have a unit so often."""
    codes = np.frombuffer(unit.posting.codes, np.uint8)
    return BitMap(np.frombuffer(unit.posting.marked, np.uint32)[codes >= (grade - 1) << 1])
