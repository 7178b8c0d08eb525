"""
A home's guard over its index store: verifies what comes in, keeps quotas and leases, and never acknowledges what is not stored.
"""

from collections.abc import Sequence

import attrs

from overlay.commons import Commons
from overlay.errors import Expired, Malformed, StoreFull, SuperpeerError
from overlay.identity.ids import PeerId, shortText
from overlay.index.expression import Expression
from overlay.index.indexed import sizeOf
from overlay.index.own import OwnRegistration
from overlay.index.record import EMPTY_DIGEST, addDigest, judgeHead, openHead, recordIdOf, sumDigests, verifyBody
from overlay.index.store import Change, Found, Registration, Request, StoredRecord, Totals
from overlay.interfaces import IIndexStore
from overlay.questions import Deed
from overlay.wire.messages import RecordBody, Register, Registered, RenewedHead
from overlay.wire.statements import HomeList, RecordHead, Signed, checkBody, encodeBody, unseal

_NOTHING = Found((), 0, (), 0.0, 0, 0, {})


@attrs.define(slots=True)
class _Coming:
    """A difference of which not all parts have come."""

    base: int
    sequence: int
    next: int


@attrs.define(slots=True)
class _Refused:
    """
    What this home did not take of one owner, so that the digests still fit.

    @ivar digest: of the heads refused.
    @ivar unsure: whether some of them may have gone since; then digests are not compared.
    """

    digest: bytes = EMPTY_DIGEST
    count: int = 0
    unsure: bool = False


class Registry:
    """
    @ivar problem: what is wrong with the store at the moment, in a sentence; empty if nothing is.
    """

    def __init__(self, commons: Commons, store: IIndexStore) -> None:
        self._commons = commons
        self._store = store
        self._failure = ""
        self._coming: dict[bytes, _Coming] = {}
        self._refused: dict[bytes, _Refused] = {}
        self._suspect: set[bytes] = set()
        self._attached: set[bytes] = set()
        seconds = commons.seconds()
        # What was on disk is served at once, and has a lease in which its owner may come back.
        self._leases: dict[bytes, float] = {
            owner: seconds + commons.settings.lease for owner in store.owners() if owner != commons.peerId
        }

    @property
    def problem(self) -> str:
        return self._failure or self.totals().problem

    # --- who is here -------------------------------------------------------------------------------------------------

    def holding(self, owner: bytes) -> Registration | None:
        """What is held of an owner."""
        found: Registration | None = self._store.registration(PeerId(owner))
        return found

    def usable(self, owner: bytes, sequence: int, digest: bytes) -> int:
        """
        From which sequence an owner may send differences.

        @param sequence: what the owner has now, with C{digest} over all of it.
        @return: 0 if it has to send everything.
        """
        held = self.holding(owner)
        if held is None or held.sequence > sequence:
            return 0
        if held.sequence == sequence and not self._fits(held, digest):
            return 0
        return held.sequence

    def _fits(self, held: Registration, digest: bytes) -> bool:
        refused = self._refused.get(held.owner)
        if refused is None:
            return held.digest == digest
        return refused.unsure or sumDigests(held.digest, [refused.digest], []) == digest

    def attach(self, owner: bytes) -> None:
        """The owner is linked: its lease does not run."""
        self._attached.add(owner)
        self._leases.pop(owner, None)

    def release(self, owner: bytes) -> None:
        """The owner's link has ended: its lease runs."""
        self._attached.discard(owner)
        self._coming.pop(owner, None)
        if self.holding(owner) is not None:
            self._leases[owner] = self._commons.seconds() + self._commons.settings.lease

    def drop(self, owner: bytes) -> None:
        """Forget an owner's registration."""
        self._attached.discard(owner)
        self._leases.pop(owner, None)
        self._coming.pop(owner, None)
        self._refused.pop(owner, None)
        try:
            self._store.drop(PeerId(owner))
        except SuperpeerError as problem:
            self._failed(problem)

    def expire(self) -> list[PeerId]:
        """
        Forget whose lease is over.

        @return: who that was.
        """
        seconds = self._commons.seconds()
        over = [PeerId(owner) for owner, until in self._leases.items() if until <= seconds]
        for owner in over:
            self._commons.log.debug("the lease of {owner} is over", owner=shortText(owner))
            self.drop(owner)
        return over

    def owners(self, attachedOnly: bool = False) -> list[PeerId]:
        """Whose registration is held, this peer's own left out."""
        return [
            owner for owner in self._store.owners()
            if owner != self._commons.peerId and (not attachedOnly or owner in self._attached)
        ]

    def homesOf(self, owner: bytes) -> tuple[PeerId, ...]:
        """The owner's homes, as it signed them."""
        held = self.holding(owner)
        return held.homes if held is not None else ()

    # --- registering -------------------------------------------------------------------------------------------------

    def apply(self, owner: bytes, key: bytes, message: Register) -> Registered:
        """
        Take one batch.

        @return: the acknowledgement: what is stored now, and which records were not taken, with codes.
        """
        held = self.holding(owner)
        now = held.sequence if held is not None else 0
        coming = self._coming.get(owner)
        if message.part == 0:
            if message.base and message.base != now:
                return Registered(now, 0, code="base")
            coming = self._coming[owner] = _Coming(message.base, message.sequence, 0)
            if not message.base:
                self._refused.pop(owner, None)
        if coming is None or (coming.base, coming.sequence, coming.next) != (message.base, message.sequence, message.part):
            self._coming.pop(owner, None)
            return Registered(now, message.part, code="base")
        clear = message.base == 0 and message.part == 0
        taken, refused = self._examine(owner, key, message, None if clear else held)
        try:
            change = self._changeOf(owner, key, message, taken, clear, now)
            stored = self._store.apply(change)
        except SuperpeerError as problem:
            self._coming.pop(owner, None)
            self._failed(problem)
            return Registered(now, message.part, code=StoreFull.code, retry=30.0)
        except Exception as problem:  # a store of a stranger's making; nothing is acknowledged
            self._coming.pop(owner, None)
            self._failed(problem)
            return Registered(now, message.part, code=StoreFull.code, retry=30.0)
        self._failure = ""
        coming.next += 1
        if message.last:
            del self._coming[owner]
            if not self._fits(stored, message.digest):
                # Something was lost on the way or here: everything has to come again.
                self._store.apply(Change(PeerId(owner), key, sequence=0))
                return Registered(0, message.part, refused, "digest")
        return Registered(stored.sequence, message.part, refused)

    def _changeOf(
        self, owner: bytes, key: bytes, message: Register, taken: list[StoredRecord], clear: bool, now: int
    ) -> Change:
        sequence: int | None = None
        if message.last:
            sequence = message.sequence
        elif clear:
            sequence = 0
        homes, signed = self._homes(owner, message.homes)
        return Change(PeerId(owner), key, clear, taken, message.removals, sequence, homes, signed)

    def _homes(self, owner: bytes, signed: Signed | None) -> tuple[tuple[PeerId, ...] | None, bytes]:
        if signed is None:
            return None, b""
        try:
            statement = unseal(self._commons.scheme, signed, HomeList, self._commons.network.id, owner)
        except SuperpeerError:
            self._commons.report(PeerId(owner), Deed.FORGED_STATEMENT)
            return None, b""
        return tuple(PeerId(one) for one in statement.homes), encodeBody(statement)

    def _examine(
        self, owner: bytes, key: bytes, message: Register, held: Registration | None
    ) -> tuple[list[StoredRecord], list[tuple[bytes, str]]]:
        """Which records of a batch are taken, and why the others are not."""
        commons = self._commons
        settings = commons.settings
        records = held.records if held is not None else 0
        size = held.bytes if held is not None else 0
        refusals = self._refused.get(owner) or _Refused()
        for recordId in message.removals:
            old = self._store.get(PeerId(owner), recordId)
            if old is not None:
                records, size = records - 1, size - sizeOf(old)
            elif refusals.count:
                refusals.unsure = True
        sampled = owner not in self._suspect and commons.trust(PeerId(owner)) >= settings.trustedFrom
        taken: list[StoredRecord] = []
        refused: list[tuple[bytes, str]] = []
        for one in [*message.additions, *message.renewals]:
            recordId, record, code = self._examineOne(owner, key, one, sampled)
            if record is not None and not code:
                old = self._store.get(PeerId(owner), recordId) if held is not None else None
                grows = (0 if old else 1, sizeOf(record) - (sizeOf(old) if old else 0))
                if records + grows[0] > settings.quotaRecords:
                    code = "quota-records"
                elif size + grows[1] > settings.quotaBytes:
                    code = "quota-bytes"
                else:
                    records, size = records + grows[0], size + grows[1]
            if code or record is None:
                refused.append((recordId, code))
                refusals.digest = addDigest(refusals.digest, one.head)
                refusals.count += 1
                commons.tally.count("drops", "record-" + code)
                if held is not None and self._store.get(PeerId(owner), recordId) is not None:
                    # The older version stays, and with it its place in the digest.
                    refusals.unsure = True
            else:
                taken.append(record)
        if refusals.count:
            self._refused[owner] = refusals
        return taken, refused

    def _examineOne(
        self, owner: bytes, key: bytes, one: RecordBody | RenewedHead, sampled: bool
    ) -> tuple[bytes, StoredRecord | None, str]:
        """The record's id, the record, and a code if it is not good."""
        commons = self._commons
        recordId = bytes(16)
        try:
            recordId = recordIdOf(owner, openHead(one.head).location)
            head = judgeHead(commons.network.id, key, one.head, commons.now())
            if isinstance(one, RenewedHead):
                old = self._store.get(PeerId(owner), recordId)
                if old is None or not _renews(head, openHead(old.head)):
                    return recordId, None, "unknown"
                record = StoredRecord(recordId, one.head, one.signature, key, old.text, old.terms)
            else:
                verifyBody(head, one.text, one.terms)
                record = StoredRecord(recordId, one.head, one.signature, key, one.text, one.terms)
            if (not sampled or commons.random.random() < commons.settings.sample) and not checkBody(
                commons.scheme, RecordHead, one.head, key, one.signature
            ):
                self._suspect.add(owner)
                commons.report(PeerId(owner), Deed.FORGED_RECORD)
                return recordId, None, "forged"
        except Malformed:
            commons.report(PeerId(owner), Deed.GARBAGE)
            return recordId, None, "malformed"
        except Expired:
            return recordId, None, "expired"
        except SuperpeerError:
            self._suspect.add(owner)
            commons.report(PeerId(owner), Deed.FORGED_RECORD)
            return recordId, None, "forged"
        return recordId, record, ""

    def applyOwn(self, own: OwnRegistration) -> None:
        """Bring in what this peer itself shares: a registration like any other, but for the quota."""
        commons = self._commons
        owner, key = commons.peerId, commons.identity.publicKey
        held = self.holding(owner)
        if held is not None and (held.sequence, held.digest) == (own.sequence, own.digest):
            return
        base = held.sequence if held is not None and held.sequence < own.sequence else 0
        try:
            for batch in own.batches(base):
                self._applyOwnBatch(owner, key, batch)
            held = self.holding(owner)
            if held is not None and held.digest != own.digest and base:
                self._store.apply(Change(owner, key, clear=True, sequence=0))
                for batch in own.batches(0):
                    self._applyOwnBatch(owner, key, batch)
        except SuperpeerError as problem:
            self._failed(problem)

    def _applyOwnBatch(self, owner: PeerId, key: bytes, batch: Register) -> None:
        records = [
            StoredRecord(recordIdOf(owner, openHead(one.head).location), one.head, one.signature, key, one.text, one.terms)
            for one in batch.additions
        ]
        for renewed in batch.renewals:
            recordId = recordIdOf(owner, openHead(renewed.head).location)
            old = self._store.get(owner, recordId)
            if old is not None:
                records.append(StoredRecord(recordId, renewed.head, renewed.signature, key, old.text, old.terms))
        clear = batch.base == 0 and batch.part == 0
        sequence = batch.sequence if batch.last else (0 if clear else None)
        self._store.apply(Change(owner, key, clear, records, batch.removals, sequence))

    # --- searching ---------------------------------------------------------------------------------------------------

    def search(self, expression: Expression, want: int, without: Sequence[bytes] = ()) -> Found:
        """
        What is held that matches. A store that fails counts as holding nothing.
        """
        refused = [*without, *self._commons.blocked, *self._commons.network.expelled]
        try:
            found: Found = self._store.search(Request(expression, want, self._commons.now(), frozenset(refused)))
        except Exception as problem:  # whatever a store raises, the search goes on without it
            self._failed(problem)
            return _NOTHING
        return found

    def totals(self) -> Totals:
        """For status and metrics."""
        totals: Totals = self._store.totals()
        return totals

    def _failed(self, problem: Exception) -> None:
        said = str(problem) or type(problem).__name__
        if said != self._failure:
            self._commons.log.error("the store of registrations: {problem}", problem=said)
        self._failure = said
        self._commons.tally.count("drops", "store")


def _renews(new: RecordHead, old: RecordHead) -> bool:
    """Whether a head differs from an older one only in its number and its times."""
    return (
        new.content, new.name, new.location, new.size, new.modified, new.mediaType, new.textDigest, new.termsDigest
    ) == (
        old.content, old.name, old.location, old.size, old.modified, old.mediaType, old.textDigest, old.termsDigest
    )
