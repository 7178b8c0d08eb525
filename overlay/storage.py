"""
Where a peer keeps its small durable tables: SQLite in the daemon, dictionaries in the lab.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from twisted.logger import Logger
from zope.interface import Interface, implementer

from overlay.errors import Damaged, StoreFull

_VERSION = 1


class ITable(Interface):
    """A small durable map. In the lab it is a dictionary, in the daemon a table of SQLite."""

    def get(key: bytes) -> bytes | None:
        """The value, or None."""

    def put(key: bytes, value: bytes) -> None:
        """Durable against a killed process when the call returns."""

    def putMany(items: Iterable[tuple[bytes, bytes]]) -> None:
        """All or none of them."""

    def remove(key: bytes) -> None:
        """No error if it is not there."""

    def removeMany(keys: Iterable[bytes]) -> None:
        """All or none."""

    def items() -> Iterable[tuple[bytes, bytes]]:
        """A list of all, in the order of keys."""

    def keys() -> Iterable[bytes]:
        """A list of all keys, in order."""

    def count() -> int:
        """How many."""


class IStorage(Interface):
    """Where one peer keeps what outlives it."""

    def table(name: str) -> ITable:
        """The table of that name, made if need be."""

    def softTable(name: str, log: Logger, remember: bool = True) -> ITable:
        """The same table for what the peer can do without while the disk is full; see L{SoftTable}. Always the same object."""

    def folder(name: str) -> str | None:
        """Path of a private folder for a store's own files; None where there is no disk."""

    def close() -> None:
        """No use afterwards."""


_NOTHING: Mapping[bytes, bytes | None] = MappingProxyType({})


_FEW = 12
"""Rows up to which a table in memory is looked through from the first to the last."""


@implementer(ITable)
class MemoryTable:
    """
    A table in memory. A peer has a dozen, most of them empty or of one row, and a dictionary of one row takes four times what two
    values take: so keys and values of a small table are one after the other in a tuple, and of others in a dictionary.
    """

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: tuple[bytes, ...] | dict[bytes, bytes] = ()

    def get(self, key: bytes) -> bytes | None:
        rows = self._rows
        if isinstance(rows, dict):
            return rows.get(key)
        for at in range(0, len(rows), 2):
            if rows[at] == key:
                return rows[at + 1]
        return None

    def _whole(self) -> dict[bytes, bytes]:
        rows = self._rows
        return rows if isinstance(rows, dict) else dict(zip(rows[::2], rows[1::2], strict=True))

    def _keep(self, rows: dict[bytes, bytes]) -> None:
        self._rows = rows if len(rows) > _FEW else tuple(one for row in rows.items() for one in row)

    def put(self, key: bytes, value: bytes) -> None:
        rows = self._rows
        if isinstance(rows, dict):
            rows[key] = value
            return
        for at in range(0, len(rows), 2):
            if rows[at] == key:
                self._rows = (*rows[: at + 1], value, *rows[at + 2 :])
                return
        if len(rows) < 2 * _FEW:
            self._rows = (*rows, key, value)
        else:
            self.putMany([(key, value)])

    def putMany(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        rows = self._whole()
        rows.update(items)
        self._keep(rows)

    def remove(self, key: bytes) -> None:
        self.removeMany([key])

    def removeMany(self, keys: Iterable[bytes]) -> None:
        if self._rows:
            rows = self._whole()
            for key in keys:
                rows.pop(key, None)
            self._keep(rows)

    def items(self) -> list[tuple[bytes, bytes]]:
        return sorted(self._whole().items())

    def keys(self) -> list[bytes]:
        return sorted(self._whole())

    def count(self) -> int:
        rows = self._rows
        return len(rows) if isinstance(rows, dict) else len(rows) // 2


@implementer(ITable)
class SoftTable:
    """
    A table of what the peer can do without for a while: when the disk is full, that is logged, and the peer goes on.

    What could not be written is remembered, and written with the next change that can be; with C{remember} false it is let go.
    """

    __slots__ = ("_full", "_log", "_remember", "_table", "_unsaved")

    def __init__(self, table: ITable, log: Logger, remember: bool = True) -> None:
        self._table = table
        self._log = log
        self._remember = remember
        self._unsaved: Mapping[bytes, bytes | None] = _NOTHING
        self._full = False

    def get(self, key: bytes) -> bytes | None:
        return self._unsaved[key] if key in self._unsaved else self._table.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self._change({key: value})

    def putMany(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        self._change(dict(items))

    def remove(self, key: bytes) -> None:
        self._change({key: None})

    def removeMany(self, keys: Iterable[bytes]) -> None:
        self._change(dict.fromkeys(keys))

    def items(self) -> list[tuple[bytes, bytes]]:
        rows = {**dict(self._table.items()), **self._unsaved}
        return sorted((key, value) for key, value in rows.items() if value is not None)

    def keys(self) -> list[bytes]:
        return [key for key, _ in self.items()] if self._unsaved else list(self._table.keys())

    def count(self) -> int:
        return len(self.items()) if self._unsaved else self._table.count()

    def _change(self, rows: Mapping[bytes, bytes | None]) -> None:
        whole = {**self._unsaved, **rows}
        try:
            self._table.putMany([(key, value) for key, value in whole.items() if value is not None])
            self._table.removeMany([key for key, value in whole.items() if value is None])
        except StoreFull as problem:
            if not self._full:
                self._log.error("the state of this peer is not saved: {problem}", problem=problem)
            self._full = True
            if self._remember:
                self._unsaved = whole
            return
        if self._full:
            self._log.info("the state of this peer is saved again")
        self._full = False
        self._unsaved = _NOTHING


@implementer(IStorage)
class MemoryStorage:
    """
    Keeps everything in memory. Given to a second peer of the same identity it is what a disk is to a restarted daemon.
    """

    __slots__ = ("_tables",)

    def __init__(self) -> None:
        # Names and tables, one after the other: each is asked for once, at the start.
        self._tables: list[Any] = []

    def table(self, name: str) -> MemoryTable:
        for at in range(0, len(self._tables), 2):
            if self._tables[at] == name:
                found: MemoryTable = self._tables[at + 1]
                return found
        return self._added(name, MemoryTable())

    def _added(self, name: str, table: MemoryTable) -> MemoryTable:
        # A peer has a dozen; append would leave room for more.
        self._tables = [*self._tables, name, table]
        return table

    def softTable(self, name: str, log: Logger, remember: bool = True) -> MemoryTable:
        # Memory is never full.
        return self.table(name)

    def folder(self, name: str) -> str | None:
        return None

    def close(self) -> None:
        """Nothing to release."""


@implementer(ITable)
class _SqliteTable:
    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = f'"t_{name}"'
        with _translated():
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {self._name} (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
            )

    def get(self, key: bytes) -> bytes | None:
        with _translated():
            row = self._connection.execute(f"SELECT value FROM {self._name} WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def put(self, key: bytes, value: bytes) -> None:
        self.putMany([(key, value)])

    def putMany(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        with _translated(), self._connection:
            self._connection.executemany(f"INSERT OR REPLACE INTO {self._name} VALUES (?, ?)", items)

    def remove(self, key: bytes) -> None:
        self.removeMany([key])

    def removeMany(self, keys: Iterable[bytes]) -> None:
        with _translated(), self._connection:
            self._connection.executemany(f"DELETE FROM {self._name} WHERE key = ?", ((key,) for key in keys))

    def items(self) -> list[tuple[bytes, bytes]]:
        with _translated():
            return self._connection.execute(f"SELECT key, value FROM {self._name} ORDER BY key").fetchall()

    def keys(self) -> list[bytes]:
        with _translated():
            return [row[0] for row in self._connection.execute(f"SELECT key FROM {self._name} ORDER BY key")]

    def count(self) -> int:
        with _translated():
            return self._connection.execute(f"SELECT count(*) FROM {self._name}").fetchone()[0]


class _translated:
    """Turns SQLite's errors into this project's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        if isinstance(problem, sqlite3.OperationalError | sqlite3.DatabaseError):
            if isinstance(problem, sqlite3.OperationalError):
                raise StoreFull(str(problem)) from problem
            raise Damaged(str(problem)) from problem


@implementer(IStorage)
class DiskStorage:
    """
    Tables in C{state.sqlite} of the data folder, with a write-ahead log: a killed process loses nothing that was put.

    @raise Damaged: the file is no database, or of a newer version.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        path = data / "state.sqlite"
        try:
            self._connection = sqlite3.connect(path, check_same_thread=True)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise Damaged(f"{path} was written by a newer version of superpeer")
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")
        except sqlite3.Error as problem:
            raise Damaged(f"{path} ({problem})") from problem
        path.chmod(0o600)
        self._tables: dict[str, _SqliteTable] = {}
        self._soft: dict[str, SoftTable] = {}

    def table(self, name: str) -> _SqliteTable:
        if not name.replace("-", "").isalnum():
            raise ValueError(f"not a table name: {name!r}")
        if name not in self._tables:
            self._tables[name] = _SqliteTable(self._connection, name)
        return self._tables[name]

    def softTable(self, name: str, log: Logger, remember: bool = True) -> SoftTable:
        if name not in self._soft:
            self._soft[name] = SoftTable(self.table(name), log, remember)
        return self._soft[name]

    def folder(self, name: str) -> str | None:
        path = self._data / name
        path.mkdir(mode=0o700, exist_ok=True)
        return str(path)

    def close(self) -> None:
        self._connection.close()
