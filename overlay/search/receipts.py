"""The accounting of a search: one receipt from many, and the keys by which hits held back are counted once."""

import hashlib
from collections.abc import Mapping

import attrs

from overlay.wire import limits
from overlay.wire.query import Hit, Receipt

NAME_BYTES = 8
"""By so many bytes of its id a receipt names a super-peer."""
KEY_BYTES = 8


def keyOf(owner: bytes, recordId: bytes) -> bytes:
    """The 8 bytes by which a receipt names a hit that is held back."""
    return hashlib.blake2b(owner + recordId, digest_size=KEY_BYTES).digest()


def namesOf(joined: bytes, size: int = NAME_BYTES) -> list[bytes]:
    """Take joined names apart; a remainder that is no whole name is left out."""
    return [joined[at : at + size] for at in range(0, len(joined) - size + 1, size)]


@attrs.define(slots=True, eq=False)
class Account:
    """
    A receipt while it grows. For every copy sent exactly one of C{answered}, C{duplicate}, C{refused} and C{lost} is counted.

    @ivar answeredBy: names of super-peers that evaluated the query, in the order of their answers.
    @ivar held: keys of hits held back, with the best score known for any of them in C{bound}.
    """

    answeredBy: dict[bytes, None] = attrs.field(factory=dict)
    pruned: dict[bytes, None] = attrs.field(factory=dict)
    sent: int = 0
    answered: int = 0
    duplicate: int = 0
    refused: int = 0
    lost: int = 0
    notReached: int = 0
    prunedCopies: int = 0
    matched: int = 0
    held: dict[bytes, None] = attrs.field(factory=dict)
    heldMore: int = 0
    bound: float = 0.0
    documents: int = 0
    length: int = 0
    frequencies: dict[str, int] = attrs.field(factory=dict)
    unfiltered: int = 0
    excluded: dict[str, int] = attrs.field(factory=dict)

    def add(self, receipt: Receipt) -> None:
        """Take in the receipt of a branch."""
        for name in namesOf(receipt.answeredBy):
            if len(self.answeredBy) < limits.ANSWERED_NAMES:
                self.answeredBy[name] = None
        for name in namesOf(receipt.prunedNames):
            if len(self.pruned) < limits.ANSWERED_NAMES:
                self.pruned[name] = None
        self.sent += receipt.sent
        self.answered += receipt.answered
        self.duplicate += receipt.duplicate
        self.refused += receipt.refused
        self.lost += receipt.lost
        self.notReached += receipt.notReached
        self.prunedCopies += receipt.pruned
        self.matched += receipt.matched
        for key in namesOf(receipt.held, KEY_BYTES):
            self.hold(key, receipt.bound)
        self.heldMore += receipt.heldMore
        self.bound = max(self.bound, receipt.bound)
        self.documents += receipt.documents
        self.length += receipt.length
        for term, count in receipt.frequencies.items():
            if term in self.frequencies or len(self.frequencies) < limits.QUERY_TERMS:
                self.frequencies[term] = self.frequencies.get(term, 0) + count
        # No more can be left out than there are.
        unfiltered = min(receipt.unfiltered, receipt.documents)
        self.leaveOut(unfiltered, {one: min(count, unfiltered) for one, count in receipt.excluded.items()})

    def leaveOut(self, unfiltered: int, excluded: Mapping[str, int]) -> None:
        """So many records match but for filters, which leave out so many of them."""
        self.unfiltered += unfiltered
        for one, count in excluded.items():
            if one in self.excluded or len(self.excluded) < limits.QUERY_TERMS:
                self.excluded[one] = self.excluded.get(one, 0) + count

    def hold(self, key: bytes, score: float) -> None:
        """A hit is held back."""
        self.bound = max(self.bound, score)
        if key in self.held:
            return
        if len(self.held) < limits.HELD_KEYS:
            self.held[key] = None
        else:
            self.heldMore += 1

    def shown(self, key: bytes) -> None:
        """A hit that some branch held back was passed on after all."""
        self.held.pop(key, None)

    def receipt(self) -> Receipt:
        """As it stands."""
        return Receipt(
            b"".join(self.answeredBy), b"".join(self.pruned), self.sent, self.answered, self.prunedCopies, self.duplicate,
            self.refused, self.lost, self.notReached, self.matched, b"".join(self.held), self.heldMore,
            self.bound if self.held or self.heldMore else 0.0, self.documents, self.length, dict(self.frequencies),
            self.unfiltered, dict(self.excluded),
        )


def sizeOfHit(hit: Hit) -> int:
    """Bytes of a hit, about."""
    return len(hit.head) + len(hit.snippet.encode("utf-8", "replace")) + 120
