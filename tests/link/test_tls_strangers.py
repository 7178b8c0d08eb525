"""What may come over a real socket instead of a peer."""

import os
import socket
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet import reactor as _reactor
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from overlay.errors import NotReached
from overlay.identity.network import proveMembership
from overlay.link import tls
from overlay.link.frames import FrameReader, framesOf
from overlay.link.tls import TlsNetwork, certificateOf, keyOf, makeContext
from overlay.link.transport import _LABEL, TlsChannel
from overlay.link.turn import Turn
from overlay.questions import Deed
from overlay.wire import limits
from overlay.wire.codec import decode, encode
from overlay.wire.message import Message
from overlay.wire.messages import AdvertsWanted, Goodbye, Hello, Ping
from overlay.wire.query import Hit, Hits
from tests.eventually import within
from tests.link.fakes import CLOSED, WALL, Place, advertOf, identityOf
from tests.link.test_tls_links import place, stop, until

reactor: Any = _reactor
STRANGER = identityOf(2)


class Raw(Protocol):
    """
    A client that sends whatever the test likes.

    @ivar messages: what came that was a message.
    @ivar over: fires when the connection has ended.
    """

    def __init__(self) -> None:
        self.reader = FrameReader(limits.MESSAGE)
        self.messages: list[Any] = []
        self.made: Deferred[Raw] = Deferred()
        self.over: Deferred[None] = Deferred()
        self.ended = False

    def connectionMade(self) -> None:
        self.made.callback(self)

    def dataReceived(self, data: bytes) -> None:
        self.reader.feed(data)
        self.messages += [decode(one)[0] for one in self.reader.messages()]

    def connectionLost(self, reason: Any = None) -> None:
        self.ended = True
        self.over.callback(None)

    def send(self, message: Message) -> None:
        self.transport.write(b"".join(framesOf(encode(message), message.priority)))  # type: ignore[union-attr]

    async def hello(self, to: Place) -> None:
        """Wait for the handshake, then greet as a good member would."""
        transport: Any = self.transport
        await until(lambda: transport.getHandle().get_cipher_version() == "TLSv1.3" and transport.getPeerCertificate())
        binding = transport.getHandle().export_keying_material(_LABEL, 32, None)
        proof = proveMembership(CLOSED.key, binding, True, STRANGER.peerId, to.peerId)
        advert = advertOf(STRANGER, CLOSED)
        self.send(Hello((1, 1), [], CLOSED.id, 0, proof, b"", 1, "link", 0, "", "", limits.ANALYSIS, "raw", WALL, advert))
        await until(lambda: self.messages)
        assert isinstance(self.messages.pop(0), Hello)


@implementer(IOpenSSLClientConnectionCreator)
class Creator:
    """Makes the TLS of a stranger, which is Twisted's own."""

    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        return SSL.Connection(self._context, None)


async def connect(to: Place, context: SSL.Context | None = None) -> Raw:
    """A raw connection; in TLS unless C{context} is None."""
    raw = Raw()
    factory = Factory.forProtocol(lambda: raw)  # type: ignore[arg-type]
    factory.noisy = False
    wrapped = factory if context is None else TLSMemoryBIOFactory(Creator(context), True, factory)
    await TCP4ClientEndpoint(reactor, "127.0.0.1", to.links.port).connect(wrapped)
    return raw


async def started(number: int = 1, **arguments: Any) -> Place:
    one = place(number, **arguments)
    await one.links.start()
    return one


@within(20)
@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", os.urandom(2000), b"\x16\x03\x01\xff\xff" + bytes(3000)])
async def test_noTls(data: bytes) -> None:
    """Bytes that are no TLS are cut off, and nothing is remembered of them."""
    one = await started()
    raw = await connect(one)
    raw.transport.write(data)  # type: ignore[union-attr]
    if data.startswith(b"\x16"):
        raw.transport.loseConnection()  # type: ignore[union-attr]
    await raw.over
    network: Any = one.commons.surroundings.network
    await until(lambda: not network.strangers)
    assert one.observer.events == [] and raw.messages == []
    await stop(one)


@within(20)
async def test_silentStrangersAreFewAndShort(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that do not authenticate are held to a number for each host and to a time."""
    monkeypatch.setattr(tls, "HANDSHAKE", 0.5)
    one = await started()
    network: Any = one.commons.surroundings.network
    silent = [await connect(one) for _ in range(tls.STRANGERS_PER_HOST + 4)]
    await until(lambda: sum(raw.ended for raw in silent) >= 4)
    assert sum(network.strangers.values()) <= tls.STRANGERS_PER_HOST
    for raw in silent:
        await raw.over
    await until(lambda: not network.strangers)
    await stop(one)


def otherContext() -> SSL.Context:
    """A certificate, but on another kind of key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "superpeer")])
    certificate, _ = certificateOf(STRANGER)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(certificate.not_valid_before_utc).not_valid_after(certificate.not_valid_after_utc).sign(key, hashes.SHA256())
    )
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_privatekey(key)
    context.use_certificate(made)
    return context


def oldContext() -> SSL.Context:
    context = makeContext(STRANGER)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    return context


@within(20)
@pytest.mark.parametrize("context", [SSL.Context(SSL.TLS_METHOD), otherContext(), oldContext()], ids=["none", "ECDSA", "TLS 1.2"])
async def test_noIdentity(context: SSL.Context) -> None:
    """Without an Ed25519 certificate, or with an older TLS, nobody gets as far as a hello."""
    one = await started()
    raw = await connect(one, context)
    await raw.over
    assert one.observer.events == [] and raw.messages == []
    await stop(one)


@within(20)
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
        (b"\x00" + (limits.HELLO + 1).to_bytes(3, "big"), "too-large"),
        (b"\x00\xff\xff\xff", "too-large"),
        (b"\x00\x00\x00\x05\x91\x91\x91\x91\x01", "malformed"),
        (b"\x00\x00\x00\x02\x91\x63", "malformed"),
        (b"".join(framesOf(encode(Ping(1, 0.0)), 0)), "malformed"),
        (b"".join(framesOf(b"\x91" * 10_000, 0)), "malformed"),
    ],
    ids=["http", "large", "larger", "nested", "unknown", "early", "deep"],
)
async def test_garbageBeforeTheHello(data: bytes, code: str) -> None:
    """A stranger's garbage is answered with the reason and the end; it is counted, and costs its identity reputation."""
    one = await started()
    raw = await connect(one, makeContext(STRANGER))
    raw.transport.write(data)  # type: ignore[union-attr]
    await raw.over
    (goodbye,) = raw.messages
    assert isinstance(goodbye, Goodbye) and goodbye.code == code and len(goodbye.text) <= limits.REASON_TEXT
    assert one.policies.deeds == [(STRANGER.peerId, Deed.GARBAGE)] and one.drops()[code] == 1
    assert one.observer.events == []
    await stop(one)


@within(20)
async def test_garbageDisturbsNobodyElse() -> None:
    """A member that turns to garbage loses its own link; another's goes on."""
    one, good = await started(), await started(3)
    raw = await connect(one, makeContext(STRANGER))
    await raw.hello(one)
    link = await good.links.dial(f"127.0.0.1:{one.links.port}", one.peerId)
    await until(lambda: len(one.links) == 2)
    raw.transport.write(bytes(range(256)) * 4000)  # type: ignore[union-attr]
    await raw.over
    assert [type(message) for message in raw.messages] == [Goodbye]
    await until(lambda: len(one.links) == 1)
    assert link.isOpen and link.send(AdvertsWanted(sample=2))
    await until(lambda: one.observer.messages)
    assert one.observer.messages == [(good.peerId, AdvertsWanted(sample=2))]
    await stop(one, good)


@within(30)
async def test_aReaderThatDoesNotRead() -> None:
    """What a member does not read is shed, in bounded memory; when it does not even take what matters its link is cut."""
    one = await started()
    raw = await connect(one, makeContext(STRANGER))
    await raw.hello(one)
    raw.transport.pauseProducing()  # type: ignore[union-attr]
    link = one.links.get(STRANGER.peerId)
    assert link is not None
    hits = Hits(b"q" * 16, 1, [Hit(b"h" * 2000, b"s" * 64, b"k" * 32, "x" * 400, 1.0)] * 50)
    for turn in range(400):
        link.send(hits)
        if turn % 20 == 0:
            await deferLater(reactor, 0.001)
    assert link.congested and one.drops()["slow-search"] > 100
    queue = link._channel._queue  # type: ignore[attr-defined]
    assert queue.size <= limits.QUEUE_SEARCH + limits.QUEUE_CONTROL
    assert link.send(AdvertsWanted(sample=1))
    while link.send(AdvertsWanted([b"i" * 20] * 512)):
        pass
    assert one.drops()["slow-control"] == 1
    raw.transport.resumeProducing()  # type: ignore[union-attr]
    await raw.over
    assert one.observer.events[-1][0] == "lost"
    await stop(one)


@within(20)
async def test_backPressureReachesTheSender() -> None:
    """While one end reads nothing the other becomes congested, and is told when it may go on; nothing is lost."""
    one, other = await started(), await started(3)
    link = await other.links.dial(f"127.0.0.1:{one.links.port}", one.peerId)
    await until(lambda: len(one.links) == 1)
    here = one.links.get(other.peerId)
    assert here is not None
    here.pauseReading()
    hits = Hits(b"q" * 16, 1, [Hit(b"h" * 2000, b"s" * 64, b"k" * 32, "x" * 400, 1.0)] * 50)
    sent = 0
    while not link.congested:
        assert link.send(hits)
        sent += 1
        await deferLater(reactor, 0)
    assert one.observer.messages == []
    here.resumeReading()
    await until(lambda: len(one.observer.messages) == sent)
    assert ("clear", one.peerId) in other.observer.events and not link.congested
    await stop(one, other)


@within(20)
async def test_dialsThatFail() -> None:
    """Nobody there, a name that does not exist, no address, another peer than expected: each says which address and why."""
    one, other = await started(), await started(3)
    port = other.links.port
    for address, expected, said in (
        (f"127.0.0.1:{port}", identityOf(9).peerId, "answered instead of"), ("no.such.host.invalid:1", None, "no.such.host"),
        ("127.0.0.1:x", None, "HOST:PORT"),
    ):
        with pytest.raises(NotReached, match=said):
            await one.links.dial(address, expected)
    await stop(other)
    with pytest.raises(NotReached, match=f"127.0.0.1:{port}"):
        await one.links.dial(f"127.0.0.1:{port}")
    await stop(one)


class Early:
    """The transport of a dialler whose other end has spoken before TLS could."""

    def __init__(self, said: bytes) -> None:
        self.socket, self.other = socket.socketpair()
        self.socket.setblocking(False)
        self.other.send(said)
        self.channel: TlsChannel | None = None

    def getPeer(self) -> UNIXAddress:
        return UNIXAddress("")

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert not streaming

    def abortConnection(self) -> None:
        self.socket.close()
        self.other.close()
        assert self.channel is not None
        self.channel.connectionLost(Failure(ConnectionAborted()))


def test_whoeverSpeaksFirstIsNoPeer() -> None:
    """A server that greets at once, before a dialler has said anything, is told from a peer like any other that does not speak TLS."""
    transport, clock = Early(b"SSH-2.0-OpenSSH_9.6\r\n"), Clock()
    channel = transport.channel = TlsChannel(clock, Turn(clock), makeContext(STRANGER), keyOf, 5.0, dialledAddress="10.0.0.1:22")
    channel.dialled_ = Deferred()
    said: list[str] = []
    channel.dialled_.addErrback(lambda failure: said.append(failure.trap(NotReached) and failure.getErrorMessage()))
    channel.makeConnection(transport)  # type: ignore[arg-type]
    assert len(said) == 1 and "10.0.0.1:22: it is no peer, or broken" in said[0] and clock.getDelayedCalls() == []


@within(20)
async def test_listenNowhere() -> None:
    """A peer that cannot be dialled dials."""
    one = await started()
    deaf = Place(STRANGER, TlsNetwork(reactor, STRANGER, ""), reactor)
    await deaf.links.start()
    assert deaf.links.port == 0 and deaf.links.observedAddresses() == []
    await deaf.links.dial(f"127.0.0.1:{one.links.port}")
    await until(lambda: len(one.links) == 1)
    await stop(deaf, one)
