"""The console of a peer in the lab."""

from pathlib import Path

import pytest

from overlay.lab.console import LabConsole, Refusal
from overlay.lab.folders import ReadFolders
from overlay.lab.world import World


def test_asTheProductsConsole(tmp_path: Path) -> None:
    """Status, searches and explanations are those of the line protocol, and a search takes virtual time."""
    share = tmp_path / "papers"
    share.mkdir()
    (share / "a.txt").write_text("bloom filters, counted")
    (share / "b.txt").write_text("bloom")
    world = World(3)
    read = ReadFolders([share], world.settings)
    first = world.add("first", documents=read.documents)
    leaf = world.add("leaf", [first], [world.document("s/c.txt", "a bloom")])
    world.run(5)
    console, other = LabConsole(first, read), LabConsole(leaf, ReadFolders([], world.settings))
    status = console.ask("STATUS")
    assert (status["role"], status["share"], status["records held"], status["problems"]) == ("super", "complete", 3, [])
    began = world.time.seconds()
    rows, end = other.search("bloom")
    assert [row["location"] for row in rows] == ["papers/b.txt", "s/c.txt", "papers/a.txt"] and end["code"] == 250
    assert began < world.time.seconds() < began + 1
    explained = other.ask("EXPLAIN search")
    # Each document is as long as its text and the three words of its location.
    assert (explained["documents"], explained["length"], explained["frequencies"]) == (3, 3 + 1 + 2 + 3 * 3, {"bloom": 3})
    assert other.ask("STATS")["messages"]["query.out"] == 1 == console.ask("STATS")["messages"]["query.in"]
    rows, end = other.search("bloom", limit=1)
    assert len(rows) == 1 and end["code"] == 252


@pytest.mark.parametrize("line", ["SEARCH (bloom", "NONSENSE", "EXPLAIN search 5", "SEARCH limit=0 x"])
def test_refusals(line: str) -> None:
    """What the console refuses is raised."""
    world = World(4)
    console = LabConsole(world.add("one"), ReadFolders([], world.settings))
    world.run(2)
    console.search("x")
    with pytest.raises(Refusal, match=line.split()[0]):
        console.request(line)
    assert console.ask("PING")["text"] == "pong"
