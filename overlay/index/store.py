"""The values that go into an index store and come out of it (see L{overlay.interfaces.IIndexStore})."""

import builtins
import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import attrs

from overlay.identity.ids import PeerId
from overlay.index.expression import Expression
from overlay.index.scoring import BM25, Statistics
from overlay.questions import Formula

if TYPE_CHECKING:
    from overlay.index.packed import PackedRow
    from overlay.index.passing import PassingRows


@attrs.frozen(slots=True)
class StoredRecord:
    """
    A record as it came, verified or not (the registry sees to that).

    @ivar recordId: 16 bytes, from the location (see L{overlay.index.record}).
    @ivar head: encoded head, as signed.
    @ivar key: the owner's public key.
    @ivar text: UTF-8.
    @ivar terms: packed terms.
    """

    recordId: bytes
    head: bytes
    signature: bytes
    key: bytes
    text: bytes
    terms: bytes


@attrs.frozen(slots=True)
class Registration:
    """
    What is held of one owner.

    @ivar sequence: of the owner's registration that is held whole; 0 if a first one is still coming in.
    @ivar digest: of the records held, 32 bytes; the store keeps it up from the records' head digests (see L{overlay.index.record}).
    @ivar records: how many.
    @ivar bytes: of heads, texts and terms.
    @ivar homes: the owner's homes in order, as it signed them; empty if not known.
    @ivar homesSigned: the signed list itself, encoded; empty if not known.
    """

    owner: PeerId
    key: bytes
    sequence: int
    digest: bytes
    records: int
    bytes: int
    homes: tuple[PeerId, ...] = ()
    homesSigned: builtins.bytes = b""

    @cached_property
    def mark(self) -> int:
        """A hash of whose this is, what is held, and where it is held: 1 to 2**63 - 1."""
        said = hashlib.blake2b(b"".join((self.owner, self.digest, *self.homes)), digest_size=8)
        return int.from_bytes(said.digest(), "big") % 2**63 or 1


@attrs.frozen(slots=True)
class Change:
    """
    One step of one owner's registration.

    @ivar clear: forget all records of this owner first.
    @ivar additions: records that are new or replace one of the same id.
    @ivar sequence: the new sequence; None to leave it as it is.
    @ivar homes: None to leave them.
    @ivar checked: ids of additions whose signatures this peer has checked.
    """

    owner: PeerId
    key: bytes
    clear: bool = False
    additions: Sequence[StoredRecord] = ()
    removals: Sequence[bytes] = ()
    sequence: int | None = None
    homes: tuple[PeerId, ...] | None = None
    homesSigned: bytes = b""
    checked: Collection[bytes] = ()


@attrs.frozen(slots=True)
class Request:
    """
    One evaluation.

    @ivar want: rows wanted.
    @ivar now: network time in seconds; records past their expiry are left out.
    @ivar without: owners to leave out.
    @ivar dialect: of the network, for passages.
    @ivar uncounted: owners whose records are found, but are left out of C{documents}, C{length} and C{frequencies}.
    @ivar statistics: numbers to rank by, and then only one row of each content is wanted; None for the store's own.
    @ivar least: no row with a lower score is wanted.
    @ivar passing: whether rows are only passed on, as bytes: then they may come as L{overlay.index.passing.PassingRows}, which costs less,
        and have to be read (with L{overlay.index.passing.readTogether}) before the store changes.
    @ivar bounded: whether C{held}, C{bound} and C{front} of what is found are wanted; without them it costs less.
    """

    expression: Expression
    want: int
    now: float
    without: frozenset[bytes] = frozenset()
    dialect: str = ""
    uncounted: frozenset[bytes] = frozenset()
    formula: Formula = BM25
    statistics: Statistics | None = None
    least: float = 0.0
    bounded: bool = True
    passing: bool = False


@attrs.frozen(slots=True)
class Row:
    """
    One record that matches.

    @ivar score: larger is better.
    @ivar snippet: at most 200 characters of the text around matches; empty if there is no text.
    @ivar parts: what it is scored by (see L{overlay.index.scoring}); empty if the order is not by BM25.
    """

    owner: PeerId
    recordId: bytes
    head: bytes
    signature: bytes
    key: bytes
    snippet: str
    score: float
    parts: builtins.bytes = b""


@attrs.frozen(slots=True)
class Found:
    """
    @ivar rows: the best C{want}, best first; ties by content hash.
    @ivar matched: records that match, those held back included.
    @ivar held: record ids of some of those held back, the best first; see L{overlay.index.evaluation.HELD_NAMED}.
    @ivar bound: no row held back has a better score; 0 if none is held back.
    @ivar documents: records searched.
    @ivar length: words in all records searched.
    @ivar frequencies: for each positive term of the expression, the records that have it.
    @ivar unfiltered: if nothing matches, the records that match but for the filters.
    @ivar excluded: of those, how many each filter leaves out.
    @ivar front: an encoded L{overlay.index.scoring.Front} of the rows held back that others might rank among the best C{want}.
    @ivar ranked: whether parts, front and numbers are given, and are what one index of all records would have; false of a prefix of
        too many terms.
    @ivar failed: whether the store could not be searched, so that all this says nothing.
    """

    rows: "Sequence[Row | PackedRow] | PassingRows"
    matched: int
    held: Sequence[builtins.bytes]
    bound: float
    documents: int
    length: int
    frequencies: Mapping[str, int]
    unfiltered: int = 0
    excluded: Sequence[tuple[Expression, int]] = ()
    front: builtins.bytes = b""
    ranked: bool = False
    failed: bool = False


@attrs.frozen(slots=True)
class Totals:
    """
    @ivar problem: why the store cannot take or find something at the moment, in a sentence; empty if all is well.
    """

    owners: int
    records: int
    terms: int
    bytes: int
    problem: str = ""
