"""
The network over TLS 1.3: each end shows a self-signed Ed25519 certificate whose key is its identity.
"""

import datetime
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet import error
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import implementer

from overlay.errors import NotReached, UsageError
from overlay.identity.identity import Identity
from overlay.identity.ids import PeerId
from overlay.link.channel import IChannel, IListening, INetwork
from overlay.link.transport import TlsChannel
from overlay.link.turn import Turn
from overlay.wire.address import parseAddress

HANDSHAKE = 5.0
"""Seconds that a TLS handshake may take."""
STRANGERS = 64
"""Most connections at once whose other end is not authenticated yet."""
STRANGERS_PER_HOST = 16
_PLAINLY: tuple[tuple[type[Exception], str], ...] = (
    (error.ConnectionRefusedError, "refuses the connection"),
    (error.TimeoutError, "does not answer"),
    (error.NoRouteError, "there is no way to it"),
    (error.DNSLookupError, "its name has no address, or no name server answers"),
)
_ACCEPTED = frozenset({0, 9, 10, 18})
"""Verification results that do not matter: self-signed, and dates (the key is what counts)."""


def certificateOf(identity: Identity) -> tuple[x509.Certificate, Ed25519PrivateKey]:
    """A certificate that says nothing but the key."""
    key = Ed25519PrivateKey.from_private_bytes(identity.seed)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "superpeer")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC))
        .sign(key, None)
    )
    return certificate, key


def keyOf(certificate: X509 | None) -> bytes | None:
    """The 32 bytes of an Ed25519 certificate's public key; None if it is none."""
    if certificate is None:
        return None
    try:
        key = certificate.to_cryptography().public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, Ed25519PublicKey):
        return None
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _verify(connection: SSL.Connection, certificate: X509, error: int, depth: int, ok: int) -> bool:
    return error in _ACCEPTED and depth == 0


def makeContext(identity: Identity) -> SSL.Context:
    """TLS 1.3 alone, both ends with a certificate, no resumption."""
    certificate, key = certificateOf(identity)
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.use_privatekey(key)
    context.use_certificate(certificate)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verify)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    return context


class _Factory(Factory):
    noisy = False

    def __init__(self, build: Callable[[Any], TlsChannel | None]) -> None:
        self._build = build

    def buildProtocol(self, addr: Any) -> Any:
        return self._build(addr)


@implementer(IListening)
class _Listening:
    def __init__(self, port: IListeningPort | None) -> None:
        self._port = port

    @property
    def port(self) -> int:
        return getattr(self._port.getHost(), "port", 0) if self._port is not None else 0

    @property
    def host(self) -> str:
        host = str(getattr(self._port.getHost(), "host", "")) if self._port is not None else ""
        return "" if host in ("0.0.0.0", "::") else host

    def stop(self) -> Deferred[None]:
        stopped: Deferred[None] = Deferred()
        if self._port is None:
            stopped.callback(None)
            return stopped
        result = self._port.stopListening()
        if isinstance(result, Deferred):
            return result.addCallback(lambda ignored: None)
        stopped.callback(None)
        return stopped


@implementer(INetwork)
class TlsNetwork:
    """
    Dials and listens for one peer.

    @ivar strangers: inbound connections that are not authenticated yet, by host.
    """

    def __init__(self, reactor: Any, identity: Identity, listen: str, turn: Turn | None = None) -> None:
        """
        @param listen: endpoint string; empty to listen nowhere.
        @param turn: of the reactor; one of its own if there is none.
        """
        self._reactor = reactor
        self._listen = listen
        self._context = makeContext(identity)
        self._turn = turn or Turn(reactor)
        self.strangers: dict[str, int] = {}

    def listen(self, accept: Any) -> Deferred[IListening]:
        if not self._listen:
            listening: Deferred[IListening] = Deferred()
            listening.callback(_Listening(None))
            return listening
        factory = _Factory(lambda address: self._admit(address, accept))
        return serverFromString(self._reactor, self._listen).listen(factory).addCallback(_Listening)

    def _admit(self, address: Any, accept: Callable[[IChannel], None]) -> TlsChannel | None:
        host = getattr(address, "host", "local")
        if sum(self.strangers.values()) >= STRANGERS or self.strangers.get(host, 0) >= STRANGERS_PER_HOST:
            return None
        self.strangers[host] = self.strangers.get(host, 0) + 1

        def settled() -> None:
            left = self.strangers.get(host, 0) - 1
            if left > 0:
                self.strangers[host] = left
            else:
                self.strangers.pop(host, None)

        return TlsChannel(self._reactor, self._turn, self._context, keyOf, HANDSHAKE, ready=accept, settled=settled)

    def dial(self, address: str, expected: bytes | None, timeout: float) -> Deferred[IChannel]:
        try:
            host, port = parseAddress(address)
        except UsageError as problem:
            return fail(NotReached(str(problem)))
        channel = TlsChannel(
            self._reactor, self._turn, self._context, keyOf, min(timeout, HANDSHAKE), dialledAddress=address,
            expected=PeerId(expected) if expected else None,
        )
        factory = _Factory(lambda address: None if channel.transport else channel)
        started = self._reactor.seconds()

        def givenUp(ignored: Deferred[IChannel]) -> None:
            connecting.cancel()
            channel.giveUp()

        result: Deferred[IChannel] = Deferred(givenUp)
        channel.dialled_ = result
        connecting = self._endpoint(host, port, timeout).connect(factory)
        connecting.addCallback(lambda ignored: channel.hurry(timeout - (self._reactor.seconds() - started)))
        connecting.addErrback(_notReached, address, result)
        return result

    def _endpoint(self, host: str, port: int, timeout: float) -> Any:
        try:
            version = ip_address(host.partition("%")[0]).version
        except ValueError:
            return HostnameEndpoint(self._reactor, host, port, timeout)
        kind = TCP6ClientEndpoint if version == 6 else TCP4ClientEndpoint
        return kind(self._reactor, host, port, timeout)


def _notReached(failure: Failure, address: str, result: Deferred[IChannel]) -> None:
    if not result.called:
        said = next((words for kind, words in _PLAINLY if failure.check(kind)), "")
        said = said or " ".join(failure.getErrorMessage().split()).rstrip(".") or type(failure.value).__name__
        result.errback(NotReached(f"{address}: {said}"))
