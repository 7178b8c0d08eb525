"""What goes back over a link for one copy of a query: hits as they come, under back-pressure, then exactly one C{Done}."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from zope.interface import implementer

from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId
from overlay.index.record import openHead, recordIdOf
from overlay.search.asker import IAsker
from overlay.search.gathering import NOBODY_LEFT, ISink, Unasked
from overlay.search.receipts import KEY_BYTES, keyOf
from overlay.wire import limits
from overlay.wire.query import Done, Hit, Hits, Query, Receipt, Refine

if TYPE_CHECKING:
    from overlay.link.link import Link

WAITING_MOST = 4 * limits.WANT
"""Hits that wait for a slow reader; more are held back."""


def _nothing() -> None:
    """Nothing to cancel."""


@implementer(IAsker, ISink)
class Reply:
    """
    @ivar key: the link's peer and the number of the copy.
    @ivar cancel_: ends the work behind it; C{abandon_} the same when nobody waits any more.
    """

    def __init__(self, link: "Link", query: Query | Refine, ended: "Callable[[Reply], None]") -> None:
        self._link = link
        self._ended = ended
        self._copy = query.copy
        self.id = query.id
        self.key = (link.peerId, query.copy)
        self.cancel_: Callable[[], None] = _nothing
        self.abandon_: Callable[[], None] = _nothing
        self._waiting: list[Hit] = []
        self._held: dict[bytes, float] = {}
        self._over = False

    def found(self, hits: Sequence[Hit], source: PeerId) -> None:
        """A gathering has found some."""
        self.hitsFound(hits)

    def hitsFound(self, hits: Sequence[Hit]) -> None:
        if self._over:
            return
        if not self._waiting and len(hits) <= limits.HITS_PER_MESSAGE and not self._link.congested:
            # Most often they can go at once, as they are.
            self._send(hits)
            return
        room = WAITING_MOST - len(self._waiting)
        self._waiting.extend(hits[:room])
        self._holdBack(hits[room:])
        self.flush()

    def flush(self) -> None:
        """Send what waits, as long as the link takes it."""
        while self._waiting and not self._link.congested:
            self._sendSome()

    def _sendSome(self) -> None:
        some = self._waiting[: limits.HITS_PER_MESSAGE]
        del self._waiting[: limits.HITS_PER_MESSAGE]
        self._send(some)

    def _send(self, some: Sequence[Hit]) -> None:
        if some and not self._link.send(Hits(self.id, self._copy, some)):  # type: ignore[arg-type]
            self._holdBack(some)

    def _holdBack(self, hits: Sequence[Hit]) -> None:
        """What a slow reader does not get is still accounted for."""
        for hit in hits:
            try:
                head = openHead(hit.head)
            except SuperpeerError:
                continue
            self._held[keyOf(head.owner, recordIdOf(head.owner, head.location))] = hit.score

    def gathered(self, status: str, receipt: Receipt, missing: int, ranking: str, unasked: Unasked) -> None:
        """A gathering has ended."""
        self._finish(status, receipt, missing, ranking, unasked)

    def branchEnded(self, status: str, receipt: Receipt) -> None:
        self._finish(status, receipt, 0, "")

    def _finish(self, status: str, receipt: Receipt, missing: int, ranking: str, unasked: Unasked = NOBODY_LEFT) -> None:
        if self._over:
            return
        self._over = True
        self._letGo()
        while self._waiting:
            self._sendSome()
        if self._held:
            # What does not arrive is not ranked.
            ranking = ranking and "estimated"
            room = limits.HELD_KEYS - len(receipt.held) // KEY_BYTES
            keys = list(self._held)
            receipt = msgspec.structs.replace(
                receipt, held=receipt.held + b"".join(keys[:room]), heldMore=receipt.heldMore + len(keys[room:]),
                bound=max(receipt.bound, *self._held.values()), ranked=0,
            )
        self._ended(self)
        self._link.send(
            Done(
                self.id, self._copy, status, receipt, missing=missing, ranking=ranking, unasked=unasked.count,
                unaskedPart=unasked.part,
            )
        )

    def cancel(self) -> None:
        """The asker wants no more; the C{Done} still goes."""
        self.cancel_()

    def abandon(self) -> None:
        """The asker is gone."""
        self._over = True
        self._waiting.clear()
        abandon = self.abandon_
        self._letGo()
        abandon()

    def _letGo(self) -> None:
        """The work behind it knows this reply: two that hold each other would stay until the collector of garbage comes by."""
        self.cancel_ = self.abandon_ = _nothing
