"""The discoveries that ship: what the user gave, a list file, names, and the local network."""

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.task import Clock
from twisted.names import dns as protocol
from twisted.names.authority import FileAuthority, getSerial
from twisted.names.client import Resolver
from twisted.names.server import DNSServerFactory
from zope.interface import implementer
from zope.interface.verify import verifyObject

from overlay.discovery import DiscoverySurroundings
from overlay.errors import NotReached, UsageError
from overlay.identity.ids import PeerId, idText
from overlay.identity.network import Network
from overlay.interfaces import IDiscovery
from overlay.policy import findPlugins
from overlay.questions import Announcement, Lead
from overlay.storage import MemoryStorage
from tests.eventually import until, within

ME, OTHER = PeerId(b"m" * 20), PeerId(b"o" * 20)
CLOSED = Network("club", b"k" * 32, b"f" * 32)


@implementer(IHostnameResolver)
class Names:
    """Knows these names."""

    def __init__(self, known: dict[str, list[str]]) -> None:
        self.known = known
        self.asked: list[str] = []

    def resolveHostName(
        self, resolutionReceiver: Any, hostName: str, portNumber: int = 0, addressTypes: Any = None, transportSemantics: str = "TCP"
    ) -> Any:
        self.asked.append(hostName)
        resolutionReceiver.resolutionBegan(None)
        for host in self.known.get(hostName, []):
            kind = IPv6Address if ":" in host else IPv4Address
            resolutionReceiver.addressResolved(kind("TCP", host, portNumber))
        resolutionReceiver.resolutionComplete()


def build(plugin: str, resolver: Names | None = None, /, network: Network = CLOSED, **more: Any) -> Any:
    real = more.pop("reactor", None)
    surroundings = DiscoverySurroundings(
        real or Clock(), random.Random(1), more.pop("me", ME), MemoryStorage(), network=lambda: network,
        given=more.pop("given", {}), resolver=resolver, reactor=real,
    )
    discovery = findPlugins().find("discovery", plugin).plugin.build(surroundings, more)
    assert verifyObject(IDiscovery, discovery)
    return discovery


def found(discovery: Any) -> list[Lead]:
    """What it finds at once."""
    results: list[Any] = []
    maybeDeferred(discovery.find).addBoth(results.append)
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return list(results[0])


# --- what the user gave ---------------------------------------------------------------------------------------------


def test_allAddressesOfAName() -> None:
    """Of a name with several addresses each is tried; one with a single address, or none, stays as it was given."""
    names = Names({"seed.example": ["192.0.2.1", "2001:db8::1", "192.0.2.1"], "one.example": ["192.0.2.7"]})
    peer = build("peer", names, given={"peer": ["seed.example:9", "one.example", "nosuch.example:1", "[::1]:2", "192.0.2.3:4"]})
    assert found(peer) == [
        Lead("192.0.2.1:9", None, "seed.example"), Lead("[2001:db8::1]:9", None, "seed.example"), Lead("one.example"),
        Lead("nosuch.example:1"), Lead("[::1]:2"), Lead("192.0.2.3:4"),
    ]
    assert names.asked == ["seed.example", "one.example", "nosuch.example"]
    assert found(build("join", given={"join": ["192.0.2.3:4"]})) == [Lead("192.0.2.3:4")]
    assert found(build("join")) == []


class Silent(Names):
    """A resolver whose name server does not answer in time."""

    def resolveHostName(self, resolutionReceiver: Any, hostName: str, *args: Any, **more: Any) -> Any:
        self.asked.append(hostName)
        self.receiver = resolutionReceiver


def test_aNameServerThatIsSilent() -> None:
    """Addresses do not wait for names: they are told at once, and names stay as they are after five seconds; impossible ones at once."""
    names, told = Silent({}), []
    peer = build("peer", names, given={"peer": ["slow.example:9", "192.0.2.3:4", "a..b:1"]})
    peer.start(told.extend)
    finding: Deferred[Any] = peer.find()
    assert told == [Lead("192.0.2.3:4")] and not finding.called and names.asked == ["slow.example"]
    peer._clock.advance(5)
    results: list[Any] = []
    finding.addCallback(results.extend)
    assert results == [Lead("slow.example:9"), Lead("192.0.2.3:4"), Lead("a..b:1")]
    # What comes after all is of no use any more, and harms nobody.
    names.receiver.addressResolved(IPv4Address("TCP", "192.0.2.1", 0))
    names.receiver.resolutionComplete()


# --- a list file ----------------------------------------------------------------------------------------------------


def test_aListFile(tmp_path: Path) -> None:
    """An address and an id a line, with comments; it is read again when it changes, and stands while it is away."""
    file = tmp_path / "seeds"
    file.write_text(f"# ours\n\n192.0.2.1:9  {idText(OTHER)}  # Anna\n[2001:db8::1]\nseed.example:4\n")
    listed = build("list", Names({"seed.example": ["192.0.2.8", "192.0.2.9"]}), file=str(file))
    first = [
        Lead("192.0.2.1:9", OTHER), Lead("[2001:db8::1]:7116"), Lead("192.0.2.8:4", None, "seed.example"),
        Lead("192.0.2.9:4", None, "seed.example"),
    ]
    assert found(listed) == first and listed.problem == ""
    file.rename(tmp_path / "away")
    assert found(listed) == first and f"{file} cannot be read (No such file or directory)" in listed.problem
    file.write_text("192.0.2.2:9\n")
    assert found(listed) == [Lead("192.0.2.2:9")] and listed.problem == ""


def test_badLines(tmp_path: Path) -> None:
    """Each bad line is named with its number and what is wrong; the others count."""
    file = tmp_path / "seeds"
    file.write_text(f"h:99999\n192.0.2.1 {idText(OTHER)[:9]}\ngood:1\n a b c\n::::\n")
    listed = build("list", file=str(file))
    assert found(listed) == [Lead("good:1")]
    assert str(file) in listed.problem and "line 1: address 'h:99999': a port is from 1 to 65535; line 2: " in listed.problem
    assert "is not a peer id" in listed.problem and "'c' is too much" in listed.problem and listed.problem.endswith("; and 1 more")


def test_aListThatIsTooLong(tmp_path: Path) -> None:
    """No more is taken of it than can be tried."""
    file = tmp_path / "seeds"
    file.write_text("".join(f"192.0.2.1:{port}\n" for port in range(1, 400)))
    listed = build("list", file=str(file))
    assert len(found(listed)) == 256 and "its first 256 addresses are used" in listed.problem


def test_noListFile(tmp_path: Path) -> None:
    """A path with no file at it is wrong usage, in a sentence."""
    for path, said in ((tmp_path / "no", "is not there"), (tmp_path, "is not a file")):
        with pytest.raises(UsageError, match=f"discovery list: the file {path} {said}"):
            build("list", file=str(path))
    with pytest.raises(UsageError, match="needs the argument file="):
        build("list")


@given(st.text(max_size=200))
def test_anyTextIsAList(text: str) -> None:
    """Whatever a file holds, each line that says something is a lead with an address that can be dialled, or named as wrong."""
    from overlay.plugins.listfile import parseList
    from overlay.wire.address import parseAddress

    leads, wrong = parseList(text)
    assert all(parseAddress(one.address) for one in leads)
    assert len(leads) + len(wrong) == sum(bool(line.partition("#")[0].split()) for line in text.splitlines())


# --- names ----------------------------------------------------------------------------------------------------------


def test_aNameWithSeveralAddresses() -> None:
    """All of them, at the port that was named; a name without any is told."""
    names = Names({"seeds.example": ["192.0.2.1", "2001:db8::2"]})
    assert found(build("dns", names, name="seeds.example", port="5")) == [
        Lead("192.0.2.1:5", None, "seeds.example"), Lead("[2001:db8::2]:5", None, "seeds.example"),
    ]
    with pytest.raises(NotReached, match=r"no\.example has no address"):
        found(build("dns", names, name="no.example"))
    for wrong in ({"name": "a b"}, {"name": "a", "port": "0"}, {"name": "a", "port": "x"}, {}):
        with pytest.raises(UsageError):
            build("dns", names, **wrong)


class _Zone(FileAuthority):
    def loadFile(self, filename: str) -> None:
        """The zone is not in a file."""
        at = b"club.example"
        self.soa = (at, protocol.Record_SOA(serial=getSerial(), mname=at, rname=at))
        service = b"_superpeer._tcp.club.example"
        self.records = {
            at: [self.soa[1]],
            service: [
                protocol.Record_SRV(2, 1, 9, b"b.club.example"), protocol.Record_SRV(1, 1, 7, b"a.club.example"),
                protocol.Record_SRV(3, 1, 8, b"gone.club.example"),
            ],
            b"_superpeer._tcp.none.club.example": [protocol.Record_SRV(0, 0, 0, b".")],
        }


@within(20)
async def test_srvRecords(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With srv=yes a name server is asked for services: their hosts' addresses, the best first; none and no such are told."""
    from overlay.plugins import dns

    port: Any = reactor.listenUDP(  # type: ignore[attr-defined]
        0, protocol.DNSDatagramProtocol(DNSServerFactory([_Zone("")])), interface="127.0.0.1"
    )
    (tmp_path / "resolv").write_text("")
    monkeypatch.setattr(dns, "RESOLV", str(tmp_path / "resolv"))
    names = Names({"a.club.example": ["192.0.2.1", "192.0.2.2"], "b.club.example": ["2001:db8::1"]})
    try:
        found = []
        for name in ("club.example", "none.club.example", "else.club.example"):
            discovery = build("dns", names, reactor=reactor, name=name, srv="yes")
            discovery._servers = Resolver(dns.RESOLV, [("127.0.0.1", port.getHost().port)], (1,), reactor)
            asked: Deferred[Any] = discovery.find().addErrback(lambda failure: failure.getErrorMessage())
            found.append(await asked)
            discovery.stop()
        assert found[0] == [
            Lead("192.0.2.1:7", None, "a.club.example"), Lead("192.0.2.2:7", None, "a.club.example"),
            Lead("[2001:db8::1]:9", None, "b.club.example"),
        ]
        assert "there are no SRV records of _superpeer._tcp.none.club.example" in found[1]
        assert "no SRV records of _superpeer._tcp.else.club.example" in found[2]
    finally:
        await port.stopListening()


# --- the local network ----------------------------------------------------------------------------------------------


class Network5353:
    """A local network without one: what the zeroconf package offers, as far as it is used, between objects of this process."""

    def __init__(self) -> None:
        self.services: dict[str, Any] = {}
        self.browsers: list[Any] = []
        self.broken = False
        network = self

        class Zeroconf:
            def __init__(self, interfaces: Any = None) -> None:
                if network.broken:
                    raise OSError("Network is unreachable")
                self.mine: list[str] = []
                self.closed = False

            def register_service(self, info: Any) -> None:
                network.services[info.name] = info
                self.mine.append(info.name)
                network.tell("add_service", info.name)

            def unregister_service(self, info: Any) -> None:
                del network.services[info.name]
                self.mine.remove(info.name)
                network.tell("remove_service", info.name)

            def get_service_info(self, kind: str, name: str, timeout: int) -> Any:
                return network.services.get(name)

            def close(self) -> None:
                for name in list(self.mine):
                    self.unregister_service(network.services[name])
                self.closed = True

        class ServiceBrowser:
            def __init__(self, zeroconf: Zeroconf, kind: str, listener: Any) -> None:
                self.zeroconf, self.kind, self.listener = zeroconf, kind, listener
                network.browsers.append(self)
                for name in list(network.services):
                    listener.add_service(zeroconf, kind, name)

            def cancel(self) -> None:
                network.browsers.remove(self)

        class ServiceInfo:
            def __init__(self, kind: str, name: str, port: int, addresses: list[bytes], server: str) -> None:
                self.name, self.port, self.addresses, self.server = name, port, addresses, server

            def parsed_scoped_addresses(self) -> list[str]:
                return [".".join(map(str, one)) for one in self.addresses]

        self.Zeroconf, self.ServiceBrowser, self.ServiceInfo = Zeroconf, ServiceBrowser, ServiceInfo

    def tell(self, what: str, name: str) -> None:
        for browser in list(self.browsers):
            getattr(browser.listener, what)(browser.zeroconf, browser.kind, name)

    def put(self, label: str, hosts: list[str], port: int) -> None:
        """Somebody else announces this."""
        name = f"{label}._superpeer._tcp.local."
        packed = [bytes(map(int, one.split("."))) for one in hosts]
        self.services[name] = self.ServiceInfo("", name, port, packed, "")
        self.tell("add_service", name)


@pytest.fixture
def air(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network5353]:
    from overlay.plugins import mdns

    made = Network5353()
    monkeypatch.setattr(mdns, "loadZeroconf", lambda: made)
    monkeypatch.setattr(mdns, "LISTENS", 0.05)
    yield made
    assert not made.services or all(not name.partition("-")[2].startswith(idText(ME)) for name in made.services)
    assert not made.browsers


def announcement(peer: PeerId = ME, **changes: Any) -> Announcement:
    return Announcement(**{"peerId": peer, "port": 7116, "host": "192.0.2.1", "addresses": (), "serving": False, **changes})


@within(20)
async def test_twoOnOneNetwork(air: Network5353) -> None:
    """Two peers of one network find each other, the later one at once and the earlier one when the other comes, and hear of the end."""
    one, other = build("mdns", reactor=reactor), build("mdns", reactor=reactor, me=OTHER)
    heard: list[Any] = []
    one.start(heard.extend)
    one.announce(announcement())
    assert await one.find() == []
    await until(lambda: len(air.services) == 1)
    other.start(lambda leads: None)
    other.announce(announcement(OTHER, host="192.0.2.2", port=99))
    assert await other.find() == [Lead("192.0.2.1:7116", ME)]
    await until(lambda: heard == [Lead("192.0.2.2:99", OTHER)])
    assert one.find() == heard
    await other.stop()
    await until(lambda: one.find() == [])
    await one.stop()


@within(20)
async def test_otherNetworksAreNotHeard(air: Network5353) -> None:
    """Only the same network is heard, also one that has rotated its key meanwhile; nothing on the air says its name, id or key."""
    from overlay.plugins.mdns import labelOf, tagOf

    rotated = CLOSED.rotated(b"n" * 32, 1, frozenset())
    one = build("mdns", reactor=reactor, network=rotated)
    heard: list[Any] = []
    one.start(heard.extend)
    one.announce(announcement())
    await one.find()
    await until(lambda: len(air.services) == 1)
    (name,) = air.services
    assert name == f"{labelOf(tagOf(rotated, rotated.key), ME)}._superpeer._tcp.local."
    for secret in (rotated.id.hex(), rotated.name, tagOf(Network("club", b"o" * 32, b"f" * 32), b"o" * 32), idText(rotated.id)):
        assert secret not in name
    air.put(labelOf(tagOf(Network.open("club"), b""), OTHER), ["192.0.2.9"], 9)
    air.put(labelOf(tagOf(Network("club", b"x" * 32, b"f" * 32), b"x" * 32), OTHER), ["192.0.2.9"], 9)
    air.put("nonsense", ["192.0.2.9"], 9)
    air.put(tagOf(CLOSED, CLOSED.key) + "-short", ["192.0.2.9"], 9)
    air.put(labelOf(tagOf(CLOSED, CLOSED.key), PeerId(b"p" * 20)), ["192.0.2.5", "192.0.2.6"], 9)
    air.put(labelOf(tagOf(rotated, rotated.key), OTHER), ["192.0.2.7"], 70000)
    await until(lambda: len(heard) >= 2)
    assert heard == [Lead("192.0.2.5:9", PeerId(b"p" * 20)), Lead("192.0.2.6:9", PeerId(b"p" * 20))] and one.find() == heard
    await one.stop()


@within(20)
async def test_aFloodOnTheAir(air: Network5353) -> None:
    """Who makes up peers makes this one remember 64 of them at most."""
    from overlay.plugins.mdns import labelOf, tagOf

    one = build("mdns", reactor=reactor)
    one.start(lambda leads: None)
    await one.find()
    last = ""
    for number in range(100):
        last = f"192.0.2.{number + 1}:9"
        air.put(labelOf(tagOf(CLOSED, CLOSED.key), PeerId(b"%020d" % number)), [f"192.0.2.{number + 1}"], 9)
    await until(lambda: any(lead.address == last for lead in one.find()))
    assert len(one.find()) == 64
    await one.stop()


@within(20)
async def test_whenItAnnounces(air: Network5353) -> None:
    """Always, or as long as the peer serves, or never; other addresses are told anew."""
    from overlay.plugins.mdns import labelOf, tagOf

    name = f"{labelOf(tagOf(CLOSED, CLOSED.key), ME)}._superpeer._tcp.local."
    one = build("mdns", reactor=reactor, announce="serving")
    never = build("mdns", reactor=reactor, announce="never", me=OTHER)
    for discovery in (one, never):
        discovery.announce(announcement())
        await discovery.find()
    assert not air.services
    one.announce(announcement(serving=True))
    never.announce(announcement(OTHER, serving=True))
    await until(lambda: list(air.services) == [name])
    one.announce(announcement(serving=True, host="192.0.2.44"))
    await until(lambda: name in air.services and air.services[name].parsed_scoped_addresses() == ["192.0.2.44"])
    one.announce(announcement(serving=False))
    await until(lambda: not air.services)
    await never.stop()
    await one.stop()
    with pytest.raises(UsageError, match="announce is always, serving or never, not 'sometimes'"):
        build("mdns", reactor=reactor, announce="sometimes")
    with pytest.raises(UsageError, match="eth0"):
        build("mdns", reactor=reactor, interface="eth0")


@within(20)
async def test_noLocalNetwork(air: Network5353) -> None:
    """Where multicast cannot be used that is said, and it works once it can."""
    air.broken = True
    one = build("mdns", reactor=reactor)
    with pytest.raises(OSError, match="unreachable"):
        await one.find()
    air.broken = False
    assert await one.find() == []
    await one.stop()


def test_withoutThePackage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without zeroconf it says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "zeroconf", None)
    with pytest.raises(UsageError, match=r"pip install 'superpeer\[mdns\]'"):
        build("mdns", reactor=SimpleNamespace())
