"""A name of the domain name system with the addresses of several peers."""

from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.python.failure import Failure
from zope.interface import implementer

from overlay.discovery import Discovery, DiscoverySurroundings, addressesOf
from overlay.errors import NotReached, UsageError
from overlay.interfaces import IDiscovery
from overlay.policy import PolicyPlugin
from overlay.questions import Lead
from overlay.wire.address import DEFAULT_PORT, formatAddress, parseAddress

SERVICE = "_superpeer._tcp."
"""What stands before the name in a question for SRV records (RFC 2782)."""
RESOLV = "/etc/resolv.conf"
TARGETS = 16
"""SRV records that are followed."""


@implementer(IDiscovery)
class Names(Discovery):
    """All addresses of a name, and if wished all places that its SRV records name."""

    def __init__(self, surroundings: DiscoverySurroundings, name: str, port: int = DEFAULT_PORT, srv: bool = False) -> None:
        """
        @param port: at which they listen.
        @param srv: whether to ask for C{_superpeer._tcp.NAME} instead, whose records name hosts and ports.
        """
        parseAddress(formatAddress(name, port), "discovery dns: name and port")
        self._name = name
        self._port = port
        self._srv = srv
        if surroundings.resolver is None:
            raise UsageError("discovery dns: there are no names here")
        self._resolver = surroundings.resolver
        self._reactor = surroundings.reactor
        self._servers: Any = None

    def find(self) -> Deferred[list[Lead]]:
        if self._srv:
            return self._lookUp().addCallback(self._follow)
        return addressesOf(self._resolver, self._name).addCallback(self._found)

    def _found(self, hosts: list[str]) -> list[Lead]:
        if not hosts:
            raise NotReached(f"{self._name} has no address, or no name server answers")
        return [Lead(formatAddress(one, self._port), None, self._name) for one in hosts]

    def stop(self) -> None:
        # It looks at its file from time to time.
        reading = self._servers and self._servers._parseCall
        if reading and reading.active():
            reading.cancel()

    def _lookUp(self) -> Deferred[Any]:
        # Only who asks for SRV records pays for the import.
        from twisted.names.client import Resolver

        if self._servers is None:
            self._servers = Resolver(RESOLV, reactor=self._reactor)
        return maybeDeferred(self._servers.lookupService, SERVICE + self._name).addErrback(self._noService)

    def _noService(self, failure: Failure) -> None:
        said = failure.getErrorMessage() if not isinstance(failure.value, KeyError) else ""
        raise NotReached(f"no SRV records of {SERVICE}{self._name} ({said or type(failure.value).__name__})")

    def _follow(self, answer: Any) -> Deferred[list[Lead]]:
        """A target of C{.} says that there is no such service."""
        named = [one.payload for one in answer[0] if str(getattr(one.payload, "target", "")) not in ("", ".")]
        records = sorted(named, key=lambda one: (one.priority, -one.weight))[:TARGETS]
        if not records:
            raise NotReached(f"there are no SRV records of {SERVICE}{self._name}")
        asked = DeferredList([addressesOf(self._resolver, str(one.target)) for one in records], consumeErrors=True)

        def found(rows: list[tuple[bool, Any]]) -> list[Lead]:
            places = [
                Lead(formatAddress(host, record.port), None, str(record.target))
                for record, (well, hosts) in zip(records, rows, strict=True) if well for host in hosts
            ]
            if not places:
                raise NotReached(f"none of the hosts in the SRV records of {SERVICE}{self._name} has an address")
            return places

        return asked.addCallback(found)


names = PolicyPlugin("discovery", "dns", Names, "All addresses of a name, or with srv=yes of the hosts in its SRV records.")
