"""
Rows and registrations in LMDB. Each change is one transaction, which also logs the rows that it touched, so that a snapshot of
the index, or a copy of the rows (L{overlay.plugins._rowscopy}), that is a little older can be brought up to date. Rows lie in the order of
their numbers, so that they fill their pages, and are found by comparing numbers.
"""

import os
import struct
import sys
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import lmdb
import msgspec

from overlay.errors import Damaged, StoreFull
from overlay.identity.ids import ID_BYTES, PeerId
from overlay.index.packed import NAME_BYTES, beginningsOf, nameOf, pack, unpack
from overlay.index.rowtable import Placed
from overlay.index.store import Registration, StoredRecord
from overlay.plugins._rowscopy import RowsCopy

COPY = "rows.flat"
_VERSION = b"version"
_STAMP = b"stamp"
_FORMAT = b"4"
_SHORTER = b"3"
"""The format before, whose rows do not say how much of them goes out; they stay among the others."""
_BY_NAME = b"2"
"""The one before that, in which rows lay by owner and record id, without their names."""
_NAMELESS = b"\x95"
_NAMED = b"\x96\xc4"
_ROW_BYTES = 4
_FIRST_MAP = 64 << 20
_FULL = (lmdb.MapFullError, lmdb.DiskError, lmdb.TxnFullError)
_DAMAGED = (
    lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.BadTxnError,
    msgspec.DecodeError, UnicodeDecodeError,
)

T = TypeVar("T")


class _Registration(msgspec.Struct, array_like=True):
    """A registration as it is stored; new fields go at the end."""

    key: bytes
    sequence: int
    digest: bytes
    records: int
    size: int
    homes: list[bytes]
    homesSigned: bytes


_encoder = msgspec.msgpack.Encoder()
_key = struct.Struct("=I").pack
_registrationDecoder = msgspec.msgpack.Decoder(_Registration)


class LmdbRows:
    """
    @param sync: whether each transaction is on the disk itself when it is done.
    @param most: bytes that the store may take; address space is taken as it grows.
    @ivar shortened: whether the file is shorter than it was made: then every row has to be read before it is trusted.
    @raise Damaged: it is no store, or a newer version's.
    """

    def __init__(self, folder: Path, sync: bool, most: int) -> None:
        self._folder = folder
        self._sync = sync
        self._most = most
        self.shortened = False
        self._copy: RowsCopy | None = None
        self._environment: lmdb.Environment | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        data = self._folder / "data.mdb"
        size = data.stat().st_size if data.exists() else 0
        with _translated():
            # The lock of the data folder keeps others away.
            environment = self._environment = lmdb.open(
                str(self._folder), map_size=min(self._most, max(_FIRST_MAP, 2 * size)), max_dbs=5, sync=self._sync,
                metasync=self._sync, lock=False, readahead=False, mode=0o600,
            )
            _closeInChildren(data)
            wanted = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
            if data.stat().st_size < wanted:
                # Beyond the end of the file reading would kill the process; beyond its content it is an error like any.
                self.shortened = size > 0
                os.truncate(data, wanted)
            self._rows = environment.open_db(b"numbered", integerkey=True)
            self._registrations = environment.open_db(b"registrations")
            self._log = environment.open_db(b"log")
            self._meta = environment.open_db(b"meta")
            with environment.begin(write=True) as writing:
                version = writing.get(_VERSION, db=self._meta)
                if version in (None, _SHORTER):
                    writing.put(_VERSION, _FORMAT, db=self._meta)
        if version == _BY_NAME:
            self._giveNumbers()
            # The library keeps the memory of all the pages that it has written at once.
            self._disconnect()
            self._open()
        elif version not in (None, _SHORTER, _FORMAT):
            raise Damaged("the store was written by another version of superpeer")

    def _giveNumbers(self) -> None:
        """Give the rows of the format before their numbers, all of them or none. No snapshot goes by these."""
        with _translated():
            named = self._env.open_db(b"rows")
        while True:
            try:
                with _translated(), self._env.begin(write=True) as writing:
                    for row, (name, value) in enumerate(writing.cursor(named)):
                        if len(name) != NAME_BYTES or value[:1] != _NAMELESS:
                            raise Damaged("a row of no name")
                        packed = b"".join((_NAMED[:1], value[1:], _NAMED[1:], bytes((NAME_BYTES,)), name))
                        writing.put(_key(row), packed, db=self._rows, append=True)
                    writing.drop(named)
                    writing.drop(self._log, delete=False)
                    writing.put(_STAMP, _number(_stampOf(writing, self._meta) + 1), db=self._meta)
                    writing.put(_VERSION, _FORMAT, db=self._meta)
                return
            except StoreFull as problem:
                if not (isinstance(problem.__cause__, lmdb.MapFullError) and self._grow()):
                    raise

    @property
    def _env(self) -> "lmdb.Environment":
        if self._environment is None:
            raise Damaged("the store is closed")
        return self._environment

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self, row: int) -> StoredRecord | None:
        with _translated():
            with self._env.begin(db=self._rows) as reading:
                value = reading.get(_key(row))
            return None if value is None else unpack(value)

    def packed(self, rows: Sequence[int]) -> list[bytes | None]:
        if self._copy is not None:
            return self._copy.packed(rows)
        with _translated(), self._env.begin(db=self._rows) as reading:
            return list(map(reading.get, map(_key, rows)))

    def beginnings(self, rows: Sequence[int]) -> list[bytes]:
        return beginningsOf(self.packed(rows)) if self._copy is None else self._copy.beginnings(rows)

    def rows(self) -> Iterator[tuple[int, bytes, StoredRecord]]:
        with _translated(), self._env.begin(db=self._rows) as reading:
            for key, value in reading.cursor():
                yield int.from_bytes(key, sys.byteorder), nameOf(value)[:ID_BYTES], unpack(value)

    def some(self, rows: Iterable[int]) -> Iterator[tuple[int, bytes, StoredRecord]]:
        """Those of these rows that are there, each with its owner."""
        with _translated(), self._env.begin(db=self._rows) as reading:
            for row in rows:
                value = reading.get(_key(row))
                if value is not None:
                    yield row, nameOf(value)[:ID_BYTES], unpack(value)

    def registrations(self) -> list[Registration]:
        found = []
        with _translated(), self._env.begin(db=self._registrations) as reading:
            for owner, value in reading.cursor():
                one = _registrationDecoder.decode(value)
                found.append(
                    Registration(
                        PeerId(owner), one.key, one.sequence, one.digest, one.records, one.size,
                        tuple(map(PeerId, one.homes)), one.homesSigned,
                    )
                )
        return found

    def stamp(self) -> int:
        """Grows by one with each change."""
        with _translated(), self._env.begin(db=self._meta) as reading:
            return _stampOf(reading, self._meta)

    def touchedSince(self, stamp: int) -> list[int] | None:
        """The rows that changed after C{stamp}, each once; None if that is not known."""
        found: dict[int, None] = {}
        expected = stamp + 1
        with _translated(), self._env.begin(db=self._log) as reading:
            cursor = reading.cursor()
            if cursor.set_range(_number(expected)):
                for number, rows in cursor:
                    if number != _number(expected) or len(rows) % _ROW_BYTES:
                        return None
                    expected += 1
                    found.update(dict.fromkeys(array("I", rows)))
        return list(found) if expected == self.stamp() + 1 else None

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, registration: Registration, put: Sequence[Placed], gone: Sequence[int], forget: bool) -> None:
        owner = registration.owner
        kept = _Registration(
            registration.key, registration.sequence, registration.digest, registration.records, registration.bytes,
            list(registration.homes), registration.homesSigned,
        )

        packed = [(row, pack(owner, one)) for row, one in put]

        def change(writing: "lmdb.Transaction") -> None:
            for row in gone:
                writing.delete(_key(row), db=self._rows)
            for row, one in packed:
                writing.put(_key(row), one, db=self._rows)
            if forget:
                writing.delete(owner, db=self._registrations)
            else:
                writing.put(owner, _encoder.encode(kept), db=self._registrations)
            stamp = _number(_stampOf(writing, self._meta) + 1)
            writing.put(_STAMP, stamp, db=self._meta)
            writing.put(stamp, array("I", [*gone, *(row for row, _ in put)]).tobytes(), db=self._log)

        self._change(change)
        if self._copy is not None:
            try:
                self._copy.change(packed, gone)
            except Exception:  # whatever becomes of the copy, the change is made
                self._giveUpCopy()

    def forgetLog(self, stamp: int) -> None:
        """A snapshot of this stamp is on disk: what changed before is not asked for again."""

        def change(writing: "lmdb.Transaction") -> None:
            cursor = writing.cursor(self._log)
            while cursor.first() and bytes(cursor.key()) <= _number(stamp):
                cursor.delete()

        self._change(change)

    def _change(self, change: "Callable[[lmdb.Transaction], None]") -> None:
        while True:
            try:
                with _translated(), self._env.begin(write=True) as writing:
                    change(writing)
                return
            except StoreFull as problem:
                if isinstance(problem.__cause__, lmdb.MapFullError) and self._grow():
                    continue
                self._reopen(problem)
                if not isinstance(problem.__cause__, lmdb.MapFullError | lmdb.TxnFullError) and self._giveUpCopy():
                    # Its room may be what is wanted.
                    continue
                raise
            except Damaged as problem:
                self._reopen(problem)
                raise

    def _grow(self) -> bool:
        size = self._env.info()["map_size"]
        if size >= self._most:
            return False
        try:
            self._env.set_mapsize(min(self._most, 2 * size))
        except (lmdb.Error, MemoryError):
            return False
        return True

    def _reopen(self, problem: Exception) -> None:
        """After a failure of the disk the library refuses all else until it is opened anew."""
        if isinstance(problem.__cause__, lmdb.MapFullError):
            return
        self._disconnect()
        try:
            self._open()
        except Exception as again:  # what was wrong before is still wrong: that is what the caller hears
            problem.add_note(str(again))

    # --- the copy for searches ---------------------------------------------------------------------------------------

    def beginCopy(self, trusted: bool) -> None:
        """
        Read rows from a copy from now on.

        @param trusted: whether what is on the disk is what was written last.
        @raise OSError: there can be none.
        """
        copy = RowsCopy(self._folder / COPY, self._whole)
        try:
            try:
                changed = self.touchedSince(copy.load()) if trusted else None
            except Damaged:
                changed = None
            if changed is None or copy.scattered:
                copy.fill()
            elif changed:
                with _translated(), self._env.begin(db=self._rows) as reading:
                    held = [(row, value) for row in sorted(changed) if (value := reading.get(_key(row))) is not None]
                copy.change(held, changed)
        except BaseException:
            copy.remove()
            raise
        self._copy = copy

    def _whole(self, since: int) -> Generator[tuple[int, bytes]]:
        with _translated(), self._env.begin(db=self._rows) as reading:
            cursor = reading.cursor()
            if cursor.set_range(_key(since)):
                for key, value in cursor:
                    yield int.from_bytes(key, sys.byteorder), value

    def saveCopy(self, stamp: int) -> None:
        """
        @param stamp: of now.
        """
        if self._copy is not None:
            try:
                self._copy.save(stamp, self._sync)
            except OSError:
                self._giveUpCopy()

    def _giveUpCopy(self) -> bool:
        """
        Searches go on without it, and the next start makes another.

        @return: whether there was one.
        """
        copy, self._copy = self._copy, None
        if copy is not None:
            copy.remove()
        return copy is not None

    def sync(self) -> None:
        """
        Have all on the disk itself.

        @raise StoreFull: the disk does not take it.
        """
        with _translated():
            self._env.sync(True)
            if self._copy is not None:
                self._copy.sync()

    def close(self) -> None:
        if self._copy is not None:
            self._copy.close()
            self._copy = None
        self._disconnect()

    def _disconnect(self) -> None:
        if self._environment is not None:
            self._environment.close()
            self._environment = None


def _closeInChildren(data: Path) -> None:
    """The library opens its file so that children would inherit it; a child that is executed must not hold it."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        return
    held = data.stat()
    for entry in sorted(descriptors.iterdir()):
        with suppress(OSError):
            opened = os.fstat(int(entry.name))
            if (opened.st_dev, opened.st_ino) == (held.st_dev, held.st_ino):
                os.set_inheritable(int(entry.name), False)


def _stampOf(transaction: "lmdb.Transaction", meta: Any) -> int:
    return int.from_bytes(transaction.get(_STAMP, db=meta) or b"\0", "big")


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")


class _translated:
    """Turns the library's errors into this project's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        if isinstance(problem, _FULL):
            raise StoreFull(str(problem)) from problem
        if isinstance(problem, _DAMAGED):
            raise Damaged(str(problem)) from problem
        if isinstance(problem, lmdb.Error | OSError):
            # The library has no class of its own for every failure of the disk.
            raise StoreFull(str(problem)) from problem
