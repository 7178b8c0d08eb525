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
    """
    Our wall clock is read once, at the start, and carried on by monotonic time: a step of the machine's clock changes nothing here.
    """

    def __init__(self, commons: Commons, links: "Iterable[Link]") -> None:
        self._commons = commons
        self._links = links
        self._anchor = commons.surroundings.wall() - commons.seconds()

    def __call__(self) -> float:
        """Seconds since the epoch."""
        commons = self._commons
        own = self._anchor + commons.seconds()
        step = own - commons.surroundings.wall()
        offsets = [link.clockOffset - step for link in self._links if link.clockOffset is not None]
        if len(offsets) < ENOUGH:
            # One against one: who joins a network takes its time from the peer that it dialled.
            dialled = [link.clockOffset - step for link in self._links if link.dialled and link.clockOffset is not None]
            return own + dialled[0] if dialled and abs(dialled[0]) > FAR else own
        # Our own clock is one voice among them.
        return own + median_low([*offsets, 0.0])
