"""What the index keeps up as records come and go, against what is counted anew."""

import random
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from overlay.index.postings import SUMMED_AT_ONCE, Entry, Postings
from tests.index.material import document, identity, record

OWNERS = [identity(number) for number in range(4)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_rowsOfSomeOwners(seed: int) -> None:
    """Whoever is asked for, the rows and words are those of their records at that moment, and rows are given again."""
    rng = random.Random(seed)
    made = Postings()
    held: dict[tuple[int, int], Entry] = {}
    records = {
        (owner, number): record(OWNERS[owner], document(f"a/{number}.txt", "bloom " * (owner + number)))
        for owner in range(4) for number in range(4)
    }
    asked: frozenset[int] = frozenset()
    for _ in range(30):
        key = owner, _ = rng.randrange(4), rng.randrange(4)
        one, peer = records[key], OWNERS[owner].peerId
        if key not in held:
            held[key] = Entry.of(one.head, one.terms)
            (row,) = made.vacant(1)
            made.add(peer, one.recordId, held[key], row + rng.choice([0, 0, 0, 2]) if row == len(made.wordsOf) else row)
        elif rng.random() < 0.7:
            made.remove(peer, one.recordId, held.pop(key))
        else:
            made.removeAll(made.rowsOf(peer))
            held = {known: entry for known, entry in held.items() if known[0] != owner}
        if rng.random() < 0.3:
            asked = frozenset(rng.sample(range(4), rng.randrange(4)))
        rows, words = made.ofOwners(frozenset(OWNERS[one].peerId for one in asked))
        mine = {known: entry for known, entry in held.items() if known[0] in asked}
        assert {made.keyOf(row) for row in rows} == {OWNERS[one].peerId + records[one, at].recordId for one, at in mine}
        assert words == sum(entry.words for entry in mine.values())
        assert made.words == sum(entry.words for entry in held.values()) and len(made) == len(held)


@pytest.mark.parametrize("kind", ["H", "I"])
@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_wordsOfFewAndOfManyRows(kind: str, seed: int) -> None:
    """However many rows there are, and however wide the numbers."""
    rng = random.Random(seed)
    made = Postings()
    made.wordsOf = array(kind, [rng.choice([0, 1, 65535]) for _ in range(3 * SUMMED_AT_ONCE)])
    for count in (0, 1, SUMMED_AT_ONCE - 1, SUMMED_AT_ONCE, 2 * SUMMED_AT_ONCE):
        rows = BitMap(rng.sample(range(len(made.wordsOf)), count))
        assert made.wordsIn(rows) == sum(made.wordsOf[row] for row in rows)
    # What was looked at can still grow.
    made.wordsOf.append(1)
