"""
Text to terms. Every peer must analyse alike, or a word that is asked for is not the word that was indexed: L{VERSION} says how.

Text is brought to NFKC and folded (Unicode Standard, section 3.13, D145 "compatibility caseless match"), then cut into runs of letters,
digits and marks. Apostrophes inside a word are dropped. Chinese, Japanese and Korean runs, which have no spaces to cut at, become
overlapping pairs. There is no stemming: it would have to be the same everywhere, for every language.
"""

import functools
import re
import unicodedata
from collections import Counter

from overlay.wire import limits

VERSION = 1
"""Of the analysis; two peers of different versions do not understand each other's terms."""

_CJK = (
    "\u1100-\u11ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
"""Han, Kana and Hangul, as ranges of a character class."""

_ASCII_RUN = re.compile(r"[a-z0-9]+")
_ASCII_APOSTROPHE = re.compile(r"(?<=[a-z0-9])'(?=[a-z0-9])")
# U+02BC is a letter to Unicode, and an apostrophe to those who type it.
_APOSTROPHE = re.compile("(?<=\\w)['\u2019\u02bc](?=\\w)")
# Characters that nobody sees inside a word: soft hyphen, joiners, variation selectors, byte order mark.
_IGNORED = re.compile("[\u00ad\u034f\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]")
_RUN = re.compile(r"[^\W_]+")
_CJK_RUN = re.compile(f"([{_CJK}]+)")
# Borders inside a name: fooBar, HTMLFile, foo2, 2foo.
_BORDER = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])"
)


@functools.cache
def _runWithMarks() -> re.Pattern[str]:
    """A letter or digit, then letters, digits and combining marks: Devanagari and its kin write their vowels with marks."""
    marks: list[str] = []
    start: int | None = None
    for code in range(0x300, 0x1F000):
        if unicodedata.category(chr(code)) in ("Mn", "Mc"):
            start = code if start is None else start
        elif start is not None:
            marks.append(f"{chr(start)}-{chr(code - 1)}")
            start = None
    inside = "".join(marks)
    return re.compile(f"[^\\W_](?:[^\\W_]|[{inside}])*")


def fold(text: str) -> str:
    """The text as it is compared: NFKC, folded, without what nobody sees."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _IGNORED.sub("", folded)


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
    marked = any(unicodedata.combining(one) or unicodedata.category(one) in ("Mn", "Mc") for one in set(folded))
    found = []
    for run in (_runWithMarks() if marked else _RUN).findall(folded):
        if run.isascii() or not _CJK_RUN.search(run):
            found.append(_cut(run))
            continue
        for part in _CJK_RUN.split(run):
            if not part:
                continue
            if _CJK_RUN.match(part) and len(part) > 1:
                found.extend(part[at : at + 2] for at in range(len(part) - 1))
            else:
                found.append(_cut(part))
    return found


def isCJK(term: str) -> bool:
    """Whether a term is a part of a run of Chinese, Japanese or Korean."""
    return _CJK_RUN.match(term) is not None


def _cut(term: str) -> str:
    if len(term) * 4 <= limits.TERM:
        return term
    return term.encode("utf-8")[: limits.TERM].decode("utf-8", "ignore")


def _runs(name: str) -> list[str]:
    """The pieces of a name between everything that is no letter, digit or mark; case kept."""
    if name.isascii():
        return [one for one in re.split(r"[^A-Za-z0-9']+", name) if one]
    name = _IGNORED.sub("", unicodedata.normalize("NFKC", name))
    return re.findall(r"[^\s_\-./\\,;:()\[\]{}&+!?\"#%=@~^|<>*$]+", name)


def nameParts(name: str) -> list[str]:
    """The terms of a name or location with every run cut at its inner borders: C{readHTMLFile2} is read, html, file, 2."""
    found: list[str] = []
    for run in _runs(name):
        for part in _BORDER.split(run):
            found.extend(words(part))
    return found


def nameWords(name: str) -> list[str]:
    """The terms of a name or location: each run whole, followed by its parts if it has inner borders."""
    found: list[str] = []
    for run in _runs(name):
        whole = words(run)
        found.extend(whole)
        parts = [term for part in _BORDER.split(run) for term in words(part)]
        if parts != whole:
            found.extend(parts)
    return found


def countTerms(text: str, limit: int) -> tuple[tuple[tuple[str, int], ...], int]:
    """
    The distinct terms of a text with their counts, in the order of terms.

    @param limit: most distinct terms; those that occur most often stay, of equals those that come first in the text.
    @return: the terms, and the number of words in the whole text.
    """
    found = words(text)
    counted = Counter(found)
    # Counter.most_common keeps the order of first occurrence among equals.
    kept = counted.most_common(limit) if len(counted) > limit else counted.items()
    return tuple(sorted(kept)), len(found)
