"""Where rows and registrations lie: what an L{overlay.index.indexed.IndexedStore} needs of it, and the one that is memory."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from overlay.identity.ids import ID_BYTES
from overlay.index.packed import pack, unpack
from overlay.index.store import Registration, StoredRecord


class RowTable(Protocol):
    """Rows by key: owner and record id, joined."""

    def read(self, key: bytes) -> StoredRecord | None:
        """
        @raise overlay.errors.Damaged: it cannot be read.
        """

    def packed(self, keys: Iterable[bytes]) -> list[bytes | None]:
        """
        Several rows as they lie (see L{overlay.index.packed}); None for one that is not there.

        @raise overlay.errors.Damaged: as L{read}.
        """

    def write(self, registration: Registration, put: Sequence[StoredRecord], gone: Sequence[bytes], forget: bool) -> None:
        """
        All of it or nothing.

        @param put: rows that are new or replaced.
        @param gone: keys of rows that go.
        @param forget: the registration itself goes too.
        @raise overlay.errors.StoreFull: nothing was written.
        @raise overlay.errors.Damaged: likewise.
        """

    def rows(self) -> Iterator[tuple[bytes, StoredRecord]]:
        """Every row with its key, to rebuild the index from."""

    def registrations(self) -> Iterable[Registration]:
        """All of them."""

    def close(self) -> None:
        """No use afterwards."""


class MemoryRows:
    """Nothing outlives the process."""

    def __init__(self) -> None:
        self._held: dict[bytes, bytes] = {}

    def read(self, key: bytes) -> StoredRecord | None:
        packed = self._held.get(key)
        return None if packed is None else unpack(key[ID_BYTES:], packed)

    def packed(self, keys: Iterable[bytes]) -> list[bytes | None]:
        return list(map(self._held.get, keys))

    def write(self, registration: Registration, put: Sequence[StoredRecord], gone: Sequence[bytes], forget: bool) -> None:
        for key in gone:
            self._held.pop(key, None)
        for record in put:
            self._held[registration.owner + record.recordId] = pack(record)

    def rows(self) -> Iterator[tuple[bytes, StoredRecord]]:
        return ((key, unpack(key[ID_BYTES:], packed)) for key, packed in list(self._held.items()))

    def registrations(self) -> Iterable[Registration]:
        return ()

    def close(self) -> None:
        self._held.clear()
