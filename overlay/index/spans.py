"""
Where the words of a text stand in it, which L{overlay.index.analysis.words} does not say: folding makes some letters two and others none.
"""

import itertools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence

from overlay.index import analysis
from overlay.index.dialect import PLAIN, Analysis
from overlay.index.expression import Expression, Phrase, Prefix, Word, positive
from overlay.index.folding import IGNORED, fold
from overlay.wire import limits

Span = tuple[int, int, str]
"""Beginning and end in characters, and the word."""
_CHUNK = re.compile(r"\S+")
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
_APOSTROPHES = "'\u2019\u02bc"
# Voiced marks of half-width kana, and the letters of which a Hangul syllable is made: one letter when they have been folded.
_JOINED = re.compile("[\uff9e\uff9f\u1160-\u11ff\u314f-\u3163\uffc2-\uffdc]")


def spans(text: str, worth: Callable[[list[str]], bool] | None = None) -> Iterator[Span]:
    """
    The words of a text, as L{overlay.index.analysis.words} gives them, with their places, in order.

    @param worth: whether a place is wanted of any of these words, which stand between two spaces; to find places costs more than words.
    """
    if text.isascii():
        yield from _plain(text, 0)
        return
    for chunk in _CHUNK.finditer(text):
        piece = chunk.group()
        if piece.isascii():
            yield from _plain(piece, chunk.start())
        elif worth is None or worth(analysis.words(piece)):
            yield from _fine(piece, chunk.start())


def _plain(text: str, offset: int) -> Iterator[Span]:
    for match in _ASCII_WORD.finditer(text.lower()):
        yield offset + match.start(), offset + match.end(), match.group().replace("'", "")[: limits.TERM]


def _fine(piece: str, offset: int) -> Iterator[Span]:
    """Each letter with its marks is folded by itself, so that it is known where the folded letters come from."""
    starts = [at for at, one in enumerate(piece) if at == 0 or not _continues(one)]
    letters: list[str] = []
    sources: list[tuple[int, int]] = []
    for start, end in itertools.pairwise([*starts, len(piece)]):
        for one in fold(piece[start:end]):
            letters.append(one)
            sources.append((offset + start, offset + end))
    number = len(letters)
    at = 0
    while at < number:
        if not letters[at].isalnum():
            at += 1
            continue
        end = at + 1
        while end < number and (_inside(letters[end]) or _isDropped(letters, end)):
            end += 1
        for first, last, word in _cut(letters, at, end):
            span = sources[first][0], sources[last - 1][1]
            # Letters that change one another across marks are rare, and not marked rather than marked wrongly.
            if word in analysis.words(piece[span[0] - offset : span[1] - offset]):
                yield *span, word
        at = end


def _continues(one: str) -> bool:
    return unicodedata.category(one)[0] == "M" or IGNORED.match(one) is not None or _JOINED.match(one) is not None


def _inside(one: str) -> bool:
    return one.isalnum() or unicodedata.category(one) in ("Mn", "Mc")


def _isDropped(letters: Sequence[str], at: int) -> bool:
    return letters[at] in _APOSTROPHES and letters[at - 1].isalnum() and letters[at + 1 : at + 2] != [] and letters[at + 1].isalnum()


def _cut(letters: Sequence[str], start: int, end: int) -> Iterator[Span]:
    """One run of letters as words: one for each part of it that is of one kind of script, or pairs."""
    at = start
    while at < end:
        unspaced = analysis.isUnspaced(letters[at])
        last = at + 1
        while last < end and (
            analysis.isUnspaced(letters[last]) == unspaced or (unspaced and unicodedata.category(letters[last])[0] == "M")
        ):
            last += 1
        whole = [number for number in range(at, last) if letters[number] not in _APOSTROPHES]
        if unspaced:
            heads = [number for number in whole if number == at or unicodedata.category(letters[number])[0] != "M"]
            ends = [*heads[1:], last]
            if len(heads) == 1:
                yield at, last, "".join(letters[at:last])
            for number in range(len(heads) - 1):
                yield heads[number], ends[number + 1], "".join(letters[heads[number] : ends[number + 1]])
        elif whole:
            yield at, last, analysis.cut("".join(letters[number] for number in whole))
        at = last


# --- what matches -----------------------------------------------------------------------------------------------------


def matching(
    text: str, terms: Collection[str], starts: Collection[str], phrases: Collection[tuple[str, ...]] = (), how: Analysis = PLAIN,
    most: int | None = None,
) -> list[Span]:
    """
    Where a text has one of C{terms}, a term that begins with one of C{starts}, or one of C{phrases}; with what it is of those.

    @param most: words that are looked at.
    """
    wanted, begins = frozenset(terms), tuple(starts)
    heard = wanted.union(*phrases) if phrases else wanted

    def matches(term: str) -> bool:
        return bool(term) and (term in wanted or (bool(begins) and term.startswith(begins)))

    def worth(words: list[str]) -> bool:
        return not heard.isdisjoint(words) or any(map(matches, how.each(words)))

    # A phrase is broken by whatever stands in it, so that then every word is needed.
    found = list(itertools.islice(spans(text, None if phrases else worth), most))
    words = [word for _, _, word in found]
    places = [
        (start, end, term) for (start, end, _), term in zip(found, how.each(words), strict=True) if matches(term)
    ]
    for phrase in phrases:
        length = len(phrase)
        for at in range(len(words) - length + 1):
            if words[at] == phrase[0] and tuple(words[at : at + length]) == phrase:
                places.append((found[at][0], found[at + length - 1][1], " ".join(phrase)))
    return sorted(places)


def marks(text: str, expression: Expression, how: Analysis = PLAIN) -> list[tuple[int, int]]:
    """
    What of a passage an expression matches, as beginnings and ends in characters, in order, none within another: words, beginnings of
    words, and whole phrases; a word of a phrase only where it stands in one.
    """
    terms: list[str] = []
    starts: list[str] = []
    phrases: list[tuple[str, ...]] = []
    for part in positive(expression):
        if isinstance(part, Word | Prefix | Phrase) and part.field:
            continue
        if isinstance(part, Word):
            terms.append(part.term)
        elif isinstance(part, Prefix):
            starts.append(part.start)
        elif isinstance(part, Phrase):
            phrases.append(part.terms)
    merged: list[tuple[int, int]] = []
    for start, end, _ in matching(text, terms, starts, phrases, how):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
