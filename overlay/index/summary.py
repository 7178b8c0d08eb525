"""The summary of what a super-peer itself holds, kept up with its registry: never less than it has."""

from collections.abc import Callable, Iterable

from pyroaring import BitMap
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from overlay.errors import SuperpeerError
from overlay.index.bloom import Counts, extensionTerm, positionOf
from overlay.index.dialect import analysisOf
from overlay.index.postings import extensionOf
from overlay.index.record import openHead, openTerms
from overlay.index.store import Change
from overlay.interfaces import IIndexStore

AT_ONCE = 100
"""Records of those that were on disk that are counted before anything else gets its turn."""

Positions = set[int]


def positionsOf(head: bytes, terms: bytes) -> Positions:
    """
    Of everything by which a record can be found.

    @raise overlay.errors.Malformed: head or terms cannot be read.
    """
    opened, unpacked = openHead(head), openTerms(terms)
    words = {term for term, _ in unpacked.counted}
    words.update(analysisOf(unpacked.dialect).nameWords(opened.location))
    words.add(extensionTerm(extensionOf(opened.name)))
    return set(map(positionOf, words))


class OwnSummary:
    """
    What was there before it began is read piece by piece; until that is done the summary is not whole, and proves nothing.

    @ivar whole: whether every record is counted.
    @ivar problem: why it will never be, in a sentence; empty if nothing is wrong.
    @ivar changed: called with the positions that came and those that went.
    """

    def __init__(self, store: IIndexStore, clock: IReactorTime, changed: Callable[[BitMap, BitMap], None]) -> None:
        self._store = store
        self._clock = clock
        self._counts = Counts()
        self.changed = changed
        self.whole = False
        self.problem = ""
        # Owners of whom nothing is counted yet, and of the one whose turn it is the records that are not.
        self._owners: dict[bytes, None] = {}
        self._left: tuple[bytes, dict[bytes, None]] = (b"", {})
        self._timer: IDelayedCall | None = None

    @property
    def positions(self) -> BitMap:
        """What is counted so far; not to be changed by the caller."""
        return self._counts.some

    def begin(self) -> None:
        """Count what there is."""
        self._owners = dict.fromkeys(bytes(owner) for owner in self._store.owners())
        self._countMore()

    def stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # --- what was there before -----------------------------------------------------------------------------------------

    def _countMore(self) -> None:
        self._timer = None
        some: list[Positions] = []
        try:
            while len(some) < AT_ONCE and (self._left[1] or self._owners):
                owner, left = self._left
                if not left:
                    owner = next(iter(self._owners))
                    del self._owners[owner]
                    self._left = (owner, dict.fromkeys(sorted(self._store.recordIds(owner))))  # type: ignore[arg-type]
                    continue
                recordId = next(iter(left))
                del left[recordId]
                record = self._store.get(owner, recordId)  # type: ignore[arg-type]
                if record is not None:
                    some.append(positionsOf(record.head, record.terms))
        except Exception as problem:  # a store of a stranger's making
            self.problem = f"what is held could not be read ({str(problem) or type(problem).__name__})"
            self.changed(BitMap(), BitMap())
            return
        came = self._counts.add(some)
        self.whole = not self._left[1] and not self._owners
        if not self.whole:
            self._timer = self._clock.callLater(0.0, self._countMore)
        self.changed(came, BitMap())

    def _isCounted(self, owner: bytes, recordId: bytes) -> bool:
        """Whether a record was counted; one that is still to come counts as it will be found."""
        return owner not in self._owners and (owner != self._left[0] or recordId not in self._left[1])

    # --- what changes --------------------------------------------------------------------------------------------------

    def before(self, change: Change) -> list[Positions]:
        """
        Look at what a change will take away, before the store does it.

        @return: to be handed to L{after}.
        """
        owner = change.owner
        going: dict[bytes, None] = dict.fromkeys(change.removals)
        going.update((record.recordId, None) for record in change.additions)
        try:
            if change.clear:
                going.update(dict.fromkeys(self._store.recordIds(owner)))
            return self._read(owner, going)
        except Exception:  # a store of a stranger's making: what is not taken away is held to be there
            return []

    def _read(self, owner: bytes, ids: Iterable[bytes]) -> list[Positions]:
        found = []
        for recordId in ids:
            if self._isCounted(owner, recordId):
                record = self._store.get(owner, recordId)  # type: ignore[arg-type]
                if record is not None:
                    found.append(positionsOf(record.head, record.terms))
        return found

    def after(self, change: Change, going: list[Positions]) -> None:
        """The store has done it."""
        owner, left = self._left
        if change.owner == owner:
            gone = list(left) if change.clear else [*change.removals]
            for recordId in [*gone, *(record.recordId for record in change.additions)]:
                left.pop(recordId, None)
        coming: list[Positions] = []
        if change.owner not in self._owners:
            try:
                coming = [positionsOf(record.head, record.terms) for record in change.additions]
            except SuperpeerError as problem:
                self.problem, self.whole = f"a record could not be read ({problem})", False
        # First what comes: what stays the same neither goes nor comes.
        came = self._counts.add(coming)
        self.changed(came, self._counts.remove(going))

    def dropping(self, owner: bytes) -> list[Positions]:
        """Before an owner is forgotten; its result goes to L{dropped}."""
        try:
            return self._read(owner, list(self._store.recordIds(owner)))  # type: ignore[arg-type]
        except Exception:  # as above
            return []

    def dropped(self, owner: bytes, going: list[Positions]) -> None:
        """An owner is forgotten."""
        self._owners.pop(owner, None)
        if self._left[0] == owner:
            self._left = (b"", {})
        self.changed(BitMap(), self._counts.remove(going))
