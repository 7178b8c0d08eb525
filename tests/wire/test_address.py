"""Addresses as people write them."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import UsageError
from overlay.wire.address import NAMES, formatAddress, networkGroup, parseAddress

ports = st.integers(1, 65535)


@given(st.ip_addresses(v=4), ports)
def test_version4(host: IPv4Address, port: int) -> None:
    """What is formatted is parsed to the same."""
    assert parseAddress(formatAddress(str(host), port)) == (str(host), port)


@given(st.ip_addresses(v=6), ports)
def test_version6(host: IPv6Address, port: int) -> None:
    """IPv6 hosts go in brackets; a bare one has the default port."""
    assert formatAddress(str(host), port) == f"[{host}]:{port}"
    assert parseAddress(f"[{host}]:{port}") == (str(host), port)
    assert parseAddress(f"[{host}]") == parseAddress(str(host)) == (str(host), 7116)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("host", ("host", 7116)), (" host.example:9 ", ("host.example", 9)), ("fe80::1%eth0", ("fe80::1%eth0", 7116)),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
    ],
)
def test_names(text: str, parsed: tuple[str, int]) -> None:
    """Names, and what surrounds them."""
    assert parseAddress(text) == parsed


@pytest.mark.parametrize(
    "text", ["", ":", ":80", "host:", "host:x", "host:0", "host:65536", "host:" + "9" * 5000, "ho st:1", "[::1", "[::1]80", "1:2:3", "[]:1"]
)
def test_refused(text: str) -> None:
    """What is no address is refused by the name of what it is for."""
    with pytest.raises(UsageError, match=r"^the place "):
        parseAddress(text, "the place")


@given(st.text(max_size=40))
def test_anyText(text: str) -> None:
    """Any text is an address, or refused."""
    try:
        host, port = parseAddress(text)
    except UsageError:
        return
    assert host and 1 <= port <= 65535


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.1:7116", "192.0"), ("192.0.99.1", "192.0"), ("10.7.0.1:1", "10.7"), ("[2001:db8:5:1::9]:7", "20010db80005"),
        ("2001:db8:5::", "20010db80005"), ("[fe80::1%eth0]:7116", "fe8000000000"), ("[::ffff:192.0.2.1]:7116", "192.0"),
        ("[2002:c000:0201::1]:7116", "192.0"), ("seed.example:7116", NAMES), ("no address: at all", NAMES), ("", NAMES),
    ],
)
def test_networkGroups(address: str, group: str) -> None:
    """The /16 of IPv4, also within IPv6, the /48 of IPv6; all names are one group, and so is what is no address."""
    assert networkGroup(address) == group
