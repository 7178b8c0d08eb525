"""
Summaries of branches of the spanning tree, by which a search leaves out those that hold nothing.

Every super-peer tells its parent what is in its I{branch}, itself and everybody below it: a filter of terms (L{overlay.index.bloom}), the
names of the super-peers that the filter speaks for, and their numbers. A query goes to the parent always, and to a child unless the
child's filter proves its branch empty; then the receipt names the super-peers that the filter speaks for as pruned. Whoever is neither
named so nor answers is asked directly (see L{overlay.search.gathering}), so a hit can be lost in one way alone: a super-peer is named as
pruned by a filter that lacks something of it. That a record which was announced as found is in every filter that names its home rests on
three rules.

1. I{A version is acknowledged from the top.} A parent acknowledges a version of a child when its own parent has acknowledged the version
that includes it; the root does so at once. A home tells a leaf that its records are held only when the version with them is
acknowledged (L{Summaries.whenKnown}). So everybody above knows.

2. I{What is on its way is waited for.} However slow a link is, or a machine, nothing is announced before it is acknowledged. Where a link
is stuck its ends hear nothing of each other and give it up; the lower one finds another parent and tells that everything, and the upper
one has taken the names back from those above. A child that is silent (L{overlay.link.link.Link.silent}) proves nothing meanwhile. A parent
that lives and has everything, but acknowledges nothing, is left in the end. A machine that has slept believes nothing that it held before.

3. I{Who moves is forgotten where it was.} A super-peer with another parent tells the former one, which takes its names back from those
above and acknowledges that when they know. Until then, or until the former one has heard nothing for long if there is no link to it,
nothing new is announced, and what is acknowledged downward is only that those above know (C{above}): enough for taking names back, so that
two that have changed places do not wait for each other. What was announced before is in the old filters and in the new one. A name that two
branches hold is that of a super-peer which is known to both; if it answers, that counts.

What is not known proves nothing: a child that has told nothing yet, or whose difference does not fit; any other neighbour over whose link
queries travel while the tree heals; a super-peer that is still counting what it had on disk; and one whose filter is too full. Such a
I{doubt} goes up by name, so that everybody above forwards, and sees why; branches beside the way to it are pruned as before. The parent
of a stuffed branch leaves its filter out of its own. A filter goes up level by level, so that all of them together are as large as the sum
of all branches, or the depth of the tree times what is held once.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from overlay.commons import Commons, Component, Receivers
from overlay.errors import Malformed
from overlay.identity.ids import PeerId, shortText
from overlay.index.registry import Registry
from overlay.questions import Deed, Work
from overlay.search.held import OutOfStep
from overlay.search.partaking import Partaking
from overlay.search.receipts import Proof
from overlay.search.wanted import Wanted
from overlay.wire.summary import SummaryAcknowledged, SummaryGiven

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.neighbours import Neighbours
    from overlay.membership.tree import Tree
    from overlay.roles.hosting import Hosting

FEATURE = "summary"
"""Of a hello: the sender understands summaries."""
GATHER = 0.1
"""Seconds over which changes are joined into one difference."""
ASK_AGAIN = 30.0
"""Seconds after which a parent that wanted no summaries is offered them again."""
COST = 0.05
"""Of one message, as the rate limit counts what concerns members."""
LATE = 2.0
"""Seconds by which a look that comes late shows that this machine has slept."""


def _send(link: "Link", version: int, code: str = "") -> None:
    link.send(SummaryAcknowledged(version, code))


class Summaries(Component):
    """
    A peer takes part if its router wants summaries (its policy has a true attribute C{summaries}), and there is a tree.
    """

    __slots__ = ("_hosting", "_neighbours", "_registry", "_serving", "_tree", "wanted")

    def __init__(
        self, commons: Commons, neighbours: "Neighbours", tree: "Tree", registry: Registry, hosting: "Hosting"
    ) -> None:
        super().__init__(commons)
        self._neighbours = neighbours
        self._tree = tree
        self._registry = registry
        self._hosting = hosting
        self._serving: Partaking | None = None
        self.wanted = bool(getattr(commons.policies.router.policy, "summaries", False)) and commons.settings.beacon > 0

    @classmethod
    def handlers(cls) -> Receivers:
        return {SummaryGiven: cls._given, SummaryAcknowledged: cls._acknowledged}

    def stop(self) -> None:
        self.wanted = False
        self._end()

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        serving = self._serving
        if serving is None:
            return
        serving.branches.forget(link.peerId)
        if serving.giving.target == link.peerId:
            self._leave(None)
        serving.linkLost(link)
        self._flushSoon()

    def silenceChanged(self, link: "Link") -> None:
        serving = self._serving
        if serving is not None and link.peerId in serving.branches.held:
            serving.branches.listen()
            self._flushSoon()

    def linkClear(self, link: "Link") -> None:
        serving = self._serving
        if serving is not None and serving.giving.target == link.peerId:
            serving.giving.pump(link)
            self._flushSoon()

    # --- what others ask ---------------------------------------------------------------------------------------------

    def whenKnown(self, act: Callable[[], None]) -> None:
        """Call C{act} when everybody who prunes by this super-peer's filter knows what it holds now."""
        serving = self._serving
        if serving is None:
            act()
        else:
            serving.awaiting.add(serving.needed(), act)
            self._flushSoon()

    @property
    def known(self) -> bool:
        """Whether everybody does."""
        serving = self._serving
        return serving is None or (not len(serving.awaiting) and self._isKnown(serving.giving.needed))

    def look(self, peer: PeerId, wanted: Wanted) -> Proof | str:
        """
        @return: the proof that the branch of a child holds nothing that matches; else why its summary proves nothing at all, or empty if
            it just may hold something.
        """
        serving = self._serving
        return "" if serving is None or self._isLate(serving) else serving.branches.look(peer, wanted)

    def explain(self) -> dict[str, Any] | None:
        """For people: what is known of each branch below, and what is in doubt; None if this peer has no part in it."""
        serving = self._serving
        if serving is None:
            return None
        target = serving.giving.target
        return {"above": None if target is None else shortText(target), "known above": self.known, **serving.branches.describe()}

    # --- the role ----------------------------------------------------------------------------------------------------

    def treeChanged(self) -> None:
        self.neighboursChanged()

    def neighboursChanged(self) -> None:
        if not self._neighbours.active or not self.wanted:
            self._end()
            return
        serving = self._serving or self._begin()
        for peer in [one for one in serving.branches.held if not self._neighbours.isNeighbour(one)]:
            serving.branches.forget(peer)
        serving.branches.grow(self._tree.children, self._tree.loose)
        parent = self._tree.parent
        if parent != serving.giving.target:
            self._leave(parent)
        # Those above have to know at once of whom they would overlook.
        self._flushSoon(0.0)
        self._lookAtWaiting(serving)

    def _begin(self) -> Partaking:
        serving = self._serving = Partaking(
            self.commons, self._registry, self._isSilent, self._flushSoon, self._isKnown, self._isAbove
        )
        self._hosting.whenKnown = self.whenKnown
        serving.timer = self.commons.clock.callLater(self._every, self._look)
        serving.branches.begin()
        return serving

    def _end(self) -> None:
        serving, self._serving = self._serving, None
        if serving is None:
            return
        for timer in (serving.timer, serving.soon):
            if timer is not None and timer.active():
                timer.cancel()
        serving.awaiting.stop()
        serving.clearing.stop()
        self._registry.summary = None

    @property
    def _every(self) -> float:
        return self.commons.settings.beats.home / 2

    def _look(self) -> None:
        """Who has fallen silent, or speaks again; and numbers that change with time."""
        serving = self._serving
        if serving is None:
            return
        if self._isLate(serving):
            self._distrust(serving)
        serving.looked = self.commons.seconds()
        serving.timer = self.commons.clock.callLater(self._every, self._look)
        serving.branches.listen()
        serving.forgetFormer()
        giving = serving.giving
        if giving.unwanted and giving.target is not None and serving.looked >= serving.offer:
            self._turn(giving.target)
        self._leaveStalled(serving)
        self._flushSoon()
        self._lookAtWaiting(serving)

    def _leaveStalled(self, serving: Partaking) -> None:
        target, label = serving.giving.target, self._tree.label
        link = self.commons.links.get(target) if target is not None else None
        if serving.isStalled(link, 0 if label is None else label.hops) and link is not None:
            self._tree.shun(link.peerId)
            link.close("stalled", "a summary was not acknowledged")

    def _isLate(self, serving: Partaking) -> bool:
        return self.commons.seconds() > serving.looked + self._every + LATE

    def _distrust(self, serving: Partaking) -> None:
        """This machine has slept: others may have announced meanwhile what is not known here."""
        for peer, held in list(serving.branches.held.items()):
            link = self.commons.links.get(peer)
            version = held.version
            serving.branches.forget(peer)
            if link is not None:
                link.send(SummaryAcknowledged(version, "full"))

    def _isSilent(self, peer: PeerId) -> bool:
        link = self.commons.links.get(peer)
        return link is None or link.silent

    # --- what is below -----------------------------------------------------------------------------------------------

    def _given(self, link: "Link", message: SummaryGiven) -> None:
        commons, serving, peer = self.commons, self._serving, link.peerId
        if serving is None or not self._neighbours.isNeighbour(peer):
            if message.last:
                link.send(SummaryAcknowledged(message.version, "" if message.ended else "unwanted"))
            return
        admitted = commons.admit(peer, Work.MEMBERSHIP, COST)
        if message.ended:
            # That is done whatever it costs: it only takes away.
            serving.branches.forget(peer)
        elif not admitted:
            # What is held is out of date from now on.
            commons.tally.count("drops", "rate")
            serving.branches.forget(peer)
            self._flushSoon()
            if message.last:
                link.send(SummaryAcknowledged(message.version, "full"))
            return
        elif not self._took(link, serving, message):
            return
        self._flushSoon()
        self._acknowledgeLater(link, serving, message)

    def _took(self, link: "Link", serving: Partaking, message: SummaryGiven) -> bool:
        """Take one part; whether it was the last, and all is there."""
        peer = link.peerId
        try:
            return serving.branches.take(peer, message)
        except Malformed as problem:
            self.commons.report(peer, Deed.GARBAGE)
            self.commons.log.info("a summary is no good: {problem}", problem=problem)
        except OutOfStep:
            if message.last:
                link.send(SummaryAcknowledged(message.version, "full"))
        serving.branches.forget(peer)
        self._flushSoon()
        return False

    @staticmethod
    def _acknowledgeLater(link: "Link", serving: Partaking, message: SummaryGiven) -> None:
        version = message.version
        if message.ended:
            serving.clearing.add(serving.needed(less=True), lambda: _send(link, version), link)
            return
        needed = serving.needed(less=link.peerId not in serving.branches.used)
        said: list[bool] = []

        def known() -> None:
            said.append(True)
            _send(link, version)

        def isAbove() -> None:
            if not said:
                _send(link, version, "above")

        serving.awaiting.add(needed, known, link)
        serving.clearing.add(needed, isAbove, link)

    # --- what is above -----------------------------------------------------------------------------------------------

    def _isKnown(self, version: int) -> bool:
        """Whether nobody prunes by an older version any more."""
        serving = self._serving
        return serving is None or (
            not serving.former and self._isAbove(version)
            and (serving.giving.target is None or serving.giving.unwanted or serving.giving.acknowledged >= version)
        )

    def _isAbove(self, version: int) -> bool:
        """Whether everybody above has it."""
        serving = self._serving
        if serving is None:
            return True
        giving = serving.giving
        return self._tree.root if giving.target is None else giving.unwanted or giving.received >= version

    @staticmethod
    def _lookAtWaiting(serving: Partaking) -> None:
        serving.awaiting.look()
        serving.clearing.look()

    def _leave(self, parent: PeerId | None) -> None:
        """The parent is another one now, or none."""
        serving = self._serving
        if serving is None:
            return
        giving, old = serving.giving, serving.giving.target
        if old is not None and not giving.unwanted:
            version = giving.next()
            link = self.commons.links.get(old)
            serving.leave(old, version, link is not None)
            if link is not None and not link.send(SummaryGiven(version, 0, ended=True)):
                link.close("overflow", "that a summary ends could not be sent")
        self._turn(parent)

    def _turn(self, parent: PeerId | None) -> None:
        serving = self._serving
        link = self.commons.links.get(parent) if parent is not None else None
        if serving is not None:
            serving.giving.turn(parent)
            serving.moved = self.commons.seconds()
            serving.giving.unwanted = link is not None and FEATURE not in link.features
            serving.offer = self.commons.seconds() + ASK_AGAIN

    def _flushSoon(self, wait: float = GATHER) -> None:
        serving = self._serving
        if serving is None:
            return
        if serving.soon is None:
            serving.soon = self.commons.clock.callLater(wait, self._flush)
        elif not wait:
            serving.soon.reset(0.0)

    def _flush(self) -> None:
        serving = self._serving
        if serving is None:
            return
        serving.soon = None
        giving = serving.giving
        if giving.target is None or giving.unwanted:
            # Whoever is told next is told everything.
            serving.branches.union.forget()
            giving.again()
        elif giving.due():
            giving.begin()
            giving.pump(self.commons.links.get(giving.target))
        self._lookAtWaiting(serving)

    def _acknowledged(self, link: "Link", message: SummaryAcknowledged) -> None:
        serving = self._serving
        if serving is None:
            return
        giving, peer = serving.giving, link.peerId
        former = serving.former.get(peer)
        if former is not None and message.version >= former[0]:
            del serving.former[peer]
        before = giving.received, giving.acknowledged
        if peer == giving.target and message.version <= giving.version:
            if message.code == "full":
                giving.again()
                self._flushSoon()
            elif message.code == "above":
                giving.received = max(giving.received, message.version)
            elif message.code:
                giving.unwanted = True
                serving.offer = self.commons.seconds() + ASK_AGAIN
            else:
                giving.acknowledged = max(giving.acknowledged, message.version)
                giving.received = max(giving.received, giving.acknowledged)
        if (giving.received, giving.acknowledged) != before:
            serving.moved = self.commons.seconds()
        self._lookAtWaiting(serving)
