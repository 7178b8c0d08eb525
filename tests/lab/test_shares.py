"""What peers share in the lab."""

import random
from collections import Counter

import pytest

from overlay.lab.shares import GROUP, MOST, Shares, documentOf, groupsFor, groupWord, itemDocument, spelled


def shares(**changes: float) -> Shares:
    fields = {"sharers": 1 / 3, "files": 20.0, "items": 1_000_000, "zipf": 1.0, "groups": 7}
    return Shares(**{**fields, **changes})  # type: ignore[arg-type]


def test_fewShareMuch() -> None:
    """Of those who share, the top 3 % hold about 37 % of the files, as was measured of Gnutella; nobody has more than his part."""
    one = shares()
    rng = random.Random(2)
    counts = sorted((one.count(rng) for _ in range(60_000)), reverse=True)
    assert sum(counts) / len(counts) == pytest.approx(one.files, rel=0.05)
    assert sum(counts[: len(counts) * 3 // 100]) / sum(counts) == pytest.approx(0.37, abs=0.02)
    assert counts[-1] >= 1 and counts[0] <= MOST * one.files
    # Some do come near to it.
    assert counts[0] > 0.7 * MOST * one.files


def test_fewItems() -> None:
    """Nobody has more items than there are."""
    one = shares(items=3, files=50.0)
    rng = random.Random(3)
    assert {one.count(rng) for _ in range(500)} == {1, 2, 3}
    assert all(1 <= len(one.draw(number, rng)) - 1 <= 3 for number in range(50))


@pytest.mark.parametrize("zipf", [0.0, 0.8, 1.0])
def test_popularity(zipf: float) -> None:
    """The chance of rank r is as 1/r^zipf."""
    one = shares(items=50, zipf=zipf)
    rng = random.Random(4)
    drawn = 100_000
    found = Counter(one.item(rng) for _ in range(drawn))
    whole = sum(1 / rank**zipf for rank in range(1, 51))
    for item in (0, 1, 4, 49):
        expected = drawn / (item + 1) ** zipf / whole
        assert abs(found[item] - expected) < 4 * expected**0.5
    assert set(found) == set(range(50))


@pytest.mark.parametrize(("peers", "sharers", "groups"), [
    (1, 0.0, 1), (300, 1 / 3, 1), (450, 1 / 3, 1), (451, 1 / 3, 2), (10_000, 1 / 3, 23), (300, 1.0, 2)
])
def test_groupsOfOwners(peers: int, sharers: float, groups: int) -> None:
    """So many that none has more than about as many owners as one search may want; all are of one size."""
    assert groupsFor(peers, sharers) == groups
    one = shares(groups=groups)
    sizes = Counter(one.groupOf(number) for number in range(peers))
    assert max(sizes.values()) - min(sizes.values()) <= 1
    assert max(sizes.values()) * sharers <= GROUP + 1


def test_documents() -> None:
    """The same from the same chance, distinct, with one that only this peer has and that says its group's word."""
    one = shares(files=6.0)
    drawn = [one.draw(15, random.Random("a")) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert one.draw(15, random.Random("b")) != drawn[0]
    own, *items = drawn[0]
    assert (own.location, own.text) == ("about/peerbf.txt", f"{groupWord(1)} peerbf")
    assert len({item.location for item in items}) == len(items) >= 1
    # What two peers have of one item is one content.
    other = {item.location: item for item in shares(files=30.0, zipf=2.0).draw(16, random.Random("c"))}
    both = [item for item in shares(zipf=2.0).draw(15, random.Random("d")) if item.location in other]
    assert len(both) > 1 and all(item.content == other[item.location].content for item in both)


def test_numbersAreWords() -> None:
    """Each number is one term, and none is another's; a document without text is told from others by where it is."""
    assert spelled("peer", 1072) == "peerbahc"
    assert len({spelled("item", number) for number in range(3000)}) == 3000
    assert ("itembc", 1) in itemDocument(12).terms and itemDocument(12).location == "share/itembc.txt"
    assert documentOf("a.txt", "").content != documentOf("b.txt", "").content
    assert documentOf("a.txt", "x", size=9).size == 9
