"""The passage of a text that shows best why it matches."""

import re
from collections.abc import Collection

from overlay.index.analysis import words

LENGTH = 200
"""Characters."""
_WORD = re.compile(r"\S+")
_SCANNED = 4000
"""Words of a text that are looked at."""


def snippetOf(text: str, terms: Collection[str]) -> str:
    """
    At most L{LENGTH} characters of the text, on one line, with as many different ones of C{terms} as fit; the beginning if there are none.
    """
    spans: list[tuple[int, int, frozenset[str]]] = []
    wanted = set(terms)
    for number, match in enumerate(_WORD.finditer(text)):
        if number >= _SCANNED or not wanted:
            break
        found = wanted.intersection(words(match.group()))
        if found:
            spans.append((match.start(), match.end(), frozenset(found)))
    if not spans:
        return _cut(text, 0)
    best, most = spans[0][0], 0
    for index, (start, _, _) in enumerate(spans):
        seen: set[str] = set()
        for _, end, found in spans[index:]:
            if end - start > LENGTH - 40:
                break
            seen |= found
        if len(seen) > most:
            best, most = start, len(seen)
    return _cut(text, max(0, best - 30))


def _cut(text: str, start: int) -> str:
    if start:
        space = text.find(" ", start, start + 30)
        start = space + 1 if space >= 0 else start
    piece = " ".join(text[start : start + 2 * LENGTH].split())
    lead = "... " if start else ""
    if len(lead) + len(piece) <= LENGTH:
        return lead + piece
    piece = piece[: LENGTH - len(lead) - 4]
    return lead + piece.rsplit(" ", 1)[0] + " ..."
