"""One question to many super-peers directly."""

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import fail

from overlay.errors import NotReached, SuperpeerError, TurnedAway
from overlay.identity.ids import PeerId
from overlay.lab.time import VirtualTime
from overlay.search.rounds import Round


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
