"""
One spanning tree over all super-peers, shared by every search: over its links each query travels once.

The live super-peer with the lowest id is the root. It sends a beacon from time to time, which goes over every link between neighbours;
whoever hears it takes a neighbour that is nearer for its parent. A link that neither end needs for that falls silent once both have said
so. Whoever has no place in the tree keeps all its links awake: at worst a search floods. In the manner of Plumtree (Leitao, Pereira,
Rodrigues, 2007), but shaped by the beacon and not by what is searched for: what several searchers learn at once contradicts itself.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from overlay.commons import Commons, Component, Receivers
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId
from overlay.membership.limbs import (
    AWAKE,
    BACKUP,
    NO_LIMB,
    NOWHERE,
    PARENT,
    STANDINGS,
    Label,
    Limb,
    Place,
    Serving,
    backupOf,
    loose,
    place,
    standingOf,
)
from overlay.membership.standing import describe
from overlay.questions import Deed, Work
from overlay.wire.messages import Beacon
from overlay.wire.statements import Pulse, Signed, seal, unseal

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership
    from overlay.membership.neighbours import Neighbours

FEATURE = "tree"
"""Of a hello: the sender understands beacons."""
START = 1.0
"""Seconds after it began to serve within which a super-peer does not make itself the root: it has hardly heard of anybody."""
OVERDUE = 2.5
"""Beacon intervals without a beacon after which a root is taken for dead."""
PATIENCE = 1.0
"""Seconds that the present parent is waited for when others bring a new beacon first."""
GRACE = 1.0
"""Seconds that a link stays awake when its end has found another parent, which has to learn of it."""
SHUNNED = 600.0
"""Seconds for which a neighbour that was no good as a parent is not taken for one again."""
COST = 0.2
"""Of a beacon, as the rate limit counts what concerns members."""
BOOT_ROUNDS = 2**32
"""Rounds that a root may count between two of its starts."""


class Tree(Component):
    """The spanning tree, as this peer sees it."""

    __slots__ = ("_membership", "_neighbours", "_round", "_serving", "_told")

    def __init__(self, commons: Commons, membership: "Membership", neighbours: "Neighbours") -> None:
        super().__init__(commons)
        self._membership = membership
        self._neighbours = neighbours
        self._serving: Serving | None = None
        self._round = 0
        self._told: tuple[object, ...] = ()
        neighbours.needed = self._isNeeded

    @classmethod
    def handlers(cls) -> Receivers:
        return {Beacon: cls._beaconReceived}

    def stop(self) -> None:
        self._end()

    def silenceChanged(self, link: "Link") -> None:
        """A parent over whose link nothing comes is none: another one is looked for before it is given up."""
        if self._serving is not None and link.peerId in self._serving.limbs:
            self._reconsider(False)

    def _heard(self, limb: Limb) -> bool:
        link = self.commons.links.get(limb.peerId)
        shunned = self._serving is not None and self._serving.shunned.get(limb.peerId, 0.0) > self.commons.seconds()
        return (link is None or not link.silent) and not shunned

    def shun(self, peer: PeerId) -> None:
        """A neighbour is no good as a parent, for some time."""
        if self._serving is not None:
            self._serving.shunned[peer] = self.commons.seconds() + SHUNNED
            self._reconsider(False)

    # --- what others ask ---------------------------------------------------------------------------------------------

    @property
    def root(self) -> bool:
        """Whether this peer is the root."""
        label = self._place.label
        return label is not None and label.root == self.commons.peerId

    @property
    def parent(self) -> PeerId | None:
        return self._place.parent

    @property
    def children(self) -> tuple[PeerId, ...]:
        """Neighbours whose parent this peer is, by id."""
        serving = self._serving
        return () if serving is None else tuple(sorted(one.peerId for one in serving.limbs.values() if one.theirs == PARENT))

    @property
    def loose(self) -> tuple[PeerId, ...]:
        """See L{overlay.membership.limbs.loose}."""
        return () if self._serving is None else loose(self._serving.limbs.values(), self._place)

    @property
    def settled(self) -> bool:
        """Whether this peer has its place: it is the root, or has a parent."""
        # Each query asks.
        place = NOWHERE if self._serving is None else self._serving.place
        return place.parent is not None or (place.label is not None and place.label.root == self.commons.peerId)

    @property
    def label(self) -> Label | None:
        """Where this peer stands."""
        return self._place.label

    def isTree(self, peer: PeerId) -> bool:
        """Whether the link to a neighbour carries queries: all do that have not fallen silent."""
        serving = self._serving
        limb = serving.limbs.get(peer) if serving is not None else None
        return limb is None or serving is None or not limb.isSilent(serving.place.label)

    def isChild(self, peer: PeerId) -> bool:
        """Whether this peer is the parent of a neighbour."""
        serving = self._serving
        limb = serving.limbs.get(peer) if serving is not None else None
        return limb is not None and limb.theirs == PARENT

    def carries(self, links: "Sequence[Link]") -> list[tuple[bool, bool]]:
        """L{isTree} and L{isChild}, which each query asks of all neighbours."""
        return [NO_LIMB] * len(links) if self._serving is None else self._serving.carries([link.peerId for link in links])

    def _isNeeded(self, peer: PeerId) -> bool:
        """Whether the tree would break without a neighbour."""
        return peer == self.parent or self.isChild(peer)

    @property
    def compared(self) -> list[tuple[PeerId, bool]]:
        """Neighbours beyond silent links with which ids of queries are compared, by id, and whether this peer has chosen them for that."""
        serving = self._serving
        if serving is None:
            return []
        return sorted(
            (one.peerId, one.ours == BACKUP) for one in serving.limbs.values()
            if BACKUP in (one.ours, one.theirs) and one.isSilent(serving.place.label)
        )

    def explain(self) -> dict[str, Any]:
        """For C{EXPLAIN tree}."""
        serving = self._serving
        if serving is None:
            return {"part": "none: this peer is no super-peer" if self.commons.settings.beacon else "none: there is no tree"}
        return describe(self, serving, [link.peerId for link in self._neighbours.linked()])

    def wake(self, peer: PeerId, woken: bool = True) -> None:
        """Keep the link to a neighbour awake until the next beacon, since a query was missed; or no longer, since it has come after all."""
        limb = self._serving.limbs.get(peer) if self._serving is not None else None
        if limb is not None and limb.woken != woken:
            limb.woken = woken
            self._tell()

    @property
    def _place(self) -> Place:
        return NOWHERE if self._serving is None else self._serving.place

    # --- the role ----------------------------------------------------------------------------------------------------

    def neighboursChanged(self) -> None:
        if not self._neighbours.active or not self.commons.settings.beacon:
            self._end()
            return
        serving = self._serving
        if serving is None:
            serving = self._serving = Serving(self.commons.seconds())
            serving.timer = self.commons.clock.callLater(START, self._look)
            self._membership.changed.append(self._memberChanged)
        links = {link.peerId: link for link in self._neighbours.linked() if FEATURE in link.features}
        for peer in [one for one in serving.limbs if one not in links]:
            del serving.limbs[peer]
        for peer in links:
            if peer not in serving.limbs:
                serving.limbs[peer] = Limb(peer)
        self._reconsider()

    def _end(self) -> None:
        serving, self._serving = self._serving, None
        if serving is None:
            return
        for timer in (serving.timer, serving.waiting, serving.release):
            if timer is not None and timer.active():
                timer.cancel()
        self._membership.changed.remove(self._memberChanged)
        self._notify()

    def _memberChanged(self, peer: bytes) -> None:
        """The root may have died, or have become known."""
        serving = self._serving
        if serving is None:
            return
        label = serving.place.label
        roots = {one.label.root for one in serving.limbs.values() if one.label is not None}
        follows = label is not None and (self.root or self._isRoot(label))
        if peer in roots or (label is not None and peer == label.root) or (not follows and peer < self.commons.peerId):
            self._reconsider()

    # --- beacons -----------------------------------------------------------------------------------------------------

    def _beaconReceived(self, link: "Link", message: Beacon) -> None:
        commons, serving = self.commons, self._serving
        if not commons.admit(link.peerId, Work.MEMBERSHIP, COST):
            commons.tally.count("drops", "rate")
            return
        limb = serving.limbs.get(link.peerId) if serving is not None else None
        if serving is None or limb is None:
            commons.tally.count("drops", "beacon")
            return
        label = None
        if message.pulse is not None:
            try:
                label = self._labelOf(message.pulse, message.hops, limb)
            except SuperpeerError as problem:
                commons.report(link.peerId, Deed.FORGED_STATEMENT)
                commons.log.info("a beacon is no good: {problem}", problem=problem)
                return
        limb.label = label
        limb.theirs = message.standing if message.standing in STANDINGS else AWAKE
        self._reconsider()

    def _labelOf(self, pulse: Signed, hops: int, limb: Limb) -> Label:
        """
        @raise SuperpeerError: its signature is wrong.
        """
        for known in (self._place.label, limb.label):
            # It comes over many links, and is checked once.
            if known is not None and known.pulse == pulse:
                return Label(known.root, known.round, hops, known.pulse)
        said = unseal(self.commons.scheme, pulse, Pulse, self.commons.network.id)
        return Label(pulse.signer, said.round, hops, pulse)

    def _isRoot(self, label: Label) -> bool:
        """Whether the root of a label is to be followed: a living super-peer that has been heard since it was last suspected."""
        serving = self._serving
        if serving is None or label.round <= serving.suspects.get(label.root, -1) or serving.hasLost(label):
            return False
        known = self._membership.get(label.root)
        return known is not None and known.alive and known.recognised

    def _isLowest(self) -> bool:
        """Whether no super-peer with a lower id is alive, so that this one is to be the root."""
        serving = self._serving
        return serving is not None and self.commons.seconds() >= serving.since + START and self._lower() is None

    def _lower(self) -> PeerId | None:
        """The lowest of the living super-peers that are not suspected, if that is lower than this peer."""
        serving = self._serving
        for known in self._membership.superPeerView():
            if known.peerId >= self.commons.peerId:
                return None
            if serving is not None and known.peerId not in serving.suspects:
                return known.peerId
        return None

    def _reconsider(self, patient: bool = True) -> None:
        """Find this peer's place anew, and tell the neighbours what has changed."""
        serving = self._serving
        if serving is None:
            return
        before = serving.place
        found = place(list(filter(self._heard, serving.limbs.values())), self.commons.peerId, before, self._isRoot, patient)
        label = found.label
        if label is not None and label.root != self.commons.peerId and found.parent is None:
            # Those below hear that there is no way to the root here, and look for another one themselves.
            serving.lose(label)
            found, label = NOWHERE, None
        follows = label is not None and label.root != self.commons.peerId and self._isRoot(label)
        if not self.root and not (follows and label is not None and label.root < self.commons.peerId) and self._isLowest():
            self._lead()
            return
        if found.wait and serving.waiting is None:
            serving.waiting = self.commons.clock.callLater(PATIENCE, self._waited)
        self._take(found)

    def _waited(self) -> None:
        if self._serving is not None:
            self._serving.waiting = None
            self._reconsider(False)

    def _take(self, found: Place) -> None:
        serving = self._serving
        if serving is None:
            return
        before, serving.place = serving.place, found
        if found.label is not None and (before.label is None or found.label.beacon != before.label.beacon):
            serving.heard = self.commons.seconds()
            serving.suspects.pop(found.label.root, None)
            if serving.waiting is not None and not found.wait:
                serving.waiting.cancel()
                serving.waiting = None
            for limb in serving.limbs.values():
                limb.woken = False
            if found.label.root != self.commons.peerId:
                self._lookAgain(OVERDUE * self.commons.settings.beacon)
        if found.parent != before.parent or (found.label is None) != (before.label is None):
            serving.placed = self.commons.seconds()
        if found.parent != before.parent:
            until = self.commons.seconds() + GRACE
            for limb in serving.limbs.values():
                if limb.ours in (PARENT, AWAKE):
                    limb.until = until
            if serving.release is None:
                serving.release = self.commons.clock.callLater(GRACE, self._released)
        self._tell()

    def _released(self) -> None:
        serving = self._serving
        if serving is None:
            return
        serving.release = None
        left = max((one.until for one in serving.limbs.values()), default=0.0) - self.commons.seconds()
        if left > 0:
            serving.release = self.commons.clock.callLater(left, self._released)
        self._tell()

    def _tell(self) -> None:
        """Each neighbour hears where this peer stands and what it wants of the link, if that has changed."""
        serving = self._serving
        if serving is None:
            return
        label = serving.place.label
        settled, seconds = self.settled, self.commons.seconds()
        said = None if label is None else label.key
        backup = backupOf(serving.limbs.values(), label, self.parent) if settled and not self.root else None
        for peer, limb in serving.limbs.items():
            standing = standingOf(limb, self.parent, backup, settled, seconds)
            if (standing, said) == (limb.ours, limb.told):
                continue
            link = self.commons.links.get(peer)
            if link is not None:
                limb.ours, limb.told = standing, said
                link.send(Beacon(None, 0, standing) if label is None else Beacon(label.pulse, label.hops, standing))
        self._notify()

    def _notify(self) -> None:
        told = (self.root, self.parent, self.children, self.settled, self.loose)
        if told != self._told:
            self._told = told
            self.commons.links.observer.treeChanged()

    # --- the root ----------------------------------------------------------------------------------------------------

    def _lookAgain(self, wait: float) -> None:
        serving = self._serving
        if serving is None:
            return
        if serving.timer is not None and serving.timer.active():
            serving.timer.reset(wait)
        else:
            serving.timer = self.commons.clock.callLater(wait, self._look)

    def _look(self) -> None:
        """Send the next beacon if this peer is the root; else see whether the root is still there."""
        serving = self._serving
        if serving is None:
            return
        if self.root:
            self._lead()
            return
        label = serving.place.label
        overdue = OVERDUE * self.commons.settings.beacon
        if self.commons.seconds() >= serving.heard + overdue:
            serving.heard = self.commons.seconds()
            suspect = label.root if label is not None else self._lower()
            if suspect is not None:
                serving.suspects[suspect] = label.round if label is not None else -1
                self.commons.tally.count("tree", "root-suspected")
            serving.place = NOWHERE
        self._lookAgain(max(0.0, serving.heard + overdue - self.commons.seconds()))
        self._reconsider(False)

    def _lead(self) -> None:
        """Send a beacon as the root."""
        self._round = max(self._round, self.commons.boot * BOOT_ROUNDS) + 1
        pulse = seal(self.commons.identity, Pulse(self.commons.network.id, self._round))
        self._lookAgain(self.commons.settings.beacon)
        self._take(Place(Label(self.commons.peerId, self._round, 0, pulse), None))
