"""What the store on disk promises besides: that it comes back whole, or says that it does not."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb
import msgspec
import pytest

from overlay.errors import Damaged, StoreFull, UsageError
from overlay.index.expression import Word
from overlay.index.record import openHead
from overlay.index.store import Change, Request
from overlay.plugins import _lmdbrows as rowsModule
from overlay.plugins import lmdbstore as storeModule
from overlay.plugins.lmdbstore import OPEN, SNAPSHOT, LmdbStore, lmdbstore
from tests.index.material import NOW, document, identity, record
from tests.plugins.stores import lmdbStore, surroundings

ANNA, BERT = identity(1), identity(2)
ROOT = Path(__file__).parents[2]


def change(owner: Any, *locations: str, text: str = "bloom", **more: Any) -> Change:
    return Change(
        owner.peerId, owner.publicKey, additions=[record(owner, document(one, text)) for one in locations], **more
    )


def found(store: LmdbStore, term: str = "bloom") -> list[str]:
    rows = store.search(Request(Word(term), 1000, NOW)).rows
    return sorted(openHead(row.head).location for row in rows)


def kill(store: LmdbStore) -> None:
    """Leave the files as a killed process does."""
    assert store._rows is not None
    store._rows.close()


def folderOf(tmp_path: Path) -> Path:
    return tmp_path / "registrations"


def filled(tmp_path: Path, **arguments: Any) -> LmdbStore:
    store = lmdbStore(tmp_path, **arguments)
    store.apply(change(ANNA, "a/x", "a/y", sequence=1, homes=(BERT.peerId,), homesSigned=b"signed"))
    store.apply(change(BERT, "b/x", text="filter", sequence=7))
    return store


def test_storeOfAnOlderAnalysis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows whose terms are of the version before are found after an update; only the snapshot is made anew."""
    with monkeypatch.context() as before:
        before.setattr("overlay.index.analysis.VERSION", 1)
        filled(tmp_path).close()
    store = lmdbStore(tmp_path)
    assert found(store) == ["a/x", "a/y"] and store.problem == "" and store.registration(BERT.peerId).sequence == 7
    store.close()
    assert found(lmdbStore(tmp_path)) == ["a/x", "a/y"]


@pytest.mark.parametrize("sync", ["no", "full"])
@pytest.mark.parametrize("killed", [True, False])
def test_comesBackWhole(tmp_path: Path, sync: str, killed: bool) -> None:
    """Registrations, records and what is found are the same after a restart, orderly or not."""
    store = filled(tmp_path, sync=sync)
    before = [store.registration(one.peerId) for one in (ANNA, BERT)]
    totals = store.totals()
    kill(store) if killed else store.close()
    again = lmdbStore(tmp_path, sync=sync)
    assert [again.registration(one.peerId) for one in (ANNA, BERT)] == before
    assert again.totals() == totals
    assert found(again) == ["a/x", "a/y"]
    again.apply(change(ANNA, removals=[record(ANNA, document("a/x")).recordId]))
    assert found(again) == ["a/y"]
    again.close()


def test_killedWhileItWrites(tmp_path: Path) -> None:
    """A process that is killed in the midst of its work loses nothing of what it had acknowledged, and nothing is half there."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.plugins.test_lmdbstore import ANNA, change, lmdbStore\n"
        "store = lmdbStore(Path(sys.argv[1]))\n"
        "for number in range(10**6):\n"
        "    store.apply(change(ANNA, f'a/{number}', f'b/{number}', sequence=number + 1))\n"
        "    print(number, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    acknowledged = -1
    while acknowledged < 200:
        acknowledged = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate()
    # The last line may have been cut.
    acknowledged += len(rest.splitlines()) - (not rest.endswith("\n") and bool(rest))
    store = lmdbStore(tmp_path)
    assert store.problem == ""
    held = store.registration(ANNA.peerId)
    assert held is not None
    assert acknowledged + 1 <= held.sequence <= acknowledged + 2
    assert held.records == 2 * held.sequence == len(list(store.recordIds(ANNA.peerId)))
    assert found(store) == sorted(f"{part}/{number}" for part in "ab" for number in range(held.sequence))[:1000]
    store.close()


def olderFields(row: bytes) -> list[bytes]:
    """A row's fields as versions before wrote them: the text as bytes, and no number of what goes out."""
    head, signature, key, text, terms, _, name = msgspec.msgpack.decode(row)
    return [head, signature, key, text if isinstance(text, bytes) else text.encode(), terms, name]


def withoutNumbers(folder: Path) -> None:
    """Turn a store into what the version before wrote: rows that do not say how much of them goes out."""
    environment = lmdb.open(str(folder), max_dbs=6, lock=False, map_size=64 << 20)
    numbered, meta = environment.open_db(b"numbered", integerkey=True), environment.open_db(b"meta")
    with environment.begin(write=True) as writing:
        for key, value in list(writing.cursor(numbered)):
            writing.put(key, msgspec.msgpack.encode(olderFields(value)), db=numbered)
        writing.put(b"version", b"3", db=meta)
    environment.close()


def byName(folder: Path) -> None:
    """Turn a store into what a version still before wrote: rows by owner and record id, which they do not contain."""
    environment = lmdb.open(str(folder), max_dbs=6, lock=False, map_size=64 << 20)
    numbered, meta, log = (environment.open_db(one) for one in (b"numbered", b"meta", b"log"))
    named = environment.open_db(b"rows")
    with environment.begin(write=True) as writing:
        for _, value in writing.cursor(numbered):
            *fields, name = olderFields(value)
            writing.put(name, msgspec.msgpack.encode(fields), db=named)
        writing.drop(numbered)
        for stamp, _ in list(writing.cursor(log)):
            writing.put(stamp, bytes(36), db=log)
        writing.put(b"version", b"2", db=meta)
    environment.close()


@pytest.mark.parametrize("killed", [True, False])
def test_rowsOfTheVersionBefore(tmp_path: Path, killed: bool) -> None:
    """Rows that do not say how much of them goes out stay as they are, among others, and go out as the same hits."""
    store = filled(tmp_path)
    totals, hits = store.totals(), [row.encoded() for row in store.search(Request(Word("bloom"), 1000, NOW)).rows]
    kill(store) if killed else store.close()
    withoutNumbers(folderOf(tmp_path))
    store = lmdbStore(tmp_path)
    assert (store.totals(), found(store)) == (totals, ["a/x", "a/y"])
    assert [row.encoded() for row in store.search(Request(Word("bloom"), 1000, NOW)).rows] == hits
    store.apply(change(ANNA, "a/z"))
    kill(store)
    assert found(lmdbStore(tmp_path)) == ["a/x", "a/y", "a/z"]


@pytest.mark.parametrize("killed", [True, False])
def test_storeOfAnOlderVersion(tmp_path: Path, killed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that lay by name are given numbers once; nothing is lost, and no older snapshot is believed."""
    store = filled(tmp_path)
    totals = store.totals()
    kill(store) if killed else store.close()
    byName(folderOf(tmp_path))
    # What lies there fills the map: it grows while the rows are copied.
    monkeypatch.setattr(rowsModule, "_FIRST_MAP", 1 << 16)
    for _ in range(2):
        store = lmdbStore(tmp_path)
        assert (store.totals(), found(store), found(store, "filter")) == (totals, ["a/x", "a/y"], ["b/x"])
        store.close()
    store = lmdbStore(tmp_path)
    store.apply(change(ANNA, "a/z", removals=[record(ANNA, document("a/x")).recordId]))
    kill(store)
    assert found(lmdbStore(tmp_path)) == ["a/y", "a/z"]


# --- the snapshot -----------------------------------------------------------------------------------------------------


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes each time that the index is rebuilt from the rows."""
    rebuilt: list[int] = []
    rebuild = LmdbStore._rebuild

    def count(self: LmdbStore) -> None:
        rebuilt.append(1)
        rebuild(self)

    monkeypatch.setattr(LmdbStore, "_rebuild", count)
    return rebuilt


def test_orderlyStopSparesTheRebuilding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an orderly stop the index is read from its snapshot, and works on as before."""
    filled(tmp_path).close()
    rebuilt = counted(monkeypatch)
    store = lmdbStore(tmp_path)
    assert rebuilt == []
    assert (found(store), found(store, "filter")) == (["a/x", "a/y"], ["b/x"])
    store.drop(ANNA.peerId)
    store.apply(change(ANNA, "a/z"))
    assert found(store) == ["a/z"]
    store.close()


def test_olderSnapshotIsBroughtUpToDate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changed after the last snapshot is taken from the log: added, replaced, removed, dropped."""
    store = filled(tmp_path)
    store.apply(change(ANNA, "a/gone", "a/new"))
    store._saveSnapshot(store._rows)  # type: ignore[arg-type]
    store.apply(change(ANNA, "a/new", text="filter", removals=[record(ANNA, document("a/gone")).recordId]))
    store.apply(change(ANNA, "a/late"))
    store.drop(BERT.peerId)
    kill(store)
    rebuilt = counted(monkeypatch)
    again = lmdbStore(tmp_path)
    assert rebuilt == []
    assert (found(again), found(again, "filter")) == (["a/late", "a/x", "a/y"], ["a/new"])
    assert again.owners() == [ANNA.peerId]
    again.close()


def test_snapshotIsWrittenNowAndThen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for the end, once enough has changed; and its log is forgotten with it."""
    monkeypatch.setattr(storeModule, "SNAPSHOT_CHANGES", 3)
    store = lmdbStore(tmp_path)
    store.apply(change(ANNA, "a/1", "a/2"))
    assert not (folderOf(tmp_path) / SNAPSHOT).exists()
    store.apply(change(ANNA, "a/3"))
    assert (folderOf(tmp_path) / SNAPSHOT).exists()
    assert store._rows is not None
    assert store._rows.touchedSince(store._rows.stamp()) == []
    assert store._rows.touchedSince(0) is None
    first = (folderOf(tmp_path) / SNAPSHOT).read_bytes()
    store.drop(ANNA.peerId)
    assert (folderOf(tmp_path) / SNAPSHOT).read_bytes() != first
    store.close()


def spoil(path: Path, how: str, tmp_path: Path) -> None:
    whole = path.read_bytes()
    if how == "bit":
        path.write_bytes(whole[:60] + bytes([whole[60] ^ 1]) + whole[61:])
    elif how == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "missing":
        path.unlink()
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "foreign":
        filled(tmp_path / "other").close()
        store = lmdbStore(tmp_path / "other")
        store.apply(change(ANNA, "c/1"))
        store.close()
        shutil.copy(folderOf(tmp_path / "other") / SNAPSHOT, path)


@pytest.mark.parametrize("how", ["bit", "cut", "empty", "missing", "folder", "foreign"])
def test_badSnapshotIsNotUsed(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that is damaged, or of another state, costs time and nothing else."""
    (tmp_path / "other").mkdir()
    filled(tmp_path).close()
    spoil(folderOf(tmp_path) / SNAPSHOT, how, tmp_path)
    rebuilt = counted(monkeypatch)
    store = lmdbStore(tmp_path)
    assert rebuilt == [1]
    assert (found(store), store.problem) == (["a/x", "a/y"], "")
    store.close()


def test_snapshotOfAnotherVersionIsNotUsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update of the program the index is built anew."""
    monkeypatch.setattr("overlay.index.postings._FORMAT", 1000)
    filled(tmp_path).close()
    monkeypatch.undo()
    rebuilt = counted(monkeypatch)
    store = lmdbStore(tmp_path)
    assert rebuilt == [1]
    assert found(store) == ["a/x", "a/y"]
    store.close()


def test_snapshotThatDoesNotFitIsNotUsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole snapshot of the right stamp whose records are not those registered is not believed."""
    store = filled(tmp_path)
    row = store._postings.rowOf(BERT.peerId, record(BERT, document("b/x")).recordId)
    assert row is not None
    store._postings.removeAll(store._postings.rowsOf(BERT.peerId))
    store.close()
    rebuilt = counted(monkeypatch)
    again = lmdbStore(tmp_path)
    assert rebuilt == [1]
    assert found(again, "filter") == ["b/x"]
    again.close()


def test_snapshotThatCannotBeWritten(tmp_path: Path) -> None:
    """A stop without room for the snapshot is orderly all the same."""
    store = filled(tmp_path)
    (folderOf(tmp_path) / "postings.new").mkdir()
    store.close()
    assert not (folderOf(tmp_path) / SNAPSHOT).exists()
    assert not (folderOf(tmp_path) / OPEN).exists()
    again = lmdbStore(tmp_path)
    assert found(again) == ["a/x", "a/y"]
    again.close()


def test_storeThatCannotBeMarked(tmp_path: Path) -> None:
    """The mark that the store is in use is a help: without it the store works, and its end is told."""
    filled(tmp_path).close()
    (folderOf(tmp_path) / OPEN).mkdir()
    store = lmdbStore(tmp_path)
    assert found(store) == ["a/x", "a/y"]
    store.close()


# --- damage -----------------------------------------------------------------------------------------------------------


def test_garbageIsSetAside(tmp_path: Path) -> None:
    """A store that is none is kept for whoever wants to look at it; an empty one takes its place, and says so."""
    for number in (1, 2):
        filled(tmp_path).close()
        (folderOf(tmp_path) / "data.mdb").write_bytes(b"garbage" * 10_000)
        (folderOf(tmp_path) / SNAPSHOT).unlink()
        store = lmdbStore(tmp_path)
        assert store.owners() == []
        assert f"registrations.damaged-{number}" in store.totals().problem
        assert (tmp_path / f"registrations.damaged-{number}" / "data.mdb").read_bytes().startswith(b"garbage")
        store.apply(change(ANNA, "a/x"))
        assert found(store) == ["a/x"]
        # Nobody has read it yet: it is still said.
        assert "damaged" in store.problem
        store.close()
        shutil.rmtree(folderOf(tmp_path))


def test_shortenedFileIsSetAside(tmp_path: Path) -> None:
    """A file that lost its end is noticed before a page is read that is not there, which would kill the process."""
    store = lmdbStore(tmp_path)
    for number in range(60):
        store.apply(change(ANNA, *(f"a/{number}-{one}" for one in range(20)), text="word " * 50))
    store.close()
    data = folderOf(tmp_path) / "data.mdb"
    os.truncate(data, data.stat().st_size // 2)
    again = lmdbStore(tmp_path)
    assert "damaged" in again.problem
    assert again.owners() == []
    again.close()


@pytest.mark.parametrize("row", [b"\x96" + b"\xc4\x01x" * 6, b"\xc0", b""])
def test_rowThatCannotBeReadIsDamage(row: bytes, tmp_path: Path) -> None:
    """A row that is no record any more is found when the index is built."""
    kill(filled(tmp_path))
    environment = lmdb.open(str(folderOf(tmp_path)), max_dbs=4, lock=False)
    with environment.begin(write=True) as writing:
        rows = environment.open_db(b"numbered", txn=writing)
        writing.put((7).to_bytes(4, sys.byteorder), row, db=rows)
    environment.close()
    store = lmdbStore(tmp_path)
    assert "damaged" in store.problem
    store.close()


@pytest.mark.parametrize("owner", [ANNA, BERT])
def test_rowsThatAreNotRegisteredAreDamage(owner: Any, tmp_path: Path) -> None:
    """A row too many, of whoever, means that something is wrong with all."""
    store = filled(tmp_path)
    store.drop(BERT.peerId)
    kill(store)
    environment = lmdb.open(str(folderOf(tmp_path)), max_dbs=4, lock=False)
    with environment.begin(write=True) as writing:
        rows = environment.open_db(b"numbered", txn=writing)
        value = writing.get(bytes(4), db=rows)
        writing.put((9).to_bytes(4, sys.byteorder), value[:-36] + owner.peerId + bytes(16), db=rows)
    environment.close()
    store = lmdbStore(tmp_path)
    assert "damaged" in store.problem
    store.close()


def test_missingRowsAreDamage(tmp_path: Path) -> None:
    """A registration whose rows do not sum up to its digest is not believed."""
    kill(filled(tmp_path))
    environment = lmdb.open(str(folderOf(tmp_path)), max_dbs=4, lock=False)
    with environment.begin(write=True) as writing:
        rows = environment.open_db(b"numbered", txn=writing)
        assert writing.delete(bytes(4), db=rows)
    environment.close()
    store = lmdbStore(tmp_path)
    assert "damaged" in store.problem
    store.close()


def test_newerVersionIsNotTouched(tmp_path: Path) -> None:
    """A store of another version is set aside whole."""
    filled(tmp_path).close()
    environment = lmdb.open(str(folderOf(tmp_path)), max_dbs=4, lock=False)
    with environment.begin(write=True) as writing:
        writing.put(b"version", b"3000", db=environment.open_db(b"meta", txn=writing))
    environment.close()
    store = lmdbStore(tmp_path)
    assert "another version" in store.problem
    store.close()


@pytest.mark.parametrize(("sync", "read"), [("no", [1]), ("full", [])])
def test_machineThatStoppedIsDoubted(sync: str, read: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the machine itself stopped with the store open, every row is read and summed up before it is believed; not so with sync=full."""
    store = filled(tmp_path, sync=sync)
    store._saveSnapshot(store._rows)  # type: ignore[arg-type]
    kill(store)
    monkeypatch.setattr(storeModule, "_bootId", lambda: "another start")
    rebuilt = counted(monkeypatch)
    again = lmdbStore(tmp_path, sync=sync)
    assert rebuilt == read
    assert found(again) == ["a/x", "a/y"]
    assert (folderOf(tmp_path) / OPEN).read_text() == "another start"
    again.close()
    assert not (folderOf(tmp_path) / OPEN).exists()


def test_readingThatKilledTheProcessIsNotTriedTwice(tmp_path: Path) -> None:
    """If reading a doubtful store ended the process, the store is set aside, or the peer would never start again."""
    store = filled(tmp_path)
    kill(store)
    (folderOf(tmp_path) / OPEN).write_text("verifying")
    again = lmdbStore(tmp_path)
    assert "could not be read to its end" in again.problem
    again.close()


def test_snapshotOfWhatThePowerCutTookIsNotUsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot may know of changes that the disk has lost; other changes have their numbers soon."""
    filled(tmp_path).close()
    lost = (folderOf(tmp_path) / "data.mdb").read_bytes()
    store = lmdbStore(tmp_path)
    store.apply(change(ANNA, "a/lost", text="gone", sequence=2))
    store.close()
    (folderOf(tmp_path) / "data.mdb").write_bytes(lost)
    (folderOf(tmp_path) / OPEN).write_text("another start", "ascii")
    store = lmdbStore(tmp_path)
    store.apply(change(ANNA, "a/new", text="kept", sequence=2))
    kill(store)
    again = lmdbStore(tmp_path)
    assert (found(again, "gone"), found(again, "kept")) == ([], ["a/new"])
    again.close()


def test_withoutABootIdNothingIsDoubted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine gives its starts no names, a killed process is as usual."""
    monkeypatch.setattr(storeModule, "_BOOT_ID", tmp_path / "none")
    kill(filled(tmp_path))
    store = lmdbStore(tmp_path)
    assert found(store) == ["a/x", "a/y"]
    store.close()


# --- a full disk ------------------------------------------------------------------------------------------------------


def test_fullStoreKeepsNothingOfTheChange(tmp_path: Path) -> None:
    """What does not fit is refused whole, in memory too; the rest is served, and with room again it goes on."""
    store = lmdbStore(tmp_path, map=1)
    taken = 0
    with pytest.raises(StoreFull):
        for number in range(1000):
            store.apply(change(ANNA, *(f"a/{number}-{one}" for one in range(10)), text="bloom " * 500, sequence=number))
            taken = number + 1
    assert 0 < taken < 1000
    held = store.registration(ANNA.peerId)
    assert held is not None and (held.records, held.sequence) == (10 * taken, taken - 1)
    assert len(found(store)) == 10 * taken == store.totals().records
    assert "cannot take more" in store.totals().problem
    store.drop(ANNA.peerId)
    store.apply(change(BERT, "b/x"))
    assert (store.totals().problem, found(store)) == ("", ["b/x"])
    store.close()
    again = lmdbStore(tmp_path, map=1)
    assert again.owners() == [BERT.peerId]
    again.close()


def test_fullDiskInTheMidstOfACommit(tmp_path: Path) -> None:
    """When the disk itself takes no more, what was acknowledged is there, in this process and after it; with room again it goes on."""
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from overlay.errors import StoreFull\n"
        "from tests.plugins.test_lmdbstore import ANNA, change, found, lmdbStore\n"
        "never = resource.RLIM_INFINITY\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, never))\n"
        "store = lmdbStore(Path(sys.argv[1]))\n"
        "taken = 0\n"
        "try:\n"
        "    while True:\n"
        "        store.apply(change(ANNA, f'a/{taken}', text='bloom ' * 300))\n"
        "        taken += 1\n"
        "except StoreFull:\n"
        "    assert store.problem\n"
        "assert 0 < taken == store.registration(ANNA.peerId).records == len(found(store))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (never, never))\n"
        "store.apply(change(ANNA, 'b/new'))\n"
        "assert not store.problem\n"
        "print(taken + 1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    store = lmdbStore(tmp_path)
    assert (store.problem, store.totals().records) == ("", int(done.stdout))
    store.close()


def test_mapGrowsWithWhatItHolds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address space is taken as needed, up to what was allowed."""
    monkeypatch.setattr(rowsModule, "_FIRST_MAP", 1 << 16)
    store = lmdbStore(tmp_path, map=4)
    assert store._rows is not None
    assert store._rows._env.info()["map_size"] == 1 << 16
    for number in range(20):
        store.apply(change(ANNA, *(f"a/{number}-{one}" for one in range(10)), text="bloom " * 300))
    assert 1 << 16 < store._rows._env.info()["map_size"] <= 4 << 20
    assert len(found(store)) == 200
    store.close()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (lmdb.DiskError("no space left"), StoreFull),
        (lmdb.Error("quota exceeded"), StoreFull),
        (lmdb.CorruptedError("page"), Damaged),
    ],
)
def test_failedWriteIsSaidAndUndone(
    raised: Exception, expected: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the disk does: nothing is kept of the change, the store is opened anew, and the next change goes through."""
    store = filled(tmp_path)
    assert store._rows is not None

    def fail(row: object) -> bytes:
        raise raised

    with monkeypatch.context() as patched:
        patched.setattr(rowsModule, "_number", fail)
        with pytest.raises(expected):
            store.apply(change(ANNA, "a/z", sequence=2))
    assert store.problem
    assert found(store) == ["a/x", "a/y"]
    held = store.registration(ANNA.peerId)
    assert held is not None and held.sequence == 1
    store.apply(change(ANNA, "a/z", sequence=2))
    assert (found(store), store.problem) == (["a/x", "a/y", "a/z"], "")
    store.close()


def test_readFailsAsDamage(tmp_path: Path) -> None:
    """A closed store, or a row that cannot be read, raises what the mechanism understands."""
    store = filled(tmp_path)
    kill(store)
    with pytest.raises(Damaged):
        store.search(Request(Word("bloom"), 5, NOW))
    with pytest.raises(Damaged):
        store.apply(change(ANNA, "a/z"))


# --- the plugin -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [{"sync": "maybe"}, {"map": "0"}, {"map": "many"}, {"mop": "1"}])
def test_wrongArguments(arguments: dict[str, str], tmp_path: Path) -> None:
    """A wrong argument is one clear error."""
    around = surroundings(tmp_path)
    with pytest.raises(UsageError, match="store lmdb"):
        lmdbstore.build(around, arguments)
    around.storage.close()


def test_filesAreClosedInChildren(tmp_path: Path) -> None:
    """No child process inherits the store."""
    store = filled(tmp_path)
    opened = [
        int(entry) for entry in os.listdir("/proc/self/fd")
        if str(tmp_path) in (os.readlink(f"/proc/self/fd/{entry}") if os.path.exists(f"/proc/self/fd/{entry}") else "")
    ]
    assert opened
    assert not any(os.get_inheritable(descriptor) for descriptor in opened)
    store.close()
