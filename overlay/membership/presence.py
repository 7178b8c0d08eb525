"""What this peer says of itself: its own advert, which is issued anew when there is something to tell."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall

from overlay import __version__
from overlay.commons import Commons, Component
from overlay.wire import limits
from overlay.wire.statements import Advert, Capacity, Mandate, Signed, seal

if TYPE_CHECKING:
    from overlay.membership.gossip import Gossip

LOAD_SOON = 1.0
LOAD_LATER = 60.0
"""Seconds after which a change of load is told, if it is more than a tenth or not."""
_SEQUENCE = b"sequence"


def _none() -> int:
    return 0


def _unmeasured(uptime: float) -> Capacity:
    return Capacity(uptime=int(uptime))


class Presence(Component):
    """
    @ivar role: C{leaf} or C{super}.
    @ivar loadOf: registrations that this peer holds; hosting sets it.
    @ivar capacity: what this machine has free, by uptime; the daemon sets it.
    @ivar hidden: whether others have found that they cannot dial this peer: then it says of no address that they can.
    @ivar gossip: tells others; L{overlay.membership.membership.Membership} makes it.
    """

    __slots__ = (
        "_heirs", "_issueSoon", "_issuedAt", "_mandate", "_own", "_ownAdvert", "_sequence", "_started", "_stopped", "_table",
        "capacity", "gossip", "hidden", "loadOf", "role",
    )

    gossip: "Gossip"

    def __init__(self, commons: Commons) -> None:
        super().__init__(commons)
        self.role = "leaf"
        self.hidden = False
        self.loadOf: Callable[[], int] = _none
        self.capacity: Callable[[float], Capacity] = _unmeasured
        self._mandate: Mandate | None = None
        self._heirs: Signed | None = None
        self._own: Signed | None = None
        self._ownAdvert: Advert | None = None
        self._stopped = False
        self._started = commons.seconds()
        self._issuedAt = float("-inf")
        self._issueSoon: IDelayedCall | None = None
        self._table = commons.softTable("membership")
        self._sequence = int.from_bytes(self._table.get(_SEQUENCE) or b"\0", "big")

    def start(self) -> None:
        self._started = self.commons.seconds()

    def stop(self) -> None:
        self._stopped = True
        if self._issueSoon is not None and self._issueSoon.active():
            self._issueSoon.cancel()

    @property
    def serving(self) -> bool:
        return self.role == "super"

    def uptime(self) -> float:
        """Seconds since the start."""
        return self.commons.seconds() - self._started

    def ownAddresses(self) -> list[str]:
        """At which others may dial this peer; none if they have tried and cannot."""
        return [] if self.hidden else self.allAddresses()

    def allAddresses(self) -> list[str]:
        """At which others may try to dial this peer."""
        if not self.commons.links.port:
            return []
        return list(self.commons.settings.advertise or self.commons.links.observedAddresses())[: limits.ADDRESSES]

    def setRole(self, role: str, mandate: Mandate | None = None, heirs: Signed | None = None) -> None:
        """This peer has another role, or other grounds for it: tell everybody linked."""
        self.role, self._mandate, self._heirs = role, mandate, heirs
        self.commons.links.serving = self.serving
        self.announce()

    def announce(self) -> None:
        """Issue a new advert and send it to all links."""
        self._own = None
        self.gossip.tell(self.ownSigned(), True)

    def refresh(self) -> None:
        """Tell if the last advert was getting old, or if this peer has other addresses now."""
        before, told = self._own, self._ownAdvert
        signed = self.ownSigned()
        if signed is not before and told is not None:
            self.gossip.tell(signed, told.addresses != self.ownAdvert().addresses)

    def loadChanged(self) -> None:
        """
        The number of registrations has changed: tell the linked super-peers, soon if it is much, else within a minute. All others hear of
        it when they compare what they know.
        """
        if self._ownAdvert is None or self._stopped:
            return
        load, said, soon = self.loadOf(), self._ownAdvert.load, self._issueSoon
        wait = LOAD_SOON if abs(load - said) > 0.1 * said else LOAD_LATER
        if soon is None and load != said:
            self._issueSoon = self.commons.clock.callLater(wait, self._loadTold)
        elif soon is not None and wait == LOAD_SOON and soon.getTime() > self.commons.seconds() + wait:
            soon.reset(wait)

    def _loadTold(self) -> None:
        self._issueSoon = None
        if self._ownAdvert is not None and self._ownAdvert.load != self.loadOf():
            self._own = None
            self.gossip.tell(self.ownSigned(), False)

    def ownAdvert(self) -> Advert:
        """This peer's current advert."""
        self.ownSigned()
        assert self._ownAdvert is not None
        return self._ownAdvert

    def ownSigned(self) -> Signed:
        """The same, signed; a new one if addresses have changed or the last one is getting old."""
        commons = self.commons
        seconds = commons.seconds()
        addresses = self.ownAddresses()
        own = self._ownAdvert
        if (
            self._own is not None and own is not None and own.addresses == addresses
            and seconds - self._issuedAt < commons.settings.advert
            # Our clock was wrong when it was issued, and the others' have put it right since.
            and abs(own.issued + seconds - self._issuedAt - commons.now()) < limits.CLOCK_SLACK / 2
        ):
            return self._own
        self._sequence += 1
        self._table.put(_SEQUENCE, self._sequence.to_bytes(8, "big"))
        now = int(commons.now())
        self._ownAdvert = Advert(
            commons.network.id, commons.peerId, self._sequence, now, now + int(limits.ADVERT_LIFE), self.role, addresses,
            self.capacity(self.uptime()), self.loadOf(), f"superpeer/{__version__}", self._mandate, self._heirs,
        )
        self._own = seal(commons.identity, self._ownAdvert)
        self._issuedAt = seconds
        return self._own
