"""The copy of rows for searches: the same as the rows themselves, whatever happens to it."""

import hashlib
import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import lmdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.errors import Damaged
from overlay.index.expression import Word
from overlay.index.packed import _SENT, beginningsOf, pack
from overlay.index.store import Change, Request
from overlay.plugins import _flatrows as flatModule
from overlay.plugins import _lmdbrows as rowsModule
from overlay.plugins import _rowscopy as copyModule
from overlay.plugins._flatrows import FlatRows
from overlay.plugins._lmdbrows import COPY
from overlay.plugins._rowscopy import RowsCopy
from overlay.plugins.lmdbstore import OPEN, SNAPSHOT, LmdbStore
from tests.index.material import NOW, document, identity, record
from tests.plugins.stores import lmdbStore

ANNA = identity(1)
PLACES = "rows.places"
rows = st.integers(0, 12)


def saying(packed: bytes) -> bytes:
    """The same with a number of the bytes that go out, if there is room for one: as many as there are at the most."""
    if len(packed) <= -_SENT:
        return packed
    return b"".join((packed[:_SENT], bytes((0, packed[_SENT] % len(packed))), packed[_SENT + 2 :]))


changes = st.lists(
    st.tuples(st.dictionaries(rows, st.binary(max_size=90).map(saying), max_size=6), st.sets(rows, max_size=3)), max_size=12
)


def assertSame(copy: FlatRows, held: dict[int, bytes]) -> None:
    """All rows are read as they are, and so is what goes out of them."""
    every = sorted(held)
    assert copy.packed(every) == [held[row] for row in every]
    for some in (every[:1], every[:3], every):
        assert copy.beginnings(some) == beginningsOf([held[row] for row in some])


@settings(max_examples=60, deadline=None)
@given(changes, st.integers(0, 12))
def test_isLikeADictionary(done: list[tuple[dict[int, bytes], set[int]]], saved: int) -> None:
    """
    However rows change, each is read as it was written last; and a copy that was saved before some of the changes, which have given its
    free places away since, is as good when the rows that have changed are written again.
    """
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(flatModule, "_LEAST", 64)
        patched.setattr(flatModule, "_JOINED", 128)
        patched.setattr(flatModule, "TOUCHED", 3)
        path = Path(folder) / "rows.flat"
        held: dict[int, bytes] = {}
        changed: set[int] = set()
        copy = FlatRows(path)
        copy.fill([])
        copy.save(0, False)
        for number, (put, gone) in enumerate(done):
            copy.change(put.items(), gone)
            held = {row: packed for row, packed in held.items() if row not in gone} | put
            changed.update(put, gone)
            assertSame(copy, held)
            if number == saved:
                copy.save(number, True)
                changed.clear()
        copy.close()
        again = FlatRows(path)
        assert again.load() == (saved if saved < len(done) else 0)
        again.change([(row, held[row]) for row in sorted(changed) if row in held], sorted(changed))
        assertSame(again, held)
        absent = sorted(changed.difference(held))
        assert again.packed(absent) == [None] * len(absent) and again.beginnings(absent) == [b""] * len(absent)
        again.fill(held.items())
        assertSame(again, held)
        assert not again.scattered
        again.close()


def test_freePlacesAreGivenAgain(tmp_path: Path) -> None:
    """A row that is written again and again takes two places in turn; and a copy that is mostly free places is known."""
    copy = FlatRows(tmp_path / "rows.flat")
    copy.fill((row, bytes(2000)) for row in range(1000))
    size = os.stat(tmp_path / "rows.flat").st_size
    for number in range(300):
        copy.change([(7, bytes([number % 256]) * 2000)], [])
    assert os.stat(tmp_path / "rows.flat").st_size == size and not copy.scattered
    copy.change([], range(600))
    assert copy.scattered
    copy.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["absent", "flipped", "other kind", "cut off"])
def test_badCopyIsDamage(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit together is not read."""
    copy = FlatRows(tmp_path / "rows.flat")
    copy.fill([(0, b"one"), (1, b"two" * 100)])
    with monkeypatch.context() as patched:
        if how == "other kind":
            patched.setattr(flatModule, "_FORMAT", 3)
        copy.save(5, False)
    copy.close()
    places = tmp_path / PLACES
    if how == "absent":
        places.unlink()
    elif how == "flipped":
        stored = bytearray(places.read_bytes())
        stored[-1] ^= 1
        places.write_bytes(stored)
    elif how == "cut off":
        os.truncate(tmp_path / "rows.flat", 200)
    again = FlatRows(tmp_path / "rows.flat")
    with pytest.raises(Damaged):
        again.load()
    again.close()


def test_whatDoesNotSayHowMuchGoesOut(tmp_path: Path) -> None:
    """A copy of the version before tells where rows stand and no more; the rest is in the rows themselves."""
    held = {row: pack(ANNA.peerId, record(ANNA, document(f"a/{row}", "bloom" * row))) for row in range(40)}
    copy = FlatRows(tmp_path / "rows.flat")
    copy.fill(held.items())
    copy.change([], [7])
    copy.save(5, False)
    copy.close()
    places = tmp_path / PLACES
    _, *said, _ = msgspec.msgpack.decode(places.read_bytes()[32:], strict=False)
    older = msgspec.msgpack.encode((1, *said))
    places.write_bytes(hashlib.sha256(older).digest() + older)
    again = FlatRows(tmp_path / "rows.flat")
    assert again.load() == 5
    del held[7]
    assertSame(again, held)
    assert all(again.beginnings(sorted(held))) and again.beginnings([7]) == [b""]
    again.close()


def test_placesOfBeforeAreNotBelieved(tmp_path: Path) -> None:
    """Where rows stood before a copy was made anew is forgotten at once: the process may stop before it is said anew."""
    copy = FlatRows(tmp_path / "rows.flat")
    copy.fill([(0, b"one" * 20), (1, b"two")])
    copy.save(5, False)
    copy.fill([(0, b"one"), (1, b"two" * 20)])
    copy.close()
    again = FlatRows(tmp_path / "rows.flat")
    with pytest.raises(Damaged):
        again.load()
    again.close()


# --- in the store ----------------------------------------------------------------------------------------------------


def change(*locations: str, **more: Any) -> Change:
    return Change(ANNA.peerId, ANNA.publicKey, additions=[record(ANNA, document(one, "bloom")) for one in locations], **more)


def shown(store: LmdbStore) -> list[tuple[bytes, bytes]]:
    return [(row.recordId, row.packed) for row in store.search(Request(Word("bloom"), 100, NOW)).rows]


def readOnlyFromTheCopy(store: LmdbStore) -> bool:
    return store._rows is not None and store._rows._copy is not None


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("lost", [None, COPY, PLACES])
def test_searchesReadTheCopy(lost: str | None, killed: bool, tmp_path: Path) -> None:
    """After a stop of either kind, with the copy or without it, the same rows are found."""
    store = lmdbStore(tmp_path)
    store.apply(change("a/x", "a/y", "a/z", sequence=1))
    store.close()
    store = lmdbStore(tmp_path)
    gone = record(ANNA, document("a/x")).recordId
    store.apply(change("a/w", sequence=2, removals=[gone]))
    before = shown(store)
    assert len(before) == 3 and readOnlyFromTheCopy(store)
    assert store._rows is not None
    store._rows.close() if killed else store.close()
    if lost is not None:
        (tmp_path / "registrations" / lost).unlink()
    again = lmdbStore(tmp_path)
    assert shown(again) == before and readOnlyFromTheCopy(again) and again.problem == ""
    again.close()


def test_orderlyStopSparesTheCopying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that agrees with the store is not made anew, one that is mostly free places is."""
    filled = []
    fill = FlatRows.fill
    monkeypatch.setattr(FlatRows, "fill", lambda copy, some: (filled.append(1), fill(copy, some)))
    store = lmdbStore(tmp_path)
    store.apply(change("a/x", "a/y", sequence=1))
    store.close()
    assert filled == [1]
    lmdbStore(tmp_path).close()
    assert filled == [1]
    monkeypatch.setattr(FlatRows, "scattered", True)
    lmdbStore(tmp_path).close()
    assert filled == [1, 1]


def test_fullDiskCostsTheCopyOnly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the copy cannot be written the change is kept, searches read the store itself, and the next start makes another copy."""
    store = lmdbStore(tmp_path)
    store.apply(change("a/x", sequence=1))
    with monkeypatch.context() as full:

        def write(*_: object) -> int:
            raise OSError(28, "No space left on device")

        full.setattr("overlay.plugins._flatrows.os.pwrite", write)
        store.apply(change("a/y", sequence=2))
    assert len(shown(store)) == 2 and not readOnlyFromTheCopy(store) and store.problem == ""
    assert not (tmp_path / "registrations" / COPY).exists()
    store.apply(change("a/z", sequence=3))
    store.close()
    again = lmdbStore(tmp_path)
    assert len(shown(again)) == 3 and readOnlyFromTheCopy(again)
    again.close()


def test_withoutRoomForACopyThereIsNone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start without room for a copy is a start all the same."""
    store = lmdbStore(tmp_path)
    store.apply(change("a/x", sequence=1))
    store.close()
    (tmp_path / "registrations" / PLACES).unlink()

    def cannot(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FlatRows, "fill", cannot)
    again = lmdbStore(tmp_path)
    assert len(shown(again)) == 1 and not readOnlyFromTheCopy(again) and again.problem == ""
    again.close()


def test_fullDiskTakesTheCopyFirst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store cannot be written the copy gives its room back, and the change is tried again."""
    store = lmdbStore(tmp_path)
    store.apply(change("a/x", sequence=1))
    number = rowsModule._number

    def full(value: int) -> bytes:
        if readOnlyFromTheCopy(store):
            raise lmdb.DiskError("no space left")
        return number(value)

    with monkeypatch.context() as patched:
        patched.setattr(rowsModule, "_number", full)
        store.apply(change("a/y", sequence=2))
    assert len(shown(store)) == 2 and not readOnlyFromTheCopy(store) and store.problem == ""
    assert not (tmp_path / "registrations" / COPY).exists()
    store.close()
    again = lmdbStore(tmp_path)
    assert len(shown(again)) == 2 and readOnlyFromTheCopy(again)
    again.close()


def test_copyThatFailsOtherwiseCostsNoChange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the store is in the index too, whatever becomes of the copy."""
    store = lmdbStore(tmp_path)
    store.apply(change("a/x", sequence=1))
    with monkeypatch.context() as patched:

        def fail(*_: object) -> None:
            raise MemoryError

        patched.setattr(FlatRows, "change", fail)
        store.apply(change("a/y", sequence=2))
    assert len(shown(store)) == 2 and not readOnlyFromTheCopy(store)
    store.close()


def test_copyThatCannotBeSavedCostsNoSnapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start makes another copy, and reads the snapshot of the index; nothing half written stays."""
    store = lmdbStore(tmp_path)
    store.apply(change("a/x", sequence=1))
    replace = os.replace
    with monkeypatch.context() as patched:

        def cannot(old: Path, new: Path) -> None:
            if new.name == PLACES:
                raise OSError(28, "No space left on device")
            replace(old, new)

        patched.setattr("overlay.plugins._flatrows.os.replace", cannot)
        store.close()
    folder = tmp_path / "registrations"
    assert (folder / SNAPSHOT).exists() and not (folder / "rows.new").exists()
    again = lmdbStore(tmp_path)
    assert len(shown(again)) == 1 and readOnlyFromTheCopy(again)
    again.close()


def readWithout(store: LmdbStore) -> list[tuple[bytes, bytes]]:
    """What is shown if there is no copy."""
    assert store._rows is not None
    copy, store._rows._copy = store._rows._copy, None
    try:
        return shown(store)
    finally:
        store._rows._copy = copy


def test_copyMadeAnewAfterAPowerCutAndThenKilled(tmp_path: Path) -> None:
    """After the machine has stopped the copy is made anew; where rows stood before is not believed when the process is killed then."""
    store = lmdbStore(tmp_path)
    store.apply(change("a/x", "a/y", "a/z", sequence=1))
    # A larger row takes the first one's number, and another place, so that they are not in order.
    store.apply(change(sequence=2, removals=[record(ANNA, document("a/x")).recordId]))
    store.apply(change("a/x" + "x" * 40, sequence=3))
    store.close()
    store = lmdbStore(tmp_path)
    assert store._rows is not None
    store._rows.close()
    (tmp_path / "registrations" / OPEN).write_text("another start", "ascii")
    store = lmdbStore(tmp_path)
    store.apply(change("a/w", sequence=4))
    before = shown(store)
    assert store._rows is not None
    store._rows.close()
    again = lmdbStore(tmp_path)
    assert readOnlyFromTheCopy(again) and shown(again) == readWithout(again) == before
    again.close()


def test_copyIsOnTheDiskAfterAnOrderlyStop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store counts as closed only when all of the copy is on the disk itself: a power cut would leave what is not to be read then."""
    store = lmdbStore(tmp_path)
    store.apply(change("a/x", sequence=1))
    with monkeypatch.context() as patched:

        def cannot(_: object) -> None:
            raise OSError(5, "Input/output error")

        patched.setattr(FlatRows, "sync", cannot)
        store.close()
    assert (tmp_path / "registrations" / OPEN).exists()


def test_copyStaysInProportion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often rows of other sizes take the place of all, the copy is never much more than twice as large as they are."""
    monkeypatch.setattr(flatModule, "_LEAST", 256)
    store = lmdbStore(tmp_path)
    for number in range(1, 30):
        locations = [f"a/{one}{'x' * 16 * number}" for one in range(4)]
        store.apply(change(*locations, sequence=number, clear=True))
        rows = shown(store)
        assert readOnlyFromTheCopy(store) and len(rows) == 4 and rows == readWithout(store)
        size = sum(len(packed) + 32 for _, packed in rows)
        assert (tmp_path / "registrations" / COPY).stat().st_size <= 3 * size
    store.close()


@settings(max_examples=60, deadline=None)
@given(changes, st.integers(1, 5))
def test_replacedWhileInUse(done: list[tuple[dict[int, bytes], set[int]]], copied: int) -> None:
    """A copy that is mostly holes gives way to another, a few rows with each change; whatever changes meanwhile, what is read is right."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(flatModule, "_LEAST", 64)
        patched.setattr(copyModule, "COPIED", copied)
        path = Path(folder) / "rows.flat"
        held: dict[int, bytes] = {}

        def whole(since: int) -> Generator[tuple[int, bytes]]:
            yield from ((row, held[row]) for row in sorted(held) if row >= since)

        copy = RowsCopy(path, whole)
        copy.fill()
        for put, gone in done:
            held = {row: packed for row, packed in held.items() if row not in gone} | put
            copy.change(list(put.items()), gone)
            assert copy.packed(sorted(held)) == [held[row] for row in sorted(held)]
        for _ in range(20):
            # Rows that only change their sizes leave holes behind, until the file has been replaced.
            for size in (200, 1):
                gone = {row for row in held if row >= 8}
                held = dict.fromkeys(range(8), bytes(size))
                copy.change(list(held.items()), gone)
                assert copy.packed(range(8)) == [held[row] for row in range(8)]
        copy.save(3, True)
        copy.close()
        assert sorted(one.name for one in Path(folder).iterdir()) == ["rows.flat", PLACES]
        again = RowsCopy(path, whole)
        assert again.load() == 3 and again.packed(sorted(held)) == list(held.values())
        again.remove()
        assert list(Path(folder).iterdir()) == []


def test_fewRowsAtATime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no change more rows are copied than may be; the file that was replaced is gone, and what a killed process left behind, too."""
    monkeypatch.setattr(flatModule, "_LEAST", 64)
    monkeypatch.setattr(copyModule, "COPIED", 100)
    held = {row: bytes(300) for row in range(1000)}
    read: list[int] = []

    def whole(since: int) -> Generator[tuple[int, bytes]]:
        for row in range(since, 1001):
            if row in held:
                read.append(row)
                yield row, held[row]

    (tmp_path / copyModule.NEXT).write_bytes(b"left behind")
    copy = RowsCopy(tmp_path / "rows.flat", whole)
    copy.fill()
    assert len(read) == 1000 and [one.name for one in tmp_path.iterdir()] == ["rows.flat"]
    before = os.stat(tmp_path / "rows.flat").st_size
    gone = range(0, 1000, 3)
    for row in (*gone, *range(1, 1000, 3)):
        del held[row]
    read.clear()
    copy.change([], [row for row in range(1000) if row % 3 != 2])
    for turn in range(1, 5):
        # One of the rest has gone after it was copied, and one has come.
        assert len(read) == 100 * min(turn, 3) + 34 * (turn > 3)
        assert (tmp_path / copyModule.NEXT).exists() == (turn < 4)
        held[2] = bytes([turn])
        held[1000] = bytes([turn] * 30)
        held.pop(8, None)
        copy.change([(2, held[2]), (1000, held[1000])], [8])
        assert copy.packed([2, 5, 8, 1000]) == [held[2], held[5], None, held[1000]]
    assert os.stat(tmp_path / "rows.flat").st_size < before / 2
    copy.close()
