"""
The links of the spanning tree as one super-peer sees them, and the choice of a parent among them. No sockets and no clock: what is heard
goes in, what is to be done comes out.
"""

from collections.abc import Callable, Iterable, Sequence

import attrs
from twisted.internet.interfaces import IDelayedCall

from overlay.identity.ids import PeerId
from overlay.wire.statements import Signed

PARENT = "parent"
AWAKE = "awake"
SILENT = "silent"
BACKUP = "backup"
STANDINGS = (PARENT, AWAKE, SILENT, BACKUP)
"""
What one end wants of a link: it leads to its parent; it is to carry queries all the same; it need not; it need not, but each end is to
tell the other which queries it knows.
"""
_QUIET = (SILENT, BACKUP)
NO_LIMB = True, False
"""What is said of a link that has no place in the tree yet: it may belong to it, and leads to no child."""


@attrs.frozen(slots=True, eq=False)
class Label:
    """
    Where a super-peer stands: so many hops from a root, by that root's beacon of one round.

    Labels are ordered: a lower root, then a newer round, then fewer hops is better. Whoever takes a parent has a label that is worse than
    the parent's, and a label gets better as long as its root stands, so no circle of parents can arise (as with the sequence numbers of
    DSDV: Perkins and Bhagwat, SIGCOMM 1994).

    @ivar pulse: the root's signed word.
    """

    root: PeerId
    round: int
    hops: int
    pulse: Signed

    @property
    def beacon(self) -> tuple[PeerId, int]:
        """Of two, the smaller is the one to follow."""
        return self.root, -self.round

    @property
    def key(self) -> tuple[PeerId, int, int]:
        return self.root, -self.round, self.hops


@attrs.define(slots=True, eq=False)
class Limb:
    """
    The link to one neighbour.

    @ivar label: where the neighbour stands; None if it follows no root, or has not said so.
    @ivar theirs: what it wants of the link; empty if it has said nothing yet.
    @ivar ours: what it was told that this peer wants, and C{told} where it was told that this peer stands.
    @ivar until: this end keeps the link awake until then, in clock seconds.
    @ivar woken: whether this end keeps it awake until the next beacon, since a query has been missed.
    """

    peerId: PeerId
    label: Label | None = None
    theirs: str = ""
    ours: str = ""
    told: tuple[PeerId, int, int] | None = None
    until: float = 0.0
    woken: bool = False

    def isSilent(self, own: Label | None) -> bool:
        """Whether both ends have consented, under one root, that the link carries no queries."""
        return (
            self.ours in _QUIET and self.theirs in _QUIET
            and own is not None and self.label is not None and self.label.root == own.root
        )


@attrs.frozen(slots=True)
class Place:
    """
    What a super-peer decides on.

    @ivar label: where it stands; None if it follows no root.
    @ivar parent: over whom; None for the root, and for whoever has lost its parent.
    @ivar wait: whether a better beacon is there, for which the present parent is waited for.
    """

    label: Label | None
    parent: PeerId | None
    wait: bool = False


NOWHERE = Place(None, None)
LOST_MOST = 64
"""Roots that are remembered as lost."""


class Serving:
    """
    What a super-peer keeps of the tree while it serves; a leaf keeps nothing.

    @ivar suspects: roots that fell silent, with the last round that was heard of each.
    @ivar placed: since when it has had its present parent, or none.
    @ivar heard: when the present root was last heard of.
    @ivar lost: roots, with the round of each by which there is no way any more: a newer one is waited for, so that no circle arises, also
        where the beacons of several roots are about.
    @ivar shunned: neighbours that are not to be the parent, until when.
    """

    __slots__ = ("heard", "limbs", "lost", "place", "placed", "release", "shunned", "since", "suspects", "timer", "waiting")

    def __init__(self, seconds: float) -> None:
        self.limbs: dict[PeerId, Limb] = {}
        self.place = NOWHERE
        self.suspects: dict[PeerId, int] = {}
        self.heard = self.since = self.placed = seconds
        self.lost: dict[PeerId, int] = {}
        self.shunned: dict[PeerId, float] = {}
        self.timer: IDelayedCall | None = None
        self.waiting: IDelayedCall | None = None
        self.release: IDelayedCall | None = None

    def carries(self, peers: Sequence[PeerId]) -> list[tuple[bool, bool]]:
        """Of each neighbour, whether its link carries queries, and whether it is a child."""
        label = self.place.label
        return [
            NO_LIMB if limb is None else (not limb.isSilent(label), limb.theirs == PARENT) for limb in map(self.limbs.get, peers)
        ]

    def lose(self, label: Label) -> None:
        """There is no way any more by a label's beacon."""
        self.lost[label.root] = max(label.round, self.lost.pop(label.root, label.round))
        while len(self.lost) > LOST_MOST:
            del self.lost[next(iter(self.lost))]

    def hasLost(self, label: Label) -> bool:
        """Whether there is no way any more by a label's beacon."""
        last = self.lost.get(label.root)
        return last is not None and label.round <= last


def place(
    limbs: Iterable[Limb], own: PeerId, now: Place, isRoot: Callable[[Label], bool], patient: bool,
) -> Place:
    """
    Where to stand, by what the neighbours have said last.

    The newest beacon of the lowest root is followed. It is taken over the present parent if that brings it, even if others are as near;
    else over whoever brings it with the fewest hops.

    @param now: the present place; its label may be the peer's own, as a root.
    @param isRoot: whether the root of a label is to be followed.
    @param patient: whether to wait for the present parent when another one brings a new beacon first.
    """
    able = {limb.peerId: limb.label for limb in limbs if limb.label is not None and limb.label.root != own and isRoot(limb.label)}
    label, parent = now.label, now.parent
    kept = label if label is not None and (label.root == own or isRoot(label)) else None
    if able:
        best = min(one.beacon for one in able.values())
        if kept is None or best < kept.beacon:
            over, chosen = _nearest(able, best, parent)
            present = able.get(parent) if parent is not None else None
            same = label is not None and present is not None and present.root == best[0] == label.root
            if patient and same and present is not None and present.beacon != best:
                return Place(label, parent, True)
            return Place(Label(chosen.root, chosen.round, chosen.hops + 1, chosen.pulse), over)
        if best == kept.beacon and kept.root != own:
            over, chosen = _nearest(able, best, parent)
            if chosen.hops + 1 < kept.hops:
                return Place(Label(chosen.root, chosen.round, chosen.hops + 1, chosen.pulse), over)
    if label is None or label.root == own:
        return Place(label, None)
    held = next((limb for limb in limbs if limb.peerId == parent), None)
    if held is not None and held.label is not None and held.label.root == label.root:
        return now
    return Place(label, _instead(limbs, own, label))


def _nearest(able: dict[PeerId, Label], beacon: tuple[PeerId, int], parent: PeerId | None) -> tuple[PeerId, Label]:
    """Who brings a beacon with the fewest hops: the present parent if it is one of them."""
    return min(
        ((peer, one) for peer, one in able.items() if one.beacon == beacon), key=lambda pair: (pair[1].hops, pair[0] != parent, pair[0])
    )


def _instead(limbs: Iterable[Limb], own: PeerId, label: Label) -> PeerId | None:
    """Another parent by the same beacon, in place of a lost one: nearer, or as near with a lower id, so that no circle arises."""
    able = [
        (limb.label.hops, limb.peerId) for limb in limbs
        if limb.label is not None and limb.label.beacon == label.beacon and limb.theirs != PARENT
    ]
    nearest = min(able, default=None)
    return nearest[1] if nearest is not None and nearest < (label.hops, own) else None


def backupOf(limbs: Iterable[Limb], label: Label | None, parent: PeerId | None) -> PeerId | None:
    """
    The neighbour with which ids of queries are compared: the nearest to the root that is neither parent nor child. What is nearer than a
    peer does not lie below it, nor below its parent.
    """
    able = [
        (limb.label.hops, limb.peerId) for limb in limbs
        if label is not None and limb.label is not None and limb.label.root == label.root
        and limb.peerId != parent and limb.theirs != PARENT
    ]
    nearest = min(able, default=None)
    return None if nearest is None else nearest[1]


def standingOf(limb: Limb, parent: PeerId | None, backup: PeerId | None, settled: bool, seconds: float) -> str:
    """What this end wants of a link: one of L{STANDINGS}."""
    if limb.peerId == parent:
        return PARENT
    if not settled or limb.woken or limb.until > seconds:
        return AWAKE
    return BACKUP if limb.peerId == backup else SILENT


def loose(limbs: Iterable[Limb], place: Place) -> tuple[PeerId, ...]:
    """The neighbours that queries are passed on to although they are neither parent nor children, by id."""
    return tuple(sorted(
        one.peerId for one in limbs
        if one.theirs != PARENT and one.peerId != place.parent and not one.isSilent(place.label)
    ))
