"""The homes of this peer: chooses them, replaces lost ones, and keeps each up to date."""

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from overlay.commons import Commons, Component, Receivers
from overlay.errors import SuperpeerError, TurnedAway
from overlay.identity.ids import PeerId, shortText
from overlay.index.own import OwnRegistration
from overlay.link.room import FULL, FULL_RETRY
from overlay.questions import Deed
from overlay.roles.former import FormerHomes
from overlay.roles.heirlists import HeirLists
from overlay.roles.registering import FIRST_RETRY, LONGEST_RETRY, Home, HomeView
from overlay.wire.messages import HeirsNamed
from overlay.wire.registration import MoveTo, RegisterAnswer, Registered, Unregister
from overlay.wire.statements import HeirList, unseal

if TYPE_CHECKING:
    from collections.abc import Callable

    from overlay.link.link import Link
    from overlay.membership.known import Known
    from overlay.membership.membership import Membership

EVERY = 1.0
"""Seconds between two looks."""
CALM = 20.0
"""Of a leaf that has as many homes as it wants: whatever happens to one is told."""
GATHER = 0.2
"""Seconds over which changes of the share are joined into one difference."""
MOVE_WAIT = 20.0
HOMELESS_RETRY = 10.0
"""Seconds after which a super-peer that was full is asked again by a peer that has no home at all."""
CROWDED = "crowded"
"""Why there is no home that has no room even for a link."""
RETURNING = 5.0
"""Seconds after a start in which the homes that this peer had before are waited for."""


def _unheard(heirs: HeirList) -> None:
    """Nobody asks for it."""


class Homes(Component):
    """
    @ivar heirs: the signed lists of heirs of the homes.
    @ivar heard: called with the heirs of another super-peer while this peer serves; the election sets it.
    @ivar paused: whether this peer serves, and so is its own home.
    """

    __slots__ = (
        "_avoid", "_former", "_gather", "_homes", "_introduced", "_leaving", "_lost", "_membership",
        "_own", "_returningUntil", "_running", "_timer", "heard", "heirs", "paused",
    )

    def __init__(self, commons: Commons, membership: "Membership", own: OwnRegistration) -> None:
        super().__init__(commons)
        self._membership = membership
        self._own = own
        self._homes: dict[bytes, Home] = {}
        self._avoid: dict[bytes, tuple[float, float]] = {}
        self._leaving: dict[bytes, tuple[float, str]] = {}
        self._timer: IDelayedCall | None = None
        self._gather: IDelayedCall | None = None
        self._running = False
        self._former: list[bytes] = []
        self._lost = FormerHomes(commons, membership, own, self._isHome)
        self._returningUntil = 0.0
        self._introduced: tuple[bytes, ...] = ()
        self.paused = False
        self.heirs = HeirLists(commons)
        self.heard: Callable[[HeirList], None] = _unheard
        membership.changed.append(self._knownChanged)
        own.observers.append(self._ownChanged)

    @classmethod
    def handlers(cls) -> Receivers:
        return {
            RegisterAnswer: cls._answered,
            Registered: cls._acknowledged,
            MoveTo: cls._moved,
            HeirsNamed: cls._heirsNamed,
        }

    def start(self) -> None:
        self._running = True
        self._former = list(self._own.homes)
        self._lost.restart()
        self._returningUntil = self.commons.seconds() + RETURNING if self._former else 0.0
        self._own.start()
        self._timer = self.commons.clock.callLater(0.0, self._look)

    def stop(self) -> None:
        self._running = False
        self._own.stop()
        for timer in (self._timer, self._gather):
            if timer is not None and timer.active():
                timer.cancel()
        for home in self._homes.values():
            if home.link is not None and home.accepted:
                home.link.send(Unregister(False))

    # --- what others ask ---------------------------------------------------------------------------------------------

    @property
    def wanted(self) -> int:
        return self.commons.settings.homes

    def links(self) -> "list[Link]":
        """To the homes that have taken this peer, in order."""
        return [home.link for home in self._homes.values() if home.accepted and home.link is not None]

    def preferred(self) -> "Link | None":
        """The home to ask: one that is neither silent nor congested, if there is one."""
        return min(self.links(), key=lambda link: (link.silent, link.congested), default=None)

    @property
    def homeless(self) -> bool:
        return not self.paused and not self.links()

    def views(self) -> list[HomeView]:
        """Each home, for people and tests."""
        return [home.view() for home in self._homes.values()]

    def complete(self) -> list[PeerId]:
        """The homes that hold all that this peer shares."""
        sequence = self._own.sequence
        return [home.peerId for home in self._homes.values() if home.state == "registered" and home.sequence == sequence]

    def introduce(self) -> None:
        """Tell the homes of one another, and of others that this peer knows."""
        links = self.links()
        ids = tuple(link.peerId for link in links)
        if ids == self._introduced:
            return
        self._introduced = ids
        for link in links:
            self._membership.gossip.introduce(link)

    # --- the role ----------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """This peer serves: it is its own home, and registers nowhere else."""
        self.paused = True
        homes, self._homes = list(self._homes.values()), {}
        for home in homes:
            if home.link is not None and home.accepted:
                home.link.send(Unregister(True))
        self._lost.list([self.commons.peerId])

    def resume(self) -> None:
        """This peer is a leaf again."""
        self.paused = False
        self._lookSoon()

    # --- seeking -----------------------------------------------------------------------------------------------------

    def _lookSoon(self) -> None:
        if self._running and self._timer is not None and self._timer.active():
            self._timer.reset(0.0)

    def _knownChanged(self, peer: bytes) -> None:
        if not self.paused and len(self._homes) < self.wanted:
            self._lookSoon()

    def advertChanged(self, link: "Link") -> None:
        home = self._homes.get(link.peerId)
        if home is not None and not link.isSuper:
            home.life.gone("resigned")

    def _look(self) -> None:
        seconds = self.commons.seconds()
        self._lost.look()
        self._listIfOver()
        if not self.paused:
            for home in list(self._homes.values()):
                if home.state == "deferred" and seconds >= home.nextTry:
                    home.resume()
            self._avoid = {one: entry for one, entry in self._avoid.items() if seconds < entry[0] + entry[1]}
            missing = self.wanted - sum(one not in self._leaving for one in self._homes)
            chosen = self._choose(missing, seconds)
            for known in chosen:
                self._begin(known)
            if missing > len(chosen):
                self._membership.gossip.askMore()
        for peer, (until, code) in list(self._leaving.items()):
            if peer in self._homes and code == "balance":
                # It goes on serving, so it is left for one that has everything; if none is under way, it is kept.
                if seconds >= until and sum(one not in self._leaving for one in self._homes) < self.wanted:
                    del self._leaving[peer]
            elif peer not in self._homes or seconds >= until:
                self._leave(peer)
        deferred = any(home.state == "deferred" for home in self._homes.values())
        wait = CALM if len(self.links()) >= self.wanted and not self._leaving and not deferred else EVERY
        self._timer = self.commons.clock.callLater(wait, self._look)

    def _choose(self, count: int, seconds: float) -> "list[Known]":
        """
        After a start the former homes; else of two at random the less loaded, again and again: that keeps the loads even though what is
        known of them is old, where taking the least loaded would send all leaves to the same (Mitzenmacher 2000).
        """
        if count <= 0:
            return []
        able = [
            known for known in self._membership.superPeers()
            if known.peerId not in self._homes and (known.advert.addresses or known.peerId in self.commons.links)
            and seconds >= self._avoid.get(known.peerId, (0.0, 0.0))[0]
        ]
        chosen: list[Known] = []
        if seconds < self._returningUntil:
            # They hold our registration for its lease, and lack only what has changed; for a moment they are waited for.
            former = [one for one in self._former if one not in self._homes]
            chosen = [known for known in able if known.peerId in former][:count]
            able = [known for known in able if known.peerId not in former]
            count -= max(0, len(former) - len(chosen))
        while able and len(chosen) < count:
            two = self.commons.random.sample(able, min(2, len(able)))
            best = min(two, key=lambda known: known.advert.load)
            able.remove(best)
            chosen.append(best)
        return chosen

    def _begin(self, known: "Known") -> None:
        peer = known.peerId
        home = self._homes[peer] = Home(self.commons, self._own, peer, self)
        link = self.commons.links.get(peer)
        if link is not None:
            home.linked(link)
            return
        self._dial(home, self._membership.addresses(peer)[:3])

    def _dial(self, home: Home, addresses: list[str]) -> None:
        peer = home.peerId
        if self._homes.get(peer) is not home or not self._running:
            return
        if not addresses:
            self._membership.gossip.doubt(peer)
            home.life.gone("unreachable")
            return
        dialling = self.commons.links.dial(addresses[0], peer)
        dialling.addCallbacks(self._dialled, self._unanswered, callbackArgs=(home,), errbackArgs=(home, addresses[1:]))

    def _dialled(self, link: "Link", home: Home) -> None:
        if self._homes.get(home.peerId) is home:
            home.linked(link)

    def _unanswered(self, failure: Failure, home: Home, addresses: list[str]) -> None:
        failure.trap(SuperpeerError)
        said = failure.value
        if isinstance(said, TurnedAway) and self._homes.get(home.peerId) is home:
            # It lives, and would say the same at whatever address.
            home.life.gone(CROWDED if said.reason == FULL else said.reason)
        else:
            self._dial(home, addresses)

    # --- what a home tells -------------------------------------------------------------------------------------------

    def settled(self, home: Home) -> None:
        """A home holds everything."""
        self._avoid.pop(home.peerId, None)
        self._lost.forget(home.peerId)
        staying = self._staying()
        self._lost.list(staying)
        if len(staying) >= self.wanted:
            # At once, since many a peer does not stay for long; those who have fewer homes do it when they look around.
            self.introduce()
        if self._leaving and sum(self._homes[one].state == "registered" for one in staying) >= min(self.wanted, len(staying)):
            for peer in list(self._leaving):
                self._leave(peer)

    def _isHome(self, peer: bytes) -> bool:
        return peer in self._homes

    def _listIfOver(self) -> None:
        homes = self._staying()
        if self._lost.isOver(homes):
            self._lost.list(homes)

    def _staying(self) -> list[PeerId]:
        """The homes that are to be in the list, in order."""
        if self.paused:
            return [self.commons.peerId]
        return [one.peerId for one in self._homes.values() if one.accepted and one.peerId not in self._leaving]

    def left(self, home: Home, code: str) -> None:
        """A home is none any more."""
        peer = home.peerId
        if self._homes.get(peer) is home:
            del self._homes[peer]
        self._leaving.pop(peer, None)
        if code in ("moved", "resigned", "leaving"):
            self._lost.forget(peer)
        else:
            self._lost.lose(peer, home.lists)
        self._listIfOver()
        seconds = self.commons.seconds()
        last = self._avoid.get(peer, (0.0, FIRST_RETRY / 2))[1]
        wait = min(LONGEST_RETRY, 2 * last)
        if code in ("lost", "dead", "leaving", "unreachable"):
            wait = FIRST_RETRY
        elif code == CROWDED:
            wait = FULL_RETRY
        elif code == "full" and not self.links():
            wait = min(wait, HOMELESS_RETRY)
        self._avoid[peer] = (seconds + wait * self.commons.random.uniform(1.0, 1.3), wait)
        if code not in ("moved", "idle"):
            self.commons.log.info("home {home} is gone ({code})", home=shortText(peer), code=code)
        self._lookSoon()

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        home = self._homes.get(link.peerId)
        if home is not None and home.link is link:
            home.life.gone(code)

    def needs(self, link: "Link") -> bool:
        # Whoever has no home goes on asking those that it has reached.
        return link.peerId in self._homes or (link.isSuper and self.homeless)

    def linkClear(self, link: "Link") -> None:
        home = self._homes.get(link.peerId)
        if home is not None:
            home.pump()

    def _ownChanged(self) -> None:
        if self._running and self._gather is None:
            self._gather = self.commons.clock.callLater(GATHER, self._tellHomes)

    def _tellHomes(self) -> None:
        self._gather = None
        for home in list(self._homes.values()):
            home.ownChanged()

    # --- messages ----------------------------------------------------------------------------------------------------

    def _homeOf(self, link: "Link") -> Home | None:
        home = self._homes.get(link.peerId)
        return home if home is not None and home.link is link else None

    def _answered(self, link: "Link", message: RegisterAnswer) -> None:
        for signed in message.adverts:
            self._membership.take(signed, link)
        home = self._homeOf(link)
        if home is not None:
            home.answered(message)

    def _acknowledged(self, link: "Link", message: Registered) -> None:
        home = self._homeOf(link)
        if home is not None:
            home.acknowledged(message)

    def _moved(self, link: "Link", message: MoveTo) -> None:
        """The home sends us elsewhere; it stays one until another has everything."""
        if self._homeOf(link) is None or self.paused:
            return
        named = [self._membership.take(signed, link) for signed in message.adverts]
        if message.code == "balance":
            others = [known for known in named if known is not None and known.recognised and known.peerId not in self._homes]
            if not others:
                # Whoever is registered there already evens nothing out by leaving here.
                return
            if link.peerId not in self._leaving:
                # One for one: a home that names many does not make this leaf theirs.
                self._begin(others[0])
        elif message.holder and link.peerId not in self._leaving:
            # All that is shared is there already, so nothing of it need be sent.
            for known in named:
                if known is not None and known.peerId == message.holder and known.recognised and known.peerId not in self._homes:
                    self._begin(known)
        within = min(max(message.within, 1.0), 300.0)
        self._leaving[link.peerId] = (self.commons.seconds() + min(within, MOVE_WAIT), message.code)
        self._lookSoon()

    def _leave(self, peer: bytes) -> None:
        self._leaving.pop(peer, None)
        home = self._homes.get(peer)
        if home is not None and (len(self.links()) > 1 or not home.accepted):
            if home.link is not None:
                home.link.send(Unregister(True))
            home.life.gone("moved")

    def _heirsNamed(self, link: "Link", message: HeirsNamed) -> None:
        commons = self.commons
        ofHome = self._homeOf(link) is not None
        if not ofHome and not self._membership.serving:
            return
        try:
            heirs = unseal(commons.scheme, message.heirs, HeirList, commons.network.id, link.peerId)
        except SuperpeerError:
            commons.report(link.peerId, Deed.FORGED_STATEMENT)
            return
        if heirs.home != link.peerId:
            commons.report(link.peerId, Deed.FORGED_STATEMENT)
            return
        if not ofHome:
            self.heard(heirs)
            return
        self.heirs.put(heirs.home, message.heirs)
