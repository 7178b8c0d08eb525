"""
A home's guard over its index store: verifies what comes in, keeps quotas and leases, and never acknowledges what is not stored.
"""

from collections.abc import Callable, Collection, Sequence

from pyroaring import BitMap

from overlay.commons import Commons
from overlay.errors import StoreFull
from overlay.identity.ids import PeerId, shortText
from overlay.index.census import Census, Numbers
from overlay.index.counting import Counting
from overlay.index.examination import Examination
from overlay.index.expression import Expression, Word
from overlay.index.homelist import homesSaid
from overlay.index.own import OwnRegistration
from overlay.index.owners import Coming, Owners
from overlay.index.owntaking import OwnTaking
from overlay.index.refusals import Draft, Refusals
from overlay.index.scoring import BM25, Statistics
from overlay.index.store import Change, Found, Registration, Request, StoredRecord, Totals
from overlay.index.summary import OwnSummary
from overlay.interfaces import IIndexStore
from overlay.questions import Formula
from overlay.wire import limits
from overlay.wire.registration import Register, Registered

RETRY = 30.0
"""Seconds until an owner should try again when the store takes nothing."""
_NO_WORD = Word("\0")
_FAILED = Found((), 0, (), 0.0, 0, 0, {}, failed=True)


class Registry:
    """
    @ivar problem: what is wrong with the store at the moment, in a sentence; empty if nothing is.
    @ivar summary: of what is held, if anybody wants one.
    """

    __slots__ = (
        "_commons", "_counting", "_failure", "_held", "_numbers", "_refusedTable", "_searchFailure", "_store", "_taking",
        "summary",
    )

    def __init__(self, commons: Commons, store: IIndexStore) -> None:
        self._commons = commons
        self._store = store
        self._failure = ""
        self._searchFailure = ""
        self.summary: OwnSummary | None = None
        # Of a super-peer.
        self._taking: OwnTaking | None = None
        self._counting: Counting | None = None
        self._numbers = Numbers()
        self._refusedTable = commons.storage.table("refused")
        # Most peers hold nothing of others.
        self._held: Owners | None = None
        restored = [owner for owner in store.owners() if owner != commons.peerId]
        if restored:
            # What was on disk is served at once, and its owner may come back.
            self._known.leases = dict.fromkeys(restored, commons.seconds() + commons.settings.lease)
            self._known.restored = dict.fromkeys(restored)

    @property
    def _known(self) -> Owners:
        if self._held is None:
            self._held = Owners(self._refusedTable)
        return self._held

    @property
    def _refusals(self) -> Refusals:
        return self._known.refusals

    @property
    def problem(self) -> str:
        return self._failure or self._searchFailure or self.totals().problem

    # --- who is here -------------------------------------------------------------------------------------------------

    def holding(self, owner: bytes) -> Registration | None:
        """What is held of an owner."""
        try:
            found: Registration | None = self._store.registration(PeerId(owner))
        except Exception as problem:  # a store of a stranger's making
            self._failed(problem)
            return None
        return found

    def usable(self, owner: bytes, sequence: int, digest: bytes) -> int:
        """
        From which sequence an owner may send differences.

        @param sequence: what the owner has now, with C{digest} over all of it.
        @return: 0 if it has to send everything.
        """
        held = self.holding(owner)
        if held is None or held.sequence > sequence:
            return 0
        if held.sequence == sequence and not self._fits(held, digest):
            return 0
        return held.sequence

    def _fits(self, held: Registration, digest: bytes) -> bool:
        return self._refusals.fits(held.owner, held.digest, digest)

    def attach(self, owner: bytes) -> None:
        """The owner is linked: its lease does not run."""
        known = self._known
        known.attached[owner] = None
        known.leases.pop(owner, None)
        if known.refusals.count(owner):
            known.untold[owner] = None
        if owner in known.restored:
            del known.restored[owner]
            known.restored = known.restored or {}
            known.changed[owner] = None

    def release(self, owner: bytes) -> None:
        """The owner's link has ended: its lease runs."""
        self._known.attached.pop(owner, None)
        self._known.coming.pop(owner, None)
        if self.holding(owner) is not None:
            self._known.leases[owner] = self._commons.seconds() + self._commons.settings.lease

    def expect(self, owner: bytes, within: float) -> None:
        """The owner has not come yet: its registration is kept for so many seconds."""
        self._known.leases[owner] = self._commons.seconds() + within

    def read(self, owner: bytes, recordId: bytes) -> StoredRecord | None:
        """One record that is held; None if it is not there, or cannot be read."""
        try:
            found: StoredRecord | None = self._store.get(PeerId(owner), recordId)
        except Exception as problem:  # a store of a stranger's making
            self._failed(problem)
            return None
        return found

    def recordIds(self, owner: bytes) -> list[bytes]:
        """Of one owner, in order; none if they cannot be read."""
        try:
            return sorted(self._store.recordIds(PeerId(owner)))
        except Exception as problem:  # a store of a stranger's making
            self._failed(problem)
            return []

    def refusals(self, owner: bytes) -> int:
        """Records of an owner that were not taken."""
        return self._refusals.count(owner)

    def drop(self, owner: bytes) -> None:
        """Forget an owner's registration."""
        self._known.forget(owner)
        try:
            summary = self.summary
            going = summary.dropping(owner) if summary is not None else []
            self._store.drop(PeerId(owner))
            if summary is not None:
                summary.dropped(owner, going)
            self._refusals.clear(owner)
        except Exception as problem:  # a store of a stranger's making
            self._failed(problem)

    def expire(self) -> list[PeerId]:
        """
        Forget whose lease is over.

        @return: who that was.
        """
        seconds = self._commons.seconds()
        over = [PeerId(owner) for owner, until in self._known.leases.items() if until <= seconds]
        for owner in over:
            self._commons.log.debug("the lease of {owner} is over", owner=shortText(owner))
            self.drop(owner)
        if self._taking is not None:
            self._taking.retry()
        return over

    def owners(self, attachedOnly: bool = False) -> list[PeerId]:
        """Whose registration is held, this peer's own left out."""
        return [
            owner for owner in self._store.owners()
            if owner != self._commons.peerId and (not attachedOnly or owner in self._known.attached)
        ]

    def homesOf(self, owner: bytes) -> tuple[PeerId, ...]:
        """The owner's homes, as it signed them."""
        held = self.holding(owner)
        return held.homes if held is not None else ()

    # --- registering -------------------------------------------------------------------------------------------------

    def apply(self, owner: bytes, key: bytes, message: Register, bringer: PeerId | None = None) -> Registered:
        """
        Take one batch.

        @param bringer: who has brought it, and answers for it, if that is not the owner; then every signature is checked.
        @return: the acknowledgement: what is stored now, and which records were not taken, with codes.
        """
        held = self.holding(owner)
        now = held.sequence if held is not None else 0
        if message.part == 0:
            if message.base and message.base != now:
                return Registered(now, 0, code="base")
            self._known.coming[owner] = Coming(message.base)
        coming = self._known.coming.get(owner)
        if coming is None or (coming.base, coming.next) != (message.base, message.part):
            self._known.coming.pop(owner, None)
            return Registered(now, message.part, code="base")
        try:
            return self._applyPart(owner, key, message, held, coming, bringer)
        except Exception as problem:  # a store of a stranger's making may raise anything; nothing is acknowledged
            self._known.coming.pop(owner, None)
            self._failed(problem)
            return Registered(now, message.part, code=StoreFull.code, retry=RETRY)

    def _applyPart(
        self, owner: bytes, key: bytes, message: Register, held: Registration | None, coming: Coming, bringer: PeerId | None
    ) -> Registered:
        commons = self._commons
        clear = message.base == 0 and message.part == 0
        draft = Draft(self._refusals, owner, clear)
        sampled = (
            bringer is None and owner not in self._known.suspect and commons.trust(PeerId(owner)) >= commons.settings.trustedFrom
        )
        examination = Examination(commons, self._store, owner, key, None if clear else held, sampled, draft, bringer)
        examined = examination.of(message)
        if examined.forged and bringer is None:
            self._known.suspect[owner] = None
        sequence = message.sequence if message.last else (0 if clear else None)
        homes, signed = homesSaid(commons, owner, message.homes, held)
        change = Change(
            PeerId(owner), key, clear, list(examined.taken.values()), examined.removals, sequence, homes, signed, examined.checked
        )
        stored = self._apply(change)
        self._failure = ""
        try:
            self._refusals.keep(draft)
        except StoreFull as problem:
            # After a restart the digests will not fit, and the owner sends everything again.
            commons.log.warn("what was refused could not be stored: {problem}", problem=problem)
        coming.next += 1
        coming.freed = coming.freed or any(one is None for one in draft.changes.values()) or (
            held is not None and (stored.records < held.records or stored.bytes < held.bytes)
        )
        refused = examined.refused[: limits.BATCH_RECORDS]
        if message.last:
            del self._known.coming[owner]
            if not self._fits(stored, message.digest):
                # Something was lost on the way or here: everything has to come again.
                self._apply(Change(PeerId(owner), key, sequence=0))
                return Registered(0, message.part, refused, "digest")
            if bringer is None:
                return self._whole(stored, message, refused, coming.freed)
        return Registered(stored.sequence, message.part, refused)

    def _whole(self, stored: Registration, message: Register, refused: list[tuple[bytes, str]], freed: bool) -> Registered:
        """
        A difference is in. What was refused for want of room is asked for when there may be room again; and who has come back, and
        may not know any more what was refused, hears of it.
        """
        settings, refusals = self._commons.settings, self._refusals
        returned = stored.owner in self._known.untold
        self._known.untold.pop(stored.owner, None)
        wanted: list[bytes] = []
        if freed or returned:
            records = min(settings.quotaRecords - stored.records, limits.BATCH_RECORDS)
            wanted = refusals.fitting(stored.owner, records, settings.quotaBytes - stored.bytes)
        if returned and message.base:
            older = refusals.some(stored.owner, limits.BATCH_RECORDS)
            refused = list(dict([*refused, *older]).items())[: limits.BATCH_RECORDS]
        return Registered(stored.sequence, message.part, refused, wanted=wanted)

    def _apply(self, change: Change) -> Registration:
        self._known.changed[change.owner] = None
        summary = self.summary
        going = summary.before(change) if summary is not None else []
        stored: Registration = self._store.apply(change)
        if summary is not None:
            summary.after(change, going)
        return stored

    def applyOwn(self, own: OwnRegistration) -> None:
        """
        Bring in what this peer itself shares: a registration like any other, but for the quota. Much of it comes in piece by piece, so
        that nothing else is held up; if the store fails, it is tried again with L{expire}.
        """
        if self._taking is None:
            self._taking = OwnTaking(self._commons, self.holding, self._store.get, self._apply, self._ownTaken)
        self._taking.take(own)

    def _ownTaken(self, problem: Exception | None) -> None:
        if problem is None:
            self._failure = ""
        else:
            self._failed(problem)

    # --- searching ---------------------------------------------------------------------------------------------------

    def census(self, among: Collection[bytes] | None = None) -> Census:
        """
        Whose records count here.

        @param among: names of the super-peers that there are (see L{overlay.index.census}); None for all.
        """
        counting = self._counting
        if counting is None:
            counting = self._counting = Counting(self._commons.peerId, self._store, self.holding)
        return counting.of(self._known, self._commons.refused, among)

    def search(
        self, expression: Expression, want: int, without: Collection[bytes] = frozenset(), formula: Formula = BM25,
        statistics: Statistics | None = None, least: float = 0.0, among: Collection[bytes] | None = None,
    ) -> Found:
        """
        What is held that matches. Where the store fails, nobody has answered (C{failed}).

        @param without: owners to leave out.
        @param statistics: numbers to rank by; None for this registry's own.
        @param least: no row with a lower score is wanted.
        @param among: see L{census}.
        """
        commons, refused, census = self._commons, self._commons.refused, self._censusIfAny(among)
        return _FAILED if census is None else self._searched(
            Request(
                expression, want, commons.now(), refused.union(without) if without else refused, commons.network.dialect,
                census.uncounted, formula, statistics, least,
            )
        )

    def searchEach(self, asked: Sequence[tuple[Expression, int, Formula]]) -> tuple[list[Found], int]:
        """
        What is held that matches each of several expressions; rows may come as for C{passing} of L{Request}.

        @param asked: expressions, of each the rows wanted and the order.
        @return: also, the balance of the census.
        """
        commons, refused, census = self._commons, self._commons.refused, self._censusIfAny()
        if census is None:
            return [_FAILED] * len(asked), 0
        now, dialect, uncounted = commons.now(), commons.network.dialect, census.uncounted
        requests = [Request(one, want, now, refused, dialect, uncounted, formula, passing=True) for one, want, formula in asked]
        return list(map(self._searched, requests)), census.balance

    def _searched(self, request: Request) -> Found:
        try:
            found: Found = self._store.search(request)
        except Exception as problem:  # whatever a store raises, the search goes on without it
            self._searchFailure = self._said(problem, self._searchFailure)
            return _FAILED
        self._searchFailure = ""
        return found

    def _censusIfAny(self, among: Collection[bytes] | None = None) -> Census | None:
        try:
            return self.census(among)
        except Exception as problem:  # as above
            self._searchFailure = self._said(problem, self._searchFailure)
            return None

    def summarise(self, changed: Callable[[BitMap, BitMap], None]) -> OwnSummary:
        """
        Keep a summary of what is held, from now on.

        @param changed: see L{OwnSummary}.
        """
        if self.summary is not None:
            self.summary.stop()
        self.summary = OwnSummary(self._store, self._commons.clock, changed)
        self.summary.begin()
        return self.summary

    def numbers(self) -> Numbers:
        """What a search here would count, whatever it looks for; as long as the store fails, what it counted last."""
        found = self.search(_NO_WORD, 0)
        if not found.failed:
            self._numbers = Numbers(found.documents, found.length, self.census().balance)
        return self._numbers

    def totals(self) -> Totals:
        """For status and metrics."""
        try:
            totals: Totals = self._store.totals()
        except Exception as problem:  # a store of a stranger's making
            return Totals(0, 0, 0, 0, str(problem) or type(problem).__name__)
        return totals

    def _failed(self, problem: Exception) -> None:
        self._counting = None
        self._failure = self._said(problem, self._failure)

    def _said(self, problem: Exception, before: str) -> str:
        """The failure in words; logged once, however often it happens."""
        said = str(problem) or type(problem).__name__
        if said != before:
            self._commons.log.error("the store of registrations: {problem}", problem=said)
        self._commons.tally.count("drops", "store")
        return said
