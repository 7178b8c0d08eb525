"""Registrations in memory alone: for the lab, and for peers that may forget everything when they stop."""

from collections.abc import Iterator, Sequence

from zope.interface import implementer

from overlay.index.indexed import IndexedStore
from overlay.index.store import Registration, StoredRecord
from overlay.interfaces import IIndexStore
from overlay.policy import PolicyPlugin


@implementer(IIndexStore)
class MemoryStore(IndexedStore):
    """Nothing outlives the process."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[bytes, StoredRecord] = {}

    def _read(self, key: bytes) -> StoredRecord | None:
        return self._held.get(key)

    def _write(
        self, registration: Registration, put: Sequence[StoredRecord], gone: Sequence[bytes], forget: bool
    ) -> None:
        for key in gone:
            self._held.pop(key, None)
        for record in put:
            self._held[registration.owner + record.recordId] = record

    def _rows(self) -> Iterator[StoredRecord]:
        return iter(list(self._held.values()))

    def close(self) -> None:
        """There is nothing to close."""


memory = PolicyPlugin(
    "store", "memory", "overlay.plugins.memory:MemoryStore", "Registrations in memory; a restart forgets them."
)
