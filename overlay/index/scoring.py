"""
What a record is scored by, in a form that travels: its I{parts}, from which whoever knows the statistics of all records computes its
score, and I{fronts}, which bound the score of records that nobody has sent.

The parts of a record are bytes: its length class, then for each scoring word or prefix of the expression the level of its occurrences, 0
if the record does not have it. One record I{covers} another if it is no longer and has no term less often. Then it scores no less,
whatever the statistics, since C{termWeight} is positive and C{saturation} rises with occurrences and falls with length. So a record that
C{want} others cover cannot be among the best C{want}, and a few parts that cover all records held back bound what any of them can
score: the skyline of Boerzsoenyi, Kossmann and Stocker 2001, with the k-skyband of Papadias et al. 2005.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from overlay.index.bm25 import classLength, saturation, termWeight
from overlay.index.posting import Posting
from overlay.questions import Formula

Parts = bytes
Best = tuple[float, int, int, Parts]
"""A row: score with its sign turned, start of the content hash, number, parts."""
Unseen = tuple[float, Parts, int]
"""Of rows that were not looked at: bound of the score, what covers their parts, first content."""
FRONT_MOST = 8
"""Parts that bound what one super-peer holds back; more are joined, which loosens the bound."""
_CONTENT_BYTES = 8


BM25 = Formula()


@attrs.define(slots=True, eq=False)
class Unit:
    """
    One thing that scores: a word, or all the words of a prefix as if they were one.

    @ivar place: its number among all that score in the expression, from 0; those that no record has are no units.
    @ivar weight: how telling it is (see L{overlay.index.bm25.termWeight}).
    """

    posting: Posting
    weight: float
    place: int


@attrs.frozen(slots=True)
class Statistics:
    """
    Numbers over all records, each counted once.

    @ivar length: words in them.
    @ivar frequencies: records that have each scoring word or prefix, in the order of the expression.
    @ivar times: how often each is said; empty for once.
    """

    documents: int
    length: int
    frequencies: tuple[int, ...]
    times: tuple[int, ...] = ()

    @property
    def average(self) -> float:
        """Words of a record."""
        return averageLength(self.documents, self.length)

    @property
    def weights(self) -> tuple[float, ...]:
        """How telling each word or prefix is; what is said twice counts twice."""
        times = self.times or (1,) * len(self.frequencies)
        return tuple(
            often * termWeight(max(self.documents, one), one) for one, often in zip(self.frequencies, times, strict=True)
        )


def averageLength(documents: int, length: int) -> float:
    """Words of a record on average; at least 1."""
    return max(1.0, length / documents if documents else 1.0)


def scorer(statistics: Statistics, formula: Formula = BM25) -> Callable[[Parts], float]:
    """
    @return: gives the score of parts, the very number that an index of all records would give; of longer parts the excess is ignored.
    """
    weights, average = statistics.weights, statistics.average
    known: dict[Parts, float] = {}

    def score(parts: Parts) -> float:
        found = known.get(parts)
        if found is None:
            found = 0.0
            length = classLength(parts[0]) if parts else 0
            for weight, level in zip(weights, parts[1:], strict=False):
                if level:
                    found += weight * saturation(level, length, average, formula.k1, formula.b)
            known[parts] = found
        return found

    return score


def covers(one: Parts, other: Parts) -> bool:
    """Whether C{one} scores no less than C{other}, whatever the statistics. Both are of one expression."""
    if not any(other[1:]):
        # Length says nothing where nothing scores.
        return True
    return one[0] <= other[0] and all(map(int.__ge__, one[1:], other[1:]))


def normal(parts: Parts) -> Parts:
    """The same for all records that score nothing."""
    return parts if any(parts[1:]) else bytes(len(parts))


def _join(one: Parts, other: Parts) -> Parts:
    """The least parts that cover both."""
    if not any(one[1:]) or not any(other[1:]):
        return other if any(other[1:]) else one
    return bytes((min(one[0], other[0]), *map(max, one[1:], other[1:])))


def _uncovered(entries: Mapping[Parts, int], shown: Sequence[tuple[Parts, int]]) -> Iterator[tuple[Parts, int]]:
    """The entries that not every one of C{shown}, whose contents all differ, is as good as."""
    last: dict[Parts, int] = {}
    for one, at in shown:
        if at > last.get(one, -1):
            last[one] = at
    lengths, *columns = zip(*last, strict=True)
    longest, least = max(lengths), bytes(map(min, columns))
    for parts, content in entries.items():
        # Each of those shown covers the entry if they do so where they are worst.
        covered = not any(parts[1:]) or (longest <= parts[0] and all(map(int.__ge__, least, parts[1:])))
        if not covered or last.get(parts, content) > content:
            yield parts, content


@attrs.define(slots=True)
class Front:
    """
    A few parts that cover every record held back, each with a content hash that none of the records of these very parts comes before.
    (A record that is covered by other parts than its own scores less than those.)

    @ivar entries: parts, and the content hash's first 8 bytes as a number.
    """

    entries: dict[Parts, int] = attrs.field(factory=dict)

    @classmethod
    def of(cls, first: Mapping[Parts, int], score: Callable[[Parts], float]) -> "Front":
        """
        @param first: the parts of all records held back, or what covers them, with the first content of each.
        @param score: a guess; when there are too many parts, those that it gives least are joined.
        """
        # Never more than that few: each part is compared with those alone, however many there are.
        kept: dict[Parts, int] = {}
        for parts in sorted(first, key=lambda one: (-score(one), one)):
            content = first[parts]
            for above in kept:
                if covers(above, parts):
                    kept[above] = min(kept[above], content)
                    break
            else:
                if len(kept) == FRONT_MOST:
                    last, other = kept.popitem()
                    parts, content = _join(last, parts), min(content, other)
                kept[parts] = min(content, kept.get(parts, content))
        return cls(kept)

    def without(self, shown: Sequence[tuple[Parts, int]], want: int) -> "Front":
        """
        Only what may be among the best C{want} contents.

        @param shown: parts and contents of records that are not held back. Several of one content are one row.
        """
        if not self.entries or len({content for _, content in shown}) < want:
            return self
        if len(shown) == want and want:
            return Front(dict(_uncovered(self.entries, shown)))
        left = {}
        kinds = dict.fromkeys(parts for parts, _ in shown)
        for parts, content in self.entries.items():
            above = {one for one in kinds if covers(one, parts)}
            if len(above) == len(kinds) and parts not in above and len(shown) >= want:
                continue
            if len({at for one, at in shown if one in above and (one != parts or at <= content)}) < want:
                left[parts] = content
        return Front(left)

    def encode(self) -> bytes:
        """One parts after the other, each followed by its content."""
        return b"".join(parts + content.to_bytes(_CONTENT_BYTES, "big") for parts, content in self.entries.items())

    @staticmethod
    def decode(encoded: bytes, terms: int) -> Iterator[tuple[Parts, int]]:
        """
        @param terms: scoring words and prefixes of the expression.
        """
        size = 1 + terms + _CONTENT_BYTES
        for at in range(0, len(encoded) - size + 1, size):
            yield encoded[at : at + 1 + terms], int.from_bytes(encoded[at + 1 + terms : at + size], "big")
