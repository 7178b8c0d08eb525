"""Searches of a leaf that asks a second home as well: what is shown is what the receipt accounts for, or the order is an estimate."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from overlay.identity.ids import PeerId
from overlay.index.record import recordIdOf
from overlay.lab.experiment import Measured
from overlay.lab.pinned import introduce, pinnedGraph, pinnedWorld
from overlay.lab.world import LabPeer, World
from overlay.peer import Peer
from overlay.search.outcome import Gathered, Outcome
from overlay.search.receipts import keyOf
from overlay.settings import Settings
from overlay.wire.query import Hit, Receipt
from tests.index.material import NOW, document, record
from tests.search.test_outcome import ANNA, BERT, SOURCE, gathered

OTHER = PeerId(b"o" * 20)


def network(seed: int, edges: Sequence[tuple[int, int]]) -> tuple[World, list[LabPeer], LabPeer]:
    """Super-peers that are linked so, and a leaf with the first two for homes."""
    settings = Settings(role="super", advert=7200.0, gossip=600.0, beacon=10.0)
    world = pinnedWorld(Measured(), seed, "none", (0.01, 0.03), settings, "flood")
    peers = pinnedGraph(world, 1 + max(max(edge) for edge in edges), edges, 0.03)
    introduce(peers)
    leaf = world.add("leaf", peers[:2], settings=Settings(role="leaf", homes=2), makePeer=Peer)
    world.run(20)
    return world, peers, leaf


def find(world: World, leaf: LabPeer, want: int = 100) -> tuple[Outcome, int]:
    """A search of the leaf, and how many homes it asked."""
    out: list[Outcome] = []
    search = leaf.peer.searches.search("dawn", want, 10.0)
    search.finished.addCallback(out.append)
    assert world.until(lambda: bool(out), 15)
    return out[0], len(search._tried)


def hurry(world: World, peers: Sequence[LabPeer]) -> None:
    """Nobody is slow, and nothing of before is under way."""
    for one in peers:
        one.host.slowness = 0.0
    world.run(30)


def test_addedMeanwhile() -> None:
    """What comes while two homes are asked is shown; if the receipt is of one that had counted before, the order is an estimate."""
    later = 0
    for seed in (1, 2):
        world, peers, leaf = network(seed, [(0, 2), (1, 2), (0, 3), (1, 3), (0, 1)])
        peers[2].share(*(world.document(f"s/{number}.txt", f"dawn {number}") for number in range(4)))
        for at in (2.2, 2.4, 2.6, 3.0):
            hurry(world, peers)
            peers[2].host.slowness = peers[3].host.slowness = 0.8
            world.run(5)
            world.time.callLater(at, peers[2].share, world.document(f"s/at {at}.txt", f"dawn {at}"))
            outcome, asked = find(world, leaf)
            if outcome.status == "complete":
                counted = outcome.receipt.frequencies["dawn"]
                assert (outcome.ranking == "exact") == (len(outcome.hits) == counted)
                later += asked == 2 and len(outcome.hits) > counted
    assert later > 1


def test_homesThatAreApart() -> None:
    """Rows of a home that the other one does not know of are shown; but then somebody is missing, who may have more."""
    cases = 0
    for seed in (1, 2, 5):
        world, peers, leaf = network(seed, [(0, 1), (0, 2), (0, 3), (1, 4), (1, 5)])
        halves = [[peers[0], *peers[2:4]], [peers[1], *peers[4:]]]
        for one in peers[2:]:
            one.share(world.document(f"s/{one.name}.txt", f"dawn {one.name}"))
        world.run(10)
        for one in halves[0]:
            for other in halves[1]:
                world.net.cut(one.peerId, other.peerId)
        world.run(90)
        for slow in (0.0, 0.2, 0.3, 0.4):
            hurry(world, peers)
            preferred = leaf.peer.homes.preferred()
            assert preferred is not None
            halves.sort(key=lambda half: half[0].peerId != preferred.peerId)
            for one, slowness in zip([*halves[0][1:], *halves[1][1:]], (1.5, 2.0, slow, slow), strict=True):
                one.host.slowness = slowness
            world.run(1)
            outcome, _ = find(world, leaf)
            if len(outcome.hits) > 2:
                cases += 1
                assert (outcome.status, outcome.missing > 0, outcome.ranking) == ("incomplete", True, "estimated")
    assert cases > 1


@pytest.mark.parametrize("want", [1, 20, 1000])
def test_bothTellTheSame(want: int) -> None:
    """Where nothing changes the order stays exact, whatever either home holds back, and whoever else shares the same contents."""
    rng = random.Random(want)
    world, peers, leaf = network(1, [(0, 2), (1, 2), (0, 3), (1, 3), (0, 1)])
    for one in peers[2:]:
        one.share(
            *(world.document(f"s/{one.name} {number}.txt", "dawn " * rng.randrange(1, 9) + str(number // 2)) for number in range(300))
        )
    both = 0
    for slowness in (0.6, 0.7, 0.8) * 2:
        hurry(world, peers)
        peers[2].host.slowness = peers[3].host.slowness = slowness
        world.run(5)
        outcome, asked = find(world, leaf, want)
        if outcome.status == "complete":
            both += asked == 2
            assert outcome.ranking == "exact"
    assert both


# --- which rows one receipt accounts for ----------------------------------------------------------------------------------


def hit(number: int, owner: object = ANNA, score: float = 1.0, content: int = 0, parts: bytes = b"\x05\x01", version: int = 1) -> Hit:
    made = document(f"s/{number}.txt", "dawn", content=(content or number).to_bytes(32, "big"))
    one = record(owner, made, version, NOW - version)  # type: ignore[arg-type]
    return Hit(one.head, one.signature, owner.publicKey, "", score, parts)  # type: ignore[attr-defined]


def accounted(*sent: tuple[PeerId, Hit], want: int = 9, receipt: Receipt = Receipt()) -> bool:  # noqa: B008
    """Whether the receipt of L{SOURCE} accounts for the best rows of what was sent."""
    kept: Gathered = gathered()
    for source, one in sent:
        kept.take([one], source)
    return kept.isAllOf(SOURCE, receipt, kept.rows(want))


@pytest.mark.parametrize("turned", [False, True])
def test_whatBothHaveSent(turned: bool) -> None:
    """Whoever sent it first; but not what one has sent alone, unless it is not shown, nor what came otherwise from there."""

    def of(*sent: tuple[PeerId, Hit], want: int = 9) -> bool:
        return accounted(*(reversed(sent) if turned else sent), want=want)

    one, two = hit(1, score=2.0), hit(2)
    assert accounted() and of((SOURCE, one)) and of((SOURCE, one), (OTHER, one)) and of((OTHER, one), (SOURCE, two), (SOURCE, one))
    assert not of((OTHER, one)) and not of((SOURCE, one), (OTHER, two)) and of((SOURCE, one), (OTHER, two), want=1)
    assert not of((OTHER, one), (SOURCE, two), want=1)
    # What is kept is the first of two.
    assert of((SOURCE, one), (OTHER, msgspec.structs.replace(one, parts=b"\x05\x02"))) is not turned


@pytest.mark.parametrize("turned", [False, True])
def test_versions(turned: bool) -> None:
    """A newer version of a record counts as another one, unless it was only signed anew."""
    old, renewed, changed = hit(1), hit(1, version=2), hit(1, content=7, version=2)
    for newer, like in ((renewed, True), (changed, False)):
        for sent in (((SOURCE, old), (OTHER, newer)), ((OTHER, old), (SOURCE, newer))):
            ours = sent[1][0] is SOURCE
            # What another one has sent of before is not shown beside what is newer.
            assert accounted(*(reversed(sent) if turned else sent)) == (like or ours)
    # Who has sent both versions has sent the newer one.
    assert accounted((SOURCE, changed), (SOURCE, old), (OTHER, old))


def test_whoElseSharesIt() -> None:
    """Owners of which only another one told count if the receipt says that their records are held back, and are no better."""
    one, like = hit(1, score=2.0), hit(2, BERT, 1.0, content=1)
    held = Receipt(held=keyOf(BERT.peerId, recordIdOf(BERT.peerId, "s/2.txt")))
    assert not accounted((SOURCE, one), (OTHER, like)) and accounted((SOURCE, one), (OTHER, like), receipt=held)
    assert not accounted((SOURCE, one), (OTHER, hit(2, BERT, 3.0, content=1)), receipt=held)
