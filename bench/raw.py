"""
Raw fan-out: what comes over one connection goes on over all the others, in the same frames, without a look, by Twisted's TLS as it comes.
The certificates are those of peers.
"""

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from overlay.link.frames import FrameReader, framesOf
from overlay.wire import limits
from overlay.wire.message import Priority


@implementer(IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator)
class _Creator:
    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        return SSL.Connection(self._context, None)

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        return SSL.Connection(self._context, None)


class _Tls(TLSMemoryBIOFactory):
    """It gathers no writes, since there is but one in each turn of the reactor."""

    noisy = False
    protocol = TLSMemoryBIOProtocol

    def buildProtocol(self, addr: Any) -> Any:
        return self.protocol(self, self.wrappedFactory.buildProtocol(addr))


class FanOut:
    """
    Gathers what comes in one turn of the reactor into one write for each.

    @ivar writes: each takes bytes to one of the others.
    """

    def __init__(self, reactor: Any, writes: list[Callable[[bytes], object]]) -> None:
        self._reactor = reactor
        self._waiting: list[bytes] = []
        self.writes = writes

    def take(self, message: bytes) -> None:
        """One encoded message."""
        if not self._waiting:
            self._reactor.callLater(0, self._flush)
        self._waiting.extend(framesOf(message, Priority.SEARCH))

    def _flush(self) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        for write in self.writes:
            write(data)


class RawEnd(Protocol):
    """
    One end of a connection.

    @ivar received: gets each message.
    """

    received: Callable[[bytes], object]

    def __init__(self) -> None:
        self._reader = FrameReader(limits.MESSAGE)

    def dataReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        for message in self._reader.messages():
            self.received(message)

    def send(self, message: bytes) -> None:
        """To the other end."""
        self.write(b"".join(framesOf(message, Priority.SEARCH)))

    def write(self, data: bytes) -> None:
        """What is in frames already."""
        self.transport.write(data)  # type: ignore[union-attr]


class RawServer(Factory):
    """The first connection is the one from which all comes."""

    noisy = False

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._fanOut: FanOut | None = None

    def buildProtocol(self, addr: Any) -> RawEnd:
        end = RawEnd()
        if self._fanOut is None:
            self._fanOut = FanOut(self._reactor, [])
            end.received = self._fanOut.take
        else:
            self._fanOut.writes.append(end.write)
        return end

    def listen(self, context: SSL.Context) -> Deferred[Any]:
        """
        @return: fires with the listening port, on this machine alone.
        """
        return TCP4ServerEndpoint(self._reactor, 0, interface="127.0.0.1").listen(_Tls(_Creator(context), False, self))


def connected(reactor: Any, port: int, context: SSL.Context) -> Deferred[RawEnd]:
    """The other end of a connection to a L{RawServer}."""
    end = RawEnd()
    end.received = lambda message: None
    factory = Factory.forProtocol(lambda: end)  # type: ignore[arg-type]
    factory.noisy = False
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    return endpoint.connect(_Tls(_Creator(context), True, factory)).addCallback(lambda ignored: end)
