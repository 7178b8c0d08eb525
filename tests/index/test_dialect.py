"""What a network adds to the analysis of text."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import UsageError
from overlay.index.dialect import PLAIN, StemmerMissing, analysisOf, dialectOf, partsOf
from overlay.index.postings import Entry
from overlay.index.record import makeRecord, openTerms
from tests.index.material import NOW, identity

Stemmer = pytest.importorskip("Stemmer")
ENGLISH = analysisOf("stem:english")


@pytest.mark.parametrize(
    ("dialect", "terms"),
    [
        ("", ["the", "runners", "were", "running"]),
        ("stem:english", ["the", "runner", "were", "run"]),
        ("stop:english", ["runners", "were", "running"]),
        ("stem:english+stop:english", ["runner", "were", "run"]),
    ],
)
def test_terms(dialect: str, terms: list[str]) -> None:
    """Each part of a dialect does what it says, and the parts go together."""
    analysis = analysisOf(dialect)
    assert analysis.words("The runners were running.") == terms
    assert partsOf(dialect) == partsOf(dialectOf(**partsOf(dialect)))
    assert analysis.dialect == dialect and analysis.stems == ("stem" in dialect)


def test_names() -> None:
    """Names have the stems of their words and parts, accents or not."""
    assert ENGLISH.nameWords("RunningTests_v2.py") == ["runningtest", "run", "test", "v2", "v", "2", "py"]
    assert analysisOf("stem:french").words("mang\u00e9es") == analysisOf("stem:french").words("mangees")


@pytest.mark.parametrize(
    "dialect", ["x", "stem:", "stem:klingon", "stop:klingon", "stop:english+stem:english", "stem:english+stem:dutch", "stem:english+", "+"]
)
def test_noDialects(dialect: str) -> None:
    """What cannot be understood is refused with a sentence."""
    with pytest.raises(UsageError):
        analysisOf(dialect)


def test_withoutAStemmer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has none installed is told what to install; words as they are need none."""
    monkeypatch.setitem(sys.modules, "Stemmer", None)
    with pytest.raises(StemmerMissing, match=r"pip install 'superpeer\[stem\]'"):
        analysisOf("stem:danish")
    assert analysisOf("") is PLAIN


@given(st.text(max_size=60))
def test_bothSidesAgree(text: str) -> None:
    """The stem of each word is the same alone, as a query has it, and in its text."""
    assert [term for word in PLAIN.words(text) for term in ENGLISH.of([word])] == ENGLISH.words(text)


def test_recordsSayTheirDialect() -> None:
    """Packed terms say how they were made, and the words of the name are indexed alike."""
    import attrs

    from tests.index.material import NETWORK, document

    network = attrs.evolve(NETWORK, dialect="stem:english")
    made = makeRecord(identity(1), network, document("a/RunningTests.txt", "x"), 1, NOW, NOW + 9)
    assert openTerms(made.terms).dialect == "stem:english"
    assert {"run", "test"} <= set(Entry.of(made.head, made.terms).terms)
