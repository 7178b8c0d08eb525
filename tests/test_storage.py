"""Durable tables: the same behaviour in memory and on disk."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger

from overlay.errors import Damaged, StoreFull
from overlay.storage import DiskStorage, IStorage, MemoryStorage, MemoryTable, SoftTable

keys = st.binary(max_size=4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, st.binary(max_size=8)),
        st.tuples(st.just("remove"), keys),
        st.tuples(st.just("putMany"), st.dictionaries(keys, st.binary(max_size=4), max_size=4).map(lambda d: list(d.items()))),
        st.tuples(st.just("removeMany"), st.lists(keys, max_size=4)),
    ),
    max_size=20,
)


@given(steps)
def test_memoryAndDiskAgree(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple]) -> None:
    """Any sequence of calls leaves the same rows, in memory, on disk, and on disk after opening it again."""
    data = tmp_path_factory.mktemp("data")
    memory, disk = MemoryStorage(), DiskStorage(data)
    for name, *arguments in steps:
        for storage in (memory, disk):
            getattr(storage.table("t"), name)(*arguments)
    disk.close()
    again = DiskStorage(data)
    table = again.table("t")
    assert table.items() == memory.table("t").items()
    assert table.keys() == memory.table("t").keys() and table.count() == memory.table("t").count()
    for key, _ in table.items():
        assert table.get(key) == memory.table("t").get(key)
    again.close()


def test_tablesAreApart(tmp_path: Path) -> None:
    """What is put in one table is not in another; a key that is missing gives None."""
    for storage in (MemoryStorage(), DiskStorage(tmp_path)):
        storage.table("a").put(b"k", b"v")
        assert (storage.table("a").get(b"k"), storage.table("b").get(b"k")) == (b"v", None)
        storage.close()


def test_killedProcess(tmp_path: Path) -> None:
    """What was put is there although nothing was closed."""
    first = DiskStorage(tmp_path)
    first.table("t").put(b"k", b"v")
    second = DiskStorage(tmp_path)
    assert second.table("t").get(b"k") == b"v"
    second.close()
    first.close()


def test_private(tmp_path: Path) -> None:
    """The file is readable by its owner alone, and so is a folder that a store gets."""
    storage: IStorage = DiskStorage(tmp_path)
    folder = storage.folder("store")
    assert (tmp_path / "state.sqlite").stat().st_mode & 0o077 == 0
    assert folder is not None and Path(folder).stat().st_mode & 0o077 == 0
    assert MemoryStorage().folder("store") is None
    storage.close()


@pytest.mark.parametrize("content", [b"no database at all, but longer than a header would be" * 9, b"SQLite format 3\0" + b"x" * 4000])
def test_damaged(tmp_path: Path, content: bytes) -> None:
    """A damaged file is named."""
    (tmp_path / "state.sqlite").write_bytes(content)
    with pytest.raises(Damaged, match=r"state\.sqlite"):
        DiskStorage(tmp_path)


def test_newerVersion(tmp_path: Path) -> None:
    """A file of a newer version is not touched."""
    connection = sqlite3.connect(tmp_path / "state.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Damaged, match="newer version"):
        DiskStorage(tmp_path)


def test_diskFull(tmp_path: Path) -> None:
    """A full disk is said as such, and what was there stays."""
    storage = DiskStorage(tmp_path)
    table = storage.table("t")
    table.put(b"k", b"v")
    storage._connection.execute("PRAGMA max_page_count = 10")
    with pytest.raises(StoreFull):
        table.put(b"big", b"x" * 200_000)
    assert table.items() == [(b"k", b"v")]
    storage.close()


def test_tableNames(tmp_path: Path) -> None:
    """A table's name is a word."""
    storage = DiskStorage(tmp_path)
    with pytest.raises(ValueError, match="not a table name"):
        storage.table('x"; DROP')
    storage.close()


class Full(MemoryTable):
    """A disk that may be full."""

    full = False

    def putMany(self, items):
        if self.full:
            raise StoreFull("database or disk is full")
        super().putMany(items)


@pytest.mark.parametrize("remember", [True, False])
def test_softTable(remember: bool) -> None:
    """When the disk is full the peer goes on with what it knows, and writes it down once there is room."""
    table = Full()
    soft = SoftTable(table, Logger(), remember)
    soft.putMany([(b"a", b"1"), (b"b", b"2")])
    table.full = True
    soft.put(b"c", b"3")
    soft.remove(b"a")
    kept = [(b"b", b"2"), (b"c", b"3")] if remember else [(b"a", b"1"), (b"b", b"2")]
    assert soft.items() == kept and soft.keys() == [key for key, _ in kept] and soft.count() == 2
    assert soft.get(b"a") == (None if remember else b"1") and soft.get(b"b") == b"2"
    assert table.items() == [(b"a", b"1"), (b"b", b"2")]
    table.full = False
    soft.put(b"d", b"4")
    assert table.items() == soft.items() == [*kept, (b"d", b"4")]
