"""Signs of life: how often they are given, when silence is suspected, and when a link is given up."""

import random
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from overlay.errors import UsageError
from overlay.identity.network import proveMembership
from overlay.lab.network import VirtualNetwork
from overlay.lab.time import VirtualTime
from overlay.link.link import BEAT, MEASURE_EVERY
from overlay.link.pace import pacesOf, patience, smoothed
from overlay.questions import Deed
from overlay.settings import Beats, Settings
from overlay.wire.messages import Adverts, AdvertsWanted, Ping, Pong
from overlay.wire.statements import Advert, unseal
from tests.link.fakes import CLOSED, WALL, Place, Wire, advertOf, alone, identityOf
from tests.link.test_greeting import STRANGER, answered, helloOf

WANTED = AdvertsWanted(sample=1)
BEATS = Beats()
LEAF, SUPER = "leaf", "super"


def advance(clock: Clock, seconds: float, step: float = 0.5) -> None:
    clock.pump([step] * round(seconds / step))


def asked(wire: Wire) -> list[Ping]:
    """The pings that want an answer."""
    return [one for one in wire.sent if isinstance(one, Ping) and one.token != BEAT]


class Ends:
    """One link between a place and an end that the test plays; it has just answered the first question."""

    def __init__(self, own: str, other: str, **arguments: Any) -> None:
        self.place, wires, self.clock = alone(**arguments)
        self.place.links.serving = own == SUPER
        self.wire = Wire(STRANGER, dialled=False)
        wires.accept(self.wire)
        self.wire.receive(helloOf(self.place, self.wire, advert=advertOf(STRANGER, CLOSED, other)))
        while not asked(self.wire):
            self.clock.advance(0.05)
        self.clock.advance(0.05)
        self.answer()
        link = self.place.links.get(STRANGER.peerId)
        assert link is not None
        self.link = link
        del self.wire.sent[:], self.place.observer.events[:]

    def answer(self) -> None:
        self.wire.receive(Pong(asked(self.wire)[-1].token, WALL))

    def pause(self, seconds: float) -> None:
        """The other end says nothing for a while."""
        advance(self.clock, seconds)

    def until(self, what: str, limit: float = 60.0) -> float:
        """Seconds until the observer has heard of it."""
        start = self.clock.seconds()
        while what not in [event[0] for event in self.place.observer.events]:
            assert self.clock.seconds() < start + limit, f"nothing was {what}"
            self.clock.advance(0.1)
        return self.clock.seconds() - start


# --- the parameters -------------------------------------------------------------------------------------------------


def test_defaultsAndProportions() -> None:
    """The numbers of the protocol; one number scales them all."""
    assert attrs.astuple(BEATS) == (2.0, 5.0, 5.0, 15.0, 10.0, 20.0)
    assert attrs.astuple(Beats(4.0)) == (4.0, 10.0, 10.0, 30.0, 20.0, 40.0)
    assert attrs.astuple(Beats(dead=60.0)) == (2.0, 5.0, 5.0, 15.0, 10.0, 60.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"keepAlive": 10.0, "dead": 20.0}, "dead must be more than twice keepAlive: 20 s is not more than 20 s"),
        ({"suspect": 2.0}, "suspect must be more than keepAlive: 2 s is not more than 2 s"),
        ({"suspectHome": 4.0}, "suspectHome must be more than home: 4 s is not more than 5 s"),
        ({"home": 12.0}, None), ({"suspect": 30.0}, "dead must be more than suspect: 20 s is not more than 30 s"),
        ({"keepAlive": 0.0}, "keepAlive must be from 0.1 to 3600, not 0"),
    ],
)
def test_impossibleBeats(given: dict[str, float], said: str | None) -> None:
    """Numbers that do not go together are refused in one line that names both."""
    if said is None:
        assert Beats(**given).dead == 48.0
        return
    with pytest.raises(UsageError) as caught:
        Beats(**given)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("samples", "rtt", "deviation"),
    [([0.2], 0.2, 0.1), ([0.2, 1.0], 0.3, 0.275), ([1.0, 1.0, 1.0], 1.0, 0.28125)],
)
def test_smoothing(samples: list[float], rtt: float, deviation: float) -> None:
    """As RFC 6298 has it."""
    held: tuple[float | None, float] = (None, 0.0)
    for one in samples:
        held = smoothed(one, *held)
    assert held == pytest.approx((rtt, deviation))


@pytest.mark.parametrize(
    ("rtt", "deviation", "seconds"),
    [(None, 0.0, 5.0), (0.05, 0.02, 5.0), (3.0, 0.0, 5.0), (3.0, 0.5, 7.0), (3.0, 1.5, 11.0), (30.0, 9.0, 15.0)],
)
def test_patience(rtt: float | None, deviation: float, seconds: float) -> None:
    """Between super-peers 5 s, of a slow link longer, and never as long as it takes to give it up."""
    assert patience(pacesOf(BEATS).superSuper, rtt, deviation) == pytest.approx(seconds)


@given(st.floats(0.1, 30), st.floats(1.1, 4), st.floats(1.1, 4), st.floats(1.1, 4))
def test_everyPaceAsksBeforeItSuspects(keepAlive: float, suspect: float, home: float, dead: float) -> None:
    """Whatever the numbers are: a sign is asked for before the other end is suspected, and that comes before it is given up."""
    try:
        beats = Beats(keepAlive, suspect * keepAlive, home * keepAlive, dead=2 * dead * home * keepAlive)
    except UsageError:
        return
    for pace in pacesOf(beats):
        for rtt in (None, 0.1, 10.0):
            assert pace.beat > 0 and pace.ask < pace.suspect <= patience(pace, rtt, 1.0) < beats.dead


# --- signs of life --------------------------------------------------------------------------------------------------


def test_roundTripTimeAndClock() -> None:
    """The first ping goes out soon, others each minute; the answers give the round-trip time, smoothed, and the other's clock."""
    place, wires, clock = alone()
    wire = answered(place, wires)
    link = place.links.get(STRANGER.peerId)
    assert link is not None
    for number, (wait, smooth) in enumerate([(0.2, 0.2), (1.0, 0.875 * 0.2 + 0.125 * 1.0)]):
        while len(asked(wire)) <= number:
            wire.receive(Ping(BEAT, 0.0))
            clock.advance(1.0)
        assert clock.seconds() < 5 + number * (MEASURE_EVERY + 16)
        ping = asked(wire)[-1]
        clock.advance(wait)
        wire.receive(Pong(ping.token + 1, 0.0), Pong(ping.token, place.commons.ownTime() + 50.0))
        assert link.rtt == pytest.approx(smooth) and link.clockOffset == pytest.approx(50.0 + wait / 2)


def test_traffickedLinksAreNotPinged() -> None:
    """Where something comes in anyway there is no need to ask, but for the round-trip time."""
    ends = Ends(LEAF, LEAF)
    for _ in range(int(MEASURE_EVERY) - 10):
        ends.wire.receive(WANTED)
        ends.clock.advance(1.0)
    assert asked(ends.wire) == []


@pytest.mark.parametrize(
    ("own", "other", "every"), [(SUPER, SUPER, 2.0), (SUPER, LEAF, 5.0), (LEAF, SUPER, 15.0), (LEAF, LEAF, 15.0)]
)
def test_signsOfLife(own: str, other: str, every: float) -> None:
    """
    Between super-peers one every 2 s, from a home every 5 s, from a leaf every 15 s, unless it says something anyway; nobody answers
    them, and they count.
    """
    ends = Ends(own, other)
    commons = ends.place.commons
    counted = commons.tally.get("messages", "ping", "out")
    times = []
    for number in range(450):
        before = len(ends.wire.sent)
        ends.clock.advance(0.1)
        if number % 10 == 0:
            ends.wire.receive(Ping(BEAT, WALL))
        assert all(one.wall == commons.now() for one in ends.wire.sent[before:] if isinstance(one, Ping))
        times += [ends.clock.seconds()] * (len(ends.wire.sent) - before)
    assert commons.tally.get("messages", "ping", "out") - counted == len(times)
    gaps = [after - before for before, after in pairwise(times)]
    assert all(0.9 * every - 0.01 <= gap <= every + 0.6 for gap in gaps) and len(times) >= 45 / (every + 0.6) - 1
    assert all(isinstance(one, Ping) and one.token == BEAT for one in ends.wire.sent) and ends.place.observer.events == []
    before = len(ends.wire.sent)
    for _ in range(10):
        ends.link.send(WANTED)
        ends.clock.advance(1.0)
        ends.wire.receive(Ping(BEAT, WALL))
    assert all(one is WANTED for one in ends.wire.sent[before:])


def test_anotherRoleAnotherBeat() -> None:
    """A leaf that begins to serve gives its signs as a super-peer at once, and expects them of one whose new advert says that it serves."""
    ends = Ends(LEAF, LEAF)
    ends.place.links.serving = True
    signed = advertOf(STRANGER, CLOSED, SUPER)
    ends.link.showed(unseal(ends.place.commons.scheme, signed, Advert, CLOSED.id, STRANGER.peerId), signed)
    ends.wire.receive(Adverts([]))
    assert 4.9 <= ends.until("silent") <= 6.1
    assert len(ends.wire.sent) >= 2


# --- silence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "other", "suspected"), [(SUPER, SUPER, 5.0), (LEAF, SUPER, 10.0), (SUPER, LEAF, 15.0), (LEAF, LEAF, 15.0)]
)
def test_suspicionBeforeDeath(own: str, other: str, suspected: float) -> None:
    """Whoever says nothing is asked, then suspected, and given up 20 s after its last sign; that loss is not orderly."""
    ends = Ends(own, other)
    ends.wire.receive(Ping(BEAT, WALL))
    start = ends.clock.seconds()
    assert suspected - 0.01 <= ends.until("silent") <= suspected + 1.1
    assert ends.link.silent and len(asked(ends.wire)) == 1 and not ends.wire.ended
    ends.until("lost")
    assert 19.9 <= ends.clock.seconds() - start <= 21.1 and ends.wire.ended == "aborted"
    assert ends.place.observer.events == [("silent", STRANGER.peerId), ("lost", STRANGER.peerId, "dead", False)]
    assert ends.place.deeds() == [Deed.LINK_LOST]


@pytest.mark.parametrize(("own", "other"), [(SUPER, SUPER), (LEAF, SUPER), (SUPER, LEAF), (LEAF, LEAF)])
@pytest.mark.parametrize("before", [0.0, 1.9, 4.9, 8.9, 9.7])
def test_aPauseOfTenSeconds(own: str, other: str, before: float) -> None:
    """
    Whoever stands still for ten seconds survives, whenever that begins: until then it gives its own signs, and answers when it is asked.
    """
    every = {SUPER: 2.0 if own == SUPER else 5.0, LEAF: 15.0}[other]
    ends = Ends(own, other)
    ends.wire.receive(Ping(BEAT, WALL))
    said = ends.clock.seconds()
    start = said + before
    while ends.clock.seconds() < start:
        ends.clock.advance(0.1)
        if asked(ends.wire):
            ends.answer()
            del ends.wire.sent[:]
        if ends.clock.seconds() - said >= every:
            ends.wire.receive(Ping(BEAT, WALL))
            said = ends.clock.seconds()
    ends.pause(10.0)
    assert not ends.wire.ended
    ends.wire.receive(Ping(BEAT, WALL))
    assert not ends.link.silent and ("lost",) not in [event[:1] for event in ends.place.observer.events]


def test_whoSpeaksAgainIsNotSuspected() -> None:
    """Anything that comes lifts the suspicion at once."""
    ends = Ends(SUPER, SUPER)
    ends.until("silent")
    ends.wire.receive(WANTED)
    assert not ends.link.silent
    assert [event[0] for event in ends.place.observer.events] == ["silent", "speaks"]


def test_aSlowLinkIsNotSuspected() -> None:
    """
    Over a link with a round-trip time of 3 s nobody is suspected, though answers come in bursts; the same silence is suspected where
    answers used to come at once.
    """
    for rtt, suspected in ((3.0, []), (0.05, ["silent"])):
        ends = Ends(SUPER, SUPER)
        for _ in range(3):
            ends.link._measureAt = 0.0
            ends.link.next = 0.0
            while not asked(ends.wire):
                ends.wire.receive(Ping(BEAT, WALL))
                ends.clock.advance(0.5)
            for _ in range(round(rtt / 0.05)):
                ends.clock.advance(0.05)
            ends.answer()
            del ends.wire.sent[:]
        ends.pause(6.5)
        assert [event[0] for event in ends.place.observer.events] == suspected
        assert (ends.link.bears() > BEATS.suspect) == (rtt == 3.0)


@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_superPeersFarApart(loss: float) -> None:
    """
    Two whose packets take 3 s there and back, some of them lost, do not suspect each other; when one vanishes, the other still suspects it
    before it gives it up.
    """
    time = VirtualTime()
    net = VirtualNetwork(time, random.Random(1), "full", (1.5, 1.5))
    net.loss = loss
    hosts = [net.attach(identityOf(number), f"10.0.0.{number}") for number in (1, 2)]
    one, other = (
        Place(identityOf(number), host, time, settings=Settings(dialTimeout=20.0)) for number, host in enumerate(hosts, 1)
    )
    for place in (one, other):
        place.role = SUPER
        place.links.serving = True
        place.links.start()
    one.links.dial(hosts[1].address, other.peerId)
    time.advance(400.0)
    assert one.observer.events == [("made", other.peerId)] and other.observer.events == [("made", one.peerId)]
    link = one.links.get(other.peerId)
    assert link is not None and link.rtt is not None and 3.0 <= link.rtt < 4.0 and BEATS.suspect <= link.bears() < 10.0
    net.crash(other.peerId)
    time.advance(30.0)
    assert one.observer.events[1:] == [("silent", other.peerId), ("lost", other.peerId, "dead", False)]


def test_aSlowLinkIsMeasuredOften() -> None:
    """As long as more patience is called for than usual, each sign is a question, so that it lasts no longer than the slowness."""
    ends = Ends(SUPER, SUPER)
    ends.link.measure(4.0, WALL, WALL)
    ends.link._measureAt = ends.link.next = 0.0
    assert ends.link.bears() > BEATS.suspect
    questions = 0
    for _ in range(120):
        ends.clock.advance(0.5)
        if asked(ends.wire):
            questions += 1
            ends.answer()
            del ends.wire.sent[:]
        ends.wire.receive(Ping(BEAT, WALL))
    assert ends.link.bears() == BEATS.suspect and 3 <= questions <= 20


def test_afterASleepTheOtherIsAskedFirst() -> None:
    """When this machine was suspended, silence proves nothing: the other end is given time to speak."""
    ends = Ends(SUPER, SUPER)
    ends.clock.advance(24 * 3600.0)
    assert not ends.wire.ended and not ends.link.silent and ends.wire.kinds()[-1] is Ping
    ends.answer()
    advance(ends.clock, 3.0)
    assert not ends.link.silent
    assert ends.until("lost") > 10.0 and ends.wire.ended == "aborted"


def test_aRestingLinkIsNotDead() -> None:
    """While nothing is read from a link, its silence is this end's own."""
    ends = Ends(SUPER, SUPER)
    ends.link.pauseReading()
    advance(ends.clock, 5 * BEATS.dead)
    assert ends.wire.paused and not ends.wire.ended and not ends.link.silent
    ends.link.resumeReading()
    advance(ends.clock, BEATS.dead - 1.0)
    assert not ends.wire.ended
    advance(ends.clock, BEATS.dead)
    assert ends.wire.ended == "aborted"


def test_silentLinksAreNotFloodedWithQuestions() -> None:
    """What was asked once is not asked again over the same channel; signs of this end go on."""
    ends = Ends(SUPER, SUPER)
    ends.pause(19.0)
    assert len(asked(ends.wire)) == 1 and 7 <= len(ends.wire.sent) <= 10


def leavesOf(count: int) -> tuple[Place, list[Wire], Clock]:
    """A super-peer with so many leaves and no other super-peer."""
    place, wires, clock = alone()
    place.links.serving = True
    leaves = []
    for number in range(10, 10 + count):
        identity = identityOf(number)
        wire = Wire(identity, dialled=False)
        wires.accept(wire)
        proof = proveMembership(CLOSED.key, wire.binding, True, identity.peerId, place.peerId)
        wire.receive(helloOf(place, wire, proof=proof, advert=advertOf(identity, CLOSED)))
        leaves.append(wire)
    assert len(place.links) == count
    return place, leaves, clock


@pytest.mark.parametrize("dead", [1, 5])
def test_whoeverIsSilentWhereAllAreQuietIsGivenUp(dead: int) -> None:
    """Leaves that speak only when they are asked, and all at once, make it quiet for a while; whoever never answers is given up anyway."""
    place, leaves, clock = leavesOf(8)
    answered = dict.fromkeys(leaves, 0)
    for _ in range(600):
        clock.advance(0.1)
        for wire in leaves[dead:]:
            questions = asked(wire)
            wire.receive(*[Pong(one.token, WALL) for one in questions[answered[wire] :]])
            answered[wire] = len(questions)
    lost = [event for event in place.observer.events if event[0] == "lost"]
    assert lost == [("lost", wire.remoteId, "dead", False) for wire in leaves[:dead]]


def test_whoeverIsCutOffLosesNoLeaf() -> None:
    """When nothing comes from anybody for a while it is this peer that is cut off: all may answer once it hears again."""
    place, leaves, clock = leavesOf(8)
    advance(clock, 1.0)
    for number, wire in enumerate(leaves):
        wire.receive(Pong(asked(wire)[-1].token, WALL))
        advance(clock, 1.0 if number % 2 else 0.5)
    advance(clock, 16.0)
    leaves[-1].receive(Ping(BEAT, WALL))
    advance(clock, 1.0)
    for wire in leaves[:-1]:
        wire.receive(Ping(BEAT, WALL))
    advance(clock, 5.0)
    assert not [event for event in place.observer.events if event[0] == "lost"] and len(place.links) == 8
