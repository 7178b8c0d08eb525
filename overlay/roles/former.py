"""
Homes that were lost without a farewell. For their lease they go on counting what this peer shares, by the list of homes that they know. If
one of that list is still a home, and so has another list, it shows in the balances that something is out of date (see
L{overlay.index.census}). If none is, it does not: then they stay in the list that this peer signs, as far as there is room, until they have
been told or their lease is over.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted.python.failure import Failure

from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId
from overlay.index.own import OwnRegistration
from overlay.wire.registration import Unregister

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

TELL_EVERY = 20.0
"""Seconds between two tries to tell one."""
LATER = 15.0
"""Seconds after the end of a lease until which a home may not have looked for it."""


class FormerHomes:
    """
    Of one peer.

    @param isHome: whether a peer is a home, or is to become one.
    """

    __slots__ = ("_commons", "_isHome", "_listed", "_lost", "_membership", "_own", "_stale", "_tries")

    def __init__(self, commons: Commons, membership: "Membership", own: OwnRegistration, isHome: Callable[[bytes], bool]) -> None:
        self._commons = commons
        self._membership = membership
        self._own = own
        self._isHome = isHome
        # Until when each may count what this peer shares, and by which lists; and those of them that are in the list.
        self._lost: dict[bytes, tuple[float, Sequence[Sequence[bytes]]]] = {}
        self._listed: dict[bytes, None] = {}
        self._tries: dict[bytes, tuple[int, float]] = {}
        self._stale = False

    def restart(self) -> None:
        """The homes in the list have been lost if they are not found again."""
        for peer in self._own.homes:
            self.lose(peer, [self._own.homes])
        self._listed = dict.fromkeys(one for one in self._own.formerHomes if one in self._lost)

    def lose(self, peer: bytes, lists: Sequence[Sequence[bytes]]) -> None:
        """
        A home has gone without a farewell.

        @param lists: one of which it holds.
        """
        lists = [one for one in lists if peer in one]
        if lists and peer != self._commons.peerId:
            settings = self._commons.settings
            self._lost[peer] = self._commons.seconds() + settings.beats.dead + settings.lease + LATER, lists

    def forget(self, peer: bytes) -> None:
        """It is a home again, or counts no more."""
        self._stale = self._stale or peer in self._listed
        self._lost.pop(peer, None)
        self._listed.pop(peer, None)
        self._tries.pop(peer, None)

    def isOver(self, homes: Sequence[PeerId]) -> bool:
        """
        Whether another list is to be signed on account of former homes.

        @param homes: those that there are.
        """
        return self._stale or any(one not in self._listed for one in self._unnoticed(homes))

    def _unnoticed(self, homes: Sequence[PeerId]) -> list[bytes]:
        """Whose list may be one of which nothing is left."""
        return [
            peer for peer, (_, lists) in self._lost.items() if any(not any(one in homes for one in known) for known in lists)
        ]

    def list(self, homes: Sequence[PeerId]) -> None:
        """
        Sign the list of homes.

        @param homes: those that there are.
        """
        if not homes:
            return
        self._listed.update(dict.fromkeys(self._unnoticed(homes)))
        self._stale = False
        # Who was lost last lives most probably.
        former = sorted(self._listed, key=lambda one: -self._lost[one][0])
        self._own.setHomes(homes, [PeerId(one) for one in former if one not in homes])

    def look(self) -> None:
        """Let go of those whose lease is over, and tell those that can be told."""
        seconds = self._commons.seconds()
        for peer in [one for one, (until, _) in self._lost.items() if until <= seconds]:
            self.forget(peer)
        for peer in [one for one in self._listed if not self._isHome(one)]:
            link = self._commons.links.get(PeerId(peer))
            if link is not None:
                self._tell(link)
                continue
            tries, last = self._tries.get(peer, (0, float("-inf")))
            known, addresses = self._membership.get(peer), self._membership.addresses(peer)
            if seconds >= last + TELL_EVERY and known is not None and known.alive and addresses:
                self._tries[peer] = tries + 1, seconds
                self._commons.links.dial(addresses[tries % len(addresses)], peer).addCallbacks(self._tell, self._unanswered)

    def _tell(self, link: "Link") -> None:
        # What is being registered there must not be forgotten.
        if link.peerId in self._listed and not self._isHome(link.peerId) and link.send(Unregister(True)):
            self.forget(link.peerId)

    @staticmethod
    def _unanswered(failure: Failure) -> None:
        failure.trap(SuperpeerError)
