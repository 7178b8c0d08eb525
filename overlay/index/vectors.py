"""
Many rows scored at once: the arithmetic of L{overlay.index.scoring} over arrays, operation by operation in the same order, so that every
score is the same number to the last bit.
"""

from collections.abc import Callable, Sequence

import numpy as np
from pyroaring import BitMap

from overlay.index.bm25 import classLength
from overlay.index.grades import LEVEL_OF_GRADE, gradesOf
from overlay.index.postings import Postings
from overlay.index.scoring import FRONT_MOST, Best, Parts, Unit
from overlay.questions import Formula

_LENGTHS = np.array([classLength(number) for number in range(256)], np.float64)


class Vectors:
    """
    Rows and what each is scored by.

    @ivar rows: in rising order.
    @ivar scores: of each.
    @ivar parts: of each, a line of C{1 + places} bytes; all 0 if the row scores nothing.
    @ivar contents: of each, as L{overlay.index.postings.Entry} has it.
    """

    def __init__(
        self, postings: Postings, rows: BitMap, units: Sequence[Unit], average: float, places: int, formula: Formula,
        every: bool = False,
    ) -> None:
        self.rows = np.frombuffer(rows.to_array(), np.uint32)
        count = len(self.rows)
        lengths = np.frombuffer(postings.lengths.values, np.uint8)[self.rows]
        self.contents = np.frombuffer(postings.contents.values, np.uint64)[self.rows]
        self.parts = parts = np.zeros((count, 1 + places), np.uint8)
        parts[:, 0] = lengths
        k1, b = formula.k1, formula.b
        norm = (k1 * (1 - b + b * _LENGTHS / average))[lengths]
        self.scores = np.zeros(count, np.float64)
        silent = False
        for unit in units:
            levels = LEVEL_OF_GRADE[gradesOf(unit.posting, rows, self.rows, every)]
            parts[:, 1 + unit.place] = levels
            occurrences = levels.astype(np.float64)
            if levels.all():
                self.scores += unit.weight * (occurrences * (k1 + 1) / (occurrences + norm))
            else:
                silent = True
                there = levels > 0
                some = occurrences[there]
                self.scores[there] += unit.weight * (some * (k1 + 1) / (some + norm[there]))
        if silent or not units:
            parts[~parts[:, 1:].any(axis=1)] = 0

    def best(self, wanted: int, keyOf: Callable[[int], bytes]) -> list[Best]:
        """At most C{wanted} rows, best first; ties by content, then key."""
        worst = -self.scores
        if wanted < len(worst):
            last = np.partition(worst, wanted - 1)[wanted - 1]
            some = np.flatnonzero(worst <= last)
            order = some[np.lexsort((self.contents[some], worst[some]))]
        else:
            order = np.lexsort((self.contents, worst))
        scores, contents = worst[order], self.contents[order]
        alike = (contents[1:] == contents[:-1]) & (scores[1:] == scores[:-1])
        if alike.any():
            order = np.array(sorted(order.tolist(), key=lambda at: (worst[at], self.contents[at], keyOf(int(self.rows[at])))))
        order = order[:wanted]
        joined, size = self.parts[order].tobytes(), self.parts.shape[1]
        return list(
            zip(
                worst[order].tolist(), self.contents[order].tolist(), self.rows[order].tolist(),
                (joined[at : at + size] for at in range(0, len(joined), size)), strict=True,
            )
        )

    def front(self, shown: Sequence[Best], unseen: Sequence[tuple[float, Parts, int]]) -> dict[Parts, int]:
        """
        At most L{FRONT_MOST} parts that cover all rows but those shown, with the first content of each; what scores best is looked at
        first, which gives the skyline.

        @param unseen: bound of the score, parts and first content of what is not among the rows at all.
        """
        left = np.ones(len(self.rows), np.bool_)
        if shown:
            left[np.searchsorted(self.rows, np.array([one[2] for one in shown], np.uint32))] = False
            self._leaveOutShown(left, shown)
        scores, parts, contents = self.scores[left], self.parts[left], self.contents[left]
        if unseen:
            scores = np.concatenate((scores, [bound for bound, _, _ in unseen]))
            parts = np.concatenate((parts, np.frombuffer(b"".join(one for _, one, _ in unseen), np.uint8).reshape(-1, parts.shape[1])))
            contents = np.concatenate((contents, np.array([content for _, _, content in unseen], np.uint64)))
        return _skyline(scores, parts, contents)

    def _leaveOutShown(self, left: np.ndarray, shown: Sequence[Best]) -> None:
        """
        A row of like content that cannot score better than one shown is as good as shown. Of those shown of one content only the best few
        are looked at: rows of one content may be very many.
        """
        ordered = np.array(sorted({one[1] for one in shown}), np.uint64)
        places = np.searchsorted(ordered, self.contents)
        places[places == len(ordered)] = 0
        at = np.flatnonzero((ordered[places] == self.contents) & left)
        if not len(at):
            return
        kinds: dict[int, dict[Parts, None]] = {content: {} for content in ordered.tolist()}
        for one in shown:
            kinds[one[1]][one[3]] = None
        listed = [list(some) for some in kinds.values()]
        for number in range(min(FRONT_MOST, max(map(len, listed)))):
            above = np.frombuffer(b"".join(some[min(number, len(some) - 1)] for some in listed), np.uint8)
            above = above.reshape(len(listed), -1)[places[at]]
            parts = self.parts[at]
            covered = (above[:, 0] <= parts[:, 0]) & (above[:, 1:] >= parts[:, 1:]).all(axis=1) | ~parts[:, 1:].any(axis=1)
            left[at[covered]] = False
            at = at[~covered]


def _skyline(scores: np.ndarray, parts: np.ndarray, contents: np.ndarray) -> dict[Parts, int]:
    found: dict[Parts, int] = {}
    while len(scores):
        lengths, levels = parts[:, 0], parts[:, 1:]
        if len(found) + 1 == FRONT_MOST:
            # There is room for one, which covers all that are left.
            loud = levels.any(axis=1)
            top = bytes((int(lengths[loud].min()) if loud.any() else 0, *levels.max(axis=0).tolist()))
            covered = np.ones(len(scores), np.bool_)
        else:
            line = parts[scores.argmax()]
            top = line.tobytes()
            covered = ((lengths >= line[0]) & (levels <= line[1:]).all(axis=1)) | ~levels.any(axis=1)
        first = int(contents[covered].min())
        found[top] = min(first, found.get(top, first))
        left = ~covered
        scores, parts, contents = scores[left], parts[left], contents[left]
    return found
