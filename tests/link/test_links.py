"""The set of links of one peer, at channels whose far ends the test plays."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from overlay.errors import Malformed, NotReached
from overlay.link.link import PINGS_HELD, Link
from overlay.link.links import FAREWELL, KEPT_LONG
from overlay.questions import Deed
from overlay.wire import limits
from overlay.wire.message import Message
from overlay.wire.messages import AdvertsWanted, Goodbye, Hello, Ping, Pong
from tests.link.fakes import CLOSED, Place, Wire, Wires, advertOf, alone, identityOf, notReached
from tests.link.test_greeting import STRANGER, answered, helloOf

LOW, HIGH = sorted((identityOf(1), identityOf(2)), key=lambda one: one.peerId)
WANTED = AdvertsWanted(sample=1)


def dialled(place: Place, wires: Wires, **changed: Any) -> tuple[Wire, Deferred[Link]]:
    """This end dials, and the other answers its hello."""
    result = place.links.dial("10.0.0.9:7116", STRANGER.peerId)
    wire = Wire(STRANGER, dialled=True)
    wires.dials[-1][2].callback(wire)
    assert wire.kinds() == [Hello]
    wire.receive(helloOf(place, wire, **changed))
    return wire, result


def advance(clock: Clock, seconds: float, step: float = 1.0) -> None:
    clock.pump([step] * round(seconds / step))


def fired(result: Deferred) -> Any:
    values: list = []
    result.addBoth(values.append)
    assert values, "it has not fired"
    return values[0]


def test_dial() -> None:
    """A dial gives the open link; the next one to the same peer gives it at once."""
    place, wires, _clock = alone()
    _wire, result = dialled(place, wires)
    link = fired(result)
    assert link is place.links.get(STRANGER.peerId) and link.isOpen and link.dialledAddress == "10.0.0.9:7116"
    assert fired(place.links.dial("10.0.0.8:1", STRANGER.peerId)) is link and len(wires.dials) == 1
    assert STRANGER.peerId in place.links and list(place.links) == [link] and not place.links.wasDialled


def test_dialsToOnePeerAreOne() -> None:
    """Whoever asks while it is being dialled gets the same answer."""
    place, wires, _clock = alone()
    results = [place.links.dial("10.0.0.9:7116", STRANGER.peerId) for _ in range(3)]
    assert len(wires.dials) == 1
    wires.dials[0][2].errback(notReached())
    for result in results:
        assert isinstance(fired(result).value, NotReached)


def test_refusedByTheOther() -> None:
    """The refusal's code and text are what the dialler hears, and whom it names is made known."""
    place, wires, _clock = alone()
    named: list = []
    place.known.take = lambda signed, link: named.append(signed)
    result = place.links.dial("10.0.0.9:7116")
    wire = Wire(STRANGER, dialled=True)
    wires.dials[0][2].callback(wire)
    other = advertOf(identityOf(5), CLOSED, "super")
    wire.receive(Goodbye("full", "no room", 60.0, [other]))
    failure = fired(result)
    assert failure.check(NotReached) and "10.0.0.9:7116: full: no room" in failure.getErrorMessage()
    assert named == [other] and len(place.links) == 0 and wire.ended == "closed"


def test_introductionsByStrangersCountForNothing() -> None:
    """Who has not proved to be a member introduces nobody."""
    place, wires, _clock = alone()
    named: list = []
    place.known.take = lambda signed, link: named.append(signed)
    wire = Wire(STRANGER, dialled=False)
    wires.accept(wire)
    wire.receive(Goodbye("full", "", 0.0, [advertOf(STRANGER, CLOSED)]))
    assert named == [] and wire.ended == "closed"


def test_blockedIsNotDialled() -> None:
    """Who is blocked here is not called either."""
    place, wires, _clock = alone()
    place.commons.blocked.add(STRANGER.peerId)
    assert fired(place.links.dial("10.0.0.9:7116", STRANGER.peerId)).check(NotReached) and wires.dials == []


@pytest.mark.parametrize("byDialler", [True, False])
def test_noHello(byDialler: bool) -> None:
    """A channel over which no hello comes is cut when its time is over."""
    place, wires, clock = alone()
    wire = Wire(STRANGER, dialled=byDialler)
    if byDialler:
        result = place.links.dial("10.0.0.9:7116")
        wires.dials[0][2].callback(wire)
    else:
        wires.accept(wire)
    clock.advance(place.commons.settings.dialTimeout - 0.1)
    assert not wire.ended
    clock.advance(0.2)
    assert wire.ended == "aborted"
    if byDialler:
        assert "hello-timeout" in fired(result).getErrorMessage()


def test_eachHasItsTime() -> None:
    """Of several channels without a hello each is cut at its own time, one that got its hello is not, and nothing is timed after a stop."""
    place, wires, clock = alone()
    within = place.commons.settings.dialTimeout
    early, late = Wire(identityOf(5), dialled=False), Wire(identityOf(6), dialled=False)
    wires.accept(early)
    clock.advance(0.25 * within)
    good = answered(place, wires)
    clock.advance(0.25 * within)
    wires.accept(late)
    clock.advance(0.5 * within)
    assert (early.ended, late.ended) == ("aborted", "")
    clock.advance(0.5 * within)
    assert late.ended == "aborted" and not good.ended
    wires.accept(Wire(identityOf(7), dialled=False))
    place.links.stop()
    clock.advance(FAREWELL)
    assert [call for call in clock.getDelayedCalls() if call.active()] == []


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([WANTED], "AdvertsWanted before the hello"), ([Ping(1, 0.0)], "Ping before the hello"),
        ([None, "hello"], "a second hello"), ([None, *[Ping(1, 0.0)] * (PINGS_HELD + 1)], "a flood of pings"),
    ],
)
def test_breaches(messages: list, why: str) -> None:
    """What breaks the protocol ends the link with the reason, is counted, and costs reputation."""
    place, wires, _clock = alone()
    wire = Wire(STRANGER, dialled=False)
    wires.accept(wire)
    for message in messages:
        wire.receive(message if isinstance(message, Message) else helloOf(place, wire))
    last = wire.sent[-1]
    assert isinstance(last, Goodbye) and (last.code, last.text) == ("malformed", why) and wire.ended == "closed"
    assert place.drops() == {"malformed": 1} and place.deeds()[0] is Deed.GARBAGE


def test_brokenChannel() -> None:
    """Bytes that are no message end their link alone."""
    place, wires, _clock = alone()
    wire = answered(place, wires)
    assert wire.user is not None
    wire.user.channelBroken(Malformed("x" * 500))
    last = wire.sent[-1]
    assert isinstance(last, Goodbye) and last.code == "malformed" and len(last.text) == limits.REASON_TEXT
    assert place.deeds() == [Deed.GARBAGE] and len(place.links) == 0


def test_unknownMessagesAreSkippedUpToALimit() -> None:
    """A newer peer may say what this version does not know; without an end it is a flood."""
    place, wires, _clock = alone()
    wire = answered(place, wires)
    assert wire.user is not None
    for _ in range(limits.SKIPPED_UNKNOWN):
        wire.user.unknownReceived(99)
    assert not wire.ended and place.drops() == {"unknown-message": limits.SKIPPED_UNKNOWN}
    wire.user.unknownReceived(99)
    assert wire.ended == "closed"
    early = Wire(identityOf(3), dialled=False)
    wires.accept(early)
    assert early.user is not None
    early.user.unknownReceived(99)
    assert early.ended == "closed"


def test_messagesGoToTheRooms() -> None:
    """What is not the link's own affair is handed on, counted by type and direction."""
    place, wires, _clock = alone()
    wire = answered(place, wires)
    wire.receive(WANTED, Ping(7, 0.0), WANTED)
    assert place.observer.messages == [(STRANGER.peerId, WANTED)] * 2
    assert [one.token for one in wire.sent if isinstance(one, Pong)] == [7]
    counts = place.commons.tally.counts
    assert counts[("messages", "advertswanted", "in")] == 2 and counts[("messages", "pong", "out")] == 1


# --- the end of a link ----------------------------------------------------------------------------------------------


def test_lostAtOnceOrKeptLong() -> None:
    """A link that breaks speaks against the other end; one that lasted and was ended in order speaks for it."""
    place, wires, clock = alone()
    wire = answered(place, wires)
    wire.lose()
    assert place.observer.events[-1] == ("lost", STRANGER.peerId, "lost", False) and place.deeds() == [Deed.LINK_LOST]
    wire = answered(place, wires)
    wire.receive(Goodbye("leaving", "", 0.0))
    assert place.observer.events[-1] == ("lost", STRANGER.peerId, "leaving", True) and place.deeds() == [Deed.LINK_LOST]
    wire = answered(place, wires)
    for _ in range(int(KEPT_LONG)):
        clock.advance(1.0)
        wire.receive(WANTED)
    place.links.drop(STRANGER.peerId, "idle")
    assert place.deeds() == [Deed.LINK_LOST, Deed.LINK_KEPT] and wire.ended == "closed"
    assert [one.code for one in wire.sent if isinstance(one, Goodbye)] == ["idle"]


def test_nothingAfterTheEnd() -> None:
    """A link that has ended sends nothing and takes nothing."""
    place, wires, _clock = alone()
    wire = answered(place, wires)
    link = place.links.get(STRANGER.peerId)
    assert link is not None
    link.close("idle")
    sent = list(wire.sent)
    assert not link.send(WANTED) and wire.sent == sent
    wire.receive(WANTED)
    link.close("again")
    wire.lose()
    assert place.observer.messages == [] and place.observer.events.count(("lost", STRANGER.peerId, "idle", True)) == 1


def test_blockedAndExpelled() -> None:
    """Blocking ends the link; so does the founder's word."""
    place, wires, _clock = alone()
    wire = answered(place, wires)
    place.links.adoptNetwork(CLOSED.rotated(CLOSED.key, 1, frozenset({STRANGER.peerId})))
    last = wire.sent[-1]
    assert isinstance(last, Goodbye) and (last.code, last.retry) == ("blocked", -1.0) and len(place.links) == 0


def test_shedIsCounted() -> None:
    """What a full queue sheds shows in the metrics, and sending says so."""
    place, wires, _clock = alone()
    wire = answered(place, wires)
    wire.shed = "slow-search"
    link = place.links.get(STRANGER.peerId)
    assert link is not None and not link.send(WANTED) and place.drops() == {"slow-search": 1}
    assert wire.user is not None
    wire.user.channelCongested()
    wire.user.channelClear()
    assert place.commons.tally.counts[("congested",)] == 1 and place.observer.events[-1] == ("clear", STRANGER.peerId)


# --- start and stop -------------------------------------------------------------------------------------------------


def test_cannotListen() -> None:
    """A port in use is the caller's to hear."""
    wires = Wires()
    wires.problem = OSError("address in use")
    place = Place(identityOf(1), wires, Clock())
    assert fired(place.links.start()).check(OSError)


def test_stopSaysGoodbyeAndWaits() -> None:
    """Leaving is said on every channel, those in their hello included, and has ended when all are closed."""
    place, wires, clock = alone()
    wire = answered(place, wires)
    young = Wire(identityOf(3), dialled=False)
    wires.accept(young)
    stopped: list[None] = []
    place.links.stop().addCallback(stopped.append)
    assert [one.code for one in (wire.sent[-1], young.sent[-1]) if isinstance(one, Goodbye)] == ["leaving"] * 2
    assert not stopped
    wire.lose()
    assert not stopped
    young.lose()
    assert stopped and clock.getDelayedCalls() == []


def test_stopCutsWhatDoesNotClose() -> None:
    """The farewell takes no longer than it may."""
    place, wires, clock = alone()
    wire = answered(place, wires)
    wire.close = lambda: None  # type: ignore[method-assign]
    stopped: list[None] = []
    place.links.stop().addCallback(stopped.append)
    clock.advance(FAREWELL + 0.1)
    assert wire.ended == "aborted"
    wire.lose()
    assert stopped and clock.getDelayedCalls() == []


def test_nobodyGetsInWhileStopping() -> None:
    """Channels that come late are cut, whoever dialled."""
    place, wires, _clock = alone()
    result = place.links.dial("10.0.0.9:7116")
    place.links.stop()
    late, caller = Wire(STRANGER, dialled=True), Wire(STRANGER, dialled=False)
    wires.dials[0][2].callback(late)
    wires.accept(caller)
    assert late.ended == caller.ended == "aborted" and late.sent == caller.sent == []
    assert fired(result).check(NotReached)
    assert fired(place.links.dial("10.0.0.9:7116")).check(NotReached) and len(wires.dials) == 1


def test_changesAreCounted() -> None:
    """Whoever remembers something about links learns from the count when it has to look again: when one is made, and when one ends."""
    place, wires, _clock = alone()
    assert place.links.changes == 0
    wire, _ = dialled(place, wires)
    assert place.links.changes == 1
    wire.receive(Goodbye("leaving", ""))
    assert place.links.changes == 2 and not len(place.links)
