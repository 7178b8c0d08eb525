"""Graphs for the lab."""

import random
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from overlay.lab.experiment import Impossible
from overlay.lab.graphs import distances, neighboursOf, readEdges, regular


@given(st.integers(2, 60), st.integers(1, 59), st.integers(0, 1 << 32))
def test_regular(nodes: int, degree: int, seed: int) -> None:
    """Every node has the degree, no edge is a loop or double, and from degree 2 on the graph is connected."""
    assume(degree < nodes and nodes * degree % 2 == 0)
    edges = regular(nodes, degree, random.Random(seed))
    assert len(set(edges)) == len(edges) == nodes * degree // 2
    assert all(one < other for one, other in edges)
    neighbours = neighboursOf(nodes, edges)
    assert {len(one) for one in neighbours} == {degree}
    if degree >= 2:
        assert len(distances(neighbours, 0)) == nodes
    assert edges == regular(nodes, degree, random.Random(seed))


def test_regularIsRandom() -> None:
    """Different seeds give different graphs, and no edge is favoured."""
    counts: dict[tuple[int, int], int] = {}
    for seed in range(2000):
        for edge in regular(6, 3, random.Random(seed)):
            counts[edge] = counts.get(edge, 0) + 1
    assert len(counts) == 15
    assert all(1050 < count < 1350 for count in counts.values()), counts


@pytest.mark.parametrize(("nodes", "degree", "named"), [(5, 5, "--degree"), (4, 9, "--degree"), (5, 3, "odd")])
def test_noSuchGraph(nodes: int, degree: int, named: str) -> None:
    """What cannot be is one line that names the parameter."""
    with pytest.raises(Impossible, match=named):
        regular(nodes, degree, random.Random(1))


def test_edgeList(tmp_path: Path) -> None:
    """Names are numbered as they come; comments, empty lines and repeated edges do not matter."""
    file = tmp_path / "edges"
    file.write_text("# two triangles\na b\nb c # and so on\n\nc a\nb a\nx y\ny z\nz x\n")
    names, edges = readEdges(file)
    assert names == ["a", "b", "c", "x", "y", "z"]
    assert edges == [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)]
    assert distances(neighboursOf(6, edges), 1) == {1: 0, 0: 1, 2: 1}


@pytest.mark.parametrize(("content", "named"), [
    (b"a b\na\n", "line 2"), (b"a b c\n", "line 1"), (b"a a\n", "line 1"), (b"# nothing\n", "no edges"), (b"\xff\xfe", "no text"),
])
def test_brokenEdgeList(content: bytes, named: str, tmp_path: Path) -> None:
    """The file and the line are named."""
    file = tmp_path / "edges"
    file.write_bytes(content)
    with pytest.raises(Impossible, match=named) as raised:
        readEdges(file)
    assert str(file) in str(raised.value)
    with pytest.raises(Impossible, match="cannot be read"):
        readEdges(tmp_path / "nowhere")
