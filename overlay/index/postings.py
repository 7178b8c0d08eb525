"""
Posting lists in memory: for each term the rows that have it, and how often, and what filters need to know of each row.

A row is a small number. Numbers are given in rising order and never used again until the lists are rebuilt.
"""

import struct
from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

import msgspec
from pyroaring import BitMap

from overlay.errors import Damaged
from overlay.identity.ids import idText
from overlay.index import analysis
from overlay.index.record import openHead, unpackTerms

PREFIX_TERMS = 1000
"""Most terms that a prefix stands for; the rest are left out, in the order of terms."""
_FORMAT = 1
_SHIFT = 20
_MOST = (1 << _SHIFT) - 1
_PENDING = 4096


class _List:
    """The rows of one term that more than one row has; C{counts} only where the term occurs more than once."""

    __slots__ = ("counts", "rows")

    def __init__(self) -> None:
        self.rows = BitMap()
        self.counts: dict[int, int] = {}


class Terms:
    """Rows by term for one field. A term of a single row is kept as one number: most terms are such."""

    def __init__(self) -> None:
        self._lists: dict[str, int | _List] = {}
        self._sorted: list[str] = []
        self._fresh: list[str] | None = None
        self._dead = 0

    def __len__(self) -> int:
        return len(self._lists)

    def add(self, term: str, row: int, count: int) -> None:
        held = self._lists.get(term)
        count = min(count, _MOST)
        if held is None:
            self._lists[term] = row << _SHIFT | count
            if self._fresh is not None:
                insort(self._fresh, term)
                if len(self._fresh) > _PENDING:
                    self._fresh = None
            return
        if isinstance(held, int):
            whole = _List()
            self._put(whole, held >> _SHIFT, held & _MOST)
            self._lists[term] = held = whole
        self._put(held, row, count)

    def _put(self, whole: _List, row: int, count: int) -> None:
        whole.rows.add(row)
        if count > 1:
            whole.counts[row] = count

    def remove(self, term: str, row: int) -> None:
        held = self._lists.get(term)
        if held is None:
            return
        if isinstance(held, int):
            if held >> _SHIFT == row:
                del self._lists[term]
                self._dead += 1
            return
        held.rows.discard(row)
        held.counts.pop(row, None)
        if not held.rows:
            del self._lists[term]
            self._dead += 1

    def rows(self, term: str) -> BitMap:
        held = self._lists.get(term)
        if held is None:
            return BitMap()
        return BitMap([held >> _SHIFT]) if isinstance(held, int) else held.rows

    def count(self, term: str, row: int) -> int:
        """How often a row has a term."""
        held = self._lists.get(term)
        if held is None:
            return 0
        if isinstance(held, int):
            return held & _MOST if held >> _SHIFT == row else 0
        found = held.counts.get(row)
        if found is not None:
            return found
        return 1 if row in held.rows else 0

    def beginning(self, start: str) -> list[str]:
        """The terms that begin so, in order, at most L{PREFIX_TERMS}."""
        if self._fresh is None or self._dead > _PENDING:
            self._sorted = sorted(self._lists)
            self._fresh = []
            self._dead = 0
        found: list[str] = []
        for ordered in (self._sorted, self._fresh):
            at = bisect_left(ordered, start)
            while at < len(ordered) and ordered[at].startswith(start) and len(found) < 2 * PREFIX_TERMS:
                if ordered[at] in self._lists:
                    found.append(ordered[at])
                at += 1
        return sorted(set(found))[:PREFIX_TERMS]

    def dump(self) -> list:
        return [
            (term, held) if isinstance(held, int) else (term, held.rows.serialize(), held.counts)
            for term, held in self._lists.items()
        ]

    def load(self, dumped: Sequence[Sequence]) -> None:
        for entry in dumped:
            if len(entry) == 2:
                self._lists[entry[0]] = entry[1]
            else:
                whole = _List()
                whole.rows = BitMap.deserialize(entry[1])
                whole.counts = entry[2]
                self._lists[entry[0]] = whole


class Postings:
    """
    @ivar alive: rows that are there.
    @ivar words: words in all of them.
    @ivar text: by term of the text; C{name} by word of name and location.
    """

    def __init__(self) -> None:
        self.text = Terms()
        self.name = Terms()
        self.alive = BitMap()
        self.words = 0
        self.keys: list[bytes] = []
        self.byKey: dict[bytes, int] = {}
        self.expires = array("Q")
        self.sizes = array("Q")
        self.modified = array("Q")
        self.lengths = array("I")
        self.contents = array("Q")
        self.types: dict[str, BitMap] = {}
        self.extensions: dict[str, BitMap] = {}
        self.owners: dict[bytes, BitMap] = {}

    def add(self, owner: bytes, recordId: bytes, head: bytes, terms: bytes) -> int:
        """
        Take a record in; one of the same id must have been removed before.

        @return: its row.
        """
        opened = openHead(head)
        counted, length = unpackTerms(terms)
        row = len(self.keys)
        key = owner + recordId
        self.keys.append(key)
        self.byKey[key] = row
        names = set(analysis.nameWords(opened.location))
        length = min(length + len(names), 2**32 - 1)
        self.expires.append(opened.expires)
        self.sizes.append(opened.size)
        self.modified.append(opened.modified)
        self.lengths.append(length)
        self.contents.append(struct.unpack(">Q", opened.content[:8])[0])
        self.words += length
        self.alive.add(row)
        for term, count in counted:
            self.text.add(term, row, count)
        for term in names:
            self.name.add(term, row, 1)
        self.types.setdefault(opened.mediaType.lower(), BitMap()).add(row)
        self.extensions.setdefault(extensionOf(opened.name), BitMap()).add(row)
        self.owners.setdefault(owner, BitMap()).add(row)
        return row

    def remove(self, owner: bytes, recordId: bytes, head: bytes, terms: bytes) -> None:
        """Take a record out, given as it was put in."""
        row = self.byKey.pop(owner + recordId, None)
        if row is None:
            return
        opened = openHead(head)
        counted, _ = unpackTerms(terms)
        self.words -= self.lengths[row]
        self.alive.discard(row)
        self.keys[row] = b""
        for term, _ in counted:
            self.text.remove(term, row)
        for term in set(analysis.nameWords(opened.location)):
            self.name.remove(term, row)
        for table, value in (
            (self.types, opened.mediaType.lower()), (self.extensions, extensionOf(opened.name)), (self.owners, owner)
        ):
            rows = table.get(value)  # type: ignore[attr-defined]
            if rows is not None:
                rows.discard(row)
                if not rows:
                    del table[value]  # type: ignore[attr-defined]

    def renew(self, owner: bytes, recordId: bytes, head: bytes) -> None:
        """A record's head lives longer; nothing else has changed."""
        row = self.byKey.get(owner + recordId)
        if row is not None:
            self.expires[row] = openHead(head).expires

    @property
    def sparse(self) -> bool:
        """Whether most rows are gone, so that the lists should be rebuilt."""
        return len(self.keys) > 10_000 and len(self.alive) * 2 < len(self.keys)

    def ownersBeginning(self, prefix: str) -> Iterator[BitMap]:
        for owner, rows in self.owners.items():
            if idText(owner).startswith(prefix):
                yield rows

    # --- snapshots ---------------------------------------------------------------------------------------------------

    def dump(self) -> bytes:
        """All of it, for L{load}."""
        return msgspec.msgpack.encode(
            (
                _FORMAT, analysis.VERSION, self.words, self.keys, self.alive.serialize(),
                [one.tobytes() for one in self._columns()], self.text.dump(), self.name.dump(),
                *({key: rows.serialize() for key, rows in table.items()} for table in (self.types, self.extensions)),
                [(key, rows.serialize()) for key, rows in self.owners.items()],
            )
        )

    def _columns(self) -> tuple[array, ...]:
        return self.expires, self.sizes, self.modified, self.lengths, self.contents

    @classmethod
    def load(cls, dumped: bytes) -> "Postings":
        """
        @raise Damaged: this is no dump of this version.
        """
        made = cls()
        try:
            whole = msgspec.msgpack.decode(dumped, strict=True)
            if whole[0] != _FORMAT or whole[1] != analysis.VERSION:
                raise Damaged("a snapshot of another version")
            made.words, made.keys = whole[2], whole[3]
            made.alive = BitMap.deserialize(whole[4])
            for column, data in zip(made._columns(), whole[5], strict=True):
                column.frombytes(data)
            made.text.load(whole[6])
            made.name.load(whole[7])
            made.types = {key: BitMap.deserialize(rows) for key, rows in whole[8].items()}
            made.extensions = {key: BitMap.deserialize(rows) for key, rows in whole[9].items()}
            made.owners = {key: BitMap.deserialize(rows) for key, rows in whole[10]}
        except Damaged:
            raise
        except Exception as problem:
            raise Damaged(f"a snapshot ({problem})") from problem
        made.byKey = {key: row for row, key in enumerate(made.keys) if key}
        return made


def extensionOf(name: str) -> str:
    """What comes after the last dot, in lower case; empty if there is none."""
    return name.rpartition(".")[2].lower() if "." in name else ""
