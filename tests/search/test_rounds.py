"""One question to many super-peers directly."""

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from overlay.errors import NotReached, SuperpeerError, TurnedAway
from overlay.identity.ids import PeerId
from overlay.lab.time import VirtualTime
from overlay.search.rounds import Round
from overlay.wire.query import Done, Receipt


@pytest.mark.parametrize("count", [1, 17, 1500])
def test_nobodyCanBeAsked(count: int) -> None:
    """However many there are whom nothing can be sent to, the round ends at once and names all of them."""
    time = VirtualTime()
    links = SimpleNamespace(get=lambda peer: SimpleNamespace(peerId=peer))
    commons: Any = SimpleNamespace(seconds=time.seconds, clock=time, links=links, settings=SimpleNamespace(askAtOnce=16))
    ended: list[list[PeerId]] = []
    peers = [PeerId(number.to_bytes(20, "big")) for number in range(count)]

    def nothing(*ignored: object) -> None:
        """The link takes no more."""

    Round(commons, None, None, 1.0, nothing, nothing, nothing, ended.append).begin(peers)  # type: ignore[arg-type]
    assert ended == [peers]


@pytest.mark.parametrize(("problem", "deaths"), [(NotReached("no answer"), 1), (TurnedAway("full"), 0)])
def test_whoTurnsAwayIsSilentAndNotDead(problem: SuperpeerError, deaths: int) -> None:
    """One that answers at no address is dead, and others are told; one that answers and takes no link has not been asked, and lives."""
    time = VirtualTime()
    dialled: list[str] = []

    def dial(address: str, peer: PeerId) -> object:
        dialled.append(address)
        return fail(problem)

    links = SimpleNamespace(get=lambda peer: None, dial=dial)
    dead: list[tuple[PeerId, bool]] = []
    membership: Any = SimpleNamespace(
        addresses=lambda peer: ["a:1", "b:1"], markDead=lambda peer, gossip: dead.append((peer, gossip)),
    )
    commons: Any = SimpleNamespace(seconds=time.seconds, clock=time, links=links, settings=SimpleNamespace(askAtOnce=16))
    ended: list[list[PeerId]] = []
    peer = PeerId(b"p" * 20)
    Round(commons, membership, None, 1.0, *[lambda *ignored: None] * 3, ended.append).begin([peer])  # type: ignore[arg-type]
    assert ended == [[peer]] and len(dead) == deaths and len(dialled) == 1 + deaths


def test_whoNamesNoAddressIsSilentAndNotDead() -> None:
    """One that cannot be dialled at all may live."""
    time = VirtualTime()
    dead: list[PeerId] = []
    membership: Any = SimpleNamespace(addresses=lambda peer: [], markDead=lambda peer, gossip: dead.append(peer))
    links = SimpleNamespace(get=lambda peer: None)
    commons: Any = SimpleNamespace(seconds=time.seconds, clock=time, links=links, settings=SimpleNamespace(askAtOnce=16))
    ended: list[list[PeerId]] = []
    peers = [PeerId(number.to_bytes(20, "big")) for number in range(1500)]
    Round(commons, membership, None, 1.0, *[lambda *ignored: None] * 3, ended.append).begin(peers)  # type: ignore[arg-type]
    assert ended == [peers] and dead == []


def test_theLivingDoNotWaitBehindTheDead() -> None:
    """Few are asked at a time; where those do not answer, more and more, so that a living one behind many dead is asked soon."""
    time = VirtualTime()
    asked: list[tuple[float, PeerId]] = []
    peers = [PeerId(number.to_bytes(20, "big")) for number in range(200)]
    living = peers[-1]

    def dial(address: str, peer: PeerId) -> Deferred[Any]:
        asked.append((time.seconds(), peer))
        return succeed(SimpleNamespace(peerId=peer, silent=False)) if peer == living else Deferred()

    links = SimpleNamespace(get=lambda peer: None, dial=dial)
    membership: Any = SimpleNamespace(addresses=lambda peer: ["a:1"])
    commons: Any = SimpleNamespace(
        seconds=time.seconds, clock=time, links=links, settings=SimpleNamespace(askAtOnce=16), report=lambda *ignored: None
    )
    answered: list[PeerId] = []
    ended: list[list[PeerId]] = []
    round_ = Round(
        commons, membership, SimpleNamespace(drop=lambda copy: None), 4.0,  # type: ignore[arg-type]
        lambda link, receiver, budget: SimpleNamespace(link=link), lambda *ignored: None,  # type: ignore[arg-type, return-value]
        lambda peer, receipt: answered.append(peer), ended.append,
    )
    round_.begin(peers)
    assert len(asked) == 16
    time.advance(0.5)
    assert len(asked) == 64
    time.advance(1.0)
    assert asked[-1] == (1.0, living) and len(asked) == len({peer for _, peer in asked}) == 200
    round_.copyEnded(round_._asking[living], Done(b"i" * 16, 1, "answered", Receipt()))  # type: ignore[arg-type]
    assert answered == [living] and not ended
    # The last were dialled a second after the first, and are waited for as long as any.
    time.advance(1.4)
    assert not ended
    time.advance(0.2)
    assert ended == [peers[:-1]]


@pytest.mark.parametrize("answers", [True, False])
def test_whoseLinkEndsIsAskedOnceMore(answers: bool) -> None:
    """Of two links between two that dial each other at one time one is ended again: the other will do. A second loss counts."""
    time = VirtualTime()
    peer = PeerId(b"p" * 20)
    first, other = (SimpleNamespace(peerId=peer, silent=False) for _ in range(2))
    present = [first]
    links = SimpleNamespace(get=lambda peer: present[0])
    commons: Any = SimpleNamespace(
        seconds=time.seconds, clock=time, links=links, settings=SimpleNamespace(askAtOnce=16), report=lambda *ignored: None
    )
    sent: list[Any] = []

    def send(link: Any, receiver: object, budget: float) -> Any:
        sent.append(SimpleNamespace(link=link))
        return sent[-1]

    answered: list[PeerId] = []
    ended: list[list[PeerId]] = []
    round_ = Round(
        commons, None, SimpleNamespace(drop=lambda copy: None), 4.0, send, lambda *ignored: None,  # type: ignore[arg-type]
        lambda peer, receipt: answered.append(peer), ended.append,
    )
    round_.begin([peer])
    present[0] = other
    round_.copyEnded(sent[0], None)
    assert not ended
    time.advance(0.1)
    assert [one.link for one in sent] == [first, other]
    round_.copyEnded(sent[1], Done(b"i" * 16, 2, "answered", Receipt()) if answers else None)
    assert answered == ([peer] if answers else []) and ended == [[] if answers else [peer]]
    time.advance(10.0)
    assert len(sent) == 2 and len(ended) == 1
