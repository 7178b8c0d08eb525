"""
Which hits are passed on: those that fewer than C{want} others cover, each once; what is held back is accounted for.

Scores of different super-peers cannot be compared, since each goes by its own numbers; what scores can be (see
L{overlay.index.scoring}). Where an expression has many words hardly any record covers another. Then, of those that would be passed on,
only the best few times C{want} by a guess are, and what covers the others is told.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence

from overlay.index.packed import PackedRow, PackedRows
from overlay.index.record import openHead, recordIdOf
from overlay.index.scoring import BM25, Parts, Statistics, scorer
from overlay.search.copies import mostHits
from overlay.search.receipts import KEY_BYTES, Account, keyOf
from overlay.search.skyband import Skyband
from overlay.wire.query import Hit

SPARE = 8
"""So many times C{want} hits are passed on whatever they score; from when half of what may be passed on at all has been, fewer."""
CONTENT_BYTES = 8
"""Of a content hash, as an index has it: so many tell rows apart."""


class Selection:
    """
    @param places: how many words and prefixes score in the expression.
    @ivar passed: how many hits have been passed on.
    @ivar numbers: and C{formula}: by which the likely score of parts is guessed; None if there is nothing to go by.
    """

    def __init__(self, want: int, account: Account, places: int) -> None:
        self._want = want
        # The best of what is held back here, which is asked for once more, must still find room.
        self._most = mostHits(want) * 9 // 10
        self._account = account
        self._size = 1 + places
        # Made with the first hit that is compared with others.
        self._band: Skyband | None = None
        self._guessed: list[float] = []
        # Of hits that come without parts, by content: the score, and what decides between equal ones with its sign turned. The same with
        # the worst first, and with what they were before.
        self._best: dict[bytes, tuple[float, int]] = {}
        self._worst: list[tuple[float, int, bytes]] = []
        # By key the content, since two homes of one owner may hold different versions of a record: which is newer only its head says.
        self._seen: dict[bytes, bytes] = {}
        self._first: Sequence[PackedRow] = ()
        self.passed = 0
        self.numbers: Statistics | None = None
        self.formula = BM25
        self._guess: Callable[[Parts], float] | None = None

    def choose(self, hits: Sequence[Hit]) -> Sequence[Hit]:
        """Those of C{hits}, which were checked, that are to be passed on."""
        if (
            not self.passed and len(hits) <= self._want
            and (type(hits) is PackedRows or all(type(hit) is PackedRow for hit in hits))
        ):
            # A super-peer's own best come first, and no more than are wanted: nothing beats them yet.
            self._first = hits  # type: ignore[assignment]
            self.passed = len(hits)
            return hits
        first, self._first = self._first, ()
        for row in first:
            self._see(row)  # type: ignore[arg-type]
        chosen = [hit for hit in hits if self._see(hit)]
        self.passed += len(chosen)
        return chosen

    def accept(self, hits: Iterable[Hit]) -> list[Hit]:
        """
        Those of C{hits} that are not there yet: some that were chosen already, by the part of the search that they come from.
        """
        chosen: list[Hit] = []
        for hit in hits:
            key, content = _named(hit)
            if self._seen.get(key) == content:
                continue
            self._seen[key] = content
            self._account.shown(key)
            self.passed += 1
            parts = hit.parts[: self._size]
            if len(parts) == self._size:
                self._compared().add(parts, content)
            chosen.append(hit)
        return chosen

    def _compared(self) -> Skyband:
        if self._band is None:
            self._band = Skyband(self._want)
        return self._band

    def _see(self, hit: Hit) -> bool:
        """Whether a hit is passed on."""
        key, content = _named(hit)
        if self._seen.get(key) == content:
            return False
        parts = hit.parts[: self._size]
        if not (self._amongBest(parts, content) if len(parts) == self._size else self._isBetter(hit.score, content)):
            if key not in self._seen:
                self._account.hold(key, hit.score)
            return False
        self._seen[key] = content
        self._account.shown(key)
        return True

    def _isBetter(self, score: float, content: bytes) -> bool:
        """Whether it is of one of the best C{want} contents by the scores alone; if so it counts as passed on."""
        best, worst = self._best, self._worst
        rank = score, -int.from_bytes(content, "big")
        before = best.get(content)
        if before is not None:
            # One more owner of a row.
            if len(self._seen) >= self._most:
                return False
        elif len(best) >= self._want:
            while best.get(worst[0][2]) != worst[0][:2]:
                heapq.heappop(worst)
            if rank <= worst[0][:2]:
                return False
            del best[heapq.heappop(worst)[2]]
        if before is None or rank > before:
            best[content] = rank
            heapq.heappush(worst, (*rank, content))
        return True

    def _amongBest(self, parts: Parts, content: bytes) -> bool:
        """Whether it may be one of the best C{want}, whatever the numbers; if so it counts as passed on."""
        band = self._compared()
        if band.isBeaten(parts, content):
            return False
        left = self._most - len(self._seen)
        if left <= 0:
            self._account.spare(parts, int.from_bytes(content[:8], "big"))
            return False
        if self._guess is None and self.numbers is not None:
            # Most searches find so little that it never comes to that.
            self._guess = scorer(self.numbers, self.formula)
        if self._guess is not None:
            score = self._guess(parts)
            room = SPARE * self._want
            if 2 * left < self._most:
                room = min(room, max(self._want, left // 4))
            if len(self._guessed) >= room:
                while len(self._guessed) > room:
                    heapq.heappop(self._guessed)
                if score < self._guessed[0]:
                    self._account.spare(parts, int.from_bytes(content[:8], "big"))
                    return False
                heapq.heappop(self._guessed)
            heapq.heappush(self._guessed, score)
        band.add(parts, content)
        return True

    def holdBack(self, keys: Iterable[bytes], bound: float) -> None:
        """Hits that never came as such, but by their keys; those passed on already are not held back."""
        # What one super-peer holds back it has not sent.
        self._account.holdAll([key for key in keys if key not in self._seen], bound)

    def settle(self) -> None:
        """At the end: what was passed on is not held back, whoever said so."""
        if self._account.held:
            for key in (*self._seen, *(row.recordId[:KEY_BYTES] for row in self._first)):
                self._account.shown(key)


def _named(hit: Hit) -> tuple[bytes, bytes]:
    """The key of a hit, and the beginning of its content."""
    if isinstance(hit, PackedRow):
        return hit.recordId[:KEY_BYTES], hit.content.to_bytes(CONTENT_BYTES, "big")
    head = openHead(hit.head)
    return keyOf(head.owner, recordIdOf(head.owner, head.location)), head.content[:CONTENT_BYTES]
