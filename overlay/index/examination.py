"""One batch of records before it is stored: which of them are taken, and why the others are not."""

import hashlib
from collections.abc import Sequence

import attrs

from overlay.commons import Commons
from overlay.errors import Expired, Malformed, SuperpeerError
from overlay.identity.ids import PeerId
from overlay.index.indexed import sizeOf
from overlay.index.record import judgeHead, openHead, recordIdOf, verifyBody
from overlay.index.refusals import Draft, Refusal
from overlay.index.store import Registration, StoredRecord
from overlay.interfaces import IIndexStore
from overlay.questions import Deed
from overlay.wire.registration import RecordBody, Register, RenewedHead
from overlay.wire.statements import RecordHead, checkBody


@attrs.define(slots=True)
class Examined:
    """
    @ivar taken: records that are good and within the quota, by id.
    @ivar checked: ids of those among them whose signatures have been checked.
    @ivar removals: ids of records that go.
    @ivar refused: the others, with codes.
    @ivar forged: whether one of them was forged.
    """

    taken: dict[bytes, StoredRecord] = attrs.field(factory=dict)
    checked: dict[bytes, None] = attrs.field(factory=dict)
    removals: list[bytes] = attrs.field(factory=list)
    refused: list[tuple[bytes, str]] = attrs.field(factory=list)
    forged: bool = False


class Examination:
    """
    Looks at one batch of one owner.

    @param held: what is held of the owner; None if that is nothing, or is forgotten with this batch.
    @param sampled: whether a sample of the signatures is enough.
    @param bringer: who answers for what is wrong with it; None for the owner.
    """

    def __init__(
        self, commons: Commons, store: IIndexStore, owner: bytes, key: bytes, held: Registration | None, sampled: bool,
        draft: Draft, bringer: PeerId | None = None,
    ) -> None:
        self._commons = commons
        self._store = store
        self._owner = PeerId(owner)
        self._bringer = bringer or self._owner
        self._key = key
        self._holds = held is not None
        self._records = held.records if held is not None else 0
        self._size = held.bytes if held is not None else 0
        self._sampled = sampled
        self._draft = draft
        self._found = Examined()
        # What is held of each record that this batch has touched, as it will be.
        self._now: dict[bytes, StoredRecord | None] = {}

    def of(self, message: Register) -> Examined:
        """The whole batch."""
        for recordId in message.removals:
            self._draft.forget(recordId)
            self._remove(recordId)
        parts: list[RecordBody | RenewedHead] = [*message.additions, *message.renewals]
        hold = self._signatures(parts)
        for number, one in enumerate(parts):
            self._take(one, hold.get(number))
        return self._found

    def _signatures(self, parts: "Sequence[RecordBody | RenewedHead]") -> dict[int, bool]:
        """Which signatures hold, of those that are checked: a sample, or all once one of those is false."""
        commons = self._commons
        if self._sampled:
            chosen = [number for number in range(len(parts)) if commons.random.random() < commons.settings.sample]
            if all(self._holdsTrue(parts[number]) for number in chosen):
                return dict.fromkeys(chosen, True)
        return {number: self._holdsTrue(one) for number, one in enumerate(parts)}

    def _holdsTrue(self, one: "RecordBody | RenewedHead") -> bool:
        return checkBody(self._commons.scheme, RecordHead, one.head, self._key, one.signature)

    def _held(self, recordId: bytes) -> StoredRecord | None:
        if recordId not in self._now:
            found: StoredRecord | None = self._store.get(self._owner, recordId) if self._holds else None
            self._now[recordId] = found
        return self._now[recordId]

    def _remove(self, recordId: bytes) -> None:
        old = self._held(recordId)
        if old is not None:
            self._records -= 1
            self._size -= sizeOf(old)
            self._now[recordId] = None
            self._found.taken.pop(recordId, None)
            self._found.checked.pop(recordId, None)
            self._found.removals.append(recordId)

    def _take(self, one: "RecordBody | RenewedHead", holds: bool | None) -> None:
        """
        @param holds: whether the signature does; None if it was not checked.
        """
        recordId, record, code = self._judge(one, holds is False)
        refusedBefore = self._draft.get(recordId)
        self._draft.forget(recordId)
        if record is not None:
            code = self._overQuota(recordId, record)
        if record is not None and not code:
            old = self._held(recordId)
            self._records += old is None
            self._size += sizeOf(record) - (sizeOf(old) if old is not None else 0)
            self._now[recordId] = self._found.taken[recordId] = record
            self._found.checked.pop(recordId, None)
            if holds:
                self._found.checked[recordId] = None
            return
        if code == "unknown" and refusedBefore is not None and refusedBefore.code != "expired":
            # It was refused before, and has only been signed anew: the reason is still the same, unless it was the older head's times.
            code = refusedBefore.code
        # The older version, if there is one, is what the owner does not share any more.
        self._remove(recordId)
        self._found.refused.append((recordId, code))
        size = sizeOf(record) if record is not None else refusedBefore.size if refusedBefore is not None else 0
        self._draft.refuse(recordId, Refusal(code, hashlib.sha256(one.head).digest(), size))
        self._commons.tally.count("drops", "record-" + code)

    def _overQuota(self, recordId: bytes, record: StoredRecord) -> str:
        old = self._held(recordId)
        settings = self._commons.settings
        if self._records + (old is None) > settings.quotaRecords:
            return "quota-records"
        if self._size + sizeOf(record) - (sizeOf(old) if old is not None else 0) > settings.quotaBytes:
            return "quota-bytes"
        return ""

    def _judge(self, one: "RecordBody | RenewedHead", isFalse: bool) -> tuple[bytes, StoredRecord | None, str]:
        """The record's id, the record, and a code if it is not good."""
        commons, owner, key = self._commons, self._owner, self._key
        # A head that cannot be read has no location: it gets an id of its own.
        recordId = hashlib.sha256(b"superpeer unreadable\0" + one.head).digest()[:16]
        try:
            recordId = recordIdOf(owner, openHead(one.head).location)
            head = judgeHead(commons.network.id, key, one.head, commons.now())
            if not isFalse and isinstance(one, RenewedHead):
                old = self._held(recordId)
                if old is None or not _renews(head, openHead(old.head)):
                    return recordId, None, "unknown"
                return recordId, StoredRecord(recordId, one.head, one.signature, key, old.text, old.terms), ""
            if not isFalse and isinstance(one, RecordBody):
                verifyBody(head, one.text, one.terms, commons.network.dialect)
                return recordId, StoredRecord(recordId, one.head, one.signature, key, one.text, one.terms), ""
        except Malformed:
            commons.report(self._bringer, Deed.GARBAGE)
            return recordId, None, "malformed"
        except Expired:
            return recordId, None, "expired"
        except SuperpeerError:
            pass
        self._found.forged = True
        commons.report(self._bringer, Deed.FORGED_RECORD)
        return recordId, None, "forged"


def _renews(new: RecordHead, old: RecordHead) -> bool:
    """Whether a head differs from an older one only in its number and its times."""
    return (
        new.content, new.name, new.location, new.size, new.modified, new.mediaType, new.textDigest, new.termsDigest
    ) == (
        old.content, old.name, old.location, old.size, old.modified, old.mediaType, old.textDigest, old.termsDigest
    )
