"""Addresses as people and adverts write them: C{HOST:PORT}, with an IPv6 host in brackets."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from overlay.errors import UsageError

DEFAULT_PORT = 7116


@lru_cache(16_384)
def parseAddress(text: str, what: str = "address") -> tuple[str, int]:
    """
    @return: host without brackets, and port; a missing port is 7116.
    @raise UsageError: it is not C{HOST}, C{HOST:PORT}, C{[IPV6]} or C{[IPV6]:PORT}.
    """
    text = text.strip()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
        fits = bool(bracket) and (not rest or rest.startswith(":"))
    elif text.count(":") > 1:
        host, port, fits = text, "", _isIPv6(text)
    else:
        host, colon, port = text.partition(":")
        fits = not colon or bool(port)
    if not fits or not host or any(one.isspace() for one in host) or (port and not (port.isdecimal() and len(port) <= 5)):
        raise UsageError(f"{what} {text!r} is not HOST:PORT (an IPv6 host goes in brackets)")
    number = int(port) if port else DEFAULT_PORT
    if not 1 <= number <= 65535:
        raise UsageError(f"{what} {text!r}: a port is from 1 to 65535")
    return host, number


def _isIPv6(text: str) -> bool:
    try:
        return ip_address(text.partition("%")[0]).version == 6
    except ValueError:
        return False


def formatAddress(host: str, port: int) -> str:
    """The inverse of L{parseAddress}."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


NAMES = "names"
"""The network group of every host that is written as a name: names cost nothing."""


@lru_cache(16_384)
def networkGroup(address: str) -> str:
    """
    Whose addresses are probably in one hand: the /16 of IPv4, also where an IPv6 address holds one, the /48 of IPv6.

    @param address: C{HOST:PORT}, or a host alone.
    @return: that network; L{NAMES} for what is no IP address.
    """
    try:
        host = ip_address(parseAddress(address)[0].partition("%")[0])
    except (UsageError, ValueError):
        return NAMES
    if isinstance(host, IPv6Address):
        held = host.ipv4_mapped or host.sixtofour or (host.teredo[1] if host.teredo is not None else None)
        if held is None:
            return "".join(f"{one:02x}" for one in host.packed[:6])
        host = held
    return ".".join(str(one) for one in host.packed[:2])
