"""A neighbour that is lost is replaced at once, from all super-peers that are known to live."""

import pytest

from overlay.lab.world import LabPeer
from overlay.membership.neighbours import SPARE
from overlay.settings import Beats
from tests.membership.test_suspicion import Town

KEEP_ALIVE = Beats().keepAlive


def living(one: LabPeer) -> list[bytes]:
    """Its neighbours that run."""
    running = {other.peerId for other in one.world.peers.values() if other.running}
    return [link.peerId for link in one.peer.neighbours.linked() if link.peerId in running]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_withinOneKeepAlivePeriod(seed: int) -> None:
    """Whoever loses a neighbour whose links are reset has as many as it wants again within one keep-alive period."""
    town = Town(14, 5, seed)
    gone = town.peers[seed]
    before = [one for one in town.peers if gone.peerId in [link.peerId for link in one.peer.neighbours.linked()]]
    assert len(before) >= 4
    gone.kill()
    town.world.run(KEEP_ALIVE)
    assert all(len(living(one)) >= 5 for one in before)
    town.world.run(60.0)
    assert all(len(living(one)) >= 5 for one in town.peers if one is not gone)


def test_whoIsAskedMayBeDeadAsWell() -> None:
    """Half of all machines vanish at once: soon after the links to them are given up, the rest have their places filled by the living."""
    town = Town(20, 6, 4)
    for one in town.peers[::2]:
        one.crash()
    left = town.peers[1::2]
    town.world.run(22.5)
    assert all(link.peerId in living(one) for one in left for link in one.peer.links)
    town.world.run(8.0)
    assert all(len(living(one)) >= 6 for one in left)


def test_silentOnesAreNotAsked() -> None:
    """A super-peer over whose link nothing comes does not become a neighbour."""
    town = Town(8, 4, 2)
    one = town.peers[0]
    stranger = next(other for other in town.peers[1:] if not one.peer.neighbours.isNeighbour(other.peerId))
    one.peer.links.dial(stranger.address, stranger.peerId)
    town.world.run(1.0)
    link = one.peer.links.get(stranger.peerId)
    assert link is not None
    known = one.peer.membership.get(stranger.peerId)
    assert known in one.peer.neighbours._able([known])  # type: ignore[list-item]
    town.world.net.cut(one.peerId, stranger.peerId)
    town.world.run(7.0)
    assert link.silent and one.peer.neighbours._able([known]) == []  # type: ignore[list-item]


def test_manyLostAtOnceAreLookedForTogether() -> None:
    """Whoever loses many in one moment asks hardly more than it has lost, and soon has as many as it wants."""
    town = Town(24, 8, 5)
    one = town.peers[0]
    gone = [other for other in town.peers if one.peer.neighbours.isNeighbour(other.peerId)][:6]
    for other in gone:
        other.kill()
    town.world.run(0.1)
    assert len(one.peer.neighbours._asked) <= len(gone) + SPARE
    town.world.run(2 * KEEP_ALIVE)
    assert len(living(one)) >= 8
