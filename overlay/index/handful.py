"""
Some dozens of rows ranked by their classes, without arrays: for so few an array takes longer to make than to go through. Rows of one length
class that have each unit equally often score alike; a class is one number, which has the length in its lowest byte and above it six bits
for the grade of each unit: 0 for a row that has it not, else 1 and the place of its level (L{overlay.index.posting.LEVELS}).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import ge

from pyroaring import BitMap

from overlay.index.bm25 import classLength, saturation
from overlay.index.posting import LEVELS
from overlay.index.postings import Postings
from overlay.index.scoring import FRONT_MOST, Best, Front, Parts, Unit, Unseen, covers
from overlay.questions import Formula

_GRADE_BITS = 6
_GRADE = (1 << _GRADE_BITS) - 1
_LEVEL_OF = (0, *LEVELS)


class Handful:
    """Rows by class."""

    def __init__(
        self, postings: Postings, some: BitMap, units: Sequence[Unit], average: float, places: int, formula: Formula, every: bool
    ) -> None:
        """
        @param average: words of a record on average.
        @param places: how many words and prefixes score in the expression.
        @param every: whether all of these rows have all units.
        """
        self._postings = postings
        self._units = units
        self._places = places
        rows = some.to_array()
        lengths = postings.lengths.values
        usual, shift = 0, 8
        for unit in units:
            usual += 1 + (unit.posting.usual >> 1) << shift
            shift += _GRADE_BITS
        self._classOf = classOf = {row: usual + lengths[row] for row in rows}
        shift = 8
        for unit in units:
            posting = unit.posting
            mine = posting.usual >> 1
            for row, code in posting.markedAmong(some):
                classOf[row] += (code >> 1) - mine << shift
            if not every:
                for row in some - posting.rows:
                    classOf[row] -= 1 + mine << shift
            shift += _GRADE_BITS
        worth = _worthOf(average, formula.k1, formula.b)
        self._scores = scores = dict.fromkeys(classOf.values(), 0.0)
        for one in scores:
            length, rest = one & 0xFF, one >> 8
            score = 0.0
            for unit in units:
                score += unit.weight * worth[(rest & _GRADE) << 8 | length]
                rest >>= _GRADE_BITS
            scores[one] = score
        # What the last call of best has sorted, and the parts of classes of which there is a row.
        self._found: list[Best] = []
        self._parts: dict[int, Parts] = {}

    def best(self, wanted: int) -> list[Best]:
        """At most C{wanted} rows, best first; ties by content, then key."""
        scores = self._scores
        contents = self._postings.contents.values
        self._parts = parts = {one: self._partsOf(one) for one in scores}
        self._found = found = [(-scores[one], contents[row], row, parts[one]) for row, one in self._classOf.items()]
        if len(found) > 1:
            found.sort()
            if len({one[1] for one in found}) < len(found):
                keyOf = self._postings.keyOf
                found.sort(key=lambda one: (one[0], one[1], keyOf(one[2])))
        return found[:wanted]

    def _partsOf(self, one: int) -> Parts:
        rest = one >> 8
        if len(self._units) == self._places:
            # Each unit has its place, in order.
            parts = [one & 0xFF]
            for _ in self._units:
                parts.append(_LEVEL_OF[rest & _GRADE])
                rest >>= _GRADE_BITS
        else:
            parts = [0] * (1 + self._places)
            parts[0] = one & 0xFF
            for unit in self._units:
                parts[1 + unit.place] = _LEVEL_OF[rest & _GRADE]
                rest >>= _GRADE_BITS
        # Length says nothing where nothing scores.
        return bytes(parts) if one >> 8 else bytes(len(parts))

    # --- what is held back -------------------------------------------------------------------------------------------

    def front(self, shown: Sequence[Best], score: Callable[[Parts], float], unseen: Sequence[Unseen] = ()) -> Front:
        """
        What covers all rows but those shown. Only of a class of which a row is shown is the first content looked up that another row of
        it has: a row that is covered by other parts than its own scores less than those, so that its content decides nothing.

        @param shown: of what L{best} has given last.
        @param score: a guess; when there are too many parts, those that it gives least are joined.
        @param unseen: what covers further rows.
        """
        classOf = self._classOf
        taken = Counter([classOf[one[2]] for one in shown])
        counts = Counter(classOf.values())
        first: dict[Parts, int] = {}
        for one in self._skyline([one for one in counts if one not in taken or counts[one] > taken[one]]):
            parts = self._parts[one]
            if not one >> 8:
                # Where nothing scores, content alone decides. Whatever scores covers what scores nothing.
                if not first:
                    first[parts] = self._firstHeld(0, parts, shown)
            else:
                first[parts] = self._firstHeld(one, parts, shown) if one in taken else 0
        for _, parts, content in unseen:
            if parts in first or not any(covers(above, parts) for above in first):
                first[parts] = min(content, first.get(parts, content))
        return Front(first) if len(first) <= FRONT_MOST else Front.of(first, score)

    def _firstHeld(self, kind: int, parts: Parts, shown: Sequence[Best]) -> int:
        """
        The first content of rows of a class that are not shown, nor as good as shown: of like content, and no better.

        @param kind: the class; 0 for all rows.
        """
        seen = {one[2] for one in shown}
        above: dict[int, list[Parts]] = {}
        for one in shown:
            above.setdefault(one[1], []).append(one[3])

        def isShown(content: int, row: int) -> bool:
            return row in seen or (content in above and any(covers(one, parts) for one in above[content]))

        held = sorted((one[1], one[2]) for one in self._found if not kind or one[3] == parts)
        content = 0
        for content, row in held:
            if not isShown(content, row):
                break
        return content

    def _skyline(self, classes: Sequence[int]) -> list[int]:
        """Those that no other covers, but for those that score nothing; these come last."""
        shortest: dict[int, int] = {}
        for one in classes:
            cell = one >> 8
            if cell not in shortest or one < shortest[cell]:
                shortest[cell] = one
        # What covers a class has a larger number but for the length.
        line: list[tuple[int, tuple[int, ...], int]] = []
        for cell in sorted(shortest, reverse=True):
            one = shortest[cell]
            length = one & 0xFF
            rest = cell
            grades = []
            for _ in self._units:
                grades.append(rest & _GRADE)
                rest >>= _GRADE_BITS
            for theirs, above, _ in line:
                if theirs <= length and all(map(ge, above, grades)):
                    break
            else:
                line.append((length, tuple(grades), one))
        return [one for _, _, one in line]


class _Worth(dict[int, float]):
    """What a grade is worth in a length class, by both as one number; computed when it is first asked for."""

    def __init__(self, average: float, k1: float, b: float) -> None:
        super().__init__()
        self._numbers = average, k1, b

    def __missing__(self, key: int) -> float:
        grade = key >> 8
        found = self[key] = saturation(LEVELS[grade - 1], classLength(key & 0xFF), *self._numbers) if grade else 0.0
        return found


@lru_cache(maxsize=16)
def _worthOf(average: float, k1: float, b: float) -> _Worth:
    return _Worth(average, k1, b)
