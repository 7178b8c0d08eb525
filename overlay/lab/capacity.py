"""
What a machine can do in a second: its uplink, its downlink and its processor. All channels of one host share them.

None of them exists until a limit is set, so that hosts without limits pay nothing.
"""

import math
from collections import deque
from typing import TYPE_CHECKING

from overlay.errors import TooLarge
from overlay.wire import limits
from overlay.wire.codec import encode
from overlay.wire.message import Message, Priority

if TYPE_CHECKING:
    from overlay.lab.channel import VirtualChannel
    from overlay.lab.network import VirtualHost

LAST = len(Priority) - 1
"""The lane of the end of a channel: after all that it has sent."""
Data = Message | bytes | None
"""What a channel carries: a message, encoded or not, or None for its orderly end."""


def sizeOf(message: Message) -> int:
    """Bytes that it takes on the wire."""
    try:
        return len(encode(message))
    except TooLarge:
        return limits.MESSAGE


def until(now: float, when: float) -> float:
    """Seconds from C{now} on, such that their sum is no sooner than C{when}: rounding must not make one message overtake another."""
    wait = max(0.0, when - now)
    while now + wait < when:
        wait = math.nextafter(wait, math.inf)
    return wait


class Uplink:
    """
    Sends one message after the other, each in size / rate seconds; control before queries before registrations, as the queue of a
    link does it, and over all channels of the host. What has begun goes out whole (a real link breaks off after each frame).
    """

    __slots__ = ("_busy", "_host", "_lanes")

    def __init__(self, host: "VirtualHost") -> None:
        self._host = host
        self._lanes: tuple[deque[tuple[VirtualChannel, Data, int]], ...] = tuple(deque() for _ in Priority)
        self._busy = False

    def put(self, channel: "VirtualChannel", data: Data, size: int, priority: int) -> None:
        """Send it when its turn comes."""
        self._lanes[priority].append((channel, data, size))
        if not self._busy:
            self._next()

    def _next(self) -> None:
        for lane in self._lanes:
            while lane:
                channel, data, size = lane.popleft()
                if not channel.ended:
                    self._busy = True
                    rate = self._host.upload
                    self._host.net.time.callLater(size / rate if rate is not None else 0.0, self._sent, channel, data, size)
                    return
        self._busy = False

    def _sent(self, channel: "VirtualChannel", data: Data, size: int) -> None:
        if not channel.ended:
            channel.depart(data, size)
        self._next()


class Downlink:
    """Takes one message after the other, in the order in which they come, each in size / rate seconds."""

    __slots__ = ("_free", "_host")

    def __init__(self, host: "VirtualHost") -> None:
        self._host = host
        self._free = 0.0

    def put(self, channel: "VirtualChannel", data: Data, size: int) -> None:
        """Hand it to C{channel} when all of it is here."""
        time, rate = self._host.net.time, self._host.download
        now = time.seconds()
        self._free = max(self._free, now) + (size / rate if rate is not None else 0.0)
        wait = until(now, self._free)
        self._free = now + wait
        time.callLater(wait, channel.land, data, size)


class Processor:
    """Works on one message after the other, a message of each channel in turn, and has each done after C{slowness} seconds."""

    __slots__ = ("_busy", "_host", "_waiting")

    def __init__(self, host: "VirtualHost") -> None:
        self._host = host
        self._waiting: deque[VirtualChannel] = deque()
        self._busy = False

    def put(self, channel: "VirtualChannel") -> None:
        """There is something to be read from C{channel}; it is put in once, until it is L{VirtualChannel.serve}d."""
        self._waiting.append(channel)
        if not self._busy:
            self._next()

    def _next(self) -> None:
        while self._waiting:
            channel = self._waiting.popleft()
            if channel.readable:
                self._busy = True
                self._host.net.time.callLater(self._host.slowness, self._done, channel)
                return
            channel.serve()
        self._busy = False

    def _done(self, channel: "VirtualChannel") -> None:
        if channel.serve():
            self._waiting.append(channel)
        self._next()
