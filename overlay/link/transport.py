"""One TLS connection as a channel of messages."""

from collections.abc import Callable, Iterable
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IProtocol, IPullProducer, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from overlay.errors import Malformed, NotReached, SuperpeerError, TooLarge
from overlay.identity.ids import PeerId, idText, peerIdOf
from overlay.link.channel import SLOW, IChannel, IChannelUser
from overlay.link.frames import FrameReader
from overlay.link.queue import Overrun, SendQueue
from overlay.link.secured import SecuredSocket
from overlay.link.turn import Turn
from overlay.wire.address import formatAddress
from overlay.wire.codec import Unknown, decode
from overlay.wire.message import Message

WRITE = 128 * 1024
"""Most bytes that go to the transport in one write."""
CLOSING = 5.0
"""Seconds that a channel takes to flush at its end."""
_LABEL = b"EXPORTER-superpeer-link"


@implementer(IChannel, IProtocol, IPullProducer)
class TlsChannel:
    """
    What is sent within one turn of the reactor goes out as one write, and that at the end of the turn: over TLS that is several times
    cheaper. Only what the network does not take at once is left to the transport, which then asks for more.

    @ivar dialled_: at the dialling end, fires with this channel once the other end is authenticated.
    """

    # A super-peer has many; a base class of Twisted's would give each a dictionary.
    __slots__ = (
        "_blocked", "_closing", "_context", "_delivering", "_expected", "_flushing", "_handshake", "_keyOf", "_lost", "_paused", "_queue",
        "_reactor", "_reader", "_ready", "_secured", "_settled", "_timer", "_turn", "_user", "binding", "bytesReceived", "bytesSent",
        "dialled", "dialledAddress", "dialled_", "fieldsSkipped", "remoteAddress", "remoteId", "remoteKey", "transport",
    )

    def __init__(
        self,
        reactor: Any,
        turn: Turn,
        context: SSL.Context,
        keyOf: Callable[[Any], bytes | None],
        handshake: float,
        ready: Callable[[IChannel], None] | None = None,
        settled: Callable[[], None] = lambda: None,
        dialledAddress: str = "",
        expected: PeerId | None = None,
    ) -> None:
        self.transport: Any = None
        self.remoteKey = b""
        self.remoteId = PeerId(b"")
        self.remoteAddress = ""
        self.binding = b""
        self._reactor = reactor
        self._turn = turn
        self._context = context
        self._secured: SecuredSocket | None = None
        self._keyOf = keyOf
        self._handshake = handshake
        self._ready = ready
        self._settled = settled
        self._expected = expected
        self.dialledAddress = dialledAddress
        self.dialled = ready is None
        self.dialled_: Deferred[IChannel] | None = None
        self.bytesSent = 0
        self.bytesReceived = 0
        self.fieldsSkipped = 0
        self._reader = FrameReader()
        self._queue = SendQueue(self._dropped, self._filled)
        self._user: IChannelUser | None = None
        self._timer: IDelayedCall | None = None
        self._flushing = False
        self._blocked = False
        self._paused = False
        self._closing = False
        self._lost: str | None = None
        self._delivering = False

    def __repr__(self) -> str:
        return f"<TlsChannel {self.remoteAddress} {idText(self.remoteId) if self.remoteId else 'stranger'}>"

    @property
    def congested(self) -> bool:
        return self._queue.congested

    def _dropped(self, reason: str) -> None:
        if self._user is not None:
            self._user.messageDropped(reason)

    def _filled(self) -> None:
        if self._user is not None:
            self._user.channelCongested()

    # --- the connection ----------------------------------------------------------------------------------------------

    def makeConnection(self, transport: ITransport) -> None:
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        transport = self.transport
        other = transport.getPeer()
        if hasattr(other, "host"):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
            self.remoteAddress = formatAddress(other.host, other.port)
        else:
            self.remoteAddress = "local"
        self._secured = transport.socket = SecuredSocket(self._context, transport.socket, self.dialled, self._authenticated)
        transport.registerProducer(self, False)
        self._timer = self._reactor.callLater(self._handshake, self._end, "the TLS handshake takes too long")
        try:
            self._secured.begin()
        except OSError:
            # What has come already is no TLS, or the connection is gone again.
            self._end(_sentence(Failure(ConnectionLost()), self._secured.problem))

    def _authenticated(self) -> None:
        """The TLS handshake is over."""
        secured = self._secured
        assert secured is not None
        key = self._keyOf(secured.get_peer_certificate())
        self._stopTimer()
        self._settle()
        if key is None:
            self._end("the certificate is not an Ed25519 key")
            return
        remote = peerIdOf(key)
        if self._expected is not None and remote != self._expected:
            self._end(f"{idText(remote)} answered instead of {idText(self._expected)}")
            return
        try:
            self.binding = secured.export_keying_material(_LABEL, 32, None)
        except SSL.Error:
            self._end("no channel binding")
            return
        self.remoteKey, self.remoteId = key, remote
        if self.dialled_ is not None and not self.dialled_.called:
            self.dialled_.callback(self)
        elif self._ready is not None:
            self._ready(self)
        else:
            self.abort()

    def connectionLost(self, reason: Failure = Failure(Exception("lost"))) -> None:  # noqa: B008
        self._stopTimer()
        self._settle()
        self._queue.clear()
        secured, self._secured = self._secured, None
        said = self._lost or _sentence(reason, None if secured is None else secured.problem)
        self._lost = said
        if self.dialled_ is not None and not self.dialled_.called:
            self.dialled_.errback(NotReached(f"{self.dialledAddress}: {said}"))
        user, self._user = self._user, None
        if user is not None:
            user.channelLost(said)

    def hurry(self, left: float) -> None:
        """The handshake has to be over in C{left} seconds, if that is sooner than it would have to be anyway."""
        timer = self._timer
        if timer is not None and timer.active() and timer.getTime() > self._reactor.seconds() + left:
            timer.reset(max(0.0, left))

    def giveUp(self) -> None:
        """Whoever dialled does not want this channel any more."""
        if self.transport is not None and self._lost is None:
            self._end("given up")

    def _settle(self) -> None:
        settled, self._settled = self._settled, lambda: None
        settled()

    def _stopTimer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _end(self, reason: str) -> None:
        if self._lost is None:
            self._lost = reason
        transport = self.transport
        transport.abortConnection()

    # --- in ----------------------------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        self.bytesReceived += len(data)
        # Once this end has said its last word, nothing that comes matters; keeping it would have no bound.
        if self._lost is None and not self._closing:
            self._reader.feed(data)
            self._deliver()

    def setUser(self, user: IChannelUser) -> None:
        self._user = user
        if self._lost is not None and (self.transport is None or not self.transport.connected):
            self._user = None
            user.channelLost(self._lost)
            return
        self._reactor.callLater(0, self._deliver)

    def _deliver(self) -> None:
        if self._delivering:
            return
        self._delivering = True
        try:
            for data in self._whole():
                self._deliverOne(data)
                if self._paused or self._closing or self._lost is not None or self._user is None:
                    return
        except (Malformed, TooLarge) as problem:
            self._break(problem)
        finally:
            self._delivering = False

    def _whole(self) -> Iterable[bytes]:
        if self._paused or self._closing or self._lost is not None or self._user is None:
            return ()
        return self._reader.messages()

    def _deliverOne(self, data: bytes) -> None:
        message, skipped = decode(data)
        self.fieldsSkipped += skipped
        assert self._user is not None
        if isinstance(message, Unknown):
            self._user.unknownReceived(message.tag)
        else:
            self._user.messageReceived(message)

    def _break(self, problem: SuperpeerError) -> None:
        user = self._user
        if user is not None:
            user.channelBroken(problem)
        self.close()

    def allow(self, size: int) -> None:
        self._reader.limit = size

    def pauseReading(self) -> None:
        if not self._paused and self._lost is None:
            self._paused = True
            self.transport.pauseProducing()

    def resumeReading(self) -> None:
        if self._paused and self._lost is None and not self._closing:
            self._paused = False
            self.transport.resumeProducing()
            self._reactor.callLater(0, self._deliver)

    # --- out ---------------------------------------------------------------------------------------------------------

    def send(self, message: Message, *more: Message) -> bool:
        if self._closing or self._lost is not None:
            return False
        put = self._queue.put
        try:
            queued = put(message)
            if more:
                queued = queued and all(map(put, more))
        except Overrun:
            self._dropped("slow-control")
            self._end(SLOW)
            return False
        if self._queue.size and not self._flushing and not self._blocked:
            self._flushSoon()
        return queued

    def _flushSoon(self) -> None:
        self._flushing = True
        self._turn.atEnd(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        transport = self.transport
        while self._queue.size and not self._blocked and self._lost is None:
            data = self._queue.take(WRITE)
            self.bytesSent += len(data)
            self._write(data)
        if self._queue.clears() and self._user is not None:
            self._user.channelClear()
        if self._closing and not self._queue.size and not self._blocked and self._lost is None:
            transport.unregisterProducer()
            # Closed from both sides, the other one last: else what it has not read yet might be lost to it.
            transport.loseWriteConnection()

    def _write(self, data: bytes) -> None:
        try:
            sent = self._secured.send(data) if self._secured is not None else 0
        except OSError:
            # Whether it takes nothing now or is gone, the transport finds out again, and tells.
            sent = 0
        if sent < len(data):
            self._blocked = True
            self.transport.write(data[sent:])

    def resumeProducing(self) -> None:
        """The transport takes more."""
        self._blocked = False
        if (self._queue.size or self._closing) and not self._flushing:
            self._flushSoon()

    def stopProducing(self) -> None:
        """The transport is gone."""
        self._blocked = True

    def close(self) -> None:
        if self._closing or self._lost is not None:
            return
        self._closing = True
        if self._paused:
            # Else the other side's farewell would not be noticed.
            self._paused = False
            self.transport.resumeProducing()
        if not self._flushing and not self._blocked:
            self._flushSoon()
        self._stopTimer()
        self._timer = self._reactor.callLater(CLOSING, self._end, "it does not close")

    def abort(self) -> None:
        if self._lost is None:
            self._end("aborted")


def _sentence(reason: Failure, problem: SSL.Error | None) -> str:
    """Why a connection ended, for people."""
    if problem is not None and problem.args and isinstance(problem.args[0], list):
        errors = ", ".join(str(one[-1]) for one in problem.args[0])
        return f"it is no peer, or broken: it does not speak TLS as peers do ({errors})"
    return " ".join(reason.getErrorMessage().split())
