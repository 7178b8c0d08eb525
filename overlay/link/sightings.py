"""Where others say that they see this peer."""

from collections import Counter

from overlay.errors import SuperpeerError
from overlay.wire.address import parseAddress

MOST = 32
"""Addresses remembered: strangers can add no more than a few."""


class Sightings:
    """Addresses, and how often each was told."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, text: str) -> None:
        """Somebody has told an address; what is none is passed over."""
        try:
            parseAddress(text)
        except SuperpeerError:
            return
        self._counts[text] += 1
        if len(self._counts) > MOST:
            del self._counts[self._counts.most_common()[-1][0]]

    def most(self, count: int) -> list[str]:
        """Those that were told most often, the most often first."""
        return [address for address, _ in self._counts.most_common(count)]
