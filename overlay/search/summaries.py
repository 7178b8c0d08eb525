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

2. I{Silence is noticed before it is overlooked.} Differences travel in order, with the signs of life. A child that is silent
(L{overlay.link.link.Link.silent}) proves nothing, and its parent takes its names back from those above. What is not acknowledged when
silence would have ended a link got stuck between two, of which the upper one has heard nothing since, and has taken the names back; so it
may be announced. A machine that has slept believes nothing that it held before. (Of two links of one way that get stuck within seconds,
the upper one may keep a name for longer; then a hit is lost only if the way to its home that leads round them is lost as well.)

3. I{Who moves is forgotten where it was.} A super-peer with another parent tells the former one, which takes its names back from those
above and acknowledges that when they know. Until then, or until the former one would be seen to be dead, nothing new is announced, and
what is acknowledged downward is only that those above know (C{above}): enough for taking names back, so that two that have changed places
do not wait for each other. What was announced before is in the old filters and in the new one. A name that two branches hold is that of a
super-peer which is known to both; if it answers, that counts.

What is not known proves nothing: a child that has told nothing yet, or whose difference does not fit; any other neighbour over whose link
queries travel while the tree heals; a super-peer that is still counting what it had on disk; and one whose filter is too full. Such a
I{doubt} goes up by name, so that everybody above forwards, and sees why; branches beside the way to it are pruned as before. The parent
of a stuffed branch leaves its filter out of its own. A filter goes up level by level, so that all of them together are as large as the sum
of all branches, or the depth of the tree times what is held once.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IDelayedCall

from overlay.commons import Commons, Component, Receivers
from overlay.errors import Malformed
from overlay.identity.ids import PeerId, shortText
from overlay.index.registry import Registry
from overlay.questions import Deed, Work
from overlay.search.awaiting import Awaiting
from overlay.search.branches import Branches
from overlay.search.giving import Giving
from overlay.search.held import OutOfStep
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


class _Serving:
    """
    What there is while this peer serves.

    @ivar former: former parents that have not said yet that all above them have forgotten this branch: by what version they are to, and
        until when that is waited for.
    @ivar looked: when the children were looked at last.
    @ivar offer: when a parent that wanted no summaries is offered them again.
    """

    def __init__(self, summaries: "Summaries") -> None:
        commons = summaries.commons
        hold = commons.settings.beats.dead
        self.branches = Branches(commons.peerId, summaries._registry, summaries._isSilent, summaries._flushSoon)
        self.giving = Giving(self.branches.union, self.branches.doubts, self.branches.numbers)
        self.awaiting = Awaiting(commons.clock, hold, summaries._isKnown)
        self.clearing = Awaiting(commons.clock, hold, summaries._isAbove)
        self.former: dict[PeerId, tuple[int, float]] = {}
        self.timer: IDelayedCall | None = None
        self.soon: IDelayedCall | None = None
        self.looked = commons.seconds()
        self.offer = 0.0


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
        self._serving: _Serving | None = None
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
            serving.awaiting.add(serving.giving.needed, act)

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

    def _begin(self) -> _Serving:
        serving = self._serving = _Serving(self)
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
        for peer, (_, until) in list(serving.former.items()):
            if until <= serving.looked:
                del serving.former[peer]
        giving = serving.giving
        if giving.unwanted and giving.target is not None and serving.looked >= serving.offer:
            self._turn(giving.target)
        self._flushSoon()
        self._lookAtWaiting(serving)

    def _isLate(self, serving: _Serving) -> bool:
        return self.commons.seconds() > serving.looked + self._every + LATE

    def _distrust(self, serving: _Serving) -> None:
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
        if not commons.admit(peer, Work.MEMBERSHIP, COST):
            # What is held is out of date from now on.
            commons.tally.count("drops", "rate")
            serving.branches.forget(peer)
            self._flushSoon()
            return
        if message.ended:
            serving.branches.forget(peer)
        elif not self._took(link, serving, message):
            return
        self._flushSoon()
        self._acknowledgeLater(link, serving, message)

    def _took(self, link: "Link", serving: _Serving, message: SummaryGiven) -> bool:
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
    def _acknowledgeLater(link: "Link", serving: _Serving, message: SummaryGiven) -> None:
        giving, version = serving.giving, message.version
        if message.ended:
            serving.clearing.add(giving.neededForLess, lambda: _send(link, version))
            return
        needed = giving.needed if link.peerId in serving.branches.used else giving.neededForLess
        said: list[bool] = []

        def known() -> None:
            said.append(True)
            _send(link, version)

        def isAbove() -> None:
            if not said:
                _send(link, version, "above")

        serving.awaiting.add(needed, known)
        serving.clearing.add(needed, isAbove)

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
    def _lookAtWaiting(serving: _Serving) -> None:
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
            serving.former[old] = (version, self.commons.seconds() + self.commons.settings.beats.dead)
            link = self.commons.links.get(old)
            if link is not None:
                link.send(SummaryGiven(version, 0, ended=True))
        self._turn(parent)

    def _turn(self, parent: PeerId | None) -> None:
        serving = self._serving
        link = self.commons.links.get(parent) if parent is not None else None
        if serving is not None:
            serving.giving.turn(parent)
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
        self._lookAtWaiting(serving)
