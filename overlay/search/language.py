"""
The query language: words (all must be there), C{OR}, C{-not}, C{"a phrase"}, C{pre*}, parentheses, C{name:}, C{type:}, C{ext:},
C{size:>1M}, C{after:2024-05}, C{before:}, C{owner:}.
"""

import datetime
import re
from collections.abc import Callable
from functools import lru_cache

import attrs

from overlay.errors import BadQuery, UsageError
from overlay.identity.ids import checkPrefix
from overlay.index.analysis import isUnspaced, words
from overlay.index.dialect import PLAIN, Analysis
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
from overlay.policy import nearest
from overlay.wire import limits

SHORTEST_PREFIX = 2
_ENDINGS = (
    "", "s", "es", "e", "d", "ed", "r", "er", "ers", "g", "ng", "ing", "ings", "n", "on", "ons", "ion", "ions", "tion", "tions", "ation",
    "ations", "al", "ally", "ly", "y", "ty", "ties", "ity", "ities", "ies", "ied", "ment", "ments", "ness", "ive", "ve", "ative", "able",
    "ism", "ist",
)
"""How a word may go on whose beginning is given; English, as most stems are."""
_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<open>\() | (?P<close>\)) |
        (?P<not>-(?=[^\s)])) |
        (?P<field>[A-Za-z]+):(?P<quoted>"[^"]*"?) | (?P<phrase>"[^"]*"?) |
        (?P<word>[^\s()"]+)
    )""",
    re.VERBOSE,
)


@attrs.frozen
class _Token:
    """
    @ivar kind: C{open}, C{close}, C{not}, C{or}, C{phrase} or C{word}.
    @ivar at: where it begins, in characters.
    @ivar field: before the colon of a quoted value, in lower case.
    """

    kind: str
    text: str
    at: int
    field: str = ""


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadQuery(f"{text[at:].strip()!r} cannot be read", text[at:].strip(), len(text) - len(text[at:].lstrip()))
        start, at = at + len(match.group()) - len(match.group().lstrip()), match.end()
        kind = match.lastgroup or ""
        if kind in ("phrase", "quoted"):
            quoted = match.group(kind)
            if len(quoted) < 2 or not quoted.endswith('"'):
                raise BadQuery(f"the quote in {quoted!r} is not closed", quoted, match.start(kind))
            found.append(_Token("phrase", quoted[1:-1], start, (match.group("field") or "").lower()))
        elif kind == "word" and match.group("word") == "OR":
            found.append(_Token("or", "OR", start))
        else:
            found.append(_Token(kind, match.group(kind), start))
    return found


class _Parser:
    """One query, by recursive descent."""

    def __init__(self, text: str, analysis: Analysis) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._analysis = analysis
        self._at = 0
        self._terms = 0
        # Where the first alternative begins that only says what is not wanted.
        self._bare: _Token | None = None

    def parse(self) -> Expression:
        whole = self._either(0)
        if self._at < len(self._tokens):
            raise self._wrong("a parenthesis is closed that was not opened", self._tokens[self._at])
        if whole is None:
            raise self._wrong("this network leaves out words as common as this", self._tokens[0])
        if not _selects(whole):
            at = (self._bare or self._tokens[0]).at
            raise BadQuery("a query that only says what is not wanted is too broad", self._text[at:].split()[0].rstrip(")"), at)
        return whole

    @staticmethod
    def _wrong(message: str, token: _Token) -> BadQuery:
        return BadQuery(message, token.text, token.at)

    def _peek(self) -> str:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""

    def _either(self, depth: int) -> Expression | None:
        if depth > limits.QUERY_DEPTH:
            raise self._wrong(f"parentheses are nested more than {limits.QUERY_DEPTH} deep", self._tokens[self._at - 1])
        parts = [self._alternative(depth)]
        while self._peek() == "or":
            self._at += 1
            parts.append(self._alternative(depth))
        kept = tuple(part for part in parts if part is not None)
        return Or(kept) if len(kept) > 1 else kept[0] if kept else None

    def _alternative(self, depth: int) -> Expression | None:
        first = self._at
        whole = self._all(depth)
        if self._bare is None and whole is not None and not _selects(whole):
            self._bare = self._tokens[first]
        return whole

    def _all(self, depth: int) -> Expression | None:
        first = self._at
        parts: list[Expression | None] = []
        while self._peek() not in ("", "or", "close"):
            parts.append(self._one(depth))
        if not parts:
            token = self._tokens[first] if first < len(self._tokens) else self._tokens[-1]
            raise self._wrong(f"something to search for is missing at {token.text!r}", token)
        kept = tuple(part for part in parts if part is not None)
        return And(kept) if len(kept) > 1 else kept[0] if kept else None

    def _one(self, depth: int) -> Expression | None:
        """None for a word that the network leaves out: it is in all records and in none."""
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "not":
            if depth >= limits.QUERY_DEPTH or self._peek() in ("", "or", "close"):
                raise self._wrong("there is nothing after the minus", attrs.evolve(token, text="-"))
            inner = self._one(depth + 1)
            return None if inner is None else Not(inner)
        if token.kind == "open":
            inner = self._either(depth + 1)
            if self._peek() != "close":
                raise self._wrong("a parenthesis is not closed", token)
            self._at += 1
            return inner
        try:
            return self._counted(self._meaning(token), token)
        except BadQuery as problem:
            problem.at = max(token.at, self._text.find(problem.word, token.at))
            raise

    def _meaning(self, token: _Token) -> Expression | None:
        if token.kind == "phrase":
            if token.field not in ("", "name"):
                raise BadQuery(f"only name: takes a quoted value, not {token.field}:", token.field + ":")
            return _phrase(token.text, token.field, self._analysis)
        return _word(token.text, self._analysis)

    def _counted(self, meaning: Expression | None, token: _Token) -> Expression | None:
        """Every word counts: receipts have a number for each."""
        self._terms += max(1, len(meaning.terms) if isinstance(meaning, Phrase) else len(meaning.parts) if isinstance(meaning, And) else 1)
        if self._terms > limits.QUERY_TERMS:
            raise BadQuery(f"a query has at most {limits.QUERY_TERMS} words", token.text)
        return meaning


def _analysed(text: str) -> list[str]:
    found = words(text)
    if not found:
        raise BadQuery(f"{text!r} has no letter or digit" if text else "there is nothing in the quotes", text or '""')
    return found


def _phrase(text: str, field: str, analysis: Analysis) -> Expression:
    """Words in quotes: exactly these, also where the index has stems."""
    found = _analysed(text)
    if len(found) > limits.QUERY_TERMS:
        raise BadQuery(f"a phrase has at most {limits.QUERY_TERMS} words", text)
    if analysis.dialect:
        return Phrase(tuple(found), field, tuple(analysis.of(found)))
    return Word(found[0], field) if len(found) == 1 else Phrase(tuple(found), field)


def _words(text: str, field: str, analysis: Analysis) -> Expression | None:
    """
    What a word of the user comes to when it is analysed. Several, as in C{e-mail}, stand one after the other; but those of scripts
    without spaces, and stems, need only all be there: phrases are looked for in the beginning of a text alone.
    """
    found = _analysed(text)
    terms = analysis.of(found)
    if len(terms) == 1:
        return Word(terms[0], field)
    if analysis.dialect or all(map(isUnspaced, found)):
        return And(tuple(Word(term, field) for term in terms)) if terms else None
    return Phrase(tuple(found), field)


def _word(text: str, analysis: Analysis) -> Expression | None:
    name, colon, value = text.partition(":")
    if colon and name.isascii() and name.isalpha() and not value.startswith("//"):
        parse = _FIELDS.get(name.lower())
        if parse is None and name.lower() != "name":
            raise BadQuery(f"there is no field {name}:{nearest(name.lower(), FIELDS)}", text)
        if not value:
            raise BadQuery(f"there is nothing after {name}:", text)
        if parse is None:
            return _plain(value, "name", analysis)
        return parse(value, text)
    return _plain(text, "", analysis)


def _plain(text: str, field: str, analysis: Analysis) -> Expression | None:
    if text.endswith("*"):
        return _prefix(text, field, analysis)
    return _words(text, field, analysis)


def _prefix(text: str, field: str, analysis: Analysis) -> Expression:
    """
    The words that begin so. Where the index has stems, the stem of such a word may be another one (C{runn*} means running, of which the
    index has C{run}): records of those stems match too, with whatever other words have them.
    """
    found = words(text[:-1])
    if not found:
        raise BadQuery(f"{text!r} has no letter or digit", text)
    if len(found) > 1 or "*" in text[:-1]:
        raise BadQuery(f"a star goes at the end of one word, not in {text!r}", text)
    if len(found[0]) < SHORTEST_PREFIX:
        raise BadQuery(f"{text!r} is too broad: a star needs at least {SHORTEST_PREFIX} characters before it", text)
    start = found[0]
    stems = analysis.of([start + ending for ending in _ENDINGS]) if analysis.stems else []
    others = [one for one in dict.fromkeys(stems) if not one.startswith(start)]
    return Or((Prefix(start, field), *(Word(one, field) for one in others))) if others else Prefix(start, field)


def _type(value: str, text: str) -> Expression:
    part = value.lower()
    if len(part) > limits.MEDIA_TYPE or not part.isprintable():
        raise BadQuery(f"{value!r} is no media type", text)
    return MediaType(part)


def _extension(value: str, text: str) -> Expression:
    extension = value.lower().lstrip(".")
    if not extension or len(extension) > 32 or not extension.isprintable():
        raise BadQuery(f"{value!r} is no extension", text)
    return Extension(extension)


def _bytes(value: str, text: str) -> int:
    match = re.fullmatch(r"(\d{1,15})(?:\.(\d{1,3}))?([A-Za-z]{0,3})", value)
    unit = match.group(3).lower() if match else ""
    if unit not in _UNITS and unit.removesuffix("b") in _UNITS:
        unit = unit.removesuffix("b")
    if match is None or unit not in _UNITS:
        raise BadQuery(f"{value!r} is no size: write 500, 10k, 1.5M or 2GiB", text)
    fraction = match.group(2) or ""
    whole = int(match.group(1) + fraction) * _UNITS[unit]
    return min(whole // 10 ** len(fraction), 2**62)


def _size(value: str, text: str) -> Expression:
    if ".." in value:
        low, _, high = value.partition("..")
        span = Size(_bytes(low, text), _bytes(high, text))
        if span.low is not None and span.high is not None and span.low > span.high:
            raise BadQuery(f"{value!r} ends before it begins", text)
        return span
    for sign, shift in ((">=", 0), ("<=", 0), (">", 1), ("<", -1)):
        if value.startswith(sign):
            size = _bytes(value[len(sign) :], text) + shift
            if size < 0:
                raise BadQuery("nothing is smaller than 0 bytes", text)
            return Size(size, None) if sign[0] == ">" else Size(None, size)
    size = _bytes(value.removeprefix("="), text)
    return Size(size, size)


def _moment(value: str, text: str) -> int:
    """The first second of a year, month or day (UTC)."""
    match = re.fullmatch(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?", value)
    try:
        if match is None:
            raise ValueError
        year, month, day = (int(part) if part else 1 for part in match.groups())
        return max(0, int(datetime.datetime(year, month, day, tzinfo=datetime.UTC).timestamp()))
    except ValueError as problem:
        raise BadQuery(f"{value!r} is no date: write 2024, 2024-05 or 2024-05-31", text) from problem


def _owner(value: str, text: str) -> Expression:
    try:
        return Owner(checkPrefix(value))
    except UsageError as problem:
        raise BadQuery(str(problem), text) from problem


_FIELDS: dict[str, Callable[[str, str], Expression]] = {
    "type": _type,
    "ext": _extension,
    "size": _size,
    "after": lambda value, text: Modified(since=_moment(value, text)),
    "before": lambda value, text: Modified(until=_moment(value, text)),
    "owner": _owner,
}
FIELDS = ("name", *_FIELDS)
"""What may stand before a colon."""


@lru_cache(maxsize=512)
def parseQuery(text: str, analysis: Analysis = PLAIN) -> Expression:
    """
    What was parsed a moment ago is remembered: each copy of a query brings the same words.

    @param analysis: of the network.
    @raise BadQuery: with a sentence, the word that is at fault, and where it is.
    """
    if len(text) > limits.EXPRESSION:
        raise BadQuery(f"a query has at most {limits.EXPRESSION} characters", text[:20], 0)
    if not text.strip():
        raise BadQuery("there is nothing to search for")
    return _Parser(text, analysis).parse()


def _selects(expression: Expression) -> bool:
    """Whether it names something to be found, and not only what is to be left out."""
    if isinstance(expression, Not):
        return False
    if isinstance(expression, And):
        return any(_selects(part) for part in expression.parts)
    if isinstance(expression, Or):
        return all(_selects(part) for part in expression.parts)
    return True


def render(expression: Expression) -> str:
    """A text that L{parseQuery} makes the same expression of."""
    if isinstance(expression, And):
        return " ".join(_grouped(part, And | Or) for part in expression.parts)
    if isinstance(expression, Or):
        return " OR ".join(_grouped(part, Or) for part in expression.parts)
    if isinstance(expression, Not):
        return "-" + _grouped(expression.part, And | Or)
    return _renderOne(expression)


def _grouped(part: Expression, kinds: object) -> str:
    return f"({render(part)})" if isinstance(part, kinds) else render(part)  # type: ignore[arg-type]


def _renderOne(one: Expression) -> str:
    if isinstance(one, Word):
        return f'{one.field}:"{one.term}"' if one.field else f'"{one.term}"'
    if isinstance(one, Phrase):
        phrase = " ".join(one.terms)
        return f'{one.field}:"{phrase}"' if one.field else f'"{phrase}"'
    if isinstance(one, Prefix):
        return f"{one.field}:{one.start}*" if one.field else f"{one.start}*"
    if isinstance(one, MediaType):
        return f"type:{one.part}"
    if isinstance(one, Extension):
        return f"ext:{one.extension}"
    if isinstance(one, Owner):
        return f"owner:{one.prefix}"
    if isinstance(one, Size):
        if one.low is not None and one.high is not None:
            return f"size:{one.low}..{one.high}"
        return f"size:>={one.low}" if one.low is not None else f"size:<={one.high}"
    if isinstance(one, Modified):
        since, until = one.since, one.until
        return f"after:{_day(since)}" if since is not None else f"before:{_day(until or 0)}"
    raise TypeError(f"not an expression: {one!r}")


def _day(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d")
