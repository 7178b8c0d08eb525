"""Searches of a peer that has nothing to do with some owners."""

import pytest

from overlay.lab.world import LabPeer, World
from overlay.search.outcome import Outcome
from overlay.search.search import Search
from overlay.settings import Settings
from overlay.wire import limits


def network(bad: int = 6, good: int = 5) -> tuple[World, LabPeer, LabPeer, LabPeer]:
    """
    @return: with it a super-peer, a leaf, and the owner of what ranks first.
    """
    world = World(4)
    home = world.add("home")
    world.run(3)

    def add(name: str, *documents: tuple[str, str]) -> LabPeer:
        return world.add(name, [home], [world.document(f"s/{one}.txt", text) for one, text in documents], settings=Settings(role="leaf"))

    first = add("first", *((f"bad{number}", "dawn " * 5 + f"bad{number}") for number in range(bad)))
    add("second", *((f"good{number}", f"dawn over good{number}") for number in range(good)))
    leaf = add("leaf")
    assert world.until(world.registered, 60)
    world.run(5)
    return world, home, leaf, first


def names(outcome: Outcome) -> list[str]:
    return sorted(hit.name for hit in outcome.hits)


@pytest.mark.parametrize("who", ["leaf", "home", "super-peer"])
@pytest.mark.parametrize("want", [1, 3, 5, 20])
def test_othersTakeTheirPlaces(want: int, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever blocks the owner of the best rows gets as many others, the best of them, and is told that they are."""
    world, home, leaf, first = network()
    asker = home if who == "home" else leaf
    if who == "super-peer":
        asker = world.add("other", [home], settings=Settings(role="super"))
        assert world.until(lambda: asker.isSuper and asker.peer.neighbours.linked() and len(asker.search("dawn").hits) == 11, 60)
    again: list[int] = []
    asking = Search._ask
    monkeypatch.setattr(Search, "_ask", lambda self, wanted: (again.append(wanted.want), asking(self, wanted)))
    before = asker.search("dawn", want)
    assert len(before.hits) == min(want, 11) and all(hit.name.startswith("bad") for hit in before.hits[:6])
    asker.peer.governance.block(first.peerId)
    again.clear()
    outcome = asker.search("dawn", want)
    # Each time for three times as many, until the six that rank first are passed.
    assert len(again) <= 3
    assert (len(outcome.hits), outcome.status, outcome.ranking) == (min(want, 5), "complete", "exact")
    assert all(name.startswith("good") for name in names(outcome))
    every = asker.search("dawn", 20)
    assert [hit.content for hit in outcome.hits] == [hit.content for hit in every.hits[:want]]


def test_noMoreThanThereAre(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more cannot be fetched it is not said that these are the best."""
    monkeypatch.setattr(limits, "WANT", 4)
    _world, _home, leaf, first = network()
    leaf.peer.governance.block(first.peerId)
    outcome = leaf.search("dawn", 3)
    assert (outcome.hits, outcome.ranking) == ([], "estimated") and outcome.held > 0


def test_whatWasFoundIsKept() -> None:
    """If the home is gone when more is fetched, what it had brought before is what there is."""
    world, home, leaf, first = network(bad=2)
    leaf.peer.governance.block(first.peerId)
    search = leaf.peer.searches.search("dawn", 4, 6.0)
    again: list[Outcome] = []
    search.finished.addCallback(again.append)
    assert world.until(lambda: search._before is not None, 5)
    home.crash()
    world.run(10)
    outcome, = again
    assert outcome.status in ("incomplete", "failed") and outcome.ranking == "estimated"
    assert names(outcome) and all(name.startswith("good") for name in names(outcome))
