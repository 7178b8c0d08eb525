"""
Suspicion before death, between super-peers.

A super-peer over whose link nothing comes any more is suspected, and some others are asked whether they have had a sign of life of it, in
the manner of SWIM (Das, Gupta and Motivala, "SWIM: Scalable Weakly-consistent Infection-style Process Group Membership Protocol", DSN
2002): of their own link to it, or by dialling it. They tell the suspect who misses it, so that it gives a sign at once. If one has had a
sign, the link is at fault and not the peer: then the link ends in its time, but no death is told.

Whatever others say can only put a suspicion off. A link ends by its own silence alone, and whoever is told of a death dials the dead before
believing it (L{overlay.membership.gossip}); so nobody can be talked to death. Who vouches for the dead only keeps those that asked it from
telling others, who find out for themselves.
"""

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from overlay.commons import Commons, Component, Receivers
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId
from overlay.questions import Work
from overlay.wire.messages import SignMissed, SignSeen, SignWanted

if TYPE_CHECKING:

    from overlay.link.link import Link
    from overlay.membership.membership import Membership
    from overlay.membership.neighbours import Neighbours

FEATURE = "signs"
"""Of a hello: the sender understands questions about signs of life."""
ASKED = 3
"""Others that are asked about one suspect at a time, as many as SWIM's examples and its descendants ask."""
ANSWER_WITHIN = 2.0
"""Seconds that a peer of which a sign is wanted is given, where its own link is silent."""
ONCE_IN = 1.0
"""Seconds between two messages of one kind to one peer, whoever and however many want them."""
COST = 1.0
"""Of one message, as the rate limit counts what concerns members."""
SUSPECTS = 64
INQUIRIES = 32
"""Peers about which others are asking at a time; further questions are left out, as are those of more than L{ASKERS} about one."""
ASKERS = 16
_NOBODY: Any = MappingProxyType({})


@attrs.define(slots=True, eq=False)
class _Suspect:
    """
    @ivar asked: of whom an answer counts.
    @ivar seen: monotonic time of the last sign of life that others have had; None if they have told of none.
    @ivar again: asks again.
    """

    since: float
    asked: dict[PeerId, None] = attrs.field(factory=dict)
    seen: float | None = None
    again: IDelayedCall | None = None


@attrs.define(slots=True, eq=False)
class _Inquiry:
    """Who wants to know of a peer, and when they are answered at the latest."""

    askers: dict[PeerId, None]
    timer: IDelayedCall | None = None


def _inVain(failure: Failure) -> None:
    """Nobody waits for it."""
    failure.trap(SuperpeerError)


class Suspicion(Component):
    """A leaf has no part in it: it asks its other home, and is asked by its homes."""

    __slots__ = ("_inquiries", "_membership", "_neighbours", "_seen", "_suspects", "_told")

    def __init__(self, commons: Commons, membership: "Membership", neighbours: "Neighbours") -> None:
        super().__init__(commons)
        self._membership = membership
        self._neighbours = neighbours
        # Each is made when it is first needed: on most peers never.
        self._suspects: dict[PeerId, _Suspect] = _NOBODY
        self._seen: dict[PeerId, float] = _NOBODY
        self._inquiries: dict[PeerId, _Inquiry] = _NOBODY
        self._told: dict[tuple[type, PeerId], float] = _NOBODY
        membership.suspicion = self

    @classmethod
    def handlers(cls) -> Receivers:
        return {SignWanted: cls._wantedReceived, SignSeen: cls._seenReceived, SignMissed: cls._missedReceived}

    def stop(self) -> None:
        for peer in list(self._suspects):
            self._drop(peer)
        for inquiry in self._inquiries.values():
            if inquiry.timer is not None and inquiry.timer.active():
                inquiry.timer.cancel()

    # --- what others ask ---------------------------------------------------------------------------------------------

    def isVouchedFor(self, peer: bytes) -> bool:
        """Whether somebody else has had a sign of life of a peer, not so long ago that it would be dead by now."""
        suspect = self._suspects.get(PeerId(peer)) if self._suspects else None
        seen = suspect.seen if suspect is not None else self._seen.get(PeerId(peer))
        return seen is not None and self.commons.seconds() - seen < self.commons.settings.beats.dead

    def stateOf(self, link: "Link") -> str:
        """For people: C{there}, C{silent}, C{suspected}, or C{vouched for}: silent here, and seen by others."""
        if not link.silent:
            return "there"
        suspect = self._suspects.get(link.peerId)
        if suspect is None:
            return "silent"
        return "vouched for" if self.isVouchedFor(link.peerId) else "suspected"

    @property
    def suspected(self) -> list[PeerId]:
        """Super-peers that are suspected, by id."""
        return sorted(one for one in self._suspects if not self.isVouchedFor(one))

    # --- suspecting --------------------------------------------------------------------------------------------------

    def silenceChanged(self, link: "Link") -> None:
        peer = link.peerId
        if not link.silent:
            self._drop(peer)
        elif self._membership.serving and link.isSuper and len(self._suspects) < SUSPECTS:
            if self._suspects is _NOBODY:
                self._suspects = {}
            self._suspects[peer] = _Suspect(self.commons.seconds())
            self.commons.tally.count("suspicions", "begun")
            self._ask(peer)

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        self._drop(link.peerId, code == "dead")

    def _drop(self, peer: PeerId, dead: bool = False) -> None:
        suspect = self._suspects.pop(peer, None) if self._suspects else None
        if suspect is None:
            return
        if suspect.again is not None and suspect.again.active():
            suspect.again.cancel()
        if dead and suspect.seen is not None:
            if self._seen is _NOBODY:
                self._seen = {}
            self._seen.pop(peer, None)
            self._seen[peer] = suspect.seen
            while len(self._seen) > SUSPECTS:
                del self._seen[next(iter(self._seen))]

    def _ask(self, peer: PeerId) -> None:
        """Ask others, now and as long as it is silent."""
        suspect = self._suspects.get(peer)
        if suspect is None:
            return
        able = [
            link for link in self._neighbours.linked()
            if link.peerId != peer and not link.silent and FEATURE in link.features
        ]
        chosen = able if len(able) <= ASKED else self.commons.random.sample(able, ASKED)
        suspect.asked = {link.peerId: None for link in chosen}
        for link in chosen:
            link.send(SignWanted(peer))
        suspect.again = self.commons.clock.callLater(self.commons.settings.beats.suspect, self._ask, peer)

    def _seenReceived(self, link: "Link", message: SignSeen) -> None:
        """Somebody has had a sign of life; only of whom this peer has asked, and from whom it has asked."""
        suspect = self._suspects.get(PeerId(message.peer)) if self._suspects else None
        if suspect is None or link.peerId not in suspect.asked:
            self.commons.tally.count("drops", "sign")
            return
        del suspect.asked[link.peerId]
        if message.ago < self.commons.settings.beats.suspect:
            self.saw(PeerId(message.peer), message.ago)

    def saw(self, peer: PeerId, ago: float = 0.0) -> None:
        """There was a sign of life of a peer, but not over the link to it."""
        suspect = self._suspects.get(peer)
        if suspect is not None:
            if suspect.seen is None:
                self.commons.tally.count("suspicions", "put-off")
            suspect.seen = max(suspect.seen or 0.0, self.commons.seconds() - ago)

    # --- being asked -------------------------------------------------------------------------------------------------

    def _admits(self, link: "Link") -> bool:
        """Whether a super-peer may ask this one something now."""
        if not self._membership.serving or not link.isSuper:
            self.commons.tally.count("drops", "sign")
            return False
        if not self.commons.admit(link.peerId, Work.MEMBERSHIP, COST):
            self.commons.tally.count("drops", "rate")
            return False
        return True

    def _isNow(self, kind: type, peer: PeerId, wait: float = ONCE_IN) -> bool:
        """Whether a message of some kind may go to a peer, or a dial, since none has lately; it is noted as gone."""
        seconds = self.commons.seconds()
        if self._told is _NOBODY:
            self._told = {}
        if seconds < self._told.get((kind, peer), float("-inf")):
            return False
        self._told = {key: until for key, until in self._told.items() if seconds < until} if len(self._told) > SUSPECTS else self._told
        self._told[kind, peer] = seconds + wait
        return True

    def _wantedReceived(self, link: "Link", message: SignWanted) -> None:
        """Another super-peer has had no sign of somebody for a while: tell what is known here, or find out."""
        commons = self.commons
        if not self._admits(link):
            return
        peer = PeerId(message.peer)
        known, target = self._membership.get(peer), commons.links.get(peer)
        if known is None or not known.recognised or peer == link.peerId:
            return
        if target is not None:
            ago = commons.seconds() - target.heard
            fresh = ago < commons.settings.beats.keepAlive * 1.5
            if fresh:
                link.send(SignSeen(peer, ago))
            if FEATURE in target.features and self._isNow(SignMissed, peer):
                target.send(SignMissed(link.peerId))
            if not fresh and (inquiry := self._inquire(peer, link.peerId)) is not None:
                target.ask()
                inquiry.timer = commons.clock.callLater(ANSWER_WITHIN, self._answer, peer)
            return
        addresses = self._membership.addresses(peer)
        if (
            addresses and (peer in self._inquiries or self._isNow(SignWanted, peer, commons.settings.beats.suspect))
            and self._inquire(peer, link.peerId) is not None
        ):
            commons.links.probe(addresses[0], peer).addCallbacks(self._reached, self._notReached, (peer,), errbackArgs=(peer,))

    def _inquire(self, peer: PeerId, asker: PeerId) -> _Inquiry | None:
        """
        One more wants to know.

        @return: the inquiry, if that is the first who wants to know, so that something has to be done for it.
        """
        if self._inquiries is _NOBODY:
            self._inquiries = {}
        inquiry = self._inquiries.get(peer)
        if inquiry is None:
            if len(self._inquiries) >= INQUIRIES:
                self.commons.tally.count("drops", "sign")
                return None
            inquiry = self._inquiries[peer] = _Inquiry({asker: None})
            return inquiry
        if len(inquiry.askers) < ASKERS:
            inquiry.askers[asker] = None
        return None

    def _answer(self, peer: PeerId) -> None:
        """Its own link has had time to bring a sign."""
        target = self.commons.links.get(peer)
        ago = self.commons.seconds() - target.heard if target is not None else float("inf")
        self._tell(peer, ago if ago < ANSWER_WITHIN else None)

    def _reached(self, seconds: float, peer: PeerId) -> None:
        self._tell(peer, 0.0)

    def _notReached(self, failure: Failure, peer: PeerId) -> None:
        failure.trap(SuperpeerError)
        self._tell(peer, None)

    def _tell(self, peer: PeerId, ago: float | None) -> None:
        """Whoever has asked hears of a sign of life; of none it hears nothing."""
        inquiry = self._inquiries.pop(peer, None)
        for asker in inquiry.askers if inquiry is not None and ago is not None else ():
            link = self.commons.links.get(asker)
            if link is not None:
                link.send(SignSeen(peer, ago or 0.0))

    # --- being suspected ---------------------------------------------------------------------------------------------

    def _missedReceived(self, link: "Link", message: SignMissed) -> None:
        """Somebody misses this peer: give it a sign at once, over the link to it, or by dialling it if there is none here."""
        commons = self.commons
        if not self._admits(link):
            return
        peer = PeerId(message.by)
        known, missing = self._membership.get(peer), commons.links.get(peer)
        if known is None or not known.recognised or not self._isNow(SignSeen, peer):
            return
        addresses = self._membership.addresses(peer)
        if missing is not None:
            missing.giveSign()
        elif addresses and self._isNow(SignWanted, peer, commons.settings.beats.suspect):
            commons.links.probe(addresses[0], peer).addErrback(_inVain)
