"""
How adverts travel: news is passed on at once among super-peers, and a little of everything is compared from time to time, so that what
was missed is made up for. What is said to be dead is dialled before it is believed.

One that names no address cannot be dialled. Of such a one nobody is told that it is dead, and nobody believes it: only who has lost a link
to it takes it for dead, until others, who must have lost theirs by then, still say that it lives. To all others it is one that does not
answer, as long as its advert is valid.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from overlay.commons import Commons
from overlay.errors import SuperpeerError, TurnedAway
from overlay.identity.ids import PeerId
from overlay.questions import Work
from overlay.wire import limits
from overlay.wire.messages import AdvertIds, Adverts, AdvertsWanted
from overlay.wire.statements import Signed

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.known import Known
    from overlay.membership.membership import Membership

PASSED_ON = 4
"""Links to which a piece of news is passed on."""
COMPARED = 2
"""Links with which a round compares."""
DOUBTS_MOST = 64
"""Peers that are being dialled at one time, to see whether they live."""
DOUBT_WITHIN = 2.0
"""Seconds over which those who hear of a death spread their dialling."""
FEW = 8
"""Super-peers up to which leaves are told of each."""
FEW_LINKS = 250
"""Links up to which that is done: a thousand adverts at once would hold up all else."""
LEAF_SLOWER = 6
"""A leaf's rounds take so many times as long: it has little to do in them."""
LEAF_EVERY = 10
"""Of its rounds after which it asks for a sample again."""
SAMPLE = 8
"""Super-peers that a leaf is shown at a time."""
NAMED = 64
"""Super-peers that such a request names as known, at most."""
GREETED = 4
"""Super-peers that a leaf is shown when it comes: to choose its homes among. It can ask for more."""
ASK_EVERY = 3.0
"""Seconds between two requests for more super-peers by a leaf that needs homes."""


class Gossip:
    """Of one peer."""

    __slots__ = ("_asked", "_commons", "_doubted", "_membership", "_round", "_timer")

    def __init__(self, commons: Commons, membership: "Membership") -> None:
        self._commons = commons
        self._membership = membership
        self._timer: IDelayedCall | None = None
        self._doubted: dict[bytes, IDelayedCall | None] = {}
        self._round = 0
        self._asked = float("-inf")

    def start(self) -> None:
        wait = self._commons.random.uniform(0.5, 1.0) * self._commons.settings.gossip
        self._timer = self._commons.clock.callLater(wait, self._tick)

    def stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        for call in self._doubted.values():
            if call is not None and call.active():
                call.cancel()
        self._doubted.clear()

    def _superLinks(self) -> "list[Link]":
        return sorted((link for link in self._commons.links if link.isSuper), key=lambda link: link.peerId)

    # --- in rounds ---------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        membership = self._membership
        wait = self._commons.random.uniform(0.8, 1.2) * self._commons.settings.gossip * (1 if membership.serving else LEAF_SLOWER)
        self._timer = self._commons.clock.callLater(wait, self._tick)
        self._round += 1
        links = self._superLinks()
        if membership.serving:
            if self._round % 8 == 0:
                # Whoever was taken for dead may be back, or may have been beyond a split: one of them is tried again.
                self._retryDead()
            # Where all can be named, all are told the same.
            offer = self._offer() if links and len(membership.superPeerView()) < limits.ADVERT_IDS_PER_MESSAGE else None
            for link in self._some(links, COMPARED):
                link.send(offer or self._offer())
        elif links and self._round % LEAF_EVERY == 1:
            self._commons.random.choice(links).send(AdvertsWanted(sample=SAMPLE))
        membership.refresh()

    def askMore(self) -> None:
        """Ask one super-peer for others, unless that was done a moment ago: those known do not suffice."""
        seconds = self._commons.seconds()
        links = self._superLinks()
        if links and seconds - self._asked >= ASK_EVERY:
            self._asked = seconds
            self.askFor(self._commons.random.choice(links))

    def askFor(self, link: "Link") -> None:
        """Ask for super-peers that are not known here: those that are known need not be sent again to a crowd that waits for others."""
        known = self._membership.superPeers()[:NAMED]
        link.send(AdvertsWanted(sample=SAMPLE, have=[one.peerId for one in known]))

    def introduce(self, link: "Link") -> None:
        """
        A leaf names to a home the super-peers that it knows. Heirs who have just begun to serve find one network so, and so do two networks
        that had not heard of each other before somebody was told of both.
        """
        known = self._membership.superPeers()[: limits.ADVERT_IDS_PER_MESSAGE]
        link.send(AdvertIds([(one.peerId, one.advert.sequence) for one in known if one.peerId != link.peerId]))

    def _offer(self) -> AdvertIds:
        known: Sequence[Known] = self._membership.superPeerView()
        most = limits.ADVERT_IDS_PER_MESSAGE - 1
        if len(known) > most:
            # Those that come one after the other by id are as good as any others, and to draw each of so many takes long.
            start = self._commons.random.randrange(len(known))
            known = (*known[start : start + most], *known[: max(0, start + most - len(known))])
        own = self._membership.ownAdvert()
        return AdvertIds([(own.owner, own.sequence), *[(one.peerId, one.advert.sequence) for one in known]])

    def _some(self, links: "list[Link]", count: int) -> "list[Link]":
        return links if len(links) <= count else self._commons.random.sample(links, count)

    def _retryDead(self) -> None:
        dead = sorted(known.peerId for known in self._membership if not known.alive and known.advert.role == "super")
        if dead:
            self.doubt(self._commons.random.choice(dead))

    # --- news --------------------------------------------------------------------------------------------------------

    def greet(self, link: "Link") -> None:
        """A new link: super-peers compare, and a leaf is shown some homes."""
        if self._membership.serving:
            if link.isSuper:
                link.send(self._offer())
            else:
                self._membership.show(link, self._membership.sample(GREETED, frozenset({link.peerId})))

    def learned(self, known: "Known", source: "Link | None") -> None:
        """An advert is newer than what was known; super-peers pass it on."""
        if known.advert.role != "super" or not self._membership.serving:
            return
        self.rumour(known.peerId, source)
        if len(self._membership.superPeerView()) <= FEW and len(self._commons.links) <= FEW_LINKS:
            # Where there are few, each leaf knows all: it has to know whether there are enough to vote.
            for link in self._commons.links:
                if not link.isSuper:
                    link.send(Adverts([known.signed]))

    def tell(self, own: Signed, news: bool) -> None:
        """
        This peer has a new advert.

        @param news: whether it says more than another load; then everybody linked is told, and not only the super-peers.
        """
        for link in self._commons.links:
            if news or link.isSuper:
                link.send(Adverts([own]))

    def rumour(self, peer: bytes, source: "Link | None") -> None:
        """Pass the newest advert of a peer on to some super-peers."""
        known = self._membership.get(peer)
        if known is None:
            return
        links = [link for link in self._superLinks() if link is not source and link.peerId != peer]
        for link in self._some(links, PASSED_ON):
            link.send(Adverts([known.signed]))

    def advertsReceived(self, link: "Link", message: Adverts) -> None:
        """Adverts in full."""
        commons = self._commons
        if not commons.admit(link.peerId, Work.MEMBERSHIP, 0.1 + 0.1 * len(message.adverts)):
            commons.tally.count("drops", "rate")
            return
        for signed in message.adverts:
            self._membership.take(signed, link)

    def idsReceived(self, link: "Link", message: AdvertIds) -> None:
        """What the other side has: ask for what is newer there, show what is newer here, check its dead."""
        commons = self._commons
        membership = self._membership
        if not commons.admit(link.peerId, Work.MEMBERSHIP, 1.0):
            commons.tally.count("drops", "rate")
            return
        wanted: list[bytes] = []
        newer = []
        for peer, sequence, known in membership.otherwise(message.have):
            if peer == commons.peerId or commons.isRefused(peer):
                continue
            if known is None or known.advert.sequence < sequence:
                wanted.append(peer)
            elif known.advert.sequence > sequence and known.advert.role == "super":
                newer.append(known.signed)
            elif not known.alive and link.isSuper:
                # What a leaf knows may be old.
                self._contradicted(known)
        if wanted:
            link.send(AdvertsWanted(wanted))
        membership.show(link, newer[: 2 * limits.ADVERTS_PER_MESSAGE] if link.isSuper else newer[:SAMPLE])
        # What says of some that they are dead is no offer, and says nothing of what else is known there.
        if link.isSuper and 0 < len(message.have) < limits.ADVERT_IDS_PER_MESSAGE:
            theirs = {peer for peer, _ in message.have}
            missing = [one.signed for one in membership.superPeers() if one.peerId not in theirs and one.peerId != link.peerId]
            membership.show(link, missing[: limits.ADVERTS_PER_MESSAGE])
        for dead in message.dead:
            known = membership.get(dead)
            if known is not None and known.alive and commons.links.get(PeerId(dead)) is None:
                self.doubt(dead)

    def wantedReceived(self, link: "Link", message: AdvertsWanted) -> None:
        """The other side asks for adverts."""
        commons = self._commons
        membership = self._membership
        if not commons.admit(link.peerId, Work.MEMBERSHIP, 1.0):
            commons.tally.count("drops", "rate")
            return
        if message.ids:
            found = [membership.get(peer) for peer in message.ids]
            adverts = [known.signed for known in found if known is not None]
            if commons.peerId in message.ids:
                adverts.append(membership.ownSigned())
        else:
            adverts = membership.sample(min(message.sample, 2 * SAMPLE), frozenset({link.peerId, *message.have}))
        membership.show(link, adverts[:128])

    # --- deaths ------------------------------------------------------------------------------------------------------

    def died(self, peer: bytes) -> None:
        """Tell some super-peers that a peer does not answer."""
        for link in self._some(self._superLinks(), PASSED_ON):
            link.send(AdvertIds([], [peer]))

    def doubt(self, peer: bytes, lost: bool = False) -> None:
        """
        Dial a peer soon, to see whether it lives; what is found is told to others if it is dead.

        @param lost: whether a link to it has just broken: then it is dead too if it cannot be dialled and does not come back.
        """
        if peer in self._doubted or len(self._doubted) >= DOUBTS_MOST:
            return
        if not lost and not self._membership.addresses(peer):
            known = self._membership.get(peer)
            if known is not None and not self._isValid(known):
                self._membership.markDead(peer, False)
            return
        wait = self._commons.random.uniform(0.0, DOUBT_WITHIN)
        self._doubted[peer] = self._commons.clock.callLater(wait, self._dial, peer, None)

    def _isValid(self, known: "Known") -> bool:
        return known.advert.expires > self._commons.now()

    def _contradicted(self, known: "Known") -> None:
        """Another super-peer says that one lives which is dead here."""
        commons, settings = self._commons, self._commons.settings
        if self._membership.addresses(known.peerId):
            self.doubt(known.peerId)
        elif self._isValid(known) and commons.seconds() - known.heard > settings.beats.dead + DOUBT_WITHIN + settings.gossip:
            # If it were dead, whoever was linked to it would have found so by now, and what was said before would have come.
            self._membership.revived(known.peerId)

    def _dial(self, peer: bytes, left: list[str] | None) -> None:
        membership = self._membership
        dialled = left is not None
        if left is None:
            self._doubted[peer] = None
            left = membership.addresses(peer)[:3]
        if self._commons.links.get(PeerId(peer)) is not None:
            self._doubted.pop(peer, None)
            return
        if not left:
            self._doubted.pop(peer, None)
            if dialled or not (membership.suspicion is not None and membership.suspicion.isVouchedFor(peer)):
                membership.markDead(peer, dialled)
            return
        probing = self._commons.links.probe(left[0], PeerId(peer))
        probing.addCallbacks(lambda rtt: self._alive(peer), lambda failure: self._silent(failure, peer, left[1:]))

    def _silent(self, failure: Failure, peer: bytes, left: list[str]) -> None:
        failure.trap(SuperpeerError)
        if failure.check(TurnedAway):
            # It lives, but not for this peer; that is no news to others.
            self._doubted.pop(peer, None)
            self._membership.markDead(peer, False)
        elif peer in self._doubted:
            self._dial(peer, left)

    def _alive(self, peer: bytes) -> None:
        self._doubted.pop(peer, None)
        self._membership.revived(peer)
