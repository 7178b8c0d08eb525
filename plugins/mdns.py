"""Peers on the local network, by multicast DNS (RFC 6762)."""

import hmac
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from zope.interface import implementer

from overlay.discovery import Discovery, DiscoverySurroundings
from overlay.errors import SuperpeerError, UsageError
from overlay.identity.ids import PeerId, idText, parseId
from overlay.identity.network import Network
from overlay.interfaces import IDiscovery
from overlay.plugins._zeroconf import Air, Said, loadZeroconf, localHosts
from overlay.policy import PolicyPlugin
from overlay.questions import Announcement, Lead
from overlay.wire.address import formatAddress, parseAddress

LISTENS = 2.5
"""Seconds that pass before it says that nobody is there: answers come within half a second (RFC 6762, section 6)."""
MOST = 64
"""Peers that are remembered: anybody on the local network can make some up."""
WHEN = ("always", "serving", "never")
T = TypeVar("T")


def tagOf(network: Network, key: bytes) -> str:
    """
    By what peers of one network know each other: 16 hexadecimal digits. Of a closed network it says nothing to whoever does not have the
    key, and is another once the key is rotated.
    """
    return hmac.digest(key or b"open", b"superpeer mdns\0" + network.id, "sha256")[:8].hex()


def tagsOf(network: Network) -> set[str]:
    """All that are taken: that of the key before the last rotation too, since whoever has been away has only that."""
    return {tagOf(network, key) for key in (network.key, network.previousKey) if key or network.isOpen}


def labelOf(tag: str, peer: PeerId) -> str:
    """The name of a peer's service."""
    return f"{tag}-{idText(peer)}"


@implementer(IDiscovery)
class Multicast(Discovery):
    """Announces this peer as C{_superpeer._tcp} and looks for others of its network."""

    def __init__(self, surroundings: DiscoverySurroundings, announce: str = "always", interface: str = "") -> None:
        """
        @param announce: C{always}, C{serving} (as long as this peer is a super-peer) or C{never}.
        @param interface: address of the network interface to use; empty for all.
        """
        if announce not in WHEN:
            raise ValueError(f"announce is {', '.join(WHEN[:-1])} or {WHEN[-1]}, not {announce!r}")
        if interface:
            ip_address(interface)
        if surroundings.reactor is None:
            raise UsageError("discovery mdns: there is no local network here")
        self._module = loadZeroconf()
        self._when = announce
        self._interface = interface
        self._peerId = surroundings.peerId
        self._network = surroundings.network
        self._clock = surroundings.clock
        self._reactor = surroundings.reactor
        self._log = surroundings.log
        self._lock = DeferredLock()
        self._air: Air | None = None
        self._stopped = False
        self._announcement: Announcement | None = None
        self._said: Said | None = None
        self._leads: dict[str, list[Lead]] = {}
        self._found: Callable[[Sequence[Lead]], None] = lambda leads: None

    # --- what the mechanism asks -------------------------------------------------------------------------------------

    def start(self, found: Callable[[Sequence[Lead]], None]) -> None:
        self._found = found

    def find(self) -> Sequence[Lead] | Deferred[list[Lead]]:
        if self._air is not None:
            self._tell()
            return self._known()
        opened = self._inThread(self._open)
        opened.addCallback(self._opened)
        opened.addCallback(lambda ignored: deferLater(self._clock, LISTENS))
        return opened.addCallback(lambda ignored: self._known())

    def announce(self, announcement: Announcement) -> None:
        self._announcement = announcement
        self._tell()

    def stop(self) -> Deferred[None]:
        self._stopped = True
        return self._inThread(self._close)

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _inThread(self, what: Callable[[], T]) -> Deferred[T]:
        """One thing after the other."""
        return self._lock.run(deferToThreadPool, self._reactor, self._reactor.getThreadPool(), what)

    def _open(self) -> Air | None:
        return None if self._stopped else Air(self._module, self._interface, self._isOurs, self._heard)

    def _close(self) -> None:
        if self._air is not None:
            self._air.close()

    def _isOurs(self, label: str) -> bool:
        return _peerOf(label, tagsOf(self._network())) is not None

    def _heard(self, label: str, hosts: list[str], port: int) -> None:
        self._reactor.callFromThread(self._hears, label, hosts, port)

    # --- in the reactor ----------------------------------------------------------------------------------------------

    def _opened(self, air: Air | None) -> None:
        self._air = air
        self._tell()

    def _known(self) -> list[Lead]:
        return [lead for leads in self._leads.values() for lead in leads]

    def _hears(self, label: str, hosts: list[str], port: int) -> None:
        """A peer has come, has changed, or is gone (no hosts)."""
        peer = _peerOf(label, tagsOf(self._network()))
        if self._stopped or peer is None or peer == self._peerId:
            return
        self._leads.pop(label, None)
        leads = []
        for host in hosts:
            address = formatAddress(host, port)
            try:
                parseAddress(address)
            except SuperpeerError:
                continue
            leads.append(Lead(address, peer))
        if leads:
            if len(self._leads) >= MOST:
                del self._leads[next(iter(self._leads))]
            self._leads[label] = leads
            self._found(leads)

    def _tell(self) -> None:
        """Announce what is true now, if that is something else than before."""
        air, announcement = self._air, self._announcement
        if air is None or announcement is None or self._stopped:
            return
        said = self._sayingOf(announcement)
        if said == self._said:
            return
        self._said = said
        self._inThread(lambda: air.tell(said)).addErrback(self._notTold)

    def _sayingOf(self, announcement: Announcement) -> Said | None:
        if self._when == "never" or (self._when == "serving" and not announcement.serving):
            return None
        if announcement.host:
            hosts = [announcement.host]
        else:
            hosts = [self._interface] if self._interface else localHosts()
        network = self._network()
        return Said(labelOf(tagOf(network, network.key), self._peerId), tuple(hosts), announcement.port) if hosts else None

    def _notTold(self, failure: Failure) -> None:
        """It is tried again when it is next asked."""
        self._said = None
        self.problem = f"this peer is not announced: {failure.getErrorMessage() or type(failure.value).__name__}"
        self._log.warn("discovery mdns: {problem}", problem=self.problem)


def _peerOf(label: str, tags: set[str]) -> PeerId | None:
    """Whose label it is, if it is one of the network with these tags."""
    tag, _, text = label.partition("-")
    try:
        return parseId(text) if tag in tags else None
    except UsageError:
        return None


mdns = PolicyPlugin(
    "discovery", "mdns", "overlay.plugins.mdns:Multicast", "Peers on the local network, by multicast DNS (needs superpeer[mdns])."
)
