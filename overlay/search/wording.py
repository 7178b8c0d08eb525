"""
From what a user asks, with its options, to the text of the query that is sent: the language itself says all of it, so that every
super-peer understands it.
"""

import re
from collections import Counter
from collections.abc import Sequence

import attrs

from overlay.errors import BadQuery
from overlay.index.analysis import words
from overlay.index.dialect import PLAIN, STOP_WORDS, Analysis
from overlay.index.expression import And, Expression, MediaType, Not, Or, Phrase
from overlay.search.language import FIELDS, parseQuery
from overlay.wire import limits

MATCHES = ("all", "any")
_OR = " OR "
_PIECE = re.compile(r'-?(?:[A-Za-z]+:)?"[^"]*"|\S+')
_COMMON = frozenset().union(*STOP_WORDS.values())
_SLIGHT = frozenset({
    "about", "above", "after", "again", "against", "all", "also", "am", "among", "any", "because", "been", "before", "being",
    "below", "between", "both", "can", "could", "did", "do", "does", "doing", "done", "down", "during", "each", "either",
    "else", "ever", "every", "few", "from", "further", "get", "give", "given", "gives", "had", "has", "have", "having", "he",
    "her", "here", "hers", "him", "his", "how", "however", "i", "its", "just", "less", "made", "make", "many", "may", "me",
    "might", "more", "most", "much", "must", "my", "neither", "nor", "now", "off", "once", "one", "only", "other", "our", "out",
    "over", "own", "per", "same", "several", "shall", "she", "should", "since", "so", "some", "still", "than", "them", "those",
    "through", "thus", "too", "toward", "under", "until", "up", "upon", "us", "use", "used", "using", "very", "via", "we",
    "were", "what", "when", "where", "whether", "which", "while", "who", "whom", "whose", "why", "within", "without", "would",
    "yet", "you", "your",
})
"""English words that say little; they go next."""


@attrs.frozen(slots=True)
class Wording:
    """
    @ivar text: of the query.
    @ivar left: words that were left out, since a query has no room for more.
    """

    text: str
    expression: Expression
    left: tuple[str, ...] = ()


def wordingOf(text: str, analysis: Analysis = PLAIN, match: str = "all", types: Sequence[str] = ()) -> Wording:
    """
    @param match: C{all}, or C{any}: then the text is no more than words, of which more are better. Filters (C{type:}, C{name:}, C{-word}
    and the like) hold all the same.
    @param types: parts of media types, one of which is to be there.
    @raise BadQuery: with the place of the mistake in C{text}.
    """
    kinds = " OR ".join(f"type:{one}" for one in types)
    clause = f"({kinds})" if len(types) > 1 else kinds
    left: tuple[str, ...] = ()
    if match == "any":
        chosen, left = _anyOf(text, analysis, len(types), limits.EXPRESSION - len(clause) - 3)
    else:
        chosen = text.strip()
        parseQuery(text, analysis)
    if clause:
        if isinstance(parseQuery(chosen, analysis), Or):
            chosen = f"({chosen})"
        chosen = f"{chosen} {clause}"
    try:
        return Wording(chosen, parseQuery(chosen, analysis), left)
    except BadQuery as problem:
        # Its place is one in what is sent.
        problem.at = text.find(problem.word) if problem.word else -1
        raise


def isType(part: str) -> bool:
    """Whether this is a part of a media type, as C{type:} has it."""
    try:
        return isinstance(parseQuery(f"type:{part}"), MediaType)
    except BadQuery:
        return False


def _anyOf(text: str, analysis: Analysis, taken: int, room: int) -> tuple[str, tuple[str, ...]]:
    """
    @param taken: words of the query that are given away already.
    @param room: characters.
    """
    filters: dict[str, int] = {}
    alternatives: dict[str, int] = {}
    times: Counter[str] = Counter()
    stood: dict[tuple[str, ...], str] = {}
    for match in _PIECE.finditer(text):
        piece = match.group()
        if piece == "OR":
            continue
        if _isFilter(piece):
            filters[piece] = _weight(_parsed(piece, match.start(), analysis))
        elif piece.startswith('"') and piece.endswith('"') and len(piece) > 1 and len(words(piece)) > 1:
            alternatives[piece] = _weight(_parsed(piece, match.start(), analysis))
        elif piece.endswith("*") and len(words(piece[:-1])) == 1 and len(words(piece[:-1])[0]) > 1:
            alternatives[words(piece[:-1])[0] + "*"] = 1
        else:
            for word in words(piece):
                terms = tuple(analysis.of([word]))
                # Another form of a word is the same word once more, which makes it count more.
                first = stood.setdefault(terms, word)
                alternatives[first] = 1
                times[first] += 1
    if not alternatives and not filters:
        raise BadQuery("there is no word to search for", text.strip()[:20], 0)
    if () in stood and len(alternatives) > 1:
        # A network that leaves a word out finds nothing by it.
        del alternatives[stood[()]]
    told = [_Told(one, weight, min(max(1, times[one]), limits.QUERY_TERMS)) for one, weight in alternatives.items()]
    places = limits.QUERY_TERMS - taken - sum(filters.values())
    left = _shorten(told, places, room - sum(len(one) + 1 for one in filters) - 2)
    # What is said twice is there twice.
    return _joined([one.text for one in told for _ in range(one.times)], [*filters]), left


@attrs.define(slots=True, eq=False)
class _Told:
    """
    One alternative.

    @ivar weight: words of it.
    @ivar times: how often it is said.
    """

    text: str
    weight: int
    times: int

    @property
    def rank(self) -> int:
        """Who says least goes first."""
        return 0 if self.text in _COMMON else 1 if self.text in _SLIGHT else 2


def _shorten(told: list[_Told], most: int, room: int) -> tuple[str, ...]:
    """
    Leave out what says least, from the end, then repetitions, then whatever comes last.

    @param most: words.
    @param room: characters.
    @return: what was left out, in order; its C{times} are 0.
    """
    over = sum(one.weight * one.times for one in told) - most
    beyond = sum((len(one.text) + len(_OR)) * one.times for one in told) - len(_OR) - room
    there = len(told)

    def less(one: _Told, times: int) -> None:
        nonlocal over, beyond
        over -= one.weight * times
        beyond -= (len(one.text) + len(_OR)) * times
        one.times -= times

    last = told[::-1]
    steps = [(one, 0) for one in sorted(last, key=lambda one: one.rank) if one.rank < 2]
    kept = [one for one in last if one.rank == 2]
    steps += [(one, times) for times in range(max((one.times for one in kept), default=1) - 1, 0, -1) for one in kept]
    steps += [(one, 0) for one in kept]
    for one, times in steps:
        if over <= 0 and beyond <= 0:
            break
        if times == 0 and there == 1:
            # Something has to be asked for.
            times = 1
        if one.times > times:
            there -= times == 0
            less(one, one.times - times)
    return tuple(one.text for one in told if not one.times)


def _isFilter(piece: str) -> bool:
    if piece.startswith("-") and words(piece):
        return True
    name, colon, value = piece.partition(":")
    return bool(colon) and name.lower() in FIELDS and bool(value)


def _parsed(piece: str, at: int, analysis: Analysis) -> Expression:
    """One piece, whose mistakes are in their place in the whole."""
    try:
        # What is not wanted is no query by itself.
        return parseQuery(piece.removeprefix("-"), analysis)
    except BadQuery as problem:
        raise BadQuery(str(problem), problem.word, at + (piece[:1] == "-") + max(0, problem.at)) from problem


def _weight(expression: Expression) -> int:
    """Words of it, as the language counts them."""
    if isinstance(expression, And | Or):
        return sum(map(_weight, expression.parts))
    if isinstance(expression, Not):
        return _weight(expression.part)
    return len(expression.terms) if isinstance(expression, Phrase) else 1


def _joined(alternatives: list[str], filters: list[str]) -> str:
    either = _OR.join(alternatives)
    if len(alternatives) > 1 and filters:
        either = f"({either})"
    return " ".join([either, *filters]).strip()
