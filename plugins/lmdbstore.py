"""Registrations in LMDB, the index in memory with a snapshot on disk: a killed process loses nothing that it acknowledged."""

import ctypes
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pyroaring import BitMap
from twisted.logger import Logger
from zope.interface import implementer

from overlay.errors import Damaged, StoreFull, SuperpeerError
from overlay.identity.ids import PeerId
from overlay.index.indexed import IndexedStore
from overlay.index.postings import Entry, Postings
from overlay.index.rowtable import MemoryRows, Placed
from overlay.index.store import Change, Registration
from overlay.interfaces import IIndexStore
from overlay.plugins._lmdbrows import LmdbRows
from overlay.policy import PolicyPlugin, PolicySurroundings

SNAPSHOT = "postings.snapshot"
OPEN = "open"
SNAPSHOT_CHANGES = 20_000
"""Rows that change before another snapshot is written; half of all rows if those are more."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_VERIFYING = "verifying"


@implementer(IIndexStore)
class LmdbStore(IndexedStore):
    """
    Each change is one transaction. Without a folder (in the lab) rows are kept in memory.

    The file C{open} says that the store is in use, and by which start of the machine. If that one is over, the machine stopped
    with the store open: without C{sync=full} the disk may have kept some pages and lost others, so every row is read and summed up
    before anything is believed.
    """

    _log = Logger(namespace="superpeer.store")

    def __init__(self, surroundings: PolicySurroundings, sync: str = "no", map: int = 65_536) -> None:
        """
        @param sync: C{full} survives a power cut too; C{no} survives a killed process.
        @param map: the largest size of the store, MiB.
        """
        if sync not in ("no", "full"):
            raise ValueError("sync is no or full")
        if map < 1:
            raise ValueError("map is at least 1 MiB")
        self._sync = sync == "full"
        self._most = map << 20
        self._changed = self._given = 0
        self._trouble = ""
        self._rows: LmdbRows | None = None
        folder = surroundings.storage.folder("registrations")
        if folder is None:
            super().__init__(MemoryRows())
            return
        self._folder = Path(folder)
        try:
            self._begin()
        except (Damaged, StoreFull) as problem:
            self._setAside(problem)
            aside = self.problem
            self._begin()
            self.problem = aside

    def _begin(self) -> None:
        doubtful = self._doubtful()
        rows = self._rows = LmdbRows(self._folder, self._sync, self._most)
        super().__init__(rows)
        if doubtful or rows.shortened:
            self._mark(_VERIFYING)
            # It may know of changes that the disk has lost; their numbers are given again.
            with suppress(OSError):
                (self._folder / SNAPSHOT).unlink(missing_ok=True)
            self._rebuild()
        elif not self._loadSnapshot(rows):
            self._rebuild()
        try:
            rows.beginCopy(not (doubtful or rows.shortened))
        except OSError as problem:
            self._log.warn("rows are not copied, so that searches take longer: {problem}", problem=problem)
        _giveBack()
        self._mark(_bootId())

    # --- in use, or damaged ------------------------------------------------------------------------------------------

    def _doubtful(self) -> bool:
        """
        @raise Damaged: the last attempt to find out whether the store is whole ended the process.
        """
        try:
            marked = (self._folder / OPEN).read_text("ascii", "replace")
        except OSError:
            return False
        if marked == _VERIFYING:
            raise Damaged("it could not be read to its end")
        return not self._sync and marked != _bootId()

    def _mark(self, text: str) -> None:
        try:
            (self._folder / OPEN).write_text(text, "ascii")
        except OSError as problem:
            self._log.warn("the store could not be marked as open: {problem}", problem=problem)

    def _setAside(self, problem: Exception) -> None:
        """A damaged store is kept for whoever wants to look at it, and an empty one takes its place."""
        if self._rows is not None:
            self._rows.close()
        number = 1
        while (aside := self._folder.with_name(f"{self._folder.name}.damaged-{number}")).exists():
            number += 1
        os.rename(self._folder, aside)
        self._folder.mkdir(mode=0o700)
        self.problem = f"the stored registrations were damaged ({_said(problem)}) and lie in {aside.name}; leaves send theirs again"
        self._log.error("{problem}", problem=self.problem)

    # --- the snapshot ------------------------------------------------------------------------------------------------

    def _loadSnapshot(self, rows: LmdbRows) -> bool:
        try:
            stored = (self._folder / SNAPSHOT).read_bytes()
        except OSError:
            return False
        # It is large: no part of it is copied.
        stamp, digest, dumped = int.from_bytes(stored[:8], "big"), stored[8:40], memoryview(stored)[40:]
        summed = hashlib.sha256(stored[:8])
        summed.update(dumped)
        if summed.digest() != digest:
            self._log.warn("the snapshot of the index is damaged and not used")
            return False
        touched = rows.touchedSince(stamp)
        if touched is None:
            return False
        try:
            postings = Postings.load(dumped)
        except Damaged as problem:
            self._log.warn("the snapshot of the index is not used: {problem}", problem=problem)
            return False
        self._bringUpToDate(postings, rows, touched)
        self._registrations = {one.owner: one for one in rows.registrations()}
        for owner, one in self._registrations.items():
            if len(postings.rowsOf(owner)) != one.records:
                return False
        self._postings = postings
        self._changed = len(touched)
        return len(postings) == sum(one.records for one in self._registrations.values())

    @staticmethod
    def _bringUpToDate(postings: Postings, rows: LmdbRows, touched: Sequence[int]) -> None:
        stale = BitMap(touched) & postings.alive
        if stale:
            postings.removeAll(stale)
        for row, owner, record in rows.some(sorted(touched)):
            postings.add(owner, record.recordId, Entry.of(record.head, record.terms), row)

    def _saveSnapshot(self, rows: LmdbRows) -> None:
        path = self._folder / SNAPSHOT
        beside = path.with_suffix(".new")
        try:
            stamp = rows.stamp()
            rows.saveCopy(stamp)
            start, dumped = stamp.to_bytes(8, "big"), self._postings.dump()
            summed = hashlib.sha256(start)
            summed.update(dumped)
            with beside.open("wb") as file:
                file.writelines((start, summed.digest(), dumped))
            del dumped
            os.replace(beside, path)
            rows.forgetLog(stamp)
        except (OSError, SuperpeerError) as problem:
            # The index can be rebuilt from the rows; it only takes longer.
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            self._log.warn("the snapshot of the index was not written: {problem}", problem=problem)
        self._changed = self._given = 0
        _giveBack()

    # --- writing -----------------------------------------------------------------------------------------------------

    def _write(self, registration: Registration, put: Sequence[Placed], gone: Sequence[int], forget: bool) -> None:
        try:
            super()._write(registration, put, gone, forget)
        except StoreFull as problem:
            self.problem = self._trouble = f"the store cannot take more: {_said(problem)}"
            raise
        except Damaged as problem:
            self.problem = self._trouble = f"the store is damaged: {_said(problem)}"
            raise
        if self._trouble and self.problem == self._trouble:
            self.problem = self._trouble = ""
        self._changed += len(put) + len(gone)

    def apply(self, change: Change) -> Registration:
        new = super().apply(change)
        self._snapshotIfDue()
        return new

    def drop(self, owner: PeerId) -> None:
        super().drop(owner)
        self._snapshotIfDue()

    def _snapshotIfDue(self) -> None:
        if self._rows is not None and self._changed - self._given >= SNAPSHOT_CHANGES:
            self._given = self._changed
            self._postings.shrink()
            _giveBack()
        if self._rows is not None and self._changed >= max(SNAPSHOT_CHANGES, len(self._postings) // 2):
            self._saveSnapshot(self._rows)

    def close(self) -> None:
        rows = self._rows
        if rows is not None:
            self._saveSnapshot(rows)
            try:
                rows.sync()
                (self._folder / OPEN).unlink(missing_ok=True)
            except (OSError, SuperpeerError) as problem:
                self._log.warn("the store was not closed in an orderly way: {problem}", problem=problem)
        super().close()


def _said(problem: Exception) -> str:
    """What a failure says, without the sentence of its class."""
    return str(problem.args[0]) if problem.args else str(problem)


def _giveBack() -> None:
    """
    Give memory back that a whole index on its way to or from the disk took and that is free again; the allocator of GNU's C library keeps
    it otherwise, as much as a third of the index.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _bootId() -> str:
    """Names this start of the machine; empty where there is no such name."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


lmdbstore = PolicyPlugin(
    "store", "lmdb", "overlay.plugins.lmdbstore:LmdbStore", "Registrations on disk in LMDB, the index in memory."
)
