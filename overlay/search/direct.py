"""
Questions to this super-peer alone: it answers with what it holds itself, and asks nobody. Nearly always all that is found goes out as it
lies in the store, and what is to be accounted for is little, so that this is done at once; else as in a search that goes on.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from overlay.commons import Commons
from overlay.index.passing import readTogether
from overlay.index.registry import Registry
from overlay.index.store import Found
from overlay.search.checking import Checker
from overlay.search.evaluating import evaluate, receiptOf
from overlay.search.receipts import Account
from overlay.search.selection import Selection
from overlay.search.wanted import Wanted
from overlay.wire import limits
from overlay.wire.query import Done, Hit, Hits, Query, Receipt

if TYPE_CHECKING:
    from overlay.link.link import Link

AT_ONCE = 16
"""Questions that are looked up before any of them is answered."""


class Direct:
    """The questions that have come, and are answered together."""

    def __init__(
        self, commons: Commons, registry: Registry, checker: Checker,
        reply: "Callable[[Link, Query, Sequence[Hit], Receipt | None], None]",
    ) -> None:
        """
        @param reply: answers at length; gets no receipt if the store fails.
        """
        self._commons = commons
        self._registry = registry
        self._checker = checker
        self._reply = reply
        self._asked: list[tuple[Link, Query, Wanted]] = []

    def ask(self, link: "Link", query: Query, wanted: Wanted) -> None:
        """A question has come: it is answered once all that has come with it has been looked at."""
        if not self._asked:
            self._commons.atEnd(self._answerAll)
        self._asked.append((link, query, wanted))

    def stop(self) -> None:
        """Answer nobody any more."""
        self._asked.clear()

    def _answerAll(self) -> None:
        asked, self._asked = self._asked, []
        for at in range(0, len(asked), AT_ONCE):
            some = asked[at : at + AT_ONCE]
            brief = [one for one in some if one[2].want <= limits.HITS_PER_MESSAGE]
            if brief:
                self._answerTogether(brief)
            for one in some:
                if one[2].want > limits.HITS_PER_MESSAGE:
                    self._answerAtLength(*one)

    def _answerTogether(self, asked: "Sequence[tuple[Link, Query, Wanted]]") -> None:
        # One kind of work after the other costs less than going to and fro: each finds what it needs in the processor's caches.
        found, balance = self._registry.searchEach([(wanted.expression, wanted.want, wanted.formula) for _, _, wanted in asked])
        for (link, query, wanted), one, rows in zip(asked, found, self._rowsOf(found), strict=True):
            if rows is None or not self._answer(link, query, one, rows, balance):
                self._answerAtLength(link, query, wanted)

    def _rowsOf(self, found: Sequence[Found]) -> list[Any]:
        """What goes out of each; None if that is to be found out at length."""
        try:
            return readTogether([one.rows for one in found])
        except Exception:  # whatever a table raises: each is looked for once more by itself, and what cannot be read is told
            return [None for _ in found]

    def _answer(self, link: "Link", query: Query, found: Found, rows: Any, balance: int) -> bool:
        """
        @return: whether that was possible.
        """
        receipt = receiptOf(found, self._commons.peerId, balance)
        if receipt is None:
            return False
        done = Done(query.id, query.copy, "answered", receipt)
        count = len(rows)
        if not count:
            link.send(done)
            return True
        if count > limits.HITS_PER_MESSAGE or not self._checker.knows(rows):
            return False
        return link.send(Hits(query.id, query.copy, rows), done) or link.closed

    def _answerAtLength(self, link: "Link", query: Query, wanted: Wanted) -> None:
        account = Account()
        selection = Selection(query.want, account, wanted.places)
        hits = evaluate(self._registry, wanted, account, selection, self._commons.peerId, self._checker)
        self._reply(link, query, hits, account.receipt() if account.answeredBy else None)
