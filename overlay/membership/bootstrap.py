"""Finds the network: dials what the user named, what is remembered from earlier, and never gives up."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import attrs
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from overlay.commons import Commons, Component
from overlay.errors import SuperpeerError
from overlay.membership.gossip import SAMPLE
from overlay.wire import limits
from overlay.wire.messages import AdvertsWanted
from overlay.wire.statements import Advert, Signed, contentOf

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

AT_ONCE = 4
"""Addresses that are dialled at a time."""
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
LOOK = 0.5
"""Seconds between two looks while no super-peer is reached."""
CALM = 15.0
"""Seconds between two looks of a peer that is well."""
UNUSED = 20.0
"""Seconds after which a link that this peer dialled and no part of it needs is ended."""
ISLANDS = 60.0
"""Seconds after which a super-peer tries one remembered address that it has no link to, so that islands meet."""


@attrs.define(slots=True)
class _Target:
    """
    One address to try.

    @ivar peer: the id that is expected there, or None.
    @ivar next: monotonic time of the next attempt.
    """

    address: str
    peer: bytes | None
    given: bool
    next: float = 0.0
    wait: float = FIRST_WAIT
    dialling: bool = False


class Bootstrap(Component):
    """
    @ivar since: monotonic time since when no super-peer has been reached; None while one is, or while this peer serves.
    @ivar problem: why the last attempt failed, for people.
    @ivar needed: whether a part of this peer needs a link; the peer sets it.
    """

    def __init__(self, commons: Commons, membership: "Membership", addresses: list[str]) -> None:
        super().__init__(commons)
        self._membership = membership
        self._targets: dict[str, _Target] = {one: _Target(one, None, True) for one in addresses}
        self._timer: IDelayedCall | None = None
        self._islands = 0.0
        self.since: float | None = commons.seconds()
        self.problem = ""
        self.needed: Callable[[Link], bool] = lambda link: True
        self._unused: dict[Link, float] = {}

    @property
    def addresses(self) -> list[str]:
        """All that are known."""
        return list(self._targets)

    @property
    def alone(self) -> bool:
        """Whether there is no address to try, and nobody linked."""
        return not self._targets and not len(self.commons.links) and not self._membership.superPeers()

    @property
    def trying(self) -> bool:
        return self.since is not None and not self.alone

    @property
    def joined(self) -> bool:
        return self.since is None

    def start(self) -> None:
        seconds = self.commons.seconds()
        self.since = seconds
        for signed in self._membership.cache.adverts():
            self._remember(signed)
        self._islands = seconds + ISLANDS * self.commons.random.uniform(0.5, 1.5)
        self._timer = self.commons.clock.callLater(0.0, self._look)

    def stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def poke(self) -> None:
        """Try again now."""
        for target in self._targets.values():
            target.next, target.wait = 0.0, FIRST_WAIT
        if self._timer is not None and self._timer.active():
            self._timer.reset(0.0)

    def _remember(self, signed: Signed) -> None:
        """What the cache holds may be expired: it says only where somebody was."""
        try:
            advert = contentOf(signed, Advert)
        except SuperpeerError:
            return
        if signed.signer == self.commons.peerId:
            return
        for address in advert.addresses[:2]:
            self._targets.setdefault(address, _Target(address, advert.owner, False))

    def linkMade(self, link: "Link") -> None:
        if not link.isSuper and link.dialled:
            link.send(AdvertsWanted(sample=SAMPLE))
        self._see()

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        self._unused.pop(link, None)
        self._see()
        if self.since is not None:
            self.poke()

    def advertChanged(self, link: "Link") -> None:
        before = self.since
        self._see()
        if before is None and self.since is not None:
            self.poke()

    def _reached(self) -> bool:
        membership = self._membership
        if membership.serving:
            return True
        for link in self.commons.links:
            known = membership.get(link.peerId)
            if known is not None and known.recognised and known.alive:
                return True
        return False

    def _see(self) -> None:
        if self._reached():
            self.since = None
        elif self.since is None:
            self.since = self.commons.seconds()

    def _look(self) -> None:
        self._see()
        seconds = self.commons.seconds()
        calm = self.since is None
        if not calm:
            self._targetsFromMembership()
            for target in self._due(seconds):
                self._dial(target)
        elif self._membership.serving and seconds >= self._islands:
            self._islands = seconds + ISLANDS * self.commons.random.uniform(0.5, 1.5)
            self._meetIslands()
        if calm:
            self._endUnused(seconds)
        wait = CALM * (1 if self._membership.serving or self._unused else 2) if calm else LOOK
        self._timer = self.commons.clock.callLater(wait, self._look)

    def _targetsFromMembership(self) -> None:
        for known in self._membership.superPeers()[:64]:
            for address in known.advert.addresses[:2]:
                self._targets.setdefault(address, _Target(address, known.peerId, False))
        while len(self._targets) > 2 * limits.ADVERT_IDS_PER_MESSAGE:
            old = next((one for one in self._targets.values() if not one.given and not one.dialling), None)
            if old is None:
                return
            del self._targets[old.address]

    def _due(self, seconds: float) -> Iterator[_Target]:
        busy = sum(one.dialling for one in self._targets.values())
        ready = [one for one in self._targets.values() if not one.dialling and one.next <= seconds]
        # What the user named comes first, then whoever has been tried least.
        self.commons.random.shuffle(ready)
        ready.sort(key=lambda one: (not one.given, one.wait))
        own = set(self._membership.ownAddresses())
        for target in ready[: max(0, AT_ONCE - busy)]:
            if target.address not in own or target.given:
                yield target

    def _dial(self, target: _Target) -> None:
        target.dialling = True
        dialling = self.commons.links.dial(target.address, target.peer)
        dialling.addCallbacks(self._dialled, self._failed, callbackArgs=(target,), errbackArgs=(target,))

    def _dialled(self, link: "Link", target: _Target) -> None:
        target.dialling = False
        target.wait = FIRST_WAIT
        target.next = self.commons.seconds() + CALM
        self.problem = ""
        self._see()

    def _failed(self, failure: Failure, target: _Target) -> None:
        failure.trap(SuperpeerError)
        target.dialling = False
        self.problem = failure.getErrorMessage()
        if ": self" in self.problem and not (target.peer and target.given):
            # It was this peer's own address.
            self._targets.pop(target.address, None)
            return
        target.next = self.commons.seconds() + target.wait * self.commons.random.uniform(0.8, 1.2)
        target.wait = min(LONGEST_WAIT, 1.6 * target.wait)
        if target.given:
            self.commons.log.debug("{address} was not reached: {problem}", address=target.address, problem=self.problem)

    def _meetIslands(self) -> None:
        """Dial one place that was known once and is no part of what is known now."""
        linked = {link.peerId for link in self.commons.links}
        known = {one.peerId for one in self._membership.superPeers()}
        for signed in self._membership.cache.adverts():
            self._remember(signed)
        far = [
            one for one in self._targets.values()
            if not one.dialling and one.peer not in linked and one.peer not in known
            and one.address not in self._membership.ownAddresses()
        ]
        if far:
            self._dial(self.commons.random.choice(far))

    def _endUnused(self, seconds: float) -> None:
        """What was dialled to find the network, or to ask something once, has done its work."""
        for link in self.commons.links:
            if not link.dialled or self.needed(link):
                self._unused.pop(link, None)
            elif seconds - self._unused.setdefault(link, seconds) > UNUSED:
                link.close("idle", "this link is not used")
