"""The network in memory behaves as the TLS links do."""

import pytest
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from overlay.errors import Malformed, TooLarge, UsageError
from overlay.lab.channel import CLOSING
from overlay.link.channel import IChannel, INetwork
from overlay.wire import limits
from overlay.wire.messages import Goodbye, Ping
from tests.lab.pairs import Pair, User


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
    """Across a partition nothing passes; what was sent meanwhile comes in order once it is over, and new channels are made."""
    pair = Pair()
    channel, _, _, user = pair.joined()
    channel.send(Ping(0, 0.0))
    pair.net.partition(*([one] for one in pair.ids()))
    for number in range(1, 4):
        channel.send(Ping(number, 0.0))
        pair.time.advance(1)
    assert user.got == [] and pair.dialled() == ("does not answer", 5.0)
    pair.net.heal()
    channel.send(Ping(4, 0.0))
    assert pair.dialled() == ("made", 0.04)
    pair.time.advance(20)
    assert [one.token for one in user.got] == list(range(5))


def test_healedLinksWaitForTheNextTry() -> None:
    """What could not pass comes when its sender tries again: 0.2 s after it was lost, then 0.4 s later, 0.8 s, and so on."""
    pair = Pair()
    channel, _, other, user = pair.joined()
    start = pair.time.seconds()
    pair.net.cut(*pair.ids())
    channel.send(Ping(1, 0.0))
    other.send(Ping(2, 0.0))
    pair.time.advance(0.7)
    pair.net.mend(*reversed(pair.ids()))
    channel.send(Ping(3, 0.0))
    pair.time.advance(0.1)
    pair.net.cut(*pair.ids())
    pair.time.advance(1.0)
    pair.net.mend(*pair.ids())
    pair.time.advance(10)
    # The try at 1.41 s fell into the second cut.
    assert [one.token for one in user.got] == [1, 3]
    assert [at - start for at in user.times] == pytest.approx([0.01 + 0.2 + 0.4 + 0.8 + 1.6] * 2)


def test_cutConcernsTwoPeersAlone() -> None:
    """A cut link is cut in both directions, and no other link is."""
    pair = Pair()
    third = pair.add()
    third.listen(pair.accepted.append)
    pair.net.cut(*pair.ids())
    assert pair.dialled() == ("does not answer", 5.0)
    assert pair.dialled("10.0.0.3:7116") == ("made", 0.04)
    pair.net.mend(*pair.ids())
    assert pair.dialled() == ("made", 0.04)


def test_dialsAreTriedAgain() -> None:
    """A dial that nothing answers is tried again after 1, 3 and 7 seconds, as long as there is time."""
    pair = Pair()
    pair.net.cut(*pair.ids())
    pair.time.callLater(2.5, pair.net.mend, *pair.ids())
    assert pair.dialled() == ("made", 3.04)


def test_whatEndsAcrossAPartition() -> None:
    """An end that goes during a partition is heard of after it, and nothing that was held by then comes."""
    pair = Pair()
    channel, own, _, user = pair.joined()
    pair.net.cut(*pair.ids())
    channel.send(Ping(1, 0.0))
    channel.abort()
    pair.time.advance(20)
    assert own.got == ["lost"] and user.got == []
    pair.net.mend(*pair.ids())
    pair.time.advance(60)
    assert user.got == ["lost"] and not pair.net.stuck
    channel, own, _, user = pair.joined()
    pair.net.cut(*pair.ids())
    channel.send(Ping(2, 0.0))
    channel.close()
    pair.time.advance(CLOSING - 1)
    assert own.got == [] and user.got == []
    pair.time.advance(20)
    assert own.got == ["lost"]
    pair.net.mend(*pair.ids())
    pair.time.advance(60)
    assert user.got == ["lost"]


def test_crash() -> None:
    """A machine that is off says nothing to anybody, and hears nothing; what it has put on the wire arrives."""
    pair = Pair()
    channel, own, other, user = pair.joined()
    other.send(Ping(7, 0.0))
    pair.net.crash(pair.far.identity.peerId)
    assert not other.send(Ping(8, 0.0))
    channel.send(Ping(1, 0.0))
    pair.time.advance(10)
    assert user.got == [] and own.got == [Ping(7, 0.0)]
    channel.abort()
    pair.time.advance(1)
    assert own.got[1:] == ["lost"]


def test_kill() -> None:
    """A process that dies is heard of one latency later at every other end; what waited in it is gone."""
    pair = Pair()
    channel, own, other, user = pair.joined()
    start = pair.time.seconds()
    other.send(Ping(7, 0.0))
    pair.far.upload = 10.0
    other.send(Ping(8, 0.0))
    pair.net.kill(pair.far.identity.peerId)
    pair.time.advance(10)
    assert own.got == [Ping(7, 0.0), "lost"] and own.times == pytest.approx([start + 0.01] * 2)
    assert user.got == [] and not channel.send(Ping(1, 0.0)) and not pair.far.channels and not pair.near.channels


def test_killAcrossAPartition() -> None:
    """Nobody on the other side hears of a death before the partition is over."""
    pair = Pair()
    _, own, _, _ = pair.joined()
    pair.net.partition(*([one] for one in pair.ids()))
    pair.net.kill(pair.far.identity.peerId)
    pair.time.advance(30)
    assert own.got == []
    pair.net.heal()
    pair.time.advance(60)
    assert own.got == ["lost"]


def test_crashAcrossAPartition() -> None:
    """A machine that is off tries nothing again: what it had sent during a partition never comes."""
    pair = Pair()
    channel, own, other, _ = pair.joined()
    pair.net.cut(*pair.ids())
    other.send(Ping(1, 0.0))
    pair.time.advance(1)
    pair.net.crash(pair.far.identity.peerId)
    pair.net.mend(*pair.ids())
    pair.time.advance(60)
    assert own.got == [] and not pair.net.stuck and channel in pair.near.channels


def test_dialsThatFail() -> None:
    """A machine on which nobody listens refuses after a round trip; one that is off, behind a NAT or cut off is silent."""
    pair = Pair()
    assert pair.dialled("10.0.0.9:7116") == ("refuses", 0.02)
    pair.near.listen(pair.accepted.append)
    listening = pair.far.accept
    pair.far.accept = None
    assert pair.dialled() == ("refuses", 0.02)
    pair.far.accept = listening
    assert pair.dialled() == ("made", 0.04)
    pair.net.kill(pair.far.identity.peerId)
    assert pair.dialled() == ("refuses", 0.02)
    pair.net.crash(pair.far.identity.peerId)
    assert pair.dialled() == ("does not answer", 5.0)
    assert Pair(dialable=False).dialled() == ("does not answer", 5.0)


@pytest.mark.parametrize(("fate", "said", "after"), [("kill", "refuses", 0.04), ("crash", "does not answer", 5.0)])
def test_deathDuringADial(fate: str, said: str, after: float) -> None:
    """Whoever dies while it is dialled refuses as a process, and is silent as a machine."""
    pair = Pair()
    pair.time.callLater(0.01, getattr(pair.net, fate), pair.far.identity.peerId)
    assert pair.dialled() == (said, after) and pair.accepted == []


def test_aDialTakesNoLongerThanItMay() -> None:
    """A handshake that is not over in time fails when the time is up."""
    pair = Pair()
    pair.net.delay = lambda one, other: 2.0
    assert pair.dialled() == ("does not answer", 5.0)


def test_theMachineStays() -> None:
    """A peer that starts again has the limits of its machine, and can be dialled again."""
    pair = Pair()
    pair.far.upload, pair.far.slowness, pair.far.loss = 1000.0, 0.1, 0.01
    pair.net.kill(pair.far.identity.peerId)
    again = pair.net.attach(pair.far.identity, "10.0.0.2")
    again.listen(pair.accepted.append)
    assert (again.upload, again.download, again.slowness, again.loss) == (1000.0, None, 0.1, 0.01)
    assert isinstance(pair.dial().remoteKey, bytes)


def test_lossIsRepeated() -> None:
    """A packet that is lost again waits twice as long; loss of a host, of a link and of the network add up."""
    pair = Pair()
    channel, _, _, user = pair.joined()
    pair.net.loss, pair.near.loss = 0.2, 0.25
    pair.net.lossOf = lambda one, other: 1 / 6 if (one, other) == pair.ids() else 0.0
    assert channel.send(Ping(1, 0.0))
    pair.time.advance(100)
    lags = sorted(round(pair.net.lag(pair.near, pair.far), 6) for _ in range(4000))
    # Half of them are lost, half of these again, and so on.
    assert set(lags[:3900]) <= {0.0, 0.2, 0.6, 1.4, 3.0, 6.2}
    assert lags.count(0.0) == pytest.approx(2000, rel=0.1) and lags.count(0.2) == pytest.approx(1000, rel=0.15)
    assert lags.count(0.6) == pytest.approx(500, rel=0.2) and len(user.got) == 1


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_impossibleLoss(value: float) -> None:
    """Loss of a host or a network that nothing would survive, or that is no share, is refused."""
    pair = Pair()
    for where in (pair.net, pair.far):
        with pytest.raises(UsageError, match="loss must be"):
            where.loss = value


def test_closeDuringALongQueue() -> None:
    """A close whose queue does not go out within seconds becomes a reset."""
    pair = Pair()
    channel, own, _, user = pair.joined()
    pair.near.upload = 10.0
    channel.send(Goodbye("x", "y" * 200))
    channel.close()
    pair.time.advance(CLOSING + 1)
    assert own.got == ["lost"] and user.got == ["lost"]


def test_usersOfEndedChannels() -> None:
    """Who takes an end that is no more is told so at once."""
    pair = Pair()
    channel, user = pair.dial(), User()
    pair.accepted[0].abort()
    pair.time.advance(1)
    channel.setUser(user)
    assert user.got == ["lost"]


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
