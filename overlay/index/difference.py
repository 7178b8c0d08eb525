"""What a home still has to hear of, batch by batch."""

from collections import deque
from collections.abc import Callable

import attrs
import msgspec

from overlay.index.indexed import sizeOf
from overlay.index.store import StoredRecord
from overlay.wire import limits
from overlay.wire.registration import RecordBody, RenewedHead

REMOVALS = 4096
"""Removals in one batch."""
FRAMING = 96
"""Bytes that a record takes on the wire besides head, text and terms: its signature, and lengths."""


class Changes(msgspec.Struct, array_like=True):
    """Record ids that one update, or several, have changed; those in C{renewed} in their times alone."""

    changed: list[bytes]
    removed: list[bytes]
    renewed: list[bytes] = []


@attrs.define(slots=True)
class Batch:
    """@ivar sequence: what the registration was when this was made."""

    sequence: int
    additions: list[RecordBody] = attrs.field(factory=list)
    removals: list[bytes] = attrs.field(factory=list)
    renewals: list[RenewedHead] = attrs.field(factory=list)


@attrs.define(slots=True)
class Coming:
    """
    Records that a home still has to hear of.

    @ivar renewed: by id, whether its head alone is enough.
    """

    order: deque[bytes] = attrs.field(factory=deque)
    renewed: dict[bytes, bool] = attrs.field(factory=dict)

    def add(self, changes: Changes) -> None:
        for some, renewed in ((changes.changed, False), (changes.removed, False), (changes.renewed, True)):
            for recordId in some:
                if recordId not in self.renewed:
                    self.order.append(recordId)
                    self.renewed[recordId] = renewed
                elif not renewed:
                    self.renewed[recordId] = False

    def next(self, sequence: int, read: Callable[[bytes], StoredRecord | None]) -> tuple[Batch, bool]:
        """
        @param sequence: what the registration is now.
        @param read: gives a record by its id; one that is not there any more is a removal.
        @return: the next batch, and whether it is the last.
        """
        batch = Batch(sequence)
        size = 0
        while self.order and len(batch.additions) + len(batch.renewals) < limits.BATCH_RECORDS:
            recordId = self.order[0]
            record = read(recordId)
            if record is None:
                if len(batch.removals) == REMOVALS:
                    return batch, False
                batch.removals.append(recordId)
            else:
                renewed = self.renewed[recordId]
                more = FRAMING + (len(record.head) if renewed else sizeOf(record))
                if size and size + more > limits.BATCH_BYTES:
                    return batch, False
                size += more
                if renewed:
                    batch.renewals.append(RenewedHead(record.head, record.signature))
                else:
                    batch.additions.append(RecordBody(record.head, record.signature, record.text, record.terms))
            self.order.popleft()
            del self.renewed[recordId]
        return batch, not self.order
