"""What the tests of index and stores are made of: identities that sign cheaply, documents, records, and a naive evaluator."""

import hashlib
import math
import random
from collections.abc import Iterable, Sequence

import attrs

from overlay.identity.identity import Identity
from overlay.identity.ids import PeerId, idText
from overlay.identity.network import Network
from overlay.index import analysis
from overlay.index.bm25 import K1, NAME_WEIGHT, TITLE_WEIGHT, B, classLength, lengthClass, level
from overlay.index.document import Document
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
from overlay.index.record import makeRecord, openHead, openTerms, unpackTerms
from overlay.index.store import StoredRecord
from overlay.lab.scheme import StandInScheme

NETWORK = Network("tests", b"k" * 32, b"f" * 32)
NOW = 1_700_000_000.0
SCHEME = StandInScheme()


def identity(number: int) -> Identity:
    """Always the same for the same number."""
    return Identity.generate(random.Random(number), SCHEME)


def document(
    location: str = "Papers/one.txt",
    text: str = "",
    *,
    size: int = 100,
    modified: int = 1_600_000_000,
    mediaType: str = "text/plain",
    content: bytes | None = None,
    title: str = "",
) -> Document:
    """A document with the terms of its text."""
    terms, length = analysis.countTerms(text, 512)
    digest = content if content is not None else hashlib.sha256((location + text).encode("utf-8", "replace")).digest()
    return Document(location, location.rpartition("/")[2], size, modified, mediaType, digest, text, terms, length, title)


def record(
    owner: Identity, made: Document, number: int = 1, issued: float = NOW, expires: float = NOW + 604_800
) -> StoredRecord:
    """A document signed by its owner."""
    return makeRecord(owner, NETWORK, made, number, issued, expires)


@attrs.frozen
class Naive:
    """One record as the naive evaluator sees it."""

    owner: PeerId
    stored: StoredRecord

    @property
    def head(self):  # type: ignore[no-untyped-def]
        return openHead(self.stored.head)

    @property
    def text(self) -> str:
        return self.stored.text.decode()

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(analysis.nameWords(self.head.location)))

    @property
    def counts(self) -> dict[str, int]:
        opened = openTerms(self.stored.terms)
        terms, titles = opened.counted, opened.titles
        counts = {term: count + TITLE_WEIGHT * (term in titles) for term, count in terms}
        for name in self.names:
            counts[name] = counts.get(name, 0) + NAME_WEIGHT
        return counts

    @property
    def length(self) -> int:
        return unpackTerms(self.stored.terms)[1] + len(self.names)


def _runOf(words: Sequence[str], terms: Sequence[str]) -> bool:
    return any(tuple(words[at : at + len(terms)]) == tuple(terms) for at in range(len(words)))


def matches(one: Naive, part: Expression) -> bool:
    """By the words of L{overlay.index.expression}."""
    head = one.head
    match part:
        case Word(term, field):
            return term in one.names or (field != "name" and term in one.counts)
        case Prefix(start, field):
            return any(term.startswith(start) for term in (one.names if field == "name" else one.counts))
        case Phrase(terms, field):
            if len(terms) == 1:
                return matches(one, Word(terms[0], field))
            return all(matches(one, Word(term, field)) for term in terms) and (
                _runOf(analysis.words(head.location), terms)
                or _runOf(analysis.nameParts(head.location), terms)
                or (field != "name" and _runOf(analysis.words(one.text), terms))
            )
        case MediaType(wanted):
            return wanted in head.mediaType.lower()
        case Extension(extension):
            return head.name.lower().endswith("." + extension)
        case Size(low, high):
            return (low is None or head.size >= low) and (high is None or head.size <= high)
        case Modified(since, until):
            return (since is None or head.modified >= since) and (until is None or head.modified < until)
        case Owner(prefix):
            return idText(one.owner).startswith(prefix)
        case And(parts):
            return all(matches(one, inner) for inner in parts)
        case Or(parts):
            return any(matches(one, inner) for inner in parts)
        case Not(inner):
            return not matches(one, inner)
    raise AssertionError(part)


def scoringParts(part: Expression) -> list[tuple[str, bool]]:
    """(term, whether it is a prefix) of everything that scores, each once, in order."""
    found: dict[tuple[str, bool], None] = {}
    match part:
        case Word(term):
            found[term, False] = None
        case Prefix(start):
            found[start, True] = None
        case Phrase(terms):
            found.update(dict.fromkeys((term, False) for term in terms))
        case And(parts) | Or(parts):
            for inner in parts:
                found.update(dict.fromkeys(scoringParts(inner)))
    return list(found)


def saidTimes(part: Expression, term: str, isPrefix: bool) -> int:
    """How often a word or prefix is said, outside quotes and without a field."""
    match part:
        case And(parts) | Or(parts):
            return sum(saidTimes(inner, term, isPrefix) for inner in parts)
    return int(part == (Prefix(term) if isPrefix else Word(term)))


def occurrences(one: Naive, term: str, isPrefix: bool) -> int:
    if not isPrefix:
        return level(one.counts[term]) if term in one.counts else 0
    if not any(word.startswith(term) for word in one.counts):
        return 0
    return 1 + NAME_WEIGHT if any(word.startswith(term) for word in one.names) else 1


@attrs.frozen
class Reference:
    """What the naive evaluator gives."""

    order: list[tuple[PeerId, bytes]]
    scores: list[float]
    documents: int
    length: int
    frequencies: dict[str, int]


def evaluate(
    records: Iterable[Naive], expression: Expression, now: float = NOW, without: frozenset[bytes] = frozenset()
) -> Reference:
    """Everything that matches, best first, scored one by one by the formula as it is written in the books."""
    alive = [one for one in records if one.head.expires >= int(now) and one.owner not in without]
    average = max(1.0, sum(one.length for one in alive) / len(alive)) if alive else 1.0
    parts = scoringParts(expression)
    frequencies = {part: sum(occurrences(one, *part) > 0 for one in alive) for part in parts}
    ranked = []
    for one in alive:
        if not matches(one, expression):
            continue
        score = 0.0
        for part, frequency in frequencies.items():
            count = occurrences(one, *part)
            if count:
                idf = math.log(1 + (len(alive) - frequency + 0.5) / (frequency + 0.5))
                norm = K1 * (1 - B + B * classLength(lengthClass(one.length)) / average)
                score += max(1, saidTimes(expression, *part)) * idf * (count * (K1 + 1) / (count + norm))
        ranked.append((-score, one.head.content[:8], one.owner, one.stored.recordId))
    ranked.sort()
    return Reference(
        [(owner, recordId) for _, _, owner, recordId in ranked],
        [-score for score, *_ in ranked],
        len(alive),
        sum(one.length for one in alive),
        {term + ("*" if isPrefix else ""): number for (term, isPrefix), number in frequencies.items()},
    )
