"""Where words stand, and what is marked."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from overlay.index.analysis import words
from overlay.index.dialect import PLAIN, analysisOf
from overlay.index.expression import And, Expression, Not, Or, Phrase, Prefix, Word
from overlay.index.snippet import snippetOf
from overlay.index.spans import marks, matching, spans

LETTERS = st.text(
    st.sampled_from(
        "aeZ9 .-'\u2019\u00e9\u00c5\u00df\u0130\ufb01\u01c6\u0301\u0323\u03a3\u0439\u05d0\u05b8\u0627\u064e\u0939\u093f\u094d"
        "\u4e2d\u6587\u304b\u3099\uff76\uff9e\u0e14\u0e35\u0e48\u1780\u17b6\uac00\u00ad\u200d"
    )
)


@given(LETTERS | st.text())
@example("Na\u00efve \ufb01le \u0130stanbul don\u2019t \u4e2d\u6587\u5b57x9")
def test_placesOfAllWords(text: str) -> None:
    """The words are those of the analysis, and what stands at a place is that word."""
    found = list(spans(text))
    for start, end, word in found:
        assert 0 <= start < end <= len(text)
        assert word in words(text[start:end])
    assert [start for start, _, _ in found] == sorted(start for start, _, _ in found)


ORDINARY = [
    "bloom", "Caf\u00e9", "na\u00efve", "\u4e2d\u6587\u5b57", "x-ray", "don't", "\u0e20\u0e32\u0e29\u0e32", "STRASSE", "stra\u00dfe", "...",
    "l\u2019\u00e9t\u00e9", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u1797\u17b6\u179f\u17b6",
]


@given(st.lists(st.sampled_from(ORDINARY)))
def test_everyWordHasAPlace(pieces: list[str]) -> None:
    """In ordinary text no word is missing."""
    text = " ".join(pieces)
    assert [word for _, _, word in spans(text)] == words(text)


@given(LETTERS, LETTERS)
def test_marksAreMatches(text: str, asked: str) -> None:
    """Whatever is marked in whatever text has a word that was asked for, and marks do not touch each other's letters."""
    terms = words(asked)
    found = marks(text, Or(tuple(map(Word, terms)))) if terms else []
    for start, end in found:
        assert set(words(text[start:end])) & set(terms)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(found))


ENGLISH = "stem:english"


@pytest.mark.parametrize(
    ("text", "expression", "dialect", "marked"),
    [
        ("Bloom filters, bloom!", Word("bloom"), "", ["Bloom", "bloom"]),
        ("A CAF\u00c9, a cafe, a cafeteria", Word("cafe"), "", ["CAF\u00c9", "cafe"]),
        ("cafe\u0301s", Prefix("cafe"), "", ["cafe\u0301s"]),
        ("Don't panic, dont", Word("dont"), "", ["Don't", "dont"]),
        ("filter bloom, bloom-filter and bloom", Phrase(("bloom", "filter")), "", ["bloom-filter"]),
        ("d\u00e9j\u00e0 vu, deja vu, vu", Phrase(("deja", "vu")), "", ["d\u00e9j\u00e0 vu", "deja vu"]),
        (
            "\u65e5\u672c\u8a9e\u3068\u65e5\u672c", And((Word("\u65e5\u672c"), Word("\u672c\u8a9e"))), "",
            ["\u65e5\u672c\u8a9e", "\u65e5\u672c"],
        ),
        ("a\u4e2d\u6587b", Word("\u4e2d\u6587"), "", ["\u4e2d\u6587"]),
        ("one two", And((Word("one"), Not(Word("two")))), "", ["one"]),
        ("one two", And((Word("one"), Word("two", "name"))), "", ["one"]),
        ("Runs, running, runner", Word("run"), ENGLISH, ["Runs", "running"]),
        ("he runs; run run", Phrase(("run",), "", ("run",)), ENGLISH, ["run", "run"]),
        ("\ufb01le \ufb01n", Word("file"), "", ["\ufb01le"]),
    ],
)
def test_marks(text: str, expression: Expression, dialect: str, marked: list[str]) -> None:
    """Marked are the words as they stand, whatever their accents, form or ending; phrases as a whole, and only whole."""
    if dialect:
        pytest.importorskip("Stemmer")
    assert [text[start:end] for start, end in marks(text, expression, analysisOf(dialect))] == marked


FILL = "lorem ipsum dolor " * 40


def test_thePassageHasThePhrase() -> None:
    """Where the words stand one after the other, not where they only stand near each other."""
    text = FILL + "bloom of a filter, a filter bloom " + FILL + "the bloom filter " + FILL
    assert "the bloom filter" in snippetOf(text, ["bloom", "filter"], (), [("bloom", "filter")])


def test_thePassageHasTheStem() -> None:
    """A passage shows the word whose stem was found."""
    pytest.importorskip("Stemmer")
    assert "connections" in snippetOf(FILL + "connections " + FILL, ["connect"], how=analysisOf(ENGLISH))


def test_onlySoManyWords() -> None:
    """Of a long text the beginning is looked at."""
    assert len(matching("a " * 100, ["a"], (), (), PLAIN, 10)) == 10
