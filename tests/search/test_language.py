"""The query language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import BadQuery
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
from overlay.search.language import parseQuery, render
from overlay.wire import limits

TERMS = st.text("abcdefgxyz0189", min_size=2, max_size=8)
FIELDS = st.sampled_from(["", "name"])
DAYS = st.integers(1, 20_000).map(lambda day: day * 86_400)
LEAVES: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Word, TERMS, FIELDS),
    st.builds(Prefix, TERMS, FIELDS),
    st.builds(Phrase, st.lists(TERMS, min_size=2, max_size=4).map(tuple), FIELDS),
    st.builds(MediaType, TERMS),
    st.builds(Extension, TERMS),
    st.builds(Owner, st.text("abcdef234567", min_size=6, max_size=32)),
    st.builds(Size, st.integers(0, 10**9), st.none()),
    st.builds(Size, st.none(), st.integers(0, 10**9)),
    st.builds(lambda low, more: Size(low, low + more), st.integers(0, 10**9), st.integers(0, 10**9)),
    st.builds(Modified, DAYS, st.none()),
    st.builds(Modified, st.none(), DAYS),
)


def grouped(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    """Trees as the parser makes them: no group within one of its own kind, and nothing that only excludes."""
    ands = st.lists(parts.filter(lambda one: not isinstance(one, And)), min_size=2, max_size=3).map(lambda one: And(tuple(one)))
    ors = st.lists(parts.filter(lambda one: not isinstance(one, Or)), min_size=2, max_size=3).map(lambda one: Or(tuple(one)))
    nots = parts.map(lambda one: And((Word("must"), Not(one))))
    return st.one_of(ands, ors, nots)


@given(st.recursive(LEAVES, grouped, max_leaves=8))
def test_roundTrip(expression: Expression) -> None:
    """What is rendered is parsed to the same again."""
    assert parseQuery(render(expression)) == expression


@given(st.text(max_size=80))
def test_anyText(text: str) -> None:
    """Any text is a query, or a mistake that is named."""
    try:
        parseQuery(text)
    except BadQuery as problem:
        assert str(problem)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("Bloom FILTER", And((Word("bloom"), Word("filter")))),
        ("a OR b c", Or((Word("a"), And((Word("b"), Word("c")))))),
        ("(a OR b) -c", And((Or((Word("a"), Word("b"))), Not(Word("c"))))),
        ('"Hello, World"', Phrase(("hello", "world"))),
        ("e-mail", Phrase(("e", "mail"))),
        ("name:foo*", Prefix("foo", "name")),
        ('name:"a b"', Phrase(("a", "b"), "name")),
        ("type:PDF", MediaType("pdf")),
        ("ext:.PY", Extension("py")),
        ("size:>1k", Size(1001)),
        ("size:<=1.5MiB", Size(None, 1_572_864)),
        ("size:10..2k", Size(10, 2000)),
        ("size:=7", Size(7, 7)),
        ("after:1970-01-02", Modified(since=86_400)),
        ("before:1971", Modified(until=31_536_000)),
        ("owner:ABCDEF", Owner("abcdef")),
        ("http://example.org", Phrase(("http", "example", "org"))),
        ("or", Word("or")),
    ],
)
def test_forms(text: str, expression: Expression) -> None:
    """Each form means what HELP QUERY says."""
    assert parseQuery(text) == expression


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", ""), ("-a", "-a"), ("-a OR b", "-a"), ("a OR", "OR"), ("(a", "("), ("a)", ")"), ('"a', '"a'), ("a -", "-"),
        ("a*", "a*"), ("*", "*"), ("a*b*", "a*b*"), ("colour:red", "colour:red"), ("size:big", "size:big"), ("size:5..2", "size:5..2"),
        ("size:<0", "size:<0"), ("after:yesterday", "after:yesterday"), ("after:2024-13", "after:2024-13"), ("owner:xy", "owner:xy"),
        ("type:", "type:"), ('type:"a b"', "type:"), ("ext:.", "ext:."), ("...", "..."), ("a " * (limits.QUERY_TERMS + 1), "a"),
        ("(" * 12 + "a" + ")" * 12, "("),
        ("x" * 1001, "x" * 20), ('"' + "a " * 80 + '"', "a " * 80),
    ],
)
def test_mistakes(text: str, word: str) -> None:
    """A mistake names the word that is wrong."""
    with pytest.raises(BadQuery) as problem:
        parseQuery(text)
    assert problem.value.word == word


@pytest.mark.parametrize(
    ("text", "word", "at"),
    [
        ("foo OR -bar", "-bar", 7), ("(foo bar) OR (-baz)", "-baz", 14), ("(foo -x) OR -bar", "-bar", 12), ("  -a -b", "-a", 2),
        ("-x (b OR -c)", "-c", 9), ('""', '""', 0), ('a name:""', '""', 7), ("a (b OR -c)", "", -1),
    ],
)
def test_theAlternativeThatIsWrong(text: str, word: str, at: int) -> None:
    """The alternative is named that says nothing but what is not wanted; where another word narrows it down, none is wrong."""
    if at < 0:
        assert parseQuery(text)
        return
    with pytest.raises(BadQuery) as problem:
        parseQuery(text)
    assert (problem.value.word, problem.value.at) == (word, at)
