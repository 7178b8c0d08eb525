"""
When to give a sign of life over a link, when to ask for one, and when silence means something. No clock and no sockets.
"""

from functools import cache
from typing import NamedTuple

from overlay.settings import Beats

EARLY = 0.9
"""A sign is given, or asked for, at the look that is nearest to its time, and not at the one after."""
LATEST = 0.75
"""Of the silence after which a link is given up: by then it is silent in any case, however slow it is."""
DEVIATIONS = 4.0
"""Mean deviations by which an answer may come later than usual (RFC 6298)."""


class Pace(NamedTuple):
    """
    Of links of one kind. All are seconds.

    @ivar beat: of saying nothing after which this end gives a sign of life.
    @ivar other: between two signs of the other end.
    @ivar ask: of silence after which the other end is asked.
    @ivar suspect: of silence after which it is suspected, if the link is not slow.
    @ivar dead: of silence after which it is given up.
    """

    beat: float
    other: float
    ask: float
    suspect: float
    dead: float


class Paces(NamedTuple):
    """
    Of all kinds of links, by what this end is and what the other is.

    @ivar superSuper: both serve.
    @ivar superLeaf: this end is a home, and C{leafSuper}: has one.
    @ivar leafLeaf: neither serves, as while nobody has been elected yet.
    """

    superSuper: Pace
    superLeaf: Pace
    leafSuper: Pace
    leafLeaf: Pace

    def of(self, serving: bool, other: bool) -> Pace:
        """Whether this end serves, and the other."""
        if serving:
            return self.superSuper if other else self.superLeaf
        return self.leafSuper if other else self.leafLeaf


@cache
def pacesOf(beats: Beats) -> Paces:
    """One object for all peers with the same settings."""
    # A leaf gives few signs by itself: it is asked soon enough that it may then stand still until it would have been given up.
    asked = EARLY * beats.suspectHome
    late = min(beats.suspectHome + beats.suspect, (beats.suspectHome + beats.dead) / 2)

    def pace(own: float, other: float, ask: float, suspect: float) -> Pace:
        return Pace(EARLY * own, other, min(ask, EARLY * suspect), suspect, beats.dead)

    return Paces(
        pace(beats.keepAlive, beats.keepAlive, 2 * EARLY * beats.keepAlive, beats.suspect),
        pace(beats.home, beats.leaf, asked, late),
        pace(beats.leaf, beats.home, 1.5 * EARLY * beats.home, beats.suspectHome),
        pace(beats.leaf, beats.leaf, asked, late),
    )


def smoothed(sample: float, rtt: float | None, deviation: float) -> tuple[float, float]:
    """
    One more round-trip time: the smoothed one, and its mean deviation, by Jacobson and Karels, "Congestion Avoidance and Control" (SIGCOMM
    1988), in the form of RFC 6298, section 2.

    @param rtt: so far; None if this is the first.
    """
    if rtt is None:
        return sample, sample / 2
    return 0.875 * rtt + 0.125 * sample, 0.75 * deviation + 0.25 * abs(rtt - sample)


def patience(pace: Pace, rtt: float | None, deviation: float) -> float:
    """
    Seconds of silence after which the other end of a link is suspected: what is usual for links of its kind, and if it is slow, a beat and
    the time in which TCP would expect an answer (RFC 6298: the smoothed round-trip time and four mean deviations); but a good while before
    it is given up.
    """
    suspect = pace.suspect
    if rtt is None:
        return suspect
    slow = pace.other + rtt + DEVIATIONS * deviation
    return suspect if slow <= suspect else max(suspect, min(LATEST * pace.dead, slow))
