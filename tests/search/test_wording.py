"""From what a user asks to what is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import BadQuery
from overlay.index.dialect import PLAIN, analysisOf
from overlay.index.expression import And, Extension, MediaType, Not, Or, Phrase, Prefix, Word
from overlay.search.language import parseQuery, render
from overlay.search.why import whyNothing
from overlay.search.wording import isType, wordingOf
from overlay.wire import limits
from overlay.wire.query import Receipt


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("How do Bloom filters work?", "how OR do OR bloom OR filters OR work"),
        ("bloom", "bloom"),
        ("bloom bloom Bloom", "bloom OR bloom OR bloom"),
        ("e-mail (a short one) - really", "e OR mail OR a OR short OR one OR really"),
        ("what OR who", "what OR who"),
        ('the "bloom filter" of 1970', 'the OR "bloom filter" OR of OR 1970'),
        ('an "unclosed quote', "an OR unclosed OR quote"),
        ("filt* trees type:pdf -draft", "(filt* OR trees) type:pdf -draft"),
        ("Re: meeting at 10:30", "re OR meeting OR at OR 10 OR 30"),
        ("name:report", "name:report"),
        ("caf\u00e9 \u65e5\u672c\u8a9e", "cafe OR \u65e5\u672c OR \u672c\u8a9e"),
    ],
)
def test_any(asked: str, sent: str) -> None:
    """A question becomes its words joined by OR, which every super-peer understands; filters hold all the same."""
    wording = wordingOf(asked, match="any")
    assert (wording.text, wording.left) == (sent, ())
    assert wording.expression == parseQuery(sent)


def test_tooManyWords() -> None:
    """Of more words than a query may have, the commonest go first, then others that say little, then the last."""
    most = limits.QUERY_TERMS
    asked = " ".join(["the", "which", *(f"w{number}" for number in range(most - 1)), "of", "last"])
    wording = wordingOf(asked, match="any")
    assert isinstance(wording.expression, Or) and len(wording.expression.parts) == most
    assert wording.left == ("the", "which", "of")
    asked = " ".join(f"word{number}" for number in range(most + 8))
    assert wordingOf(asked, match="any").left == tuple(f"word{number}" for number in range(most, most + 8))
    assert len(wordingOf(asked + " type:pdf", match="any", types=("text/",)).left) == 10


def test_saidTwice() -> None:
    """What is said twice counts twice, as long as there is room for every other word."""
    assert wordingOf("trees and trees of bloom", match="any").text == "trees OR trees OR and OR of OR bloom"
    rare = " ".join(f"w{number}" for number in range(limits.QUERY_TERMS - 2))
    wording = wordingOf(f"tree tree tree leaf leaf {rare} which", match="any")
    assert wording.left == ("which",) and wording.text == " OR ".join(["tree", "leaf", *rare.split()])
    wording = wordingOf("tree " * 5000 + "leaf", match="any")
    assert (wording.text.count("tree"), wording.text.count("leaf"), wording.left) == (limits.QUERY_TERMS - 1, 1, ())


def test_formsOfOneWord() -> None:
    """Where a network stems, another form of a word is the word once more; what it leaves out takes no room, unless it is all there is."""
    how = analysisOf("stem:english+stop:english")
    wording = wordingOf("The filters and the filtering of connected filter connections", how, "any")
    assert (wording.text, wording.left) == ("filters OR filters OR filters OR connected OR connected", ())
    assert wordingOf("filters filter", PLAIN, "any").text == "filters OR filter"
    with pytest.raises(BadQuery, match="leaves out"):
        wordingOf("the of", how, "any")


@given(st.text(max_size=300))
def test_anyQuestion(text: str) -> None:
    """Whatever is asked, it is a query, or a mistake whose place is known."""
    try:
        wording = wordingOf(text, match="any")
    except BadQuery as problem:
        assert str(problem) and -1 <= problem.at <= len(text)
        return
    assert len(wording.text) <= limits.EXPRESSION and parseQuery(wording.text) == wording.expression


@given(st.lists(st.text("abcdefgh\u00e9\u4e2d", min_size=1, max_size=50), min_size=1, max_size=100))
def test_longQuestions(words: list[str]) -> None:
    """However long it is, it fits."""
    wordingOf(" ".join(words), match="any", types=("pdf",))


@pytest.mark.parametrize(
    ("asked", "types", "sent"),
    [
        ("a b", ("pdf",), "a b type:pdf"), ("a OR b", ("pdf",), "(a OR b) type:pdf"), ("a", ("pdf", "text/"), "a (type:pdf OR type:text/)"),
        ("a", (), "a"),
    ],
)
def test_types(asked: str, types: tuple[str, ...], sent: str) -> None:
    """The option is the filter of the language, for the whole query."""
    assert wordingOf(asked, types=types).text == sent


@pytest.mark.parametrize(
    ("asked", "match", "word", "at"),
    [
        ("bloom colour:red", "all", "colour:red", 6), ("bloom  size:big x", "any", "size:big", 7), ('a -"b" -ext:. c', "any", "ext:.", 8),
        ("(a b", "all", "(", 0), ("a (b))", "all", ")", 5), ('a b "c d', "all", '"c d', 4), ("a OR", "all", "OR", 2), ("?", "any", "?", 0),
        ("a name:*", "all", "*", 7), ("x a*", "all", "a*", 2), ("  -a", "all", "-a", 2),
        ("a " * (limits.QUERY_TERMS + 1), "all", "a", 2 * limits.QUERY_TERMS), ("a OR OR b", "all", "OR", 5),
    ],
)
def test_mistakesHaveAPlace(asked: str, match: str, word: str, at: int) -> None:
    """A mistake points at its word in what was asked."""
    with pytest.raises(BadQuery) as problem:
        wordingOf(asked, match=match)
    assert (problem.value.word, problem.value.at) == (word, at)


@given(st.text(max_size=60))
def test_placesAreOfTheWord(text: str) -> None:
    """Where a place is named, the word is there."""
    try:
        wordingOf(text)
    except BadQuery as problem:
        assert problem.at == -1 or text[problem.at :].startswith(problem.word)


def test_typesAreChecked() -> None:
    """What could be taken for something else in the language is no type."""
    assert all(map(isType, ("pdf", "text/", "image/svg+xml")))
    assert not any(map(isType, ("", "a b", "a)", 'a"b', "a (b")))


def test_stemsInQueries() -> None:
    """Words are asked for by their stems, phrases as they are written; words that are left out are not asked for."""
    pytest.importorskip("Stemmer")
    english, both = analysisOf("stem:english"), analysisOf("stem:english+stop:english")
    assert parseQuery("running shoes", english) == And((Word("run"), Word("shoe")))
    assert parseQuery('"running shoes"', english) == Phrase(("running", "shoes"), "", ("run", "shoe"))
    assert parseQuery('"running"', english) == Phrase(("running",), "", ("run",))
    assert parseQuery("running-shoes", english) == And((Word("run"), Word("shoe")))
    assert parseQuery("runn* name:runs", english) == And((Or((Prefix("runn"), Word("run"))), Word("run", "name")))
    assert parseQuery("name:connecti*", english) == Or((Prefix("connecti", "name"), Word("connect", "name")))
    assert parseQuery("happy*", english) == Or((Prefix("happy"), Word("happi"))) and parseQuery("bloo*", english) == Prefix("bloo")
    assert parseQuery("the runs -of", both) == Word("run")
    assert parseQuery('"to be running"', both) == Phrase(("to", "be", "running"), "", ("run",))
    with pytest.raises(BadQuery, match="leaves out"):
        parseQuery("the of", both)
    assert wordingOf("Where are the runners?", both, "any").expression == Or((Word("where"), Word("runner")))


def test_everyWordCounts() -> None:
    """The words of phrases count, since a receipt has a number for each."""
    half = " ".join(f"w{number}" for number in range(limits.QUERY_TERMS // 2 + 1))
    with pytest.raises(BadQuery, match=f"at most {limits.QUERY_TERMS}"):
        parseQuery(f'"{half}" "{half}x"')


def test_unspacedWords() -> None:
    """A word of a script without spaces is found by its pairs in the whole text; in quotes it is a phrase."""
    assert parseQuery("\u65e5\u672c\u8a9e") == And((Word("\u65e5\u672c"), Word("\u672c\u8a9e")))
    assert parseQuery('"\u65e5\u672c\u8a9e"') == Phrase(("\u65e5\u672c", "\u672c\u8a9e"))
    assert render(parseQuery("\u65e5\u672c")) == '"\u65e5\u672c"'


def test_why() -> None:
    """The receipt's numbers in the user's words."""
    pytest.importorskip("Stemmer")
    receipt = Receipt(frequencies={"run": 0, "shoe": 4}, unfiltered=3, excluded={"type:pdf": 3, "-x": 0})
    assert whyNothing(receipt, "Running shoes type:pdf -x", analysisOf("stem:english")) == {
        "unknown": ["running"], "known": {"shoes": 4}, "unfiltered": 3, "excluded": {"type:pdf": 3},
    }
    assert whyNothing(Receipt(), "x", PLAIN) == {"unknown": [], "known": {}, "unfiltered": 0, "excluded": {}}


def test_filtersStayFilters() -> None:
    """With any of the words, what is not wanted and what must be there is as with all."""
    assert wordingOf("a b -c ext:py", match="any", types=("text/",)).expression == And(
        (Or((Word("a"), Word("b"))), Not(Word("c")), Extension("py"), MediaType("text/"))
    )


def test_aTypeHoldsForAllAlternatives() -> None:
    """What is asked for with match=any is one of the words, and of that type whichever it is."""
    assert wordingOf("socket timeout", match="any", types=("pdf",)).text == "(socket OR timeout) type:pdf"
    assert wordingOf("socket timeout", match="any", types=("pdf", "html")).text == "(socket OR timeout) (type:pdf OR type:html)"
    assert wordingOf("socket", match="any", types=("pdf",)).text == "socket type:pdf"
