"""The network in memory behaves as the TLS links do."""

import random
from typing import Any

from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from overlay.errors import Malformed, TooLarge
from overlay.identity.identity import Identity
from overlay.lab.network import VirtualHost, VirtualNetwork
from overlay.lab.scheme import StandInScheme
from overlay.lab.time import VirtualTime
from overlay.link.channel import IChannel, IChannelUser, INetwork
from overlay.wire import limits
from overlay.wire.messages import Goodbye, Ping


@implementer(IChannelUser)
class User:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.dropped: list[str] = []

    def messageReceived(self, message: Any) -> None:
        self.got.append(message)

    def unknownReceived(self, tag: int) -> None:
        self.got.append(("unknown", tag))

    def channelBroken(self, reason: Exception) -> None:
        self.got.append(type(reason))

    def channelLost(self, reason: str) -> None:
        self.got.append("lost")

    def messageDropped(self, reason: str) -> None:
        self.dropped.append(reason)

    def channelCongested(self) -> None:
        self.got.append("congested")

    def channelClear(self) -> None:
        self.got.append("clear")


class Pair:
    """Two hosts and what became of a dial between them."""

    def __init__(self, codec: str = "full", dialable: bool = True) -> None:
        self.time = VirtualTime()
        self.net = VirtualNetwork(self.time, random.Random(1), codec, (0.01, 0.01))
        scheme = StandInScheme()
        rng = random.Random(2)
        self.near: VirtualHost = self.net.attach(Identity.generate(rng, scheme), "10.0.0.1")
        self.far: VirtualHost = self.net.attach(Identity.generate(rng, scheme), "10.0.0.2", dialable=dialable)
        self.accepted: list[Any] = []
        self.far.listen(self.accepted.append)
        self.result: list[Any] = []

    def dial(self, expected: bytes | None = None, address: str = "10.0.0.2:7116") -> Any:
        self.near.dial(address, expected, 5.0).addBoth(self.result.append)
        self.time.advance(10)
        return self.result[-1]


def test_bothEndsAreKnownAndShareABinding() -> None:
    """Each end knows the other's key, and both have the same binding, which no other channel has."""
    pair = Pair()
    assert verifyObject(INetwork, pair.near)
    one = pair.dial(pair.far.identity.peerId)
    assert verifyObject(IChannel, one)
    other = pair.accepted[0]
    assert one.remoteId == pair.far.identity.peerId and other.remoteKey == pair.near.identity.publicKey
    assert one.binding == other.binding and one.dialled and not other.dialled
    assert pair.dial().binding != one.binding


def test_messagesWaitForTheirUserAndKeepTheirOrder() -> None:
    """Nothing is delivered before there is a user, nothing is lost, and the order stays."""
    for codec in ("full", "none"):
        pair = Pair(codec)
        channel, user = pair.dial(), User()
        pair.net.loss = 0.5
        for number in range(20):
            assert channel.send(Ping(number, 0.0))
        pair.time.advance(5)
        pair.accepted[0].setUser(user)
        pair.time.advance(1)
        assert [message.token for message in user.got] == list(range(20))


def test_refusedDials() -> None:
    """A dial fails where nobody listens, where another answers, and behind a NAT."""
    pair = Pair()
    for result in (pair.dial(address="10.0.0.9:7116"), pair.dial(b"x" * 20), pair.dial(address="nonsense:x")):
        assert isinstance(result, Failure)
    assert isinstance(Pair(dialable=False).dial(), Failure)


def test_partitionAndHeal() -> None:
    """Across a partition nothing passes; after it, new channels are made."""
    pair = Pair()
    channel, user = pair.dial(), User()
    pair.accepted[0].setUser(user)
    pair.net.partition([pair.near.identity.peerId], [pair.far.identity.peerId])
    channel.send(Ping(1, 0.0))
    pair.time.advance(10)
    assert user.got == [] and isinstance(pair.dial(), Failure)
    pair.net.heal()
    assert isinstance(pair.dial().remoteKey, bytes)


def test_crash() -> None:
    """A peer that crashes says nothing to anybody, and hears nothing."""
    pair = Pair()
    channel, user, own = pair.dial(), User(), User()
    pair.accepted[0].setUser(user)
    channel.setUser(own)
    pair.net.crash(pair.far.identity.peerId)
    channel.send(Ping(1, 0.0))
    pair.time.advance(10)
    assert user.got == [] and own.got == []
    channel.abort()
    pair.time.advance(1)
    assert own.got == ["lost"]


def test_closeSendsWhatIsQueued() -> None:
    """A close delivers what was sent before it; both ends hear of the end."""
    pair = Pair()
    channel, user, own = pair.dial(), User(), User()
    pair.accepted[0].setUser(user)
    channel.setUser(own)
    channel.send(Goodbye("leaving"))
    channel.close()
    assert not channel.send(Ping(1, 0.0))
    pair.time.advance(1)
    assert user.got == [Goodbye("leaving"), "lost"] and own.got == ["lost"]


def test_limitsAndGarbage() -> None:
    """Before the hello only small messages pass; garbage breaks the channel."""
    pair = Pair()
    channel, user = pair.dial(), User()
    pair.accepted[0].setUser(user)
    channel.sendBytes(b"\x92" + b"x" * limits.HELLO)
    pair.time.advance(1)
    assert user.got == [TooLarge, "lost"]
    again, user = pair.dial(), User()
    pair.accepted[-1].setUser(user)
    pair.accepted[-1].allow(limits.MESSAGE)
    again.sendBytes(b"\x91\xcd\x7f\xff")
    again.sendBytes(b"\xc1nonsense")
    pair.time.advance(1)
    assert user.got == [("unknown", 0x7FFF), Malformed, "lost"]


def test_slowReaderCongestsAndClears() -> None:
    """Who does not read makes the other end congested, and clear when it reads again; memory stays bounded."""
    pair = Pair()
    channel, user, own = pair.dial(), User(), User()
    far = pair.accepted[0]
    far.setUser(user)
    far.allow(limits.MESSAGE)
    channel.setUser(own)
    far.pauseReading()
    sent = sum(channel.send(Goodbye("x", "y" * 200)) for _ in range(100_000))
    assert sent < 100_000 and channel.congested and own.got == ["congested"]
    assert own.dropped == ["slow-control"] * (100_000 - sent)
    far.resumeReading()
    pair.time.advance(1)
    assert len(user.got) == sent and own.got == ["congested", "clear"]
