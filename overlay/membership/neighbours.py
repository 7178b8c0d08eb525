"""
Which super-peers flood to one another: links that both ends have agreed on, few for each, and together one connected graph.

In the manner of HyParView (Leitao, Pereira and Rodrigues, "HyParView: a membership protocol for reliable gossip-based broadcast", DSN
2007): a small active set of agreed neighbours, and behind it a passive set from which a lost one is replaced at once. There the passive
set is a random sample of 30, since nobody can know all; here it is all super-peers that are known to live, each by its own signed word and
with the network that it was heard of from (L{overlay.membership.membership.Membership}). Comparing what is known every few seconds takes
the place of the shuffle, whom a neighbour has found dead leaves everybody's table, and a choice from all of them has at most a quarter
from any one network or source, where a sample would have what chance or an attacker has put there.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from overlay.commons import Commons, Component, Receivers
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId
from overlay.membership.diversity import Kinds, chooseApart, leaveOne
from overlay.questions import Work
from overlay.wire.address import NAMES, networkGroup
from overlay.wire.messages import NeighbourAnswer, NeighbourWanted

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.known import Known
    from overlay.membership.membership import Membership

EVERY = 2.0
"""Seconds between two looks for more neighbours."""
AT_ONCE = 4
"""Super-peers that are asked at a time."""
UNDER_WAY = 12
"""Super-peers that may owe an answer."""
ANSWER_WITHIN = 10.0
"""Seconds after which one that did not answer may be asked again. Another one is asked in its place as soon as it might have answered."""
SPARE = 1
"""More are asked than are missing when a neighbour is lost, by so many: who is asked may be dead as well."""
REFUSED_FOR = 30.0
LOST_FOR = 1.0
"""Seconds in which a neighbour that has just been lost is not asked to be one again."""
CONFIRM = 2
"""Looks after which one neighbour is asked again, so that both ends stay of one mind."""
SHARE = 4
"""One network of addresses has at most one in so many of the places, as long as there are super-peers elsewhere."""
SHUFFLE = 31
"""Looks after which one neighbour is exchanged for a random other, which keeps the graph random."""
SPREAD = 8
"""The same, while nearly all neighbours are of one network of addresses and there are super-peers elsewhere."""
_NOBODY: Any = MappingProxyType({})


def _notNeeded(peer: PeerId) -> bool:
    return False


def _isAmong(known: "tuple[Known, ...]", peer: bytes) -> bool:
    """Whether a peer is one of those, which are in the order of their ids: a set of all their ids would take more than all its links."""
    at = bisect_left(known, peer, key=lambda one: one.peerId)
    return at < len(known) and known[at].peerId == peer


class Neighbours(Component):
    """
    The graph stays connected by two rules: with few super-peers everybody is everybody's neighbour; with more, each keeps its
    wanted number of random ones, and whoever lost all of them is accepted even over the limit.

    @ivar active: whether this peer serves, and so has neighbours or seeks them.
    @ivar needed: whether more hangs on a neighbour than on others, so that rather another one makes room; the tree sets it.
    """

    __slots__ = (
        "_agreed", "_asked", "_avoid", "_linked", "_looks", "_membership", "_order", "_soon", "_timer", "active", "needed",
    )

    def __init__(self, commons: Commons, membership: "Membership") -> None:
        super().__init__(commons)
        self._membership = membership
        # Made when this peer first serves.
        self._agreed: dict[bytes, None] = _NOBODY
        self._asked: dict[bytes, float] = _NOBODY
        self._avoid: dict[bytes, float] = _NOBODY
        self._order: Sequence[PeerId] = ()
        # What L{linked} has found, after how many changes of the links; each query asks for it.
        self._linked: tuple[int, Sequence[PeerId], Sequence[Link]] = (-1, (), ())
        self._timer: IDelayedCall | None = None
        self._soon: IDelayedCall | None = None
        self._looks = 0
        self.active = False
        self.needed: Callable[[PeerId], bool] = _notNeeded

    @classmethod
    def handlers(cls) -> Receivers:
        return {NeighbourWanted: cls._wantedReceived, NeighbourAnswer: cls._answerReceived}

    def stop(self) -> None:
        self._stopTimer()

    def _stopTimer(self) -> None:
        for timer in (self._timer, self._soon):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._soon = None

    # --- what others ask ---------------------------------------------------------------------------------------------

    def linked(self) -> "Sequence[Link]":
        """The links to the neighbours, by id; not to be changed by the caller."""
        links = self.commons.links
        changes, order, found = self._linked
        if changes != links.changes or order is not self._order:
            found = links.several(self._order)
            self._linked = (links.changes, self._order, found)
        return found

    def isNeighbour(self, peer: bytes) -> bool:
        return peer in self._agreed

    # --- the role ----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """This peer serves now."""
        if self._agreed is _NOBODY:
            self._agreed, self._asked, self._avoid = {}, {}, {}
        if self._timer is None:
            self._timer = self.commons.clock.callLater(0.0, self._look)
        self.active = True
        self._notify()

    def end(self) -> None:
        """It serves no longer."""
        self._stopTimer()
        for link in self.linked():
            link.send(NeighbourAnswer(False, "resigned"))
        self._agreed.clear()
        self._asked.clear()
        self.active = False
        self._notify()

    def needs(self, link: "Link") -> bool:
        return link.peerId in self._agreed or link.peerId in self._asked

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        if link.peerId in self._agreed:
            # Others come first; it is most likely dead.
            self._avoid[link.peerId] = self.commons.seconds() + LOST_FOR
            # When all links that are lost in this moment are known to be.
            self._replaceIn(0.0)
        self._remove(link.peerId)

    def advertChanged(self, link: "Link") -> None:
        if not link.isSuper:
            self._remove(link.peerId)

    def _remove(self, peer: bytes) -> None:
        # A yes that is still on its way belongs to what is over now.
        if peer in self._asked:
            del self._asked[peer]
        if peer in self._agreed:
            del self._agreed[peer]
            self._notify()

    def _add(self, peer: bytes) -> None:
        self._asked.pop(peer, None)
        if peer not in self._agreed:
            self._agreed[peer] = None
            self._notify()

    def _notify(self) -> None:
        self._order = sorted(map(PeerId, self._agreed)) if self._agreed else ()
        self.commons.links.observer.neighboursChanged()

    # --- seeking -----------------------------------------------------------------------------------------------------

    def _replaceIn(self, wait: float) -> None:
        if self._timer is not None and self._soon is None:
            self._soon = self.commons.clock.callLater(wait, self._replace)

    def _replace(self) -> None:
        """A neighbour is lost: ask others now, and not at the next look."""
        self._soon = None
        known, seconds = self._membership.superPeerView(), self.commons.seconds()
        missing = self._missing(known, seconds)
        if missing > 0:
            self._seek(self._able(known), missing + SPARE, seconds)

    def _wanted(self, known: "Sequence[Known]") -> int:
        return min(self.commons.settings.neighbours, len(known))

    def _missing(self, known: "Sequence[Known]", seconds: float) -> int:
        """How many are to be asked, not counting those that might have answered by now and have not."""
        awaited = sum(seconds - when < self.commons.settings.beats.keepAlive for when in self._asked.values())
        return self._wanted(known) - len(self._agreed) - awaited

    def _seek(self, able: "list[Known]", count: int, seconds: float) -> None:
        for one in self._choose(able, max(0, min(count, AT_ONCE, UNDER_WAY - len(self._asked)))):
            self._ask(one, seconds)

    def _look(self) -> None:
        self._timer = self.commons.clock.callLater(EVERY, self._look)
        self._looks += 1
        seconds = self.commons.seconds()
        self._asked = {one: when for one, when in self._asked.items() if seconds - when < ANSWER_WITHIN}
        self._avoid = {one: until for one, until in self._avoid.items() if seconds < until}
        known = self._membership.superPeerView()
        for peer in [one for one in sorted(self._agreed) if not _isAmong(known, one)]:
            link = self.commons.links.get(PeerId(peer))
            if link is not None and self._membership.get(peer) is not None:
                link.send(NeighbourAnswer(False, "not-recognised"))
                self._remove(peer)
        missing = self._missing(known, seconds)
        enough = len(self._agreed) >= self._wanted(known)
        exchanges = enough and self._looks % SHUFFLE == 1
        able = self._able(known) if missing > 0 or exchanges or (enough and self._looks % SPREAD == 1) else []
        if missing > 0 and able:
            self._seek(able, missing, seconds)
        elif self._looks % CONFIRM == 0 and self._agreed:
            # Of two links that crossed one end may have kept what the other has forgotten.
            link = self.commons.links.get(PeerId(self.commons.random.choice(sorted(self._agreed))))
            if link is not None:
                link.send(NeighbourWanted())
        elif able and enough and (exchanges or (self._looks % SPREAD == 1 and self._lopsided(able))):
            self._exchange(able, seconds)

    def _exchange(self, able: "list[Known]", seconds: float) -> None:
        for one in self._choose(able, 1):
            self._ask(one, seconds)
        over = len(self._agreed) - self.commons.settings.neighbours
        if over > 0:
            leaving = self._leaving()
            link = self.commons.links.get(leaving)
            if link is not None:
                link.send(NeighbourAnswer(False, "exchange"))
            self._remove(leaving)

    # --- from several networks ---------------------------------------------------------------------------------------

    def _kinds(self, peer: bytes) -> Kinds:
        """Where a peer is, as its link shows if there is one, and whence it was heard of."""
        link, known = self.commons.links.get(PeerId(peer)), self._membership.get(peer)
        if link is not None:
            group = networkGroup(link.address)
        else:
            group = networkGroup(known.advert.addresses[0]) if known is not None and known.advert.addresses else NAMES
        source = known.source if known is not None and known.source else group
        return f"in {group}", f"from {source}"

    def _most(self, places: int) -> int:
        """Neighbours of one kind."""
        return max(1, -(-places // SHARE))

    def _choose(self, able: "list[Known]", count: int) -> "list[Known]":
        held = [self._kinds(peer) for peer in (*self._agreed, *self._asked)]
        most = self._most(self.commons.settings.neighbours)
        return chooseApart(able, count, lambda one: self._kinds(one.peerId), held, most, self.commons.random)

    def _leaving(self, without: bytes = b"") -> PeerId:
        """
        Who makes room: somebody of the network that has most of the places; of those rather one that is not needed. A peer makes itself
        needed by its own word, so that spares it before its own network only.
        """
        able = [PeerId(one) for one in sorted(self._agreed) if one != without]
        leaving = leaveOne(able, lambda one: self._kinds(one)[:1], self.commons.random)
        if self.needed(leaving):
            like = [one for one in able if self._kinds(one)[0] == self._kinds(leaving)[0] and not self.needed(one)]
            return self.commons.random.choice(like) if like else leaving
        return leaving

    def _lopsided(self, able: "list[Known]") -> bool:
        """Whether nearly all neighbours are of one network while others are to be had: whoever asks often enough could see to that."""
        groups = Counter(self._kinds(one)[0] for one in self._agreed)
        if not groups:
            return False
        top, count = groups.most_common(1)[0]
        elsewhere = self._most(self.commons.settings.neighbours)
        return count > elsewhere > len(self._agreed) - count and any(self._kinds(one.peerId)[0] != top for one in able)

    def _isTooMany(self, peer: bytes) -> bool:
        """Whether a peer that was just dialled is of a network that has its share, while there is somebody elsewhere to be asked."""
        group = self._kinds(peer)[0]
        same = sum(self._kinds(one)[0] == group for one in self._agreed)
        return same >= self._most(self.commons.settings.neighbours) and any(
            self._kinds(one.peerId)[0] != group for one in self._able(self._membership.superPeers())
        )

    def _able(self, known: "Sequence[Known]") -> "list[Known]":
        """Who may be asked."""
        links = self.commons.links
        return [
            one for one in known
            if one.peerId not in self._agreed and one.peerId not in self._asked and one.peerId not in self._avoid
            and ((link := links.get(one.peerId)) is None or not link.silent)
        ]

    def _ask(self, known: "Known", seconds: float) -> None:
        peer = known.peerId
        self._asked[peer] = seconds
        link = self.commons.links.get(peer)
        if link is not None:
            link.send(NeighbourWanted())
            return
        left = self._membership.addresses(peer)[:3]

        def attempt(failure: Failure | None = None) -> None:
            if failure is not None:
                failure.trap(SuperpeerError)
            if not left:
                self._asked.pop(peer, None)
                self._membership.gossip.doubt(peer)
                self._avoid[peer] = self.commons.seconds() + ANSWER_WITHIN
                return
            self.commons.links.dial(left.pop(0), peer).addCallbacks(self._dialled, attempt)

        attempt()

    def _dialled(self, link: "Link") -> None:
        if not self._membership.serving or link.peerId not in self._asked:
            return
        if len(self._agreed) >= self.commons.settings.neighbours + SPARE:
            # Others have answered before; a link that nobody needs ends by itself.
            del self._asked[link.peerId]
            return
        if self._isTooMany(link.peerId):
            # It is in another place than its advert says.
            self._asked.pop(link.peerId, None)
            self._avoid[link.peerId] = self.commons.seconds() + REFUSED_FOR
            return
        link.send(NeighbourWanted())

    def _wantedReceived(self, link: "Link", message: NeighbourWanted) -> None:
        commons = self.commons
        if not commons.admit(link.peerId, Work.MEMBERSHIP, 1.0):
            link.send(NeighbourAnswer(False, "rate"))
            return
        if not self._membership.serving:
            link.send(NeighbourAnswer(False, "not-serving", self._membership.sample(4)))
            return
        known = self._membership.get(link.peerId)
        if known is None or not known.recognised:
            link.send(NeighbourAnswer(False, "not-recognised"))
            return
        most = commons.settings.mostNeighbours
        full = len(self._agreed) >= most and link.peerId not in self._agreed
        if full and len(self._agreed) >= 2 * most:
            link.send(NeighbourAnswer(False, "full", self._membership.sample(4, frozenset({link.peerId, commons.peerId}))))
            return
        # What is sent to a new neighbour comes after this.
        link.send(NeighbourAnswer(True))
        self._add(link.peerId)
        if full:
            # Nobody is turned away, for it may be alone; another makes room and looks for somebody else.
            leaving = self._leaving(link.peerId)
            other = commons.links.get(leaving)
            if other is not None:
                other.send(NeighbourAnswer(False, "full"))
            self._remove(leaving)

    def _answerReceived(self, link: "Link", message: NeighbourAnswer) -> None:
        asked = link.peerId in self._asked
        if asked:
            del self._asked[link.peerId]
        for signed in message.adverts:
            self._membership.take(signed, link)
        if self._agreed is _NOBODY:
            # This peer has never served, nor asked anybody.
            if message.accepted:
                link.send(NeighbourAnswer(False, "not-asked"))
            return
        if not message.accepted:
            self._avoid[link.peerId] = self.commons.seconds() + REFUSED_FOR * self.commons.random.uniform(0.5, 1.5)
            if message.code == "not-recognised":
                self._avoid[link.peerId] = self.commons.seconds() + ANSWER_WITHIN
            if link.peerId in self._agreed:
                # It has made room for somebody else, who may have lost the same neighbour as this peer. Not at once: the next one may
                # have to make room as well.
                self._replaceIn(self.commons.settings.beats.keepAlive / 4)
            self._remove(link.peerId)
        elif asked and self._membership.serving:
            self._add(link.peerId)
        elif not asked and link.peerId not in self._agreed:
            link.send(NeighbourAnswer(False, "not-asked"))
