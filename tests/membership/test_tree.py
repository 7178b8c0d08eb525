"""The spanning tree of super-peers: its shape, how it heals, and what is done about a break that nobody has noticed."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.commons import Commons, Component
from overlay.identity.ids import PeerId, idText
from overlay.lab.graphs import Edge, regular
from overlay.membership.limbs import AWAKE, LOST_MOST, PARENT, SILENT, Label, Limb, Place, Serving, place
from overlay.membership.tree import GRACE, OVERDUE
from overlay.wire.messages import Beacon, QueryIds
from overlay.wire.statements import Pulse, Signed, seal
from tests.membership.groves import ALIVE, DEATHS, Grove, graphs, named

FORGERY = Signed(b"body", b"k" * 32, b"s" * 64)


def grove(count: int = 14, degree: int = 4, seed: int = 1) -> Grove:
    return Grove(count, regular(count, degree, random.Random(seed)), seed)


# --- the choice of a parent ---------------------------------------------------------------------------------------------


def idOf(number: int) -> PeerId:
    return PeerId(bytes([number]) * 20)


def test_everyLostRootIsRemembered() -> None:
    """Where beacons of several roots are about, what was lost of one is not forgotten for another; a newer round is a way again."""
    serving = Serving(0.0)

    def label(root: int, round: int) -> Label:
        return Label(idOf(root), round, 1, FORGERY)

    serving.lose(label(1, 5))
    serving.lose(label(2, 9))
    serving.lose(label(1, 4))
    assert serving.hasLost(label(1, 5)) and serving.hasLost(label(2, 9)) and serving.hasLost(label(2, 1))
    assert not serving.hasLost(label(1, 6)) and not serving.hasLost(label(3, 0))
    for root in range(3, 3 + LOST_MOST):
        serving.lose(label(root, 0))
    assert len(serving.lost) == LOST_MOST and not serving.hasLost(label(2, 9))


def limb(number: int, root: int, round: int, hops: int, theirs: str = SILENT) -> Limb:
    return Limb(idOf(number), Label(idOf(root), round, hops, FORGERY), theirs)


@pytest.mark.parametrize(
    ("limbs", "label", "parent", "wanted"),
    [
        # The lowest root, and the newest of its rounds, and the fewest hops.
        ([limb(5, 2, 9, 0), limb(6, 1, 3, 4)], None, None, (1, 3, 5, 6)),
        ([limb(5, 1, 3, 1), limb(6, 1, 4, 7)], None, None, (1, 4, 8, 6)),
        ([limb(6, 1, 4, 2), limb(5, 1, 4, 2), limb(4, 1, 4, 3)], None, None, (1, 4, 3, 5)),
        # The present parent stays if it is as near as others, and goes if it is not.
        ([limb(5, 1, 4, 2), limb(6, 1, 4, 2)], (1, 3, 3), 6, (1, 4, 3, 6)),
        ([limb(5, 1, 4, 1), limb(6, 1, 4, 2)], (1, 4, 3), 6, (1, 4, 2, 5)),
        # A lost one is replaced only by one that is nearer to the root, or as near with a lower id than one's own, which is 7.
        ([limb(5, 1, 4, 3), limb(8, 1, 4, 3)], (1, 4, 3), 6, (1, 4, 3, 5)),
        ([limb(8, 1, 4, 3)], (1, 4, 3), 6, (1, 4, 3, None)),
        ([limb(5, 1, 4, 2, PARENT)], (1, 4, 2), 6, (1, 4, 2, None)),
        ([limb(5, 1, 3, 1)], (1, 4, 3), 6, (1, 4, 3, None)),
        # A parent that has gone over to another root, which is not to be followed, is none.
        ([limb(6, 9, 4, 1)], (1, 4, 3), 6, (1, 4, 3, None)),
    ],
)
def test_choice(limbs: list[Limb], label: tuple[int, int, int] | None, parent: int | None, wanted: tuple) -> None:
    """Who becomes the parent of 7, whoever was so before."""
    now = None if label is None else Label(idOf(label[0]), label[1], label[2], FORGERY)
    found = place(limbs, idOf(7), Place(now, None if parent is None else idOf(parent)), lambda one: one.root != idOf(9), False)
    assert found.label is not None
    over = None if wanted[3] is None else idOf(wanted[3])
    assert (found.label.key, found.parent) == ((idOf(wanted[0]), -wanted[1], wanted[2]), over)


def test_presentParentIsWaitedFor() -> None:
    """A new round that another one brings first is not taken at once."""
    limbs = [limb(5, 1, 5, 2), limb(6, 1, 4, 2)]
    now = Place(Label(idOf(1), 4, 3, FORGERY), idOf(6))
    found = place(limbs, idOf(7), now, lambda one: True, True)
    assert (found.label, found.parent, found.wait) == (now.label, now.parent, True)
    assert place(limbs, idOf(7), now, lambda one: True, False).parent == idOf(5)


# --- the shape -----------------------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(graphs(), st.integers(0, 1000))
def test_shape(graph: tuple[int, list[Edge]], seed: int) -> None:
    """On any connected graph what stays awake is a spanning tree under the lowest id, and each search asks everybody once."""
    here = Grove(*graph, seed)
    assert here.isWhole()
    assert here.root.peerId == min(one.peerId for one in here.peers)
    for one in here.peers[:3]:
        outcome = here.search(one)
        assert (outcome.status, named(outcome), here.queries) == ("complete", graph[0], graph[0] - 1)


def test_severalSearchersAtOnce() -> None:
    """What several ask at one moment changes nothing of the tree: it is not learned from queries."""
    here = grove()
    edges = here.treeEdges()
    for _ in range(3):
        outcomes = here.together(here.peers)
        assert [named(one) for one in outcomes] == [14] * 14 and here.queries == 14 * 13
    here.world.run(30)
    assert here.treeEdges() == edges


class Listener(Component):
    """Counts the changes of the tree."""

    def __init__(self, commons: Commons, told: list[int]) -> None:
        super().__init__(commons)
        self._told = told

    def treeChanged(self) -> None:
        self._told.append(1)


def test_stays() -> None:
    """Between beacons, and from one to the next, nobody changes its parent; and the same seed grows the same tree."""
    here = grove()
    parents = [one.peer.tree.parent for one in here.peers]
    told: list[int] = []
    for one in here.peers:
        one.peer.components = (*one.peer.components, Listener(one.peer.commons, told))
    here.world.run(60)
    assert [one.peer.tree.parent for one in here.peers] == parents and not told
    assert [one.peer.tree.parent for one in grove().peers] == parents


def test_beforeItSettles() -> None:
    """Whoever has no place asks over all its links: a search floods, and misses nobody."""
    here = Grove(14, regular(14, 4, random.Random(1)), settling=0.0)
    outcome = here.search(here.peers[3])
    assert named(outcome) == 14 and here.queries > 13
    assert here.search(here.peers[3]).status == "complete"


def test_alone() -> None:
    """One super-peer is its own root; a leaf has no part in a tree."""
    here = Grove(1, [])
    tree = here.peers[0].peer.tree
    assert (tree.root, tree.parent, tree.children, tree.settled) == (True, None, (), True)
    here.peers[0].peer.neighbours.end()
    assert (tree.root, tree.settled, tree.label) == (False, False, None)


def test_neighboursWithoutTrees() -> None:
    """A link to a peer of an older version, which knows of no beacons, carries all queries."""
    here = grove()
    one = here.inner()
    other = one.peer.links.get(one.peer.neighbours.linked()[0].peerId)
    assert other is not None
    other.features = frozenset()
    one.peer.tree.neighboursChanged()
    assert one.peer.tree.isTree(other.peerId)


def test_neighboursThatMakeRoom() -> None:
    """If one has to go, it is none over which the tree grows, as long as there is another."""
    here = grove()
    one = here.inner()
    tree, neighbours = one.peer.tree, one.peer.neighbours
    needed = {tree.parent, *tree.children}
    others = {link.peerId for link in neighbours.linked()} - needed
    assert {neighbours._leaving(b"") for _ in range(40)} == others
    for peer in others:
        neighbours._remove(peer)
    assert {neighbours._leaving(tree.parent or b"") for _ in range(20)} == set(tree.children)


def test_explained() -> None:
    """EXPLAIN tree tells each its place, and the links that are silent."""
    here = grove()
    one = here.inner()
    said = one.peer.tree.explain()
    assert (said["part"], said["parent"], said["root"]) == ("branch", idText(one.peer.tree.parent or b""), idText(here.root.peerId))
    assert (len(said["children"]) + len(said["silent"]), said["awake besides"]) == (3, 0) and said["hops"] >= 1
    assert here.root.peer.tree.explain()["part"] == "root"
    one.peer.neighbours.end()
    assert one.peer.tree.explain() == {"part": "none: this peer is no super-peer"}


# --- healing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("which", ["inner", "root"])
def test_death(death: str, which: str) -> None:
    """Whoever dies, however: the others have one tree again, and no search in between misses one of them."""
    here = grove()
    victim = here.root if which == "root" else here.inner()
    DEATHS[death](victim)
    for _ in range(3):
        outcome = here.search(here.alive[2])
        assert named(outcome) == 13
        here.world.run(2)
    here.world.run(OVERDUE * ALIVE.beacon + 15)
    assert here.isWhole()
    here.search(here.alive[5])
    here.world.run(10.0)
    # It knows now that the victim is dead, since it does not answer, of which nobody tells in this network.
    outcome = here.search(here.alive[5])
    assert (outcome.status, named(outcome), here.queries) == ("complete", 13, 12)


def test_lostParentIsReplacedAtOnce() -> None:
    """Another neighbour that is nearer to the root takes its place, and nobody has to wait for a beacon."""
    here = grove(40, 8)
    victim = here.inner()
    children = [one for one in here.peers if one.peer.tree.parent == victim.peerId]
    here.world.run(5 + -here.world.time.seconds() % ALIVE.beacon)
    places = {one.peerId: one.peer.tree.label.key[2] for one in here.peers if one.peer.tree.label is not None}
    able = [
        one for one in children
        if any(
            (places[link.peerId], link.peerId) < (places[one.peerId], one.peerId)
            for link in one.peer.neighbours.linked() if link.peerId != victim.peerId
        )
    ]
    victim.kill()
    here.world.run(0.5)
    assert able and [one for one in children if one.peer.tree.settled] == able
    here.world.run(ALIVE.beacon + GRACE)
    assert here.isWhole()


def test_nobodyInPlaceOfAParent() -> None:
    """Whoever finds no other, and whoever is below it, wakes all links until the next beacon; so a search still finds the way."""
    count = 9
    here = Grove(count, [(one, (one + 1) % count) for one in range(count)])
    here.world.run(5 + -here.world.time.seconds() % ALIVE.beacon)
    first = here.numbered(here.root.peerId) or 0
    here.peers[(first + 1) % count].kill()
    here.world.run(0.5)
    below = [here.peers[(first + step) % count] for step in range(2, count // 2 + 1)]
    # The last of them may have found the other arm of the ring.
    assert not any(one.peer.tree.settled for one in below[:-1]) and len(here.treeEdges()) == count - 2
    assert named(here.search(below[0])) == count - 1 and here.queries == count - 2
    here.world.run(ALIVE.beacon + GRACE)
    assert here.isWhole()


def test_missedQueryWakesALink() -> None:
    """Nobody has noticed that a parent is dead: its children hear of the query beyond a silent link, ask for it, and keep that awake."""
    here = grove(40, 8)
    victim = here.inner()
    children = [one for one in here.peers if one.peer.tree.parent == victim.peerId]
    victim.crash()
    for _ in range(2):
        outcome = here.search(here.root, timeout=2)
        assert named(outcome) == 39
    assert all(one.peer.commons.tally.counts["tree", "woken"] for one in children)
    # The second search has found the way by itself.
    assert here.queries <= 39 + len(children)


def test_newSuperPeers() -> None:
    """They find their place; and so does one with a lower id than all others, which is the root from then on."""
    here = grove()
    root = here.root
    low = here.add(here.peers[:3])
    for _ in range(60):
        if low.peerId < root.peerId:
            break
        low = here.add([low, here.peers[0]])
    assert low.peerId < root.peerId
    here.world.run(15)
    assert here.root is low and not root.peer.tree.root and here.isWhole()


def test_partition() -> None:
    """Each part has its own tree, and once they are together again there is one."""
    here = grove(12, 6)
    net, half = here.world.net, here.peers[:6]
    net.partition([one.peerId for one in half], [one.peerId for one in here.peers[6:]])
    here.world.run(OVERDUE * ALIVE.beacon + 60)
    assert sum(one.peer.tree.root for one in here.peers) == 2
    net.heal()
    for one in half:
        here.join(one, here.peers[6:8])
    here.world.run(15)
    assert here.isWhole()
    assert named(here.search(half[0])) == 12


steps = st.lists(
    st.tuples(st.sampled_from(["orderly", "reset", "search", "join"]), st.integers(0, 99), st.floats(0, 12)), min_size=1, max_size=5
)


@settings(max_examples=12, deadline=None)
@given(graphs(4, 9), st.integers(0, 1000), steps, st.floats(0, 15))
def test_atAnyMoment(graph: tuple[int, list[Edge]], seed: int, drawn: list[tuple[str, int, float]], settling: float) -> None:
    """Whatever has just happened to the tree, the receipt of a search names everyone alive."""
    here = Grove(*graph, seed, settling)
    for what, number, wait in drawn:
        one = here.alive[number % len(here.alive)]
        if what == "join":
            here.add([one])
        elif what in DEATHS and len(here.alive) > 2:
            DEATHS[what](one)
        here.world.run(wait)
        # Who is not linked to the rest is found because all know of it; it is dialled.
        outcome = here.search(here.alive[number % len(here.alive)])
        assert named(outcome) == len(here.alive)


# --- what others may send -----------------------------------------------------------------------------------------------


def test_forgedBeacons() -> None:
    """A beacon whose signature is wrong, or of somebody who is no super-peer, changes nothing; the first costs trust."""
    here = grove()
    one = here.inner()
    near = next(other for other in here.peers if other.peer.neighbours.isNeighbour(one.peerId))
    link = near.peer.links.get(one.peerId)
    assert link is not None
    before = one.peer.tree.label
    stranger = here.world.add(start=False).identity
    true = seal(stranger, Pulse(here.world.network.id, 2**60))
    link.send(Beacon(Signed(true.body, near.identity.publicKey, true.signature), 0, AWAKE))
    here.world.run(0.2)
    assert one.peer.commons.tally.counts["deeds", "forged_statement"] == 1
    link.send(Beacon(true, 0, AWAKE))
    here.world.run(0.2)
    assert one.peer.tree.label is before
    near.peer.tree.wake(one.peerId)
    near.peer.tree.wake(one.peerId, False)
    here.world.run(15)
    assert here.isWhole()


def test_idsNobodyAskedFor() -> None:
    """They are counted and forgotten; made-up ones wake a link for a while and no more."""
    here = grove()
    one = here.inner()
    tree = one.peer.tree
    chosen = {peer for peer, _ in tree.compared}
    other = next(link.peerId for link in one.peer.neighbours.linked() if link.peerId not in chosen)
    for peer in [other, *chosen]:
        sender = here.peers[here.numbered(peer) or 0]
        link = sender.peer.links.get(one.peerId)
        assert link is not None
        link.send(QueryIds([bytes([7]) * 16], [bytes([8]) * 16] if peer in chosen else []))
    here.world.run(2)
    assert one.peer.commons.tally.counts["drops", "query-ids"] == 1
    assert named(here.search(one)) == 14
    here.world.run(15)
    assert here.isWhole()


@pytest.mark.parametrize("which", ["root", "inner"])
def test_aSilentParentIsNone(which: str) -> None:
    """
    Where nothing comes from a parent another one is taken, or the links are awake: long before it is given up a search needs no direct
    question but to whoever is silent.
    """
    here = Grove(14, regular(14, 4, random.Random(7)))
    victim = here.root if which == "root" else here.inner()
    below = [one for one in here.peers if one.peer.tree.parent == victim.peerId]
    assert below
    victim.crash()
    here.world.run(7.5)
    assert all(one.peer.tree.parent != victim.peerId for one in below)
    assert all(one.peer.links.get(victim.peerId) is not None for one in below)
    for searcher in below[:2]:
        outcome = here.search(searcher)
        assert named(outcome) == 13 and outcome.missing == 1 and outcome.elapsed < 2.5
        # Once each by the tree or by a flood that is no larger than the graph, and one direct question, not one to each that lies beyond.
        assert outcome.receipt.answered >= 12
