"""
A copy of all rows in one file, for searches: a row is found by its number in one step, where a tree takes as many as it is high. The copy
is never what counts: when it is missing, too old or cannot be kept, it is made anew or done without.

In the file each row begins at a multiple of 16 bytes with its length, four bytes. A row that changes goes to another place; places that
have become free are given to rows of as many units.
"""

import hashlib
import mmap
import os
import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from overlay.errors import Damaged
from overlay.index.packed import sentOf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNIT = 16
"""Places are multiples of so many bytes."""
TOUCHED = 32
"""Of more rows the beginnings are read at once: fewer are done before the arrays are made that this takes."""
_LENGTH = 4
_size = struct.Struct("<I").unpack_from
_FORMAT = 2
_UNSAID = 1
"""The format before, which does not tell how much of each row goes out."""
_LEAST = 1 << 20
_JOINED = 1 << 20
"""Bytes that are written at once."""
_MOST = 2**32 - 1
_NOWHERE = 0


class FlatRows:
    """
    If a method that writes raises anything, the copy is of no use any more.

    @param path: of the file with the rows; where they stand is told by another one beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        # By row: where it stands, in units; the first unit is no row's.
        self._places = array("I")
        # By row: how much of it goes out as it lies.
        self._sent = array("H")
        self._end = 1
        # By size, in units: places that no row takes.
        self._free: dict[int, array[int]] = {}
        self._wasted = 0
        self._map: mmap.mmap | None = None

    def close(self) -> None:
        if self._map is not None:
            with suppress(BufferError):  # somebody still looks at it, and lets it go later
                self._map.close()
            self._map = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def remove(self) -> None:
        """Close it and give its room back."""
        self.close()
        for path in (self._path, self._beside):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    @property
    def _beside(self) -> Path:
        return self._path.with_suffix(".places")

    # --- reading -----------------------------------------------------------------------------------------------------

    def packed(self, rows: Sequence[int]) -> list[bytes | None]:
        """As L{overlay.index.rowtable.RowTable.packed}, of rows that are there or were."""
        held = self._map
        if held is None:
            return [None for _ in rows]
        begins: list[int]
        if len(rows) > TOUCHED:
            import numpy as np

            begins = self._touched(held, np.array(rows, np.intp)).tolist()
        else:
            begins = [self._places[row] * UNIT for row in rows]
        found: list[bytes | None] = []
        for at in begins:
            size, = _size(held, at)
            found.append(held[at + _LENGTH : at + _LENGTH + size] if at else None)
        return found

    def beginnings(self, rows: Sequence[int]) -> list[bytes]:
        """As L{overlay.index.rowtable.RowTable.beginnings}."""
        held, places, sent = self._map, self._places, self._sent
        if held is None:
            return [b""] * len(rows)
        if len(rows) <= TOUCHED:
            return [held[(at := places[row] * UNIT + _LENGTH) + 1 : at + sent[row]] for row in rows]
        import numpy as np

        numbers = np.array(rows, np.intp)
        begins = self._touched(held, numbers)
        begins += _LENGTH + 1
        ends = np.frombuffer(sent, np.uint16).take(numbers) + begins
        ends -= 1
        return [held[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]

    def _touched(self, held: mmap.mmap, rows: "NDArray[np.intp]") -> "NDArray[np.intp]":
        """
        Where rows begin, in bytes, after the beginning of each has been read: all at once, so that none waits for the memory of another.
        """
        import numpy as np

        begins = np.frombuffer(self._places, np.uint32).take(rows).astype(np.intp)
        begins *= UNIT
        np.frombuffer(held, np.uint8).take(begins)
        return begins

    # --- writing -----------------------------------------------------------------------------------------------------

    def change(self, put: Iterable[tuple[int, bytes]], gone: Iterable[int]) -> None:
        """
        @param put: rows that are new or replaced, packed.
        """
        for row in gone:
            self._leave(row)
            self._reach(row)
        joined: list[bytes] = []
        size = 0
        begin = self._end
        for row, packed in put:
            self._leave(row)
            self._reach(row)
            units = -(-(_LENGTH + len(packed)) // UNIT)
            entry = b"".join((len(packed).to_bytes(_LENGTH, "little"), packed, bytes(units * UNIT - _LENGTH - len(packed))))
            self._sent[row] = sentOf(packed)
            free = self._free.get(units)
            if free:
                self._places[row] = place = free.pop()
                self._wasted -= units
                self._write(entry, place)
                continue
            if self._end + units > _MOST:
                raise OSError("the copy of the rows is too large")
            self._places[row] = self._end
            self._end += units
            joined.append(entry)
            size += len(entry)
            if size >= _JOINED:
                self._write(b"".join(joined), begin)
                joined, size, begin = [], 0, self._end
        if joined:
            self._write(b"".join(joined), begin)
        self._remap()

    def _reach(self, row: int) -> None:
        if row >= len(self._places):
            more = row + 1 - len(self._places)
            self._places.frombytes(bytes(self._places.itemsize * more))
            self._sent.frombytes(bytes(self._sent.itemsize * more))

    def _leave(self, row: int) -> None:
        place = self._places[row] if row < len(self._places) else _NOWHERE
        if place == _NOWHERE or self._map is None:
            return
        at = place * UNIT
        units = -(-(_LENGTH + _size(self._map, at)[0]) // UNIT)
        self._places[row] = _NOWHERE
        self._sent[row] = 0
        free = self._free.get(units)
        if free is None:
            free = self._free[units] = array("I")
        free.append(place)
        self._wasted += units

    def _write(self, data: bytes, place: int) -> None:
        at = place * UNIT
        left = memoryview(data)
        while left:
            written = os.pwrite(self._file, left, at)
            at += written
            left = left[written:]

    def _remap(self) -> None:
        wanted = self._end * UNIT
        if self._map is not None and len(self._map) >= wanted:
            return
        size = max(_LEAST, wanted + wanted // 8)
        # Beyond what has been written nothing is read.
        os.ftruncate(self._file, size)
        if self._map is not None:
            self._map.close()
        self._map = mmap.mmap(self._file, size, access=mmap.ACCESS_READ)

    # --- from start to start -----------------------------------------------------------------------------------------

    @property
    def scattered(self) -> bool:
        """Whether more than half of the file is free places."""
        return 2 * self._wasted > self._end and self._end * UNIT > _LEAST

    def save(self, stamp: int, sync: bool) -> None:
        """
        Keep where the rows stand.

        @param stamp: of the store, with whose rows the copy agrees.
        @param sync: whether all of it has to be on the disk itself.
        """
        free = {units: places.tobytes() for units, places in self._free.items() if places}
        dumped = msgspec.msgpack.encode(
            (_FORMAT, sys.byteorder, stamp, self._end, self._wasted, self._places.tobytes(), free, self._sent.tobytes())
        )
        if sync:
            self.sync()
        new = self._beside.with_suffix(".new")
        try:
            with new.open("wb") as file:
                file.writelines((hashlib.sha256(dumped).digest(), dumped))
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(new, self._beside)
        except BaseException:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise

    def sync(self) -> None:
        """Have all rows on the disk itself."""
        os.fsync(self._file)

    def load(self) -> int:
        """
        @return: the stamp that L{save} was given last.
        @raise Damaged: there was none, or what is there does not fit together.
        """
        try:
            stored = self._beside.read_bytes()
        except FileNotFoundError as problem:
            raise Damaged("a copy of the rows that was not kept") from problem
        dumped = memoryview(stored)[32:]
        if hashlib.sha256(dumped).digest() != stored[:32]:
            raise Damaged("the places of the rows")
        try:
            form, order, stamp, end, wasted, places, free, *sent = msgspec.msgpack.decode(dumped, strict=False)
        except (msgspec.DecodeError, ValueError, TypeError) as problem:
            raise Damaged("the places of the rows") from problem
        size = os.fstat(self._file).st_size
        if (form, len(sent)) not in ((_FORMAT, 1), (_UNSAID, 0)) or order != sys.byteorder or size < end * UNIT or not size:
            raise Damaged("a copy of the rows of another kind, or cut off")
        self._end, self._wasted = end, wasted
        self._places.frombytes(places)
        self._free = {int(units): array("I", held) for units, held in free.items()}
        self._map = mmap.mmap(self._file, size, access=mmap.ACCESS_READ)
        if form == _UNSAID:
            self._sent.extend(map(self._sentAt, self._places))
        else:
            self._sent.frombytes(sent[0])
        return int(stamp)

    def _sentAt(self, place: int) -> int:
        """How much goes out of the row that stands there."""
        if place == _NOWHERE:
            return 0
        assert self._map is not None
        at = place * UNIT
        size, = _size(self._map, at)
        return sentOf(self._map[at + _LENGTH : at + _LENGTH + size])

    def fill(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Begin anew, with these rows."""
        self._unsave()
        if self._map is not None:
            self._map.close()
            self._map = None
        os.ftruncate(self._file, 0)
        self._places, self._sent, self._end, self._free, self._wasted = array("I"), array("H"), 1, {}, 0
        self.change(rows, ())

    def giveWayTo(self, other: "FlatRows") -> None:
        """Another copy takes the place of this one on the disk, which is of no use any more."""
        self._unsave()
        self.close()
        os.replace(other._path, self._path)
        other._path = self._path

    def _unsave(self) -> None:
        """
        Forget what L{save} has kept, on the disk itself: if the process or the machine stops before the next one, the old places would
        be looked for among rows that stand elsewhere by now.
        """
        try:
            self._beside.unlink()
        except FileNotFoundError:
            return
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
