"""Searches that end with enough hits: in whole networks, by all who take part."""

import random

import pytest

from overlay.identity.ids import PeerId
from overlay.lab.experiment import Measured
from overlay.lab.graphs import regular
from overlay.lab.pinned import introduce, pinnedGraph, pinnedWorld
from overlay.lab.world import LabPeer, World
from overlay.peer import Peer
from overlay.questions import Deed
from overlay.search.outcome import Outcome
from overlay.settings import Beats, Settings
from overlay.wire.query import Cancel, Query

LEAF = Settings(role="leaf", homes=2, beats=Beats(720.0))


def network(count: int, degree: int, seed: int = 5) -> tuple[World, list[LabPeer]]:
    """Super-peers on a random regular graph, which know one another; each shares one record with the word C{dawn}, the last a rare one."""
    world = pinnedWorld(Measured(), seed, "none", (0.01, 0.05))
    serving = pinnedGraph(world, count, regular(count, degree, random.Random(seed)), 0.05)
    for number, one in enumerate(serving):
        one.share(world.document(f"s/{number}.txt", f"dawn {number}"))
    serving[-1].share(world.document("s/rare.txt", "rare"))
    introduce(serving)
    world.run(2)
    return world, serving


def sent(world: World, kind: type) -> int:
    return world.net.sent.get(kind.__name__, 0)


def asked(world: World, one: LabPeer, text: str, want: int, router: str = "rings") -> tuple[Outcome, int]:
    """The outcome, and how many copies were sent for it."""
    before = sent(world, Query)
    outcome = one.search(text, want, router=router)
    world.run(1)
    return outcome, sent(world, Query) - before


def balanced(outcome: Outcome) -> bool:
    receipt = outcome.receipt
    return receipt.sent == receipt.answered + receipt.duplicate + receipt.refused + receipt.lost + receipt.cancelled


@pytest.mark.parametrize("want", [1, 3, 8, 15])
def test_itEndsWithEnough(want: int) -> None:
    """No more super-peers are asked than it takes, and what was not asked is told."""
    world, serving = network(60, 4)
    for one in serving[:3]:
        outcome, copies = asked(world, one, "dawn", want)
        assert (outcome.status, len(outcome.hits), outcome.ranking) == ("enough" if want < 60 else "complete", want, "estimated")
        assert want - 1 <= copies <= 2 * want
        assert outcome.unasked == 60 - outcome.answered and 0.5 < outcome.unaskedPart < 1 and outcome.missing == 0
        assert balanced(outcome)


def test_theRareIsFound() -> None:
    """Where little is found everybody is asked, once more than the first ring took, and the search is as complete as a flood."""
    world, serving = network(60, 4)
    flood, copies = asked(world, serving[0], "rare", 20, "flood")
    assert copies == 2 * 120 - 60 + 1
    outcome, more = asked(world, serving[0], "rare", 20)
    assert (outcome.status, outcome.answered, outcome.unasked, outcome.ranking) == ("complete", 60, 0, "exact")
    assert outcome.hits == flood.hits and copies <= more <= copies + 30
    assert balanced(outcome) and outcome.receipt.notReached == 0


def test_everybodyIsNear() -> None:
    """Where all are neighbours of all it takes one copy each, and then all is known."""
    world, serving = network(8, 7)
    outcome, copies = asked(world, serving[0], "dawn", 50)
    assert (outcome.status, len(outcome.hits), outcome.answered, copies, outcome.ranking) == ("complete", 8, 8, 7, "exact")


def test_aLeafIsTold() -> None:
    """The home owns the search; the leaf learns how much of the network was left out."""
    world, serving = network(40, 4)
    leaf = world.add(bootstrap=serving[:2], settings=LEAF, makePeer=Peer)
    world.run(5)
    outcome, _ = asked(world, leaf, "dawn", 4)
    assert (outcome.status, len(outcome.hits), outcome.unasked + outcome.answered) == ("enough", 4, 40)
    assert 0 < outcome.unaskedPart < 1
    explained = leaf.peer.searches.explainLast()[0]
    assert explained["unasked"] == outcome.unasked and explained["part of the network unasked"] == outcome.unaskedPart


def test_theRestIsCancelled() -> None:
    """What is under way when there is enough is called off, and nobody goes on with it."""
    world, serving = network(60, 4)
    serving[0].share(*(world.document(f"s/more{number}.txt", f"dusk {number}") for number in range(3)))
    first = serving[0].peer.neighbours.linked()[0].peerId
    near = next(one for one in serving if one.peerId == first)
    near.share(*(world.document(f"s/near{number}.txt", f"dusk near {number}") for number in range(30)))
    world.run(2)
    before = sent(world, Cancel)
    outcome, _ = asked(world, serving[0], "dusk", 20)
    assert outcome.status == "enough" and outcome.receipt.cancelled > 0 and balanced(outcome)
    assert sent(world, Cancel) - before >= outcome.receipt.cancelled
    assert all(len(one.peer.searches.flood._branches) == 0 for one in serving)
    assert all(len(one.peer.searches.copies) == 0 for one in serving)


def test_hitsOfThoseWithAPoorReputation() -> None:
    """They are shown, but nothing ends because of them."""
    world = World(3, Settings(role="super", neighbours=8), specs={"election": "fittest:wanted=1,least=50", "rate-limit": "unlimited"})
    first = world.add(documents=[world.document(f"s/{number}.txt", f"dawn {number}") for number in range(5)])
    world.run(5)
    leaf = world.add(bootstrap=[first], settings=Settings(role="leaf"))
    liar = world.add(
        bootstrap=[first], documents=[world.document(f"l/{number}.txt", f"dawn lie {number}") for number in range(20)],
        settings=Settings(role="leaf"),
    )
    world.run(10)
    counted: list[int] = []
    guard = first.peer.commons.policies.routerNamed("rings")
    ask = guard.policy.next

    def watched(progress: object) -> object:
        counted.append(progress.distinct)  # type: ignore[attr-defined]
        return ask(progress)

    guard.policy.next = watched
    assert len(leaf.search("dawn", 50, router="rings").hits) == 25 and counted[-1] == 25
    for _ in range(30):
        first.peer.commons.report(PeerId(liar.peerId), Deed.FORGED_RECORD)
    assert first.peer.commons.trust(liar.peerId) < 0.4
    assert len(leaf.search("dawn", 50, router="rings").hits) == 25 and counted[-1] == 5


def test_anUnknownRouter() -> None:
    """A super-peer that does not have the router that a query names goes by its own."""
    _, serving = network(10, 4)
    policies = serving[0].peer.commons.policies
    assert policies.routerNamed("nonesuch") is policies.router is policies.routerNamed("")
    assert policies.routerNamed("rings") is policies.routerNamed("rings") is not policies.router
