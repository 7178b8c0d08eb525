"""Whom this peer knows: verified adverts, who is alive, who serves; and its own advert."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from overlay.commons import Commons, Receivers
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId, shortText
from overlay.membership.cache import PeerCache
from overlay.membership.clock import NetworkTime
from overlay.membership.gossip import Gossip
from overlay.membership.known import Known
from overlay.membership.met import Met
from overlay.membership.presence import Presence
from overlay.membership.view import View
from overlay.questions import Claim, Deed
from overlay.wire import limits
from overlay.wire.address import networkGroup
from overlay.wire.messages import AdvertIds, Adverts, AdvertsWanted
from overlay.wire.statements import Advert, Signed, unseal

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.suspicion import Suspicion

KNOWN_MOST = 20_000
"""Peers that a super-peer knows at most."""
LEAF_KNOWN_MOST = 32
"""A leaf knows no more than it may want for homes."""
SILENT = 2.5
"""A super-peer whose advert is older than so many advert intervals is taken for dead."""


class Mandates(Protocol):
    """What has to be known of mandates; it is the election that knows."""

    def judge(self, advert: Advert) -> tuple[bool, bool, str]:
        """
        @return: whether the advert's mandate holds, whether its owner serves as an heir, and what is wrong with the mandate.
        """

    def live(self) -> int:
        """How many mandates there are that are not brand new."""


class _NoMandates:
    """Before there is an election."""

    def judge(self, advert: Advert) -> tuple[bool, bool, str]:
        return False, False, ""

    def live(self) -> int:
        return 0


_NO_MANDATES = _NoMandates()


def _nobody() -> int:
    return 0


class Membership(Presence):
    """
    Whom this peer knows, beside what it says of itself.

    @ivar mandates: whether an advert's mandate or heir list holds; L{overlay.roles.election} sets it.
    @ivar cache: super-peers remembered over a restart.
    @ivar met: since when each linked peer is known to have been up.
    @ivar suspicion: whether others have had a sign of life of a peer lately; it sets this itself.
    @ivar unmet: how many super-peers there may be that this peer has not tried to reach yet; bootstrap sets it.
    @ivar changed: called with a peer's id when it becomes known, changes or dies.
    """

    __slots__ = ("_known", "_view", "cache", "changed", "mandates", "met", "suspicion", "unmet")

    def __init__(self, commons: Commons) -> None:
        super().__init__(commons)
        self.mandates: Mandates = _NO_MANDATES
        self.suspicion: Suspicion | None = None
        self.unmet: Callable[[], int] = _nobody
        self.changed: list[Callable[[bytes], None]] = []
        self._known: dict[bytes, Known] = {}
        self._view = View(self._known, commons.isRefused)
        self.cache = PeerCache(commons)
        self.met = Met(commons)
        commons.now = NetworkTime(commons, commons.links).read
        commons.links.acquaintances = self
        self.gossip = Gossip(commons, self)

    @classmethod
    def handlers(cls) -> Receivers:
        return {
            Adverts: lambda part, link, message: part.gossip.advertsReceived(link, message),
            AdvertIds: lambda part, link, message: part.gossip.idsReceived(link, message),
            AdvertsWanted: lambda part, link, message: part.gossip.wantedReceived(link, message),
        }

    def start(self) -> None:
        super().start()
        self.gossip.start()

    def stop(self) -> None:
        super().stop()
        self.gossip.stop()

    def linkMade(self, link: "Link") -> None:
        self.refresh()
        self.met.note(link.peerId, link.boot)
        if link.advertSigned is not None:
            self.take(link.advertSigned, link)
        self.gossip.greet(link)

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        self.met.left(link.peerId)
        known = self._known.get(link.peerId)
        if known is None:
            return
        if known.advert.role != "super":
            self._forget(link.peerId)
        elif code in ("leaving", "dead", "lost"):
            # One that says goodbye is gone. A broken link may be no more than that: the gossip looks again.
            if code == "leaving":
                self.markDead(link.peerId, True)
            else:
                self.gossip.doubt(link.peerId, True)

    # --- whom we know ------------------------------------------------------------------------------------------------

    def get(self, peer: bytes) -> Known | None:
        """What is known of a peer, alive or not."""
        return self._known.get(peer)

    def otherwise(self, have: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int, Known | None]]:
        """
        @param have: ids, and the sequence numbers of adverts.
        @return: those of them that are not known here just so, and alive, each with what is known: most often few of hundreds.
        """
        known = self._known
        return [
            (peer, sequence, one) for peer, sequence in have
            if (one := known.get(peer)) is None or one.advert.sequence != sequence or not one.alive
        ]

    def __iter__(self) -> Iterator[Known]:
        return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def superPeers(self) -> list[Known]:
        """Other super-peers that are alive and recognised, by id."""
        return list(self.superPeerView())

    def superPeerView(self) -> tuple[Known, ...]:
        """The same, not to be altered: the very same object as long as nobody comes, goes, or gains or loses a mandate."""
        return self._view.get()

    def refusalsChanged(self) -> None:
        """Somebody is blocked or expelled, or no longer."""
        self._view.renew()

    def mandated(self) -> list[Known]:
        """Those of L{superPeers} whose mandate holds."""
        return [known for known in self.superPeers() if known.mandated]

    def addresses(self, peer: bytes) -> list[str]:
        """At which a peer may be dialled; after a restart, where it was when it was last heard of."""
        known = self._known.get(peer)
        addresses = list(known.advert.addresses) if known is not None else self.cache.addresses(peer)
        link = self.commons.links.get(peer)
        if link is not None and link.dialledAddress:
            addresses = [link.dialledAddress, *addresses]
        return list(dict.fromkeys(addresses))

    def sample(self, count: int = 4, without: frozenset[bytes] = frozenset()) -> list[Signed]:
        """Adverts of random living super-peers, our own first if we serve."""
        others: Sequence[Known] = self.superPeerView()
        if len(others) > count + len(without):
            # So many that what is left out can be: there are some more than are wanted.
            others = self.commons.random.sample(others, count + len(without))
        picked = [known.signed for known in others if known.peerId not in without]
        if len(picked) > count:
            picked = self.commons.random.sample(picked, count)
        if self.serving and self.commons.peerId not in without:
            picked = [self.ownSigned(), *picked][:count]
        return picked

    def knewBefore(self, peer: bytes) -> bool:
        return peer in self._known or peer in self.cache or peer in self.met

    def take(self, signed: Signed, link: "Link | None" = None) -> Known | None:
        """
        Verify an advert and keep it if it is the newest of its owner.

        @param link: whoever brought it, who answers for a forgery.
        @return: what is known of its owner now; None if the advert is no good.
        """
        commons = self.commons
        peer = signed.signer
        if peer == commons.peerId or commons.isRefused(peer):
            return None
        held = self._known.get(peer)
        if held is not None and held.signed.body == signed.body:
            self._revive(held, link)
            return held
        try:
            advert = unseal(commons.scheme, signed, Advert, commons.network.id)
        except SuperpeerError as problem:
            commons.tally.count("drops", "forged-advert")
            if link is not None:
                commons.report(link.peerId, Deed.FORGED_STATEMENT)
            commons.log.info("an advert is no good: {problem}", problem=problem)
            return None
        now = commons.now()
        if advert.owner != peer or advert.role not in ("leaf", "super"):
            commons.tally.count("drops", "forged-advert")
            if link is not None:
                commons.report(link.peerId, Deed.FORGED_STATEMENT)
            return None
        if advert.expires <= now or advert.issued > now + limits.CLOCK_SLACK:
            commons.tally.count("drops", "expired-advert")
            return None
        if held is not None and held.advert.sequence >= advert.sequence:
            return held
        # The id in the advert is one object for all who know it.
        return self._keep(PeerId(advert.owner), signed, advert, held, link)

    def _keep(
        self, peer: PeerId, signed: Signed, advert: Advert, held: Known | None, link: "Link | None"
    ) -> Known | None:
        commons = self.commons
        own = link is not None and link.peerId == peer
        if held is None and advert.role == "leaf" and not own and commons.links.get(peer) is None:
            return None
        if held is None:
            if len(self._known) >= (KNOWN_MOST if self.serving else LEAF_KNOWN_MOST) and not self._makeRoom():
                return None
            held = self._known[peer] = Known(peer, signed, advert, commons.seconds())
            if link is not None:
                held.source = networkGroup(link.address)
            news = True
        else:
            news = not held.alive or held.differs(advert)
        before = (held.advert.role, held.recognised, held.alive)
        if not held.alive:
            self._view.touch(peer)
        held.signed, held.advert, held.heard, held.alive = signed, advert, commons.seconds(), True
        if news:
            self._judge(held)
            if held.recognised:
                self.cache.put(held, link.peerId if link is not None else b"")
        linked = commons.links.get(peer)
        if linked is not None:
            linked.showed(advert, signed)
        if news:
            self.gossip.learned(held, link)
        if linked is not None:
            commons.links.observer.advertChanged(linked)
        if before != (held.advert.role, held.recognised, held.alive) or not own:
            self._tell(peer)
        return held

    def _revive(self, held: Known, link: "Link | None") -> None:
        """The same advert again: news only from its owner itself."""
        if link is not None and link.peerId == held.peerId:
            held.heard = self.commons.seconds()
            if not held.alive:
                held.alive = True
                self._view.touch(held.peerId)
                self._tell(held.peerId)

    def revived(self, peer: bytes) -> None:
        """A peer has answered a dial."""
        known = self._known.get(peer)
        if known is None:
            return
        known.heard = self.commons.seconds()
        if not known.alive:
            known.alive = True
            self._view.touch(peer)
            self._judge(known)
            self._tell(peer)

    def _makeRoom(self) -> bool:
        """Forget who is dead; a leaf also the one that it has known for longest and is not linked to."""
        links = self.commons.links
        for peer, known in self._known.items():
            if not known.alive or (not self.serving and peer not in links):
                self._forget(PeerId(peer))
                return True
        return False

    def _forget(self, peer: PeerId) -> None:
        known = self._known.pop(peer, None)
        if known is not None:
            if known.alive and known.recognised:
                self._view.touch(peer)
            self._tell(peer)

    def _tell(self, peer: bytes) -> None:
        for callback in list(self.changed):
            callback(peer)

    def _judge(self, known: Known) -> None:
        if known.advert.role != "super":
            if known.recognised:
                self._view.touch(known.peerId)
            known.mandated = known.heir = known.recognised = False
            known.problem = ""
            return
        before = known.mandated
        known.mandated, known.heir, known.problem = self.mandates.judge(known.advert)
        if known.mandated != before:
            self._view.touch(known.peerId)
        claim = Claim(known.peerId, known.mandated, known.heir, known.problem, self.mandates.live())
        recognised = bool(self.commons.policies.election.recognises(claim))
        if known.problem and not known.mandated:
            self.commons.tally.count("drops", "bad-mandate")
            link = self.commons.links.get(known.peerId)
            if link is not None and known.recognised != recognised:
                self.commons.report(known.peerId, Deed.BAD_MANDATE)
        if known.recognised != recognised:
            # To know how many mandates there are it may have been looked at in between.
            self._view.touch(known.peerId)
        known.recognised = recognised

    def rejudge(self, whole: bool = True) -> None:
        """
        Judge super-peers again: mandates expire, and the view of the network grows.

        @param whole: whether to judge those too whose mandates held the last time.
        """
        commons = self.commons
        seconds = commons.seconds()
        old = SILENT * commons.settings.advert
        for known in list(self._known.values()):
            if known.advert.role != "super":
                continue
            before = known.recognised
            if known.alive:
                if whole or not (known.mandated and known.recognised):
                    self._judge(known)
                if commons.links.get(known.peerId) is not None:
                    known.heard = seconds
                elif seconds - known.heard > old:
                    self.gossip.doubt(known.peerId)
            elif seconds - known.heard > 4 * old:
                self._forget(known.peerId)
                continue
            if known.recognised != before:
                self._tell(known.peerId)

    def markDead(self, peer: bytes, gossip: bool) -> None:
        """
        A peer does not answer.

        @param gossip: whether to tell others, unless they have seen it.
        """
        known = self._known.get(peer)
        if known is None or not known.alive:
            return
        known.alive = False
        known.heard = self.commons.seconds()
        self._view.touch(peer)
        self.commons.tally.count("deaths")
        self.commons.log.debug("{peer} is dead", peer=shortText(peer))
        if gossip and (self.suspicion is None or not self.suspicion.isVouchedFor(peer)):
            self.gossip.died(peer)
        self._tell(peer)

    def show(self, link: "Link", adverts: Sequence[Signed]) -> None:
        """Send adverts over a link."""
        for start in range(0, len(adverts), limits.ADVERTS_PER_MESSAGE):
            link.send(Adverts(list(adverts[start : start + limits.ADVERTS_PER_MESSAGE])))
