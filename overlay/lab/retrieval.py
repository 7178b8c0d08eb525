"""
How well a network ranks, for programs that judge it by a test collection: the documents are shared by their owners, each query is
searched, and the rows are written as a TREC run.

A document has no name that says anything, so it gets one without words: its id must not be found by a query. Otherwise it is shared and
searched as the daemon would do it, with all of its terms.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence

import attrs

from overlay.errors import SuperpeerError
from overlay.index.analysis import words
from overlay.index.dialect import Analysis, analysisOf
from overlay.index.document import Document
from overlay.lab.collection import Asked, Written
from overlay.lab.pinned import everybody
from overlay.lab.world import LabPeer, World
from overlay.search.outcome import Outcome
from overlay.settings import Beats, Settings
from overlay.wire import limits

LEAVES = 1000
"""Peers that share documents at most; more owners than that live together."""
NOBODY = 64
"""Peers over which documents are spread that name no owner."""
AT_ONCE = 1000
"""Documents of one update of a share."""
SETTLING = 30.0
"""Virtual seconds in which super-peers find one another."""
REGISTERING = 3600.0
"""Virtual seconds within which everything is registered."""
LONGEST = 200.0
"""Virtual seconds within which every search has ended."""
SETTINGS = Settings(
    role="super", textLimit=0, termLimit=limits.TERMS, quotaRecords=10**9, quotaBytes=1 << 50, recordLife=30 * 86400.0, beats=Beats(24.0),
)
"""All terms of a document, and no text: passages are not asked for."""
SPECS = {
    "election": "everybody", "reputation": "neutral", "rate-limit": "unlimited", "router": "flood", "ranking": "bm25", "store": "memory",
}
_WORDLESS = "!#$&+-=~"


class NotSettled(SuperpeerError):
    """The documents could not all be registered."""


@attrs.frozen(slots=True)
class Ranked:
    """
    What a query came to.

    @ivar rows: document and score, best first.
    @ivar exact: whether that is the order of one index of all documents.
    @ivar left: words that the query had no room for.
    @ivar problem: why nothing could be asked for, or empty.
    """

    query: Asked
    rows: list[tuple[str, float]]
    exact: bool
    left: tuple[str, ...] = ()
    problem: str = ""


def locationOf(number: int) -> str:
    """A location without a letter or digit, so that it has no words."""
    return "".join(_WORDLESS[int(digit)] for digit in f"{number:o}")


def plainly(text: str) -> str:
    """A query as words and nothing else: quotes, colons, minus signs and C{OR} of a sentence mean nothing."""
    return " ".join(words(text))


def documentOf(number: int, one: Written, how: Analysis) -> Document:
    """
    A document as its owner shares it. Its content is its own, though others say the same: rows of like content would be one.
    """
    whole = f"{one.title}\n{one.text}" if one.title else one.text
    terms, length = how.countTerms(whole, limits.TERMS, one.title)
    content = hashlib.sha256(repr((one.id, one.title, one.text)).encode("utf-8", "backslashreplace")).digest()
    location = locationOf(number)
    size = len(whole.encode("utf-8", "replace"))
    return Document(location, location, size, 1_700_000_000, "text/plain", content, "", terms, length, one.title)


def sharesOf(documents: Sequence[Written]) -> list[list[int]]:
    """
    Places among C{documents} of those that one peer shares: by owner, in the order in which they first appear.
    """
    spread = min(NOBODY, max(1, sum(not one.owner for one in documents) // 8))
    owners: dict[tuple[str, int], list[int]] = {}
    for place, one in enumerate(documents):
        key = (one.owner, 0) if one.owner else ("", place % spread)
        owners.setdefault(key, []).append(place)
    shares = list(owners.values())
    return shares if len(shares) <= LEAVES else [[*itertools.chain(*shares[at::LEAVES])] for at in range(LEAVES)]


class Retrieval:
    """
    A network that holds a collection.

    @ivar cut: documents with more different words than a record can hold.
    @ivar leaves: peers that share documents.
    """

    def __init__(
        self, documents: Sequence[Written], superPeers: int, dialect: str = "", progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        """
        @param dialect: see L{overlay.index.dialect}.
        @param progress: called with what is being done, how much of it is done, and how much there is.
        @raise overlay.errors.UsageError: there is no such dialect.
        """
        self._documents = documents
        self._how = analysisOf(dialect)
        self._progress = progress or (lambda what, done, whole: None)
        self._ids: dict[bytes, str] = {}
        self.cut = 0
        self.world = World(1, SETTINGS, codec="none", latency=(0.01, 0.01), specs=SPECS, plugins=[everybody])
        self.world.network = attrs.evolve(self.world.network, dialect=dialect)
        first = self.world.add("s0")
        self._serving = [first, *(self.world.add(f"s{number}", [first]) for number in range(1, superPeers))]
        self.world.run(SETTLING)
        self.leaves = 0
        self._share()
        self._searcher = self._leaf("searcher", 0)
        self._register()

    def _leaf(self, name: str, number: int) -> LabPeer:
        near = self._serving[number % len(self._serving)]
        return self.world.add(name, [near], settings=attrs.evolve(SETTINGS, role="leaf"))

    def _share(self) -> None:
        done, whole = 0, len(self._documents)
        for number, places in enumerate(sharesOf(self._documents)):
            leaf = self._leaf(f"l{number}", number)
            self.leaves += 1
            for at in range(0, len(places), AT_ONCE):
                made = [documentOf(place, self._documents[place], self._how) for place in places[at : at + AT_ONCE]]
                for place, document in zip(places[at : at + AT_ONCE], made, strict=True):
                    self._ids[document.content] = self._documents[place].id
                    self.cut += len(document.terms) >= limits.TERMS and self._isCut(self._documents[place])
                leaf.share(*made)
                done += len(made)
                self._progress("documents shared", done, whole)
            self.world.run(0.05)

    def _isCut(self, one: Written) -> bool:
        """Whether it has more different words than a record can hold."""
        return len(self._how.countTerms(f"{one.title}\n{one.text}", limits.TERMS + 1)[0]) > limits.TERMS

    def _register(self) -> None:
        """
        @raise NotSettled: it takes too long.
        """
        time, leaves = self.world.time, self.world.leaves()
        until = time.seconds() + REGISTERING
        wanted = min(SETTINGS.homes, len(self._serving))
        while time.seconds() < until:
            ready = sum(
                sum(view.state == "registered" and not view.behind for view in leaf.peer.homes.views()) >= wanted for leaf in leaves
            )
            self._progress("peers registered", ready, len(leaves))
            if ready == len(leaves):
                self.world.run(1.0)
                return
            self.world.run(1.0)
        raise NotSettled()

    def ask(self, query: Asked, limit: int = limits.WANT) -> Ranked:
        """
        Search for any of the words of a query.

        @param limit: rows wanted, 1 to L{limits.WANT}.
        """
        text = plainly(query.text)
        if not text:
            return Ranked(query, [], True, problem="it has no letter or digit")
        outcomes: list[Outcome] = []
        search = self._searcher.peer.searches.search(text, limit, limits.BUDGET, match="any")
        search.finished.addCallback(outcomes.append)
        self.world.until(lambda: outcomes, LONGEST)
        outcome = outcomes[0]
        rows = [(self._ids[hit.content], hit.score) for hit in outcome.hits]
        if outcome.code == "query":
            return Ranked(query, rows, True, outcome.left, outcome.text)
        problem = outcome.text if outcome.status in ("failed", "refused") else ""
        exact = outcome.status == "complete" and outcome.ranking == "exact"
        return Ranked(query, rows, exact, outcome.left, problem)

    def run(self, queries: Sequence[Asked], limit: int = limits.WANT) -> Iterator[Ranked]:
        """What each query came to, in their order."""
        for number, query in enumerate(queries):
            self._progress("queries searched", number, len(queries))
            yield self.ask(query, limit)
        self._progress("queries searched", len(queries), len(queries))


def lines(ranked: Ranked, tag: str) -> Iterator[str]:
    """The rows of a query as a TREC run has them: C{qid Q0 docid rank score tag}, ranks from 1."""
    for rank, (document, score) in enumerate(ranked.rows, 1):
        yield f"{ranked.query.id} Q0 {document} {rank} {score!r} {tag}"
