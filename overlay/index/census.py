"""
Whose records a super-peer counts. A record lives at every home of its owner and is counted at one: the first, in the order in which its
owner has signed them, of those that are asked.

A super-peer sees only what it holds itself. That all of them together have counted each owner once, and have held the same of it, shows
in their I{balances}: for an owner with m homes the one that counts it adds m - 1 times a hash of what it holds, and each other takes it
away once, so that the sum over all is 0; and it is not 0, but for a chance of 2**-63, if a home is absent, holds nothing or something
else, or goes by another list (an incremental multiset hash, Clarke and others 2003, "MSet-Add-Hash").
"""

from collections.abc import Collection, Iterable

import attrs

from overlay.identity.ids import PeerId
from overlay.index.store import Registration

NAME_BYTES = 8
"""By so many bytes of its id a super-peer is named."""
MODULUS = 2**63


@attrs.frozen(slots=True)
class Numbers:
    """
    @ivar documents: records, each counted at one of its owner's homes.
    @ivar length: words in them.
    @ivar balance: see above, 0 to L{MODULUS} - 1.
    """

    documents: int = 0
    length: int = 0
    balance: int = 0


@attrs.frozen(slots=True)
class Census:
    """
    @ivar uncounted: owners that are counted elsewhere.
    @ivar balance: 0 to L{MODULUS} - 1.
    """

    uncounted: frozenset[bytes] = frozenset()
    balance: int = 0

    @classmethod
    def of(
        cls, home: PeerId, held: Iterable[Registration], restored: Collection[bytes] = (), among: Collection[bytes] | None = None
    ) -> "Census":
        """
        @param home: the super-peer that holds them.
        @param restored: owners that have not been linked since this peer started; they are not counted.
        @param among: names of those that are asked; None for all.
        """
        uncounted: list[bytes] = []
        balance = 0
        for one in held:
            elsewhere, share = _standing(home, one, one.owner in restored, among)
            balance += share
            if elsewhere:
                uncounted.append(one.owner)
        return cls(frozenset(uncounted), balance % MODULUS)


class Tally:
    """
    A census of all that are held, kept up as one owner after the other changes.

    @param home: as for L{Census.of}.
    """

    def __init__(self, home: PeerId) -> None:
        self._home = home
        self._standings: dict[bytes, tuple[bool, int]] = {}
        self._balance = 0
        self._uncounted: dict[bytes, None] = {}
        self._census: Census | None = Census()

    def put(self, owner: bytes, held: Registration | None, restored: bool = False) -> None:
        """
        @param held: what is held of this owner now, if anything.
        """
        before = self._standings.pop(owner, _NOTHING)
        now = _NOTHING
        if held is not None:
            now = self._standings[owner] = _standing(self._home, held, restored, None)
        if now == before:
            return
        self._balance += now[1] - before[1]
        if now[0] and not before[0]:
            self._uncounted[owner] = None
        elif before[0] and not now[0]:
            del self._uncounted[owner]
        self._census = None

    def census(self) -> Census:
        """Of all that was put."""
        if self._census is None:
            self._census = Census(frozenset(self._uncounted), self._balance % MODULUS)
        return self._census


_NOTHING = (False, 0)


def _standing(home: PeerId, one: Registration, restored: bool, among: Collection[bytes] | None) -> tuple[bool, int]:
    """Whether an owner is counted elsewhere, and what it adds to the balance."""
    homes = one.homes
    if not homes and one.owner == home:
        homes = (home,)
    listed = [peer for peer in homes if among is None or peer[:NAME_BYTES] in among]
    if restored:
        return True, one.mark
    if home not in listed:
        # It is registered elsewhere by now, or has not said where.
        return bool(homes), one.mark
    if listed[0] == home:
        return False, (len(listed) - 1) * one.mark
    return True, -one.mark
