"""Searches at one peer: its user's own, those of its leaves, and its part in those of others."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from overlay.commons import Commons, Component, Receivers
from overlay.errors import BadQuery
from overlay.identity.ids import shortText
from overlay.index.registry import RETRY, Registry
from overlay.questions import Deed, Formula, Work
from overlay.search.announcing import Announcing
from overlay.search.copies import Copies
from overlay.search.direct import Direct
from overlay.search.explanation import Explained
from overlay.search.flood import Branch, Flood
from overlay.search.gathering import Gathering
from overlay.search.outcome import FoundHit, Outcome
from overlay.search.receipts import namesOf
from overlay.search.refining import recounted, refined
from overlay.search.replies import Reply
from overlay.search.search import Search
from overlay.search.summaries import Summaries
from overlay.search.wanted import Wanted
from overlay.wire import limits
from overlay.wire.messages import QueryIds
from overlay.wire.query import Cancel, Done, Hit, Hits, Query, Receipt, Refine

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership
    from overlay.membership.neighbours import Neighbours
    from overlay.membership.tree import Tree
    from overlay.roles.homes import Homes

PER_LINK = 256
"""Queries of one link that may run at once."""
NEIGHBOUR_COST = 0.05
"""What a query costs that a neighbour passes on: it was paid for where it came into the network."""
OVER_BUDGET = 0.02
"""The weight of one query that was refused: a hasty user is forgiven, a flood is not."""
EXPLAINED = 8
"""Searches that are kept for C{EXPLAIN}."""


class Searches(Component):
    """
    @ivar copies: of queries that this peer has sent.
    @ivar lastRows: of the search of this peer's user that ended last, for C{EXPLAIN hit}.
    """

    def __init__(
        self, commons: Commons, membership: "Membership", neighbours: "Neighbours", registry: Registry, homes: "Homes",
        tree: "Tree", summaries: Summaries,
    ) -> None:
        super().__init__(commons)
        self.membership = membership
        self.homes = homes
        self._neighbours = neighbours
        self._registry = registry
        self.copies = Copies(commons)
        self._tree = tree
        self._summaries = summaries
        # Most peers never take part in the searches of others.
        self._parts: tuple[Flood, Announcing, Direct] | None = None
        self._replies: dict[tuple[bytes, int], Reply] = {}
        self._perLink: dict[bytes, int] = {}
        self._own: dict[Search, None] = {}
        self._last: list[dict[str, Any]] = []
        self.lastRows: Explained | None = None

    @property
    def flood(self) -> Flood:
        """This peer's part in searches."""
        return (self._parts or self._joined())[0]

    def _joined(self) -> tuple[Flood, Announcing, Direct]:
        if self._parts is None:
            flood = Flood(
                self.commons, self._neighbours, self._tree, self._summaries, self._registry, self.copies,
                self.membership.superPeerView,
            )
            direct = Direct(self.commons, self._registry, flood.checker, self._reply)
            self._parts = flood, Announcing(self.commons, self._tree, flood), direct
        return self._parts

    @classmethod
    def handlers(cls) -> Receivers:
        return {
            Query: cls._queryReceived,
            Hits: lambda part, link, message: part.copies.hitsReceived(link, message),
            Done: lambda part, link, message: part.copies.doneReceived(link, message),
            Cancel: cls._cancelReceived,
            Refine: cls._refineReceived,
            QueryIds: cls._idsReceived,
        }

    def stop(self) -> None:
        for search in list(self._own):
            search.cancel()
        for reply in list(self._replies.values()):
            reply.abandon()
        for part in self._parts or ():
            part.stop()

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        for key, reply in list(self._replies.items()):
            if key[0] == link.peerId:
                reply.abandon()
                self.replied(reply)
        self.copies.linkLost(link)

    def silenceChanged(self, link: "Link") -> None:
        self.copies.silenceChanged(link)

    def linkClear(self, link: "Link") -> None:
        for key, reply in list(self._replies.items()):
            if key[0] == link.peerId:
                reply.flush()

    # --- own searches ------------------------------------------------------------------------------------------------

    def search(
        self, text: str, want: int = 20, timeout: float | None = None, router: str = "",
        onHits: Callable[[list[FoundHit]], None] | None = None, ttl: int = limits.TTL_ALL, match: str = "all",
        types: Sequence[str] = (), sort: str = "score",
    ) -> Search:
        """
        Search the network.

        @param text: in the query language.
        @param want: rows wanted, 1 to L{limits.WANT}.
        @param timeout: seconds; at most L{limits.BUDGET}.
        @param onHits: called with rows as they come, new ones and those that changed.
        @param ttl: super-peers on the longest way that the search may take, the one that owns it included; L{limits.TTL_ALL} for all.
        @param match: C{all} words, or C{any}.
        @param types: parts of media types, one of which is to be there.
        @param sort: one of L{overlay.search.outcome.ORDERS}. In all but the first the best L{limits.WANT} are fetched and sorted here.
        """
        budget = self.commons.settings.searchTimeout if timeout is None else timeout
        search = Search(
            self, text, max(1, min(want, limits.WANT)), max(0.05, min(budget, limits.BUDGET)), router, onHits, ttl,
            match, types, sort,
        )
        self._own[search] = None
        search.begin()
        return search

    def remember(self, search: Search, outcome: Outcome, forged: int) -> None:
        """For C{EXPLAIN search}."""
        self._own.pop(search, None)
        receipt = outcome.receipt
        del self._last[: 1 - EXPLAINED]
        self._last.append(
            {
                "query": search.asked, "sent as": search.text, "left out": list(outcome.left),
                "status": outcome.status, "code": outcome.code, "hits": len(outcome.hits),
                "held": outcome.held, "elapsed": round(outcome.elapsed, 4), "ranking": outcome.ranking,
                "estimated because": outcome.doubts,
                "super-peers answered": receipt.answeredBy,
                "copies": {
                    "sent": receipt.sent, "answered": receipt.answered, "duplicate": receipt.duplicate,
                    "refused": receipt.refused, "lost": receipt.lost, "pruned": receipt.pruned,
                    "not reached": receipt.notReached, "cancelled": receipt.cancelled,
                },
                "silent super-peers": receipt.silent,
                "unasked": outcome.unasked, "part of the network unasked": outcome.unaskedPart,
                "missing": outcome.missing, "matched": receipt.matched, "documents": receipt.documents,
                "length": receipt.length, "frequencies": dict(receipt.frequencies),
                "unfiltered": receipt.unfiltered, "excluded": dict(receipt.excluded), "forged hits": forged,
                "first rows": [
                    {"score": round(hit.score, 3), "location": hit.location, "owners": [shortText(one) for one in hit.owners]}
                    for hit in outcome.hits[:5]
                ],
            }
        )

    def explainLast(self) -> list[dict[str, Any]]:
        """The last searches of this peer's user, newest first."""
        # There may be thousands of names, and few searches are explained.
        return [
            {what: list(map(shortText, namesOf(one))) if isinstance(one, bytes) else one for what, one in last.items()}
            for last in reversed(self._last)
        ]

    def needs(self, link: "Link") -> bool:
        return link.peerId in self._perLink or self.copies.underWay(link)

    # --- searches of others ------------------------------------------------------------------------------------------

    def _queryReceived(self, link: "Link", query: Query) -> None:
        commons, peer = self.commons, link.peerId
        neighbour = self._neighbours.isNeighbour(peer)
        if (peer, query.copy) in self._replies:
            commons.report(peer, Deed.GARBAGE)
            return
        if not self.membership.serving:
            self._refuse(link, query, "not-serving", "this peer is no super-peer")
            return
        cost = NEIGHBOUR_COST if neighbour else 1.0 + query.want / 200
        admitted = commons.admit(peer, Work.QUERY, cost)
        if not admitted:
            if not neighbour and not link.isSuper:
                # A super-peer passes on what others ask.
                commons.report(peer, Deed.OVER_BUDGET, OVER_BUDGET)
            self._refuse(link, query, "rate", "too many queries", admitted.wait)
            return
        if self._perLink.get(peer, 0) >= PER_LINK or self.flood.full:
            self._refuse(link, query, "busy", "too many queries run at once", 1.0)
            return
        try:
            wanted = Wanted.ofQuery(query, commons.analysis)
        except BadQuery as problem:
            self._refuse(link, query, "query", str(problem))
            return
        if query.direct:
            self._joined()[2].ask(link, query, wanted)
        elif neighbour or link.isSuper:
            self._floodOn(link, query, wanted)
        else:
            self._gatherFor(link, query, wanted)

    def _idsReceived(self, link: "Link", message: QueryIds) -> None:
        if self.membership.serving:
            self._joined()[1].received(link, message)

    def _refineReceived(self, link: "Link", refine: Refine) -> None:
        """One more question to this super-peer alone."""
        cost = NEIGHBOUR_COST if self._neighbours.isNeighbour(link.peerId) else 1.0 + refine.want / 200
        if not self.membership.serving:
            self._refuse(link, refine, "not-serving", "this peer is no super-peer")
            return
        admitted = self.commons.admit(link.peerId, Work.QUERY, cost)
        if not admitted:
            self._refuse(link, refine, "rate", "too many queries", admitted.wait)
            return
        try:
            formula = Formula("bm25", refine.k1, refine.b)
            wanted = Wanted.of(refine.expression, max(1, refine.want), formula, self.commons.analysis)
        except BadQuery as problem:
            self._refuse(link, refine, "query", str(problem))
            return
        hits: Sequence[Hit] = ()
        if refine.want:
            hits, receipt = refined(
                self.flood, wanted, refine.documents, refine.length, refine.frequencies, refine.least
            )
        else:
            receipt = recounted(self.flood, wanted, refine.among)
        self._reply(link, refine, hits, receipt)

    def _reply(self, link: "Link", query: Query | Refine, hits: Sequence[Hit], receipt: Receipt | None) -> None:
        """
        To a question to this super-peer alone.

        @param receipt: None if its store fails.
        """
        if receipt is None:
            self._refuse(link, query, "store", "what is held cannot be searched", RETRY)
            return
        reply = Reply(link, query, self.replied)
        reply.found(hits, self.commons.peerId)
        reply.branchEnded("answered", receipt)

    def _refuse(self, link: "Link", query: Query | Refine, code: str, text: str, retry: float = 0.0) -> None:
        self.commons.tally.count("drops", "query-" + code)
        link.send(Done(query.id, query.copy, "refused", None, code, text[: limits.REASON_TEXT], retry))

    def _floodOn(self, link: "Link", query: Query, wanted: Wanted) -> None:
        flood = self.flood
        new = flood.seen.isNew(query.id, query.ttl)
        if new is None:
            link.send(Done(query.id, query.copy, "duplicate"))
            return
        reply = self._replyTo(link, query)

        def started(branch: Branch) -> None:
            reply.cancel_ = branch.cancel
            reply.abandon_ = branch.abandon

        flood.begin(
            reply, query.id, wanted, query.ttl, query.budget, link.peerId, query.router, new, started,
        )

    def _gatherFor(self, link: "Link", query: Query, wanted: Wanted) -> None:
        """A leaf asks: this home owns the search."""
        if self.flood.seen.isNew(query.id, query.ttl) is None:
            link.send(Done(query.id, query.copy, "duplicate"))
            return
        reply = self._replyTo(link, query)
        gathering = Gathering(
            self.flood, self.membership, self.copies, reply, query.id, wanted, query.ttl, query.budget, query.router,
        )
        reply.cancel_ = reply.abandon_ = gathering.cancel
        gathering.begin()

    def _replyTo(self, link: "Link", query: Query) -> Reply:
        reply = Reply(link, query, self.replied)
        self._replies[reply.key] = reply
        self._perLink[link.peerId] = self._perLink.get(link.peerId, 0) + 1
        return reply

    def replied(self, reply: Reply) -> None:
        """A reply has ended."""
        if self._replies.pop(reply.key, None) is not None:
            peer = reply.key[0]
            left = self._perLink[peer] = self._perLink[peer] - 1
            if left <= 0:
                del self._perLink[peer]

    def _cancelReceived(self, link: "Link", message: Cancel) -> None:
        reply = self._replies.get((link.peerId, message.copy))
        if reply is not None and reply.id == message.id:
            reply.cancel()
