"""What a super-peer shares itself is brought into its own index."""

from collections.abc import Callable, Iterator

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.index.homelist import homesSaid
from overlay.index.own import OwnRegistration
from overlay.index.record import openHead, recordIdOf
from overlay.index.store import Change, Registration, StoredRecord
from overlay.wire.registration import Register

AT_ONCE = 4
"""Batches that are taken before anything else gets its turn."""


class OwnTaking:
    """
    @param holding: what is held of an owner.
    @param get: a record that is held; it and C{apply} may raise whatever a store of a stranger's making raises.
    @param apply: makes a change.
    @param ended: told after each turn why it failed, or None.
    """

    __slots__ = ("_apply", "_coming", "_commons", "_ended", "_get", "_holding", "_missed")

    def __init__(
        self, commons: Commons, holding: Callable[[bytes], Registration | None], get: Callable[[PeerId, bytes], StoredRecord | None],
        apply: Callable[[Change], Registration], ended: Callable[[Exception | None], None],
    ) -> None:
        self._commons = commons
        self._holding = holding
        self._get = get
        self._apply = apply
        self._ended = ended
        self._coming: Iterator[Register] | None = None
        self._missed: OwnRegistration | None = None

    def take(self, own: OwnRegistration) -> None:
        """Bring in what is not there yet."""
        self._missed = None
        if self._coming is not None:
            # It brings in what has changed meanwhile as well.
            return
        held = self._holding(self._commons.peerId)
        same = held is not None and (held.sequence, held.digest) == (own.sequence, own.digest)
        if same and held is not None and held.homes == tuple(own.homes):
            return
        base = held.sequence if held is not None and (same or held.sequence < own.sequence) else 0
        self._coming = own.batches(base)
        self._takeSome(own)

    def retry(self) -> None:
        """If it failed, try again."""
        if self._missed is not None:
            self.take(self._missed)

    def _takeSome(self, own: OwnRegistration) -> None:
        try:
            for _ in range(AT_ONCE):
                batch = next(self._coming, None) if self._coming is not None else None
                if batch is None:
                    break
                stored = self._takeBatch(batch)
                if batch.last:
                    self._coming = None
                    if stored.digest != batch.digest and batch.base:
                        self._coming = own.batches(0)
        except Exception as problem:  # a store of a stranger's making
            self._coming, self._missed = None, own
            self._ended(problem)
            return
        self._ended(None)
        if self._coming is not None:
            self._commons.clock.callLater(0.0, self._takeSome, own)

    def _takeBatch(self, batch: Register) -> Registration:
        owner, key = self._commons.peerId, self._commons.identity.publicKey
        records = [
            StoredRecord(recordIdOf(owner, openHead(one.head).location), one.head, one.signature, key, one.text, one.terms)
            for one in batch.additions
        ]
        for renewed in batch.renewals:
            recordId = recordIdOf(owner, openHead(renewed.head).location)
            old = self._get(owner, recordId)
            if old is not None:
                records.append(StoredRecord(recordId, renewed.head, renewed.signature, key, old.text, old.terms))
        clear = batch.base == 0 and batch.part == 0
        sequence = batch.sequence if batch.last else (0 if clear else None)
        homes, signed = homesSaid(self._commons, owner, batch.homes, self._holding(owner))
        return self._apply(Change(owner, key, clear, records, batch.removals, sequence, homes, signed))
