"""
Which hits are passed on: those that fewer than C{want} others cover, each once; what is held back is accounted for.

Scores of different super-peers cannot be compared, since each goes by its own numbers; what scores can be (see
L{overlay.index.scoring}). Where an expression has many words hardly any record covers another. Then, of those that would be passed on,
only the best few times C{want} by a guess are, and what covers the others is told.
"""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable

import attrs

from overlay.index.record import openHead, recordIdOf
from overlay.index.scoring import Parts, covers
from overlay.search.receipts import Account, keyOf
from overlay.wire.query import Hit

SPARE = 8
"""So many times C{want} hits are passed on whatever they score."""
KINDS_MOST = 1024
"""Different parts that are compared with each other; a hit of further ones is passed on."""


@attrs.define(slots=True, eq=False)
class _Kind:
    """
    Hits of like parts.

    @ivar contents: of those passed on, in order.
    @ivar above: the other kinds that cover this one.
    """

    contents: list[bytes] = attrs.field(factory=list)
    above: "list[_Kind]" = attrs.field(factory=list)


class Selection:
    """
    @param places: how many words and prefixes score in the expression.
    @ivar passed: how many hits have been passed on.
    @ivar guess: gives a likely score for parts; None if there is nothing to go by.
    """

    def __init__(self, want: int, account: Account, places: int) -> None:
        self._want = want
        self._account = account
        self._size = 1 + places
        self._kinds: dict[Parts, _Kind] = {}
        self._guessed: list[float] = []
        # Scores of hits that come without parts.
        self._best: list[float] = []
        self._seen: set[bytes] = set()
        self.passed = 0
        self.guess: Callable[[Parts], float] | None = None

    def choose(self, hits: Iterable[Hit]) -> list[Hit]:
        """Those of C{hits}, which were checked, that are to be passed on."""
        chosen: list[Hit] = []
        for hit in hits:
            head = openHead(hit.head)
            key = keyOf(head.owner, recordIdOf(head.owner, head.location))
            if key in self._seen:
                continue
            parts = hit.parts[: self._size]
            if len(parts) == self._size:
                wanted = self._amongBest(parts, head.content)
            else:
                wanted = self._isBetter(hit.score)
            if not wanted:
                self._account.hold(key, hit.score)
                continue
            self._seen.add(key)
            self._account.shown(key)
            self.passed += 1
            chosen.append(hit)
        return chosen

    def _isBetter(self, score: float) -> bool:
        if len(self._best) >= self._want and score <= self._best[0]:
            return False
        heapq.heappush(self._best, score)
        if len(self._best) > self._want:
            heapq.heappop(self._best)
        return True

    def _amongBest(self, parts: Parts, content: bytes) -> bool:
        """Whether it may be one of the best C{want}, whatever the numbers; if so it counts as passed on."""
        kind = self._kinds.get(parts)
        if kind is None:
            kind = _Kind()
            if len(self._kinds) < KINDS_MOST:
                for other, one in self._kinds.items():
                    if covers(other, parts):
                        kind.above.append(one)
                    elif covers(parts, other):
                        one.above.append(kind)
                self._kinds[parts] = kind
        if self._isBeaten(kind, content):
            return False
        if self.guess is not None:
            score = self.guess(parts)
            if len(self._guessed) >= SPARE * self._want:
                if score < self._guessed[0]:
                    start = int.from_bytes(content[:8], "big")
                    self._account.spared[parts] = min(start, self._account.spared.get(parts, start))
                    return False
                heapq.heappop(self._guessed)
            heapq.heappush(self._guessed, score)
        insort(kind.contents, content)
        return True

    def _isBeaten(self, kind: _Kind, content: bytes) -> bool:
        """Whether C{want} rows are better; or so many records, and its own row is there already."""
        want = self._want
        beaten = bisect_right(kind.contents, content) + sum(len(one.contents) for one in kind.above)
        if beaten < want:
            return False
        rows = set(kind.contents[: bisect_left(kind.contents, content)])
        again = content in kind.contents
        for one in kind.above:
            rows.update(one.contents)
        again = again or content in rows
        rows.discard(content)
        return again or len(rows) >= want

    def holdBack(self, keys: Iterable[bytes], bound: float) -> None:
        """Hits that never came as such, but by their keys; those passed on already are not held back."""
        for key in keys:
            if key not in self._seen:
                self._account.hold(key, bound)

    def settle(self) -> None:
        """At the end: what was passed on is not held back, whoever said so."""
        for key in self._seen:
            self._account.shown(key)
