"""Bandwidth, slowness, and the order that channels keep whatever happens to them."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from overlay.errors import UsageError
from overlay.lab.capacity import until
from overlay.lab.world import World
from overlay.wire import limits
from overlay.wire.codec import encode
from overlay.wire.message import Message
from overlay.wire.messages import Goodbye, Ping
from overlay.wire.query import Cancel, Done, Query, Receipt
from overlay.wire.registration import Register
from tests.lab.pairs import Pair

CODECS = pytest.mark.parametrize("codec", ["full", "none"])


def sized(size: int) -> Goodbye:
    """A message of so many bytes."""
    message = Goodbye("x", "y" * (size - len(encode(Goodbye("x", "")))))
    while len(encode(message)) > size:
        message = Goodbye("x", message.text[:-1])
    assert len(encode(message)) == size
    return message


@CODECS
def test_bandwidth(codec: str) -> None:
    """A message takes its size at the sender's rate, then the latency, then its size at the receiver's; the next one queues."""
    pair = Pair(codec)
    channel, _, other, user = pair.joined()
    start = pair.time.seconds()
    pair.near.upload, pair.far.download = 1000.0, 500.0
    for size in (100, 200, 100):
        channel.send(sized(size))
    pair.time.advance(10)
    # Sent by 0.1, 0.3 and 0.4; here from 0.11, 0.31 and (after the one before) 0.71 on.
    assert [at - start for at in user.times] == pytest.approx([0.11 + 0.2, 0.31 + 0.4, 0.71 + 0.2])
    assert (channel.bytesSent, other.bytesReceived) == (400, 400) and pair.net.bytes == {"Goodbye": 400}


@CODECS
def test_channelsShareOneUplinkAndOneDownlink(codec: str) -> None:
    """What one host sends over all its channels goes out one after the other, and so comes in what is sent to one host."""
    pair = Pair(codec)
    third = pair.add()
    third.listen(pair.accepted.append)
    first, _, _, user = pair.joined()
    second = pair.dial(address="10.0.0.3:7116")
    there = type(user)(pair.time)
    pair.accepted[-1].setUser(there)
    start = pair.time.seconds()
    pair.near.upload = 1000.0
    first.send(sized(100))
    second.send(sized(100))
    first.send(sized(100))
    pair.time.advance(10)
    assert [at - start for at in user.times] == pytest.approx([0.11, 0.31])
    assert [at - start for at in there.times] == pytest.approx([0.21])
    start = pair.time.seconds()
    pair.near.upload, pair.near.download = None, 1000.0
    back = type(user)(pair.time)
    for end in (first, second):
        end.setUser(back)
        end.allow(limits.MESSAGE)
    for end in pair.accepted:
        end.send(sized(100))
    pair.time.advance(10)
    assert [at - start for at in back.times] == pytest.approx([0.11, 0.21])


@CODECS
def test_controlGoesFirst(codec: str) -> None:
    """At an uplink control passes queries, and these registrations, within a channel as between channels."""
    pair = Pair(codec)
    channel, _, _, user = pair.joined()
    pair.near.upload = 1000.0
    query = Query(b"q" * 16, 1, "dawn", 1, 10, 0, 5.0)
    register, cancel, ping = Register(0, 1, 0, True, b"d" * 32), Cancel(b"q" * 16, 1), Ping(1, 0.0)
    for message in (register, register, query, cancel, ping, query, ping):
        assert channel.send(message)
    channel.close()
    pair.time.advance(10)
    ranked = sorted([register, query, cancel, ping, query, ping], key=lambda one: one.priority)
    assert user.got == [register, *ranked, "lost"]


@CODECS
def test_whatWaitsAtAnUplinkCongests(codec: str) -> None:
    """A channel whose uplink has a long queue is congested until it has gone out; what is too much is shed, and receipts never are."""
    pair = Pair(codec)
    channel, own, _, user = pair.joined()
    pair.near.upload = 100_000.0
    message = sized(200)
    sent = sum(channel.send(message) for _ in range(50_000))
    assert 8 * 2**20 <= sent * 200 < 8 * 2**20 + 400 and own.got == ["congested"] and len(own.dropped) == 50_000 - sent
    assert channel.send(Done(b"q" * 16, 1, "answered", Receipt()))
    pair.time.advance(60)
    assert channel.congested and len(user.got) == pytest.approx(100_000 * 60 / 200, rel=0.001)
    pair.time.advance(60)
    assert not channel.congested and own.got == ["congested", "clear"] and len(user.got) == sent + 1


@CODECS
@pytest.mark.parametrize("stop", ["pause", "cut"])
def test_whatHasToWaitUnderWayCongests(codec: str, stop: str) -> None:
    """What was on the wire when its reader rested, or packets stopped passing, counts as what is sent afterwards does."""
    pair = Pair(codec)
    channel, own, other, user = pair.joined()
    message = sized(200)
    for _ in range(25_000):
        channel.send(message)
    assert own.got == []
    if stop == "pause":
        other.pauseReading()
    else:
        pair.net.cut(*pair.ids())
    pair.time.advance(1)
    assert own.got == ["congested"] and user.got == []
    other.resumeReading()
    pair.net.mend(*pair.ids())
    pair.time.advance(5)
    assert own.got == ["congested", "clear"] and len(user.got) == 25_000


@given(st.floats(0, 1e7), st.floats(0, 1e7))
@example(2.0**-53, 1 + 3 * 2.0**-52)  # whose difference, added, is less
def test_waitsAreNeverTooShort(now: float, when: float) -> None:
    """Whatever is rounded, a wait ends at its time or a hair later."""
    assert when <= now + until(now, when) <= max(now, when) * (1 + 1e-15)


@CODECS
def test_slowPeers(codec: str) -> None:
    """A slow peer has each message done so long after the one before, in turn from each channel."""
    pair = Pair(codec)
    first, _, _, user = pair.joined()
    second, _, _, there = pair.joined()
    start = pair.time.seconds()
    pair.far.slowness = 0.1
    for number in range(3):
        first.send(Ping(number, 0.0))
    second.send(Ping(9, 0.0))
    pair.time.advance(1)
    assert [one.token for one in user.got] == [0, 1, 2]
    assert [at - start for at in user.times] == pytest.approx([0.11, 0.31, 0.41])
    assert [at - start for at in there.times] == pytest.approx([0.21])


def test_aSlowPeerMayRest() -> None:
    """A slow reader that pauses gets nothing, and the rest when it goes on."""
    pair = Pair()
    channel, _, other, user = pair.joined()
    pair.far.slowness = 0.1
    for number in range(4):
        channel.send(Ping(number, 0.0))
    pair.time.advance(0.25)
    other.pauseReading()
    pair.time.advance(5)
    assert len(user.got) == 2
    start = pair.time.seconds()
    other.resumeReading()
    pair.time.advance(5)
    assert [one.token for one in user.got] == [0, 1, 2, 3]
    assert [at - start for at in user.times[2:]] == pytest.approx([0.1, 0.2])


def test_impossibleLimits() -> None:
    """A rate of nothing, or a negative slowness, is refused."""
    pair = Pair()
    for name, value in [("upload", 0.0), ("download", -1.0), ("upload", float("nan")), ("slowness", -0.1), ("slowness", float("inf"))]:
        with pytest.raises(UsageError, match=f"{name} must be"):
            setattr(pair.near, name, value)


def test_sizesAreReckonedWhereTheyMatter() -> None:
    """Without a codec, unlimited hosts reckon no bytes unless they are asked to; then the counts are those of the codec."""
    counts = []
    for codec, reckons in (("none", False), ("none", True), ("full", True)):
        pair = Pair(codec)
        channel, _, other, _ = pair.joined()
        pair.net.reckons = reckons
        for size in (100, 200):
            channel.send(sized(size))
        pair.time.advance(1)
        counts.append((channel.bytesSent, other.bytesReceived, pair.net.bytes, pair.net.sent))
    assert counts == [(0, 0, {}, {"Goodbye": 2})] + [(300, 300, {"Goodbye": 300}, {"Goodbye": 2})] * 2


ENDS = st.integers(0, 1)
ACTS = st.one_of(
    st.tuples(st.just("send"), ENDS, st.integers(1, 6)),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.003, 0.01, 0.3, 2.0, 40.0])),
    st.tuples(st.sampled_from(["cut", "mend", "split", "heal"])),
    st.tuples(st.sampled_from(["pauseReading", "resumeReading"]), ENDS),
    st.tuples(st.sampled_from(["upload", "download"]), ENDS, st.sampled_from([None, 50.0, 1000.0, 1e6])),
    st.tuples(st.just("slowness"), ENDS, st.sampled_from([0.0, 0.01, 0.5])),
    st.tuples(st.just("loss"), ENDS, st.sampled_from([0.0, 0.1, 0.6])),
)


def story(codec: str, acts: list[tuple[Any, ...]]) -> tuple[list[list[Message]], list[list[tuple[float, Any]]]]:
    """What two ends have sent, and what came when, after all the acts and a long peace."""
    pair = Pair(codec)
    channel, own, other, user = pair.joined()
    ends, hosts = (channel, other), (pair.near, pair.far)
    sent: list[list[Message]] = [[], []]
    for act, *rest in acts:
        if act == "send":
            for number in range(rest[1]):
                message = sized(30 + 31 * number) if number % 2 else Ping(len(sent[rest[0]]), 0.0)
                assert ends[rest[0]].send(message)
                sent[rest[0]].append(message)
        elif act == "wait":
            pair.time.advance(rest[0])
        elif act == "split":
            pair.net.partition(*([one] for one in pair.ids()))
        elif act == "heal":
            pair.net.heal()
        elif act in ("cut", "mend"):
            getattr(pair.net, act)(*pair.ids())
        elif act in ("pauseReading", "resumeReading"):
            getattr(ends[rest[0]], act)()
        else:
            setattr(hosts[rest[0]], act, rest[1])
    pair.net.heal()
    pair.net.mend(*pair.ids())
    for end in ends:
        end.resumeReading()
    pair.time.advance(100_000)
    assert not pair.net.stuck and channel._out == other._out == 0
    return sent, [list(zip(one.times, one.got, strict=True)) for one in (user, own)]


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTS, max_size=30))
@example([("upload", 0, 50.0), ("send", 0, 3), ("upload", 0, None), ("send", 0, 3)])
@example([("download", 1, 50.0), ("send", 0, 3), ("wait", 0.3), ("download", 1, None), ("send", 0, 3)])
@example([("send", 0, 2), ("cut",), ("wait", 0.01), ("mend",), ("wait", 0.1), ("send", 0, 2), ("pauseReading", 1), ("wait", 2.0)])
@example([("slowness", 1, 0.5), ("send", 0, 4), ("wait", 0.3), ("slowness", 1, 0.0), ("send", 0, 2)])
def test_everythingComesInOrder(acts: list[tuple[Any, ...]]) -> None:
    """Whatever befalls a living channel, all that it accepted comes, once and in order; and both codecs tell the same story."""
    sent, came = story("full", acts)
    assert [[message for _, message in one] for one in came] == sent
    assert story("none", acts) == (sent, came)


@pytest.mark.no_cover
def test_aLimitedWorldUnderBothCodecs() -> None:
    """In a network with limits, loss, cuts and deaths every message comes at the same time under both codecs."""

    def log(codec: str) -> list[tuple[float, bytes, bytes, str]]:
        world = World(5, codec=codec, latency="plane", specs={"election": "fittest:wanted=4"})
        came: list[tuple[float, bytes, bytes, str]] = []
        world.net.watcher = lambda one, other, message: came.append((world.time.seconds(), one, other, type(message).__name__))
        world.net.loss = 0.02
        for number in range(10):
            documents = [world.document(f"s/{number}.txt", f"dawn of {number}")]
            peer = world.add(f"p{number}", ["p0"] if number else [], documents, dialable=number != 7)
            peer.host.upload, peer.host.download = 20_000.0 * (1 + number), 100_000.0
            peer.host.slowness = 0.05 if number == 3 else 0.0
        world.run(60)
        world.net.cut(world.peers["p1"].peerId, world.peers["p2"].peerId)
        world.run(10)
        world.net.mend(world.peers["p1"].peerId, world.peers["p2"].peerId)
        world.peers["p4"].kill()
        world.peers["p5"].crash()
        world.run(60)
        assert len(world.peers["p9"].search("dawn", want=50).hits) >= 8
        return came

    full = log("full")
    assert len(full) > 1000 and full == log("none")
