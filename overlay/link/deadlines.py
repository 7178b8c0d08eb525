"""Until when the links of one peer have to be open, or done with: one timer for all of them."""

from twisted.internet.interfaces import IDelayedCall

from overlay.commons import Commons
from overlay.link.link import Link


class Deadlines:
    """Each link is given equally long, so whoever came first is due first."""

    __slots__ = ("_commons", "_due", "_timer")

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._due: dict[Link, tuple[float, str]] = {}
        self._timer: IDelayedCall | None = None

    def set(self, link: Link, code: str) -> None:
        """End a link with C{code} if it is not let off in time."""
        wait = self._commons.settings.dialTimeout
        self._due[link] = self._commons.seconds() + wait, code
        if self._timer is None:
            self._timer = self._commons.clock.callLater(wait, self._look)

    def lift(self, link: Link) -> None:
        """A link may last. The timer stays: most have others to look after when it comes."""
        if self._due.pop(link, None) is not None and not self._due:
            # One that was never filled is small.
            self._due = {}

    def stop(self) -> None:
        """No link is awaited any more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _look(self) -> None:
        seconds = self._commons.seconds()
        for link, (when, code) in list(self._due.items()):
            if when > seconds:
                break
            if self._due.pop(link, None) is not None:
                link.abort(code)
        first = next(iter(self._due.values()), None)
        self._timer = None if first is None else self._commons.clock.callLater(first[0] - seconds, self._look)
