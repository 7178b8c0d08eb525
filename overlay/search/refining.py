"""
From hits that each super-peer chose by its own numbers to the best by the numbers of all: the second phase of a search.

The receipt adds up the numbers of all records (see L{overlay.index.census}). Every hit's score follows from its parts, and what a
super-peer has held back cannot score more than what covers it. Who may hold back a record that is better than the C{want}-th row is
asked once more, with the numbers of all. If then nobody may hold a better one, the order is that of one central index (two-phase
retrieval with global statistics, as in Callan 2000, "Distributed Information Retrieval", with the stopping rule of the threshold
algorithm, Fagin, Lotem and Naor 2001).
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from msgspec import structs

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.index.census import MODULUS, NAME_BYTES
from overlay.index.record import openHead
from overlay.index.scoring import Front, Parts, Statistics, scorer
from overlay.search.copies import Copies, Copy
from overlay.search.evaluating import hitsOf
from overlay.search.flood import Flood
from overlay.search.receipts import NOBODY, Account, namesOf
from overlay.search.rounds import Round
from overlay.search.wanted import Wanted
from overlay.wire import limits
from overlay.wire.query import Hit, Receipt

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

RECOUNT_MOST = 64
"""Super-peers that are all asked once more, if together they have not counted each owner once, or hits were let go on the way."""
_SLACK = 1 - 1e-12


class Collected:
    """
    The parts of all hits that have come, by content.

    @ivar whole: whether every hit came with its parts.
    """

    def __init__(self, places: int) -> None:
        self._size = 1 + places
        self._parts: dict[bytes, dict[Parts, None]] = {}
        self.whole = True

    def take(self, hits: Iterable[Hit]) -> None:
        """Some hits, which were checked."""
        for hit in hits:
            content = openHead(hit.head).content
            if len(hit.parts) < self._size:
                self.whole = False
                continue
            self._parts.setdefault(content, {})[hit.parts[: self._size]] = None

    def last(self, want: int, score: Callable[[Parts], float]) -> tuple[float, int] | None:
        """Score, and beginning of the content, of the C{want}-th row; None if there are fewer."""
        if len(self._parts) < want:
            return None
        rows = sorted((-max(map(score, parts)), content) for content, parts in self._parts.items())
        worst, content = rows[want - 1]
        return -worst, int.from_bytes(content[:8], "big")


class Refinement:
    """
    Of one search.

    @param account: of the whole search; if owners have to be counted anew, its numbers are set right.
    @param found: gets further hits.
    @param ended: gets C{exact} or C{estimated}; called once.
    """

    def __init__(
        self, flood: Flood, membership: "Membership", copies: Copies, id: bytes, wanted: Wanted, account: Account,
        collected: Collected, deadline: float, found: Callable[[PeerId, Sequence[Hit]], None], ended: Callable[[str], None],
    ) -> None:
        self._flood = flood
        self._membership = membership
        self._copies = copies
        self._commons: Commons = flood.commons
        self._id = id
        self._wanted = wanted
        self._account = account
        self._collected = collected
        self._deadline = deadline
        self._found = found
        self._ended = ended
        self._round: Round | None = None

    def stop(self) -> None:
        """The search is over; C{ended} is not called."""
        if self._round is not None:
            self._round.stop()
            self._round = None

    def begin(self, complete: bool) -> None:
        """
        @param complete: whether everybody that there is has answered.
        """
        account = self._account
        told = complete and not (account.lost or account.refused or account.outOfReach) and account.eachOnce
        if self._wanted.formula.order == "newest":
            # Times of change need no numbers of others, and of each content enough has come. But old versions of records may have taken
            # the places of others.
            same = not account.balance and account.ranked == len(account.answeredBy)
            self._ended("exact" if told and same else "estimated")
        elif not account.ranked or not self._collected.whole:
            self._ended("estimated")
        elif told and account.ranked == len(account.answeredBy) and account.balance and not account.pruned:
            self._recount()
        else:
            counted = not account.unknown and not (account.balance and account.pruned)
            self._refine(told and counted and account.ranked == len(account.answeredBy))

    def _peer(self, name: bytes) -> PeerId | None:
        """Whom a receipt names."""
        if name == self._commons.peerId[:NAME_BYTES]:
            return self._commons.peerId
        for known in self._membership.superPeers():
            if known.peerId[:NAME_BYTES] == name:
                return known.peerId
        return next((link.peerId for link in self._commons.links if link.peerId[:NAME_BYTES] == name), None)

    # --- counting anew -----------------------------------------------------------------------------------------------

    def _recount(self) -> None:
        names = list(self._account.answeredBy)
        peers = [one for one in map(self._peer, names) if one is not None]
        if len(names) > RECOUNT_MOST or len(peers) < len(names):
            self._refine(False)
            return
        self._commons.tally.count("refined", "recounts")
        among = b"".join(names)
        account, whole = self._account, Account()
        first = [account.documents, account.length, account.balance, *map(account.frequencies.get, self._wanted.terms, repeat(0))]
        plain: list[list[int]] = []

        def answered(peer: PeerId, receipt: Receipt) -> None:
            plain.append(receipt.plain)
            whole.count(receipt.documents, receipt.length, receipt.frequencies, 1)
            whole.balance = (whole.balance + receipt.balance) % MODULUS

        def send(link: "Link", receiver: Round, budget: float) -> Copy | None:
            return self._copies.refine(link, receiver, self._id, self._wanted, budget, want=0, among=among)

        def ended(silent: list[PeerId]) -> None:
            if silent or failed:
                self._refine(False)
                return
            account.documents, account.length, account.frequencies = whole.documents, whole.length, whole.frequencies
            account.balance = whole.balance
            # What has been found belongs to the numbers of the first answers: if those are others by now, so may the hits be.
            self._refine(whole.balance == 0 and _added(plain, len(first)) == first)

        own, failed = self._commons.peerId, False
        if own in peers:
            peers.remove(own)
            receipt = recounted(self._flood, self._wanted, among)
            failed = receipt is None
            if receipt is not None:
                answered(own, receipt)
        seconds = self._commons.seconds()
        self._round = Round(
            self._commons, self._membership, self._copies, seconds + 0.5 * max(0.0, self._deadline - seconds), send,
            lambda peer, hits: None, answered, ended,
        )
        self._round.begin(peers)

    # --- who may hold something better -------------------------------------------------------------------------------

    def _better(self, fronts: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Names of those that may hold back a better record than the last row."""
        wanted = self._wanted
        score = scorer(self._account.statistics(wanted.terms, wanted.times), wanted.formula)
        last = self._collected.last(wanted.want, score)
        found: dict[bytes, None] = {}
        for name, front in fronts:
            for parts, content in Front.decode(front, wanted.places):
                if last is None or (-score(parts), content) < (-last[0], last[1]):
                    found[name] = None
                    break
        return list(found)

    def _refine(self, exact: bool) -> None:
        names = self._better(self._account.fronts)
        if not names:
            self._ended("exact" if exact else "estimated")
            return
        if NOBODY in names and len(self._account.answeredBy) <= RECOUNT_MOST:
            # Who held back what was let go on the way is not known.
            names = list(self._account.answeredBy)
        peers = [one for one in map(self._peer, names) if one is not None]
        complete = exact and len(peers) == len(names) and NOBODY not in names
        tally = self._commons.tally
        tally.count("refined", "searches")
        for _ in peers:
            tally.count("refined", "asked")
        wanted = self._wanted
        statistics = self._account.statistics(wanted.terms, wanted.times)
        last = self._collected.last(wanted.want, scorer(statistics, wanted.formula))
        least = 0.0 if last is None else last[0] * _SLACK
        fronts: list[tuple[bytes, bytes]] = []

        def answered(peer: PeerId, receipt: Receipt) -> None:
            fronts.extend((peer[:NAME_BYTES], front) for name, front in receipt.fronts)

        def found(peer: PeerId, hits: Sequence[Hit]) -> None:
            self._found(peer, hits)

        def send(link: "Link", receiver: Round, budget: float) -> Copy | None:
            return self._copies.refine(
                link, receiver, self._id, wanted, budget, documents=statistics.documents, length=statistics.length,
                frequencies=list(statistics.frequencies), least=least,
            )

        def ended(silent: list[PeerId]) -> None:
            asked = complete and not silent and not failed
            self._ended("exact" if asked and not self._better(fronts) else "estimated")

        own, failed = self._commons.peerId, False
        if own in peers:
            peers.remove(own)
            hits, receipt = refined(self._flood, wanted, statistics.documents, statistics.length, statistics.frequencies, least)
            failed = receipt is None
            if receipt is not None:
                found(own, hits)
                answered(own, receipt)
        self._round = Round(
            self._commons, self._membership, self._copies, self._deadline, send, found, answered, ended
        )
        self._round.begin(peers)


def _added(plain: Sequence[Sequence[int]], size: int) -> list[int]:
    """The numbers of all (see L{Receipt}, C{plain}) added up; empty if somebody has not told so many, as one of an older version does."""
    if any(len(one) != size for one in plain):
        return []
    added = list(map(sum, zip(*plain, strict=True)))
    added[2] %= MODULUS
    return added


# --- on the side of who is asked -------------------------------------------------------------------------------------


def recounted(flood: Flood, wanted: Wanted, among: bytes) -> Receipt | None:
    """
    This super-peer's numbers, each owner counted at the first of its homes among those named; and those that it would tell whoever
    searches now. None if its store fails.
    """
    names = frozenset(namesOf(among))
    registry = flood.registry
    found = registry.search(wanted.expression, 0, formula=wanted.formula, among=names)
    now = registry.search(wanted.expression, 0, formula=wanted.formula)
    if found.failed or now.failed:
        return None
    account = Account()
    account.count(found.documents, found.length, found.frequencies, 1)
    account.balance = registry.census(names).balance
    plain = [now.documents, now.length, registry.census().balance, *map(now.frequencies.get, wanted.terms, repeat(0))]
    return structs.replace(account.receipt(), plain=plain[: 3 + limits.PARTS])


def refined(
    flood: Flood, wanted: Wanted, documents: int, length: int, frequencies: Iterable[int], least: float
) -> tuple[Sequence[Hit], Receipt | None]:
    """This super-peer's best records by the numbers of all, and what covers the others; None if its store fails."""
    statistics = Statistics(documents, length, tuple(frequencies))
    found = flood.registry.search(wanted.expression, wanted.want, formula=wanted.formula, statistics=statistics, least=least)
    if found.failed:
        return (), None
    own = flood.commons.peerId
    account = Account()
    if found.front:
        account.fronts.append((own[:NAME_BYTES], found.front))
    return flood.checker.genuine(hitsOf(found, found.ranked), own), account.receipt()
