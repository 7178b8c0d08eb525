"""The super-peers that were known before the last stop."""

from collections.abc import Sequence

from zope.interface import implementer

from overlay.discovery import Discovery, DiscoverySurroundings
from overlay.interfaces import IDiscovery
from overlay.membership.cache import TABLE, placesIn
from overlay.policy import PolicyPlugin
from overlay.questions import Lead


@implementer(IDiscovery)
class Remembered(Discovery):
    """The peer cache: each super-peer where its last advert said that it was."""

    __slots__ = ("_most", "_random", "_table")

    def __init__(self, surroundings: DiscoverySurroundings, most: int = 1000) -> None:
        """
        @param most: super-peers that are tried; 0 to try none.
        """
        if most < 0:
            raise ValueError("most must be 0 or more")
        self._table = surroundings.storage.softTable(TABLE, surroundings.log)
        self._random = surroundings.random
        self._most = most

    def find(self) -> Sequence[Lead]:
        places = placesIn(self._table)
        if len(places) > self._most:
            places = self._random.sample(places, self._most)
        return [Lead(address, peer) for peer, addresses in places for address in addresses[:2]]


cache = PolicyPlugin("discovery", "cache", Remembered, "The super-peers that were known before the last stop.")
