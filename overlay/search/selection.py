"""
Which hits are passed on: those that fewer than C{want} others cover, each once; what is held back is accounted for.

Scores of different super-peers cannot be compared, since each goes by its own numbers; what scores can be (see
L{overlay.index.scoring}). Where an expression has many words hardly any record covers another. Then, of those that would be passed on,
only the best few times C{want} by a guess are, and what covers the others is told.
"""

import heapq
from collections.abc import Callable, Iterable

from overlay.index.record import openHead, recordIdOf
from overlay.index.scoring import Parts
from overlay.search.receipts import Account, keyOf
from overlay.search.skyband import Skyband
from overlay.wire.query import Hit

SPARE = 8
"""So many times C{want} hits are passed on whatever they score."""


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
        self._band = Skyband(want)
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

    def accept(self, hits: Iterable[Hit]) -> list[Hit]:
        """
        Those of C{hits} that are not there yet: some that were chosen already, by the part of the search that they come from.
        """
        chosen: list[Hit] = []
        for hit in hits:
            head = openHead(hit.head)
            key = keyOf(head.owner, recordIdOf(head.owner, head.location))
            if key in self._seen:
                continue
            self._seen.add(key)
            self._account.shown(key)
            self.passed += 1
            parts = hit.parts[: self._size]
            if len(parts) == self._size:
                self._band.add(parts, head.content)
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
        if self._band.isBeaten(parts, content):
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
        self._band.add(parts, content)
        return True

    def holdBack(self, keys: Iterable[bytes], bound: float) -> None:
        """Hits that never came as such, but by their keys; those passed on already are not held back."""
        for key in keys:
            if key not in self._seen:
                self._account.hold(key, bound)

    def settle(self) -> None:
        """At the end: what was passed on is not held back, whoever said so."""
        for key in self._seen:
            self._account.shown(key)
