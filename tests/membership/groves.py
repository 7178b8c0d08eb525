"""Super-peers on a graph that is given, which grow a spanning tree."""

from collections.abc import Callable, Sequence

import attrs
from hypothesis import strategies as st

from overlay.identity.ids import PeerId
from overlay.lab.graphs import Edge
from overlay.lab.pinned import SETTINGS, SPECS, PinnedNeighbours, PinnedPeer, everybody, introduce, pinnedGraph
from overlay.lab.world import LabPeer, World
from overlay.search.outcome import Outcome
from overlay.settings import Beats
from overlay.wire.message import Message
from overlay.wire.query import Query

LATENCY = (0.005, 0.05)
SETTLING = 30.0
ALIVE = attrs.evolve(SETTINGS, beacon=10.0, beats=Beats())


class Grove:
    """
    @ivar peers: in the order of their numbers in the graph.
    @ivar queries: messages that carried a query, since the last L{clear}.
    """

    def __init__(self, count: int, edges: Sequence[Edge], seed: int = 1, settling: float = SETTLING) -> None:
        self.world = World(seed, ALIVE, None, "full", LATENCY, SPECS, makePeer=PinnedPeer, plugins=[everybody])
        self.peers = pinnedGraph(self.world, count, edges, LATENCY[1])
        introduce(self.peers)
        for number, one in enumerate(self.peers):
            one.share(self.world.document(f"s/{number}.txt", "dawn"))
        self.queries = 0
        self.world.net.watcher = self._saw
        self.world.run(settling)

    def _saw(self, sender: PeerId, receiver: PeerId, message: Message) -> None:
        self.queries += isinstance(message, Query)

    def add(self, near: Sequence[LabPeer]) -> LabPeer:
        """One more super-peer, the neighbour of C{near}."""
        new = self.world.add()
        self.peers.append(new)
        new.share(self.world.document(f"s/{len(self.peers)}.txt", "dawn"))
        self.join(new, near)
        return new

    def join(self, new: LabPeer, near: Sequence[LabPeer]) -> None:
        """Link one that runs to some others, and make them neighbours."""
        for one in near:
            new.peer.links.dial(one.address, one.peerId)
        self.world.run(0.5)
        introduce(self.alive)
        for one in self.alive:
            # As gossip would tell it.
            for other in self.alive:
                one.peer.membership.revived(other.peerId)
        for one in near:
            for here, there in ((new, one), (one, new)):
                neighbours = here.peer.neighbours
                assert isinstance(neighbours, PinnedNeighbours)
                neighbours.pin(there.peerId)

    @property
    def alive(self) -> list[LabPeer]:
        return [one for one in self.peers if one.running]

    @property
    def root(self) -> LabPeer:
        return next(one for one in self.alive if one.peer.tree.root)

    def inner(self) -> LabPeer:
        """One with a parent and with children."""
        return next(one for one in self.alive if one.peer.tree.parent is not None and one.peer.tree.children)

    def numbered(self, peer: bytes | None) -> int | None:
        return next((number for number, one in enumerate(self.peers) if one.peerId == peer), None)

    def treeEdges(self) -> list[Edge]:
        """Links that either end would send a query over, each once, among those alive."""
        alive = {one.peerId: number for number, one in enumerate(self.peers) if one.running}
        found = {
            tuple(sorted((alive[one.peerId], alive[link.peerId])))
            for one in self.alive for link in one.peer.neighbours.linked()
            if link.peerId in alive and one.peer.tree.isTree(link.peerId)
        }
        return sorted(found)  # type: ignore[arg-type]

    def isWhole(self) -> bool:
        """Whether those alive have one spanning tree, of whose root and parents all are of one mind."""
        alive = self.alive
        numbers = {number for number, one in enumerate(self.peers) if one.running}
        edges = self.treeEdges()
        reached = {min(numbers)}
        while True:
            more = {b if a in reached else a for a, b in edges if (a in reached) != (b in reached)}
            if not more:
                break
            reached |= more
        root = min(one.peerId for one in alive)
        return (
            len(edges) == len(alive) - 1 and reached == numbers and all(one.peer.tree.settled for one in alive)
            and all(one.peer.tree.label is not None and one.peer.tree.label.root == root for one in alive)
        )

    def search(self, one: LabPeer, timeout: float = 20.0) -> Outcome:
        """A search for what everybody has, along the tree."""
        self.queries = 0
        return one.search("dawn", want=100, router="tree", timeout=timeout)

    def together(self, several: Sequence[LabPeer]) -> list[Outcome]:
        """Searches that begin at one moment."""
        self.queries = 0
        outcomes: list[Outcome] = []
        for one in several:
            one.peer.searches.search("dawn", 100, 20.0, "tree").finished.addCallback(outcomes.append)
        self.world.until(lambda: len(outcomes) == len(several), 30.0)
        return outcomes


def named(outcome: Outcome) -> int:
    """How many super-peers have answered."""
    return len(outcome.receipt.answeredBy) // 8


def graphs(least: int = 2, most: int = 10) -> st.SearchStrategy[tuple[int, list[Edge]]]:
    """Connected graphs: so many nodes, and the edges."""
    return st.integers(least, most).flatmap(_connected)


def _connected(count: int) -> st.SearchStrategy[tuple[int, list[Edge]]]:
    above: list[st.SearchStrategy[int]] = [st.integers(0, node - 1) for node in range(1, count)]
    pairs = st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=2 * count)
    return st.tuples(st.tuples(*above), pairs).map(lambda drawn: (count, _edges(*drawn)))


def _edges(above: tuple[int, ...], more: list[tuple[int, int]]) -> list[Edge]:
    edges = [(over, node) for node, over in enumerate(above, 1)]
    edges += [(min(pair), max(pair)) for pair in more if pair[0] != pair[1]]
    return sorted(set(edges))


DEATHS: dict[str, Callable[[LabPeer], None]] = {"orderly": LabPeer.stop, "reset": LabPeer.kill, "silent": LabPeer.crash}
"""The ways in which a peer may go."""
