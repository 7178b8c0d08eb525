"""The passage that shows why a text matches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.index.analysis import words
from overlay.index.snippet import LENGTH, snippetOf

FILL = "lorem ipsum dolor " * 40


@pytest.mark.parametrize(
    ("text", "terms", "starts", "shown"),
    [
        (FILL + "Bloom filter" + " " + FILL, ["bloom"], [], "Bloom filter"),
        (FILL + "blossoms" + " " + FILL, [], ["blo"], "blossoms"),
        (FILL + "bloom one " + FILL + "bloom filter tree" + " " + FILL, ["bloom", "filter", "tree"], [], "bloom filter tree"),
        (FILL + "don't panic" + " " + FILL, ["dont"], [], "don't panic"),
        (FILL + "\u0130stanbul caf\u00e9" + " " + FILL, ["cafe"], [], "caf\u00e9"),
        (FILL + "\u0130stanbul caf\u00e9" + " " + FILL, [], ["caf"], "caf\u00e9"),
        (FILL + "CAF\u00c9" + " " + FILL, ["cafe"], [], "CAF\u00c9"),
        ("\u65e5" * 500 + "\u672c\u8a9e" + "\u65e5" * 500, ["\u672c\u8a9e"], [], "\u672c\u8a9e"),
        ("x" * 500 + " bloom", ["bloom"], [], "bloom"),
    ],
)
def test_showsTheMatch(text: str, terms: list[str], starts: list[str], shown: str) -> None:
    """The passage has the match, or the place where most of the words are together."""
    snippet = snippetOf(text, terms, starts)
    assert shown in snippet
    assert len(snippet) <= LENGTH


def test_wholeWordsOnly() -> None:
    """A part of another word is no match."""
    assert "bloom " in snippetOf(FILL + "bloomer " + FILL + "a bloom here" + " " + FILL, ["bloom"])


def test_shortTextIsShownWhole() -> None:
    """Without a match, or where all fits, the text is shown from its beginning, on one line."""
    assert snippetOf("a\nshort\t text", ["none"]) == "a short text"
    assert snippetOf("bloom filter", ["filter"]) == "bloom filter"
    assert snippetOf("", ["x"]) == ""
    assert snippetOf(FILL, []).startswith("lorem ipsum")
    assert snippetOf(FILL, []).endswith(" ...")


def test_cutEndsAreMarked() -> None:
    """What is left out on either side is shown by dots, between words."""
    snippet = snippetOf(FILL + "bloom " + " " + FILL, ["bloom"])
    assert snippet.startswith("... ") and snippet.endswith(" ...")
    assert set(snippet.replace("...", "").split()) == {"lorem", "ipsum", "dolor", "bloom"}


def test_terminalsAreLeftAlone() -> None:
    """Control characters of a stranger's text are not passed on."""
    assert snippetOf("bloom \x1b[31m\x07\u202e filter\x00", ["bloom"]) == "bloom [31m filter"


@given(st.text(), st.lists(st.text(min_size=1, max_size=4), max_size=3), st.lists(st.text(min_size=2, max_size=3), max_size=2))
def test_anyText(text: str, asked: list[str], begun: list[str]) -> None:
    """Whatever is asked of whatever text: one line within the length."""
    snippet = snippetOf(text, [word for one in asked for word in words(one)], [word for one in begun for word in words(one)])
    assert len(snippet) <= LENGTH
    assert "\n" not in snippet and "\x1b" not in snippet


def test_manyMatchesCostNoMore() -> None:
    """A text of nothing but matches is not compared with itself."""
    assert snippetOf("a " * 30_000, ["a", "b"]).startswith("a a a")
