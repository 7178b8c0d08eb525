"""
A search from the side of the super-peer that owns it: the flood, then a direct question to everyone who should have answered and is missing
from the receipt.
"""

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId
from overlay.index.expression import Expression
from overlay.questions import Deed
from overlay.search.copies import Copies, Copy, IReceiver
from overlay.search.flood import Branch, Flood, IAsker
from overlay.search.receipts import NAME_BYTES, Account
from overlay.search.selection import Selection
from overlay.wire import limits
from overlay.wire.query import Done, Hit, Receipt

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.known import Known
    from overlay.membership.membership import Membership

RESERVE = 0.3
"""Part of the budget that is kept for direct questions."""


class ISink(Interface):
    """Who gets what a gathering finds."""

    def found(hits: "list[Hit]", source: PeerId) -> None:
        """Some hits, and the peer that they came from."""

    def gathered(status: str, receipt: Receipt, missing: int) -> None:
        """The end; the last call."""


@implementer(IAsker, IReceiver)
class Gathering:
    """One search."""

    def __init__(
        self, flood: Flood, membership: "Membership", copies: Copies, sink: object, id: bytes, text: str,
        expression: Expression, want: int, ttl: int, budget: float, router: str,
    ) -> None:
        self._flood = flood
        self._membership = membership
        self._copies = copies
        self._sink = sink
        self._id = id
        self._text = text
        self._expression = expression
        self._want = want
        self._ttl = ttl
        self._router = router
        self._commons = flood.commons
        self._deadline = self._commons.seconds() + budget
        self._budget = budget
        self._account = Account()
        self._selection = Selection(want, self._account)
        self._branch: Branch | None = None
        self._left: list[Known] = []
        self._asking: dict[bytes, Copy | None] = {}
        self._missing = 0
        self._timer: IDelayedCall | None = None
        self._over = False

    def begin(self) -> None:
        """Flood."""
        self._flood.isNew(self._id, self._ttl)
        self._flood.begin(
            self, self._id, self._text, self._expression, self._want, self._ttl, self._budget * (1 - RESERVE),
            None, self._router, True, self._started,
        )

    def _started(self, branch: Branch) -> None:
        self._branch = branch

    def cancel(self) -> None:
        """Whoever asked wants no more; the end still comes."""
        if self._over:
            return
        branch, self._branch = self._branch, None
        if branch is not None:
            branch.cancel()
        if not self._over:
            self._end("cancelled")

    def hitsFound(self, hits: list[Hit]) -> None:
        chosen = self._selection.choose(hits)
        if chosen:
            self._sink.found(chosen, self._commons.peerId)  # type: ignore[attr-defined]

    def branchEnded(self, status: str, receipt: Receipt) -> None:
        self._branch = None
        self._account.add(receipt)
        if status != "answered":
            self._end(status)
            return
        if self._ttl == limits.TTL_ALL:
            named = {*self._account.answeredBy, *self._account.pruned}
            self._left = [known for known in self._membership.superPeers() if known.peerId[:NAME_BYTES] not in named]
        if self._left:
            wait = max(0.0, self._deadline - self._commons.seconds())
            self._timer = self._commons.clock.callLater(wait, self._timeOver)
        self._askMore()

    # --- those that are missing --------------------------------------------------------------------------------------

    def _askMore(self) -> None:
        while self._left and len(self._asking) < self._commons.settings.askAtOnce and not self._over:
            known = self._left.pop(0)
            self._asking[known.peerId] = None
            link = self._commons.links.get(known.peerId)
            if link is not None:
                self._ask(link)
            else:
                self._dial(known.peerId, self._membership.addresses(known.peerId)[:2])
        if not self._left and not self._asking:
            self._end("answered")

    def _dial(self, peer: PeerId, left: list[str]) -> None:
        if not left:
            self._membership.markDead(peer, True)
            self._silent(peer)
            return

        def failed(failure: Failure) -> None:
            failure.trap(SuperpeerError)
            if peer in self._asking:
                self._dial(peer, left[1:])

        self._commons.links.dial(left[0], peer).addCallbacks(self._ask, failed)

    def _ask(self, link: "Link") -> None:
        if link.peerId not in self._asking or self._over:
            return
        budget = max(0.05, 0.9 * (self._deadline - self._commons.seconds()))
        copy = self._copies.send(
            link, self, self._id, self._text, limits.ANALYSIS, self._want, 1, min(budget, limits.BUDGET), True
        )
        self._asking[link.peerId] = copy
        if copy is None:
            self._silent(link.peerId)

    def hitsCame(self, copy: Copy, hits: list[Hit]) -> None:
        chosen = self._selection.choose(self._flood.checker.genuine(hits, copy.link.peerId))
        if chosen and not self._over:
            self._sink.found(chosen, copy.link.peerId)  # type: ignore[attr-defined]

    def copyEnded(self, copy: Copy, done: Done | None) -> None:
        if self._over:
            return
        peer = copy.link.peerId
        if done is not None and done.status == "refused" and done.code == "not-serving":
            # It has just ceased to be a super-peer, so it holds nothing: nobody is missing.
            self._asking.pop(peer, None)
            self._askMore()
            return
        if done is None or done.status != "answered" or done.receipt is None:
            self._silent(peer)
            return
        # It speaks for itself alone: that others answered is not its to say.
        own = Receipt(
            answeredBy=peer[:NAME_BYTES], matched=done.receipt.matched, held=done.receipt.held,
            heldMore=done.receipt.heldMore, bound=done.receipt.bound, documents=done.receipt.documents,
            length=done.receipt.length, frequencies=done.receipt.frequencies, sent=1, answered=1,
            unfiltered=done.receipt.unfiltered, excluded=done.receipt.excluded,
        )
        self._account.add(own)
        self._commons.report(peer, Deed.ANSWERED)
        self._asking.pop(peer, None)
        self._askMore()

    def _silent(self, peer: bytes) -> None:
        if self._asking.pop(peer, False) is not False:
            self._missing += 1
            self._askMore()

    def _timeOver(self) -> None:
        for peer, copy in self._asking.items():
            if copy is not None:
                self._commons.report(PeerId(peer), Deed.LATE)
        self._end("answered")

    def _end(self, status: str) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._missing += len(self._asking) + len(self._left)
        for copy in self._asking.values():
            if copy is not None:
                self._copies.drop(copy)
        self._asking.clear()
        self._selection.settle()
        self._sink.gathered(status, self._account.receipt(), self._missing)  # type: ignore[attr-defined]
