"""
Multicast DNS by the zeroconf package, which may be absent. Everything here blocks, so it runs in a thread.
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from types import ModuleType
from typing import Any

import attrs

from overlay.errors import UsageError

TYPE = "_superpeer._tcp.local."
"""The service (RFC 6763)."""
ADDRESSES = 8
"""Addresses of one service."""
ASK_FOR = 3000
"""Milliseconds that the question for the address of a service may take."""


def loadZeroconf() -> ModuleType:
    """
    @raise UsageError: it is not installed.
    """
    try:
        import zeroconf
    except ImportError as problem:
        raise UsageError("discovery mdns needs the package zeroconf: pip install 'superpeer[mdns]'") from problem
    return zeroconf


def localHosts() -> list[str]:
    """The addresses of this machine at which others on its networks may reach it."""
    import ifaddr

    hosts = [str(one.ip if one.is_IPv4 else one.ip[0]) for adapter in ifaddr.get_adapters() for one in adapter.ips]
    return [one for one in hosts if not ip_address(one).is_loopback and not ip_address(one).is_link_local]


@attrs.frozen
class Said:
    """
    What is told of one peer.

    @ivar label: the name of the service, without its type.
    @ivar hosts: IP addresses.
    """

    label: str
    hosts: tuple[str, ...]
    port: int


class Air:
    """
    Hears others and tells of this peer, on the local networks.

    @ivar heard: called, in a thread of zeroconf's, with the label of a service and its addresses: hosts and port; an empty list when it
        has gone.
    """

    def __init__(
        self, module: Any, interface: str, wanted: Callable[[str], bool], heard: Callable[[str, list[str], int], None]
    ) -> None:
        """
        @param interface: address of the network interface; empty for all.
        @param wanted: whether a label is worth a question.
        @raise OSError: the network cannot be used so.
        """
        self._module = module
        self._wanted = wanted
        self._heard = heard
        self._told: Any = None
        self._zeroconf = module.Zeroconf(interfaces=[interface]) if interface else module.Zeroconf()
        self._browser = module.ServiceBrowser(self._zeroconf, TYPE, listener=self)

    def add_service(self, zeroconf: Any, kind: str, name: str) -> None:
        """Of zeroconf's listener."""
        label = name.removesuffix("." + kind)
        if not self._wanted(label):
            return
        found = zeroconf.get_service_info(kind, name, ASK_FOR)
        if found is not None and found.port:
            self._heard(label, list(found.parsed_scoped_addresses())[:ADDRESSES], found.port)

    def update_service(self, zeroconf: Any, kind: str, name: str) -> None:
        """Likewise."""
        self.add_service(zeroconf, kind, name)

    def remove_service(self, zeroconf: Any, kind: str, name: str) -> None:
        """Likewise."""
        self._heard(name.removesuffix("." + kind), [], 0)

    def tell(self, said: Said | None) -> None:
        """Announce this, and nothing else any more."""
        before, self._told = self._told, None
        if before is not None:
            self._zeroconf.unregister_service(before)
        if said is not None:
            self._told = self._info(said)
            self._zeroconf.register_service(self._told)

    def _info(self, said: Said) -> Any:
        hosts: Sequence[bytes] = [ip_address(one).packed for one in said.hosts]
        # The host's own name is nobody's business, and two peers on one machine have different addresses at times.
        return self._module.ServiceInfo(
            TYPE, f"{said.label}.{TYPE}", port=said.port, addresses=list(hosts), server=f"{said.label}.local."
        )

    def close(self) -> None:
        """Say goodbye, and end all threads."""
        self._browser.cancel()
        self._zeroconf.close()
