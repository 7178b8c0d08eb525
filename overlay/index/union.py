"""What several summaries come to together, and how that changes."""

from collections.abc import Iterable

from pyroaring import BitMap

Key = bytes


class Union:
    """
    The terms and the names of several sources joined, and what has come and gone since somebody was last told.

    @ivar gained: positions that have come since the last L{take}, and C{lost} those that have gone; C{namesGained} and C{namesLost}
        likewise.
    """

    def __init__(self) -> None:
        self._positions: dict[Key, BitMap] = {}
        self._names: dict[Key, dict[bytes, None]] = {}
        self._counts: dict[bytes, int] = {}
        self.forget()

    def forget(self) -> None:
        """Whoever is told next is told everything."""
        self.gained = BitMap()
        self.lost = BitMap()
        self.namesGained: dict[bytes, None] = {}
        self.namesLost: dict[bytes, None] = {}

    @property
    def changed(self) -> bool:
        return bool(self.gained or self.lost or self.namesGained or self.namesLost)

    @property
    def more(self) -> bool:
        """Whether there is something that was not there when somebody was last told."""
        return bool(self.gained or self.namesGained)

    def positions(self) -> BitMap:
        """All of them."""
        return BitMap.union(*self._positions.values()) if self._positions else BitMap()

    def names(self) -> list[bytes]:
        return list(self._counts)

    # --- positions -----------------------------------------------------------------------------------------------------

    def _others(self, key: Key, some: BitMap) -> BitMap:
        """Those of C{some} that no other source has."""
        for other, positions in self._positions.items():
            if other != key and some:
                some = some - positions
        return some

    def _came(self, positions: BitMap) -> None:
        again = self.lost & positions
        self.lost -= again
        self.gained |= positions - again

    def _went(self, positions: BitMap) -> None:
        again = self.gained & positions
        self.gained -= again
        self.lost |= positions - again

    def change(self, key: Key, came: BitMap, went: BitMap) -> None:
        """The bitmap of a source has been changed by so much; of no effect if it is none."""
        if key in self._positions:
            if came:
                self._came(self._others(key, came))
            if went:
                self._went(self._others(key, went))

    def put(self, key: Key, positions: BitMap | None) -> None:
        """
        @param positions: what a source has from now on. It stays the caller's, who tells of each change of it. None for nothing.
        """
        held = self._positions.pop(key, None)
        if positions:
            self._came(self._others(key, positions if held is None else positions - held))
        if held:
            gone = held if positions is None else held - positions
            self._went(self._others(key, gone))
        if positions is not None:
            self._positions[key] = positions

    # --- names ---------------------------------------------------------------------------------------------------------

    def name(self, key: Key, came: Iterable[bytes], went: Iterable[bytes] = ()) -> None:
        """A source speaks for some more super-peers, and not for others any more; a name counts once of each source."""
        held = self._names.setdefault(key, {})
        for one in came:
            if one in held:
                continue
            held[one] = None
            self._counts[one] = self._counts.get(one, 0) + 1
            if self._counts[one] == 1 and self.namesLost.pop(one, self) is self:
                self.namesGained[one] = None
        for one in went:
            if held.pop(one, self) is self:
                continue
            self._counts[one] -= 1
            if not self._counts[one]:
                del self._counts[one]
                if self.namesGained.pop(one, self) is self:
                    self.namesLost[one] = None

    def drop(self, key: Key) -> None:
        """A source is none any more."""
        self.put(key, None)
        if key in self._names:
            self.name(key, (), list(self._names[key]))
            del self._names[key]
