"""What a super-peer keeps while it takes part in the summaries (see L{overlay.search.summaries})."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.index.registry import Registry
from overlay.search.awaiting import Awaiting
from overlay.search.branches import Branches
from overlay.search.giving import Giving

if TYPE_CHECKING:
    from overlay.link.link import Link

STALLED = 300.0
"""Seconds after which a parent that has everything, and acknowledges nothing, is left."""
STALLED_HOP = 10.0
"""Seconds more for each hop from the root: of a whole way that waits, who is next to the one that fails leaves first."""


class Partaking:
    """
    @ivar awaiting: what waits until nobody prunes by an older version, and C{clearing}: until everybody above has forgotten.
    @ivar former: former parents that have not said yet that all above them have forgotten this branch: by what version they are to, and
        until when that is waited for.
    @ivar looked: when the children were looked at last.
    @ivar offer: when a parent that wanted no summaries is offered them again.
    @ivar moved: when the parent last acknowledged something, or was still being told.
    """

    __slots__ = ("_commons", "awaiting", "branches", "clearing", "former", "giving", "looked", "moved", "offer", "soon", "timer")

    def __init__(
        self, commons: Commons, registry: Registry, isSilent: Callable[[PeerId], bool], changed: Callable[[], None],
        isKnown: Callable[[int], bool], isAbove: Callable[[int], bool],
    ) -> None:
        self._commons = commons
        self.branches = Branches(commons.peerId, registry, isSilent, changed)
        self.giving = Giving(self.branches.union, self.branches.doubts, self.branches.numbers)
        self.awaiting = Awaiting(isKnown)
        self.clearing = Awaiting(isAbove)
        self.former: dict[PeerId, tuple[int, float]] = {}
        self.timer: IDelayedCall | None = None
        self.soon: IDelayedCall | None = None
        self.looked = self.moved = commons.seconds()
        self.offer = 0.0

    def needed(self, less: bool = False) -> int:
        """
        A version that is waited for from now on.

        @param less: whether it is to tell no more than what is gone.
        """
        version = self.giving.neededForLess if less else self.giving.needed
        self.giving.awaited(version)
        return version

    def leave(self, parent: PeerId, version: int, linked: bool) -> None:
        """
        Somebody is the parent no more.

        @param version: by which it is to forget this branch.
        @param linked: whether it can be told; if not it forgets by itself, as soon as it hears nothing any more.
        """
        wait = STALLED if linked else 2 * self._commons.settings.beats.suspect
        self.former[parent] = version, self._commons.seconds() + wait

    def linkLost(self, link: "Link") -> None:
        """Nobody is told over it any more."""
        self.awaiting.drop(link)
        self.clearing.drop(link)
        if link.peerId in self.former:
            self.leave(link.peerId, self.former[link.peerId][0], False)

    def forgetFormer(self) -> None:
        """Of former parents, those that have had time enough."""
        for peer, (_, until) in list(self.former.items()):
            if until <= self.looked:
                del self.former[peer]

    def isStalled(self, link: "Link | None", hops: int) -> bool:
        """
        Whether the parent has had everything for long, and has acknowledged nothing: whatever keeps it from that, others may do better.

        @param link: to the parent.
        @param hops: to the root.
        """
        giving = self.giving
        if link is None or giving.unwanted or giving.acknowledged >= giving.version or giving.underWay or link.congested:
            self.moved = self.looked
            return False
        return self.looked >= self.moved + STALLED + STALLED_HOP * hops
