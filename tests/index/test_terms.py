"""Rows by term, columns of rows, and rows by id: the parts of the index."""

import random
from array import array

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from overlay.errors import Damaged
from overlay.index import bm25, columns, posting, terms
from overlay.index.analysis import words
from overlay.index.phrase import follows, inName, inText
from overlay.index.posting import Posting
from overlay.index.postings import Postings, extensionOf
from overlay.index.terms import Terms

steps = st.lists(
    st.tuples(st.sampled_from(["add", "add", "remove", "sweep", "shrink"]), st.sampled_from(["ab", "abc", "b"]), st.integers(0, 40),
              st.sampled_from([1, 4, 9]), st.booleans()),
    max_size=60,
)


def content(found: Posting | None) -> dict[int, tuple[int, bool]]:
    """Level and whether it is in the name, by row."""
    if found is None:
        return {}
    levels = {row: level for level, rows in found.levels.items() for row in rows}
    return {row: (levels.get(row, 1), row in found.names) for row in found.rows}


@pytest.mark.parametrize("mapped", [1, 8, posting.MAPPED])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 30), steps, st.booleans())
def test_termsAreLikeADictionary(
    monkeypatch: pytest.MonkeyPatch, mapped: int, many: int, done: list[tuple[str, str, int, int, bool]], reload: bool
) -> None:
    """However rows come and go, one, few and many are kept alike; a term of no row is none; and a dump gives it all back."""
    monkeypatch.setattr(posting, "MAPPED", mapped)
    monkeypatch.setattr(terms, "FEW", 4)
    held: dict[str, dict[int, tuple[int, bool]]] = {}
    made = Terms()
    # So that some examples begin with more rows than an array holds.
    begun = [("add", "ab", row, 1 + 3 * (row % 3), row % 2 == 0) for row in range(many)]
    for act, term, row, level, named in [*begun, *done]:
        mine = held.setdefault(term, {})
        if act == "add" and row not in mine:
            made.add(term, row, level, named)
            mine[row] = (level, named)
        elif act == "remove":
            made.remove(term, row)
            mine.pop(row, None)
        elif act == "sweep":
            made.removeAll(BitMap(range(row)))
            held = {one: {at: value for at, value in rows.items() if at >= row} for one, rows in held.items()}
        elif act == "shrink":
            made.shrink()
        here = made.get(term)
        assert content(here) == held.get(term, {})
        assert made.beginning("ab") == sorted(one for one, rows in held.items() if one.startswith("ab") and rows)
    if reload:
        again = Terms()
        again.load(made.dump())
        made = again
    held = {term: rows for term, rows in held.items() if rows}
    assert len(made) == len(held)
    assert {term: content(made.get(term)) for term in held} == held
    for term, rows in held.items():
        found = made.get(term)
        assert found is not None
        codes = dict.fromkeys(found.rows, found.usual) | dict(found.markedAmong(found.rows))
        assert {row: posting.MEANINGS[code] for row, code in codes.items()} == rows
        assert set(found.markedAmong(BitMap(range(20)))) == {one for one in found.markedAmong(found.rows) if one[0] < 20}
        assert max(codes.values()) <= found.top and found.mapped == BitMap(found.marked)
    assert made.get("none") is None
    rows, names = made.union([*held, "none"])
    assert set(rows) == {row for one in held.values() for row in one}
    assert set(names) == {row for one in held.values() for row, (_, named) in one.items() if named}
    assert made.beginning("a") == sorted(term for term in held if term.startswith("a"))


@pytest.mark.parametrize("count", [1, 3, terms.FEW, terms.FEW + 9])
def test_termEndsWithItsLastRow(count: int) -> None:
    """However its rows are kept, a term whose rows go one by one is there until the last has gone, and a foreign row is no error."""
    made = Terms()
    for row in range(count):
        made.add("a", row, 1 + row % 2, row % 3 == 0)
    made.remove("a", 10**6)
    made.remove("none", 0)
    for row in range(count):
        assert set(content(made.get("a"))) == set(range(row, count))
        made.remove("a", row)
    assert made.get("a") is None
    assert len(made) == 0


def test_sortedTermsFollow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terms that come after the sorting are found, those that went are not, through any number of mergings."""
    monkeypatch.setattr(terms, "_PENDING", 8)
    rng = random.Random(2)
    made, held = Terms(), set()
    for number in range(400):
        term = f"t{rng.randrange(60)}"
        if term in held:
            made.remove(term, 1)
            held.discard(term)
        else:
            made.add(term, 1, 1, False)
            held.add(term)
        if number % 3:
            assert made.beginning("t1") == sorted(one for one in held if one.startswith("t1"))


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_bandsRise(one: int, other: int) -> None:
    """The bands of a column, and the classes of the ranking, never fall as the value rises."""
    low, high = sorted((one, other))
    for bandOf in (columns.magnitude, columns.fortnight, columns.minutes, bm25.lengthClass, bm25.level):
        assert bandOf(low) <= bandOf(high)


@given(st.integers(0, 10**5))
def test_classesAreNearTheTruth(value: int) -> None:
    """A length class stands for lengths at most a sixteenth above it; a level of occurrences for at most an eighth."""
    short = bm25.classLength(bm25.lengthClass(value))
    assert short <= value <= short * 17 / 16
    if 0 < value <= bm25.MOST_LEVEL:
        assert bm25.level(value) <= value <= bm25.level(value) * 9 / 8
        assert bm25.level(bm25.level(value)) == bm25.level(value)


@pytest.mark.parametrize(
    ("occurrences", "length", "expected"), [(1, 100, 1.0), (2, 100, 1.375), (1, 50, 1.2571428571), (10**9, 100, 2.2)]
)
def test_saturation(occurrences: int, length: int, expected: float) -> None:
    """By hand: k1 = 1.2, b = 0.75, and an average of 100 words."""
    assert bm25.saturation(occurrences, length, 100.0) == pytest.approx(expected)


def test_termWeight() -> None:
    """A term that all records have weighs next to nothing, and never less."""
    assert bm25.termWeight(10, 1) == pytest.approx(1.9924301647)
    assert 0 < bm25.termWeight(10, 10) < 0.05


values = st.one_of(st.integers(0, 40), st.integers(0, 2**40))


@given(st.lists(values, max_size=12), st.none() | values, st.none() | values, st.sets(st.integers(0, 11)))
def test_columnFindsARange(held: list[int], low: int | None, high: int | None, gone: set[int]) -> None:
    """A range finds what a look at every row finds; rows that went are not found; those that came again are."""
    column = columns.Column("Q", columns.magnitude)
    for row, value in enumerate(held):
        column.set(row, value)
    gone = {row for row in gone if row < len(held)}
    for row in sorted(gone)[:1]:
        column.clear(row)
    column.clearAll(BitMap(sorted(gone)[1:]))
    alive = BitMap(range(len(held))) - BitMap(gone)
    expected = {
        row for row in alive if (low is None or held[row] >= low) and (high is None or held[row] <= high)
    }
    assert set(column.between(low, high, alive)) == expected
    for row in gone:
        column.set(row, 7)
    assert gone <= set(column.between(7, 7, BitMap(range(len(held)))))
    assert column.between(0, -1, alive) == BitMap()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 60)), max_size=300))
def test_rowsByIdIsLikeADictionary(done: list[tuple[bool, int, int]]) -> None:
    """The hash table finds what was put and not what was taken, over growth, freed rows and a dump."""
    made = columns.RowsById()
    held: dict[tuple[int, bytes], int] = {}
    free: list[int] = []
    for put, owner, number in done:
        recordId = number.to_bytes(1, "big") * 16
        row = held.get((owner, recordId))
        assert made.get(owner, recordId) == row
        if put and row is None:
            row = free.pop() if free else len(made.owners)
            made.put(row, owner, recordId)
            held[owner, recordId] = row
        elif not put and row is not None:
            made.remove(row)
            free.append(row)
            del held[owner, recordId]
    again = columns.RowsById()
    again.load(made.dump())
    assert again.count == len(held)
    for (owner, recordId), row in held.items():
        assert (again.get(owner, recordId), again.idOf(row), again.owners[row]) == (row, recordId, owner)


def test_rowsByIdTakeLittle() -> None:
    """There are never more than three slots of four bytes to a record, once there are more than a few."""
    made = columns.RowsById()
    for row in range(3000):
        made.put(row, 7, row.to_bytes(16, "big"))
        assert row < 16 or len(made._slots) <= max(64, 3 * (row + 1))
    assert [made.get(7, row.to_bytes(16, "big")) for row in (0, 2999)] == [0, 2999]


def test_numbersGrowWide() -> None:
    """A number that needs more bytes than all before it is kept like any, also over a dump."""
    made = columns.RowsById()
    for row, owner in enumerate((1, 2**16, 2**20)):
        made.put(row, owner, bytes(16))
    again = columns.RowsById()
    again.load(made.dump())
    assert [again.get(owner, bytes(16)) for owner in (1, 2**16, 2**20, 2)] == [0, 1, 2, None]
    values = array("H", [5])
    for row, value in ((1, 2**16), (0, 2**40)):
        values = columns.put(values, row, value)
    assert values == array("Q", [2**40, 2**16])
    with pytest.raises(OverflowError):
        columns.put(values, 0, 2**64)


def test_anotherKindOfDumpIsNone() -> None:
    """A dump of another kind is no index."""
    for dumped in (b"", b"\x90", Postings().dump()[:-3]):
        with pytest.raises(Damaged):
            Postings.load(dumped)


@pytest.mark.parametrize(("name", "extension"), [("a.TXT", "txt"), ("a.tar.gz", "gz"), ("README", ""), (".hidden", "hidden"), ("a.", "")])
def test_extensionOf(name: str, extension: str) -> None:
    """What follows the last dot, in lower case."""
    assert extensionOf(name) == extension


# --- phrases ----------------------------------------------------------------------------------------------------------

vocabulary = st.lists(st.sampled_from(["a", "b", "dont", "caf\u00e9", "x2"]), min_size=1, max_size=3).map(tuple)
pieces = st.lists(st.sampled_from(["a", "b", "don't", "caf\u00e9", "CAFE\u0301", "x2", "ab", "'", " ", ", ", "\n", "-"]), max_size=15)


@given(vocabulary, pieces)
def test_phraseInTextIsFoundEitherWay(wanted: tuple[str, ...], text: list[str]) -> None:
    """A text in ASCII is searched as it is, with the same result as cut into words."""
    joined = "".join(text)
    assert inText(wanted)(joined.encode()) == follows(words(joined), wanted)


def test_phraseOfCutWords() -> None:
    """A word that is too long is cut on both sides, and found."""
    text = "y" * 100 + " bloom"
    assert inText(tuple(words(text)))(text.encode())


def test_phraseInName() -> None:
    """A location has its runs whole, or cut at their inner borders."""
    assert inName("Papers/bloomFilter v2.pdf", ("bloom", "filter", "v", "2"))
    assert inName("Papers/bloomFilter v2.pdf", ("papers", "bloomfilter", "v2"))
    assert not inName("Papers/bloomFilter v2.pdf", ("filter", "bloom"))
