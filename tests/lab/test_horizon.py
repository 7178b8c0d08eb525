"""The experiment on how far summaries should reach."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from pyroaring import BitMap

from overlay.identity.ids import PeerId
from overlay.index.bloom import positionOf
from overlay.lab.command import lab
from overlay.lab.experiment import Impossible
from overlay.lab.experiments.horizon import ALL, Tree
from overlay.search.language import parseQuery


def named(number: int) -> PeerId:
    return PeerId(bytes([number]) * 20)


def tree(parents: dict[int, int | None], held: dict[int, str]) -> Tree:
    """
    @param parents: of each super-peer.
    @param held: words, of those that hold any.
    """
    serving: list[Any] = [
        SimpleNamespace(peerId=named(one), peer=SimpleNamespace(
            tree=SimpleNamespace(parent=None if parent is None else named(parent)),
            registry=SimpleNamespace(summary=SimpleNamespace(positions=BitMap(map(positionOf, held.get(one, "").split())))),
        ))
        for one, parent in parents.items()
    ]
    return Tree(serving)


def test_aTreeByHand() -> None:
    """
    1 is the root, of 2 and 3; below 2 are 4 and 5, below 5 is 6.
    """
    found = tree({1: None, 2: 1, 3: 1, 4: 2, 5: 2, 6: 5}, {4: "red", 6: "red blue", 1: "white"})
    assert found.levels == 4
    assert [found.told(reach) for reach in (1, 2, ALL)] == pytest.approx([5 / 6, 8 / 6, 9 / 6])
    assert [found.size(reach) for reach in (1, 2, 3, 4, ALL)] == [3, 6, 7, 7, 7] and found.held == 4

    def messages(origin: int, query: str, upward: bool = False) -> list[int]:
        return [found.messages(named(origin), parseQuery(query), reach, upward) for reach in (1, 2, 3, ALL)]

    # A neighbour that has nobody below is left out at once, others only if all below them is spoken for.
    assert messages(1, "green") == [2, 1, 0, 0]
    assert messages(1, "blue") == [3, 3, 3, 3]
    assert messages(3, "red") == [5, 5, 5, 5]
    assert messages(6, "green") == [3, 3, 3, 3] and messages(6, "green", True) == [0, 0, 0, 0]
    assert messages(6, "white", True) == [3, 3, 3, 3] and messages(6, "red", True) == [3, 3, 3, 3]


def test_whatIsReckonedIsSeen(capsys: pytest.CaptureFixture[str]) -> None:
    """A search takes just what is reckoned for summaries of whole branches; the less they speak for, the more it takes."""
    words = ("--super-peers", "60", "--degree", "4", "--leaves", "150", "--searches", "5")
    assert lab(["horizon", *words, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    for kind in ("rare", "popular"):
        fewer = [figures[f"messages_{kind}_{reach}"] for reach in (1, 2, "all", "both_ways")]
        assert fewer == sorted(fewer, reverse=True)
        assert figures[f"messages_{kind}_seen"] == figures[f"messages_{kind}_all"]
        assert figures[f"seen_to_reckoned_{kind}"] == 1
    assert figures["told_both_ways"] == 59
    # The root is behind no link, so that all is the same as one hop less than there are levels.
    last = int(figures["levels"]) - 1
    assert f"messages_rare_{last - 1}" in figures and f"messages_rare_{last}" not in figures
    assert figures["messages_rare_1"] > 2 * figures["messages_rare_all"]
    assert figures["told_1"] == pytest.approx(59 / 60) and figures["told_1"] < figures["told_2"] < figures["told_all"] < figures["levels"]
    assert figures["positions_to_own_1"] < 1 < figures["positions_to_own_2"] < figures["positions_to_own_all"]


def test_aTreeThatIsNone() -> None:
    """Two roots are no tree yet."""
    with pytest.raises(Impossible, match="not settled"):
        tree({1: None, 2: None}, {})


@pytest.mark.parametrize(("words", "said"), [
    (["--items", "2", "--rare", "0.1"], "--rare 0.1 of 2 items is nothing"),
    (["--super-peers", "6", "--degree", "1"], "--degree must be at least 2"),
    (["--super-peers", "100", "--degree", "2", "--leaves", "10", "--homes", "1"], "--degree 2 gives a tree of "),
])
def test_whatCannotBe(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said in one line, by the name of the option."""
    assert lab(["horizon", *words]) == 2
    assert said in capsys.readouterr().err


def test_nobodyToAsk(capsys: pytest.CaptureFixture[str]) -> None:
    """A network of two in which everything is where it is asked for."""
    words = ("--super-peers", "2", "--degree", "1", "--leaves", "1", "--homes", "1", "--searches", "1")
    assert [lab(["horizon", *words, "--seed", str(seed)]) for seed in (1, 3, 5)] == [0, 0, 0]
    assert "MISSED" not in capsys.readouterr().out
