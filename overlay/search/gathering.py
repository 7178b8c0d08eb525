"""
A search from the side of the super-peer that owns it: the flood, then a direct question to everyone who should have answered and is missing
from the receipt, then the ranking by the numbers of all.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
from zope.interface import Interface, implementer

from overlay.identity.ids import PeerId
from overlay.search.asker import IAsker
from overlay.search.copies import Copies, Copy
from overlay.search.flood import Branch, Flood
from overlay.search.receipts import NAME_BYTES, NOBODY, Account
from overlay.search.refining import Collected, Refinement
from overlay.search.rounds import Round
from overlay.search.selection import Selection
from overlay.search.wanted import Wanted
from overlay.wire import limits
from overlay.wire.query import Hit, Receipt

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

RESERVE = 0.3
"""Part of the budget that is kept for direct questions."""
LAST = 0.1
"""Part of it that is kept for the last of them: who may hold something better."""


@attrs.frozen(slots=True)
class Unasked:
    """
    Whom a search left out because it had hits enough.

    @ivar count: super-peers known to be alive, or said by others to lie beyond the ttl, that have not answered.
    @ivar part: how much of the network they are, 0 to 1, by the registrations that super-peers say they hold.
    """

    count: int = 0
    part: float = 0.0


NOBODY_LEFT = Unasked()


class ISink(Interface):
    """Who gets what a gathering finds."""

    def found(hits: "Sequence[Hit]", source: PeerId) -> None:
        """Some hits, and the peer that they came from."""

    def gathered(status: str, receipt: Receipt, missing: int, ranking: str, unasked: Unasked) -> None:
        """The end; the last call."""


@implementer(IAsker)
class Gathering:
    """One search."""

    def __init__(
        self, flood: Flood, membership: "Membership", copies: Copies, sink: object, id: bytes, wanted: Wanted, ttl: int,
        budget: float, router: str,
    ) -> None:
        self._flood = flood
        self._membership = membership
        self._copies = copies
        self._sink = sink
        self._id = id
        self._wanted = wanted
        self._ttl = ttl
        self._router = router
        self._commons = flood.commons
        self._deadline = self._commons.seconds() + budget
        self._budget = budget
        self._account = Account()
        self._selection = Selection(wanted.want, self._account, wanted.places)
        self._collected = Collected(wanted.places)
        self._branch: Branch | None = None
        self._round: Round | None = None
        self._refinement: Refinement | None = None
        self._missing = 0
        self._further: Counter[PeerId] = Counter()
        self._over = False

    def begin(self) -> None:
        """Flood."""
        self._flood.seen.isNew(self._id, self._ttl)
        self._flood.begin(
            self, self._id, self._wanted, self._ttl, self._budget * (1 - RESERVE), None, self._router, True, self._started
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
            self._end("cancelled", "estimated")

    def hitsFound(self, hits: Sequence[Hit]) -> None:
        self._take(self._selection.accept(hits), self._commons.peerId)

    def _take(self, chosen: Sequence[Hit], source: PeerId) -> None:
        if chosen and not self._over:
            self._collected.take(chosen)
            self._sink.found(chosen, source)  # type: ignore[attr-defined]

    def _genuine(self, source: PeerId, hits: Sequence[Hit]) -> None:
        """Hits that came directly."""
        self._take(self._selection.choose(self._flood.checker.genuine(hits, source)), source)

    def _refined(self, source: PeerId, hits: Sequence[Hit]) -> None:
        """Hits that by the numbers of all are no worse than the last row; nobody has more of them than are wanted."""
        hits = hits[: max(0, self._wanted.want - self._further[source])]
        self._further[source] += len(hits)
        self._take(self._selection.accept(self._flood.checker.genuine(hits, source)), source)

    def branchEnded(self, status: str, receipt: Receipt) -> None:
        self._branch = None
        self._account.add(receipt)
        if status not in ("answered", "enough"):
            self._end(status, "estimated")
            return
        named = {*self._account.answeredBy, *self._account.pruned}
        known = self._membership.superPeerView()
        if len(named) < 2:
            # Nobody else has been asked: there may be others all the same, whom this peer has not reached yet.
            self._missing = self._membership.unmet()
        unnamed = [one for one in known if one.peerId[:NAME_BYTES] not in named]
        # Whom only others know; of whom there is no name is one of all these, if there are any.
        strangers = self._account.unreached.difference(one.peerId[:NAME_BYTES] for one in known)
        strange = len(strangers - {NOBODY}) or (bool(strangers) and not unnamed)
        if status == "enough" and (unnamed or strange):
            # A super-peer holds its own registration as well; of those that are not known it is all that is known.
            whole = 1 + self._membership.loadOf() + sum(1 + one.advert.load for one in known) + strange
            part = (sum(1 + one.advert.load for one in unnamed) + strange) / whole
            self._end("answered", "estimated", Unasked(len(unnamed) + strange, part))
            return
        left: list[PeerId] = []
        if self._ttl == limits.TTL_ALL:
            left = [one.peerId for one in unnamed]
        else:
            # Also who lay behind a link that has just been lost, which no copy tells of.
            self._account.leave(
                [one.peerId[:NAME_BYTES] for one in unnamed], max(0, len(unnamed) - self._account.notReached)
            )
        self._round = Round(
            self._commons, self._membership, self._copies, self._deadline - LAST * self._budget, self._ask, self._genuine,
            self._answered, self._allAsked, ceasedAnswers=True,
        )
        self._round.begin(left)

    # --- those that are missing --------------------------------------------------------------------------------------

    def _ask(self, link: "Link", receiver: Round, budget: float) -> Copy | None:
        return self._copies.send(link, receiver, self._id, self._wanted, 1, budget, True)

    def _answered(self, peer: PeerId, receipt: Receipt) -> None:
        # It speaks for itself alone: that others answered is not its to say.
        name = peer[:NAME_BYTES]
        self._account.add(
            Receipt(
                answeredBy=name, matched=receipt.matched, held=receipt.held, heldMore=receipt.heldMore, bound=receipt.bound,
                documents=receipt.documents, length=receipt.length, frequencies=receipt.frequencies, sent=1, answered=1,
                unfiltered=receipt.unfiltered, excluded=receipt.excluded,
                ranked=min(1, receipt.ranked), balance=receipt.balance, fronts=[(name, front) for _, front in receipt.fronts],
            )
        )

    def _allAsked(self, silent: list[PeerId]) -> None:
        self._round = None
        # This super-peer's own store may fail.
        self._missing += len(silent) + (self._commons.peerId[:NAME_BYTES] not in self._account.answeredBy)
        self._refinement = Refinement(
            self._flood, self._membership, self._copies, self._id, self._wanted, self._account, self._collected, self._deadline,
            self._refined, self._ranked,
        )
        self._refinement.begin(not self._missing)

    def _ranked(self, ranking: str) -> None:
        self._end("answered", ranking)

    def _end(self, status: str, ranking: str, unasked: Unasked = NOBODY_LEFT) -> None:
        if self._over:
            return
        self._over = True
        if self._round is not None:
            self._round.stop()
            self._missing += len(self._round.silent)
        if self._refinement is not None:
            self._refinement.stop()
        # Both know this gathering: what hold each other do not go by themselves.
        self._round = self._refinement = None
        self._selection.settle()
        self._sink.gathered(status, self._account.receipt(), self._missing, ranking, unasked)  # type: ignore[attr-defined]
