"""What the index stores have in common: the index in memory, over rows that lie in some table."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from overlay.errors import Damaged, SuperpeerError
from overlay.identity.ids import PeerId
from overlay.index.evaluation import Evaluation
from overlay.index.postings import Entry, Postings
from overlay.index.record import EMPTY_DIGEST, addDigest, removeDigest
from overlay.index.rowtable import Placed, RowTable
from overlay.index.store import Change, Found, Registration, Request, StoredRecord, Totals
from overlay.wire.registration import RecordBody

SWEPT = 64
"""Many records that go are taken out of the index in one sweep if there are fewer than so many terms to each."""


class IndexedStore:
    """
    An L{overlay.interfaces.IIndexStore}. The table is written first, so that nothing is in the index that is not in the table.

    @ivar problem: what is wrong at the moment, in a sentence.
    """

    def __init__(self, table: RowTable) -> None:
        self.problem = ""
        self._table = table
        self._registrations: dict[bytes, Registration] = {}

    @cached_property
    def _postings(self) -> Postings:
        # Most peers hold nothing of others most of the time.
        return Postings()

    def owners(self) -> Sequence[PeerId]:
        return sorted(PeerId(one) for one in self._registrations)

    def registration(self, owner: PeerId) -> Registration | None:
        return self._registrations.get(owner)

    def apply(self, change: Change) -> Registration:
        owner = change.owner
        held = self._registrations.get(owner)
        if held is None:
            held = Registration(owner, change.key, 0, EMPTY_DIGEST, 0, 0)
        additions = {record.recordId: record for record in change.additions}
        entries = {recordId: Entry.of(record.head, record.terms) for recordId, record in additions.items()}
        before = (EMPTY_DIGEST, 0, 0) if change.clear else (held.digest, held.records, held.bytes)
        old: list[tuple[int, StoredRecord]] = []
        if not change.clear:
            old = self._held(owner, dict.fromkeys([*change.removals, *additions]))
        digest, records, size = before
        digest = removeDigest(digest, *(one.head for _, one in old))
        digest = addDigest(digest, *(one.head for one in additions.values()))
        new = Registration(
            owner, change.key, held.sequence if change.sequence is None else change.sequence, digest,
            records - len(old) + len(additions),
            size - sum(sizeOf(one) for _, one in old) + sum(map(sizeOf, additions.values())),
            held.homes if change.homes is None else change.homes,
            held.homesSigned if change.homes is None else change.homesSigned,
        )
        gone = list(self._postings.rowsOf(owner)) if change.clear else []
        out = self._leaving(owner) if change.clear else None
        places: dict[bytes, int] = {}
        leaving: list[tuple[bytes, Entry]] = []
        for row, one in old:
            entry = Entry.of(one.head, one.terms)
            again = entries.get(one.recordId)
            if again is not None and _sameButExpiry(entry, again):
                places[one.recordId] = row
            else:
                gone.append(row)
                leaving.append((one.recordId, entry))
        coming = [recordId for recordId in additions if recordId not in places]
        renewed = list(places)
        places.update(zip(coming, self._postings.vacant(len(coming)), strict=True))
        self._write(new, [(places[recordId], one) for recordId, one in additions.items()], gone, False)
        self._registrations[owner] = new
        if change.clear:
            self._takeAllOut(owner, out)
        for recordId in renewed:
            self._postings.renew(owner, recordId, entries[recordId].expires)
        for recordId, entry in leaving:
            self._postings.remove(owner, recordId, entry)
        for recordId in coming:
            self._postings.add(owner, recordId, entries[recordId], places[recordId])
        if change.checked:
            self._postings.genuine.update([places[recordId] for recordId in change.checked])
        return new

    def _held(self, owner: PeerId, recordIds: Iterable[bytes]) -> list[tuple[int, StoredRecord]]:
        """Those of these records that are there, with their rows."""
        found = []
        for recordId in recordIds:
            row = self._postings.rowOf(owner, recordId)
            record = None if row is None else self._table.read(row)
            if row is not None and record is not None:
                found.append((row, record))
        return found

    def _leaving(self, owner: PeerId) -> list[tuple[bytes, Entry]] | None:
        """What the index has of an owner, to take it out piece by piece; None if one sweep over all terms costs less."""
        rows = self._postings.rowsOf(owner)
        if len(rows) * SWEPT > len(self._postings.terms):
            return None
        found = []
        for row in rows:
            record = self._table.read(row)
            if record is None:
                return None
            found.append((record.recordId, Entry.of(record.head, record.terms)))
        return found

    def _takeAllOut(self, owner: PeerId, leaving: list[tuple[bytes, Entry]] | None) -> None:
        if leaving is None:
            self._postings.removeAll(self._postings.rowsOf(owner))
            return
        for recordId, entry in leaving:
            self._postings.remove(owner, recordId, entry)

    def drop(self, owner: PeerId) -> None:
        held = self._registrations.get(owner)
        if held is None:
            return
        leaving = self._leaving(owner)
        self._write(held, [], list(self._postings.rowsOf(owner)), True)
        del self._registrations[owner]
        self._takeAllOut(owner, leaving)

    def _write(self, registration: Registration, put: Sequence[Placed], gone: Sequence[int], forget: bool) -> None:
        self._table.write(registration, put, gone, forget)

    def get(self, owner: PeerId, recordId: bytes) -> StoredRecord | None:
        row = self._postings.rowOf(owner, recordId)
        return None if row is None else self._table.read(row)

    def recordIds(self, owner: PeerId) -> Iterable[bytes]:
        return self._postings.recordIds(owner)

    def search(self, request: Request) -> Found:
        return Evaluation(self._postings, request, self._table).found()

    def totals(self) -> Totals:
        return Totals(
            len(self._registrations), len(self._postings), len(self._postings.terms),
            sum(one.bytes for one in self._registrations.values()), self.problem,
        )

    def close(self) -> None:
        self._table.close()

    # --- starting ----------------------------------------------------------------------------------------------------

    def _rebuild(self) -> None:
        """
        Read registrations and every row, and index them anew.

        @raise Damaged: a row cannot be read, or an owner's rows are not those of its registration.
        """
        self._registrations = {one.owner: one for one in self._table.registrations()}
        postings = Postings()
        digests: dict[bytes, bytes] = {}
        for row, owner, record in self._table.rows():
            try:
                postings.add(owner, record.recordId, Entry.of(record.head, record.terms), row)
            except SuperpeerError as problem:
                raise Damaged(f"a row ({problem})") from problem
            digests[owner] = addDigest(digests.get(owner, EMPTY_DIGEST), record.head)
        for owner, one in self._registrations.items():
            if digests.pop(owner, EMPTY_DIGEST) != one.digest:
                raise Damaged("rows are missing or too many")
        if digests:
            raise Damaged("rows of nobody")
        self._postings = postings


def sizeOf(record: StoredRecord | RecordBody) -> int:
    """Bytes of a record, stored or on its way, as quotas count them."""
    return len(record.head) + len(record.text) + len(record.terms)


def _sameButExpiry(one: Entry, other: Entry) -> bool:
    """Whether two records differ in nothing that the index keeps, except the expiry."""
    return (one.content, one.size, one.modified, one.mediaType, one.location, one.extension, one.words) == (
        other.content, other.size, other.modified, other.mediaType, other.location, other.extension, other.words
    ) and one.terms == other.terms

