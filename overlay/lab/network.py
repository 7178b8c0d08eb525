"""
A network in memory, behind the same interface as the TLS links: latency, bandwidth, loss, partitions, cut links, slow and dead
peers, and peers that cannot be dialled.
"""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from overlay.errors import NotReached, SuperpeerError, UsageError
from overlay.identity.identity import Identity
from overlay.identity.ids import PeerId
from overlay.lab.capacity import Downlink, Processor, Uplink, until
from overlay.lab.channel import VirtualChannel
from overlay.lab.latency import Latency, modelOf
from overlay.lab.retransmission import lagOf
from overlay.lab.time import VirtualTime
from overlay.link.channel import IChannel, IListening, INetwork
from overlay.wire.address import formatAddress, parseAddress
from overlay.wire.message import Message

KNOCK = 1.0
"""Seconds after which a dial without an answer is tried again; twice as long after each further try, as TCP does it."""


def _rate(value: float | None, what: str) -> None:
    """
    @raise UsageError: it is not a number of bytes per second.
    """
    if value is not None and not (0 < value < math.inf):
        raise UsageError(f"{what} must be more than 0 bytes per second, not {value:g}")


def _pause(value: float, what: str) -> None:
    """
    @raise UsageError: it is not a number of seconds.
    """
    if not 0 <= value < math.inf:
        raise UsageError(f"{what} must be at least 0 seconds, not {value:g}")


def _share(value: float, what: str = "loss") -> None:
    """
    @raise UsageError: it is not a part of the packets, or all of them.
    """
    if not 0 <= value < 1:
        raise UsageError(f"{what} must be at least 0 and less than 1, not {value:g}; to lose everything, cut the link")


@attrs.frozen(slots=True)
class _Limits:
    """What one machine can do; most can do everything."""

    upload: float | None = None
    download: float | None = None
    slowness: float = 0.0
    loss: float = 0.0


_UNLIMITED = _Limits()


def _limit(name: str, check: Callable[[Any, str], None], doc: str) -> Any:
    """A property of a host: one of its limits, which is checked where it is set."""

    def get(host: "VirtualHost") -> Any:
        return getattr(host._limits, name)

    def put(host: "VirtualHost", value: Any) -> None:
        check(value, name)
        host.limit(attrs.evolve(host._limits, **{name: value}))

    return property(get, put, doc=doc)


@implementer(IListening)
class _Listening:
    __slots__ = ("_at", "host", "port")

    def __init__(self, host: "VirtualHost") -> None:
        self._at = host
        self.host, self.port = parseAddress(host.address)

    def stop(self) -> Deferred[None]:
        self._at.accept = None
        return succeed(None)


@implementer(INetwork)
class VirtualHost:
    """
    The network as one peer sees it, and the machine that the peer runs on.

    @ivar number: from 1 on, of all that there have been.
    @ivar address: C{HOST:PORT}.
    @ivar dialable: whether others can dial it. What else is sent there vanishes, as most NAT boxes have it, so a dial times out.
    @ivar crashed: the machine is off: it neither sends nor receives any more, and nobody is told.
    @ivar killed: the process is dead; the machine resets its connections, and refuses others.
    @ivar plain: whether it never had a limit; what two plain hosts send each other takes the short way.
    """

    __slots__ = (
        "_limits", "accept", "address", "channels", "crashed", "dialable", "downlink", "identity", "killed", "net", "number",
        "plain", "processor", "uplink",
    )

    def __init__(self, net: "VirtualNetwork", identity: Identity, address: str, dialable: bool) -> None:
        self.net = net
        self.number = net.newNumber()
        self.identity = identity
        self.address = address
        self.dialable = dialable
        self.crashed = False
        self.killed = False
        self.accept: Callable[[IChannel], None] | None = None
        self.channels: list[VirtualChannel] = []
        self.plain = True
        self.uplink: Uplink | None = None
        self.downlink: Downlink | None = None
        self.processor: Processor | None = None
        self._limits = _UNLIMITED

    @property
    def gone(self) -> bool:
        """Whether nobody is here any more."""
        return self.crashed or self.killed

    upload = _limit("upload", _rate, "Bytes per second that it can send, over all channels; None: no limit.")
    download = _limit("download", _rate, "Bytes per second that it can receive, over all channels; None: no limit.")
    slowness = _limit("slowness", _pause, "Seconds that it works on each message that it receives.")
    loss = _limit("loss", _share, "Part of the packets to and from here that are lost, beside what the network loses.")

    def limit(self, limits: _Limits) -> None:
        """Keep to other limits from now on."""
        self._limits = limits
        if limits.upload is not None and self.uplink is None:
            self.uplink, self.plain = Uplink(self), False
        if limits.download is not None and self.downlink is None:
            self.downlink, self.plain = Downlink(self), False
        if limits.slowness and self.processor is None:
            self.processor, self.plain = Processor(self), False
        self.net.lossy = self.net.lossy or limits.loss > 0

    def succeeds(self, former: "VirtualHost") -> None:
        """It is the same machine, started again."""
        self.limit(former._limits)

    def listen(self, accept: Any) -> Deferred[IListening]:
        self.accept = accept
        return succeed(_Listening(self))

    def dial(self, address: str, expected: bytes | None, timeout: float) -> Deferred[IChannel]:
        """
        Where nobody listens, the machine there refuses after a round trip (so it does where there never was a peer); a machine that
        is off, on the other side of a partition or behind a NAT says nothing until the time is up.
        """
        made: Deferred[IChannel] = Deferred()
        try:
            place = formatAddress(*parseAddress(address))
        except SuperpeerError as problem:
            made.errback(NotReached(str(problem)))
            return made
        _Dial(self, made, place, address, expected, self.net.time.seconds() + timeout).knock(KNOCK)
        return made


class _Dial:
    """One attempt to connect."""

    __slots__ = ("_address", "_deadline", "_expected", "_host", "_made", "_place")

    def __init__(
        self, host: VirtualHost, made: Deferred[IChannel], place: str, address: str, expected: bytes | None, deadline: float
    ) -> None:
        self._host = host
        self._made = made
        self._place = place
        self._address = address
        self._expected = expected
        self._deadline = deadline

    def knock(self, wait: float) -> None:
        """
        @param wait: seconds until the next try, if nothing answers this one.
        """
        host, net = self._host, self._host.net
        if self._made.called or host.gone:
            return
        target = net.hosts.get(self._place)
        now = net.time.seconds()
        if target is None:
            self._fail(now + 2 * net.delay(host.identity.peerId, b""), "refuses")
        elif not target.dialable or not net.connected(host, target):
            if now + wait < self._deadline:
                net.time.callLater(wait, self.knock, 2 * wait)
            else:
                self._fail(self._deadline, "does not answer")
        else:
            delay = net.delay(host.identity.peerId, target.identity.peerId)
            lag = net.lag(host, target) if net.lossy else 0.0
            # One round trip for TCP, one for TLS.
            took = (2 if target.accept is None else 4) * delay + lag
            if now + took > self._deadline:
                self._fail(self._deadline, "does not answer")
            else:
                net.time.callLater(took, self._connect, target, delay)

    def _fail(self, when: float, said: str) -> None:
        time = self._host.net.time
        time.callLater(until(time.seconds(), min(when, self._deadline)), self._failed, said)

    def _failed(self, said: str) -> None:
        if not self._made.called:
            self._made.errback(NotReached(f"{self._address} {said}"))

    def _connect(self, target: VirtualHost, delay: float) -> None:
        host, net = self._host, self._host.net
        if self._made.called or host.gone:
            return
        if not net.connected(host, target):
            self._fail(self._deadline, "does not answer")
        elif target.accept is None:
            self._failed("refuses")
        elif self._expected is not None and target.identity.peerId != self._expected:
            self._made.errback(NotReached(f"another peer answers at {self._address}"))
        else:
            number = net.newNumber()
            near = VirtualChannel(host, target, True, number, delay, self._address)
            far = VirtualChannel(target, host, False, number, delay, "")
            near.other, far.other = far, near
            host.channels.append(near)
            target.channels.append(far)
            target.accept(far)
            self._made.callback(near)


class VirtualNetwork:
    """
    @ivar codec: C{full} encodes and decodes every message; C{none} hands the objects over, which are frozen.
    @ivar full: whether it is C{full}.
    @ivar reckons: whether the size of every message is reckoned. With the codec C{none} it is not, unless it is set: then only what
        has to wait somewhere counts.
    @ivar lossOf: part of the packets lost between two peers, beside L{loss}; of two peer ids. None: no more.
    @ivar sent: messages sent, by class name.
    @ivar bytes: bytes sent, by class name, as far as they were reckoned.
    @ivar delivered: messages that have arrived.
    @ivar watcher: called with sender, receiver and message just before a message is received.
    @ivar lossy: whether packets may be lost.
    @ivar broken: whether there are peers between which nothing passes.
    @ivar stuck: the channels to which something is on its way that cannot pass.
    """

    def __init__(
        self, time: VirtualTime, rng: random.Random, codec: str = "full", latency: Latency = (0.005, 0.05)
    ) -> None:
        """
        @param latency: see L{modelOf}.
        """
        self.time = time
        self.random = rng
        self.codec = codec
        self.full = self.reckons = codec == "full"
        self.delay = modelOf(latency, rng)
        self.hosts: dict[str, VirtualHost] = {}
        self.sent: defaultdict[str, int] = defaultdict(int)
        self.bytes: defaultdict[str, int] = defaultdict(int)
        self.delivered = 0
        self.watcher: Callable[[PeerId, PeerId, Message], None] | None = None
        self.lossy = False
        self.broken = False
        self.stuck: dict[VirtualChannel, None] = {}
        self._places: dict[bytes, VirtualHost] = {}
        self._loss = 0.0
        self._lossOf: Callable[[bytes, bytes], float] | None = None
        self._made = 0
        self._parts: dict[bytes, int] = {}
        self._cuts: set[frozenset[bytes]] = set()

    def attach(self, identity: Identity, host: str, port: int = 7116, dialable: bool = True) -> VirtualHost:
        """A place in the network; a peer that restarts takes the place of its former self, whose machine it has."""
        address = formatAddress(host, port)
        place = VirtualHost(self, identity, address, dialable)
        former = self._places.get(identity.peerId)
        if former is not None:
            place.succeeds(former)
        self.hosts[address] = self._places[identity.peerId] = place
        return place

    def countSent(self, message: Message, size: int) -> None:
        """
        @param size: bytes, if they were reckoned.
        """
        name = type(message).__name__
        self.sent[name] += 1
        if size:
            self.bytes[name] += size

    def newNumber(self) -> int:
        """Of a host, or of two ends that make one channel."""
        self._made += 1
        return self._made

    # --- loss --------------------------------------------------------------------------------------------------------

    @property
    def loss(self) -> float:
        """Part of all packets that are lost and sent again, from 0 to less than 1; a message counts as one packet."""
        return self._loss

    @loss.setter
    def loss(self, value: float) -> None:
        _share(value)
        self._loss = value
        self.lossy = self.lossy or value > 0

    @property
    def lossOf(self) -> Callable[[bytes, bytes], float] | None:
        return self._lossOf

    @lossOf.setter
    def lossOf(self, value: Callable[[bytes, bytes], float] | None) -> None:
        self._lossOf = value
        self.lossy = self.lossy or value is not None

    def lag(self, one: VirtualHost, other: VirtualHost) -> float:
        """Seconds until a packet is on its way that is not lost: it is sent again after each loss, later each time."""
        passes = (1 - self._loss) * (1 - one.loss) * (1 - other.loss)
        if self._lossOf is not None:
            lost = self._lossOf(one.identity.peerId, other.identity.peerId)
            _share(lost)
            passes *= 1 - lost
        return lagOf(passes, self.random)

    # --- partitions --------------------------------------------------------------------------------------------------

    def passes(self, one: VirtualHost, other: VirtualHost) -> bool:
        """Whether the network carries packets between two hosts now."""
        near, far = one.identity.peerId, other.identity.peerId
        if self._parts and self._parts.get(near, 0) != self._parts.get(far, 0):
            return False
        return not self._cuts or frozenset((near, far)) not in self._cuts

    def connected(self, one: VirtualHost, other: VirtualHost) -> bool:
        """Whether packets from one host reach the other's machine, and that is on."""
        return not one.crashed and not other.crashed and (not self.broken or self.passes(one, other))

    def partition(self, *groups: Collection[bytes]) -> None:
        """
        Split the network: packets between the groups of peer ids vanish; who is in no group is with the first. Channels last, and
        what they carry comes when packets pass again, as with TCP, which tries less and less often.
        """
        self._parts = {peer: number for number, group in enumerate(groups) for peer in group}
        self._changed()

    def heal(self) -> None:
        """End the partition."""
        self.partition()

    def cut(self, one: bytes, other: bytes) -> None:
        """Packets between two peers vanish, until L{mend}."""
        self._cuts.add(frozenset((one, other)))
        self._changed()

    def mend(self, one: bytes, other: bytes) -> None:
        """Undo L{cut}; of no effect if it was not cut."""
        self._cuts.discard(frozenset((one, other)))
        self._changed()

    def _changed(self) -> None:
        self.broken = bool(self._parts or self._cuts)
        for channel in list(self.stuck):
            channel.retry()

    # --- death -------------------------------------------------------------------------------------------------------

    def crash(self, peer: PeerId) -> None:
        """A machine is off: no goodbye, no reset; what is on the wire already arrives."""
        host = self._places.get(peer)
        if host is not None and not host.crashed:
            host.crashed = True
            host.accept = None
            for channel in list(host.channels):
                channel.vanish()

    def kill(self, peer: PeerId) -> None:
        """A process dies: no goodbye, but its machine resets its connections."""
        host = self._places.get(peer)
        if host is not None and not host.gone:
            host.killed = True
            host.accept = None
            for channel in list(host.channels):
                channel.reset()
                channel.vanish()
