"""Whose records count at one home."""

from collections.abc import Callable, Collection

from overlay.identity.ids import PeerId
from overlay.index.census import Census, Tally
from overlay.index.owners import Owners
from overlay.index.store import Registration
from overlay.interfaces import IIndexStore


class Counting:
    """Censuses of what one store holds."""

    __slots__ = ("_holding", "_home", "_kept", "_store")

    def __init__(self, home: PeerId, store: IIndexStore, holding: Callable[[bytes], Registration | None]) -> None:
        """
        @param holding: what is held of an owner.
        """
        self._home = home
        self._store = store
        self._holding = holding
        # A census by whom it leaves out.
        self._kept: tuple[frozenset[bytes], Tally] | None = None

    def of(self, known: Owners, refused: frozenset[bytes], among: Collection[bytes] | None = None) -> Census:
        """
        Of all but owners that are refused. If it is not for some super-peers only, it is kept up, as each search needs it.

        @param among: names of the super-peers that there are (see L{overlay.index.census}); None for all.
        """
        if among is not None:
            held = [one for one in map(self._holding, self._store.owners()) if one is not None and one.owner not in refused]
            return Census.of(self._home, held, known.restored, among)
        kept = self._kept
        if kept is None or kept[0] != refused:
            owners: Collection[bytes] = self._store.owners()
            kept = self._kept = refused, Tally(self._home)
        elif known.changed:
            owners = list(known.changed)
        else:
            return kept[1].census()
        tally = kept[1]
        known.changed.clear()
        for owner in owners:
            if owner not in refused:
                tally.put(owner, self._holding(owner), owner in known.restored)
        return tally.census()
