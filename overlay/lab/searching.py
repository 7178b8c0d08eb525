"""Questions to a network by several routers, and what each of them took to answer."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import attrs

from overlay.identity.ids import PeerId
from overlay.lab.experiment import Measured
from overlay.lab.material import Question
from overlay.lab.world import LabPeer, World
from overlay.search.outcome import FoundHit, Outcome
from overlay.wire.message import Message
from overlay.wire.query import Cancel, Done, Hits, Query, Refine

TIMEOUT = 30.0
"""Of a search, virtual seconds."""
PAUSE = 0.5
"""After it, so that what it leaves behind is counted too."""


@attrs.define
class Answer:
    """
    What came of one search by one router.

    @ivar owners: of the rows that were found.
    @ivar first: seconds until the first row; None if there was none. C{last} likewise.
    @ivar queries: copies of the query between super-peers, those that were sent directly, and further questions to who had answered.
    @ivar answers: messages with hits, and ends of copies.
    @ivar others: whatever else passed between super-peers that this search caused: cancellations, and what the router needs.
    """

    outcome: Outcome
    owners: set[PeerId]
    first: float | None
    last: float | None
    queries: int
    answers: int
    others: float


class Watch:
    """
    Counts what passes between super-peers, for each search by its id.

    @param serving: the super-peers, who may change.
    """

    def __init__(self, world: World, serving: Sequence[LabPeer]) -> None:
        self._world = world
        self._serving = serving
        self._names: set[PeerId] = set()
        self._routers: dict[bytes, str] = {}
        self._counts: dict[str, Counter[type[Message]]] = {}
        self._rest: Counter[type[Message]] = Counter()
        self._usual: set[type[Message]] = set()
        world.net.watcher = self._saw

    def _saw(self, sender: PeerId, receiver: PeerId, message: Message) -> None:
        serves = self._names
        if receiver not in serves:
            return
        if sender not in serves:
            if isinstance(message, Query):
                # A search keeps the router that its leaf asked for, whoever goes on with it.
                self._routers.setdefault(message.id, message.router)
            return
        if isinstance(message, Query | Refine | Hits | Done | Cancel):
            counts = self._counts.get(self._routers.get(message.id, ""))
            if counts is not None:
                counts[type(message)] += 1
        else:
            self._rest[type(message)] += 1

    def rest(self, seconds: float) -> None:
        """See what passes while nobody searches: messages of these kinds are not taken to be caused by searches."""
        self._names = {one.peerId for one in self._serving}
        self._rest.clear()
        self._world.run(seconds)
        self._usual.update(self._rest)

    def ask(self, leaf: LabPeer, question: Question, routers: Sequence[str], ttl: int) -> Mapping[str, Answer]:
        """
        One search by several routers at the same moment. Messages that belong to no search by name count for each of the routers alike.
        """
        world = self._world
        self._rest.clear()
        self._routers.clear()
        self._names = {one.peerId for one in self._serving}
        self._counts = {name: Counter() for name in routers}
        open_ = [_Open(leaf, question, name, ttl) for name in routers]
        world.until(lambda: all(one.outcome is not None for one in open_), TIMEOUT + 60.0)
        world.run(PAUSE)
        more = sum(count for kind, count in self._rest.items() if kind not in self._usual) / len(routers)
        return {one.router: one.answer(self._counts[one.router], more) for one in open_}


class _Open:
    """A search under way."""

    def __init__(self, leaf: LabPeer, question: Question, router: str, ttl: int) -> None:
        self.router = router
        self.outcome: Outcome | None = None
        self._clock = leaf.world.time
        self._began = self._clock.seconds()
        self._known: set[PeerId] = set()
        self._times: list[float] = []
        search = leaf.peer.searches.search(question.word, question.want, TIMEOUT, router, self._came, ttl)
        search.finished.addCallback(self._ended)

    def _came(self, rows: list[FoundHit]) -> None:
        new = {owner for row in rows for owner in row.owners} - self._known
        if new:
            self._known |= new
            self._times.append(self._clock.seconds() - self._began)

    def _ended(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def answer(self, counts: Counter[type[Message]], more: float) -> Answer:
        assert self.outcome is not None
        owners = {owner for row in self.outcome.hits for owner in row.owners}
        first, last = (self._times[0], self._times[-1]) if self._times else (None, None)
        return Answer(
            self.outcome, owners, first, last, counts[Query] + counts[Refine], counts[Hits] + counts[Done], counts[Cancel] + more
        )


def leastMessages(homesOf: Sequence[set[PeerId]], asked: PeerId | None, enough: int | None = None) -> int:
    """
    So many super-peers at least have to be asked beside the one that was asked first, that at least one home of each owner is among
    them: whoever holds the most owners that are not covered yet could cover no more than those.

    @param homesOf: of each owner.
    @param enough: of so many owners; None for all.
    """
    left = [homes for homes in homesOf if asked not in homes]
    wanted = len(left) if enough is None else min(len(left), enough - (len(homesOf) - len(left)))
    counts = sorted(Counter(home for homes in left for home in homes).values(), reverse=True)
    covered = 0
    for number, count in enumerate(counts):
        if covered >= wanted:
            return number
        covered += count
    return len(counts) if wanted > 0 else 0


class Figures:
    """
    Writes down what the searches have come to.

    @param suffix: what is put behind the names of the figures, of a kind and a router.
    """

    def __init__(self, measured: Measured, suffix: Callable[[str, str], str], kinds: int) -> None:
        self._measured = measured
        self._suffix = suffix
        self._several = kinds > 1
        self._values: dict[str, list[float]] = {}
        self._sums: Counter[str] = Counter()

    def _add(self, name: str, value: float) -> None:
        values = self._values.setdefault(name, [])
        values.append(value)
        self._measured.mean(name, values)

    def take(
        self, began: float, question: Question, homesOf: Mapping[PeerId, set[PeerId]], home: PeerId | None, answers: Mapping[str, Answer],
    ) -> None:
        """
        @param homesOf: of each owner that has any, those at which it was registered when the search began.
        @param home: that was asked first.
        """
        kind, there = question.kind, set(homesOf)
        end = f"_{kind}" if self._several else ""
        least = leastMessages([homesOf[one] for one in sorted(there)], home, question.want if kind == "popular" else None)
        self._add("lower_bound_messages" + end, least)
        self._add("super_peers_with_a_match" + end, len({peer for homes in homesOf.values() for peer in homes}))
        flood = answers.get("flood")
        for router, answer in answers.items():
            end = self._suffix(kind, router)
            found = answer.owners & there
            self._add("hit_rate" + end, float(bool(found)))
            if kind == "items" and question.rare:
                self._add("rare_hit_rate" + end, float(bool(found)))
            if len(there) <= question.want:
                self._add("recall" + end, len(found) / len(there))
            self._add("hits" + end, len(answer.outcome.hits))
            self._add("messages_per_search" + end, answer.queries)
            self._add("answers_per_search" + end, answer.answers)
            self._add("other_messages_per_search" + end, answer.others)
            if answer.first is not None and answer.last is not None:
                self._add("first_hit_ms" + end, answer.first * 1000)
                self._add("last_hit_ms" + end, answer.last * 1000)
            self._add("complete" + end, float(answer.outcome.status == "complete"))
            if answer.outcome.unasked:
                self._add("unasked_part" + end, answer.outcome.unaskedPart)
            self._measured.sample("messages" + end, began, answer.queries)
            if flood is not None:
                self._toFlood(end, answer, flood)

    def _toFlood(self, end: str, answer: Answer, flood: Answer) -> None:
        """What is different from a flood that was asked the same."""
        if answer is flood:
            return
        for name, value in (("queries", answer.queries), ("flood", flood.queries), ("lost", _lost(answer.outcome, flood.outcome))):
            self._sums[name + end] += value
        self._measured.figure("messages_to_flood" + end, self._sums["queries" + end] / max(1, self._sums["flood" + end]))
        self._measured.figure("hits_lost" + end, self._sums["lost" + end])


def _lost(one: Outcome, flood: Outcome) -> int:
    """
    How many of the rows that a flood has found another search has not, and if there are no more rows than those, how many of their owners;
    of a search that ended with enough rows, how many are not there.
    """
    if one.status == "enough":
        return max(0, len(flood.hits) - len(one.hits))
    if flood.held:
        # Which owners of a row are told depends on who was heard first.
        return len({row.content for row in flood.hits} - {row.content for row in one.hits})
    found = {row.content: set(row.owners) for row in one.hits}
    return sum(
        len(set(row.owners) - found[row.content]) if row.content in found else len(row.owners) for row in flood.hits
    )
