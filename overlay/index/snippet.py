"""The passage of a text that shows best why it matches."""

import re
from collections.abc import Collection, Iterator, Sequence

from overlay.index.analysis import isUnspaced
from overlay.index.dialect import PLAIN, Analysis
from overlay.index.folding import fold
from overlay.index.spans import matching

LENGTH = 200
"""Characters."""
LEAD = 30
"""Characters shown before the first match."""
_SCANNED = 4000
"""Words, or matches, of a text that are looked at."""
_CUT = "..."
_APOSTROPHE = re.compile("['\u2019\u02bc]")
# A text is a stranger's: what it would do to a terminal is not shown.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def snippetOf(
    text: str, terms: Collection[str], starts: Collection[str] = (), phrases: Collection[tuple[str, ...]] = (), how: Analysis = PLAIN
) -> str:
    """
    At most L{LENGTH} characters of the text, on one line, with as many different ones of C{terms}, of terms that begin with C{starts}, and
    of C{phrases} as fit; the beginning if there are none. A text that fits is shown whole.

    @param how: terms are made of the text.
    """
    if len(text) <= LENGTH:
        return _cutOut(text, 0)
    matches = list(_matches(text, terms, starts, phrases, how)) if terms or starts or phrases else []
    return _cutOut(text, _densest(matches))


def _densest(matches: Sequence[tuple[int, int, str]]) -> int:
    """Where the window begins that has most different terms, and of such ones most matches; a window that slides over them once."""
    best, most = 0, (0, 0)
    seen: dict[str, int] = {}
    last = 0
    for first, (start, _, term) in enumerate(matches):
        last = max(last, first)
        while last < len(matches) and (last == first or matches[last][1] - start <= LENGTH - LEAD - 2 * len(_CUT) - 2):
            seen[matches[last][2]] = seen.get(matches[last][2], 0) + 1
            last += 1
        if (len(seen), last - first) > most:
            best, most = start, (len(seen), last - first)
        if seen[term] == 1:
            del seen[term]
        else:
            seen[term] -= 1
    return best


def _matches(
    text: str, terms: Collection[str], starts: Collection[str], phrases: Collection[tuple[str, ...]], how: Analysis
) -> Iterator[tuple[int, int, str]]:
    """Where the text matches, and which term; in order."""
    if not phrases and not how.stems:
        folded = fold(text)
        found = sorted({*_places(folded, terms, False), *_places(folded, starts, True)})
        # Where one letter became two and another none, places are not those of the text.
        whole = len(folded) == len(text) and bool(found) and _isThere(text, found[0]) and _isThere(text, found[-1])
        if whole or not (found or _APOSTROPHE.search(folded)):
            yield from found
            return
    for start, end, term in matching(text, terms, starts, phrases, how, _SCANNED):
        yield start, min(end, start + LENGTH // 2), term


def _isThere(text: str, place: tuple[int, int, str]) -> bool:
    start, end, term = place
    return text.isascii() or fold(text[start:end]) == term


def _places(text: str, terms: Collection[str], begin: bool) -> Iterator[tuple[int, int, str]]:
    """Where whole words are one of C{terms}, or C{begin} with one. Most searches are new, so that to compile a pattern would not pay."""
    for term in terms:
        at = text.find(term)
        number = 0
        while at >= 0 and number < _SCANNED:
            end = at + len(term)
            number += 1
            # A pair of Chinese, Japanese or Korean characters stands in the midst of others.
            if isUnspaced(term) or not ((at and text[at - 1].isalnum()) or (not begin and text[end : end + 1].isalnum())):
                yield at, end, term
            at = text.find(term, end)


def _cutOut(text: str, match: int) -> str:
    start = max(0, match - LEAD)
    if start:
        # Not in the midst of a word, unless it is a very long one.
        space = re.search(r"\s", text[start:match])
        start += space.end() if space is not None else 0
    raw = text[start : start + 2 * LENGTH]
    piece = " ".join(_CONTROL.sub(" ", raw).split())
    lead = _CUT + " " if start and text[:start].strip() else ""
    if len(lead) + len(piece) <= LENGTH and start + len(raw) >= len(text):
        return lead + piece
    piece = piece[: LENGTH - len(lead) - len(_CUT) - 1]
    head = piece.rpartition(" ")[0]
    # Scripts without spaces are cut anywhere.
    return lead + (head if len(head) > LENGTH // 2 else piece) + " " + _CUT
