"""Which hits are passed on: those that fewer than C{want} others beat, each once; what is held back is accounted for."""

import heapq
from collections.abc import Iterable

from overlay.index.record import openHead, recordIdOf
from overlay.search.receipts import Account, keyOf
from overlay.wire.query import Hit


class Selection:
    """
    @ivar passed: how many hits have been passed on.
    """

    def __init__(self, want: int, account: Account) -> None:
        self._want = want
        self._account = account
        self._best: list[float] = []
        self._seen: set[bytes] = set()
        self.passed = 0

    def choose(self, hits: Iterable[Hit]) -> list[Hit]:
        """Those of C{hits}, which were checked, that are to be passed on."""
        chosen: list[Hit] = []
        for hit in hits:
            head = openHead(hit.head)
            key = keyOf(head.owner, recordIdOf(head.owner, head.location))
            if key in self._seen:
                continue
            if len(self._best) >= self._want and hit.score <= self._best[0]:
                self._account.hold(key, hit.score)
                continue
            self._seen.add(key)
            self._account.shown(key)
            heapq.heappush(self._best, hit.score)
            if len(self._best) > self._want:
                heapq.heappop(self._best)
            self.passed += 1
            chosen.append(hit)
        return chosen

    def holdBack(self, keys: Iterable[bytes], bound: float) -> None:
        """Hits that never came as such, but by their keys; those passed on already are not held back."""
        for key in keys:
            if key not in self._seen:
                self._account.hold(key, bound)

    def settle(self) -> None:
        """At the end: what was passed on is not held back, whoever said so."""
        for key in self._seen:
            self._account.shown(key)
