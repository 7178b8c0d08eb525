"""Moves leaves between super-peers: to one that has just been elected, and away from one that carries too many."""

from typing import TYPE_CHECKING

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.questions import Load

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership
    from overlay.roles.hosting import Hosting

EVERY = 15.0
"""Seconds between two moves: what was moved has to show in the others' adverts first."""
AT_ONCE = 50
"""Most leaves moved at a time."""
UNEVEN = 1.5
"""Leaves are moved from a super-peer that carries so many times what another one does."""
LEAST = 8
"""Registrations below which nothing is moved for balance alone."""


class Balance:
    """Of one super-peer."""

    def __init__(self, commons: Commons, membership: "Membership", hosting: "Hosting") -> None:
        self._commons = commons
        self._membership = membership
        self._hosting = hosting
        self._next = float("-inf")

    def filled(self, peer: PeerId, load: Load) -> None:
        """A seat was filled: the new super-peer gets its share of the leaves."""
        known = self._membership.get(peer)
        self._next = self._commons.seconds() + EVERY
        if known is not None:
            others = [*load.others, 0] if len(load.others) == 0 else list(load.others)
            self._move(peer, load.registrations // (len(others) + 1))

    def tick(self, load: Load) -> None:
        """Move some leaves if another super-peer carries far fewer."""
        seconds = self._commons.seconds()
        if seconds < self._next or load.registrations < LEAST:
            return
        self._next = seconds + EVERY
        others = self._membership.superPeers()
        if not others:
            return
        least = min(others, key=lambda known: (known.advert.load, known.peerId))
        if load.registrations > UNEVEN * (least.advert.load + LEAST / 2):
            self._move(least.peerId, (load.registrations - least.advert.load) // 4)

    def _move(self, peer: PeerId, count: int) -> None:
        known = self._membership.get(peer)
        if known is None or count <= 0:
            return
        leaves: list[Link] = [link for link in self._hosting.leaves() if link.peerId != peer]
        chosen = self._commons.random.sample(leaves, min(count, AT_ONCE, len(leaves)))
        if chosen:
            self._hosting.handOver(chosen, [known.signed], "balance", 30.0)
