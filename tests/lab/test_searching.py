"""The experiment on searches: several routers and kinds of questions, on networks that stand still and such that do not."""

import json
import random
from typing import Any

import pytest

from overlay.identity.ids import PeerId
from overlay.lab.away import leaveWith
from overlay.lab.command import lab
from overlay.lab.experiments.search import Search
from overlay.lab.material import KINDS, Material, word
from overlay.lab.searching import leastMessages
from overlay.lab.world import World
from overlay.settings import Settings

SMALL = ("search", "--super-peers", "10", "--degree", "3", "--leaves", "30", "--homes", "2", "--items", "10", "--ttl", "0")


def report(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    """Run it and read its report."""
    assert lab([*words, "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_leastMessages() -> None:
    """Never more than are needed: two homes that together hold all owners are two questions."""
    a, b, c = (PeerId(bytes([one]) * 20) for one in (1, 2, 3))
    assert leastMessages([{a, b}, {a, c}], None) == 1
    assert leastMessages([{a}, {b}, {b, c}], None) == 2
    assert leastMessages([{a}, {b}, {b, c}], b) == 1
    assert leastMessages([{a}], a) == 0 == leastMessages([], None)
    assert [leastMessages([{a}, {b}, {b, c}], None, enough) for enough in (1, 2, 3)] == [1, 1, 2]
    assert [leastMessages([{a}, {b}, {b, c}], b, enough) for enough in (1, 2, 3, 9)] == [0, 0, 1, 1]


def test_routersSideBySide(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is asked the same, and its messages are its own."""
    found = report(
        capsys, *SMALL, "--router", "flood,rings", "--kind", "items,everything,rare,popular", "--popular", "0.5", "--searches", "6",
    )
    figures = found["figures"]
    assert all(one["met"] for one in found["targets"])
    flood = 2 * 15 - 10 + 1
    assert [figures[f"messages_per_search_{kind}_flood"] for kind in KINDS] == [flood] * 4
    assert [figures[f"hits_lost_{kind}_rings"] for kind in KINDS] == [0] * 4
    assert figures["messages_per_search_everything_rings"] < flood / 2 and figures["hits_everything_rings"] == 20
    assert figures["messages_to_flood_everything_rings"] == pytest.approx(figures["messages_per_search_everything_rings"] / flood)
    assert figures["complete_everything_flood"] == 1 and figures["complete_everything_rings"] == 0
    assert 0 < figures["unasked_part_everything_rings"] < 1
    assert 0 < figures["lower_bound_messages_everything"] < flood and figures["super_peers_with_a_match_everything"] == 10
    # One Done for each copy, and the hits.
    assert figures["answers_per_search_rare_flood"] > flood and figures["other_messages_per_search_rare_flood"] == 0


def test_theTableForPeople(capsys: pytest.CaptureFixture[str]) -> None:
    """A column for each router."""
    assert lab([*SMALL, "--router", "flood,rings", "--searches", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["flood", "rings"] in [line.split() for line in lines]
    assert [line.split()[0] for line in lines if "messages_per_search" in line] == ["messages_per_search", "other_messages_per_search"]


def test_leavesThatAreAway(capsys: pytest.CaptureFixture[str]) -> None:
    """What they registered is found as if they were there."""
    found = [
        report(capsys, *SMALL, "--kind", "items,popular", "--popular", "0.3", "--searches", "8", "--linked", part)["figures"]
        for part in ("1", "0.1")
    ]
    for figures in found:
        assert figures["leaves_registered"] == 30 and figures["recall_items"] == figures["recall_popular"] == 1
        assert figures["hits_popular"] == 9 and figures["complete_items"] == 1


def test_aRegistrationWithoutItsOwner() -> None:
    """It is checked and held at each home like any other, and counts once."""
    world = World(1, Settings(role="super", neighbours=2), specs={"election": "fittest:wanted=1,least=50"})
    first = world.add()
    world.run(5)
    away = leaveWith(world, [first], [world.document("s/a.txt", "dawn"), world.document("s/b.txt", "dawn too")])
    outcome = first.search("dawn")
    assert [hit.owners for hit in outcome.hits] == [(away.peerId,)] * 2
    assert (outcome.ranking, outcome.receipt.documents) == ("exact", 2)


def test_superPeersThatAreReplaced(capsys: pytest.CaptureFixture[str]) -> None:
    """All routers ask at the same moment, on an overlay that loses and gains super-peers all the while."""
    found = report(
        capsys, "search", "--super-peers", "12", "--degree", "4", "--leaves", "20", "--homes", "2", "--items", "8", "--ttl", "0",
        "--router", "flood,rings", "--searches", "6", "--replace", "1",
    )
    figures = found["figures"]
    assert figures["super_peers_replaced"] >= 6 and 3 < figures["neighbours_mean"] < 8
    assert figures["messages_per_search_flood"] > 11 and figures["messages_per_search_rings"] > 0
    assert figures["hit_rate_flood"] >= 0.8


def test_material() -> None:
    """Items are the same wherever they are, what belongs to a topic is not; rare ones have one owner."""
    world = World()
    material = Material.drawn(list(KINDS), 40, 10, 0.3, 0.3, 0.1, random.Random(1))
    assert [len(owners) for owners in material.items] == [12, 6, 4, 3, 2, 2, 2, 1, 1, 1]
    assert [len(owners) for owners in material.topics] == [4] * 5
    shared = [document for leaf in range(40) for document in material.documents(world, leaf)]
    assert len(shared) == 34 + 20
    for name, contents in (("item0.txt", 1), ("topic0.txt", 4)):
        assert len({one.content for one in shared if one.name == name}) == contents
    assert all(("thing", 1) in one.terms for one in shared)
    rng = random.Random(2)
    assert all(len(material.question("rare", 0, rng).owners) == 1 for _ in range(5))
    popular = material.question("popular", 0, rng)
    assert popular.want == 50 and len(popular.owners) == 4 and popular.word.startswith("topic")
    assert [material.question("items", number, rng).rare for number in range(4)] == [False, True, False, True]
    assert word(12) == "itembc"


def targets(**more: Any) -> dict[str, str]:
    return {one.figure: one.bound for one in Search(**more).wanted()}


def test_targets() -> None:
    """What is expected depends on what is asked, by which routers, of how large a network."""
    assert targets(router="flood") == {"hit_rate": ">= 1", "rare_hit_rate": ">= 1"}
    assert targets(router="tree")["messages_per_search"] == "<= 40"
    large = targets(
        superPeers=1000, degree=10, leaves=100_000, router="flood,tree,summary,rings", kind="everything,rare,popular", ttl=0
    )
    assert large["messages_per_search_everything_tree"] == "<= 1198.8"
    assert large["messages_to_flood_rare_summary"] == "<= 0.05" and large["messages_to_flood_popular_rings"] == "<= 0.01"
    assert large["hits_lost_popular_tree"] == "<= 0" and large["hits_popular_rings"] == ">= 50"
    moving = targets(superPeers=1000, degree=10, router="flood,tree,rings", kind="popular", replace=0.05)
    assert (moving["messages_per_search_tree"], moving["hits_lost_tree"]) == ("<= 1998", "<= 0")
    assert moving["hits_rings"] == ">= 15" and "messages_to_flood_rings" not in moving
