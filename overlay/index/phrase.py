"""Whether words stand one after the other."""

import re
from collections.abc import Callable, Sequence

from overlay.index import analysis
from overlay.wire import limits

_APOSTROPHE = re.compile(rb"(?<=[a-z0-9])'(?=[a-z0-9])")


def follows(words: Sequence[str], terms: Sequence[str]) -> bool:
    """Whether C{terms} stand one after the other among C{words}."""
    first, length, wanted = terms[0], len(terms), list(terms)
    at = -1
    try:
        while True:
            at = words.index(first, at + 1)
            if list(words[at : at + length]) == wanted:
                return True
    except ValueError:
        return False


def inName(location: str, terms: Sequence[str]) -> bool:
    """Whether they do so in a location, its runs taken whole or cut at their inner borders."""
    return follows(analysis.words(location), terms) or follows(analysis.nameParts(location), terms)


def inText(terms: Sequence[str]) -> Callable[[bytes], bool]:
    """
    A test for texts (UTF-8). One in ASCII is searched as it is, some twenty times faster than cut into words.
    """
    plain: re.Pattern[bytes] | None = None
    if all(term.isascii() for term in terms):
        joined = rb"[^a-z0-9]+".join(re.escape(term.encode("ascii")) for term in terms)
        plain = re.compile(rb"(?<![a-z0-9])" + joined + rb"(?![a-z0-9])")

    def test(text: bytes) -> bool:
        # A word that was cut for its length is found only by cutting the text likewise.
        if text.isascii() and max(map(len, terms)) < limits.TERM:
            if plain is None:
                return False
            folded = text.lower()
            if b"'" in folded:
                folded = _APOSTROPHE.sub(b"", folded)
            return plain.search(folded) is not None
        return follows(analysis.words(text.decode("utf-8", "replace")), terms)

    return test
