"""
What a home did not take of each owner. An owner states the digest of all that it shares, so a home has to know the digests of what it
refused to see whether the rest is whole. They outlive a restart, or each one would have everything sent again.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from math import inf

import attrs
import msgspec

from overlay.index.record import DIGEST_BYTES, EMPTY_DIGEST, sumDigests
from overlay.storage import ITable

MOST = 100_000
"""Refused records of one owner that are remembered one by one; of an owner with more, digests are not compared."""
WANT_OF_ROOM = ("quota-records", "quota-bytes")
"""Codes of what would be taken if there were room."""
RECORDS_KEY = b"r"
OWNERS_KEY = b"o"


class _Sum(msgspec.Struct, array_like=True, gc=False):
    digest: bytes = EMPTY_DIGEST
    count: int = 0
    unsure: bool = False


@attrs.frozen(slots=True)
class Refusal:
    """
    One record that was not taken.

    @ivar digest: SHA-256 of its head.
    @ivar size: bytes of head, text and terms; 0 if not known.
    """

    code: str
    digest: bytes
    size: int = 0

    @classmethod
    def unpack(cls, row: bytes) -> "Refusal":
        # Rows of before have no size.
        code, _, size = row[DIGEST_BYTES:].partition(b" ")
        return cls(code.decode("ascii"), row[:DIGEST_BYTES], int(size or b"0"))

    def pack(self) -> bytes:
        return b"%b%b %d" % (self.digest, self.code.encode("ascii"), self.size)


class Refusals:
    """
    @param table: keeps a row for each refused record, and one for each owner that has any.
    """

    def __init__(self, table: ITable) -> None:
        self._table = table
        self._sums: dict[bytes, _Sum] = {}
        # Of owners whose refusals were looked through, no more than the size of the smallest that waits for room.
        self._least: dict[bytes, float] = {}
        for key in self._keys(OWNERS_KEY):
            value = table.get(key)
            if value is not None:
                self._sums[key[1:]] = msgspec.msgpack.decode(value, type=_Sum)

    def _keys(self, begins: bytes) -> list[bytes]:
        every: Iterable[bytes] = self._table.keys()
        return [key for key in every if key.startswith(begins)]

    def count(self, owner: bytes) -> int:
        """Records of an owner that were refused."""
        found = self._sums.get(owner)
        return found.count if found is not None else 0

    def fits(self, owner: bytes, held: bytes, stated: bytes) -> bool:
        """
        Whether what is held and what was refused is what the owner shares.

        @param held: digest of the records held.
        @param stated: digest of all that the owner shares.
        """
        found = self._sums.get(owner)
        if found is None:
            return held == stated
        return found.unsure or sumDigests(held, [found.digest], []) == stated

    def get(self, owner: bytes, recordId: bytes) -> Refusal | None:
        """One record that was refused."""
        value = self._table.get(RECORDS_KEY + owner + recordId) if owner in self._sums else None
        return Refusal.unpack(value) if value else None

    def _each(self, owner: bytes) -> Iterator[tuple[bytes, Refusal]]:
        begins = RECORDS_KEY + owner
        for key in self._keys(begins) if owner in self._sums else ():
            one = self.get(owner, key[len(begins) :])
            if one is not None:
                yield key[len(begins) :], one

    def some(self, owner: bytes, most: int) -> list[tuple[bytes, str]]:
        """Records of an owner that were refused, with codes."""
        return [(recordId, one.code) for recordId, one in islice(self._each(owner), most)]

    def fitting(self, owner: bytes, records: int, size: int) -> list[bytes]:
        """
        What was refused for want of room, and would be taken now.

        @param records: for how many there is room.
        @param size: for how many bytes.
        """
        found: list[bytes] = []
        if owner not in self._sums or records <= 0 or size < self._least.get(owner, 0):
            return found
        least = inf
        for recordId, one in self._each(owner):
            if one.code in WANT_OF_ROOM:
                least = min(least, one.size)
                if one.size <= size:
                    size -= one.size
                    found.append(recordId)
                    if len(found) == records:
                        return found
        self._least[owner] = least
        return found

    def clear(self, owner: bytes) -> None:
        """
        An owner begins again, or is forgotten.

        @raise overlay.errors.StoreFull: the disk is full.
        """
        self._least.pop(owner, None)
        if self._sums.pop(owner, None) is not None:
            self._table.removeMany([OWNERS_KEY + owner, *self._keys(RECORDS_KEY + owner)])

    def keep(self, draft: "Draft") -> None:
        """
        What a batch came to, once the batch itself is stored.

        @raise overlay.errors.StoreFull: the disk is full; it is remembered until the process ends.
        """
        owner = draft.owner
        if draft.cleared:
            self.clear(owner)
        if not draft.changes:
            return
        old = self._sums.get(owner) or _Sum()
        before = {recordId: self.get(owner, recordId) for recordId in draft.changes}
        refused = [one for one in draft.changes.values() if one is not None]
        if owner in self._least:
            self._least[owner] = min([self._least[owner], *(one.size for one in refused if one.code in WANT_OF_ROOM)])
        added = [one.digest for one in refused]
        removed = [one.digest for one in before.values() if one is not None]
        new = _Sum(sumDigests(old.digest, added, removed), old.count + len(added) - len(removed), old.unsure)
        puts: list[tuple[bytes, bytes]] = []
        gone: list[bytes] = []
        for recordId, one in draft.changes.items():
            key = RECORDS_KEY + owner + recordId
            if one is None:
                gone.append(key)
            elif before[recordId] is not None or old.count + len(puts) < MOST:
                puts.append((key, one.pack()))
            else:
                new.unsure = True
        if not new.count and not new.unsure:
            self._sums.pop(owner, None)
            self._least.pop(owner, None)
            gone.append(OWNERS_KEY + owner)
        else:
            self._sums[owner] = new
            puts.append((OWNERS_KEY + owner, msgspec.msgpack.encode(new)))
        self._table.putMany(puts)
        self._table.removeMany(gone)


class Draft:
    """
    What one batch changes, kept only once the batch is stored.

    @ivar cleared: whether all that was refused before is forgotten.
    @ivar changes: by record id, its refusal, or None if there is none any more.
    """

    def __init__(self, refusals: Refusals, owner: bytes, cleared: bool) -> None:
        self._refusals = refusals
        self.owner = owner
        self.cleared = cleared
        self.changes: dict[bytes, Refusal | None] = {}

    def get(self, recordId: bytes) -> Refusal | None:
        if recordId in self.changes:
            return self.changes[recordId]
        return None if self.cleared else self._refusals.get(self.owner, recordId)

    def forget(self, recordId: bytes) -> None:
        """The owner takes the record back, or sends another in its place."""
        if self.get(recordId) is not None:
            self.changes[recordId] = None

    def refuse(self, recordId: bytes, refusal: Refusal) -> None:
        self.changes[recordId] = refusal
