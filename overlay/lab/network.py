"""
A network in memory, behind the same interface as the TLS links: latency, loss, partition, crash, and peers that cannot be dialled.
"""

import hashlib
import random
from collections import deque
from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from overlay.errors import NotReached, SuperpeerError, TooLarge
from overlay.identity.identity import Identity
from overlay.identity.ids import PeerId
from overlay.lab.time import VirtualTime
from overlay.link.channel import IChannel, IChannelUser, IListening, INetwork
from overlay.wire import limits
from overlay.wire.address import formatAddress, parseAddress
from overlay.wire.codec import Unknown, decode, encode
from overlay.wire.message import Message
from overlay.wire.query import Done

Latency = tuple[float, float] | Callable[[bytes, bytes], float]
RETRANSMIT = 0.2
"""Seconds by which a lost packet delays what it carried: channels are reliable, as TCP is."""
_WINDOW = 8 * 1024 * 1024
"""Bytes on the way or unread from which a sender sheds."""


@implementer(IChannel)
class VirtualChannel:
    """One end."""

    __slots__ = (
        "_arrives", "_bytes", "_closing", "_delay", "_ended", "_host", "_inbox", "_limit", "_paused", "_pumping",
        "_user", "binding", "bytesReceived", "bytesSent", "congested", "dialled", "dialledAddress", "fieldsSkipped",
        "other", "remoteAddress", "remoteId", "remoteKey",
    )

    def __init__(
        self, host: "VirtualHost", remote: "VirtualHost", dialled: bool, binding: bytes, delay: float, address: str
    ) -> None:
        self._host = host
        self.other: VirtualChannel
        self.remoteKey = remote.identity.publicKey
        self.remoteId = remote.identity.peerId
        self.dialled = dialled
        self.binding = binding
        self.remoteAddress = remote.address
        self.dialledAddress = address
        self.congested = False
        self.bytesSent = 0
        self.bytesReceived = 0
        self.fieldsSkipped = 0
        self._delay = delay
        self._arrives = 0.0
        self._user: IChannelUser | None = None
        self._inbox: deque[tuple[Message | bytes, int]] = deque()
        self._bytes = 0
        self._limit = limits.HELLO
        self._paused = False
        self._pumping: IDelayedCall | None = None
        self._closing = False
        self._ended = False

    def __repr__(self) -> str:
        return f"<VirtualChannel {self._host.address} to {self.remoteAddress}>"

    @property
    def _net(self) -> "VirtualNetwork":
        return self._host.net

    def setUser(self, user: IChannelUser) -> None:
        self._user = user
        self._pump()

    def send(self, message: Message) -> bool:
        if self._closing or self._ended:
            return False
        size = 0
        data: Message | bytes = message
        if self._net.codec == "full":
            try:
                data = encode(message)
            except TooLarge:
                return False
            size = len(data)
        if self.other._bytes > _WINDOW and not isinstance(message, Done):
            return False
        self.bytesSent += size
        self._net.countSent(message, size)
        self._carry(data, size)
        return True

    def sendBytes(self, data: bytes) -> None:
        """Send what is no message, as a hostile peer would; only with the codec C{full}."""
        self._carry(data, len(data))

    def _carry(self, data: Message | bytes, size: int) -> None:
        time = self._net.time
        delay = self._delay
        if self._net.loss and self._net.random.random() < self._net.loss:
            delay += RETRANSMIT
        # In order, as TCP keeps it.
        self._arrives = max(self._arrives, time.seconds() + delay)
        self.other._bytes += size
        if self.other._bytes > limits.QUEUE_SEARCH and not self.congested:
            self.congested = True
            if self._user is not None:
                self._user.channelCongested()
        time.callLater(self._arrives - time.seconds(), self.other._arrive, data, size)

    def _arrive(self, data: Message | bytes, size: int) -> None:
        if self._ended or not self._net.connected(self._host, self.other._host):
            return
        self._inbox.append((data, size))
        self._deliver()

    def _pump(self) -> None:
        if self._pumping is None and self._inbox:
            self._pumping = self._net.time.callLater(0, self._pumped)

    def _pumped(self) -> None:
        self._pumping = None
        self._deliver()

    def _deliver(self) -> None:
        while self._inbox and self._user is not None and not self._paused and not self._ended:
            data, size = self._inbox.popleft()
            self._bytes -= size
            self.bytesReceived += size
            other = self.other
            if other.congested and self._bytes < limits.QUEUE_RESUME:
                other.congested = False
                if other._user is not None and not other._ended:
                    other._user.channelClear()
            if isinstance(data, bytes):
                self._decode(data)
            else:
                self._hand(self._user, data)

    def _decode(self, data: bytes) -> None:
        assert self._user is not None
        try:
            if len(data) > self._limit:
                raise TooLarge(f"a message of {len(data)} bytes")
            message, skipped = decode(data)
        except SuperpeerError as problem:
            self._user.channelBroken(problem)
            self._paused = True
            self.close()
            return
        self.fieldsSkipped += skipped
        if isinstance(message, Unknown):
            self._user.unknownReceived(message.tag)
        else:
            self._hand(self._user, message)

    def _hand(self, user: IChannelUser, message: Message) -> None:
        net = self._net
        net.delivered += 1
        if net.watcher is not None:
            net.watcher(self.remoteId, self._host.identity.peerId, message)
        user.messageReceived(message)

    def allow(self, size: int) -> None:
        self._limit = size

    def pauseReading(self) -> None:
        self._paused = True

    def resumeReading(self) -> None:
        self._paused = False
        self._pump()

    def close(self) -> None:
        if self._closing or self._ended:
            return
        self._closing = True
        wait = max(0.0, self._arrives - self._net.time.seconds())
        self._net.time.callLater(wait, self._closed)

    def _closed(self) -> None:
        if not self._ended:
            self._net.time.callLater(0, self.other._end, "closed by the other side")
            self._end("closed")

    def abort(self) -> None:
        if self._ended:
            return
        self._net.time.callLater(self._delay, self.other._end, "reset by the other side")
        self._net.time.callLater(0, self._end, "aborted")

    def _end(self, reason: str) -> None:
        if self._ended or (self.other._host.crashed and not self._host.crashed and reason != "aborted" and reason != "closed"):
            return
        if self._inbox and self._user is not None and not self._paused:
            self._deliver()
        self._ended = True
        self._host.channels.discard(self)
        self._inbox.clear()
        user, self._user = self._user, None
        if user is not None and not self._host.crashed:
            user.channelLost(reason)


@implementer(IListening)
class _Listening:
    def __init__(self, host: "VirtualHost") -> None:
        self._host = host
        self.port = parseAddress(host.address)[1]

    def stop(self) -> Deferred[None]:
        self._host.accept = None
        return succeed(None)


@implementer(INetwork)
class VirtualHost:
    """
    The network as one peer sees it.

    @ivar address: C{HOST:PORT}.
    @ivar dialable: whether others can dial it.
    @ivar crashed: it neither sends nor receives any more, and nobody is told.
    """

    def __init__(self, net: "VirtualNetwork", identity: Identity, address: str, dialable: bool) -> None:
        self.net = net
        self.identity = identity
        self.address = address
        self.dialable = dialable
        self.crashed = False
        self.accept: Callable[[IChannel], None] | None = None
        self.channels: set[VirtualChannel] = set()

    def listen(self, accept: Any) -> Deferred[IListening]:
        self.accept = accept
        return succeed(_Listening(self))

    def dial(self, address: str, expected: bytes | None, timeout: float) -> Deferred[IChannel]:
        made: Deferred[IChannel] = Deferred()
        try:
            host, port = parseAddress(address)
        except SuperpeerError as problem:
            made.errback(NotReached(str(problem)))
            return made
        target = self.net.hosts.get(formatAddress(host, port))
        reachable = target is not None and target.dialable and self.net.connected(self, target)
        if target is None or not reachable:
            dead = target is not None and not target.crashed and not self.net.connected(self, target)
            wait = timeout if dead else 2 * self.net.delay(self.identity.peerId, b"")
            self.net.time.callLater(wait, _fail, made, f"{address} does not answer")
            return made
        delay = self.net.delay(self.identity.peerId, target.identity.peerId)
        # One round trip for TCP, one for TLS.
        self.net.time.callLater(4 * delay, self._connect, made, target, address, expected, delay)
        return made

    def _connect(
        self, made: Deferred[IChannel], target: "VirtualHost", address: str, expected: bytes | None, delay: float
    ) -> None:
        if made.called or self.crashed:
            return
        if target.accept is None or target.crashed or not self.net.connected(self, target):
            _fail(made, f"{address} refuses")
            return
        if expected is not None and target.identity.peerId != expected:
            _fail(made, f"another peer answers at {address}")
            return
        binding = self.net.newBinding()
        near = VirtualChannel(self, target, True, binding, delay, address)
        far = VirtualChannel(target, self, False, binding, delay, "")
        near.other, far.other = far, near
        self.channels.add(near)
        target.channels.add(far)
        target.accept(far)
        made.callback(near)


def _fail(made: Deferred[IChannel], text: str) -> None:
    if not made.called:
        made.errback(NotReached(text))


class VirtualNetwork:
    """
    @ivar codec: C{full} encodes and decodes every message; C{none} hands the objects over, which are frozen.
    @ivar loss: part of the packets that are lost and sent again, 0 to 1.
    @ivar sent: messages sent, by class name.
    @ivar bytes: bytes sent, by class name; with the codec C{full}.
    @ivar delivered: messages that have arrived.
    @ivar watcher: called with sender, receiver and message just before a message is received.
    """

    def __init__(
        self, time: VirtualTime, rng: random.Random, codec: str = "full", latency: Latency = (0.005, 0.05)
    ) -> None:
        self.time = time
        self.random = rng
        self.codec = codec
        self.loss = 0.0
        self.hosts: dict[str, VirtualHost] = {}
        self.sent: dict[str, int] = {}
        self.bytes: dict[str, int] = {}
        self.delivered = 0
        self.watcher: Callable[[PeerId, PeerId, Message], None] | None = None
        self._latency = latency
        self._bindings = 0
        self._parts: dict[bytes, int] = {}

    def attach(self, identity: Identity, host: str, port: int = 7116, dialable: bool = True) -> VirtualHost:
        """A place in the network; a peer that restarts takes the place of its former self."""
        address = formatAddress(host, port)
        place = VirtualHost(self, identity, address, dialable)
        self.hosts[address] = place
        return place

    def countSent(self, message: Message, size: int) -> None:
        name = type(message).__name__
        self.sent[name] = self.sent.get(name, 0) + 1
        self.bytes[name] = self.bytes.get(name, 0) + size

    def delay(self, one: bytes, other: bytes) -> float:
        """One way, in seconds."""
        if callable(self._latency):
            return self._latency(one, other)
        return self.random.uniform(*self._latency)

    def newBinding(self) -> bytes:
        self._bindings += 1
        return hashlib.sha256(b"lab channel %d" % self._bindings).digest()

    def connected(self, one: VirtualHost, other: VirtualHost) -> bool:
        """Whether packets pass between two hosts now."""
        if one.crashed or other.crashed:
            return False
        return self._parts.get(one.identity.peerId, 0) == self._parts.get(other.identity.peerId, 0)

    def partition(self, *groups: Collection[bytes]) -> None:
        """Split the network: packets between the groups of peer ids vanish; who is in no group is with the first."""
        self._parts = {peer: number for number, group in enumerate(groups) for peer in group}

    def heal(self) -> None:
        """End the partition."""
        self._parts = {}

    def crash(self, peer: PeerId) -> None:
        """A peer vanishes: no goodbye, no reset."""
        for host in self.hosts.values():
            if host.identity.peerId == peer and not host.crashed:
                host.crashed = True
                host.accept = None
                for channel in list(host.channels):
                    channel._end("crashed")
