"""All ways of finding the best rows, against scoring every record by the book, after records have come and gone."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from overlay.index import evaluation, grades, posting, ranking, terms
from overlay.index.bm25 import lengthClass
from overlay.index.classes import Classes
from overlay.index.expression import And, Expression, MediaType, Not, Or, Prefix, Word
from overlay.index.indexed import IndexedStore
from overlay.index.postings import Entry, Postings
from overlay.index.rowtable import MemoryRows
from overlay.index.scoring import BM25, Best, Front, Parts, Unit, covers, normal
from overlay.index.store import Change, Request, StoredRecord
from overlay.index.vectors import Vectors
from overlay.questions import Formula
from tests.index.material import NOW, Naive, document, evaluate, identity, occurrences, record, scoringParts

ANNA, BERT = identity(1), identity(2)
WORDS = ["bloom", "filter", "tree", "blossom", "rare"]
EXPRESSIONS: list[Expression] = [
    Word("bloom"),
    And((Word("bloom"), Word("filter"))),
    And((Word("tree"), Word("bloom"), Word("filter"))),
    Or((Word("bloom"), Word("tree"), Word("rare"))),
    Or((Word("bloom"), Word("filter"), Word("tree"), Prefix("bl"), Word("rare"))),
    And((Or((Word("tree"), Not(Word("absent")))), Not(Word("rare")))),
    Not(Word("absent")),
]
WAYS = {
    "without arrays": (10_000, 0, 0, 10_000), "at once": (0, 10_000, 0, 10_000), "taken apart": (0, 3, 0, 10_000),
    "counted": (0, 0, 10_000, 10_000), "from the summit": (0, 0, 10_000, 0),
    "as shipped": (ranking.HANDFUL, ranking.SCORED_AT_ONCE, ranking.CLASSED, ranking.NARROWED),
}


def records(rng: random.Random, owner: Any, number: int) -> list[StoredRecord]:
    made = []
    for _ in range(number):
        text = " ".join(rng.choices(WORDS, weights=[9, 6, 4, 2, 1], k=rng.choice([1, 2, 5, 6, 40])))
        place = f"s/{rng.choice(['', 'bloom ', 'rare tree '])}{rng.randrange(60)}.txt"
        # Contents that are alike in their first bytes come out in one order all the same.
        made.append(record(owner, document(place, text, content=bytes([rng.randrange(20)]) * 32)))
    return made


def changed(rng: random.Random) -> tuple[IndexedStore, list[Naive]]:
    """A store after some registrations, removals and replacements, and what it holds."""
    store = IndexedStore(MemoryRows())
    held: dict[tuple[bytes, bytes], Naive] = {}
    for owner in (ANNA, BERT, ANNA, BERT, ANNA):
        mine = [one for one in held if one[0] == owner.peerId]
        gone = rng.sample(sorted(mine), min(len(mine), rng.choice([0, 5])))
        new = records(rng, owner, rng.choice([3, 20, 40]))
        store.apply(Change(owner.peerId, owner.publicKey, additions=new, removals=[recordId for _, recordId in gone]))
        for key in gone:
            del held[key]
        held.update({(owner.peerId, one.recordId): Naive(owner.peerId, one) for one in new})
    return store, list(held.values())


def partsOf(one: Naive, expression: Expression) -> Parts:
    levels = [occurrences(one, *part) for part in scoringParts(expression)]
    return normal(bytes((lengthClass(one.length), *levels)))


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.sampled_from(EXPRESSIONS), st.sampled_from([1, 4, 30]), st.sampled_from([0, 5, 1000]))
def test_everyWayFindsTheBest(
    monkeypatch: pytest.MonkeyPatch, way: str, seed: int, expression: Expression, want: int, few: int
) -> None:
    """The same rows in the same order with the same scores; and whatever is held back is bounded by what is said of it."""
    with monkeypatch.context() as patched:
        # Up to so many rows of a term are packed, and marked rows are looked up one by one.
        for module, name in ((terms, "FEW"), (posting, "MAPPED"), (grades, "MAPPED"), (grades, "EACH")):
            patched.setattr(module, name, few)
        handful, many, classed, narrowed = WAYS[way]
        patched.setattr(ranking, "NARROWED", narrowed)
        patched.setattr(ranking, "HANDFUL", handful)
        patched.setattr(ranking, "CLASSED", classed)
        patched.setattr(ranking, "SCORED_AT_ONCE", many)
        patched.setattr(ranking, "SCORED_OF_MANY", many)
        patched.setattr(evaluation, "HELD_NAMED", 5)
        store, held = changed(random.Random(seed))
        expected = evaluate(held, expression)
        found = store.search(Request(expression, want, NOW))
    assert [(row.owner, row.recordId) for row in found.rows] == expected.order[:want]
    assert [row.score for row in found.rows] == pytest.approx(expected.scores[:want], rel=1e-9)
    assert list(found.held) == ([recordId for _, recordId in expected.order[want:]] if len(expected.order) <= want + 5 else [])
    assert (found.documents, found.length, found.frequencies) == (expected.documents, expected.length, expected.frequencies)
    shown = [(row.parts, row.content) for row in found.rows]
    front = list(Front.decode(found.front, len(found.frequencies)))
    known = {(one.owner, one.stored.recordId): one for one in held}
    for key in expected.order[want:]:
        mine, content = partsOf(known[key], expression), int.from_bytes(known[key].head.content[:8], "big")
        above = {at for parts, at in shown if covers(parts, mine) and (parts != mine or at <= content)}
        assert (
            # What is covered by other parts than its own scores less than those: its content decides nothing.
            any(covers(parts, mine) and (parts != mine or first <= content) for parts, first in front)
            or len(above) >= want
            or any(at == content and covers(parts, mine) for parts, at in shown)
        ), (mine, content, front)


@pytest.mark.parametrize("handful", [0, 1000])
def test_recordsOfNoWordsScoreNothing(handful: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of no words at all, which only a filter finds, scores 0, also where length counts in full."""
    monkeypatch.setattr(ranking, "HANDFUL", handful)
    store = IndexedStore(MemoryRows())
    made = [record(ANNA, document("-", "")), record(ANNA, document("s/a.txt", "bloom"))]
    store.apply(Change(ANNA.peerId, ANNA.publicKey, additions=made))
    expression = Or((Word("bloom"), MediaType("text")))
    rows = store.search(Request(expression, 5, NOW, formula=Formula(b=1.0))).rows
    assert [row.recordId for row in rows] == [made[1].recordId, made[0].recordId]
    assert rows[0].score > 0 == rows[1].score


class Looked(list[Best]):
    """Rows that count how often each is looked at."""

    looks = 0

    def __iter__(self) -> Iterator[Best]:
        for one in super().__iter__():
            self.looks += 1
            yield one


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_veryManyOfOneContent(few: bool, seed: int) -> None:
    """Those that are as good as shown are left out, without looking at all that is shown for each of them."""
    rng = random.Random(seed)
    postings = Postings()
    for row in range(600):
        # Some are better than all of those that are alike.
        alike = row >= 90
        held = {word: (4 + rng.randrange(1 if few else 3) if alike else 9, True) for word in ("bloom", "tree")}
        length = 20 + rng.randrange(1 if few else 2)
        entry = Entry(f"{row}", 1000 + row % 2 if alike else row, 1, 1, 10**9, "text/plain", "txt", length, held)
        postings.add(b"owner", row.to_bytes(16, "big"), entry, row)
    postings.shrink()
    units = [
        Unit(found, 2.0 - place, place)
        for place, word in enumerate(("bloom", "tree")) if (found := postings.terms.get(word)) is not None
    ]
    made = postings, BitMap(range(600)), units, 20.0, 2, BM25, True
    if few:
        classes = Classes(*made)
        shown = Looked(classes.best(100))
        front = classes.front(shown, lambda parts: float(sum(parts))).entries
    else:
        vectors = Vectors(*made)
        shown = Looked(vectors.best(100, postings.keyOf))
        front = vectors.front(shown, [])
    assert shown.looks < 40 * len(shown)
    rows = Vectors(*made)
    seen = {row for _, _, row, _ in shown}
    for row, parts, content in zip(range(600), map(bytes, rows.parts), rows.contents.tolist(), strict=True):
        assert (
            row in seen
            or any(covers(one, parts) and (one != parts or at <= content) for one, at in front.items())
            or any(at == content and covers(one, parts) for _, at, _, one in shown)
        )
