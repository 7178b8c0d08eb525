"""
This peer's own registration: what it shares, signed, numbered, and durable, so that a restart goes on where it stopped.

One table holds it all, by the first letter of the key: C{m} what it comes to, C{r} + record id a record, C{j} + sequence what changed
with that sequence. Each update is one transaction.
"""

from collections.abc import Callable, Collection, Iterator, Sequence

import msgspec
from twisted.internet.interfaces import IDelayedCall

from overlay.commons import Commons
from overlay.errors import Malformed, StoreFull
from overlay.identity.ids import PeerId
from overlay.index.difference import Changes, Coming
from overlay.index.document import Document
from overlay.index.indexed import sizeOf
from overlay.index.record import (
    EMPTY_DIGEST,
    addDigest,
    isEncodable,
    makeRecord,
    mediaTypeOf,
    nameOf,
    openHead,
    packTerms,
    recordIdOf,
    removeDigest,
    renewRecord,
    trimmed,
)
from overlay.index.store import StoredRecord
from overlay.wire import limits
from overlay.wire.registration import Register
from overlay.wire.statements import HomeList, Signed, seal

JOURNAL = 1000
"""Updates whose differences are kept; a home that is further behind gets everything."""
RENEW_EVERY = 6 * 3600.0
"""Seconds between two looks for heads that have passed half of their life."""
RENEW_FIRST = 30.0
RENEWED_AT_ONCE = 200
_META = b"m"


class _Meta(msgspec.Struct, array_like=True):
    sequence: int = 0
    digest: bytes = EMPTY_DIGEST
    count: int = 0
    size: int = 0
    homes: list[bytes] = []
    homesSequence: int = 0
    oldest: int = 0
    former: int = 0


class _Kept(msgspec.Struct, array_like=True, gc=False):
    head: bytes
    signature: bytes
    text: bytes
    terms: bytes


_keptDecoder = msgspec.msgpack.Decoder(_Kept)
_encode = msgspec.msgpack.encode


def rowOfHomes(homes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Key and value that a table of a peer begins with which shares nothing yet, and had these homes."""
    return _META, _encode(_Meta(homes=list(homes), homesSequence=1))


class OwnRegistration:
    """
    @ivar observers: called after each update.
    @ivar problem: why the last update was not kept, or empty.
    """

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._table = commons.storage.table("own")
        stored = self._table.get(_META)
        self._meta = msgspec.msgpack.decode(stored, type=_Meta) if stored else _Meta()
        self.observers: list[Callable[[], None]] = []
        self.problem = ""
        self._homes: Signed | None = None
        self._timer: IDelayedCall | None = None
        if self._meta.homes:
            self._signHomes()

    @property
    def sequence(self) -> int:
        """Grows by one with each update."""
        return self._meta.sequence

    @property
    def digest(self) -> bytes:
        """Of all records."""
        return self._meta.digest

    @property
    def count(self) -> int:
        """Records."""
        return self._meta.count

    @property
    def bytes_(self) -> int:
        """Of heads, texts and terms."""
        return self._meta.size

    # --- records -----------------------------------------------------------------------------------------------------

    def byId(self, recordId: bytes) -> StoredRecord | None:
        """A record by its id."""
        value = self._table.get(b"r" + recordId)
        if not value:
            return None
        kept = _keptDecoder.decode(value)
        return StoredRecord(recordId, kept.head, kept.signature, self._commons.identity.publicKey, kept.text, kept.terms)

    def get(self, location: str) -> StoredRecord | None:
        """A record by its location."""
        return self.byId(recordIdOf(self._commons.peerId, location))

    def _ids(self) -> list[bytes]:
        return [key[1:] for key in list(self._table.keys()) if key[:1] == b"r"]

    def locations(self) -> set[str]:
        """Where everything lies that is shared."""
        records = (self.byId(recordId) for recordId in self._ids())
        return {openHead(record.head).location for record in records if record is not None}

    def update(self, changed: Sequence[Document], removed: Sequence[str]) -> None:
        """
        Share documents, new or changed, and stop sharing others; what has not really changed makes no new record. A document that
        no record can hold (its location is too long, or no text) is left out and counted.

        @raise StoreFull: nothing of it was kept.
        """
        commons = self._commons
        number = self._meta.sequence + 1
        now = commons.now()
        made: list[StoredRecord] = []
        kept: set[bytes] = set()
        gone: dict[bytes, None] = {}
        old: list[StoredRecord] = []
        for document in {one.location: one for one in changed}.values():
            document = trimmed(document, commons.settings.textLimit, commons.settings.termLimit)
            held = self.get(document.location) if isEncodable(document.location) else None
            if held is not None and _says(held, document, commons.network.dialect):
                kept.add(held.recordId)
                continue
            try:
                made.append(
                    makeRecord(commons.identity, commons.network, document, number, now, now + commons.settings.recordLife)
                )
            except Malformed:
                commons.tally.count("drops", "unshareable")
                removed = [*removed, document.location]
                continue
            if held is not None:
                old.append(held)
        kept.update(one.recordId for one in made)
        for location in removed:
            recordId = recordIdOf(commons.peerId, location)
            held = self.byId(recordId)
            if held is not None and recordId not in kept and recordId not in gone:
                old.append(held)
                gone[recordId] = None
        if made or gone:
            self._keep(number, made, list(gone), old, [])

    def _keep(
        self, number: int, made: list[StoredRecord], gone: list[bytes], old: list[StoredRecord], renewed: list[bytes]
    ) -> None:
        meta = self._meta
        digest = addDigest(removeDigest(meta.digest, *(one.head for one in old)), *(one.head for one in made))
        oldest = meta.oldest or int(self._commons.now())
        new = _Meta(
            number, digest, meta.count - len(old) + len(made),
            meta.size - sum(map(sizeOf, old)) + sum(map(sizeOf, made)), meta.homes, meta.homesSequence, oldest,
            meta.former,
        )
        again = set(renewed)
        changes = Changes([one.recordId for one in made if one.recordId not in again], gone, renewed)
        rows = [(b"r" + one.recordId, _encode(_Kept(one.head, one.signature, one.text, one.terms))) for one in made]
        rows += [(b"r" + one, b"") for one in gone]
        rows += [(_journalKey(number), _encode(changes)), (_META, _encode(new))]
        try:
            self._table.putMany(rows)
        except StoreFull as problem:
            self.problem = f"what is shared could not be stored ({problem})"
            raise
        self.problem = ""
        self._meta = new
        try:
            self._table.removeMany([*(b"r" + one for one in gone), _journalKey(number - JOURNAL)])
        except StoreFull as problem:
            # They are empty, and count as gone.
            self._commons.log.warn("what is not shared any more could not be cleared: {problem}", problem=problem)
        for observer in list(self.observers):
            observer()

    # --- what a home is sent -----------------------------------------------------------------------------------------

    def batches(self, base: int, wanted: Collection[bytes] = ()) -> Iterator[Register]:
        """
        What brings a home from C{base} to now; everything if C{base} is 0 or too long ago. At least one batch, the last one marked as
        such. What changes while the batches are taken is in the later ones, so that the last always brings the home to what is
        shared at that moment.

        @param wanted: ids of records that the home lacks besides.
        """
        coming = Coming()
        part = 0
        known = self._since(base) if base else None
        while True:
            if known is None:
                base, part, coming = 0, 0, Coming()
                known = Changes(self._ids(), [])
            coming.add(known)
            if part == 0:
                coming.add(Changes(list(wanted), []))
            batch, last = coming.next(self.sequence, self.byId)
            yield Register(
                base, self.sequence, part, last, self.digest, batch.additions, batch.removals, batch.renewals,
                self._homes if last else None,
            )
            if last:
                return
            part += 1
            known = self._since(batch.sequence)

    def _since(self, base: int) -> Changes | None:
        """What has changed since C{base}, each record once; None if that is not known any more."""
        if base > self.sequence:
            return None
        changed: dict[bytes, None] = {}
        renewed: dict[bytes, None] = {}
        for sequence in range(base + 1, self.sequence + 1):
            value = self._table.get(_journalKey(sequence))
            if value is None:
                return None
            step = msgspec.msgpack.decode(value, type=Changes)
            changed.update(dict.fromkeys([*step.changed, *step.removed]))
            renewed.update(dict.fromkeys(step.renewed))
        return Changes(list(changed), [], [one for one in renewed if one not in changed])

    # --- homes -------------------------------------------------------------------------------------------------------

    @property
    def homes(self) -> list[bytes]:
        """Ids of the homes in the list that was signed last."""
        return self._meta.homes

    @property
    def formerHomes(self) -> list[bytes]:
        """Those at the end of the list that are no homes any more, but may not have noticed it."""
        return self._meta.homes[len(self._meta.homes) - self._meta.former :]

    def homesSigned(self) -> Signed | None:
        """The signed list of homes, in order."""
        return self._homes

    def setHomes(self, homes: Sequence[PeerId], former: Sequence[PeerId] = ()) -> bool:
        """
        Sign another list of homes, and tell the observers.

        @param former: see L{formerHomes}; as many as there is room for.
        @return: whether it is another one than before.
        """
        wanted = [bytes(one) for one in (*homes, *former)][: limits.HOMES]
        if wanted == self._meta.homes and self._homes is not None:
            return False
        self._meta.homes = wanted
        self._meta.former = max(0, len(wanted) - len(homes))
        self._meta.homesSequence += 1
        self._signHomes()
        try:
            self._table.put(_META, _encode(self._meta))
        except StoreFull:
            self.problem = "the list of homes could not be stored"
        for observer in list(self.observers):
            observer()
        return True

    def _signHomes(self) -> None:
        commons = self._commons
        statement = HomeList(commons.network.id, commons.peerId, self._meta.homesSequence, self._meta.homes)
        self._homes = seal(commons.identity, statement)

    # --- renewal -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Look now and then for heads that have passed half of their life."""
        if self._timer is None:
            self._timer = self._commons.clock.callLater(RENEW_FIRST, self._renewAll)

    def stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _renewAll(self) -> None:
        now = self._commons.now()
        life = self._commons.settings.recordLife
        # Whoever signed by a clock that was fast has heads that others do not take yet.
        if not self._meta.oldest or -limits.CLOCK_SLACK <= now - self._meta.oldest < life / 2:
            self._timer = self._commons.clock.callLater(min(RENEW_EVERY, life / 8), self._renewAll)
            return
        self._renewSome(self._ids(), int(now + life))

    def _renewSome(self, left: list[bytes], oldest: int) -> None:
        """A few at a time, so that searches are not held up."""
        life = self._commons.settings.recordLife
        some, left = left[:RENEWED_AT_ONCE], left[RENEWED_AT_ONCE:]
        oldest = min(oldest, self.renew(some))
        if left:
            self._timer = self._commons.clock.callLater(0.0, self._renewSome, left, oldest)
            return
        self._meta.oldest = oldest
        self._timer = self._commons.clock.callLater(min(RENEW_EVERY, life / 8), self._renewAll)

    def renew(self, ids: Sequence[bytes]) -> int:
        """
        Sign those heads anew that have passed half of their life.

        @return: when the oldest of C{ids} was issued, seconds since the epoch.
        """
        commons = self._commons
        now = commons.now()
        life = commons.settings.recordLife
        old: list[StoredRecord] = []
        made: list[StoredRecord] = []
        renewed: list[bytes] = []
        oldest = int(now)
        number = self._meta.sequence + 1
        for recordId in ids:
            record = self.byId(recordId)
            if record is None:
                continue
            head = openHead(record.head)
            if head.expires - now > life / 2 and head.issued <= now + limits.CLOCK_SLACK:
                oldest = min(oldest, head.issued)
                continue
            old.append(record)
            made.append(renewRecord(commons.identity, record, number, now, now + life))
            if head.issued <= now + limits.CLOCK_SLACK and head.expires >= now:
                renewed.append(recordId)
            # Any other no home has taken, or has any more: it is sent with its text.
        if made:
            try:
                self._keep(number, made, [], old, renewed)
            except StoreFull:
                commons.log.error("{problem}", problem=self.problem)
                return 1  # they are as old as they were: tried again at the next look
        return oldest


def _journalKey(sequence: int) -> bytes:
    return b"j" + max(0, sequence).to_bytes(8, "big")


def _says(held: StoredRecord, document: Document, dialect: str) -> bool:
    """Whether a record says what a document does, whatever the record's number and times."""
    head = openHead(held.head)
    return (
        (head.content, head.size, head.modified) == (document.content, document.size, max(0, document.modified))
        and (head.mediaType, head.name) == (mediaTypeOf(document), nameOf(document))
        and held.text == document.text.encode("utf-8", "replace")
        and held.terms == packTerms(document.terms, document.length, dialect, document.title)
    )
