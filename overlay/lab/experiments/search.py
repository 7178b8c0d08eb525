"""Whether searches find what there is, common and rare, and with how many messages."""

import bisect
import itertools
import random
from collections import Counter
from typing import ClassVar

import attrs

from overlay.identity.ids import PeerId
from overlay.lab.experiment import Experiment, Impossible, Measured, Target, parameter
from overlay.lab.graphs import regular
from overlay.lab.pinned import SETTINGS, pinnedGraph, pinnedWorld
from overlay.lab.world import LabPeer, World
from overlay.peer import Peer
from overlay.search.outcome import FoundHit
from overlay.wire import limits
from overlay.wire.message import Message
from overlay.wire.query import Query

REGISTERING = 120.0
"""Virtual seconds within which every leaf has to have its homes."""
PAUSE = 0.5


@attrs.define(kw_only=True)
class Search(Experiment):
    """
    Items of popularity 1/rank, the last of them rare: one owner each. Leaves own them at random and search for them, common ones by
    their popularity, and each rare one as often as the others.
    """

    name: ClassVar[str] = "search"
    help: ClassVar[str] = "Leaves search for common and rare items: hit rates, recall, messages and times."
    targets: ClassVar[tuple[Target, ...]] = (Target("hit_rate", low=1.0), Target("rare_hit_rate", low=1.0))

    superPeers: int = parameter(28, "super-peers", low=2, high=10_000)
    leaves: int = parameter(1500, "leaves", low=1, high=1_000_000)
    homes: int = parameter(3, "homes of each leaf", low=1, high=8)
    degree: int = parameter(16, "neighbours of each super-peer", low=1)
    ttl: int = parameter(3, "hops that a search may go among super-peers", low=1, high=limits.TTL_MOST - 1)
    items: int = parameter(60, "different items", low=1)
    rare: float = parameter(0.3, "part of them that has one owner only", low=0.0, high=1.0)
    owners: float = parameter(0.3, "part of the leaves that own the most popular item", low=0.0, high=1.0)
    latency: float = parameter(0.03, "seconds from one peer to another, on average", low=0.0, high=10.0)
    spread: float = parameter(
        0.0, "how far it differs, as a part of it; then some copies with hops left come late, and are passed on again", low=0.0, high=1.0
    )
    searches: int = parameter(200, "searches, half of them for rare items", low=1)

    def check(self) -> None:
        regular(self.superPeers, self.degree, random.Random(0))
        if self.homes > self.superPeers:
            raise Impossible(f"--homes must be at most --super-peers ({self.superPeers}), not {self.homes}")

    def run(self, seed: int, measured: Measured) -> None:
        rng = random.Random(seed)
        edges = regular(self.superPeers, self.degree, rng)
        fastest, slowest = self.latency * (1 - self.spread), self.latency * (1 + self.spread)
        world = pinnedWorld(measured, seed, self.codec, (fastest, slowest))
        serving = pinnedGraph(world, self.superPeers, edges, slowest)
        common = self.items - round(self.rare * self.items)
        owners = self._owners(common, rng)
        leaves = self._join(world, serving, owners, rng)
        measured.figure("leaves_registered", sum(self._registered(one) for one in leaves))
        run = _Run(world, measured, {one.peerId for one in serving})
        weights = list(itertools.accumulate(1 / rank for rank in range(1, common + 1)))
        for number in range(self.searches):
            wantsRare = common == 0 or (common < self.items and number % 2 == 1)
            if wantsRare:
                item = rng.randrange(common, self.items)
            else:
                item = bisect.bisect_left(weights, rng.random() * weights[-1])
            run.search(rng.choice(leaves), item, [leaves[one] for one in owners[item]], wantsRare, self.ttl + 1)
            world.run(PAUSE)

    def _owners(self, common: int, rng: random.Random) -> list[list[int]]:
        """The leaves that own each item: the most popular first, of each that is not rare at least two where there are two."""
        found = []
        for item in range(self.items):
            count = 1 if item >= common else max(2, round(self.owners * self.leaves / (item + 1)))
            found.append(rng.sample(range(self.leaves), min(count, self.leaves)))
        return found

    def _join(self, world: World, serving: list[LabPeer], owners: list[list[int]], rng: random.Random) -> list[LabPeer]:
        settings = attrs.evolve(SETTINGS, role="leaf", homes=self.homes)
        owned: list[list[int]] = [[] for _ in range(self.leaves)]
        for item, ofItem in enumerate(owners):
            for leaf in ofItem:
                owned[leaf].append(item)
        leaves = []
        for mine in owned:
            known = rng.sample(serving, min(self.homes, len(serving)))
            documents = [world.document(f"share/item{item}.txt", word(item)) for item in sorted(mine)]
            leaves.append(world.add(bootstrap=known, documents=documents, settings=settings, makePeer=Peer))
            # They do not all come at one moment.
            world.run(0.01)
        world.until(lambda: world.time.calls % 1000 == 0 and all(map(self._registered, leaves)), REGISTERING)
        return leaves

    def _registered(self, leaf: LabPeer) -> bool:
        views = leaf.peer.homes.views()
        return sum(one.state == "registered" and not one.behind for one in views) >= self.homes


def word(item: int) -> str:
    """The one word of an item's text; letters only, so that it is one term."""
    return "item" + "".join(chr(ord("a") + int(digit)) for digit in str(item))


class _Run:
    """The searches of one run, and what they have come to."""

    def __init__(self, world: World, measured: Measured, serving: set[PeerId]) -> None:
        self._world = world
        self._measured = measured
        self._serving = serving
        self._queries = 0
        self._rates: dict[str, list[float]] = {}
        world.net.watcher = self._saw

    def _saw(self, sender: PeerId, receiver: PeerId, message: Message) -> None:
        if isinstance(message, Query) and sender in self._serving and receiver in self._serving:
            self._queries += 1

    def _add(self, name: str, value: float) -> None:
        values = self._rates.setdefault(name, [])
        values.append(value)
        self._measured.mean(name, values)

    def search(self, leaf: LabPeer, item: int, owners: list[LabPeer], rare: bool, ttl: int) -> None:
        """One search, and what is to be learned from it."""
        homesOf = {one.peerId: {view.peerId for view in one.peer.homes.views() if view.state == "registered"} for one in owners}
        there = {owner for owner, homes in homesOf.items() if homes}
        if not there:
            return
        world = self._world
        began = world.time.seconds()
        times: list[float] = []
        known: set[PeerId] = set()

        def came(rows: list[FoundHit]) -> None:
            new = {owner for row in rows for owner in row.owners} - known
            if new:
                known.update(new)
                times.append(world.time.seconds() - began)

        self._queries = 0
        home = leaf.peer.homes.preferred()
        outcome = leaf.search(word(item), want=limits.WANT, timeout=30.0, ttl=ttl, onHits=came)
        found = {owner for row in outcome.hits for owner in row.owners} & there
        self._add("hit_rate", float(bool(found)))
        if rare:
            self._add("rare_hit_rate", float(bool(found)))
        self._add("recall", len(found) / len(there))
        self._add("messages_per_search", self._queries)
        asked = home.peerId if home is not None else None
        self._add("lower_bound_messages", leastMessages([homesOf[one] for one in sorted(there)], asked))
        if times:
            self._add("first_hit_ms", times[0] * 1000)
            self._add("last_hit_ms", times[-1] * 1000)
        self._measured.sample("recall", began, len(found) / len(there))
        self._measured.sample("messages", began, self._queries)


def leastMessages(homesOf: list[set[PeerId]], asked: PeerId | None) -> int:
    """
    So many super-peers at least have to be asked beside the one that was asked first, that at least one home of each owner is among
    them: whoever holds the most owners that are not covered yet could cover no more than those.

    @param homesOf: of each owner.
    """
    left = [homes for homes in homesOf if asked not in homes]
    counts = sorted(Counter(home for homes in left for home in homes).values(), reverse=True)
    covered = 0
    for number, count in enumerate(counts):
        if covered >= len(left):
            return number
        covered += count
    return len(counts) if left else 0
