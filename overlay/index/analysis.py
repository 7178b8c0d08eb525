"""
Text to terms. Every peer must analyse alike, or a word that is asked for is not the word that was indexed: L{VERSION} says how.

Text is folded (L{overlay.index.folding}), then cut into runs of letters, digits and marks. Apostrophes inside a word are dropped. Runs of
scripts that have no spaces to cut at become overlapping pairs. Stems and words that are left out are a network's own choice
(L{overlay.index.dialect}), made on top of this.
"""

import functools
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence

from overlay.index.folding import IGNORED, fold
from overlay.wire import limits

VERSION = limits.ANALYSIS
"""
Of the analysis; two peers of different versions do not understand each other's terms. Version 1 kept accents and had pairs for
Chinese, Japanese and Korean alone.
"""

_RANGES = (
    # Han, Kana, Hangul.
    "\u1100-\u11ff", "\u3005-\u3007", "\u3040-\u30ff", "\u3130-\u318f", "\u31f0-\u31ff", "\u3400-\u4dbf", "\u4e00-\u9fff", "\ua960-\ua97f",
    "\uac00-\ud7ff", "\uf900-\ufaff", "\U0001b000-\U0001b16f", "\U00020000-\U0003ffff",
    # Thai, Lao, Myanmar, Khmer, without their digits.
    "\u0e01-\u0e3a", "\u0e40-\u0e4e", "\u0e81-\u0ece", "\u0edc-\u0edf", "\u1000-\u103f", "\u1050-\u108f", "\u109a-\u109f", "\ua9e0-\ua9ef",
    "\ua9fa-\ua9fe", "\uaa60-\uaa7f", "\u1780-\u17d3", "\u17d7", "\u17dc-\u17dd",
)
_UNSPACED = "".join(_RANGES)
"""Scripts without spaces (and Hangul, whose words are joined from many), as ranges of a character class."""

_ASCII_RUN = re.compile(r"[a-z0-9]+")
_ASCII_APOSTROPHE = re.compile(r"(?<=[a-z0-9])'(?=[a-z0-9])")
# U+02BC is a letter to Unicode, and an apostrophe to those who type it.
_APOSTROPHE = re.compile("(?<=\\w)['\u2019\u02bc](?=\\w)")
_RUN = re.compile(r"[^\W_]+")
_UNSPACED_RUN = re.compile(f"([{_UNSPACED}]+)")
_HAS_UNSPACED = re.compile("[" + "".join(one for one in _RANGES if one[0] <= "\uffff") + "]")
# Borders inside a name: fooBar, HTMLFile, foo2, 2foo.
_BORDER = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])"
)


def _isMark(one: str) -> bool:
    return unicodedata.category(one) in ("Mn", "Mc")


@functools.cache
def _marks(first: int = 0x300, last: int = 0x1F000) -> str:
    """Combining marks, as ranges of a character class."""
    marks: list[str] = []
    start: int | None = None
    for code in range(first, last + 1):
        if code < last and _isMark(chr(code)):
            start = code if start is None else start
        elif start is not None:
            marks.append(f"{chr(start)}-{chr(code - 1)}")
            start = None
    return "".join(marks)


# A class of characters within the first 65,536 is a table; a larger one is tried range by range.
@functools.cache
def _mark() -> re.Pattern[str]:
    return re.compile(f"[{_marks(last=0x10000)}]")


_BEYOND = re.compile("[\U00010000-\U0010ffff]")


def _hasMarks(folded: str) -> bool:
    if _mark().search(folded) is not None:
        return True
    return _BEYOND.search(folded) is not None and any(map(_isMark, folded))


@functools.cache
def _runWithMarks() -> re.Pattern[str]:
    """A letter or digit, then letters, digits and combining marks: Devanagari and its kin write their vowels with marks."""
    return re.compile(f"[^\\W_](?:[^\\W_]|[{_marks(last=0x10000)}]|[{_marks(first=0x10000)}])*")


@functools.cache
def _unspacedWithMarks() -> re.Pattern[str]:
    return re.compile(f"([{_UNSPACED}][{_UNSPACED}{_marks()}]*)")


@functools.cache
def _letterWithMarks() -> re.Pattern[str]:
    return re.compile(f".[{_marks()}]*")


def words(text: str) -> list[str]:
    """
    The terms of a text, in order.

    @return: each at most C{limits.TERM} bytes of UTF-8; longer ones are cut.
    """
    folded = fold(text)
    if folded.isascii():
        if "'" in folded:
            folded = _ASCII_APOSTROPHE.sub("", folded)
        found = _ASCII_RUN.findall(folded)
        if len(folded) > limits.TERM:
            found = [one if len(one) <= limits.TERM else one[: limits.TERM] for one in found]
        return found
    folded = _APOSTROPHE.sub("", folded)
    marked = _hasMarks(folded)
    unspaced = _HAS_UNSPACED.search(folded) is not None or _BEYOND.search(folded) is not None
    found = []
    split = (_unspacedWithMarks() if marked else _UNSPACED_RUN).split
    for run in (_runWithMarks() if marked else _RUN).findall(folded):
        if not unspaced or run.isascii() or not _UNSPACED_RUN.search(run):
            found.append(cut(run))
            continue
        for part in split(run):
            if not part:
                continue
            if len(part) == 1 or not _UNSPACED_RUN.match(part):
                found.append(cut(part))
            elif not marked:
                found.extend(part[at : at + 2] for at in range(len(part) - 1))
            else:
                letters = _letterWithMarks().findall(part)
                pairs = [first + second for first, second in itertools.pairwise(letters)]
                found.extend(map(cut, pairs or letters))
    return found


def isUnspaced(term: str) -> bool:
    """Whether a term is a part of a run of a script without spaces."""
    return _UNSPACED_RUN.match(term) is not None


def cut(term: str) -> str:
    """A term within C{limits.TERM} bytes."""
    if len(term) * 4 <= limits.TERM:
        return term
    return term.encode("utf-8")[: limits.TERM].decode("utf-8", "ignore")


def _runs(name: str) -> list[str]:
    """The pieces of a name between everything that is no letter, digit or mark; case kept."""
    if name.isascii():
        return [one for one in re.split(r"[^A-Za-z0-9']+", name) if one]
    name = IGNORED.sub("", unicodedata.normalize("NFKC", name))
    return re.findall(r"[^\s_\-./\\,;:()\[\]{}&+!?\"#%=@~^|<>*$]+", name)


def _parts(run: str) -> list[str]:
    """A run cut at its inner borders."""
    if run.isascii():
        return _BORDER.split(run)
    # As the pattern says, of the letters of every script.
    kinds = "".join("U" if one.isupper() else "d" if one.isdigit() else "l" if one.isalpha() else "-" for one in run)
    cuts = [0]
    for at in range(1, len(run)):
        pair = kinds[at - 1 : at + 1]
        if pair in ("lU", "ld", "Ud", "dl", "dU") or (pair == "UU" and kinds[at + 1 : at + 2] == "l"):
            cuts.append(at)
    return [run[start:end] for start, end in zip(cuts, [*cuts[1:], len(run)], strict=True)]


def nameParts(name: str) -> list[str]:
    """The terms of a name or location with every run cut at its inner borders: C{readHTMLFile2} is read, html, file, 2."""
    return [term for run in _runs(name) for part in _parts(run) for term in words(part)]


def nameWords(name: str) -> list[str]:
    """The terms of a name or location: each run whole, followed by its parts if it has inner borders."""
    found: list[str] = []
    for run in _runs(name):
        whole = words(run)
        found.extend(whole)
        parts = [term for part in _parts(run) for term in words(part)]
        if parts != whole:
            found.extend(parts)
    return found


def counted(
    found: Sequence[str], limit: int, first: Collection[str] = ()
) -> tuple[tuple[tuple[str, int], ...], int]:
    """
    The distinct terms among C{found} with their counts, in the order of terms.

    @param limit: most distinct terms; those that occur most often stay, of equals those that come first in the text.
    @param first: terms that stay before all others if they are there.
    @return: the terms, and the number of words in the whole text.
    """
    numbers = Counter(found)
    if len(numbers) <= limit:
        return tuple(sorted(numbers.items())), len(found)
    # Counter.most_common, and sorting, keep the order of first occurrence among equals.
    ordered = sorted(numbers.items(), key=lambda one: (one[0] not in first, -one[1])) if first else numbers.most_common(limit)
    return tuple(sorted(ordered[:limit])), len(found)


def countTerms(text: str, limit: int) -> tuple[tuple[tuple[str, int], ...], int]:
    """The distinct terms of a text with their counts; see L{counted}."""
    return counted(words(text), limit)
