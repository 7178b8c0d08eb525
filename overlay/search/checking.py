"""Hits are checked wherever they are passed on, so that whoever brings a forged one has made it, or has not looked."""

import hashlib
from collections.abc import Sequence

from overlay.commons import Commons
from overlay.errors import Expired, SuperpeerError
from overlay.identity.ids import PeerId
from overlay.index.packed import PackedRow, PackedRows
from overlay.index.passing import PassingRows
from overlay.index.record import verifyHead
from overlay.questions import Deed
from overlay.wire.query import Hit

REMEMBERED = 16 * 1024
"""Hits that were found good and need not be checked again: what is sought often comes often."""


class Checker:
    """Of one super-peer."""

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._good: dict[bytes, int] = {}

    def genuine(self, hits: Sequence[Hit], source: PeerId) -> Sequence[Hit]:
        """
        Those hits that their owners have signed; without the others, which could take the places of real ones.

        @param source: the peer that they came from, which answers for forgeries. For what is held here it is this peer itself: of
            its leaves' signatures it has checked a sample only.
        """
        if source != self._commons.peerId:
            return [hit for hit in hits if self._isGenuine(hit, source)]
        # Most were checked since they came here (what has expired is not found).
        if type(hits) is PackedRows and hits.genuine:
            return hits
        return [hit for hit in hits if (type(hit) is PackedRow and hit.number in hit.answer.genuine) or self._isGenuine(hit, source)]

    def knows(self, rows: Sequence[Hit]) -> bool:
        """Whether these, which are held here, may go out without a look: each has been checked since it came."""
        return type(rows) in (PackedRows, PassingRows) and rows.genuine  # type: ignore[attr-defined]

    def _isGenuine(self, hit: Hit, source: PeerId) -> bool:
        commons = self._commons
        own = isinstance(hit, PackedRow) and source == commons.peerId
        name = hashlib.blake2b(hit.key + hit.signature + hit.head, digest_size=16).digest()
        expires = self._good.get(name)
        if expires is not None and commons.now() < expires:
            if own:
                hit.confirm()  # type: ignore[attr-defined]
            return True
        try:
            head = verifyHead(commons.scheme, commons.network.id, hit.key, hit.head, hit.signature, commons.now())
        except Expired:
            commons.tally.count("drops", "expired-hit")
            return False
        except SuperpeerError:
            commons.tally.count("drops", "forged-hit")
            if source != commons.peerId:
                commons.report(source, Deed.FORGED_HIT)
            return False
        if own:
            # The store remembers it as long as it has the record.
            hit.confirm()  # type: ignore[attr-defined]
            return True
        if len(self._good) >= REMEMBERED:
            del self._good[next(iter(self._good))]
        self._good[name] = head.expires
        return True
