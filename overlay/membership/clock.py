"""Network time: the median clock of the linked peers, so that one machine's wrong clock harms only itself."""

from collections.abc import Iterable
from statistics import median_low
from typing import TYPE_CHECKING

from overlay.commons import Commons

if TYPE_CHECKING:
    from overlay.link.link import Link

ENOUGH = 2
"""Linked peers from which their clocks outweigh our own."""
FAR = 60.0
"""Seconds from which two clocks are not the same."""


class NetworkTime:
    """What the clocks of all linked peers say together; L{Commons.ownTime} is one voice among them."""

    def __init__(self, commons: Commons, links: "Iterable[Link]") -> None:
        self._commons = commons
        self._links = links

    def __call__(self) -> float:
        """Seconds since the epoch."""
        own = self._commons.ownTime()
        known = [(link.clockOffset, link.dialled) for link in self._links if link.clockOffset is not None]
        if len(known) < ENOUGH:
            # One against one: who joins a network takes its time from the peer that it dialled.
            return own + sum(offset for offset, dialled in known if dialled and abs(offset) > FAR)
        return own + median_low([*(offset for offset, _ in known), 0.0])
