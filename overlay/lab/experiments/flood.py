"""How far a flood goes, and what it costs, on a graph that does not change."""

import random
from pathlib import Path
from typing import ClassVar

import attrs

from overlay.identity.ids import PeerId
from overlay.lab.experiment import Experiment, Impossible, Measured, parameter
from overlay.lab.graphs import distances, neighboursOf, readEdges, regular
from overlay.lab.latency import LONGEST
from overlay.lab.pinned import pinnedGraph, pinnedWorld
from overlay.lab.world import LabPeer, World
from overlay.wire import limits
from overlay.wire.message import Message
from overlay.wire.query import Done, Query

SHORTEST = 1e-6
"""Seconds from one peer to another at least: where no time passes, the shortest way is not the first."""
PAUSE = 0.1
"""Between two searches."""
HOPS_MOST = limits.TTL_MOST - 1


@attrs.define(kw_only=True)
class Flood(Experiment):
    """
    On a connected graph of n nodes and m edges a flood without limit takes exactly 2m - n + 1 query messages: each node asks all its
    neighbours but the one that asked it first.
    """

    name: ClassVar[str] = "flood"
    help: ClassVar[str] = "Searches on a fixed graph of super-peers: how many they reach, with how many messages."

    superPeers: int = parameter(1000, "super-peers, if no --graph is given", low=2, high=1_000_000)
    degree: int = parameter(6, "neighbours of each in the random regular graph", low=1)
    graph: str | None = parameter(None, "an edge list instead: two names a line", metavar="FILE")
    ttl: int = parameter(5, "hops that a search may go", low=1)
    searches: int = parameter(20, "searches, each from a random super-peer", low=1)
    latency: float = parameter(0.01, "seconds from one peer to another", low=0.0, high=LONGEST)

    def check(self) -> None:
        if self.graph is None:
            regular(self.superPeers, self.degree, _Unused(0))

    def run(self, seed: int, measured: Measured) -> None:
        rng = random.Random(seed)
        if self.graph is None:
            count = self.superPeers
            edges = regular(count, self.degree, rng)
        else:
            names, edges = readEdges(Path(self.graph).expanduser())
            count = len(names)
        graph = neighboursOf(count, edges)
        starts = [rng.randrange(count) for _ in range(self.searches)]
        ttl = self._ttl(graph, starts)
        latency = max(SHORTEST, self.latency)
        world = pinnedWorld(measured, seed, self.codec, (latency, latency))
        peers = pinnedGraph(world, count, edges, self.latency)
        watch = _Watch(world)
        reach: list[float] = []
        messages: list[float] = []
        duplicates: list[float] = []
        for start in starts:
            watch.clear()
            outcome = self._search(world, peers[start], ttl)
            # Whoever answered has evaluated the query; the receipt names all of them.
            reach.append(len(outcome) // 8)
            messages.append(watch.queries)
            duplicates.append(watch.duplicates)
            measured.mean("reach_mean", reach)
            measured.mean("messages_mean", messages)
            measured.mean("duplicates_mean", duplicates)
            measured.figure("hops_max", max(measured.figures.get("hops_max", 0), watch.hops))
            measured.sample("reach", world.time.seconds(), reach[-1])
            measured.sample("messages", world.time.seconds(), messages[-1])
            world.run(PAUSE)
        measured.figure("super_peers", count)
        measured.figure("edges", len(edges))

    def _ttl(self, graph: list[list[int]], starts: list[int]) -> int:
        """As the wire has it: it counts the searcher, and carries no more than so many hops unless it means all."""
        if self.ttl <= HOPS_MOST:
            return self.ttl + 1
        furthest = max(max(distances(graph, start).values()) for start in sorted(set(starts)))
        if self.ttl < furthest:
            raise Impossible(
                f"--ttl must be from 1 to {HOPS_MOST}, or at least the {furthest} hops to the furthest super-peer, not {self.ttl}"
            )
        return limits.TTL_ALL

    def _search(self, world: World, peer: LabPeer, ttl: int) -> bytes:
        outcome = peer.search("dawn", timeout=limits.BUDGET, ttl=ttl)
        return outcome.receipt.answeredBy


class _Unused(random.Random):
    """For a look at whether a graph can be made."""


class _Watch:
    """
    Counts the messages of one search.

    @ivar queries: copies of the query that arrived.
    @ivar duplicates: those that found it known already.
    @ivar hops: of the longest way to a first copy.
    """

    def __init__(self, world: World) -> None:
        world.net.watcher = self._saw
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.queries = self.duplicates = self.hops = 0
        self._depths: dict[PeerId, int] = {}

    def _saw(self, sender: PeerId, receiver: PeerId, message: Message) -> None:
        if isinstance(message, Query):
            self.queries += 1
            if receiver not in self._depths:
                self._depths[receiver] = self._depths.get(sender, 0) + 1
        elif isinstance(message, Done):
            if message.status == "duplicate":
                self.duplicates += 1
            else:
                self.hops = max(self.hops, self._depths.get(sender, 0))
