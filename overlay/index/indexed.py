"""What the index stores have in common: the index in memory, over rows that lie in some table."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from overlay.errors import Damaged, SuperpeerError
from overlay.identity.ids import ID_BYTES, PeerId
from overlay.index.evaluation import Evaluation
from overlay.index.postings import Entry, Postings
from overlay.index.record import EMPTY_DIGEST, addDigest, removeDigest
from overlay.index.rowtable import RowTable
from overlay.index.store import Change, Found, Registration, Request, StoredRecord, Totals

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
        old: list[StoredRecord] = []
        if not change.clear:
            named = dict.fromkeys([*change.removals, *additions])
            old = [one for one in (self.get(owner, recordId) for recordId in named) if one is not None]
        digest, records, size = before
        digest = removeDigest(digest, *(one.head for one in old))
        digest = addDigest(digest, *(one.head for one in additions.values()))
        new = Registration(
            owner, change.key, held.sequence if change.sequence is None else change.sequence, digest,
            records - len(old) + len(additions),
            size - sum(map(sizeOf, old)) + sum(map(sizeOf, additions.values())),
            held.homes if change.homes is None else change.homes,
            held.homesSigned if change.homes is None else change.homesSigned,
        )
        going = self._postings.recordIds(owner) if change.clear else [one.recordId for one in old]
        gone = [owner + recordId for recordId in going if recordId not in additions]
        out = self._leaving(owner) if change.clear else None
        self._write(new, list(additions.values()), gone, False)
        self._registrations[owner] = new
        if change.clear:
            self._takeAllOut(owner, out)
        for one in old:
            entry = Entry.of(one.head, one.terms)
            again = entries.get(one.recordId)
            if again is not None and _sameButExpiry(entry, again):
                self._postings.renew(owner, one.recordId, again.expires)
                del entries[one.recordId]
            else:
                self._postings.remove(owner, one.recordId, entry)
        for recordId, entry in entries.items():
            self._postings.add(owner, recordId, entry)
        return new

    def _leaving(self, owner: PeerId) -> list[tuple[bytes, Entry]] | None:
        """What the index has of an owner, to take it out piece by piece; None if one sweep over all terms costs less."""
        rows = self._postings.rowsOf(owner)
        if len(rows) * SWEPT > len(self._postings.terms):
            return None
        found = []
        for recordId in self._postings.recordIds(owner):
            record = self.get(owner, recordId)
            if record is None:
                return None
            found.append((recordId, Entry.of(record.head, record.terms)))
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
        self._write(held, [], [owner + recordId for recordId in self._postings.recordIds(owner)], True)
        del self._registrations[owner]
        self._takeAllOut(owner, leaving)

    def _write(
        self, registration: Registration, put: Sequence[StoredRecord], gone: Sequence[bytes], forget: bool
    ) -> None:
        self._table.write(registration, put, gone, forget)

    def get(self, owner: PeerId, recordId: bytes) -> StoredRecord | None:
        return self._table.read(owner + recordId)

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
        for key, record in self._table.rows():
            owner = key[:ID_BYTES]
            try:
                postings.add(owner, key[ID_BYTES:], Entry.of(record.head, record.terms))
            except SuperpeerError as problem:
                raise Damaged(f"a row ({problem})") from problem
            digests[owner] = addDigest(digests.get(owner, EMPTY_DIGEST), record.head)
        for owner, one in self._registrations.items():
            if digests.pop(owner, EMPTY_DIGEST) != one.digest:
                raise Damaged("rows are missing or too many")
        if digests:
            raise Damaged("rows of nobody")
        self._postings = postings


def sizeOf(record: StoredRecord) -> int:
    """Bytes of a record, as quotas count them."""
    return len(record.head) + len(record.text) + len(record.terms)


def _sameButExpiry(one: Entry, other: Entry) -> bool:
    """Whether two records differ in nothing that the index keeps, except the expiry."""
    return (one.content, one.size, one.modified, one.mediaType, one.location, one.extension, one.words) == (
        other.content, other.size, other.modified, other.mediaType, other.location, other.extension, other.words
    ) and one.terms == other.terms

