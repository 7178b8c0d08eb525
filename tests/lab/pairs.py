"""Two hosts of the network in memory, and users of the channels between them."""

import random
from typing import Any

import pytest
from twisted.python.failure import Failure
from zope.interface import implementer

from overlay.identity.identity import Identity
from overlay.lab.network import VirtualHost, VirtualNetwork
from overlay.lab.scheme import StandInScheme
from overlay.lab.time import VirtualTime
from overlay.link.channel import IChannelUser
from overlay.wire import limits


@implementer(IChannelUser)
class User:
    """
    Notes what it is told.

    @ivar times: when each of L{got} came, if there is a clock.
    """

    def __init__(self, time: VirtualTime | None = None) -> None:
        self.time = time
        self.times: list[float] = []
        self.got: list[Any] = []
        self.dropped: list[str] = []

    def _note(self, what: Any) -> None:
        self.got.append(what)
        if self.time is not None:
            self.times.append(self.time.seconds())

    def messageReceived(self, message: Any) -> None:
        self._note(message)

    def unknownReceived(self, tag: int) -> None:
        self._note(("unknown", tag))

    def channelBroken(self, reason: Exception) -> None:
        self._note(type(reason))

    def channelLost(self, reason: str) -> None:
        self._note("lost")

    def messageDropped(self, reason: str) -> None:
        self.dropped.append(reason)

    def channelCongested(self) -> None:
        self._note("congested")

    def channelClear(self) -> None:
        self._note("clear")


class Pair:
    """Two hosts, 10 ms apart, and what became of a dial between them."""

    def __init__(self, codec: str = "full", dialable: bool = True) -> None:
        self.time = VirtualTime()
        self.net = VirtualNetwork(self.time, random.Random(1), codec, (0.01, 0.01))
        self._rng = random.Random(2)
        self._hosts = 0
        self.accepted: list[Any] = []
        self.result: list[Any] = []
        self.near = self.add()
        self.far = self.add(dialable)
        self.far.listen(self.accepted.append)

    def add(self, dialable: bool = True) -> VirtualHost:
        """One more host."""
        self._hosts += 1
        return self.net.attach(Identity.generate(self._rng, StandInScheme()), f"10.0.0.{self._hosts}", dialable=dialable)

    def ids(self) -> tuple[bytes, bytes]:
        """Of the two."""
        return self.near.identity.peerId, self.far.identity.peerId

    def joined(self) -> tuple[Any, User, Any, User]:
        """A channel between the two, and what its users hear: the end that dialled, and the other."""
        one = self.dial()
        other = self.accepted[-1]
        users = User(self.time), User(self.time)
        one.setUser(users[0])
        other.setUser(users[1])
        for end in (one, other):
            end.allow(limits.MESSAGE)
        return one, users[0], other, users[1]

    def dial(self, expected: bytes | None = None, address: str = "10.0.0.2:7116") -> Any:
        self.near.dial(address, expected, 5.0).addBoth(self.result.append)
        self.time.advance(10)
        return self.result[-1]

    def dialled(self, address: str = "10.0.0.2:7116") -> tuple[str, float]:
        """What becomes of a dial, C{made} or what is said, and after how many seconds."""
        start = self.time.seconds()
        done: list[tuple[Any, float]] = []
        self.near.dial(address, None, 5.0).addBoth(lambda result: done.append((result, self.time.seconds() - start)))
        self.time.advance(10)
        ((result, took),) = done
        said = result.getErrorMessage().partition(f"{address} ")[2] if isinstance(result, Failure) else "made"
        return said, pytest.approx(took)
