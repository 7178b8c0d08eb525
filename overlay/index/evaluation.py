"""An expression against the index: which rows match, and which of them are best."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import repeat

from pyroaring import BitMap

from overlay.index import phrase
from overlay.index.bm25 import NAME_WEIGHT
from overlay.index.dialect import Analysis, analysisOf
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
    isFilter,
    positive,
)
from overlay.index.having import Having
from overlay.index.packed import Answer, PackedRow, PackedRows, textOf, unpack
from overlay.index.passing import PassingRows
from overlay.index.posting import CODES, Posting
from overlay.index.postings import Postings
from overlay.index.ranking import Ranking
from overlay.index.record import openHead
from overlay.index.rowtable import RowTable
from overlay.index.scoring import Best, Statistics, Unit, scorer
from overlay.index.snippet import snippetOf
from overlay.index.store import Found, Request
from overlay.index.terms import PREFIX_TERMS

LIKE_CONTENTS = 1024
"""Rows beyond those wanted that are looked at where only one of each content is wanted."""
PHRASE_CHECKED = 50_000
"""Most rows whose text is read for one phrase; those beyond count as not matching, and then no order is said to be exact."""
_READ_AT_ONCE = 512

HELD_NAMED = 64
"""Rows held back are named if there are no more, so that those of several super-peers can be counted; of more the number is enough."""


def scoring(expression: Expression) -> list[Word | Prefix]:
    """The words and prefixes that score, without field, in the order of the expression, each once."""
    found: dict[Word | Prefix, None] = {}
    for part in positive(expression):
        if isinstance(part, Word):
            found[Word(part.term)] = None
        elif isinstance(part, Prefix):
            found[Prefix(part.start)] = None
        elif isinstance(part, Phrase):
            found.update(dict.fromkeys(map(Word, part.indexed)))
    return list(found)


def timesOf(expression: Expression) -> tuple[int, ...]:
    """How often each of L{scoring} is said, outside quotes and without a field; at least once."""
    said = Counter(part for part in positive(expression) if isinstance(part, Word | Prefix))
    return tuple(max(1, said[one]) for one in scoring(expression))


def phrasesOf(expression: Expression) -> list[tuple[str, ...]]:
    """The phrases that a text may have, and not only a name."""
    return [one.terms for one in positive(expression) if isinstance(one, Phrase) and not one.field]


def positiveTerms(expression: Expression) -> list[str]:
    """What scores, as receipts name it: terms, and prefixes with a C{*}."""
    return [_named(one) for one in scoring(expression)]


def _named(one: Word | Prefix) -> str:
    return one.term if isinstance(one, Word) else one.start + "*"


def _plainWords(expression: Expression) -> dict[str, int] | None:
    """If the expression is words without a field that must all be there: how often each is said."""
    parts = expression.parts if type(expression) is And else (expression,)
    said: dict[str, int] = {}
    for one in parts:
        if type(one) is not Word or one.field:
            return None
        said[one.term] = said.get(one.term, 0) + 1
    return said


class Evaluation:
    """One request against one index."""

    def __init__(self, postings: Postings, request: Request, table: RowTable) -> None:
        self._postings = postings
        self._request = request
        self._table = table
        self._prefixes: dict[str, Posting] = {}
        self._words: dict[str, Posting | None] = {}
        self._partial = False

    def found(self) -> Found:
        """
        @return: the best rows, best first; ties by content, then owner and record id.
        """
        postings, request = self._postings, self._request
        excluded = postings.expired(max(0, int(request.now)))
        for owner in sorted(request.without) if request.without else ():
            ofOwner = postings.rowsOf(owner)
            excluded = excluded | ofOwner if ofOwner else excluded
        alive = postings.alive - excluded if excluded else postings.alive
        counted, words = alive, postings.words
        if request.uncounted:
            # Those that are both expired and uncounted are taken away once.
            uncounted, wordsOfThem = postings.ofOwners(request.uncounted)
            counted = alive - uncounted
            words -= wordsOfThem
            excluded = excluded - uncounted
        documents = len(counted)
        length = words - postings.wordsIn(excluded) if excluded else words
        said = _plainWords(request.expression)
        if said is None:
            terms: Sequence[Word | Prefix] = scoring(request.expression)
            names, times = list(map(_named, terms)), timesOf(request.expression)
            found = [self._word(one.term) if isinstance(one, Word) else self._joined(one.start) for one in terms]
        else:
            names, times = list(said), tuple(said.values())
            found = list(map(postings.terms.get, names))
        whole = documents == len(postings)
        counts = [
            0 if one is None else (len(one.rows) if whole else one.rows.intersection_cardinality(counted)) for one in found
        ]
        if said is not None and None in found:
            # Most super-peers have never heard of a rare word.
            return Found([], 0, [], 0.0, documents, length, dict(zip(names, counts, strict=True)), ranked=True)
        rows = Having([self._rows(request.expression, alive)]) if said is None else self._having(found, alive)
        numbers = request.statistics
        if numbers is None or len(numbers.frequencies) != len(names):
            numbers = Statistics(documents, length, tuple(counts), times)
        else:
            numbers = Statistics(numbers.documents, numbers.length, numbers.frequencies, times)
        weights = numbers.weights
        units = [Unit(one, weights[place], place) for place, one in enumerate(found) if one is not None]
        ranking = Ranking(postings, units, numbers.average, len(names), request.formula, said is not None)
        matched = len(rows)
        shown, held, front = self._ranked(ranking, rows, matched, numbers)
        unfiltered, leftOut = (0, []) if matched else self._withoutFilters(request.expression, counted)
        return Found(
            rows=self._make(shown),
            matched=matched,
            held=postings.idsOf([one[2] for one in held]) if held and len(held) == matched - len(shown) else [],
            bound=-held[0][0] or 0.0 if held else 0.0,
            documents=documents,
            length=length,
            frequencies=dict(zip(names, counts, strict=True)),
            unfiltered=unfiltered,
            excluded=leftOut,
            front=front,
            ranked=not self._partial,
        )

    def _ranked(
        self, ranking: Ranking, rows: Having, matched: int, numbers: Statistics
    ) -> tuple[Sequence[Best], Sequence[Best], bytes]:
        """
        @return: what is shown, the best of what is held back, and an encoded front of all that is.
        """
        request = self._request
        want = request.want
        if request.statistics is None:
            if matched <= want:
                return ranking.best(rows, matched), (), b""
            if not request.bounded:
                return ranking.best(rows, want), (), b""
            if request.formula.order == "newest":
                return *self._newest(ranking.best(rows, min(matched, want + LIKE_CONTENTS)), matched), b""
            best = ranking.best(rows, want + (matched - want if matched <= want + HELD_NAMED else 1))
            shown, held = best[:want], best[want:]
            mayBeBetter = want > 0
        else:
            best = ranking.best(rows, min(matched, want + LIKE_CONTENTS))
            shown, held = _distinct(best, want)
            # By the final numbers nothing that is left out is better, unless like contents have used up the list.
            mayBeBetter = matched > want > 0 and len(shown) < want and len(best) < matched and -best[-1][0] >= request.least
            shown = [one for one in shown if -one[0] >= request.least]
        if not mayBeBetter:
            return shown, held, b""
        return shown, held, ranking.front(shown, want, scorer(numbers, request.formula)).encode()

    def _newest(self, best: Sequence[Best], matched: int) -> tuple[list[Best], list[Best]]:
        """
        The rows of the first C{want} contents, and the others. As nobody asks once more for rows in this order, rows of like content, which
        are one in the end, must not take the places of others; but they tell who else has it, and some of them are shown.
        """
        want = self._request.want
        shown: list[Best] = []
        held: list[Best] = []
        contents: set[int] = set()
        for one in best:
            if one[1] in contents:
                (shown if len(shown) < 2 * want else held).append(one)
            elif len(contents) < want:
                contents.add(one[1])
                shown.append(one)
            else:
                held.append(one)
        # Too many of like content: other ones may come after those that were looked at.
        self._partial = self._partial or (len(contents) < want and len(best) < matched)
        return shown, held

    def _withoutFilters(self, expression: Expression, alive: BitMap) -> tuple[int, list[tuple[Expression, int]]]:
        """If nothing matches: how many rows would without filters, and how many of those each filter leaves out."""
        parts = _flat(expression)
        filters = [part for part in parts if isFilter(part)]
        if not filters:
            return 0, []
        within = alive
        for part in sorted((one for one in parts if one not in filters), key=_cost):
            within = self._rows(part, within)
        whole = len(within)
        return whole, [(one, whole - len(self._rows(one, within))) for one in dict.fromkeys(filters)] if whole else []

    def _make(self, shown: Sequence[Best]) -> Sequence[PackedRow] | PassingRows:
        if not shown:
            return []
        genuine = self._postings.genuine
        worst, contents, rows, parts = zip(*shown, strict=True)
        if self._request.passing:
            return PassingRows(self._table, rows, worst, parts, contents, genuine, self._passage)
        packed = self._table.packed(rows)
        if None in packed:
            # The table has lost them.
            return self._make([one for one, there in zip(shown, packed, strict=True) if there is not None])
        answer = Answer(genuine, self._passage())
        return PackedRows(packed, worst, parts, contents, rows, answer)  # type: ignore[arg-type]

    def _passage(self) -> Callable[[str], str]:
        """What makes the snippet of a text."""
        expression, dialect = self._request.expression, self._request.dialect

        # Made with the first text, for all of them.
        @cache
        def shown() -> tuple[list[str], list[str], list[tuple[str, ...]], Analysis]:
            terms = scoring(expression)
            return (
                [one.term for one in terms if isinstance(one, Word)], [one.start for one in terms if isinstance(one, Prefix)],
                phrasesOf(expression), analysisOf(dialect),
            )

        return lambda text: snippetOf(text, *shown())

    # --- rows --------------------------------------------------------------------------------------------------------

    def _having(self, found: Sequence[Posting | None], within: BitMap) -> Having:
        """The rows among C{within} that all of these have; each of them is there."""
        # What is in no record is in no posting.
        having = [] if within is self._postings.alive else [within]
        return Having([*having, *(one.rows for one in found if one is not None)])

    def _rows(self, part: Expression, within: BitMap) -> BitMap:
        """The rows among C{within} that match; a bitmap that the caller must not change."""
        postings = self._postings
        if isinstance(part, Word):
            return self._among(self._word(part.term), part.field, within)
        if isinstance(part, Prefix):
            return self._among(self._joined(part.start), part.field, within)
        if isinstance(part, And):
            # Cheap parts first; what is left is all that the costly ones need to look at.
            for one in sorted(part.parts, key=self._order):
                if not within:
                    break
                within = self._rows(one, within)
            return within
        if isinstance(part, Or):
            return _union(self._rows(one, within) for one in part.parts)
        if isinstance(part, Not):
            return within - self._rows(part.part, within)
        if isinstance(part, Phrase):
            return self._phrase(part, within)
        if isinstance(part, MediaType):
            return _union(rows for kind, rows in postings.types.items() if part.part in kind) & within
        if isinstance(part, Extension):
            return postings.extensions.get(part.extension, BitMap()) & within
        if isinstance(part, Owner):
            return _union(postings.rowsOfOwners(part.prefix)) & within
        if isinstance(part, Size):
            return postings.sizes.between(part.low, part.high, within)
        if isinstance(part, Modified):
            return postings.modified.between(part.since, None if part.until is None else part.until - 1, within)
        raise TypeError(f"not an expression: {part!r}")

    def _order(self, part: Expression) -> tuple[int, int]:
        """Cheap parts before costly ones, rare words before common ones."""
        if isinstance(part, Word):
            posting = self._word(part.term)
            return 0, 0 if posting is None else len(posting.rows)
        return _cost(part), 0

    def _among(self, posting: Posting | None, field: str, within: BitMap) -> BitMap:
        if posting is None:
            return BitMap()
        rows = posting.names if field == "name" else posting.rows
        # What is in no record is in no posting.
        return rows if within is self._postings.alive else rows & within

    def _word(self, term: str) -> Posting | None:
        if term not in self._words:
            self._words[term] = self._postings.terms.get(term)
        return self._words[term]

    def _joined(self, start: str) -> Posting:
        """All the terms that begin so as if they were one, of which each row has one occurrence, and more in the name."""
        whole = self._prefixes.get(start)
        if whole is None:
            terms = self._postings.terms.beginning(start)
            # Another index may have left out other terms.
            self._partial = self._partial or len(terms) >= PREFIX_TERMS
            whole = self._prefixes[start] = _joined(self._postings, terms)
        return whole

    def _phrase(self, part: Phrase, within: BitMap) -> BitMap:
        named = within
        for term in part.indexed:
            posting = self._word(term)
            within = self._among(posting, part.field, within)
            named = self._among(posting, "name", named)
        if len(part.terms) < 2 and part.stems is None:
            return within
        inText = phrase.inText(part.terms)
        kept = BitMap()
        checked = within[:PHRASE_CHECKED]
        self._partial = self._partial or len(checked) < len(within)
        for start in range(0, len(checked), _READ_AT_ONCE):
            rows = list(checked[start : start + _READ_AT_ONCE])
            for row, packed in zip(rows, self._table.packed(rows), strict=True):
                # The location is looked at only where it has all the words.
                if packed is not None and (
                    (part.field != "name" and inText(textOf(packed)))
                    or (row in named and phrase.inName(openHead(unpack(packed).head).location, part.terms))
                ):
                    kept.add(row)
        return kept


def _flat(expression: Expression) -> list[Expression]:
    """What must all hold."""
    return [one for part in expression.parts for one in _flat(part)] if isinstance(expression, And) else [expression]


def _distinct(best: Sequence[Best], want: int) -> tuple[list[Best], list[Best]]:
    """The first of each content, C{want} of them, and the others."""
    shown: dict[int, Best] = {}
    held = []
    for one in best:
        if one[1] not in shown and len(shown) < want:
            shown[one[1]] = one
        else:
            held.append(one)
    return list(shown.values()), held


def _joined(postings: Postings, terms: Sequence[str]) -> Posting:
    rows, names = postings.terms.union(terms)
    return Posting(rows, zip(names, repeat(CODES[1 + NAME_WEIGHT, True])))


def _union(parts: Iterator[BitMap]) -> BitMap:
    some = list(parts)
    return BitMap.union(*some) if some else BitMap()


def _cost(part: Expression) -> int:
    if isinstance(part, Word | Extension | MediaType | Owner):
        return 0
    if isinstance(part, And | Or | Prefix):
        return 1
    if isinstance(part, Not):
        return 3
    return 4 if isinstance(part, Phrase) else 2

