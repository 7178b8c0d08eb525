"""What is known of each row besides its terms: numbers in arrays, with bitmaps of the rows of like value, so that a range needs no scan."""

import os
from array import array
from collections.abc import Callable, Iterable

from pyroaring import BitMap


def magnitude(value: int) -> int:
    """A band for sizes: four to each power of two."""
    bits = value.bit_length()
    return value if bits < 3 else 4 * bits + (value >> (bits - 3) & 3)


def fortnight(value: int) -> int:
    """A band for times: 2**20 seconds, some twelve days."""
    return value >> 20


def minutes(value: int) -> int:
    """A band for expiries: 128 seconds."""
    return value >> 7


_WIDER = {"H": "I", "I": "Q"}


def put(values: "array[int]", row: int, value: int) -> "array[int]":
    """
    Set the value of a row, or of the next one.

    @return: the same array, or a wider one if the value needs it.
    """
    try:
        if row == len(values):
            values.append(value)
        else:
            values[row] = value
    except OverflowError:
        if values.typecode not in _WIDER:
            raise
        return put(array(_WIDER[values.typecode], values), row, value)
    return values


class Column:
    """
    One number of each row, in as few bytes as the largest needs.

    @ivar bands: rows by band; C{bandOf} must not fall as the value rises. If there is none, no range is ever asked for.
    """

    __slots__ = ("bandOf", "bands", "values")

    def __init__(self, code: str, bandOf: Callable[[int], int] | None = None) -> None:
        self.values = array(code)
        self.bandOf = bandOf
        self.bands: dict[int, BitMap] = {}

    def set(self, row: int, value: int) -> None:
        """C{row} is new: the next one, or one that was cleared."""
        self.values = put(self.values, row, value)
        if self.bandOf is None:
            return
        band = self.bandOf(value)
        rows = self.bands.get(band)
        if rows is None:
            rows = self.bands[band] = BitMap()
        rows.add(row)

    def clear(self, row: int) -> None:
        if self.bandOf is None:
            return
        band = self.bandOf(self.values[row])
        rows = self.bands[band]
        rows.discard(row)
        if not rows:
            del self.bands[band]

    def clearAll(self, gone: BitMap) -> None:
        subtract(self.bands, gone)

    def between(self, low: int | None, high: int | None, within: BitMap) -> BitMap:
        """The rows among C{within} whose value is from C{low} to C{high}; None leaves an end open."""
        if (high is not None and high < 0) or (low is not None and high is not None and low > high):
            return BitMap()
        assert self.bandOf is not None
        first = self.bandOf(max(0, low)) if low is not None else None
        last = self.bandOf(high) if high is not None else None
        found = BitMap()
        values = self.values
        for band, rows in self.bands.items():
            if (first is not None and band < first) or (last is not None and band > last):
                continue
            some = rows & within
            if band in (first, last):
                some = BitMap([
                    row for row in some
                    if (low is None or values[row] >= low) and (high is None or values[row] <= high)
                ])
            found |= some
        return found

    def dump(self) -> tuple:
        return self.values.typecode, self.values.tobytes(), {band: rows.serialize() for band, rows in self.bands.items()}

    def load(self, dumped: tuple) -> None:
        code, values, bands = dumped
        self.values = array(code)
        self.values.frombytes(values)
        self.bands = {band: BitMap.deserialize(rows) for band, rows in bands.items()}


def lengths() -> Column:
    """The column of length classes."""
    return Column("B", lambda value: value)


def subtract(table: dict, gone: BitMap) -> None:
    """Take rows out of each bitmap of a table, and empty bitmaps out of it."""
    for key in list(table):
        rows = table[key]
        rows -= gone
        if rows:
            table[key] = rows
        else:
            del table[key]


class RowsById:
    """
    Finds the row of a record: a hash table with open addressing in one array, 8 to 16 bytes a record where a dictionary takes 200.

    @ivar owners: by row, number of its owner.
    @ivar ids: by row, 16 bytes of record id.
    """

    _FREE = 0
    _GONE = 1
    _FIRST = 2

    def __init__(self) -> None:
        # Owners choose their ids; the salt keeps them from choosing such as all fall together. It decides nothing else.
        self._salt = int.from_bytes(os.urandom(8), "big")
        self._slots = array("I", bytes(4 * 64))
        self._used = 0
        self.count = 0
        self.owners = array("H")
        self.ids = bytearray()

    def _start(self, owner: int, recordId: bytes) -> int:
        mixed = (int.from_bytes(recordId[:8], "big") ^ self._salt) * 0x9E3779B97F4A7C15 + owner * 0x85EBCA6B
        return (mixed >> 29) & (len(self._slots) - 1)

    def idOf(self, row: int) -> bytes:
        return bytes(self.ids[16 * row : 16 * row + 16])

    def _find(self, owner: int, recordId: bytes) -> int:
        slots, owners, ids = self._slots, self.owners, self.ids
        mask = len(slots) - 1
        at = self._start(owner, recordId)
        while slots[at] != self._FREE:
            row = slots[at] - self._FIRST
            if row >= 0 and owners[row] == owner and ids[16 * row : 16 * row + 16] == recordId:
                return at
            at = (at + 1) & mask
        return -1

    def get(self, owner: int, recordId: bytes) -> int | None:
        at = self._find(owner, recordId)
        return None if at < 0 else self._slots[at] - self._FIRST

    def put(self, row: int, owner: int, recordId: bytes) -> None:
        """The record is new; C{row} is the next one, or one that was removed."""
        if row == len(self.owners):
            self.ids += recordId
        else:
            self.ids[16 * row : 16 * row + 16] = recordId
        self.owners = put(self.owners, row, owner)
        if 3 * (self._used + 1) > 2 * len(self._slots):
            self._grow()
        self._place(row)
        self.count += 1

    def skip(self) -> None:
        """The next row is of no record."""
        self.owners.append(0)
        self.ids += bytes(16)

    def _place(self, row: int) -> None:
        mask = len(self._slots) - 1
        at = self._start(self.owners[row], self.idOf(row))
        while self._slots[at] >= self._FIRST:
            at = (at + 1) & mask
        self._used += self._slots[at] == self._FREE
        self._slots[at] = row + self._FIRST

    def _grow(self) -> None:
        rows = [one - self._FIRST for one in self._slots if one >= self._FIRST]
        size = 64
        while size < 3 * len(rows):
            size *= 2
        self._slots = array("I", [self._FREE]) * size
        self._used = 0
        for row in rows:
            self._place(row)

    def remove(self, row: int) -> None:
        at = self._find(self.owners[row], self.idOf(row))
        self._slots[at] = self._GONE
        self.count -= 1

    def removeAll(self, rows: Iterable[int]) -> None:
        for row in rows:
            self.remove(row)

    def dump(self) -> tuple:
        return self._salt, self._slots.tobytes(), self._used, self.count, self.owners.typecode, self.owners.tobytes(), bytes(self.ids)

    def load(self, dumped: tuple) -> None:
        self._salt, slots, self._used, self.count, code, owners, ids = dumped
        self._slots = array("I")
        self._slots.frombytes(slots)
        self.owners = array(code)
        self.owners.frombytes(owners)
        self.ids = bytearray(ids)

