"""The index against a naive evaluator that looks at every record."""

import random
from functools import cache

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.identity.ids import idText
from overlay.index import evaluation, ranking, terms
from overlay.index.expression import (
    And,
    Expression,
    Extension,
    MediaType,
    Modified,
    Not,
    Or,
    Owner,
    Phrase,
    Prefix,
    Size,
    Word,
)
from overlay.index.indexed import IndexedStore
from overlay.index.rowtable import MemoryRows
from overlay.index.store import Change, Request
from tests.index.material import NOW, Naive, document, evaluate, identity, record

OWNERS = [identity(number) for number in range(3)]
WORDS = ["bloom", "blossom", "filter", "tree", "don't", "café", "日本語", "x2"]
NAMES = ["a/bloomFilter.pdf", "a/tree_2.txt", "b/Blossom.TXT", "b/notes", "c/日本.md", "c/x2.pdf"]
TERMS = ["bloom", "blossom", "filter", "tree", "dont", "cafe", "日本", "本語", "x2", "x", "2", "pdf", "absent"]

field = st.sampled_from(["", "name"])
leaves = st.one_of(
    st.builds(Word, st.sampled_from(TERMS), field),
    st.builds(Prefix, st.sampled_from(["bl", "blo", "fi", "日本", "zz"]), field),
    st.builds(Phrase, st.lists(st.sampled_from(TERMS), min_size=1, max_size=3).map(tuple), field),
    st.builds(MediaType, st.sampled_from(["text/", "pdf", "image"])),
    st.builds(Extension, st.sampled_from(["pdf", "txt", "md"])),
    st.builds(Size, st.none() | st.integers(0, 1200), st.none() | st.integers(0, 1200)),
    st.builds(Modified, st.none() | st.integers(0, 3_000_000), st.none() | st.integers(0, 3_000_000)),
    st.builds(Owner, st.sampled_from([idText(one.peerId)[:6] for one in OWNERS])),
)
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=5,
)
documents = st.lists(
    st.tuples(
        st.sampled_from(range(len(OWNERS))),
        st.sampled_from(NAMES),
        st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
        st.integers(0, 1200),
        st.integers(0, 3_000_000),
        st.sampled_from(["text/plain", "application/PDF"]),
        st.integers(-2, 2),
    ),
    max_size=14,
)


def test_filtersThatLeaveOutAll() -> None:
    """Where nothing matches it is counted what matches but for the filters, and what each of them leaves out."""
    store, _ = filled([
        (0, "a/bloomFilter.pdf", "bloom one", 100, 0, "application/pdf", 2),
        (1, "a/tree_2.txt", "bloom two", 900, 0, "text/plain", 2),
        (2, "b/notes", "tree", 100, 0, "text/plain", 2),
    ])

    def of(*parts: Expression) -> tuple[int, list[tuple[Expression, int]]]:
        found = store.search(Request(And(parts), 5, NOW))
        return found.unfiltered, list(found.excluded)

    kind, small, no = MediaType("image"), Size(None, 500), Not(Word("one"))
    assert of(Word("bloom"), kind, small) == (2, [(kind, 2), (small, 1)])
    assert of(And((Word("bloom"), no)), small) == (2, [(no, 1), (small, 1)])
    either = Or((MediaType("image"), MediaType("audio")))
    assert of(Word("bloom"), either) == (2, [(either, 2)])
    nested = Or((And((MediaType("image"), small)), MediaType("audio")))
    assert of(Word("bloom"), nested) == (2, [(nested, 2)])
    assert of(kind, small) == (3, [(kind, 3), (small, 1)])
    assert of(Word("bloom"), Word("tree", "name"), small) == (1, [(small, 1)])
    assert of(Word("bloom"), small) == (0, []), "something matches"
    assert of(Word("absent"), kind) == (0, []), "no word matches"
    assert of(Word("bloom"), Word("absent")) == (0, []), "there is no filter"


def filled(chosen: list[tuple]) -> tuple[IndexedStore, list[Naive]]:
    """A store with these records, and the same for the naive evaluator."""
    store = IndexedStore(MemoryRows())
    held: dict[bytes, Naive] = {}
    for number, name, text, size, modified, mediaType, expires in chosen:
        owner = OWNERS[number]
        # The first words of the longer ones are their titles.
        title = " ".join(text.split()[:2]) if len(text) > 30 else ""
        made = document(name, text, size=size, modified=modified, mediaType=mediaType, title=title)
        one = record(owner, made, issued=NOW - 1000, expires=NOW + expires)
        store.apply(Change(owner.peerId, owner.publicKey, additions=[one]))
        held[owner.peerId + one.recordId] = Naive(owner.peerId, one)
    return store, list(held.values())


@given(documents, expressions, st.integers(0, 5), st.sets(st.sampled_from(OWNERS).map(lambda one: one.peerId), max_size=2))
def test_agreesWithTheNaiveEvaluator(chosen: list[tuple], expression: Expression, want: int, without: set) -> None:
    """Whatever is asked: the same records in the same order with the same scores, counts and bound."""
    store, held = filled(chosen)
    expected = evaluate(held, expression, NOW, frozenset(without))
    found = store.search(Request(expression, want, NOW, frozenset(without)))
    assert [(row.owner, row.recordId) for row in found.rows] == expected.order[:want]
    assert [row.score for row in found.rows] == pytest.approx(expected.scores[:want], rel=1e-9)
    assert list(found.held) == [recordId for _, recordId in expected.order[want:]]
    assert found.matched == len(expected.order)
    assert found.bound == pytest.approx(expected.scores[want] if len(expected.scores) > want else 0.0, rel=1e-9)
    assert (found.documents, found.length) == (expected.documents, expected.length)
    assert dict(found.frequencies) == expected.frequencies


@cache
def manyRecords(count: int) -> tuple[IndexedStore, list[Naive]]:
    """
    Records enough for the ranking that goes class by class, with repeated words, equal scores and equal content. They are made once, and
    only read.
    """
    rng = random.Random(7)
    owner = OWNERS[0]
    made = []
    for number in range(count):
        text = " ".join(rng.choices(WORDS, weights=[9, 1, 7, 3, 2, 1, 1, 1], k=rng.choice([1, 2, 5, 40, 200])))
        made.append(
            record(owner, document(f"s/{rng.choice(['', 'bloom '])}{number}.txt", text, content=rng.randbytes(1) * 32))
        )
    store = IndexedStore(MemoryRows())
    store.apply(Change(owner.peerId, owner.publicKey, additions=made))
    return store, [Naive(owner.peerId, one) for one in made]


@pytest.mark.parametrize(
    "expression",
    [
        Word("bloom"),
        And((Word("bloom"), Word("filter"))),
        Or((Word("bloom"), Word("tree"), Prefix("bl"))),
        Not(Word("absent")),
        Extension("txt"),
        And((Word("bloom"), Not(Word("tree")))),
        Phrase(("bloom", "filter")),
        Word("bloom", "name"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("want", [1, 20, 700])
def test_bestOfManyAreTheBest(expression: Expression, want: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of a thousand come out in the order that scoring each of them gives, however few are wanted."""
    monkeypatch.setattr(evaluation, "HELD_NAMED", 50)
    store, held = manyRecords(1000)
    expected = evaluate(held, expression)
    found = store.search(Request(expression, want, NOW))
    assert found.matched == len(expected.order)
    assert [(row.owner, row.recordId) for row in found.rows] == expected.order[:want]
    assert [row.score for row in found.rows] == pytest.approx(expected.scores[:want], rel=1e-9)
    left = [recordId for _, recordId in expected.order[want:]]
    assert list(found.held) == (left if len(left) <= 50 else [])
    # Whoever does not ask for what is held back gets the same, and nothing of that.
    assert store.search(Request(expression, want, NOW, bounded=False)) == attrs.evolve(found, held=[], bound=0.0, front=b"")


def test_bothWaysOfRankingScoreAlike(monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one or class by class, a score is the same number to the last bit, since ties depend on it."""
    store, _ = manyRecords(400)
    request = Request(Or((Word("bloom"), Word("filter"), Word("tree"))), 400, NOW)
    apart = store.search(request)
    monkeypatch.setattr(ranking, "HANDFUL", 10_000)
    assert store.search(request) == apart


def test_nothingHeldFindsNothing() -> None:
    """An empty store answers with nothing, and does not divide by it."""
    found = IndexedStore(MemoryRows()).search(Request(Or((Word("x"), Not(Word("y")))), 5, NOW))
    assert (list(found.rows), found.matched, found.documents, found.length, found.bound) == ([], 0, 0, 0, 0.0)
    assert found.frequencies == {"x": 0}


def test_oneUnknownWord() -> None:
    """Where a word is in no record nothing matches, and what is counted is as if it were: the order of others goes by it."""
    store, _ = filled([(0, "a/tree.txt", "tree", 1, 9, "text/plain", 0), (1, "b/notes", "tree", 1, 9, "text/plain", 0)])
    found = store.search(Request(And((Word("tree"), Word("nowhere"))), 5, NOW))
    other = store.search(Request(Word("tree"), 5, NOW))
    assert (found.matched, list(found.rows), found.frequencies) == (0, [], {"tree": 2, "nowhere": 0})
    assert (found.documents, found.length, found.ranked) == (other.documents, other.length, True) and other.documents == 2


def test_expiryIsInclusive() -> None:
    """A record is found in the second of its expiry and not in the next, and counts as little as it is found."""
    store, _ = filled([(0, "a/tree_2.txt", "tree", 1, 1, "text/plain", 0), (0, "b/notes", "tree", 1, 1, "text/plain", 9)])
    assert store.search(Request(Word("tree"), 5, NOW)).matched == 2
    later = store.search(Request(Word("tree"), 5, NOW + 1))
    assert (later.matched, later.documents, later.frequencies) == (1, 1, {"tree": 1})
    # The clock of the network may go back.
    assert store.search(Request(Word("tree"), 5, NOW)).matched == 2


def test_prefixOfTooManyTermsTakesThoseOfMostRows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prefix stands for so many terms at most: those that most records have."""
    monkeypatch.setattr(terms, "PREFIX_TERMS", 1)
    store, _ = filled(
        [
            (0, "a/tree_2.txt", "bloom", 1, 1, "text/plain", 9),
            (0, "b/notes", "blossom", 1, 1, "text/plain", 9),
            (1, "b/notes", "blossom", 1, 1, "text/plain", 9),
        ]
    )
    assert store.search(Request(Prefix("bl"), 5, NOW)).matched == 2


def test_prefixOfFarTooManyTerms(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands for those that very many records have, then for the first ones."""
    monkeypatch.setattr(terms, "PREFIX_TERMS", 3)
    made = terms.Terms()
    for number in range(20):
        made.add(f"b{number:02d}", number, 1, False)
    for row in range(terms.FEW + 5):
        made.add("b19", 100 + row, 1, False)
    assert made.beginning("b") == ["b00", "b01", "b19"]
    made.remove("b00", 0)
    assert made.beginning("b") == ["b01", "b02", "b19"]
    assert made.beginning("b1") == ["b10", "b11", "b19"] and made.beginning("b03") == ["b03"] and not made.beginning("c")


def test_phraseReadsABoundedNumberOfTexts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A phrase of common words cannot make a peer read all that it holds."""
    monkeypatch.setattr(evaluation, "PHRASE_CHECKED", 1)
    store, _ = filled(
        [(0, name, "bloom filter", 1, 1, "text/plain", 9) for name in ("b/notes", "c/日本.md", "c/x2.pdf")]
    )
    found = store.search(Request(Phrase(("bloom", "filter")), 5, NOW))
    # Whatever is left out may belong into the order.
    assert (found.matched, found.ranked) == (1, False)
    assert not store.search(Request(And((Word("bloom"), Not(Phrase(("bloom", "filter"))))), 5, NOW)).ranked
    monkeypatch.setattr(evaluation, "PHRASE_CHECKED", 3)
    found = store.search(Request(Phrase(("bloom", "filter")), 5, NOW))
    assert (found.matched, found.ranked) == (3, True)


def test_whatIsNoExpressionIsAnError() -> None:
    """A part of an unknown kind is not passed over."""
    with pytest.raises(TypeError, match="not an expression"):
        IndexedStore(MemoryRows()).search(Request("bloom", 5, NOW))  # type: ignore[arg-type]


def test_positiveTermsLeaveOutWhatMustNotBe() -> None:
    """What scores is what is asked for, not what is excluded or only filters; each once."""
    asked = And((Word("a", "name"), Word("a"), Or((Prefix("bc"), Phrase(("d", "e")))), Not(Word("f")), Size(1)))
    assert evaluation.positiveTerms(asked) == ["a", "bc*", "d", "e"]
