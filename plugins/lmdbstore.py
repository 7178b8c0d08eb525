"""Registrations in LMDB, posting lists in memory with a snapshot on disk: a killed process loses nothing that it acknowledged."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import lmdb
import msgspec
from twisted.logger import Logger
from zope.interface import implementer

from overlay.errors import Damaged, StoreFull
from overlay.identity.ids import PeerId
from overlay.index.indexed import IndexedStore
from overlay.index.postings import Postings
from overlay.index.store import Registration, StoredRecord
from overlay.interfaces import IIndexStore
from overlay.policy import PolicyPlugin, PolicySurroundings

_ROWS = b"rows"
_REGISTRATIONS = b"registrations"
_META = b"meta"
_VERSION = b"version"
_FORMAT = b"1"
_SNAPSHOT = "postings.snapshot"


class _Row(msgspec.Struct, array_like=True, gc=False):
    """A record as it is stored; new fields go at the end."""

    head: bytes
    signature: bytes
    key: bytes
    text: bytes
    terms: bytes


class _Registration(msgspec.Struct, array_like=True):
    """A registration as it is stored; new fields go at the end."""

    key: bytes
    sequence: int
    digest: bytes
    records: int
    bytes: int
    homes: list[bytes]
    homesSigned: bytes


_encoder = msgspec.msgpack.Encoder()
_rowDecoder = msgspec.msgpack.Decoder(_Row)
_registrationDecoder = msgspec.msgpack.Decoder(_Registration)


@implementer(IIndexStore)
class LmdbStore(IndexedStore):
    """Each change is one transaction."""

    _log = Logger(namespace="superpeer.store")

    def __init__(self, surroundings: PolicySurroundings, sync: str = "no", map: int = 65_536) -> None:
        """
        @param sync: C{full} survives a power cut too; C{no} survives a killed process.
        @param map: the largest size of the store, MiB; address space, not memory.
        """
        if sync not in ("no", "full"):
            raise ValueError("sync is no or full")
        if map < 1:
            raise ValueError("map is at least 1 MiB")
        super().__init__()
        folder = surroundings.storage.folder("registrations")
        if folder is None:
            raise ValueError("there is no folder to keep registrations in; use the store memory")
        self._folder = Path(folder)
        self._sync = sync == "full"
        self._map = map << 20
        try:
            self._open()
            self._load()
        except (lmdb.Error, Damaged, msgspec.DecodeError) as problem:
            self._setAside(problem)
            self._open()
            self._load()

    def _open(self) -> None:
        self._environment = lmdb.open(
            str(self._folder), map_size=self._map, max_dbs=3, sync=self._sync, metasync=self._sync,
            writemap=False, readahead=False, max_readers=8,
        )
        self._rowTable = self._environment.open_db(_ROWS)
        self._registrationTable = self._environment.open_db(_REGISTRATIONS)
        self._metaTable = self._environment.open_db(_META)

    def _setAside(self, problem: Exception) -> None:
        """A damaged store is kept for whoever wants to look at it, and an empty one takes its place."""
        environment = getattr(self, "_environment", None)
        if environment is not None:
            environment.close()
        number = 1
        while (aside := self._folder.with_name(f"{self._folder.name}.damaged-{number}")).exists():
            number += 1
        os.rename(self._folder, aside)
        self._folder.mkdir(mode=0o700)
        self.problem = f"the stored registrations were damaged ({problem}) and lie in {aside.name}; leaves send theirs again"
        self._log.error("{problem}", problem=self.problem)
        self._registrations.clear()

    def _load(self) -> None:
        with self._environment.begin() as reading:
            version = reading.get(_VERSION, db=self._metaTable)
            if version not in (None, _FORMAT):
                raise Damaged("the store was written by a newer version")
            for owner, value in reading.cursor(self._registrationTable):
                one = _registrationDecoder.decode(value)
                self._registrations[owner] = Registration(
                    PeerId(owner), one.key, one.sequence, one.digest, one.records, one.bytes,
                    tuple(map(PeerId, one.homes)), one.homesSigned,
                )
            stamp = self._environment.info()["last_txnid"]
        if version is None:
            with self._environment.begin(write=True) as writing:
                writing.put(_VERSION, _FORMAT, db=self._metaTable)
            return
        if not self._loadSnapshot(stamp):
            self._rebuild()

    # --- the snapshot ------------------------------------------------------------------------------------------------

    def _loadSnapshot(self, stamp: int) -> bool:
        path = self._folder / _SNAPSHOT
        try:
            dumped = path.read_bytes()
        except OSError:
            return False
        if int.from_bytes(dumped[:8], "big") != stamp:
            return False
        try:
            self._postings = Postings.load(dumped[8:])
        except Damaged as problem:
            self._log.warn("the snapshot of the postings is not used: {problem}", problem=problem)
            return False
        return True

    def _saveSnapshot(self) -> None:
        stamp = self._environment.info()["last_txnid"]
        path = self._folder / _SNAPSHOT
        beside = path.with_suffix(".new")
        try:
            beside.write_bytes(stamp.to_bytes(8, "big") + self._postings.dump())
            os.replace(beside, path)
        except OSError as problem:
            # The postings can be rebuilt from the rows; it only takes longer.
            beside.unlink(missing_ok=True)
            self._log.warn("the snapshot of the postings was not written: {problem}", problem=problem)

    # --- rows --------------------------------------------------------------------------------------------------------

    def _read(self, key: bytes) -> StoredRecord | None:
        with self._environment.begin(db=self._rowTable, buffers=False) as reading:
            value = reading.get(key)
        if value is None:
            return None
        row = _rowDecoder.decode(value)
        return StoredRecord(key[20:], row.head, row.signature, row.key, row.text, row.terms)

    def _write(
        self, registration: Registration, put: Sequence[StoredRecord], gone: Sequence[bytes], forget: bool
    ) -> None:
        owner = registration.owner
        try:
            with self._environment.begin(write=True) as writing:
                for key in gone:
                    writing.delete(key, db=self._rowTable)
                for one in put:
                    row = _encoder.encode(_Row(one.head, one.signature, one.key, one.text, one.terms))
                    writing.put(owner + one.recordId, row, db=self._rowTable)
                if forget:
                    writing.delete(owner, db=self._registrationTable)
                else:
                    kept = _Registration(
                        registration.key, registration.sequence, registration.digest, registration.records,
                        registration.bytes, list(registration.homes), registration.homesSigned,
                    )
                    writing.put(owner, _encoder.encode(kept), db=self._registrationTable)
        except (lmdb.MapFullError, lmdb.DiskError) as problem:
            self.problem = f"the store is full ({problem})"
            raise StoreFull(str(problem)) from problem
        except lmdb.CorruptedError as problem:
            self.problem = f"the store is damaged ({problem})"
            raise Damaged(str(problem)) from problem
        except lmdb.Error as problem:
            # The library has no class of its own for every failure of the disk.
            self.problem = f"the store cannot be written ({problem})"
            raise StoreFull(str(problem)) from problem
        if self.problem.startswith("the store"):
            self.problem = ""

    def _rows(self) -> Iterator[StoredRecord]:
        with self._environment.begin(db=self._rowTable) as reading:
            for key, value in reading.cursor():
                row = _rowDecoder.decode(value)
                yield StoredRecord(key[20:], row.head, row.signature, row.key, row.text, row.terms)

    def close(self) -> None:
        self._saveSnapshot()
        self._environment.close()


lmdbstore = PolicyPlugin(
    "store", "lmdb", "overlay.plugins.lmdbstore:LmdbStore", "Registrations on disk in LMDB, posting lists in memory."
)
