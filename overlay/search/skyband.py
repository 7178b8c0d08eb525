"""
Which records are beaten by so many others that they cannot be among the best, whatever the numbers of all records are: the k-skyband of
Papadias et al. 2005, of records that come one after the other.

Records of like parts are one kind. Kinds are bits of whole numbers, one such number for each length class and for each level of each word,
so that those that cover given parts (see L{overlay.index.scoring}) are found by a few operations on whole numbers.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from overlay.index.scoring import Parts

KINDS_MOST = 1024
"""Kinds that are kept; records of further ones beat nobody."""


class Skyband:
    """
    @param want: rows wanted. Records of one content are one row.
    """

    __slots__ = ("_contents", "_further", "_kinds", "_lengths", "_levels", "_numbers", "_repeated", "_waiting", "_want")

    def __init__(self, want: int) -> None:
        self._want = want
        self._numbers: dict[Parts, int] = {}
        # By number of the kind; in order.
        self._contents: list[list[bytes]] = []
        self._lengths: dict[int, int] = {}
        self._levels: list[dict[int, int]] = []
        # Kinds by the binary digits of how many contents they have beyond the first.
        self._further: list[int] = []
        # In how many kinds each content is, and how many are in more than one.
        self._kinds: dict[bytes, int] = {}
        self._repeated = 0
        # Records that nobody has been compared with yet: most searches find so few that it never comes to that.
        self._waiting: list[tuple[Parts, bytes]] = []

    def isBeaten(self, parts: Parts, content: bytes) -> bool:
        """Whether C{want} rows are better; or so many records, and its own row is there already."""
        want = self._want
        if self._kinds or len(self._waiting) >= want:
            for waiting in self._waiting:
                self._take(*waiting)
            self._waiting.clear()
        else:
            return False
        number = self._numbers.get(parts)
        own = [] if number is None else self._contents[number]
        above = self._covering(parts)
        if number is not None:
            above &= ~(1 << number)
        beaten = bisect_right(own, content) + above.bit_count()
        for place, kinds in enumerate(self._further):
            beaten += (above & kinds).bit_count() << place
        if beaten < want:
            return False
        if not self._repeated and content not in self._kinds:
            return True
        rows = set(own[: bisect_left(own, content)])
        for one in _bits(above):
            rows.update(self._contents[one])
            if len(rows) > want:
                # So many even without its own row.
                return True
        again = content in rows or content in own
        rows.discard(content)
        return again or len(rows) >= want

    def _covering(self, parts: Parts) -> int:
        """The kinds that cover these parts, as bits."""
        if not any(parts[1:]):
            return (1 << len(self._contents)) - 1
        found = 0
        length = parts[0]
        for one, kinds in self._lengths.items():
            if one <= length:
                found |= kinds
        for place, level in enumerate(parts[1:]):
            if level and found:
                some = 0
                for one, kinds in self._levels[place].items() if place < len(self._levels) else ():
                    if one >= level:
                        some |= kinds
                found &= some
        return found

    def add(self, parts: Parts, content: bytes) -> None:
        """A record, which from now on counts among those that beat others."""
        self._waiting.append((parts, content))

    def _take(self, parts: Parts, content: bytes) -> None:
        number = self._numbers.get(parts)
        if number is None:
            number = len(self._contents)
            if number >= KINDS_MOST:
                return
            self._numbers[parts] = number
            self._contents.append([])
            self._lengths[parts[0]] = self._lengths.get(parts[0], 0) | 1 << number
            while len(self._levels) < len(parts) - 1:
                self._levels.append({})
            for levels, level in zip(self._levels, parts[1:], strict=False):
                if level:
                    levels[level] = levels.get(level, 0) | 1 << number
        contents = self._contents[number]
        insort(contents, content)
        further = len(contents) - 1
        # Counted up by one: digits change from the lowest to the first that becomes 1.
        for place in range((further & -further).bit_length()):
            if place == len(self._further):
                self._further.append(0)
            self._further[place] ^= 1 << number
        times = self._kinds[content] = self._kinds.get(content, 0) + 1
        self._repeated += times == 2


def _bits(number: int) -> Iterator[int]:
    """The places of the bits that are set, lowest first."""
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest
