"""The accounting of a search: one receipt from many, and the keys by which hits held back are counted once."""

from collections.abc import Iterable, Mapping, Sequence

import attrs
import msgspec

from overlay.index.census import MODULUS, NAME_BYTES, Numbers
from overlay.index.scoring import Front, Parts, Statistics
from overlay.wire import limits
from overlay.wire.query import Hit, Receipt

NOBODY = bytes(NAME_BYTES)
"""In place of a name: records that came this way, and were held back on it; or super-peers beyond the ttl that have no name here."""
KEY_BYTES = 8
SPARED_MOST = 256
"""Parts of hits held back here that are remembered; what covers them takes the place of more."""


def keyOf(owner: bytes, recordId: bytes) -> bytes:
    """
    The 8 bytes by which a receipt names a hit that is held back: the record id, which is made of owner and location, begins with them.
    (Peers of versions before named others: between them and this one a hit that is held back twice may be counted twice.)
    """
    return recordId[:KEY_BYTES]


def statisticsOf(numbers: "Receipt | Account", terms: Sequence[str], times: tuple[int, ...] = ()) -> Statistics:
    """
    The numbers of a receipt, in the order of the expression. A term that has not been looked for in some of the documents is taken to be as
    frequent there as in the others.
    """
    documents = numbers.documents

    def estimated(term: str) -> int:
        count, left = numbers.frequencies.get(term, 0), documents - numbers.unknown.get(term, 0)
        return count if left >= documents or left <= 0 else min(documents, round(count * documents / left))

    return Statistics(documents, numbers.length, tuple(map(estimated, terms)), times)


@attrs.frozen(slots=True)
class Proof:
    """
    That a branch of the spanning tree holds nothing that matches.

    @ivar names: of the super-peers in it.
    @ivar unknown: scoring terms that some of its records may have all the same.
    """

    names: Iterable[bytes]
    numbers: Numbers
    unknown: Sequence[str]


def namesOf(joined: bytes, size: int = NAME_BYTES) -> list[bytes]:
    """Take joined names apart; a remainder that is no whole name is left out."""
    return [joined[at : at + size] for at in range(0, len(joined) - size + 1, size)]


class Account(msgspec.Struct, eq=False):
    """
    A receipt while it grows. For every copy sent exactly one of C{answered}, C{duplicate}, C{refused}, C{lost} and C{cancelled} is counted.

    @ivar answeredBy: names of super-peers that evaluated the query, in the order of their answers.
    @ivar held: keys of hits held back, with the best score known for any of them in C{bound}.
    @ivar fronts: names of super-peers, and what covers the records that they have held back.
    @ivar unknown: by scoring term, how many records there are in branches that were pruned although they may have it.
    @ivar doubled: how often a super-peer was named as pruned that was named before.
    @ivar silent: names of super-peers that are silent, and were not waited for.
    @ivar beyond: names of super-peers that were not asked because the ttl was used up, and how many have said so of each.
    @ivar spared: parts of hits held back here that fewer than C{want} others cover, or what covers these, with the first content of each.
    """

    answeredBy: dict[bytes, None] = {}
    pruned: dict[bytes, None] = {}
    sent: int = 0
    answered: int = 0
    duplicate: int = 0
    refused: int = 0
    lost: int = 0
    notReached: int = 0
    prunedCopies: int = 0
    matched: int = 0
    held: dict[bytes, None] = {}
    heldMore: int = 0
    bound: float = 0.0
    documents: int = 0
    length: int = 0
    frequencies: dict[str, int] = {}
    unfiltered: int = 0
    excluded: dict[str, int] = {}
    ranked: int = 0
    balance: int = 0
    fronts: list[tuple[bytes, bytes]] = []
    cancelled: int = 0
    unknown: dict[str, int] = {}
    doubled: int = 0
    silent: dict[bytes, None] = {}
    beyond: dict[bytes, int] = {}
    spared: dict[Parts, int] = {}

    def add(self, receipt: Receipt) -> None:
        """Take in the receipt of a branch."""
        answered = namesOf(receipt.answeredBy)
        room = limits.ANSWERED_NAMES - len(self.answeredBy)
        self.answeredBy.update(dict.fromkeys(answered[: max(0, room)]))
        # Most receipts have little of what follows, and there is one from each super-peer.
        pruned = namesOf(receipt.prunedNames) if receipt.prunedNames else []
        self._leaveOutAll(pruned)
        self.doubled += receipt.doubled
        if receipt.silent:
            for name in namesOf(receipt.silent):
                self.nameSilent(name)
        for term, count in receipt.unknown.items():
            self._doNotKnow(term, min(count, receipt.documents))
        self.sent += receipt.sent
        self.answered += receipt.answered
        self.duplicate += receipt.duplicate
        self.refused += receipt.refused
        self.lost += receipt.lost
        if receipt.notReached:
            self.leave(_beyondOf(receipt), receipt.notReached)
        self.prunedCopies += receipt.pruned
        self.matched += receipt.matched
        if receipt.held:
            for key in namesOf(receipt.held, KEY_BYTES):
                self.hold(key, receipt.bound)
        self.heldMore += receipt.heldMore
        self.bound = max(self.bound, receipt.bound)
        self.count(receipt.documents, receipt.length, receipt.frequencies, len(answered) + len(pruned))
        # No more can be left out than there are.
        if receipt.unfiltered:
            unfiltered = min(receipt.unfiltered, receipt.documents)
            self.leaveOut(unfiltered, {one: min(count, unfiltered) for one, count in receipt.excluded.items()})
        self.balance = (self.balance + receipt.balance) % MODULUS
        self.ranked += min(receipt.ranked, len(answered))
        self.cancelled += receipt.cancelled
        room = limits.FRONTS - len(self.fronts)
        self.fronts += receipt.fronts[:room]
        if len(receipt.fronts) > room:
            self.ranked = 0

    def leave(self, names: Iterable[bytes], copies: int) -> None:
        """So many copies are not sent, to those named, because the ttl is used up."""
        self.notReached += copies
        for name in names:
            self.beyond[name] = self.beyond.get(name, 0) + 1

    def goBeyond(self, receipt: Receipt) -> None:
        """A copy that goes further takes the place of the one that this is the receipt of: what lay beyond that is no longer told by it."""
        self.notReached -= receipt.notReached
        for name in _beyondOf(receipt):
            self.beyond[name] -= 1
            if not self.beyond[name]:
                del self.beyond[name]

    def reachNameless(self) -> None:
        """Those beyond the ttl of whom no name is known are reached in another way."""
        self.beyond.pop(NOBODY, None)

    @property
    def unreached(self) -> set[bytes]:
        """
        Names of those that lie beyond the ttl of one copy, and have neither come into that of another nor answered by themselves, nor are
        proved to hold nothing.
        """
        return self.beyond.keys() - self.answeredBy.keys() - self.pruned.keys() if self.beyond else set()

    @property
    def outOfReach(self) -> int:
        """Copies that the ttl did not let go further; none if all whom they would have gone to were reached in another way."""
        return self.notReached if self.unreached else 0

    def unanswered(self, known: Iterable[bytes]) -> int:
        """
        How many super-peers have not answered, and are not proved to hold nothing.

        @param known: names of those known to be alive; those beyond the ttl are counted too.
        """
        return len({*known, *self.beyond} - self.answeredBy.keys() - self.pruned.keys())

    def nameSilent(self, name: bytes) -> None:
        """A super-peer is not waited for."""
        if len(self.silent) < limits.SILENT_NAMES:
            self.silent[name] = None

    def prune(self, proof: Proof) -> None:
        """A branch is left out."""
        names = list(proof.names)
        self.prunedCopies += 1
        self._leaveOutAll(names)
        numbers = proof.numbers
        self.count(numbers.documents, numbers.length, {}, len(names))
        self.balance = (self.balance + numbers.balance) % MODULUS
        for term in proof.unknown:
            self._doNotKnow(term, numbers.documents)

    def _leaveOutAll(self, names: Iterable[bytes]) -> None:
        for name in names:
            if name in self.pruned:
                self.doubled += 1
            elif len(self.pruned) < limits.ANSWERED_NAMES:
                self.pruned[name] = None

    def _doNotKnow(self, term: str, documents: int) -> None:
        if documents and (term in self.unknown or len(self.unknown) < limits.QUERY_TERMS):
            self.unknown[term] = self.unknown.get(term, 0) + documents

    @property
    def eachOnce(self) -> bool:
        """Whether nobody was named twice, as pruned or as one that answered."""
        return not self.doubled and not self.pruned.keys() & self.answeredBy.keys()

    def count(self, documents: int, length: int, frequencies: Mapping[str, int], answered: int) -> None:
        """
        The numbers of C{answered} super-peers, no larger than those can be.
        """
        documents = min(documents, answered * limits.INDEXED)
        self.documents += documents
        self.length += min(length, documents * limits.WORDS)
        for term, count in frequencies.items():
            if term in self.frequencies or len(self.frequencies) < limits.QUERY_TERMS:
                self.frequencies[term] = self.frequencies.get(term, 0) + min(count, documents)

    def leaveOut(self, unfiltered: int, excluded: Mapping[str, int]) -> None:
        """So many records match but for filters, which leave out so many of them."""
        self.unfiltered += unfiltered
        for one, count in excluded.items():
            if one in self.excluded or len(self.excluded) < limits.QUERY_TERMS:
                self.excluded[one] = self.excluded.get(one, 0) + count

    def statistics(self, terms: Sequence[str], times: tuple[int, ...] = ()) -> Statistics:
        """
        @param terms: what scores, in the order of the expression.
        @param times: how often each is said; empty for once.
        """
        return statisticsOf(self, terms, times)

    def hold(self, key: bytes, score: float) -> None:
        """A hit is held back."""
        self.bound = max(self.bound, score)
        if key in self.held:
            return
        if len(self.held) < limits.HELD_KEYS:
            self.held[key] = None
        else:
            self.heldMore += 1

    def holdAll(self, keys: Sequence[bytes], score: float) -> None:
        """Hits are held back, these and perhaps others, none of which has a better score."""
        self.bound = max(self.bound, score)
        if keys and not self.held and len(keys) <= limits.HELD_KEYS:
            self.held = dict.fromkeys(keys)
            return
        for key in keys:
            self.hold(key, score)

    def spare(self, parts: Parts, content: int) -> None:
        """A hit is held back although fewer than C{want} others cover it."""
        spared = self.spared
        spared[parts] = min(content, spared.get(parts, content))
        if len(spared) > SPARED_MOST:
            self.spared = _coverOf(spared)

    def shown(self, key: bytes) -> None:
        """A hit that some branch held back was passed on after all."""
        self.held.pop(key, None)

    def receipt(self) -> Receipt:
        """As it stands."""
        fronts = list(self.fronts)
        if self.spared:
            fronts.append((NOBODY, Front(_coverOf(self.spared)).encode()))
        if len(fronts) > limits.FRONTS or sum(len(front) for _, front in fronts) > limits.FRONTS_BYTES:
            # What is held back is not bounded any more, so that the order is an estimate.
            fronts, ranked = [], 0
        else:
            ranked = self.ranked
        unreached = sorted(self.unreached)
        if len(unreached) > limits.BEYOND_NAMES:
            unreached[limits.BEYOND_NAMES - 1 :] = [NOBODY]
        return Receipt(
            b"".join(self.answeredBy), b"".join(self.pruned), self.sent, self.answered, self.prunedCopies, self.duplicate,
            self.refused, self.lost, self.notReached if unreached else 0, self.matched, b"".join(self.held), self.heldMore,
            self.bound if self.held or self.heldMore else 0.0, self.documents, self.length, dict(self.frequencies),
            self.unfiltered, dict(self.excluded),
            ranked, self.balance, fronts, self.cancelled, dict(self.unknown), self.doubled,
            b"".join(name for name in self.silent if name not in self.answeredBy), beyond=b"".join(unreached),
        )


def _beyondOf(receipt: Receipt) -> list[bytes]:
    """Who lies beyond the ttl; a peer of before counts them and gives no names."""
    return list(dict.fromkeys(namesOf(receipt.beyond))) or [NOBODY] * bool(receipt.notReached)


def _coverOf(spared: Mapping[Parts, int]) -> dict[Parts, int]:
    """A few parts that cover many."""
    return Front.of(spared, lambda parts: float(sum(parts[1:]))).entries


def sizeOfHit(hit: Hit) -> int:
    """Bytes of a hit, about."""
    return len(hit.head) + len(hit.snippet.encode("utf-8", "replace")) + 120
