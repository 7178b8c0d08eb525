"""What the index stores have in common: posting lists in memory over rows that lie somewhere."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from overlay.identity.ids import PeerId
from overlay.index.evaluation import Evaluation
from overlay.index.postings import Postings
from overlay.index.record import EMPTY_DIGEST, addDigest, openHead, removeDigest
from overlay.index.store import Change, Found, Registration, Request, StoredRecord, Totals


class IndexedStore(ABC):
    """
    An L{overlay.interfaces.IIndexStore} but for where rows and registrations lie.

    @ivar problem: what is wrong at the moment, in a sentence.
    """

    def __init__(self) -> None:
        self.problem = ""
        self._postings = Postings()
        self._registrations: dict[bytes, Registration] = {}

    # --- where rows lie ----------------------------------------------------------------------------------------------

    @abstractmethod
    def _read(self, key: bytes) -> StoredRecord | None:
        """A record by owner + record id."""

    @abstractmethod
    def _write(
        self, registration: Registration, put: Sequence[StoredRecord], gone: Sequence[bytes], forget: bool
    ) -> None:
        """
        All of it or nothing.

        @param gone: keys of rows that go.
        @param forget: the registration itself goes too.
        @raise overlay.errors.StoreFull: nothing was written.
        """

    @abstractmethod
    def _rows(self) -> Iterator[StoredRecord]:
        """Every row, to rebuild the postings from."""

    # --- IIndexStore -------------------------------------------------------------------------------------------------

    def owners(self) -> Sequence[PeerId]:
        return sorted(PeerId(one) for one in self._registrations)

    def registration(self, owner: PeerId) -> Registration | None:
        return self._registrations.get(owner)

    def apply(self, change: Change) -> Registration:
        held = self._registrations.get(change.owner)
        if held is None:
            held = Registration(change.owner, change.key, 0, EMPTY_DIGEST, 0, 0)
        additions = {record.recordId: record for record in change.additions}
        going = list(self.recordIds(change.owner)) if change.clear else [*change.removals, *additions]
        old = [one for one in (self._read(change.owner + recordId) for recordId in dict.fromkeys(going)) if one is not None]
        digest = removeDigest(held.digest, *(one.head for one in old))
        digest = addDigest(digest, *(one.head for one in additions.values()))
        new = Registration(
            change.owner, change.key, held.sequence if change.sequence is None else change.sequence, digest,
            held.records - len(old) + len(additions),
            held.bytes - sum(map(sizeOf, old)) + sum(map(sizeOf, additions.values())),
            held.homes if change.homes is None else change.homes,
            held.homesSigned if change.homes is None else change.homesSigned,
        )
        gone = [change.owner + one.recordId for one in old if one.recordId not in additions]
        self._write(new, list(additions.values()), gone, False)
        self._registrations[change.owner] = new
        for one in old:
            same = additions.get(one.recordId)
            if same is not None and same.terms == one.terms and _sameItem(same, one):
                self._postings.renew(change.owner, one.recordId, additions.pop(one.recordId).head)
            else:
                self._postings.remove(change.owner, one.recordId, one.head, one.terms)
        for record in additions.values():
            self._postings.add(change.owner, record.recordId, record.head, record.terms)
        if self._postings.sparse:
            self._rebuild()
        return new

    def drop(self, owner: PeerId) -> None:
        held = self._registrations.get(owner)
        if held is None:
            return
        keys = [owner + recordId for recordId in self.recordIds(owner)]
        old = [(key, self._read(key)) for key in keys]
        self._write(held, [], keys, True)
        del self._registrations[owner]
        for key, record in old:
            if record is not None:
                self._postings.remove(owner, key[20:], record.head, record.terms)
        if self._postings.sparse:
            self._rebuild()

    def get(self, owner: PeerId, recordId: bytes) -> StoredRecord | None:
        return self._read(owner + recordId)

    def recordIds(self, owner: PeerId) -> Iterable[bytes]:
        rows = self._postings.owners.get(owner)
        return [self._postings.keys[row][20:] for row in rows] if rows is not None else []

    def search(self, request: Request) -> Found:
        return Evaluation(self._postings, request, self._read).found()

    def totals(self) -> Totals:
        return Totals(
            len(self._registrations), len(self._postings.alive), len(self._postings.text) + len(self._postings.name),
            sum(one.bytes for one in self._registrations.values()), self.problem,
        )

    def _rebuild(self) -> None:
        postings = Postings()
        for record in self._rows():
            owner = _ownerOf(record)
            postings.add(owner, record.recordId, record.head, record.terms)
        self._postings = postings


def sizeOf(record: StoredRecord) -> int:
    """Bytes of a record, as quotas count them."""
    return len(record.head) + len(record.text) + len(record.terms)


def _ownerOf(record: StoredRecord) -> bytes:
    return openHead(record.head).owner


def _sameItem(one: StoredRecord, other: StoredRecord) -> bool:
    """Whether two records differ in nothing that the postings know, except the expiry."""
    first, second = openHead(one.head), openHead(other.head)
    return (first.content, first.size, first.modified, first.mediaType, first.location) == (
        second.content, second.size, second.modified, second.mediaType, second.location
    )
