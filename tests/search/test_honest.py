"""What a receipt says is so, also while something goes wrong or changes."""

import random
from collections.abc import Iterable, Sequence

import pytest

from overlay.index.record import openHead
from overlay.lab.experiment import Measured
from overlay.lab.graphs import regular
from overlay.lab.pinned import introduce, pinnedGraph, pinnedWorld
from overlay.lab.world import LabPeer, World
from overlay.peer import Peer
from overlay.search.outcome import Outcome
from overlay.settings import Settings

CHAIN = [(0, 1), (1, 2), (2, 3)]


def network(count: int, edges: Sequence[tuple[int, int]], seed: int = 1, slow: float = 0.03) -> tuple[World, list[LabPeer]]:
    """Super-peers that know each other, and are linked so; each holds one record."""
    settings = Settings(role="super", advert=7200.0, gossip=600.0, beacon=10.0)
    world = pinnedWorld(Measured(), seed, "none", (0.01, slow), settings, "summary")
    peers = pinnedGraph(world, count, edges, slow)
    introduce(peers)
    for number, one in enumerate(peers):
        one.share(world.document(f"s/{number}.txt", f"dawn {number}"))
    world.run(30)
    return world, peers


def leafOf(world: World, name: str, homes: Sequence[LabPeer], wanted: int = 2) -> LabPeer:
    return world.add(name, homes, settings=Settings(role="leaf", homes=wanted), makePeer=Peer)


def find(world: World, at: LabPeer, text: str, router: str = "flood", ttl: int = 0, want: int = 100) -> Outcome:
    out: list[Outcome] = []
    at.peer.searches.search(text, want, 10.0, router, None, ttl).finished.addCallback(out.append)
    assert world.until(lambda: bool(out), 15)
    return out[0]


def contents(outcome: Outcome) -> set[bytes]:
    return {hit.content for hit in outcome.hits}


@pytest.mark.parametrize("router", ["flood", "tree", "summary"])
def test_aStoreThatFails(router: str) -> None:
    """Whose store cannot be searched has not answered, be it another's or one's own."""
    world, peers = network(4, CHAIN)

    def broken(request: object) -> None:
        raise OSError("disk")

    peers[2].peer.commons.policies.store.search = broken
    for at in (peers[0], peers[2]):
        outcome = find(world, at, "dawn", router)
        assert (outcome.status, outcome.ranking, outcome.missing, outcome.answered) == ("incomplete", "estimated", 1, 3)
        assert len(outcome.hits) == 3


def lose(world: World, peers: Sequence[LabPeer], rng: random.Random) -> LabPeer:
    """A link of the tree ends; gives the upper end, as soon as that knows."""
    low = rng.choice([one for one in peers if one.peer.tree.parent])
    high = next(one for one in peers if one.peerId == low.peer.tree.parent)
    low.peer.links.get(high.peerId).abort("test")
    assert world.until(lambda: high.peer.links.get(low.peerId) is None, 5)
    return high


def test_behindALostLink() -> None:
    """With a ttl that reaches all, whoever lay behind a link that has just been lost was not reached."""
    for seed in range(1, 9):
        rng = random.Random(seed)
        world, peers = network(12, regular(12, 3, rng), seed)
        outcome = find(world, lose(world, peers, rng), "dawn", "tree", 64)
        assert outcome.status == ("complete" if len(outcome.hits) == 12 else "incomplete")


def test_allHaveAnsweredBesides() -> None:
    """What one copy was too short for has answered when it was asked directly: nothing is beyond reach."""
    for seed in range(1, 30):
        world, peers = network(12, regular(12, 3, random.Random(seed)), seed)
        for text, want in (("dawn", 40), ("3", 1), ("nowhere", 1)):
            outcome = find(world, peers[3], text, "rings", want=want)
            assert outcome.status in ("complete", "enough") and not outcome.receipt.notReached


def test_theNewerVersion() -> None:
    """A home that could not be told of a change does not hide it, wherever it is asked, and the old version is not shown beside it."""
    world, peers = network(3, [(0, 1), (1, 2), (0, 2)])
    leaf = leafOf(world, "leaf", peers[:2])
    leaf.share(world.document("s/doc.txt", "dusk old"))
    world.run(20)
    assert world.registered()
    world.net.cut(leaf.peerId, peers[1].peerId)
    world.run(1)
    leaf.share(world.document("s/doc.txt", "dusk new version"))
    own = leaf.peer.own.get("s/doc.txt")
    assert own is not None
    content = openHead(own.head).content
    assert world.until(lambda: peers[0].peerId in leaf.peer.homes.complete(), 30)
    for at in peers:
        for router in ("flood", "summary"):
            assert contents(find(world, at, "dusk", router)) == {content}


def test_newestWithOldVersions() -> None:
    """Old versions at a home that could not be told took the places of other rows: the order is no longer that of all."""
    settings = Settings(role="super", advert=7200.0, gossip=600.0, beacon=10.0)
    world = pinnedWorld(Measured(), 1, "none", (0.01, 0.03), settings, "summary")
    world.specs["ranking"] = "newest"
    peers = pinnedGraph(world, 3, [(0, 1), (1, 2), (0, 2)], 0.03)
    introduce(peers)
    world.run(10)
    leaf = leafOf(world, "leaf", peers[:2])
    for number in (8, 9):
        leaf.share(world.document(f"s/{number}.txt", f"dusk {number}", modified=1_700_000_000 + number * 1000))
    world.run(20)
    told, cut = [one for one in peers if one.peerId in leaf.peer.homes.complete()]
    cut.share(world.document("s/7.txt", "dusk", modified=1_700_007_000))
    world.run(2)
    for one in peers:
        if one is not told:
            world.net.cut(leaf.peerId, one.peerId)
    world.run(1)
    for number in (8, 9):
        leaf.share(world.document(f"s/{number}.txt", f"dusk new {number}", modified=1_700_000_000 + number))
    world.run(30)
    at = next(one for one in peers if one not in (told, cut))
    for want in (2, 3):
        outcome = find(world, at, "dusk", want=want)
        assert outcome.ranking == "estimated" or outcome.hits[0].modified == 1_700_007_000


def counts(outcomes: Iterable[Outcome]) -> list[tuple[int, int]]:
    """Of those that are said to be exact: how many records have the word, and how many were found."""
    exact = [one for one in outcomes if one.status == "complete" and one.ranking == "exact"]
    return [(one.receipt.frequencies["dawn"], len(one.hits)) for one in exact]


def test_countedAnewWhileRecordsCome() -> None:
    """The hits that were found before belong to the numbers that were found before."""
    outcomes: list[Outcome] = []
    for seed in range(1, 5):
        rng = random.Random(seed)
        world, peers = network(4, [*CHAIN, (0, 2)], seed, 0.2)
        leaves = [leafOf(world, f"leaf{number}", peers[:3]) for number in range(3)]
        world.run(20)
        made = iter(range(1000))

        def more(leaves: list[LabPeer] = leaves, rng: random.Random = rng, world: World = world, made: Iterable[int] = made) -> None:
            number = next(iter(made))
            rng.choice(leaves).share(world.document(f"s/more{number}.txt", f"dawn more {number}"))

        for _ in range(10):
            for _ in range(4):
                world.time.callLater(rng.random() * 0.5, more)
            world.run(rng.random() * 0.4)
            outcomes.append(find(world, rng.choice(peers), "dawn", want=1000))
            world.run(2)
    found = counts(outcomes)
    assert len(found) > 5 and all(records == hits for records, hits in found)
