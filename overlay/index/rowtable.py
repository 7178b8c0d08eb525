"""Where rows and registrations lie: what an L{overlay.index.indexed.IndexedStore} needs of it, and the one that is memory."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from overlay.identity.ids import ID_BYTES
from overlay.index.packed import beginningsOf, nameOf, pack, unpack
from overlay.index.store import Registration, StoredRecord

Placed = tuple[int, StoredRecord]
"""A record with the number of its row."""


class RowTable(Protocol):
    """Rows by number."""

    def read(self, row: int) -> StoredRecord | None:
        """
        @raise overlay.errors.Damaged: it cannot be read.
        """

    def packed(self, rows: Sequence[int]) -> list[bytes | None]:
        """
        Several rows as they lie (see L{overlay.index.packed}); None for one that is not there.

        @raise overlay.errors.Damaged: as L{read}.
        """

    def beginnings(self, rows: Sequence[int]) -> list[bytes]:
        """
        Of several rows only what goes out of each as it lies (see L{overlay.index.packed.beginningsOf}).

        @raise overlay.errors.Damaged: as L{read}.
        """

    def write(self, registration: Registration, put: Sequence[Placed], gone: Sequence[int], forget: bool) -> None:
        """
        All of it or nothing.

        @param put: rows that are new or replaced.
        @param gone: rows that go.
        @param forget: the registration itself goes too.
        @raise overlay.errors.StoreFull: nothing was written.
        @raise overlay.errors.Damaged: likewise.
        """

    def rows(self) -> Iterator[tuple[int, bytes, StoredRecord]]:
        """Every row with its owner, in rising order, to rebuild the index from."""

    def registrations(self) -> Iterable[Registration]:
        """All of them."""

    def close(self) -> None:
        """No use afterwards."""


class MemoryRows:
    """Nothing outlives the process."""

    def __init__(self) -> None:
        self._held: dict[int, bytes] = {}

    def read(self, row: int) -> StoredRecord | None:
        packed = self._held.get(row)
        return None if packed is None else unpack(packed)

    def packed(self, rows: Sequence[int]) -> list[bytes | None]:
        return list(map(self._held.get, rows))

    def beginnings(self, rows: Sequence[int]) -> list[bytes]:
        return beginningsOf(self.packed(rows))

    def write(self, registration: Registration, put: Sequence[Placed], gone: Sequence[int], forget: bool) -> None:
        for row in gone:
            self._held.pop(row, None)
        for row, record in put:
            self._held[row] = pack(registration.owner, record)

    def rows(self) -> Iterator[tuple[int, bytes, StoredRecord]]:
        return ((row, nameOf(packed)[:ID_BYTES], unpack(packed)) for row, packed in sorted(self._held.items()))

    def registrations(self) -> Iterable[Registration]:
        return ()

    def close(self) -> None:
        self._held.clear()
