"""
The default store: what it takes to search, to register, to remove and to start, and its memory, beside other engines and bare parts in
the same run.
"""

import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.corpus import NOW, Corpus
from bench.exact import Exact
from bench.figure import Figure
from bench.links import measureLinks
from bench.noise import Noise
from bench.places import batchOf, registryOf, storeIn
from bench.rivals import rivals
from overlay.identity.identity import Identity
from overlay.index.expression import And, Expression, Word
from overlay.index.record import openHead
from overlay.index.registry import Registry
from overlay.index.store import Change, Request, StoredRecord
from overlay.wire.registration import Register

WANT = 50
QUERIES = 400
SLOW_QUERIES = 100
"""Of these, those that the slowest rival is asked."""
BATCH = 200
BATCHES = 10
ARRIVING = 40
"""Registrations of L{BATCH} records while L{WATCHED} searches run: more than one to a hundred, so that they show in the 99th percentile."""
WATCHED = 2000
"""Searches whose times are looked at one by one."""


def measureStore(records: int, rounds: int) -> tuple[list[Figure], list[str]]:
    """
    Load a store in one process, for its memory, and measure it in another.

    @return: figures, and what else there is to say.
    """
    with tempfile.TemporaryDirectory(prefix="superpeer-bench-") as folder:
        loaded = _apart("load", folder, records, rounds)
        measured = _apart("measure", folder, records, rounds)
        linked, noise = measureLinks(records, rounds, folder)
    figures = [Figure(*one) for one in [*measured["figures"], *_memoryOf(loaded, records)]]
    registered = measured["registered"] / loaded["rate"]
    figures.insert(
        len(measured["figures"]), Figure(f"registering {BATCH} records against bulk load, records per CPU-second", registered, 0.5)
    )
    figures.append(Figure("records per CPU-second, bulk load", loaded["rate"]))
    return [*figures, *linked], [*measured["said"], f"loading: {loaded['noise']}", f"store: {measured['noise']}", f"links: {noise}"]


def _apart(part: str, folder: str, records: int, rounds: int) -> dict[str, Any]:
    shown = subprocess.run(
        [sys.executable, "-m", "bench.store", part, folder, str(records), str(rounds)], check=True, stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def _memoryOf(loaded: dict[str, Any], records: int) -> list[tuple]:
    allowed = 6 * loaded["postings"] + 200 * loaded["terms"]
    return [
        ("bytes of memory per record, rows on disk", loaded["memory"] / records, None, 200.0 if records >= 1_000_000 else None),
        ("  against 6 a posting and 200 a distinct term", loaded["memory"] / allowed, None, 1.0),
        ("  postings per record", loaded["postings"] / records),
        ("  distinct terms per record", loaded["terms"] / records),
    ]


# --- loading -----------------------------------------------------------------------------------------------------------


def anonymous() -> int:
    """Bytes of this process that are no part of a file."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def load(folder: Path, records: int, rounds: int) -> dict[str, Any]:
    """Make the corpus, and put it into an empty store, an owner at a time; for later keep its words."""
    noise = Noise()
    store = storeIn(folder)
    corpus = Corpus(records)
    before = 0
    spent = 0.0
    postings = 0
    with (folder / "tokens").open("wb") as tokens, (folder / "starts").open("wb") as starts:
        for number, (owner, some) in enumerate(corpus):
            if number % 50 == 0:
                noise.look()
            shift = array("Q", [start + tokens.tell() // 4 for start in corpus.starts])
            shift.tofile(starts)
            corpus.tokens.tofile(tokens)
            tokens.flush()
            del corpus.tokens[:], corpus.starts[:]
            if not before:
                before = anonymous()
            change = Change(owner.peerId, owner.publicKey, additions=some, sequence=1)
            began = time.process_time()
            store.apply(change)
            spent += time.process_time() - began
    del some, change
    memory = anonymous() - before
    postings = store._postings.terms.postings()
    terms = store.totals().terms
    assert store.totals().records == records
    store.close()
    return {"rate": records / spent, "memory": memory, "postings": postings, "terms": terms, "noise": noise.said()}


# --- measuring ---------------------------------------------------------------------------------------------------------


class Bench:
    """One store and what it is measured against."""

    def __init__(self, folder: Path, records: int, rounds: int) -> None:
        self.folder = folder
        self.rounds = rounds
        self.noise = Noise()
        self.figures: list[tuple] = []
        self.corpus = Corpus(records)
        for name, into in (("tokens", self.corpus.tokens), ("starts", self.corpus.starts)):
            into.frombytes((folder / name).read_bytes())
        self.rng = random.Random(7)
        self.store: Any = None
        self.registered = 0.0
        self.said: list[str] = []

    def run(self) -> dict[str, Any]:
        """All of it, in an order in which nothing disturbs what comes later."""
        for part in (self.start, self.searches, self.quality, self.arrivals, self.changes):
            self.noise.look()
            part()
        self.noise.look()
        return {"figures": self.figures, "registered": self.registered, "said": self.said, "noise": self.noise.said()}

    def start(self) -> None:
        """From the snapshot, and without it."""
        fast = []
        for _ in range(self.rounds):
            began = time.process_time()
            store = storeIn(self.folder)
            fast.append(time.process_time() - began)
            store.close()
        snapshot = self.folder / "registrations" / "postings.snapshot"
        snapshot.rename(snapshot.with_suffix(".kept"))
        began = time.process_time()
        store = storeIn(self.folder)
        slow = time.process_time() - began
        store.close()
        del store
        gc.collect()
        self.store = storeIn(self.folder)
        self.figures.append(("start from the snapshot, times faster than indexing anew", slow / statistics.median(fast), 10.0))
        self.figures.append(("  seconds from the snapshot", statistics.median(fast)))

    def _records(self) -> Iterator[StoredRecord]:
        return (record for _, _, record in self.store._rows.rows())

    def _cost(self, search: Callable[[Sequence[str]], object], queries: Sequence[Sequence[str]]) -> float:
        """Seconds of processor time for one query."""
        began = time.process_time()
        for query in queries:
            search(query)
        return (time.process_time() - began) / len(queries)

    def searches(self) -> None:
        """Ranked, with rows, beside the rivals; each asks the same, in turns."""

        class Again:
            __iter__ = self._records

        others, self.said = rivals(self.folder, Again())  # type: ignore[arg-type]
        queries = self.corpus.queries(QUERIES, 2, self.rng)
        some = queries[:SLOW_QUERIES]

        def ours(query: Sequence[str]) -> object:
            # The others say nothing of what they do not show.
            return self.store.search(Request(expressionOf(query), WANT, NOW + 1.0, bounded=False))

        def bounded(query: Sequence[str]) -> object:
            return self.store.search(Request(expressionOf(query), WANT, NOW + 1.0))

        for search in (ours, bounded, *(lambda query, one=one: one.search(query, WANT) for one in others)):
            self._cost(search, some)  # to read from the disk what is wanted
        ratios: dict[str, list[float]] = {one.name: [] for one in others}
        withBounds: list[float] = []
        costs = []
        for _ in range(max(3, self.rounds)):
            self.noise.look()
            withBounds.append(self._cost(bounded, queries))
            for one in others:
                asked = some if one.name == "SQLite FTS5" else queries
                mine = self._cost(ours, asked)
                ratios[one.name].append(self._cost(lambda query, one=one: one.search(query, WANT), asked) / mine)  # type: ignore[misc]
            costs.append(self._cost(ours, queries))
        for name, least in (("SQLite FTS5", 15.0), ("tantivy", 3.0)):
            if name in ratios:
                cheaper = statistics.median(ratios[name])
                self.figures.append((f"ranked search for 2 words, 50 rows: times cheaper than {name}", cheaper, least))
        self.figures.append(("  us of processor time", 1e6 * statistics.median(costs)))
        self.figures.append(("  us with what bounds the rows held back, as super-peers ask", 1e6 * statistics.median(withBounds)))
        for terms in (1, 3):
            asked = self.corpus.queries(QUERIES, terms, self.rng)
            self._cost(ours, asked)
            self.figures.append((f"  us for {terms} word{'s' if terms > 1 else ''}", 1e6 * self._cost(ours, asked)))
        for one in others:
            one.close()

    def quality(self) -> None:
        """The summed score of the best rows, by exact BM25, beside that of the best by exact BM25."""
        queries = self.corpus.queries(SLOW_QUERIES, 2, self.rng)
        exact = Exact(self.corpus, [term for query in queries for term in query])
        numbers = self._numbers()
        parts = []
        for query in queries:
            scores = exact.scores(query)
            best = sum(sorted(scores.values(), reverse=True)[:WANT])
            found = self.store.search(Request(expressionOf(query), WANT, NOW + 1.0))
            assert found.matched == len(scores), (query, found.matched, len(scores))
            parts.append(sum(scores[numbers[openHead(row.head).location, row.owner]] for row in found.rows) / best)
        self.figures.append(("summed score of the best 50 by exact BM25, against the exact best 50", statistics.mean(parts), 0.98))
        self.figures.append(("  the worst of all searches", min(parts)))

    def _numbers(self) -> dict[tuple[str, bytes], int]:
        """Which document a record is: they were made owner by owner, each with its number in its location."""
        found = {}
        begins = {}
        corpus = self.corpus
        for number in range(corpus.owners):
            begins[corpus.owner(number).peerId] = corpus.documents * number // corpus.owners
        for record in self._records():
            head = openHead(record.head)
            found[head.location, head.owner] = begins[head.owner] + int(head.location.split("/")[1])
        return found

    def arrivals(self) -> None:
        """Each search is timed alone: without anything else, and with registrations between them. Both go through the guard."""
        registry = registryOf(self.store)
        queries = self.corpus.queries(WATCHED, 2, self.rng)
        newcomers = Corpus(0, ARRIVING, seed=2)
        owners = list(map(newcomers.owner, range(ARRIVING)))
        batches = [
            (owner, batchOf(owner, list(newcomers.records(number, BATCH, False)))) for number, owner in enumerate(owners)
        ]
        ratios = []
        for _ in range(max(3, self.rounds)):
            self.noise.look()
            idle = self._p99(registry, queries, [])
            busy = self._p99(registry, queries, batches)
            ratios.append(busy / idle)
            for owner in owners:
                registry.drop(owner.peerId)
        self.figures.append(("p99 of a search while registrations arrive, against idle", statistics.median(ratios), None, 1.5))
        self.figures.append(("  us of processor time, idle, p99", 1e6 * idle))

    @staticmethod
    def _p99(registry: Registry, queries: Sequence[Sequence[str]], batches: Sequence[tuple[Identity, Register]]) -> float:
        every = len(queries) // max(1, len(batches))
        times = []
        for number, query in enumerate(queries):
            if batches and number % every == 0:
                owner, batch = batches[number // every]
                registry.attach(owner.peerId)
                assert not registry.apply(owner.peerId, owner.publicKey, batch).code
            expression = expressionOf(query)
            began = time.process_time()
            registry.search(expression, WANT)
            times.append(time.process_time() - began)
        return statistics.quantiles(times, n=100)[98]

    def changes(self) -> None:
        """Registering owners of some records, and removing them."""
        newcomers = Corpus(0, BATCHES, seed=3)
        changes = [
            Change(owner.peerId, owner.publicKey, additions=list(newcomers.records(number, BATCH, False)), sequence=1)
            for number in range(BATCHES) for owner in (newcomers.owner(number),)
        ]
        added, removed = [], []
        for _ in range(max(3, self.rounds)):
            self.noise.look()
            for change in changes:
                began = time.process_time()
                self.store.apply(change)
                added.append(time.process_time() - began)
            for change in changes:
                began = time.process_time()
                self.store.drop(change.owner)
                removed.append(time.process_time() - began)
        self.registered = BATCH / statistics.median(added)
        ratio = statistics.median(removed) / statistics.median(added)
        self.figures.append((f"removing a leaf of {BATCH} records, against adding it", ratio, None, 2.0))


def expressionOf(terms: Sequence[str]) -> Expression:
    """All of them."""
    words = tuple(map(Word, terms))
    return words[0] if len(words) == 1 else And(words)


def main() -> None:
    """One part, in this process."""
    part, folder, records, rounds = sys.argv[1:]
    os.environ.setdefault("PYTHONHASHSEED", "0")
    place = Path(folder)
    found = load(place, int(records), int(rounds)) if part == "load" else Bench(place, int(records), int(rounds)).run()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
