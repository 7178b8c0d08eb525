"""Asks the nearest first, and goes on outward until it has enough hits."""

from collections.abc import Sequence

from zope.interface import implementer

from overlay.errors import UsageError
from overlay.identity.ids import PeerId
from overlay.interfaces import IRouter
from overlay.policy import PolicyPlugin
from overlay.questions import NeighbourView, Progress, Route
from overlay.verdict import Reason
from overlay.wire import limits

UNMEASURED = 10.0
"""Round-trip time, in seconds, that is assumed of a link which has not been measured."""
FURTHEST = limits.TTL_MOST - 1
NOTICED = 1e-6
"""Seconds less than which are no wait: rounding leaves some that no clock can tell from none."""
LATE = 0.25
"""Part of the time that a search has, after which no further rings are tried."""


@implementer(IRouter)
class Rings:
    """
    An expanding ring, as the dynamic query of Gnutella's ultrapeers: first the searcher's own super-peer, then its neighbours alone, the
    nearest first, then as many of them as are needed with one hop more, and so on. How many super-peers are needed follows from how many
    hits those gave that have answered (and half a hit more, as Jeffreys' prior for a rate has it: nothing found is not nothing there).
    Of these only a part is asked at a time, since the estimate gets better with each answer. If more than some part of all that there
    are would be needed, another router asks the whole network: a rare search costs what it costs there, and no more than the first ring
    beside it.

    So it is too if a quarter of the time has gone by. Other super-peers on the way ask whom the copy that they got allows.

    @ivar caution: part of those that seem to be needed that is asked at a time, 0.1 to 1: less takes fewer messages and longer.
    @ivar most: part of all super-peers beyond which the whole network is asked, 0 to 1.
    @ivar patience: seconds without an answer after which those that are silent are left behind, 0.05 to 60.
    @ivar then: the router that asks the whole network.
    """

    def __init__(self, caution: float = 0.75, most: float = 0.4, patience: float = 1.0, then: str = "summary") -> None:
        for name, value, low, high in (("caution", caution, 0.1, 1.0), ("most", most, 0.0, 1.0), ("patience", patience, 0.05, 60.0)):
            if not low <= value <= high:
                raise UsageError(f"{name} must be from {low:g} to {high:g}, not {value:g}")
        self._caution = caution
        self._most = most
        self._patience = patience
        self._then = then

    def next(self, progress: Progress) -> Route:
        if progress.origin is not None:
            others = tuple(one.peerId for one in progress.neighbours if one.peerId not in progress.asked)
            return Route(others, reasons=(Reason("neighbours not yet asked", len(others)),))
        want, found = progress.want, progress.distinct
        enough = Reason("distinct hits of trusted owners", found, want)
        if found >= want:
            return Route((), enough=want, reasons=(enough,))
        rest = self._patience - progress.quiet
        if progress.underWay and rest > NOTICED:
            return Route((), wait=rest, stop=False, enough=want, reasons=(enough,))
        needed = needs(found, want, progress.reached)
        left = max(progress.known + 1 - progress.reached, progress.unreached)
        reasons = (enough, Reason("super-peers that seem to be needed", round(needed), left, relation="of"))
        if left <= 0:
            # Everybody who is known to be alive has answered, and everybody whom these know; or so it is until one more says otherwise.
            return Route((), stop=not progress.underWay, enough=want, reasons=reasons)
        late = progress.elapsed > LATE * (progress.elapsed + progress.budget)
        ask: Sequence[PeerId] = [one.peerId for one in progress.neighbours if one.peerId not in progress.hops]
        hops = 1
        if len(ask) < left:
            few = not late and needed <= self._most * left
            ask, hops = self._ring(progress, self._caution * needed, left) if few else ((), 0)
        if not ask:
            return Route((), stop=False, enough=want, then=self._then, reasons=reasons)
        return Route(tuple(ask), hops=hops, wait=self._patience, stop=False, enough=want, reasons=reasons)

    def _ring(self, progress: Progress, needed: float, left: int) -> tuple[Sequence[PeerId], int]:
        """
        The innermost ring that is large enough, and the nearest neighbours beyond whom so many new super-peers lie in it.

        @return: whom to ask, and how far; nobody if no ring is large enough.
        """
        able = sorted(progress.neighbours, key=_distance)
        able = [one for one in able if one.peerId not in progress.asked]
        fresh = [one for one in able if one.peerId not in progress.hops]
        if fresh:
            return [one.peerId for one in fresh[: max(1, round(needed))]], 1
        furthest = FURTHEST if progress.ttl == limits.TTL_ALL else progress.ttl - 1
        fanOut = max(1, len(progress.neighbours) - 1)
        # The more have been reached, the more of those that a copy comes to have seen it already.
        new = left / (progress.known + 1)
        for hops in range(2, furthest + 1):
            gains = [(one.peerId, min(left, new * gain(fanOut, progress.hops[one.peerId], hops))) for one in able]
            if sum(one for _, one in gains) >= needed or hops == furthest:
                return _enoughOf(gains, needed), hops
        return (), 0


def needs(found: int, want: int, reached: int) -> float:
    """How many more super-peers have to be asked, if each gives as many hits as those that were asked gave on average."""
    return (want - found) * max(1, reached) / (found + 0.5)


def gain(fanOut: int, before: int, hops: int) -> float:
    """
    How many super-peers lie beyond a neighbour that are more than C{before} hops away, and at most C{hops}, by way of it; it is one hop
    away itself. No more than a number that cannot overflow.
    """
    total = 0.0
    for hop in range(before, hops):
        total += float(fanOut) ** min(hop, 12)
    return total


def _distance(one: NeighbourView) -> float:
    return UNMEASURED if one.rtt is None else one.rtt


def _enoughOf(gains: Sequence[tuple[PeerId, float]], needed: float) -> list[PeerId]:
    """The first of them that gain something, until it is as much as is needed, or as close as can be."""
    chosen: list[PeerId] = []
    total = 0.0
    for peer, one in gains:
        if one <= 0 or (chosen and total + one / 2 > needed):
            continue
        chosen.append(peer)
        total += one
    return chosen


rings = PolicyPlugin("router", "rings", "overlay.plugins.rings:Rings", "Asks the nearest first, and outward until there are hits enough.")
