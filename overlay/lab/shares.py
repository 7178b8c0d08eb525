"""What peers share in the lab: items by popularity, skewed numbers of them, and many who share nothing."""

import bisect
import hashlib
import itertools
import math
import random
from functools import lru_cache

import attrs

from overlay.index import analysis
from overlay.index.document import Document

SPREAD = 1.55
"""
Standard deviation of the logarithm of the number of files: of those who share, the top 3 % then hold 37 % of all, as was measured of
Gnutella (Saroiu 2002), where they were 1 % of all peers.
"""
MOST = 40
"""Times the mean: nobody shares more."""
GROUP = 150
"""Owners whose common word a search for recall looks for, about: fewer than a search may want."""


def spelled(prefix: str, number: int) -> str:
    """A number as letters, so that it is one term of a text."""
    return prefix + "".join(chr(ord("a") + int(digit)) for digit in str(number))


def documentOf(location: str, text: str, modified: int = 1_700_000_000, mediaType: str = "text/plain", size: int | None = None) -> Document:
    """
    A document as the share room would make it.

    @param size: bytes; None for those of the text.
    """
    terms, length = analysis.countTerms(text, 512)
    whole = text.encode("utf-8")
    content = hashlib.sha256(whole + location.encode() * (not whole)).digest()
    return Document(
        location, location.rpartition("/")[2], len(whole) if size is None else size, modified, mediaType, content, text[:4096],
        terms, length,
    )


@lru_cache(100_000)
def itemDocument(item: int) -> Document:
    """The file of one item, the same at all who have it."""
    word = spelled("item", item)
    return documentOf(f"share/{word}.txt", f"{word} a file of many")


@attrs.frozen(kw_only=True)
class Shares:
    """
    @ivar sharers: part of the peers that share anything, 0 to 1.
    @ivar files: mean number of items of those.
    @ivar items: different items there are.
    @ivar zipf: exponent of their popularity: the chance of rank r is as 1/r^zipf.
    @ivar groups: words for recall; see L{groupsFor}.
    """

    sharers: float
    files: float
    items: int
    zipf: float
    groups: int
    _sums: list[float] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(
            self, "_sums", list(itertools.accumulate(1 / rank**self.zipf for rank in range(1, self.items + 1)))
        )

    def item(self, rng: random.Random) -> int:
        """One item, by popularity: the most popular is 0."""
        return min(bisect.bisect_left(self._sums, rng.random() * self._sums[-1]), self.items - 1)

    def count(self, rng: random.Random) -> int:
        """Items of one who shares."""
        drawn = rng.lognormvariate(math.log(self.files) - SPREAD**2 / 2, SPREAD)
        return max(1, min(round(drawn), round(MOST * self.files), self.items))

    def draw(self, number: int, rng: random.Random) -> list[Document]:
        """
        What one peer shares that shares anything.

        @param number: of the peer; its group, and its own document, follow from it.
        """
        chosen: dict[int, None] = {}
        wanted = self.count(rng)
        # Popular items are drawn again and again, so the tries have an end.
        for _ in range(4 * wanted):
            chosen[self.item(rng)] = None
            if len(chosen) == wanted:
                break
        return [self.about(number), *map(itemDocument, sorted(chosen))]

    def groupOf(self, number: int) -> int:
        """The group of a peer."""
        return number % self.groups

    def about(self, number: int) -> Document:
        """The one document that only this peer has: the word of its group, and its own."""
        own = spelled("peer", number)
        return documentOf(f"about/{own}.txt", f"{groupWord(self.groupOf(number))} {own}")


def groupWord(group: int) -> str:
    """What a search for a group looks for."""
    return spelled("group", group)


def groupsFor(peers: int, sharers: float) -> int:
    """So many groups that one has about L{GROUP} owners."""
    return max(1, math.ceil(peers * sharers / GROUP))
