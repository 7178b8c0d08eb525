"""Signs of life over all links of one peer, and who gives none: one timer for all of them."""

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall

from overlay.link.link import Link
from overlay.link.pace import Pace, pacesOf

if TYPE_CHECKING:
    from overlay.link.links import Links

LATE = 3.0
"""A look that comes so many seconds after its time means that this machine itself has slept: silence meanwhile says nothing of others."""
DEAF = 5.0
"""
When nothing comes over any of many links for so many seconds, it may be this peer that is cut off, and their silence says nothing of them
either. What leaves have sent meanwhile comes late, and they send little. Where there are only leaves, who all say little, it may also
just be quiet; so of each link that is believed once, until something comes over it.
"""
FEW = 4
"""Links that are looked at only when they want it."""


class KeepAlive:
    """Of one peer. It looks twice in each interval between two signs of super-peers, a peer with few links less often."""

    __slots__ = ("_deaf", "_due", "_excused", "_links", "_paces", "_timer")

    def __init__(self, links: "Links") -> None:
        self._links = links
        self._paces = pacesOf(links.commons.settings.beats)
        self._timer: IDelayedCall | None = None
        self._due = 0.0
        self._deaf = False
        self._excused = float("-inf")

    def start(self) -> None:
        """Begin to look."""
        seconds = self._links.commons.seconds()
        self._lookAfter(seconds, self._wait(seconds, list(self._links)))

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def paceOf(self, link: Link) -> Pace:
        """By the roles of both ends."""
        return self._paces.of(self._links.serving, link.isSuper)

    def soon(self) -> None:
        """There is another link, or another role: do not wait for what the others want."""
        step = self._links.commons.settings.beats.keepAlive / 2
        timer = self._timer
        if timer is not None and timer.active() and timer.getTime() > self._links.commons.seconds() + step:
            timer.reset(step)
            self._due = timer.getTime()

    def _wait(self, seconds: float, links: list[Link]) -> float:
        """Seconds to the next look: of few links each is asked when it wants to be looked at."""
        beats = self._links.commons.settings.beats
        step = beats.keepAlive / 2
        if self._links.serving or len(links) > FEW:
            return step
        first = min([link.next for link in links], default=None)
        return beats.home / 2 if first is None else max(step, first - seconds)

    def _look(self) -> None:
        commons = self._links.commons
        seconds = commons.seconds()
        now: float | None = None
        late = seconds - self._due > LATE
        links = list(self._links)
        serving = self._links.serving
        deaf = serving and len(links) > FEW and self._isDeaf(seconds, links)
        hears, self._deaf = self._deaf and not deaf, deaf
        # Until it is cut off for so long that all others have given it up.
        dead = commons.settings.beats.dead
        bears = deaf and seconds - max(link.heard for link in links) < dead
        toSuper, toLeaf = self._paces.of(serving, True), self._paces.of(serving, False)
        for link in links:
            excused = late or (hears and link.heard > self._excused)
            if (seconds >= link.next or excused) and not link.closed and not (bears and seconds - link.heard >= dead):
                if now is None:
                    now = commons.now()
                link.tick(seconds, now, excused, toSuper if link.isSuper else toLeaf)
        if hears:
            # What was heard later than this was heard since.
            self._excused = seconds - commons.settings.beats.keepAlive
        # Whoever was given up just now counts as well: it may have a successor, which is to be looked at soon.
        self._lookAfter(seconds, self._wait(seconds, links))

    def _isDeaf(self, seconds: float, links: list[Link]) -> bool:
        quiet = max(DEAF, self._links.commons.settings.beats.suspect)
        return not any(seconds - link.heard < quiet for link in links)

    def _lookAfter(self, seconds: float, wait: float) -> None:
        self._due = seconds + wait
        self._timer = self._links.commons.clock.callLater(wait, self._look)
