"""Filters: what they prove, how they are counted, how they travel."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from overlay.errors import Malformed
from overlay.index.bloom import FIELD, Counts, extensionTerm, packed, positionOf, provesEmpty, unpacked
from overlay.search.language import parseQuery

positions = st.integers(0, FIELD - 1)


@pytest.mark.parametrize(
    ("text", "terms", "empty"),
    [
        ("dawn", "dawn dusk", False), ("dawn", "dusk", True), ("dawn dusk", "dawn", True), ("dawn OR dusk", "dusk", False),
        ("dawn OR dusk", "noon", True), ("dawn -dusk", "dawn", False), ("dawn -dusk", "dawn dusk", False), ("dawn -dusk", "dusk", True),
        ('"red dawn"', "dawn", True), ('"red dawn"', "dawn red", False), ("da*", "noon", False), ("da* dusk", "noon", True),
        ("name:dawn", "dusk", True), ("name:dawn", "dawn", False), ("type:pdf", "noon", False), ("size:>1 dusk", "noon", True),
        ("ext:pdf", "noon", True), ("ext:pdf OR dawn", "dawn", False), ("ext:txt dawn", "dawn", False), ("ext:txt dawn", "noon", True),
        ("ext:txt size:>1", "noon", True), ("ext:txt da*", "noon", False), ("(dawn -dusk) ext:txt", "dawn", False),
        ("dawn (ext:txt OR ext:pdf)", "dawn", False), ("dawn (ext:txt size:>1)", "dawn", False),
        ("dawn (ext:txt OR ext:pdf)", "noon", True), ("dawn ((ext:txt -noon) OR ext:pdf)", "dawn", False),
        ("ext:txt (ext:pdf OR ext:doc)", "noon", True),
        ("dawn (ext:txt OR dusk)", "dawn", True), ("dawn (ext:txt OR dusk)", "dawn dusk", False),
        ("(dawn OR noon) dusk", "noon", True),
        ("(dawn OR noon) dusk", "noon dusk", False), ("after:2024-05", "", False), ("owner:abcdef", "", False),
    ],
)
def test_whatIsProved(text: str, terms: str, empty: bool) -> None:
    """Only what follows from terms that are not there; a negation, the beginning of a word, a size prove nothing."""
    assert provesEmpty(parseQuery(text), terms.split().__contains__) is empty
    assert not provesEmpty(parseQuery(text), lambda term: True)


def test_anExtensionIsNoWord() -> None:
    """The word of an ending does not stand for the ending."""
    assert positionOf("pdf") != positionOf(extensionTerm("pdf"))
    assert provesEmpty(parseQuery("ext:pdf"), {"pdf"}.__contains__)
    assert not provesEmpty(parseQuery("ext:pdf"), {extensionTerm("pdf")}.__contains__)


def test_fewTermsShareAPosition() -> None:
    """Of 20,000 terms that differ little, hardly more share a position than chance has it."""
    terms = [f"item{number}" for number in range(20_000)]
    assert 20_000 - len(set(map(positionOf, terms))) < 40


@given(st.lists(st.tuples(st.booleans(), st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=4)), max_size=12))
def test_counted(steps: list[tuple[bool, list[list[int]]]]) -> None:
    """A position is there from the first record that has it to the last, whatever comes and goes."""
    counts, truth = Counts(), Counter[int]()
    held: list[list[int]] = []
    for adds, some in steps:
        before = set(truth)
        if adds:
            held += some
            truth.update(one for record in some for one in record)
            assert set(counts.add(some)) == set(truth) - before
        else:
            going, held = held[: len(some)], held[len(some) :]
            truth.subtract(one for record in going for one in record)
            truth = +truth
            assert set(counts.remove(going)) == before - set(truth)
        assert set(counts.some) == set(truth)


@given(st.sets(positions, max_size=50))
def test_thereAndBack(some: set[int]) -> None:
    """Positions travel as gaps."""
    assert unpacked(packed(BitMap(some))) == BitMap(some)


@given(st.binary(max_size=40))
def test_anyBytes(data: bytes) -> None:
    """Whatever comes is positions of a filter, or is refused."""
    try:
        found = unpacked(data)
    except Malformed:
        return
    assert len(found) <= len(data) and (not found or found.max() < FIELD)


@pytest.mark.parametrize("data", [b"\x80", b"\xff\xff\xff\xff\x01", b"\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x00"])
def test_notPositions(data: bytes) -> None:
    """A gap that is cut short, too long, or leads beyond the filter is refused."""
    with pytest.raises(Malformed):
        unpacked(data)
