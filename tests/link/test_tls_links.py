"""Two peers' links over real TLS on loopback."""

from typing import Any

import pytest
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from overlay.errors import NotReached
from overlay.identity.network import Network
from overlay.link.link import Link
from overlay.link.queue import CONGESTED
from overlay.link.tls import TlsNetwork
from overlay.wire.messages import AdvertsWanted
from overlay.wire.registration import Register
from tests.eventually import within
from tests.link.fakes import CLOSED, Place, identityOf

reactor: Any = _reactor
LOOPBACK = "tcp:0:interface=127.0.0.1"


def place(number: int, listen: str = LOOPBACK, **arguments: Any) -> Place:
    identity = identityOf(number)
    return Place(identity, TlsNetwork(reactor, identity, listen), reactor, **arguments)


async def until(predicate: Any, seconds: float = 5.0) -> None:
    """Wait until C{predicate} holds."""
    for _ in range(int(seconds / 0.01)):
        if predicate():
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("it never came true")


async def linked() -> tuple[Place, Place, Link, Link]:
    """Two places with a link, and its two ends."""
    one, other = place(1), place(2)
    await one.links.start()
    await other.links.start()
    link = await one.links.dial(f"127.0.0.1:{other.links.port}", other.peerId)
    await until(lambda: len(other.links) == 1)
    far = other.links.get(one.peerId)
    assert far is not None and link.peerId == other.peerId
    return one, other, link, far


async def stop(*places: Place) -> None:
    for one in places:
        await one.links.stop()


@within(20)
async def test_twoPeersLinkAndTalk() -> None:
    """A dial gives an open link at both ends, messages pass both ways, and leaving is orderly at the other end."""
    one, other, link, far = await linked()
    assert link.send(AdvertsWanted(sample=3)) and far.send(AdvertsWanted(sample=4))
    await until(lambda: one.observer.messages and other.observer.messages)
    assert other.observer.messages == [(one.peerId, AdvertsWanted(sample=3))]
    assert one.observer.messages == [(other.peerId, AdvertsWanted(sample=4))]
    assert link.dialled and not far.dialled and far.listening == one.links.port
    assert other.links.wasDialled and not one.links.wasDialled
    # What comes before one that is shed goes out all the same, and what comes after it does not.
    some, tooLarge = AdvertsWanted(sample=5), Register(0, 1, 0, True, b"d" * 32, removals=[b"r" * 16] * 70_000)
    assert not link.send(some, tooLarge, some)
    # It would also go out with what comes next.
    assert link._channel._flushing  # type: ignore[attr-defined]
    await until(lambda: len(other.observer.messages) == 2)
    assert not link.send(tooLarge, some) and link.send(some, some)
    await until(lambda: len(other.observer.messages) == 4)
    await deferLater(reactor, 0.05)
    assert [one for _, one in other.observer.messages[1:]] == [some] * 3
    await stop(one)
    await until(lambda: len(other.links) == 0)
    assert other.observer.events == [("made", one.peerId), ("lost", one.peerId, "leaving", True)]
    await stop(other)


@within(20)
async def test_aStrangerIsRefusedInTheHello() -> None:
    """Whoever does not know the network's key is told so, and no link is made at either end."""
    one = place(1)
    stranger = place(2, membership=Network("tests", b"x" * 32, CLOSED.founder))
    await one.links.start()
    await stranger.links.start()
    with pytest.raises(NotReached, match="network"):
        await stranger.links.dial(f"127.0.0.1:{one.links.port}", one.peerId)
    assert one.observer.events == stranger.observer.events == []
    await stop(one, stranger)


@within(20)
async def test_aProbeAuthenticatesAndLeavesNoLink() -> None:
    """A probe measures, and neither end has a link afterwards."""
    one, other = place(1), place(2)
    await one.links.start()
    await other.links.start()
    assert await one.links.probe(f"127.0.0.1:{other.links.port}", other.peerId) >= 0
    assert len(one.links) == len(other.links) == 0 and other.links.wasDialled
    await stop(one, other)


@within(20)
async def test_bothDialAtOnceAndOneLinkStays() -> None:
    """Two peers that dial each other at one time end with the same single link."""
    one, other = place(1), place(2)
    await one.links.start()
    await other.links.start()
    first: Deferred = one.links.dial(f"127.0.0.1:{other.links.port}", other.peerId)
    second: Deferred = other.links.dial(f"127.0.0.1:{one.links.port}", one.peerId)
    await first
    await second
    await deferLater(reactor, 0.2)
    here, there = one.links.get(other.peerId), other.links.get(one.peerId)
    assert here is not None and there is not None and here.binding == there.binding
    await stop(one, other)


@within(20)
async def test_aResetLinkIsDownWithinASecond() -> None:
    """A connection that is reset, as by a process that dies, ends the link at the other end at once, and not by its silence."""
    one, other, link, _far = await linked()
    link.abort("gone")
    await until(lambda: len(other.links) == 0, 1.0)
    assert other.observer.events == [("made", one.peerId), ("lost", one.peerId, "lost", False)]
    await stop(one, other)


@within(20)
async def test_whoeverReadsSlowlyIsWaitedFor() -> None:
    """Where the other end does not read, this one counts that it has to wait, once, and is told when it may go on."""
    one, other, link, far = await linked()
    assert not link.congested
    far.pauseReading()
    message = AdvertsWanted([bytes(20)] * 500)
    sent = 0
    while not link.congested:
        assert link.send(message)
        sent += 1
        if sent % 20 == 0:
            # What fits into the sockets goes out meanwhile.
            await deferLater(reactor, 0.001)
    assert sent * 500 * 20 > CONGESTED and one.commons.tally.get("congested") == 1
    assert link.send(message) and one.commons.tally.get("congested") == 1
    assert ("clear", other.peerId) not in one.observer.events
    far.resumeReading()
    await until(lambda: ("clear", other.peerId) in one.observer.events)
    await until(lambda: len(other.observer.messages) == sent + 1)
    assert not link.congested and one.observer.events.count(("clear", other.peerId)) == 1
    await stop(one, other)
