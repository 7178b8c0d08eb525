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
        self._lookAfter(self._wait(self._links.commons.seconds()))

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    @property
    def _step(self) -> float:
        return self._links.commons.settings.beats.keepAlive / 2

    def paceOf(self, link: Link) -> Pace:
        """By the roles of both ends."""
        return self._paces.of(self._links.serving, link.isSuper)

    def soon(self) -> None:
        """There is another link, or another role: do not wait for what the others want."""
        timer = self._timer
        if timer is not None and timer.active() and timer.getTime() > self._links.commons.seconds() + self._step:
            timer.reset(self._step)
            self._due = timer.getTime()

    def _wait(self, seconds: float) -> float:
        """Seconds to the next look: of few links each is asked when it wants to be looked at."""
        links = self._links
        if links.serving or len(links) > FEW:
            return self._step
        if not len(links):
            return links.commons.settings.beats.home / 2
        return max(self._step, min([link.next for link in links]) - seconds)

    def _look(self) -> None:
        seconds = self._links.commons.seconds()
        late = seconds - self._due > LATE
        beats = self._links.commons.settings.beats
        quiet = max(DEAF, beats.suspect)
        deaf = self._links.serving and len(self._links) > FEW and not any(seconds - link.heardAt < quiet for link in self._links)
        hears, self._deaf = self._deaf and not deaf, deaf
        # Until it is cut off for so long that all others have given it up.
        bears = deaf and seconds - max(link.heardAt for link in self._links) < beats.dead
        for link in self._links:
            excused = late or (hears and link.heardAt > self._excused)
            if (seconds >= link.next or excused) and not link.closed and not (bears and seconds - link.heardAt >= beats.dead):
                link.tick(seconds, excused, self.paceOf(link))
        if hears:
            # What was heard later than this was heard since.
            self._excused = seconds - beats.keepAlive
        self._lookAfter(self._wait(seconds))

    def _lookAfter(self, wait: float) -> None:
        self._due = self._links.commons.seconds() + wait
        self._timer = self._links.commons.clock.callLater(wait, self._look)
