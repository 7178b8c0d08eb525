"""Network time: the median clock of the linked peers, so that one machine's wrong clock harms only itself."""

from collections.abc import Collection
from statistics import median_low
from typing import TYPE_CHECKING

from overlay.commons import Commons

if TYPE_CHECKING:
    from overlay.link.link import Link

ENOUGH = 2
"""Linked peers from which their clocks outweigh our own."""
GOOD_FOR = 5.0
"""Seconds for which what was measured is taken as it was."""
FAR = 60.0
"""Seconds from which two clocks are not the same."""


class NetworkTime:
    """What the clocks of all linked peers say together; L{Commons.ownTime} is one voice among them."""

    __slots__ = ("_commons", "_count", "_links", "_offset", "_until")

    def __init__(self, commons: Commons, links: "Collection[Link]") -> None:
        self._commons = commons
        self._links = links
        self._offset = 0.0
        self._until = float("-inf")
        self._count = -1

    def read(self) -> float:
        """Seconds since the epoch."""
        commons = self._commons
        seconds = commons.seconds()
        if seconds >= self._until or len(self._links) != self._count:
            # A super-peer has hundreds of links, and asks for the time with every query.
            self._until, self._count = seconds + GOOD_FOR, len(self._links)
            self._offset = self._measure()
        return commons.anchor + seconds + self._offset

    def _measure(self) -> float:
        """The others' clocks against our own."""
        known = [offset for link in self._links if (offset := link.clockOffset) is not None]
        if len(known) < ENOUGH:
            # One against one: who joins a network takes its time from the peer that it dialled.
            return sum(link.clockOffset or 0.0 for link in self._links if link.dialled and abs(link.clockOffset or 0.0) > FAR)
        return median_low([*known, 0.0])
