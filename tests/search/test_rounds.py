"""One question to many super-peers directly."""

from types import SimpleNamespace
from typing import Any

import pytest

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
