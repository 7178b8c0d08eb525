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
KNOWING = 60.0
"""Seconds of serving before which what is known of the loads of others is not to be relied on."""
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
        self._next = self._commons.seconds() + EVERY
        others = list(load.others)
        if peer not in {one.peerId for one in self._membership.superPeers()}:
            others.append(0)
        mean = (load.registrations + sum(others)) / (len(others) + 1)
        self._move(peer, int(load.registrations - mean))

    def tick(self, load: Load) -> None:
        """Move some leaves if another super-peer carries far fewer."""
        seconds = self._commons.seconds()
        if seconds < self._next or load.registrations < LEAST or load.serving < KNOWING:
            return
        self._next = seconds + EVERY
        others = self._membership.superPeers()
        if not others:
            return
        # Of two at random the less loaded: if all chose the least loaded of all, it would get the leaves of all.
        two = self._commons.random.sample(others, min(2, len(others)))
        other = min(two, key=lambda known: (known.advert.load, known.peerId))
        if load.registrations > UNEVEN * (other.advert.load + LEAST / 2):
            self._move(other.peerId, (load.registrations - other.advert.load) // 4)

    def _move(self, peer: PeerId, count: int) -> None:
        known = self._membership.get(peer)
        if known is None or count <= 0:
            return
        leaves: list[Link] = [link for link in self._hosting.leaves() if link.peerId != peer]
        chosen = self._commons.random.sample(leaves, min(count, AT_ONCE, len(leaves)))
        if chosen:
            self._hosting.handOver(chosen, [known.signed], "balance", 30.0)
