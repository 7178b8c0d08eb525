"""One search of a peer's user: by way of a home, or among the super-peers if this is one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from overlay.errors import BadQuery
from overlay.identity.ids import PeerId
from overlay.index.spans import marks
from overlay.questions import Deed
from overlay.search.copies import EMPTY, Copy, IReceiver
from overlay.search.explanation import Explained
from overlay.search.gathering import NOBODY_LEFT, Gathering, ISink, Unasked
from overlay.search.outcome import FoundHit, Gathered, Outcome
from overlay.search.receipts import NAME_BYTES, namesOf
from overlay.search.wanted import Wanted
from overlay.search.why import whyNothing
from overlay.search.wording import Wording, wordingOf
from overlay.wire import limits
from overlay.wire.query import Done, Hit, Receipt

if TYPE_CHECKING:
    from overlay.search.searches import Searches

HEDGE = 1.5
"""Seconds of silence after which a leaf asks a second home: a flood is over in less, and what died without a sign is noticed later."""
LEAST_AGAIN = 0.1
"""Seconds that have to be left for asking once more."""


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
        self._before: Gathered | None = None
        self._gathering: Gathering | None = None
        self._open: dict[Copy, None] = {}
        self._tried: set[PeerId] = set()
        self._timer: IDelayedCall | None = None
        self._hedge: IDelayedCall | None = None
        self._over = False
        self._cancelled = False
        self._failure: Done | None = None
        # Whose receipt is the outcome's, if another peer was asked.
        self._receiptOf: PeerId | None = None
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
        if not self._searches.membership.serving:
            self._timer = self._commons.clock.callLater(self._budget, self._timeOver)
        self._ask(wanted)

    def _ask(self, wanted: Wanted) -> None:
        if self._searches.membership.serving:
            self._gathering = Gathering(
                self._searches.flood, self._searches.membership, self._searches.copies, self, self.id, wanted,
                self._ttl, self._left(), self._router,
            )
            self._gathering.begin()
        else:
            self._askHome()

    def _left(self) -> float:
        """Seconds."""
        return self._budget - (self._commons.seconds() - self._started)

    def _askForMore(self, receipt: Receipt) -> bool:
        """
        Ask once more if hits of owners with whom this peer has nothing to do have taken the places of others that are held back. Whom it
        blocks is nobody's business, so that others cannot leave them out.
        """
        places, wanted = len(self._gathered.unwanted), self._wanted
        if wanted is None or not self._lacks(receipt) or self._reach >= limits.WANT or self._left() < LEAST_AGAIN:
            return False
        # What is found anew belongs to the new receipt; if that does not come, there is the old one.
        self._before, self._gathered = self._gathered, Gathered(self._commons)
        self._gathered.forged = self._before.forged
        self._reach = min(limits.WANT, self._reach + 2 * places)
        self._wanted = wanted = attrs.evolve(wanted, want=self._reach)
        self.id = self._commons.random.randbytes(16)
        self._dropOpen()
        self._tried.clear()
        self._ask(wanted)
        return True

    def _lacks(self, receipt: Receipt) -> bool:
        held = receipt.held or receipt.heldMore
        return bool(held and self._gathered.unwanted and len(self._gathered) < self.want)

    def _dropOpen(self) -> None:
        for copy in self._open:
            self._searches.copies.drop(copy)
        self._open.clear()

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
        homes.sort(key=lambda link: link.silent)
        preferred = self._searches.homes.preferred()
        left = self._left()
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
                if link.silent:
                    # It may answer yet; another one is asked at once.
                    continue
                if homes:
                    if self._hedge is not None and self._hedge.active():
                        self._hedge.cancel()
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

    def silenceChanged(self, copy: Copy) -> None:
        if copy.link.silent and not self._over:
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
            self._receiptOf = copy.link.peerId
            missing = max(done.missing, self._unnamed(done))
            self.gathered(done.status, done.receipt, missing, done.ranking, Unasked(done.unasked, done.unaskedPart))

    def _unnamed(self, done: Done) -> int:
        """Homes that have sent hits, and may have more, of which another home does not know: as where the network is split."""
        receipt = done.receipt
        if receipt is None or done.unasked or receipt.notReached:
            # They may be among those that were left out, which is said already.
            return 0
        homes = {copy.link.peerId[:NAME_BYTES] for copy in self._open if copy.hits}
        return len(homes.difference(namesOf(receipt.answeredBy), namesOf(receipt.prunedNames)))

    def _timeOver(self) -> None:
        for copy in self._open:
            self._commons.report(copy.link.peerId, Deed.LATE)
        self._end("incomplete", EMPTY, code="late", text="the home has not answered in time", missing=1)

    # --- both ways ---------------------------------------------------------------------------------------------------

    def found(self, hits: Sequence[Hit], source: PeerId) -> None:
        if self._over:
            return
        rows = self._gathered.take(hits, source)
        if rows and self._first is None:
            self._first = self._commons.seconds() - self._started
            self._commons.tally.observe("first_hit_seconds", self._first)
        if rows and self._onHits is not None:
            self._onHits(rows)

    def gathered(self, status: str, receipt: Receipt, missing: int, ranking: str, unasked: Unasked) -> None:
        # A home of an older version says nothing of it.
        ranking = "exact" if ranking == "exact" else "estimated"
        if self._cancelled or status == "cancelled":
            self._end("cancelled", receipt, missing=missing)
        elif self._askForMore(receipt):
            return
        elif missing or receipt.lost or receipt.refused or (receipt.notReached and not unasked.count):
            self._end("incomplete", receipt, missing=missing, order=ranking, unasked=unasked)
        elif unasked.count:
            self._end("enough", receipt, unasked=unasked)
        else:
            self._end("complete", receipt, order=ranking)

    def _end(
        self, status: str, receipt: Receipt, code: str = "", text: str = "", word: str = "", retry: float = 0.0,
        missing: int = 0, order: str = "estimated", at: int = -1, unasked: Unasked = NOBODY_LEFT,
    ) -> None:
        if self._over:
            return
        self._over = True
        self._gathering = None
        self._dropOpen()
        for timer in (self._timer, self._hedge):
            if timer is not None and timer.active():
                timer.cancel()
        elapsed = self._commons.seconds() - self._started
        before, self._before = self._before, None
        if before is not None and len(before) > len(self._gathered):
            self._gathered, order = before, "estimated"
        if self._wanted is not None:
            self._gathered.rank(self._wanted, receipt)
        ranking = self._commons.policies.ranking
        held = len(receipt.held) // 8 + receipt.heldMore
        proved = order == "exact" and self._gathered.whole and not self._lacks(receipt)
        proved = proved and not (held and self._gathered.isMoved(ranking))
        judged = self._gathered.judged(ranking, self._sort)
        hits = [row.hit for row, _ in judged[: self.want]]
        # What another home has sent, which may have ended or be under way, the receipt need not count.
        if proved and self._receiptOf is not None:
            proved = self._gathered.isAllOf(self._receiptOf, receipt, hits)
        # What is held back was chosen by the formula alone.
        if not proved or (held and any(row.score != verdict.score for row, verdict in judged)):
            order = "estimated"
        if self._wanted is not None:
            self._searches.lastRows = Explained(
                self._wanted, receipt, order, ranking.pluginName, judged[: self.want], self._commons.analysis
            )
        held += max(0, len(self._gathered) - len(hits))
        why = {} if hits or not receipt.answeredBy else whyNothing(receipt, self.asked, self._commons.analysis)
        left = self._wording.left if self._wording is not None else ()
        outcome = Outcome(
            hits, receipt, status, code, text, word, retry, held, missing, elapsed, order, at, why, left, unasked.count, unasked.part,
        )
        self._commons.tally.count("queries", status)
        self._commons.tally.observe("search_seconds", elapsed)
        self._searches.remember(self, outcome, self._gathered.forged)
        self.finished.callback(outcome)
