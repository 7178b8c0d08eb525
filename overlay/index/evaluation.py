"""
An expression against posting lists: which rows match, and how well.

Scores are Okapi BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", equations 3.12 and 3.15) with k1 = 1.2 and
b = 0.75; a word of the name or location counts as if it stood L{NAME_WEIGHT} more times in the text.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from functools import reduce

from pyroaring import BitMap

from overlay.index import analysis
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
from overlay.index.postings import Postings
from overlay.index.record import openHead
from overlay.index.snippet import snippetOf
from overlay.index.store import Found, Request, Row, StoredRecord
from overlay.wire import limits

K1 = 1.2
B = 0.75
NAME_WEIGHT = 3
PHRASE_CHECKED = 20_000
"""Most rows whose text is read for one phrase; those beyond count as not matching."""

Fetch = Callable[[bytes], StoredRecord | None]
"""Gives a record by owner + record id."""


def positiveTerms(expression: Expression) -> list[str]:
    """The words that score, in the order of the expression, each once."""
    found: dict[str, None] = {}

    def walk(part: Expression) -> None:
        if isinstance(part, Word):
            found[part.term] = None
        elif isinstance(part, Phrase):
            found.update(dict.fromkeys(part.terms))
        elif isinstance(part, And | Or):
            for inner in part.parts:
                walk(inner)

    walk(expression)
    return list(found)


class Evaluation:
    """One request against one set of postings."""

    def __init__(self, postings: Postings, request: Request, fetch: Fetch) -> None:
        self._postings = postings
        self._request = request
        self._fetch = fetch
        self._prefixes: dict[str, None] = {}

    def found(self) -> Found:
        """
        @return: the best rows, best first; ties by content, then owner and id.
        """
        postings, request = self._postings, self._request
        now = max(0, int(request.now))
        rows = self._rows(request.expression)
        for owner in request.without:
            rows = rows - postings.owners.get(owner, BitMap())
        terms = list(dict.fromkeys([*positiveTerms(request.expression), *self._prefixes]))
        expires = postings.expires
        live = [row for row in rows if expires[row] >= now]
        scores = self._scores(live, terms)
        contents, keys = postings.contents, postings.keys
        order = [(-scores[row], contents[row], keys[row]) for row in live]
        kept = heapq.nsmallest(request.want + limits.HELD_KEYS, order) if len(order) > request.want else sorted(order)
        shown = kept[: request.want]
        held = kept[request.want :]
        return Found(
            rows=self._make(shown, terms),
            matched=len(live),
            held=[(key[:20], key[20:]) for _, _, key in held],  # type: ignore[misc]
            bound=-held[0][0] if held else 0.0,
            documents=len(postings.alive),
            length=postings.words,
            frequencies={
                term: len(postings.text.rows(term) | postings.name.rows(term)) for term in positiveTerms(request.expression)
            },
        )

    def _make(self, shown: Sequence[tuple[float, int, bytes]], terms: Sequence[str]) -> list[Row]:
        made = []
        for score, _, key in shown:
            record = self._fetch(key)
            if record is None:
                continue
            text = record.text.decode("utf-8", "replace")
            made.append(
                Row(
                    key[:20], key[20:], record.head, record.signature, record.key,  # type: ignore[arg-type]
                    snippetOf(text, terms) if text else "", -score,
                )
            )
        return made

    # --- scores ------------------------------------------------------------------------------------------------------

    def _scores(self, rows: Sequence[int], terms: Sequence[str]) -> dict[int, float]:
        postings = self._postings
        documents = max(1, len(postings.alive))
        average = max(1.0, postings.words / documents)
        scores = dict.fromkeys(rows, 0.0)
        lengths = postings.lengths
        chosen = BitMap(rows)
        for term in terms:
            inText, inName = postings.text.rows(term), postings.name.rows(term)
            frequency = len(inText | inName)
            if not frequency:
                continue
            weight = math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))
            for row in (inText | inName) & chosen:
                count = postings.text.count(term, row) + (NAME_WEIGHT if row in inName else 0)
                norm = K1 * (1 - B + B * lengths[row] / average)
                scores[row] += weight * count * (K1 + 1) / (count + norm)
        return scores

    # --- rows --------------------------------------------------------------------------------------------------------

    def _rows(self, part: Expression) -> BitMap:
        postings = self._postings
        if isinstance(part, Word):
            return self._word(part.term, part.field)
        if isinstance(part, And):
            return self._and(part.parts)
        if isinstance(part, Or):
            return reduce(BitMap.union, (self._rows(one) for one in part.parts), BitMap())
        if isinstance(part, Not):
            return postings.alive - self._rows(part.part)
        if isinstance(part, Prefix):
            return self._prefix(part)
        if isinstance(part, Phrase):
            return self._phrase(part)
        if isinstance(part, MediaType):
            return _union(rows for kind, rows in postings.types.items() if part.part in kind)
        if isinstance(part, Extension):
            return BitMap(postings.extensions.get(part.extension, BitMap()))
        if isinstance(part, Owner):
            return _union(postings.ownersBeginning(part.prefix))
        if isinstance(part, Size):
            return self._between(postings.sizes, part.low, part.high)
        if isinstance(part, Modified):
            return self._between(postings.modified, part.since, None if part.until is None else part.until - 1)
        raise TypeError(f"not an expression: {part!r}")

    def _and(self, parts: Sequence[Expression]) -> BitMap:
        """Cheap parts first; what is left is all that the costly ones need to look at."""
        rows: BitMap | None = None
        for part in sorted(parts, key=_cost):
            if rows is not None and not rows:
                return rows
            if isinstance(part, Not) and rows is not None:
                rows = rows - self._rows(part.part)
            elif isinstance(part, Phrase) and rows is not None:
                rows = self._phrase(part, rows)
            else:
                found = self._rows(part)
                rows = found if rows is None else rows & found
        return rows if rows is not None else BitMap(self._postings.alive)

    def _word(self, term: str, field: str) -> BitMap:
        named = self._postings.name.rows(term)
        return BitMap(named) if field == "name" else self._postings.text.rows(term) | named

    def _prefix(self, part: Prefix) -> BitMap:
        rows = BitMap()
        tables = [self._postings.name] if part.field == "name" else [self._postings.name, self._postings.text]
        for table in tables:
            for term in table.beginning(part.start):
                rows |= table.rows(term)
                if len(self._prefixes) < limits.QUERY_TERMS:
                    self._prefixes[term] = None
        return rows

    def _phrase(self, part: Phrase, within: BitMap | None = None) -> BitMap:
        rows = reduce(BitMap.intersection, (self._word(term, part.field) for term in part.terms))
        if within is not None:
            rows = rows & within
        kept = BitMap()
        for number, row in enumerate(rows):
            if number >= PHRASE_CHECKED:
                break
            record = self._fetch(self._postings.keys[row])
            if record is not None and _hasPhrase(record, part):
                kept.add(row)
        return kept

    def _between(self, column: Sequence[int], low: int | None, high: int | None) -> BitMap:
        least = 0 if low is None else low
        if high is None:
            return BitMap([row for row in self._postings.alive if column[row] >= least])
        return BitMap([row for row in self._postings.alive if least <= column[row] <= high])


def _union(parts: "object") -> BitMap:
    whole = BitMap()
    for rows in parts:  # type: ignore[attr-defined]
        whole |= rows
    return whole


def _cost(part: Expression) -> int:
    if isinstance(part, Word | Extension | MediaType | Owner):
        return 0
    if isinstance(part, And | Or | Prefix):
        return 1
    if isinstance(part, Not):
        return 3
    return 4 if isinstance(part, Phrase) else 2


def _hasPhrase(record: StoredRecord, part: Phrase) -> bool:
    head = openHead(record.head)
    if _follows(analysis.words(head.location), part.terms) or _follows(analysis.nameParts(head.location), part.terms):
        return True
    return part.field != "name" and _follows(analysis.words(record.text.decode("utf-8", "replace")), part.terms)


def _follows(words: Sequence[str], terms: Sequence[str]) -> bool:
    """Whether the terms stand one after the other among the words."""
    first, count = terms[0], len(terms)
    wanted = list(terms)
    return any(word == first and list(words[at : at + count]) == wanted for at, word in enumerate(words))
