"""
Homes that were lost without a farewell. For their lease they go on counting what this peer shares; as long as one home knows both of an old
and of a new list of homes, it shows in the balances that a list is out of date (see L{overlay.index.census}). Where all homes of a list
were lost, none does: then they stay in the list that this peer signs, until they have been told or their lease is over.
"""

from collections.abc import Sequence
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
"""Seconds after the end of a lease until which a home may not have noticed it."""


class FormerHomes:
    """Of one peer."""

    __slots__ = ("_commons", "_listed", "_lost", "_membership", "_own", "_stale", "_tries")

    def __init__(self, commons: Commons, membership: "Membership", own: OwnRegistration) -> None:
        self._commons = commons
        self._membership = membership
        self._own = own
        # Until when each may count what this peer shares, and by which lists; and those of them that are in the list.
        self._lost: dict[bytes, tuple[float, Sequence[Sequence[bytes]]]] = {}
        self._listed: dict[bytes, None] = {}
        self._tries: dict[bytes, float] = {}
        self._stale = False

    def lose(self, peer: bytes, lists: Sequence[Sequence[bytes]]) -> None:
        """
        A home has gone without a farewell.

        @param lists: one of which it holds.
        """
        lists = [one for one in lists if peer in one]
        if lists:
            self._lost[peer] = self._commons.seconds() + self._commons.settings.lease + LATER, lists

    def forget(self, peer: bytes) -> None:
        """It is a home again, or counts no more."""
        self._stale = self._stale or peer in self._listed
        self._lost.pop(peer, None)
        self._listed.pop(peer, None)
        self._tries.pop(peer, None)

    def list(self, homes: Sequence[PeerId]) -> bool:
        """
        Sign the list of homes.

        @param homes: those that there are.
        @return: whether it is another one than before.
        """
        if not homes:
            return False
        for peer, (_, lists) in self._lost.items():
            if any(not any(one in homes for one in known) for known in lists):
                self._listed[peer] = None
        self._stale = False
        return self._own.setHomes([*homes, *(PeerId(one) for one in self._listed if one not in homes)])

    def look(self) -> bool:
        """
        Let go of those whose lease is over, and tell those that can be told.

        @return: whether some that are in the list need not be.
        """
        seconds = self._commons.seconds()
        for peer in [one for one, (until, _) in self._lost.items() if until <= seconds]:
            self.forget(peer)
        for peer in list(self._listed):
            link = self._commons.links.get(PeerId(peer))
            if link is not None:
                self._tell(link)
            elif seconds >= self._tries.get(peer, 0.0) + TELL_EVERY:
                self._tries[peer] = seconds
                known = self._membership.get(peer)
                if known is not None and known.alive:
                    for address in self._membership.addresses(peer)[:1]:
                        self._commons.links.dial(address, peer).addCallbacks(self._tell, self._unanswered)
        return self._stale

    def _tell(self, link: "Link") -> None:
        if link.peerId in self._listed and link.send(Unregister(True)):
            self.forget(link.peerId)

    @staticmethod
    def _unanswered(failure: Failure) -> None:
        failure.trap(SuperpeerError)
