"""How far a summary should reach: what a search costs, and what a change, by how many hops it speaks for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar

import attrs
from pyroaring import BitMap

from overlay.identity.ids import PeerId
from overlay.index.bloom import positionOf, provesEmpty
from overlay.index.expression import Expression
from overlay.lab.experiment import Experiment, Impossible, Measured, Target, parameter
from overlay.lab.experiments.search import Search
from overlay.lab.world import LabPeer
from overlay.search.language import parseQuery
from overlay.wire import limits

ALL = 1 << 30
"""Hops beyond which there is nobody."""
SEARCHED = ("rare", "popular")
FARTHEST = 8
"""Hops up to which each is looked at by itself; beyond them only all."""
DEEPEST = 24
"""Levels of a tree up which summaries have come when the searches begin."""


@attrs.define(kw_only=True)
class Horizon(Experiment):
    """
    The spanning tree and the filters are those of super-peers that route by C{summary}. On them it is reckoned what each search would take
    if a summary spoke only for those within so many hops behind a link: it proves a branch empty then only if that ends there. The same
    searches are made as well, so that it shows whether what is reckoned for summaries of whole branches is so.
    """

    name: ClassVar[str] = "horizon"
    help: ClassVar[str] = "By how many hops a summary speaks for: messages for a search and for a change, and the size of filters."
    targets: ClassVar[tuple[Target, ...]] = tuple(
        Target(f"seen_to_reckoned_{kind}", low=0.98, high=1.02) for kind in SEARCHED
    )

    superPeers: int = parameter(1000, "super-peers", low=2, high=10_000)
    degree: int = parameter(10, "neighbours of each super-peer", low=1)
    leaves: int = parameter(20_000, "leaves", low=1, high=1_000_000)
    homes: int = parameter(2, "homes of each leaf", low=1, high=8)
    items: int = parameter(100, "different items", low=1)
    rare: float = parameter(0.3, "part of them that has one owner only", low=0.0, high=1.0)
    owners: float = parameter(0.01, "part of the leaves that own the most popular item", low=0.0, high=1.0)
    popular: float = parameter(0.01, "part of the leaves that own something of a popular topic", low=0.0, high=1.0)
    searches: int = parameter(20, "searches of each kind", low=1)

    def check(self) -> None:
        if round(self.rare * self.items) < 1:
            raise Impossible(f"--rare {self.rare:g} of {self.items} items is nothing that could be searched for")
        if self.degree < 2 < self.superPeers:
            raise Impossible(f"--degree must be at least 2 for {self.superPeers} super-peers to be connected, not {self.degree}")
        self._search().check()

    def _search(self) -> Search:
        return Search(
            superPeers=self.superPeers, degree=self.degree, leaves=self.leaves, homes=self.homes, items=self.items, rare=self.rare,
            owners=self.owners, popular=self.popular, linked=min(1.0, 20 / self.leaves), ttl=0, router="summary", kind=",".join(SEARCHED),
        )

    def run(self, seed: int, measured: Measured) -> None:
        settled = self._search().settled(seed, measured)
        tree = Tree(settled.serving)
        if tree.levels > DEEPEST:
            raise Impossible(f"--degree {self.degree} gives a tree of {tree.levels} levels, up which summaries take too long")
        reaches = [*range(1, min(FARTHEST, tree.levels - 2) + 1), ALL]
        own = max(1, tree.held)
        for reach in reaches:
            measured.figure(f"told{_called(reach)}", tree.told(reach))
            measured.figure(f"positions_to_own{_called(reach)}", tree.size(reach) / own)
        measured.figure("told_both_ways", self.superPeers - 1)
        measured.figure("levels", tree.levels)
        for kind in SEARCHED:
            counts: dict[str, list[float]] = {}
            for number in range(self.searches):
                question = settled.material.question(kind, number, settled.random)
                leaf = settled.random.choice(settled.present)
                home = leaf.peer.homes.preferred()
                if home is None:
                    continue
                expression = parseQuery(question.word)
                for reach in reaches:
                    counts.setdefault(_called(reach), []).append(tree.messages(home.peerId, expression, reach))
                counts.setdefault("_both_ways", []).append(tree.messages(home.peerId, expression, ALL, True))
                answer = settled.watch.ask(leaf, question, ["summary"], limits.TTL_ALL)["summary"]
                counts.setdefault("_seen", []).append(answer.queries)
                for name, values in counts.items():
                    measured.mean(f"messages_{kind}{name}", values)
                seen, reckoned = sum(counts["_seen"]), sum(counts[_called(ALL)])
                # Where everybody who has it was asked first, neither is a message.
                measured.figure(f"seen_to_reckoned_{kind}", seen / reckoned if reckoned else 1.0 + seen)


def _called(reach: int) -> str:
    return "_all" if reach == ALL else f"_{reach}"


class Tree:
    """
    The spanning tree of a network at rest, and what each super-peer holds.

    @ivar levels: most super-peers on a way downward, the root counted.
    @ivar held: positions of the filters of what each holds itself, all together.
    """

    def __init__(self, serving: Sequence[LabPeer]) -> None:
        self._parent: dict[PeerId, PeerId | None] = {one.peerId: one.peer.tree.parent for one in serving}
        self._children: dict[PeerId, list[PeerId]] = {one.peerId: [] for one in serving}
        for peer, parent in self._parent.items():
            if parent is not None:
                self._children[parent].append(peer)
        self._own: dict[PeerId, BitMap] = {}
        for one in serving:
            summary = one.peer.registry.summary
            self._own[one.peerId] = BitMap() if summary is None else summary.positions
        roots = [peer for peer, parent in self._parent.items() if parent is None]
        if len(roots) != 1:
            raise Impossible(f"{len(roots)} super-peers have no parent: the tree is not settled")
        self._down = list(self._downward(roots[0]))
        self._height: dict[PeerId, int] = {}
        self._below: dict[PeerId, BitMap] = {}
        for peer in reversed(self._down):
            children = self._children[peer]
            self._height[peer] = 1 + max((self._height[one] for one in children), default=0)
            self._below[peer] = self._all([self._own[peer], *(self._below[one] for one in children)])
        self._beyond: dict[PeerId, BitMap] = {}
        for peer in self._down[1:]:
            self._beyond[peer] = self._all(self._above(peer))
        self.levels = self._height[roots[0]]
        self.held = sum(map(len, self._own.values()))

    def _downward(self, root: PeerId) -> Iterator[PeerId]:
        level = [root]
        while level:
            yield from level
            level = [child for peer in level for child in self._children[peer]]

    def _above(self, peer: PeerId) -> Iterator[BitMap]:
        """All that is held elsewhere than in the branch of C{peer}."""
        parent = self._parent[peer]
        assert parent is not None
        yield self._own[parent]
        yield from (self._below[one] for one in self._children[parent] if one != peer)
        if parent in self._beyond:
            yield self._beyond[parent]

    @staticmethod
    def _all(some: Iterable[BitMap]) -> BitMap:
        return BitMap.union(BitMap(), *some)

    def told(self, reach: int) -> float:
        """How many hear of what comes to one super-peer, on average, if none of them had the like: those above it that are near enough."""
        depths: dict[PeerId, int] = {}
        for peer in self._down:
            parent = self._parent[peer]
            depths[peer] = 0 if parent is None else depths[parent] + 1
        return sum(min(reach, depth) for depth in depths.values()) / len(depths)

    def size(self, reach: int) -> int:
        """Positions of all filters that speak for those within C{reach} hops behind a link."""
        within = self._below if reach >= self.levels else self._own
        for _ in range(0 if reach >= self.levels else reach - 1):
            within = {peer: self._all([self._own[peer], *(within[one] for one in self._children[peer])]) for peer in self._down}
        return sum(len(within[peer]) for peer in self._down[1:])

    def messages(self, origin: PeerId, expression: Expression, reach: int, upward: bool = False) -> int:
        """
        What one search takes that begins at C{origin}: it goes to the parent, and to each child whose branch is not proved empty.

        @param upward: whether children too are told what lies behind the link to their parent.
        """
        count = 0
        left: list[tuple[PeerId, PeerId | None]] = [(origin, None)]
        while left:
            peer, source = left.pop()
            parent = self._parent[peer]
            onward = [
                one for one in self._children[peer]
                if one != source and not (self._height[one] <= reach and provesEmpty(expression, _has(self._below[one])))
            ]
            if parent is not None and parent != source and not (upward and provesEmpty(expression, _has(self._beyond[peer]))):
                onward.append(parent)
            count += len(onward)
            left += [(one, peer) for one in onward]
        return count


def _has(positions: BitMap) -> Callable[[str], bool]:
    return lambda term: positionOf(term) in positions
