"""Searches at one peer: its user's own, those of its leaves, and its part in those of others."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from overlay.commons import Commons, Component
from overlay.errors import BadQuery
from overlay.identity.ids import PeerId, shortText
from overlay.index.registry import Registry
from overlay.index.spans import marks
from overlay.questions import Deed, Formula, Work
from overlay.search.copies import EMPTY, Copies, Copy, IReceiver
from overlay.search.explanation import Explained
from overlay.search.flood import Branch, Flood, evaluate
from overlay.search.gathering import Gathering, ISink
from overlay.search.outcome import FoundHit, Gathered, Outcome
from overlay.search.receipts import Account
from overlay.search.refining import recounted, refined
from overlay.search.replies import Reply
from overlay.search.selection import Selection
from overlay.search.wanted import Wanted
from overlay.search.why import whyNothing
from overlay.search.wording import Wording, wordingOf
from overlay.wire import limits
from overlay.wire.message import Message
from overlay.wire.query import Cancel, Done, Hit, Hits, Query, Receipt, Refine

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership
    from overlay.membership.neighbours import Neighbours
    from overlay.roles.homes import Homes

PER_LINK = 256
"""Queries of one link that may run at once."""
NEIGHBOUR_COST = 0.05
"""What a query costs that a neighbour passes on: it was paid for where it came into the network."""
HEDGE = 1.5
"""Seconds of silence after which a leaf asks a second home: a flood is over in less, and what died without a sign is noticed later."""
OVER_BUDGET = 0.02
"""The weight of one query that was refused: a hasty user is forgiven, a flood is not."""
EXPLAINED = 8
"""Searches that are kept for C{EXPLAIN}."""


@implementer(ISink, IReceiver)
class Search:
    """
    One search of this peer's user.

    @ivar finished: fires with the L{Outcome}; never fails.
    """

    def __init__(
        self, searches: "Searches", text: str, want: int, budget: float, router: str,
        onHits: Callable[[list[FoundHit]], None] | None, ttl: int, match: str = "all", types: Sequence[str] = (), sort: str = "score",
    ) -> None:
        commons = searches.commons
        self._searches = searches
        self._commons = commons
        self.asked = self.text = text
        self.want = want
        self._reach = want if sort == "score" else limits.WANT
        self._match = match
        self._types = types
        self._sort = sort
        self._wording: Wording | None = None
        self.id: bytes = commons.random.randbytes(16)
        self.finished: Deferred[Outcome] = Deferred()
        self._budget = budget
        self._router = router
        self._onHits = onHits
        self._ttl = ttl
        self._started = commons.seconds()
        self._first: float | None = None
        self._gathered = Gathered(commons)
        self._gathering: Gathering | None = None
        self._open: dict[Copy, None] = {}
        self._tried: set[PeerId] = set()
        self._timer: IDelayedCall | None = None
        self._hedge: IDelayedCall | None = None
        self._over = False
        self._cancelled = False
        self._failure: Done | None = None
        self._wanted: Wanted | None = None

    def begin(self) -> None:
        """Start it."""
        try:
            wording = self._wording = wordingOf(self.asked, self._commons.analysis, self._match, self._types)
            formula = self._commons.policies.ranking.formula()
            wanted = self._wanted = Wanted(wording.text, wording.expression, self._reach, formula)
        except BadQuery as problem:
            self._end("failed", EMPTY, code="query", text=str(problem), word=problem.word, at=problem.at)
            return
        self.text = wording.text
        if self._searches.membership.serving:
            self._gathering = Gathering(
                self._searches.flood, self._searches.membership, self._searches.copies, self, self.id, wanted,
                self._ttl, self._budget, self._router,
            )
            self._gathering.begin()
        else:
            self._timer = self._commons.clock.callLater(self._budget, self._timeOver)
            self._askHome()

    def cancel(self) -> None:
        """End it; what has been found so far is the outcome."""
        if self._over:
            return
        self._cancelled = True
        if self._gathering is not None:
            self._gathering.cancel()
        else:
            self._end("cancelled", EMPTY)

    def marks(self, passage: str) -> list[tuple[int, int]]:
        """What of a passage matches: beginnings and ends, in characters."""
        return marks(passage, self._wording.expression, self._commons.analysis) if self._wording is not None else []

    # --- by way of a home --------------------------------------------------------------------------------------------

    def _askHome(self) -> None:
        """One home, and the next only if that fails, or says nothing for a while."""
        wanted = self._wanted
        if wanted is None:
            return
        homes = [link for link in self._searches.homes.links() if link.peerId not in self._tried]
        preferred = self._searches.homes.preferred()
        left = self._budget - (self._commons.seconds() - self._started)
        while homes and left > 0:
            link = preferred if preferred in homes and preferred is not None else homes[0]
            homes.remove(link)
            self._tried.add(link.peerId)
            # Another home has seen the id already if the first one flooded it.
            self.id = self._commons.random.randbytes(16)
            budget = left - min(0.2, 0.1 * left)
            copy = self._searches.copies.send(
                link, self, self.id, wanted, self._ttl, min(budget, limits.BUDGET), False, self._router
            )
            if copy is not None:
                self._open[copy] = None
                if homes:
                    self._hedge = self._commons.clock.callLater(HEDGE, self._silent)
                return
        if self._open:
            return
        failure = self._failure
        if failure is not None and failure.status == "refused":
            self._end("refused", EMPTY, code=failure.code, text=failure.text, retry=failure.retry)
        elif self._tried:
            self._end("failed", EMPTY, code="late", text="no home has answered", retry=1.0)
        else:
            self._end("failed", EMPTY, code="not-joined", text="this peer has no home yet", retry=2.0)

    def _silent(self) -> None:
        """The home may have died without a sign: another one is asked as well, and the first end counts."""
        if not self._over and not any(copy.hits for copy in self._open):
            self._askHome()

    def hitsCame(self, copy: Copy, hits: list[Hit]) -> None:
        self.found(hits, copy.link.peerId)

    def copyEnded(self, copy: Copy, done: Done | None) -> None:
        if self._over or copy not in self._open:
            return
        del self._open[copy]
        if done is not None and done.status == "refused" and done.code == "query":
            self._end("failed", EMPTY, code="query", text=done.text, word="")
        elif done is None or done.status in ("refused", "duplicate") or done.receipt is None:
            self._failure = done
            if not self._open:
                self._askHome()
        else:
            self._commons.report(copy.link.peerId, Deed.ANSWERED)
            self.gathered(done.status, done.receipt, done.missing, done.ranking)

    def _timeOver(self) -> None:
        for copy in self._open:
            self._commons.report(copy.link.peerId, Deed.LATE)
        self._end("incomplete", EMPTY, code="late", text="the home has not answered in time", missing=1)

    # --- both ways ---------------------------------------------------------------------------------------------------

    def found(self, hits: list[Hit], source: PeerId) -> None:
        if self._over:
            return
        rows = self._gathered.take(hits, source)
        if rows and self._first is None:
            self._first = self._commons.seconds() - self._started
            self._commons.tally.observe("first_hit_seconds", self._first)
        if rows and self._onHits is not None:
            self._onHits(rows)

    def gathered(self, status: str, receipt: Receipt, missing: int, ranking: str) -> None:
        # A home of an older version says nothing of it.
        ranking = "exact" if ranking == "exact" else "estimated"
        if self._cancelled or status == "cancelled":
            self._end("cancelled", receipt, missing=missing)
        elif missing or receipt.lost or receipt.refused or receipt.notReached:
            self._end("incomplete", receipt, missing=missing, order=ranking)
        else:
            self._end("complete", receipt, order=ranking)

    def _end(
        self, status: str, receipt: Receipt, code: str = "", text: str = "", word: str = "", retry: float = 0.0,
        missing: int = 0, order: str = "estimated", at: int = -1,
    ) -> None:
        if self._over:
            return
        self._over = True
        for copy in self._open:
            self._searches.copies.drop(copy)
        for timer in (self._timer, self._hedge):
            if timer is not None and timer.active():
                timer.cancel()
        elapsed = self._commons.seconds() - self._started
        if self._wanted is not None:
            self._gathered.rank(self._wanted, receipt)
        ranking = self._commons.policies.ranking
        judged = self._gathered.judged(ranking, self._sort)
        hits = [row.hit for row, _ in judged[: self.want]]
        if self._wanted is not None:
            self._searches.lastRows = Explained(self._wanted, receipt, order, ranking.pluginName, judged[: self.want])
        held = len(receipt.held) // 8 + receipt.heldMore + max(0, len(self._gathered) - len(hits))
        why = {} if hits or not receipt.answeredBy else whyNothing(receipt, self.asked, self._commons.analysis)
        left = self._wording.left if self._wording is not None else ()
        outcome = Outcome(hits, receipt, status, code, text, word, retry, held, missing, elapsed, order, at, why, left)
        self._commons.tally.count("queries", status)
        self._commons.tally.observe("search_seconds", elapsed)
        self._searches.remember(self, outcome, self._gathered.forged)
        self.finished.callback(outcome)


class Searches(Component):
    """
    @ivar copies: of queries that this peer has sent.
    @ivar flood: this peer's part in searches.
    @ivar lastRows: of the search of this peer's user that ended last, for C{EXPLAIN hit}.
    """

    def __init__(
        self, commons: Commons, membership: "Membership", neighbours: "Neighbours", registry: Registry, homes: "Homes"
    ) -> None:
        super().__init__(commons)
        self.membership = membership
        self.homes = homes
        self._neighbours = neighbours
        self._registry = registry
        self.copies = Copies(commons)
        self.flood = Flood(commons, neighbours, registry, self.copies)
        self._replies: dict[tuple[bytes, int], Reply] = {}
        self._perLink: Counter[bytes] = Counter()
        self._own: dict[Search, None] = {}
        self._last: list[dict[str, Any]] = []
        self.lastRows: Explained | None = None

    def handlers(self) -> "dict[type[Message], Callable[[Link, Any], None]]":
        return {
            Query: self._queryReceived,
            Hits: self.copies.hitsReceived,
            Done: self.copies.doneReceived,
            Cancel: self._cancelReceived,
            Refine: self._refineReceived,
        }

    def stop(self) -> None:
        for search in list(self._own):
            search.cancel()
        for reply in list(self._replies.values()):
            reply.abandon()
        self.flood.stop()

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        for key, reply in list(self._replies.items()):
            if key[0] == link.peerId:
                reply.abandon()
                self.replied(reply)
        self.copies.linkLost(link)

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
                "super-peers answered": [shortText(receipt.answeredBy[at : at + 8]) for at in range(0, len(receipt.answeredBy), 8)],
                "copies": {
                    "sent": receipt.sent, "answered": receipt.answered, "duplicate": receipt.duplicate,
                    "refused": receipt.refused, "lost": receipt.lost, "pruned": receipt.pruned,
                    "not reached": receipt.notReached,
                },
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
        return list(reversed(self._last))

    def needs(self, link: "Link") -> bool:
        return link.peerId in self._perLink or self.copies.underWay(link)

    # --- searches of others ------------------------------------------------------------------------------------------

    def _queryReceived(self, link: "Link", query: Query) -> None:
        commons = self.commons
        key = (link.peerId, query.copy)
        neighbour = self._neighbours.isNeighbour(link.peerId)
        if key in self._replies:
            commons.report(link.peerId, Deed.GARBAGE)
            return
        if not self.membership.serving:
            self._refuse(link, query, "not-serving", "this peer is no super-peer")
            return
        cost = NEIGHBOUR_COST if neighbour else 1.0 + query.want / 200
        admitted = commons.admit(link.peerId, Work.QUERY, cost)
        if not admitted:
            if not neighbour and not link.isSuper:
                # A super-peer passes on what others ask.
                commons.report(link.peerId, Deed.OVER_BUDGET, OVER_BUDGET)
            self._refuse(link, query, "rate", "too many queries", admitted.wait)
            return
        if self._perLink[link.peerId] >= PER_LINK or self.flood.full:
            self._refuse(link, query, "busy", "too many queries run at once", 1.0)
            return
        try:
            wanted = Wanted.ofQuery(query, commons.analysis)
        except BadQuery as problem:
            self._refuse(link, query, "query", str(problem))
            return
        if query.direct:
            self._answerDirectly(link, query, wanted)
        elif neighbour or link.isSuper:
            self._floodOn(link, query, wanted)
        else:
            self._gatherFor(link, query, wanted)

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
            wanted = Wanted.of(refine.expression, max(1, refine.want), Formula("bm25", refine.k1, refine.b))
        except BadQuery as problem:
            self._refuse(link, refine, "query", str(problem))
            return
        reply = Reply(link, refine, self.replied)
        if refine.want:
            hits, receipt = refined(
                self.flood, wanted, refine.documents, refine.length, refine.frequencies, refine.least
            )
            reply.found(hits, self.commons.peerId)
        else:
            receipt = recounted(self.flood, wanted, refine.among)
        reply.branchEnded("answered", receipt)

    def _refuse(self, link: "Link", query: Query | Refine, code: str, text: str, retry: float = 0.0) -> None:
        self.commons.tally.count("drops", "query-" + code)
        link.send(Done(query.id, query.copy, "refused", None, code, text[: limits.REASON_TEXT], retry))

    def _answerDirectly(self, link: "Link", query: Query, wanted: Wanted) -> None:
        account = Account()
        selection = Selection(query.want, account, wanted.places)
        hits = evaluate(self._registry, wanted, account, selection, self.commons.peerId, self.flood.checker)
        reply = Reply(link, query, self.replied)
        reply.found(hits, self.commons.peerId)
        reply.branchEnded("answered", account.receipt())

    def _floodOn(self, link: "Link", query: Query, wanted: Wanted) -> None:
        new = self.flood.isNew(query.id, query.ttl)
        if new is None:
            link.send(Done(query.id, query.copy, "duplicate"))
            return
        reply = self._replyTo(link, query)

        def started(branch: Branch) -> None:
            reply.cancel_ = branch.cancel
            reply.abandon_ = branch.abandon

        self.flood.begin(
            reply, query.id, wanted, query.ttl, query.budget, link.peerId, query.router, new, started,
        )

    def _gatherFor(self, link: "Link", query: Query, wanted: Wanted) -> None:
        """A leaf asks: this home owns the search."""
        if self.flood.isNew(query.id, query.ttl) is None:
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
        self._replies[(link.peerId, query.copy)] = reply
        self._perLink[link.peerId] += 1
        return reply

    def replied(self, reply: Reply) -> None:
        """A reply has ended."""
        if self._replies.pop(reply.key, None) is not None:
            self._perLink[reply.key[0]] -= 1
            if self._perLink[reply.key[0]] <= 0:
                del self._perLink[reply.key[0]]

    def _cancelReceived(self, link: "Link", message: Cancel) -> None:
        reply = self._replies.get((link.peerId, message.copy))
        if reply is not None and reply.id == message.id:
            reply.cancel()
