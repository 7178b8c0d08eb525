"""What a searcher gets: hits that were verified and merged by content, and the accounting."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from overlay.commons import Commons
from overlay.errors import Expired, SuperpeerError
from overlay.identity.ids import PeerId, peerIdOf
from overlay.index.folding import fold
from overlay.index.record import recordIdOf, verifyHead
from overlay.index.scoring import scorer
from overlay.questions import Deed, RowView
from overlay.search.receipts import KEY_BYTES, keyOf, namesOf, statisticsOf
from overlay.search.wanted import Wanted
from overlay.verdict import Verdict
from overlay.wire.query import Hit, Receipt
from overlay.wire.statements import RecordHead

KEPT_MOST = 20_000
"""Records that one search keeps: when there are twice as many the best of them stay, and the others are only counted."""


@attrs.frozen(slots=True)
class FoundHit:
    """
    One row: one content, with everybody who shares it.

    @ivar content: SHA-256, 32 bytes.
    @ivar modified: seconds since the epoch.
    @ivar owners: who shares it, best first.
    @ivar location: at the first owner; likewise C{name}.
    """

    content: bytes
    size: int
    mediaType: str
    modified: int
    owners: tuple[PeerId, ...]
    location: str
    name: str
    score: float
    snippet: str


ORDERS: dict[str, Callable[[FoundHit], Any]] = {
    "score": lambda row: (-row.score, row.content),
    "newest": lambda row: (-row.modified, -row.score, row.content),
    "size": lambda row: (-row.size, -row.score, row.content),
    "name": lambda row: (fold(row.name), row.name, -row.score, row.content),
}
"""How rows may be sorted: best, newest, largest first, or by name."""


@attrs.frozen(slots=True)
class Outcome:
    """
    The end of a search.

    @ivar hits: at most C{want}, in their final order.
    @ivar status: C{complete}, C{enough} (there were as many hits as were wanted before everybody was asked), C{incomplete} (somebody is
        missing, lost, refused or late), C{cancelled}, C{refused} or C{failed}.
    @ivar code: why it was refused or failed: C{rate}, C{query}, C{not-joined}, C{busy}, C{late}.
    @ivar word: of the query that is at fault.
    @ivar retry: seconds until another try makes sense; 0 if unknown.
    @ivar held: how many more hits there are.
    @ivar missing: super-peers known to be alive that did not answer even when asked directly.
    @ivar elapsed: seconds.
    @ivar at: where the word at fault begins in what was asked, in characters; -1 if that is not known.
    @ivar why: if there are no hits, why (see L{overlay.search.why}).
    @ivar left: words that the query had no room for.
    @ivar unasked: super-peers known to be alive that were not asked, or not waited for, since there were hits enough.
    @ivar unaskedPart: how much of the network those are, by the registrations that super-peers say they hold; 0 to 1.
    @ivar ranking: C{exact} if this is the order that one index of all records would give, and these are its scores; else C{estimated}.
    """

    hits: list[FoundHit]
    receipt: Receipt
    status: str
    code: str = ""
    text: str = ""
    word: str = ""
    retry: float = 0.0
    held: int = 0
    missing: int = 0
    elapsed: float = 0.0
    ranking: str = "estimated"
    at: int = -1
    why: Mapping[str, Any] = {}
    left: tuple[str, ...] = ()
    unasked: int = 0
    unaskedPart: float = 0.0

    @property
    def answered(self) -> int:
        """Super-peers that answered."""
        return len(self.receipt.answeredBy) // 8

    @property
    def lost(self) -> int:
        """Copies that were lost or refused on the way, though whoever was behind them may have answered otherwise."""
        return self.receipt.lost + self.receipt.refused

    @property
    def doubts(self) -> list[str]:
        """If the order is estimated: why, in sentences, as far as the receipt shows it."""
        receipt = self.receipt
        if self.ranking == "exact" or not receipt.answeredBy:
            return []
        reasons = {
            "somebody did not answer": self.missing or self.lost,
            "not everybody was asked": self.unasked or receipt.notReached,
            "registrations differ between homes: a home has restarted, or a leaf is away, or has just changed what it shares":
                receipt.balance,
            "super-peers that have some of the words were left out": receipt.unknown or receipt.doubled,
            "a super-peer could not rank all that it holds, or is of an older version": receipt.ranked < self.answered,
        }
        return [said for said, holds in reasons.items() if holds]

    @property
    def pruned(self) -> int:
        """Super-peers whose summaries proved that they hold nothing that matches."""
        return len(self.receipt.prunedNames) // 8

    @property
    def asked(self) -> int:
        """Super-peers that were asked, or proved to hold nothing."""
        return self.answered + self.pruned + self.missing


@attrs.frozen(slots=True)
class RankedRow:
    """
    @ivar hit: with the score that the policy gave.
    @ivar score: by the formula.
    @ivar parts: of the record that stands for the row; empty if not known.
    """

    hit: FoundHit
    score: float
    parts: bytes


@attrs.define(slots=True)
class _Kept:
    """
    @ivar sources: who sent it so.
    """

    score: float
    head: RecordHead
    snippet: str
    parts: bytes
    sources: tuple[PeerId, ...]

    def isLike(self, head: RecordHead, parts: bytes) -> bool:
        """Whether it makes the same row as another version of the record, or another answer of it."""
        mine = self.head
        return (mine.content, mine.modified, mine.mediaType, self.parts) == (head.content, head.modified, head.mediaType, parts)


class Gathered:
    """
    Hits as they come, verified and merged.

    @ivar whole: whether there was room for all.
    @ivar unwanted: signatures of hits of owners with whom this peer has nothing to do; they have taken the places of others.
    """

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._rows: dict[bytes, dict[tuple[bytes, str], _Kept]] = {}
        # What each record is now: an older version of it may come after a newer one.
        self._contents: dict[tuple[bytes, str], bytes] = {}
        self._count = 0
        self._gone = 0
        # Who sent another version of a record than the one that is kept.
        self._passedOver: set[PeerId] = set()
        self.whole = True
        self.unwanted: set[bytes] = set()
        self.forged = 0

    def __len__(self) -> int:
        """Rows, and those that there was no room for."""
        return len(self._rows) + self._gone

    def take(self, hits: Sequence[Hit], source: PeerId) -> list[FoundHit]:
        """
        Verify some hits.

        @param source: the peer that they came from, which answers for forgeries.
        @return: the rows that are new or have changed.
        """
        changed: dict[bytes, None] = {}
        for hit in hits:
            head = self._verified(hit, source)
            if head is None:
                continue
            key = (head.owner, head.location)
            before = self._contents.get(key)
            sources: tuple[PeerId, ...] = (source,)
            if before is None:
                self._count += 1
            else:
                kept = self._rows[before][key]
                if source not in kept.sources and kept.isLike(head, hit.parts):
                    kept.sources += sources
                if kept.head.number >= head.number:
                    if source not in kept.sources:
                        self._passedOver.add(source)
                    continue
                if kept.isLike(head, hit.parts):
                    sources = kept.sources
                else:
                    self._passedOver.update(one for one in kept.sources if one != source)
                if before != head.content:
                    self._remove(before, key)
                    changed.pop(before, None)
            self._contents[key] = head.content
            self._rows.setdefault(head.content, {})[key] = _Kept(hit.score, head, hit.snippet, hit.parts, sources)
            changed[head.content] = None
        if self._count > 2 * KEPT_MOST:
            self._evict()
        return [self._row(content) for content in changed if content in self._rows]

    def _evict(self) -> None:
        """Let the worst records go, by the scores that they came with."""
        every = [(-one.score, *key, content) for content, rows in self._rows.items() for key, one in rows.items()]
        for _, owner, location, content in sorted(every)[KEPT_MOST:]:
            del self._contents[owner, location]
            self._remove(content, (owner, location))
            self._gone += content not in self._rows
        self._count = KEPT_MOST
        self.whole = False

    def _remove(self, content: bytes, key: tuple[bytes, str]) -> None:
        rows = self._rows[content]
        del rows[key]
        if not rows:
            del self._rows[content]

    def _verified(self, hit: Hit, source: PeerId) -> RecordHead | None:
        commons = self._commons
        if commons.isRefused(peerIdOf(hit.key)):
            if len(self.unwanted) < KEPT_MOST:
                self.unwanted.add(hit.signature)
            return None
        try:
            return verifyHead(commons.scheme, commons.network.id, hit.key, hit.head, hit.signature, commons.now())
        except Expired:
            commons.tally.count("drops", "expired-hit")
        except SuperpeerError:
            self.forged += 1
            commons.tally.count("drops", "forged-hit")
            if source != commons.peerId:
                commons.report(source, Deed.FORGED_HIT)
        return None

    def _row(self, content: bytes) -> FoundHit:
        """The best of the records of one content stands for all."""
        ordered = sorted(self._rows[content].values(), key=lambda one: (-one.score, one.head.owner, one.head.location))
        best = ordered[0]
        head = best.head
        owners = tuple(dict.fromkeys(PeerId(one.head.owner) for one in ordered))
        return FoundHit(
            head.content, head.size, head.mediaType, head.modified, owners, head.location, head.name, best.score, best.snippet
        )

    def rank(self, wanted: Wanted, receipt: Receipt) -> None:
        """Score by the numbers of all records, as a receipt gives them."""
        if not receipt.ranked or wanted.formula.order != "bm25":
            return
        size = 1 + wanted.places
        score = scorer(statisticsOf(receipt, wanted.terms, wanted.times), wanted.formula)
        for rows in self._rows.values():
            for one in rows.values():
                if len(one.parts) >= size:
                    one.score = score(one.parts[:size])

    def rows(self, want: int) -> list[FoundHit]:
        """The best, in their order: by score, then by content."""
        return self.all()[:want]

    def all(self) -> list[FoundHit]:
        """Every row, the best first."""
        return sorted(map(self._row, self._rows), key=ORDERS["score"])

    def judged(self, ranking: Any, sort: str = "score") -> list[tuple[RankedRow, Verdict]]:
        """
        Every row as a policy orders them.

        @param ranking: guarded L{overlay.interfaces.IRanking}.
        @param sort: one of L{ORDERS}; of equal ones the better first, and then by content.
        """
        made = []
        for row in self.all():
            verdict: Verdict = ranking.score(self._viewOf(row))
            made.append((RankedRow(attrs.evolve(row, score=verdict.score), row.score, self._partsOf(row)), verdict))
        return sorted(made, key=lambda one: ORDERS[sort](one[0].hit))

    def _viewOf(self, row: FoundHit) -> RowView:
        trust = max(map(self._commons.trust, row.owners))
        return RowView(row.score, row.size, row.mediaType, row.modified, row.location, len(row.owners), trust)

    def isMoved(self, ranking: Any) -> bool:
        """
        Whether a policy would give a row another score than the formula if others held it: then rows that were not fetched, which by the
        formula come later, might come first.
        """
        for row in self.all()[:1]:
            view = self._viewOf(row)
            others = (attrs.evolve(view, owners=view.owners + 1, trust=1.0), attrs.evolve(view, trust=0.0))
            return any(ranking.score(one).score != row.score for one in others)
        return False

    def isAllOf(self, source: PeerId, receipt: Receipt, shown: Sequence[FoundHit]) -> bool:
        """
        Whether the receipt of one of several that were asked accounts for what is shown: each row is where it is by a record that came from
        there, as it came, and whatever else came of these contents is held back there.
        """
        if source in self._passedOver:
            return False
        contents = {row.content for row in shown}
        held = set(namesOf(receipt.held, KEY_BYTES))
        for content, rows in self._rows.items():
            own = [one.score for one in rows.values() if source in one.sources]
            others = [one for one in rows.values() if source not in one.sources]
            if not own:
                if content in contents:
                    return False
            elif any(one.score > max(own) or not self._isAmong(held, one.head) for one in others):
                return False
        return True

    @staticmethod
    def _isAmong(keys: set[bytes], head: RecordHead) -> bool:
        return keyOf(head.owner, recordIdOf(head.owner, head.location)) in keys

    def _partsOf(self, row: FoundHit) -> bytes:
        return self._rows[row.content][(row.owners[0], row.location)].parts
