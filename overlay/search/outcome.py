"""What a searcher gets: hits that were verified and merged by content, and the accounting."""

from collections.abc import Sequence

import attrs

from overlay.commons import Commons
from overlay.errors import Expired, SuperpeerError
from overlay.identity.ids import PeerId, peerIdOf
from overlay.index.record import verifyHead
from overlay.questions import Deed
from overlay.wire.query import Hit, Receipt
from overlay.wire.statements import RecordHead

KEPT_MOST = 20_000
"""Rows that one search keeps; more are only counted."""


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


@attrs.frozen(slots=True)
class Outcome:
    """
    The end of a search.

    @ivar hits: at most C{want}, in their final order.
    @ivar status: C{complete}, C{incomplete} (somebody is missing, lost, refused or late), C{cancelled}, C{refused} or C{failed}.
    @ivar code: why it was refused or failed: C{rate}, C{query}, C{not-joined}, C{busy}, C{late}.
    @ivar word: of the query that is at fault.
    @ivar retry: seconds until another try makes sense; 0 if unknown.
    @ivar held: how many more hits there are.
    @ivar missing: super-peers known to be alive that did not answer even when asked directly.
    @ivar elapsed: seconds.
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
    ranking: str = "local"

    @property
    def answered(self) -> int:
        """Super-peers that answered."""
        return len(self.receipt.answeredBy) // 8

    @property
    def lost(self) -> int:
        """Copies that were lost or refused on the way, though whoever was behind them may have answered otherwise."""
        return self.receipt.lost + self.receipt.refused

    @property
    def asked(self) -> int:
        """Super-peers that were asked, or proved to hold nothing."""
        return self.answered + len(self.receipt.prunedNames) // 8 + self.missing


class Gathered:
    """Hits as they come, verified and merged."""

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._rows: dict[bytes, dict[tuple[bytes, str], tuple[float, RecordHead, str]]] = {}
        self._count = 0
        self.forged = 0

    def __len__(self) -> int:
        return len(self._rows)

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
            rows = self._rows.setdefault(head.content, {})
            key = (head.owner, head.location)
            held = rows.get(key)
            if held is not None and held[1].number >= head.number:
                continue
            if held is None:
                if self._count >= KEPT_MOST:
                    if not rows:
                        del self._rows[head.content]
                    continue
                self._count += 1
            rows[key] = (hit.score, head, hit.snippet)
            changed[head.content] = None
        return [self._row(content) for content in changed]

    def _verified(self, hit: Hit, source: PeerId) -> RecordHead | None:
        commons = self._commons
        if commons.isRefused(peerIdOf(hit.key)):
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
        ordered = sorted(self._rows[content].values(), key=lambda one: (-one[0], one[1].owner, one[1].location))
        score, head, snippet = ordered[0]
        owners = tuple(dict.fromkeys(PeerId(one[1].owner) for one in ordered))
        return FoundHit(
            head.content, head.size, head.mediaType, head.modified, owners, head.location, head.name, score, snippet
        )

    def rows(self, want: int) -> list[FoundHit]:
        """The best, in their order: by score, then by content."""
        return self.all()[:want]

    def all(self) -> list[FoundHit]:
        """Every row, in order."""
        return sorted(map(self._row, self._rows), key=lambda row: (-row.score, row.content))
