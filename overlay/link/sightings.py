"""Where others say that they see this peer."""

from overlay.errors import SuperpeerError
from overlay.wire.address import parseAddress

MOST = 32
"""Addresses remembered."""


class Sightings:
    """Addresses, and how often each was told."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def note(self, text: str) -> None:
        """Somebody has told an address; what is none is passed over."""
        try:
            parseAddress(text)
        except SuperpeerError:
            return
        if text not in self._counts and len(self._counts) >= MOST:
            # The rarest, and of those the oldest; what was told often fades, so that a machine that has moved is found again.
            del self._counts[min(self._counts, key=self._counts.__getitem__)]
            self._counts = {one: (count + 1) // 2 for one, count in self._counts.items()}
        self._counts[text] = self._counts.get(text, 0) + 1

    def most(self, count: int) -> list[str]:
        """Those that were told most often, the most often first."""
        counts = self._counts
        if len(counts) < 2:
            return list(counts)
        return sorted(counts, key=counts.__getitem__, reverse=True)[:count]
