"""
A channel in memory, behind the same interface as the TLS links: reliable, and in order, whatever the network does to its packets.

The way of a message: the sender's uplink, if that has a limit; the wire, with its latency and its losses; where packets vanish, a
wait until they pass again; the receiver's downlink, if that has a limit; and the inbox, if the receiver does not read at once.
"""

from collections import deque
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from overlay.errors import SuperpeerError, TooLarge
from overlay.lab.capacity import LAST, Data, sizeOf, until
from overlay.lab.ends import Ends
from overlay.lab.retransmission import Held
from overlay.link.channel import IChannel, IChannelUser
from overlay.wire import limits
from overlay.wire.codec import Unknown, decode, encode
from overlay.wire.message import Message, Priority
from overlay.wire.query import Done, Hits

if TYPE_CHECKING:
    from overlay.lab.network import VirtualHost

WINDOW = 8 * 1024 * 1024
"""Bytes not taken by the other side from which a sender sheds."""
CLOSING = 5.0
"""Seconds that a channel takes to flush at its end."""
_RESET = "reset by the other side"


@implementer(IChannel)
class VirtualChannel(Ends):
    """
    One end.

    With unlimited hosts and a reader that reads nothing is reckoned; else bytes are counted, whatever the codec, from the sending
    (or, of what was under way, from the moment that it has to wait) until the other side takes them.

    @ivar ended: nothing is sent or received any more.
    """

    __slots__ = (
        "_arrives", "_closing", "_delay", "_held", "_inbox", "_limit", "_net", "_open", "_out", "_paused", "_pumping", "_timer", "_user",
        "bytesReceived", "bytesSent", "congested", "dialled", "dialledAddress", "ended", "fieldsSkipped", "other",
    )

    def __init__(
        self, host: "VirtualHost", remote: "VirtualHost", dialled: bool, number: int, delay: float, address: str
    ) -> None:
        super().__init__(host, remote, number)
        self._net = host.net
        self.other: VirtualChannel
        self.dialled = dialled
        self.dialledAddress = address
        self.congested = False
        self.bytesSent = self.bytesReceived = self.fieldsSkipped = 0
        self.ended = False
        self._delay = delay
        self._arrives = 0.0
        self._user: IChannelUser | None = None
        # Most channels never need one, and an empty deque is larger than all the rest.
        self._inbox: deque[tuple[Data, int]] | None = None
        self._held: Held | None = None
        self._out = 0
        self._limit = limits.HELLO
        self._open = False
        self._paused = False
        self._pumping = False
        self._closing = False
        self._timer: IDelayedCall | None = None

    def setUser(self, user: IChannelUser) -> None:
        if self.ended:
            if not self._host.gone:
                user.channelLost("the channel has ended")
            return
        self._user = user
        self._open = not self._paused
        self._pump()

    # --- out ---------------------------------------------------------------------------------------------------------

    def send(self, message: Message, *more: Message) -> bool:
        if more:
            return all(map(self.send, (message, *more)))
        if self._closing:
            return False
        net = self._net
        if isinstance(message, Hits):
            message = message.plain()
        if not net.reckons and not self._waits():
            # The short way of most messages: its size is of no account.
            net.sent[type(message).__name__] += 1
            self.depart(message, 0)
            return True
        data: Message | bytes = message
        size = 0
        waits = self._waits()
        if waits or net.reckons:
            try:
                encoded = encode(message)
            except TooLarge:
                self._drop("too-large")
                return False
            size = len(encoded)
            if net.full:
                data = encoded
            if waits and self._out > WINDOW and not isinstance(message, Done):
                self._drop(("slow-control", "slow-search", "slow-registration")[message.priority])
                return False
            self.bytesSent += size
        net.countSent(message, size)
        if waits:
            self._carry(data, size, message.priority)
        else:
            self.depart(data, 0)
        return True

    def sendBytes(self, data: bytes) -> None:
        """Send what is no message, as a hostile peer would."""
        self._carry(data, len(data) if self._waits() else 0, Priority.CONTROL)

    def _waits(self) -> bool:
        """Whether a message may have to wait on its way, so that its size matters."""
        other = self.other
        return not (other._open and other._held is None and self._host.plain and self._remote.plain)

    def _drop(self, reason: str) -> None:
        if self._user is not None:
            self._user.messageDropped(reason)

    def _carry(self, data: Data, size: int, priority: int) -> None:
        if size:
            self._count(size)
        if self._host.uplink is not None:
            self._host.uplink.put(self, data, size, priority)
        else:
            self.depart(data, size)

    def _count(self, size: int) -> None:
        """So much more waits for the other side."""
        self._out += size
        if self._out > limits.QUEUE_SEARCH and not self.congested:
            self.congested = True
            if self._user is not None:
                self._user.channelCongested()

    def _taken(self, size: int) -> None:
        """The other side has taken so much of what waited."""
        self._out -= size
        if self.congested and self._out < limits.QUEUE_RESUME:
            self.congested = False
            if self._user is not None:
                self._user.channelClear()

    def depart(self, data: Data, size: int) -> None:
        """Go on the wire now."""
        net = self._net
        time = net.time
        arrives = time._now + self._delay
        if net.lossy:
            arrives += net.lag(self._host, self._remote)
        if arrives < self._arrives:
            # In order, as TCP keeps it.
            arrives = self._arrives
        self._arrives = arrives
        time.post(arrives, self._remote.number, self.other._arrive, (data, size))

    # --- in ----------------------------------------------------------------------------------------------------------

    def _arrive(self, data: Data, size: int) -> None:
        if self.ended:
            return
        if self._held is not None or (self._net.broken and not self._net.passes(self._host, self._remote)):
            self._hold().items.append((data, size or self._weigh(data)))
        elif self._host.downlink is not None:
            self._host.downlink.put(self, data, size or self._weigh(data))
        elif (
            not size and self._open and not self._closing and self._inbox is None and self._host.processor is None
            and not self._net.reckons and isinstance(data, Message)
        ):
            self._hand(data)
        else:
            self.land(data, size)

    def _weigh(self, data: Data) -> int:
        """What was of no size on its way has to wait, so from now on it counts."""
        if data is None:
            return 0
        size = len(data) if isinstance(data, bytes) else sizeOf(data)
        self.other._count(size)
        return size

    def land(self, data: Data, size: int) -> None:
        """It is here, all of it."""
        if self.ended:
            return
        if self._inbox is None:
            # The end is noticed even where nobody reads yet.
            if (self._open or (data is None and not self._paused)) and self._host.processor is None:
                self._take(data, size)
                return
            self._inbox = deque()
        self._inbox.append((data, size or self._weigh(data)))
        self._pump()

    def _hold(self) -> Held:
        if self._held is None:
            self._held = Held(self._net.time.seconds())
            self._net.stuck[self] = None
        return self._held

    def retry(self) -> None:
        """Packets pass again: what is held comes with the sender's next try."""
        held = self._held
        if held is not None and held.call is None and self._net.passes(self._host, self._remote):
            now = self._net.time.seconds()
            held.call = self._net.time.callLater(until(now, held.nextTry(now)), self._release)

    def _release(self) -> None:
        held = self._held
        assert held is not None
        held.call = None
        if not self._net.passes(self._host, self._remote):
            return
        self._held = None
        del self._net.stuck[self]
        if held.reset:
            self._end(_RESET)
        elif not self._remote.crashed:
            for data, size in held.items:
                self._arrive(data, size)

    @property
    def readable(self) -> bool:
        """Whether there is something to read and somebody who reads."""
        return self._open and self._inbox is not None

    def _pump(self) -> None:
        if not self._pumping and self.readable:
            self._pumping = True
            if self._host.processor is not None:
                self._host.processor.put(self)
            else:
                self._net.time.callLater(0, self._pumped)

    def _pumped(self) -> None:
        self._pumping = False
        while self.readable:
            self._takeNext()

    def serve(self) -> bool:
        """
        Take one message, if there is one.

        @return: whether there are more.
        """
        if self.readable:
            self._takeNext()
        self._pumping = self.readable
        return self._pumping

    def _takeNext(self) -> None:
        assert self._inbox is not None
        data, size = self._inbox.popleft()
        if not self._inbox:
            self._inbox = None
        self._take(data, size)

    def _take(self, data: Data, size: int) -> None:
        if size:
            self.other._taken(size)
        if data is None:
            self._net.time.callLater(self._delay, self.other._closeArrives)
            self._end("closed by the other side")
        elif self._closing:
            return  # this end has said its last word
        elif isinstance(data, bytes):
            self.bytesReceived += len(data)
            self._decode(data)
        else:
            if size or self._net.reckons:
                self.bytesReceived += size or sizeOf(data)
            self._hand(data)

    def _decode(self, data: bytes) -> None:
        assert self._user is not None
        try:
            if len(data) > self._limit:
                raise TooLarge(f"a message of {len(data)} bytes")
            message, skipped = decode(data)
        except SuperpeerError as problem:
            self._user.channelBroken(problem)
            self.close()
            return
        self.fieldsSkipped += skipped
        if isinstance(message, Unknown):
            self._user.unknownReceived(message.tag)
        else:
            self._hand(message)

    def _hand(self, message: Message) -> None:
        net = self._net
        net.delivered += 1
        if net.watcher is not None:
            net.watcher(self.remoteId, self._host.identity.peerId, message)
        assert self._user is not None
        self._user.messageReceived(message)

    def allow(self, size: int) -> None:
        self._limit = size

    def pauseReading(self) -> None:
        self._paused = True
        self._open = False

    def resumeReading(self) -> None:
        self._paused = False
        self._open = self._user is not None
        self._pump()

    # --- the end -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        # Else the other side's farewell would not be noticed.
        self.resumeReading()
        self._timer = self._net.time.callLater(CLOSING, self._abort, "it does not close")
        self._carry(None, 0, LAST)

    def _closeArrives(self) -> None:
        """The other side has taken all, and has closed as well."""
        if not self._net.broken or self._net.passes(self._host, self._remote):
            self._end("closed")

    def abort(self) -> None:
        if not self.ended:
            self._closing = True
            self._net.time.callLater(0, self._abort, "aborted")

    def _abort(self, reason: str) -> None:
        if not self.ended:
            self.reset()
            self._end(reason)

    def reset(self) -> None:
        """The other end hears that this one is no more; unlike it, what is still to be sent or sent again never comes."""
        # As messages go, so that it does not overtake the last of them.
        time = self._net.time
        time.post(time.seconds() + self._delay, self._remote.number, self.other._resetArrives, ())

    def _resetArrives(self) -> None:
        if self.ended:
            return
        if self._net.broken and not self._net.passes(self._host, self._remote):
            self._hold().reset = True
        else:
            self._end(_RESET)

    def _end(self, reason: str) -> None:
        if not self.ended:
            user = self._user
            self.vanish()
            if user is not None:
                user.channelLost(reason)

    def vanish(self) -> None:
        """End, and tell nobody."""
        self.ended = self._closing = True
        self._open = False
        self._user = self._inbox = None
        if self in self._host.channels:
            self._host.channels.remove(self)
        if self._held is not None:
            self._net.stuck.pop(self, None)
            if self._held.call is not None:
                self._held.call.cancel()
            self._held = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
