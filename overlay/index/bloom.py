"""
Which terms there are, in little space: one bit for each term in a field of 2**24, kept and sent as the sorted positions of the ones.

This is a Bloom filter with one hash function, compressed (Mitzenmacher 2002, "Compressed Bloom Filters"): a field so sparse that one
position a term is enough takes no more room than a full one with seven, since only the ones are kept, and a change of one term is a change
of one position. A term that is not there is taken for one that is with a chance of fill: 0.06 % with 10,000 terms, 0.6 % with 100,000, 6 %
with a million. That costs messages, and never a hit. On the way a position is one to three bytes: the gap to the one before.

All filters have the same size, so that those of many super-peers are joined by a union, and taken apart again.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import accumulate

from pyroaring import BitMap

from overlay.errors import Malformed
from overlay.index.expression import And, Expression, Extension, Or, Phrase, Word, isFilter

BITS = 24
FIELD = 1 << BITS
"""Positions of a filter."""
FULL = 0.6
"""Part of its positions from which on a filter is held to prove nothing."""
_SHIFT = 32 - BITS
_MARK = "\0"
"""Begins what is no term of a text."""


def positionOf(term: str) -> int:
    """
    0 to L{FIELD} - 1. A checksum is enough: whoever finds two terms of one position has made a search for the one visit where the other
    is, which sharing the term would do as well.
    """
    return zlib.crc32(term.encode("utf-8", "surrogatepass")) * 0x9E3779B1 % 2**32 >> _SHIFT


def extensionTerm(extension: str) -> str:
    """Stands for the ending of a name."""
    return f"{_MARK}ext:{extension}"


def provesEmpty(expression: Expression, has: Callable[[str], bool]) -> bool:
    """
    @param has: whether there may be a record with a term.
    @return: whether no record can match. What is not looked at here (beginnings of words, sizes, times, negations) proves nothing; nor
    does the ending of a name beside words: whoever holds these has to say how many records the ending leaves out.
    """
    if isinstance(expression, Word):
        return not has(expression.term)
    if isinstance(expression, Phrase):
        return not all(map(has, expression.indexed))
    if isinstance(expression, Extension):
        return not has(extensionTerm(expression.extension))
    if isinstance(expression, And):
        words = [part for part in expression.parts if not isFilter(part)]
        return any(provesEmpty(part, has) for part in words or expression.parts)
    if isinstance(expression, Or):
        return bool(expression.parts) and all(provesEmpty(part, has) for part in expression.parts)
    return False


class Counts:
    """
    How many records have each position, so that it is known when the last one has gone: the binary digits of the counts, each digit of
    all of them as one bitmap, which takes 3 to 4 bytes a term.

    @ivar some: the positions of which there is at least one.
    """

    __slots__ = ("_digits", "some")

    def __init__(self) -> None:
        self._digits: list[BitMap] = []
        self.some = BitMap()

    def add(self, records: Iterable[Iterable[int]]) -> BitMap:
        """
        @param records: the positions of each record that comes.
        @return: the positions of which there was none before.
        """
        came = BitMap()
        for place, carry in self._placed(records):
            came |= carry
            at = place
            while carry:
                while at >= len(self._digits):
                    self._digits.append(BitMap())
                digit = self._digits[at]
                more = digit & carry
                digit ^= carry
                carry, at = more, at + 1
        came -= self.some
        self.some |= came
        return came

    def remove(self, records: Iterable[Iterable[int]]) -> BitMap:
        """
        @param records: the positions of each record that goes; each was added.
        @return: the positions of which there is none any more.
        """
        touched = BitMap()
        for place, borrow in self._placed(records):
            touched |= borrow
            at = place
            while borrow and at < len(self._digits):
                digit = self._digits[at]
                more = borrow - digit
                digit ^= borrow
                borrow, at = more, at + 1
        touched &= self.some
        left = BitMap.union(*(digit & touched for digit in self._digits)) if self._digits else BitMap()
        touched -= left
        self.some -= touched
        return touched

    @staticmethod
    def _placed(records: Iterable[Iterable[int]]) -> list[tuple[int, BitMap]]:
        """The numbers to add, digit by digit."""
        counts = Counter(one for record in records for one in record)
        placed: dict[int, list[int]] = {}
        for position, count in counts.items():
            place = 0
            while count:
                if count & 1:
                    placed.setdefault(place, []).append(position)
                count, place = count >> 1, place + 1
        return [(place, BitMap(some)) for place, some in sorted(placed.items())]


# --- as they travel ---------------------------------------------------------------------------------------------------


def packed(positions: BitMap) -> bytes:
    """Positions as gaps, each of one to four bytes of seven bits, the lowest first."""
    data = bytearray()
    last = -1
    for position in positions:
        gap = position - last - 1
        last = position
        while gap > 0x7F:
            data.append(gap & 0x7F | 0x80)
            gap >>= 7
        data.append(gap)
    return bytes(data)


def unpacked(data: bytes) -> BitMap:
    """
    @raise Malformed: these are no positions of a filter.
    """
    gaps: list[int] = []
    gap = shift = 0
    for byte in data:
        gap |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            if shift > 21:
                raise Malformed("a gap of more than four bytes")
        else:
            gaps.append(gap + 1)
            gap = shift = 0
    if shift:
        raise Malformed("a gap that is cut short")
    if not gaps:
        return BitMap()
    gaps[0] -= 1
    positions = list(accumulate(gaps))
    if positions[-1] >= FIELD:
        raise Malformed("a position beyond the filter")
    return BitMap(positions)
