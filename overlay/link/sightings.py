"""Where others say that they see this peer."""

from overlay.errors import SuperpeerError
from overlay.wire.address import parseAddress

MOST = 32
"""Addresses remembered."""


class Sightings:
    """Addresses, and how often each was told. Most peers are told one and the same by everybody."""

    __slots__ = ("_counts", "_only", "_times")

    def __init__(self) -> None:
        self._only = ""
        self._times = 0
        # As soon as there is a second.
        self._counts: dict[str, int] | None = None

    def note(self, text: str) -> None:
        """Somebody has told an address; what is none is passed over."""
        try:
            parseAddress(text)
        except SuperpeerError:
            return
        counts = self._counts
        if counts is None:
            if self._only in ("", text):
                self._only, self._times = text, self._times + 1
                return
            counts = self._counts = {self._only: self._times}
        if text not in counts and len(counts) >= MOST:
            # The rarest, and of those the oldest; what was told often fades, so that a machine that has moved is found again.
            del counts[min(counts, key=counts.__getitem__)]
            counts = self._counts = {one: (count + 1) // 2 for one, count in counts.items()}
        counts[text] = counts.get(text, 0) + 1

    def most(self, count: int) -> list[str]:
        """Those that were told most often, the most often first."""
        counts = self._counts
        if counts is None:
            return [self._only][:count] if self._only else []
        return sorted(counts, key=counts.__getitem__, reverse=True)[:count]
