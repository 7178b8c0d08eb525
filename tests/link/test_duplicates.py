"""Two links to one peer, of which one stays; and probes, which leave none."""

from typing import Any

import pytest

from overlay.identity.network import proveMembership
from overlay.link.link import Link
from overlay.wire.messages import AdvertsWanted, Goodbye, Hello, Ping
from tests.link.fakes import CLOSED, Place, Wire, advertOf, alone, identityOf
from tests.link.test_greeting import STRANGER, answered, helloOf
from tests.link.test_links import fired

LOW, HIGH = sorted((identityOf(1), identityOf(2)), key=lambda one: one.peerId)
WANTED = AdvertsWanted(sample=1)


def two(number: int, other: Any) -> tuple[Place, Wire, Wire, Link]:
    """A place with a link, to which the same other end opens a second one."""
    place, wires, _clock = alone(number)
    made = []
    for _ in range(2):
        wire = Wire(other, dialled=False)
        wires.accept(wire)
        proof = proveMembership(CLOSED.key, wire.binding, True, other.peerId, place.peerId)
        wire.receive(helloOf(place, wire, proof=proof, advert=advertOf(other, CLOSED)))
        made.append(wire)
    link = place.links.get(other.peerId)
    assert link is not None
    return place, made[0], made[1], link


def test_theLowerIdClosesTheSecond() -> None:
    """Of two links between the same starts, the end with the lower id ends the later one."""
    place, first, second, _link = two(1 if LOW.peerId == identityOf(1).peerId else 2, HIGH)
    assert second.ended == "closed" and not first.ended
    assert [one.code for one in second.sent if isinstance(one, Goodbye)] == ["duplicate"]
    assert place.observer.events == [("made", HIGH.peerId)]


def test_theHigherIdWaits() -> None:
    """The end with the higher id reads nothing from the second until the other has decided, and takes it if the first goes."""
    place, first, second, _link = two(1 if HIGH.peerId == identityOf(1).peerId else 2, LOW)
    assert second.paused and not second.ended and not first.ended and len(place.links) == 1
    first.receive(Goodbye("duplicate", "", 0.0))
    assert not second.paused and len(place.links) == 1
    second.receive(WANTED)
    assert place.observer.messages == [(LOW.peerId, WANTED)]
    assert [event[0] for event in place.observer.events] == ["made", "lost", "made"]


def test_theSpareIsLookedAtSoon() -> None:
    """The second link takes the place of the first when that is given up for dead, and is then asked at once whether it lives."""
    place, first, second, link = two(1 if HIGH.peerId == identityOf(1).peerId else 2, LOW)
    clock: Any = place.commons.clock
    while place.links.get(LOW.peerId) is link:
        clock.advance(0.25)
    assert first.ended == "aborted" and not second.ended and not second.paused
    before = len(second.sent)
    clock.advance(place.commons.settings.beats.keepAlive / 2)
    assert [type(one) for one in second.sent[before:]] == [Ping]


def test_theSpareIsClosedByTheOther() -> None:
    """When the second link goes, the first stays as if nothing had been."""
    place, _first, second, _link = two(1 if HIGH.peerId == identityOf(1).peerId else 2, LOW)
    second.lose()
    assert len(place.links) == 1 and place.observer.events == [("made", LOW.peerId)] and place.deeds() == []


@pytest.mark.parametrize(("boot", "kept"), [(5, "second"), (0, "first")])
def test_theNewerStartStays(boot: int, kept: str) -> None:
    """A peer that was started again replaces what is left of its earlier life, not the other way round."""
    place, wires, _clock = alone()
    first = answered(place, wires, boot=1)
    second = answered(place, wires, boot=boot)
    assert (first.ended, second.ended) == (("closed", "") if kept == "second" else ("", "closed"))
    assert len(place.links) == 1


# --- probes ---------------------------------------------------------------------------------------------------------


def test_probe() -> None:
    """A probe measures dial and hello, and leaves no link; its hello shows no advert."""
    place, wires, clock = alone()
    result = place.links.probe("10.0.0.9:7116", STRANGER.peerId)
    clock.advance(0.25)
    wire = Wire(STRANGER, dialled=True)
    wires.dials[0][2].callback(wire)
    (hello,) = wire.sent
    assert isinstance(hello, Hello) and hello.purpose == "probe" and hello.advert is None
    clock.advance(0.5)
    wire.receive(helloOf(place, wire))
    assert fired(result) == 0.75 and wire.ended == "closed" and len(place.links) == 0


def test_probed() -> None:
    """Who is probed makes no link, and cuts a probe that stays."""
    place, wires, clock = alone()
    wire = answered(place, wires, purpose="probe", advert=None)
    assert wire.kinds() == [Hello] and len(place.links) == 0 and place.links.wasDialled
    clock.advance(place.commons.settings.dialTimeout + 1.0)
    assert wire.ended == "aborted" and place.observer.events == [("dialled by", wire.remoteId)]
