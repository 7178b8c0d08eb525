"""The lab against reality: one small network under virtual time, and as processes over TLS."""

from pathlib import Path
from typing import Any

import pytest

from overlay.lab.graphs import Edge
from tests.system.conftest import Start
from tests.system.twins import COUNTED, SUPER_PEERS, Answer, Layout, Twins, searchAll

pytestmark = pytest.mark.system

SEED = 7
TREE: list[Edge] = [(0, 1), (1, 2), (1, 3), (3, 4)]
COMPLETE: list[Edge] = [(one, other) for one in range(SUPER_PEERS) for other in range(one + 1, SUPER_PEERS)]
FOUND_NOWHERE = ["zyzzyva", "harbour zyzzyva", '"entry0 entry7"']
"""A word that nobody has, one of two, and a phrase beyond the text that a record carries."""
QUERIES = [
    "harbour", "lantern glacier", '"grey heron"', "cedar OR falcon", "harbour -lantern", "name:notes", "type:html meadow", "zyzzyva",
    "gra*", "übermut OR strasse", " OR ".join(f"entry{number}" for number in range(1, 31)),
    '"entry0 entry7"', "entry*", "(cedar OR opal) -harbour ext:md", "heron size:<150", '"heron grey" OR willow', "harbour zyzzyva",
]
"""One of each kind, and at least one from each peer."""

Compare = tuple[str, str, Answer, Answer]


def compared(start: Start, folder: Path, layout: Layout) -> tuple[Twins, list[Compare]]:
    """Every query in both worlds: who searched, for what, and the two answers. What is equal however the network is built is checked."""
    twins = Twins(folder, layout, SEED)
    inTheLab = searchAll(twins.inTheLab(), QUERIES)
    asProcesses = searchAll(twins.asProcesses(start), QUERIES)
    found = []
    for (name, query, lab), (_, _, real) in zip(inTheLab, asProcesses, strict=True):
        where = f"{query} from {name}"
        assert (lab.end, lab.answered, lab.statistics) == (real.end, real.answered, real.statistics), where
        assert lab.end["code"] == 250 and lab.end["answered"] == len(set(lab.answered)) == SUPER_PEERS, where
        assert bool(lab.rows) == (query not in FOUND_NOWHERE), where
        found.append((name, query, lab, real))
    assert {name for name, _, _, _ in found} == set(layout.names)
    return twins, found


def test_aTree(start: Start, tmp_path: Path) -> None:
    """Rows with owners, scores and order, who answered, statistics of terms, and every message of a search: all the same."""
    layout = Layout(TREE, homes=1)
    twins, found = compared(start, tmp_path, layout)
    for name, query, lab, real in found:
        where = f"{query} from {name}"
        assert lab.rows == real.rows, where
        assert lab.messages == real.messages, where
        assert lab.explained["copies"] == real.explained["copies"], where
        assert lab.messages == expected(twins, name, lab), where


def expected(twins: Twins, name: str, answer: Answer) -> dict[str, int]:
    """
    Messages of one search on a tree: each super-peer is asked once, and answers once. Those that have hits, which are few enough for one
    message, send them home over as many links as they are away.
    """
    layout = twins.layout
    fromLeaf = name.startswith("l")
    hops = layout.hops(layout.known(name)[0] if fromLeaf else name)
    owners = {twins.names[owner] for row in answer.rows for owner in row["owners"]}
    holders = {owner if owner.startswith("s") else layout.known(owner)[0] for owner in owners}
    asked = SUPER_PEERS - 1 + fromLeaf
    sent = {"query": asked, "done": asked, "hits": sum(hops[one] + fromLeaf for one in holders), "cancel": 0}
    return {f"{kind}.{direction}": sent[kind] for kind in COUNTED for direction in ("out", "in")}


def test_everybodyIsEverybodysNeighbour(start: Start, tmp_path: Path) -> None:
    """
    Where a query comes by several ways, and each leaf is registered twice: the same rows, who answered, and statistics. Which of two
    homes is heard first depends on latencies, and so do the score that it gives and the way that hits take; but a flood from a
    super-peer takes 2m - n + 1 queries in both.
    """
    _, found = compared(start, tmp_path, Layout(COMPLETE, homes=2))
    queries = 2 * len(COMPLETE) - SUPER_PEERS + 1
    for name, query, lab, real in found:
        where = f"{query} from {name}"
        assert contents(lab) == contents(real), where
        # A leaf asks its second home as well if the first one is slow, as any may be on a busy machine.
        for answer in (lab, real) if name.startswith("s") else (lab,):
            whole = queries + name.startswith("l")
            counts = [answer.messages[f"{kind}.{way}"] for kind in ("query", "done") for way in ("out", "in")]
            assert counts == [whole] * 4, where
            assert answer.explained["copies"]["duplicate"] == queries - (SUPER_PEERS - 1), where


def contents(answer: Answer) -> dict[str, dict[str, Any]]:
    """Rows by content, without what depends on which home was heard first."""
    return {
        row["content"]: {**row, "owners": sorted(row["owners"]), "score": None} for row in answer.rows
    }
