"""
The index in memory: rows by term, and what filters and ranking need to know of each row.

A row is a small number that stands for one record; numbers that become free are given again.
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import msgspec
from pyroaring import BitMap

from overlay.errors import Damaged
from overlay.identity.ids import idText
from overlay.index import analysis, columns
from overlay.index.bm25 import NAME_WEIGHT, TITLE_WEIGHT, lengthClass, level
from overlay.index.dialect import analysisOf
from overlay.index.record import openHead, openTerms
from overlay.index.terms import Terms

SUMMED_AT_ONCE = 256
"""So many numbers numpy sums up faster than Python does."""
_FORMAT = 6
_MOST = 2**32 - 1


@attrs.frozen(slots=True)
class Entry:
    """
    What the index keeps of one record.

    @ivar content: the first 8 bytes of the content hash, as a number.
    @ivar words: in text, name and location.
    @ivar terms: level of occurrences, and whether it is a word of name or location, by term.
    """

    location: str
    content: int
    size: int
    modified: int
    expires: int
    mediaType: str
    extension: str
    words: int
    terms: dict[str, tuple[int, bool]]

    @classmethod
    def of(cls, head: bytes, terms: bytes) -> "Entry":
        """
        @raise overlay.errors.Malformed: head or terms cannot be read.
        """
        opened = openHead(head)
        unpacked = openTerms(terms)
        counted, length, titles = unpacked.counted, unpacked.length, unpacked.titles
        if titles:
            counted = tuple((term, count + TITLE_WEIGHT if term in titles else count) for term, count in counted)
        # The terms were checked when they came: their dialect is the network's.
        named = dict.fromkeys(analysisOf(unpacked.dialect).nameWords(opened.location))
        weights = {
            term: (level(count + NAME_WEIGHT), True) if term in named else (level(count), False) for term, count in counted
        }
        for term in named:
            if term not in weights:
                weights[term] = (NAME_WEIGHT, True)
        return cls(
            opened.location, int.from_bytes(opened.content[:8], "big"), opened.size, opened.modified, opened.expires,
            opened.mediaType.lower(), extensionOf(opened.name), min(_MOST, length + len(named)), weights,
        )


class Postings:
    """
    @ivar alive: rows that are there.
    @ivar words: words in all of them.
    @ivar wordsOf: words of each row.
    @ivar genuine: those among them whose records' signatures this peer has checked.
    """

    def __init__(self) -> None:
        self.terms = Terms()
        self.alive = BitMap()
        self.words = 0
        self.wordsOf = array("H")
        self.genuine = BitMap()
        self.lengths = columns.lengths()
        self.expires = columns.Column("I", columns.minutes)
        self.sizes = columns.Column("I", columns.magnitude)
        self.modified = columns.Column("I", columns.fortnight)
        self.contents = columns.Column("Q")
        self.types: dict[str, BitMap] = {}
        self.extensions: dict[str, BitMap] = {}
        self._byId = columns.RowsById()
        self._owners: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._ownerRows: dict[int, BitMap] = {}
        self._ownerWords: dict[int, int] = {}
        self._freeOwners: list[int] = []
        self._free = BitMap()
        self._changes = 0
        self._expired: tuple[int, int, BitMap] = (-1, 0, BitMap())
        # Whose rows were last asked for, these rows, and the words in them; kept up as rows come and go.
        self._asked: frozenset[bytes] = frozenset()
        self._askedRows = BitMap()
        self._askedWords = 0

    def __len__(self) -> int:
        return len(self.alive)

    # --- records -----------------------------------------------------------------------------------------------------

    def rowOf(self, owner: bytes, recordId: bytes) -> int | None:
        number = self._numbers.get(owner)
        return None if number is None else self._byId.get(number, recordId)

    def keyOf(self, row: int) -> bytes:
        """Owner and record id, joined."""
        return self._owners[self._byId.owners[row]] + self._byId.idOf(row)

    def idsOf(self, rows: Iterable[int]) -> list[bytes]:
        """16 bytes of each."""
        ids = self._byId.ids
        return [bytes(ids[16 * row : 16 * row + 16]) for row in rows]

    def recordIds(self, owner: bytes) -> list[bytes]:
        return [self._byId.idOf(row) for row in self.rowsOf(owner)]

    def rowsOf(self, owner: bytes) -> BitMap:
        """Not to be changed by the caller."""
        number = self._numbers.get(owner)
        return BitMap() if number is None else self._ownerRows.get(number, BitMap())

    def ofOwners(self, owners: frozenset[bytes]) -> tuple[BitMap, int]:
        """The rows of all these owners, not to be changed by the caller, and the words in them."""
        if owners != self._asked:
            # Most often one has come, or gone.
            gone, come = self._ofSome(self._asked - owners), self._ofSome(owners - self._asked)
            self._asked = owners
            self._askedRows = (self._askedRows - gone[0]) | come[0]
            self._askedWords += come[1] - gone[1]
        return self._askedRows, self._askedWords

    def _ofSome(self, owners: frozenset[bytes]) -> tuple[BitMap, int]:
        numbers = [number for number in map(self._numbers.get, owners) if number in self._ownerRows]
        rows = BitMap.union(*(self._ownerRows[one] for one in numbers)) if numbers else BitMap()
        return rows, sum(self._ownerWords.get(one, 0) for one in numbers)

    def wordsIn(self, rows: BitMap) -> int:
        """The words in some rows; of records that have expired there may be very many until they are swept out."""
        if len(rows) < SUMMED_AT_ONCE:
            return sum(map(self.wordsOf.__getitem__, rows))
        import numpy as np

        whole = np.frombuffer(self.wordsOf, self.wordsOf.typecode)
        return int(whole.take(np.frombuffer(rows.to_array(), np.uint32)).sum(dtype=np.int64))

    def rowsOfOwners(self, begins: str) -> Iterator[BitMap]:
        """The rows of all owners whose ids begin so."""
        for owner, number in self._numbers.items():
            if number in self._ownerRows and idText(owner).startswith(begins):
                yield self._ownerRows[number]

    def vacant(self, count: int) -> list[int]:
        """Rows that so many records might take, in rising order."""
        rows = list(self._free[:count])
        end = len(self.wordsOf)
        return [*rows, *range(end, end + count - len(rows))]

    def add(self, owner: bytes, recordId: bytes, entry: Entry, row: int) -> None:
        """
        Take a record in; one of the same id must have been removed before.

        @param row: one that is L{vacant}.
        """
        while len(self.wordsOf) < row:
            self._skip()
        if row < len(self.wordsOf):
            self._free.remove(row)
        self.wordsOf = columns.put(self.wordsOf, row, entry.words)
        number = self._numberOf(owner)
        self._byId.put(row, number, recordId)
        self._changes += 1
        self.alive.add(row)
        self.words += entry.words
        self._ownerWords[number] = self._ownerWords.get(number, 0) + entry.words
        if owner in self._asked:
            self._askedRows.add(row)
            self._askedWords += entry.words
        for column, value in zip(self._columns(), self._values(entry), strict=True):
            column.set(row, value)
        for table, key in self._places(entry, number):
            rows = table.get(key)
            if rows is None:
                rows = table[key] = BitMap()
            rows.add(row)
        add = self.terms.add
        for term, (occurrences, named) in entry.terms.items():
            add(term, row, occurrences, named)

    def _skip(self) -> None:
        """Leave a row vacant."""
        self._free.add(len(self.wordsOf))
        self.wordsOf.append(0)
        self._byId.skip()
        for column in self._columns():
            column.values.append(0)

    def _numberOf(self, owner: bytes) -> int:
        number = self._numbers.get(owner)
        if number is None:
            if self._freeOwners:
                number = self._freeOwners.pop()
                self._owners[number] = owner
            else:
                number = len(self._owners)
                self._owners.append(owner)
            self._numbers[owner] = number
        return number

    def remove(self, owner: bytes, recordId: bytes, entry: Entry) -> None:
        """Take one record out, given as it was put in; no error if it is not there."""
        row = self.rowOf(owner, recordId)
        if row is None:
            return
        for term in entry.terms:
            self.terms.remove(term, row)
        for column in self._columns():
            column.clear(row)
        number = self._byId.owners[row]
        for table, key in self._places(entry, number):
            rows = table[key]
            rows.discard(row)
            if not rows:
                del table[key]
        self._forget(BitMap([row]), {number})

    def removeAll(self, rows: BitMap) -> None:
        """Take many records out at once, without knowing what they held: one sweep over all terms."""
        rows = rows & self.alive
        self.terms.removeAll(rows)
        for column in self._columns():
            column.clearAll(rows)
        for table in self._tables():
            columns.subtract(table, rows)
        self._forget(rows, {self._byId.owners[row] for row in rows})

    def _forget(self, rows: BitMap, owners: set[int]) -> None:
        self._changes += 1
        self._byId.removeAll(rows)
        asked = rows & self._askedRows
        self._askedRows -= asked
        self._askedWords -= self.wordsIn(asked)
        for row in rows:
            self.words -= self.wordsOf[row]
            self._ownerWords[self._byId.owners[row]] -= self.wordsOf[row]
        self.alive -= rows
        self.genuine -= rows
        self._free |= rows
        for number in sorted(owners):
            if number not in self._ownerRows:
                del self._numbers[self._owners[number]]
                self._ownerWords.pop(number, None)
                self._freeOwners.append(number)

    def renew(self, owner: bytes, recordId: bytes, expires: int) -> None:
        """A record lives longer; nothing else of it has changed."""
        row = self.rowOf(owner, recordId)
        if row is not None:
            self._changes += 1
            self.genuine.discard(row)
            self.expires.clear(row)
            self.expires.set(row, expires)

    def expired(self, now: int) -> BitMap:
        """The rows past their expiry; not to be changed by the caller."""
        if self._expired[:2] != (now, self._changes):
            bands = self.expires.bands
            none = not bands or min(bands) > columns.minutes(max(0, now - 1))
            self._expired = (now, self._changes, BitMap() if none else self.expires.between(None, now - 1, self.alive))
        return self._expired[2]

    def shrink(self) -> None:
        """Give back what bitmaps hold in reserve for rows that may come."""
        self.terms.shrink()
        for table in (*self._tables(), *(column.bands for column in self._columns())):
            for rows in table.values():
                rows.shrink_to_fit()

    def _tables(self) -> tuple[dict[Any, BitMap], ...]:
        return self.types, self.extensions, self._ownerRows

    def _places(self, entry: Entry, owner: int) -> tuple[tuple[dict[Any, BitMap], Any], ...]:
        """Where the row of an entry stands, besides terms and columns."""
        return (self.types, entry.mediaType), (self.extensions, entry.extension), (self._ownerRows, owner)

    def _columns(self) -> tuple[columns.Column, ...]:
        return self.lengths, self.expires, self.sizes, self.modified, self.contents

    @staticmethod
    def _values(entry: Entry) -> tuple[int, ...]:
        return lengthClass(entry.words), entry.expires, entry.size, entry.modified, entry.content

    # --- snapshots ---------------------------------------------------------------------------------------------------

    def dump(self) -> bytes:
        """All of it, for L{load}."""
        return msgspec.msgpack.encode(
            (
                _FORMAT, analysis.VERSION, self.words, self.alive.serialize(), self._free.serialize(), self.genuine.serialize(),
                self.wordsOf.typecode, self.wordsOf.tobytes(), [one.dump() for one in self._columns()], self.terms.dump(),
                self._byId.dump(), self._owners, self._ownerWords,
                [
                    {key: rows.serialize() for key, rows in table.items()} for table in self._tables()
                ],
            )
        )

    @classmethod
    def load(cls, dumped: bytes | memoryview) -> "Postings":
        """
        @param dumped: checked by its digest, so that only another version's is ever misread.
        @raise Damaged: this is no dump of this version.
        """
        made = cls()
        try:
            whole = msgspec.msgpack.decode(dumped, strict=False)
            if whole[:2] != [_FORMAT, analysis.VERSION]:
                raise Damaged("a snapshot of another version")
            made.words = whole[2]
            made.alive = BitMap.deserialize(whole[3])
            made._free = BitMap.deserialize(whole[4])
            made.genuine = BitMap.deserialize(whole[5])
            made.wordsOf = array(whole[6])
            made.wordsOf.frombytes(whole[7])
            for column, data in zip(made._columns(), whole[8], strict=True):
                column.load(data)
            made.terms.load(whole[9])
            made._byId.load(whole[10])
            made._owners = whole[11]
            made._ownerWords = whole[12]
            tables = [{key: BitMap.deserialize(rows) for key, rows in table.items()} for table in whole[13]]
            made.types, made.extensions, made._ownerRows = tables
        except Damaged:
            raise
        except Exception as problem:  # whatever wrong bytes lead to
            raise Damaged(f"a snapshot ({problem})") from problem
        made._numbers = {made._owners[number]: number for number in made._ownerRows}
        made._freeOwners = [number for number in range(len(made._owners)) if number not in made._ownerRows]
        return made


def extensionOf(name: str) -> str:
    """What comes after the last dot, in lower case; empty if there is none."""
    return name.rpartition(".")[2].lower() if "." in name else ""


