"""
What cut cables, lost packets, and stopped and killed processes do to real peers, each in a network namespace of its own: nothing is lost
that a peer was told is registered.
"""

import signal
import time
from collections.abc import Iterator

import pytest

from overlay.lab.talk import speak
from overlay.lab.wires import NoWires
from tests.system.town import HIDDEN, Town

pytestmark = pytest.mark.system

HEALS_WITHIN = 60.0
"""Seconds after which a network that is whole again finds everything."""
NOTICED_WITHIN = 40.0
"""A silent link is given up after 20 s, and what waited for it goes on; another home is found and told all."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A dozen processes for all tests here."""
    town = Town(tmp_path_factory.mktemp("town"))
    try:
        try:
            town.open()
        except NoWires as problem:
            pytest.skip(str(problem))
        yield town
    finally:
        town.close()


@pytest.fixture
def town(running: Town) -> Iterator[Town]:
    """The same, mended and settled before each test; after it whoever cannot be dialled does not serve, and no failure was logged."""
    running.settle()
    yield running
    assert HIDDEN not in running.superPeers()
    for place, peer in running.peers.items():
        assert "Traceback" not in peer.log.read_text(), f"{place}: {peer.tail(40)}"


def test_behindNAT(town: Town) -> None:
    """A peer that cannot be dialled shares and searches like all others; nobody elects it, for it does not answer when it is dialled."""
    town.finds([HIDDEN, *town.superPeers()], town.living, 10, complete=True)
    assert town.told[HIDDEN] and len(town.homesOf(HIDDEN)) == 2
    assert "role: leaf" in speak(town.peers[HIDDEN].console, "STATUS")
    hidden = town.peers[HIDDEN].peerId[:8]
    seats = [seat for place in town.superPeers() for seat in town.peers[place].ask("EXPLAIN role")["seats"]]
    assert [seat for seat in seats if seat["outcome"] == "filled"]
    assert hidden not in [seat["candidate"] for seat in seats]


def test_aCutCable(town: Town) -> None:
    """The leaves of a super-peer whose cable is cut are found at once, and register elsewhere; mended, it is back."""
    victim = max(town.superPeers(), key=lambda place: int(town.peers[place].status()["leaves"]))
    others = [place for place in town.living if place != victim]
    leaves = [place for place in others if victim in town.homesOf(place)]
    assert leaves
    town.wires.cut(victim)
    town.finds([others[0], leaves[0]], others)
    town.write(leaves[0], "dawn while the cable is cut")
    town.waitHomes(leaves, NOTICED_WITHIN)
    town.finds(others, others, NOTICED_WITHIN, complete=True)
    town.finds([victim], [victim])
    town.wires.mend()
    town.finds([victim, *others], [victim, *others], HEALS_WITHIN, complete=True)


def test_halves(town: Town) -> None:
    """Each half of a parted network finds all of its own; when it has healed, everybody finds everything, and what came meanwhile."""
    serving = town.superPeers()
    ordinary = [place for place in town.living if place not in serving]
    halves = [*serving[::2], *ordinary[::2]], [*serving[1::2], *ordinary[1::2]]
    town.wires.part(halves[0])
    for half in halves:
        town.write(half[-1], f"dawn on the side of {half[-1]}")
    for half in halves:
        town.waitHomes(half, NOTICED_WITHIN, homes=1)
        town.finds([half[0], half[-1]], half, NOTICED_WITHIN, complete=True)
    town.wires.mend()
    town.finds(town.living, town.living, HEALS_WITHIN, complete=True)


def test_lostPackets(town: Town) -> None:
    """Where 10 % of all packets are lost, each search finds everything, and what is new is acknowledged."""
    town.wires.lose(10)
    town.write(HIDDEN, "dawn through the noise")
    town.waitAcknowledged(HIDDEN)
    for _ in range(2):
        town.finds(town.living, town.living, 10, complete=True)


def test_paused(town: Town) -> None:
    """A super-peer that stands still for 10 s goes on as if nothing had been: nobody gives it up, and its leaves are found meanwhile."""
    paused = town.superPeers()[0]
    others = [place for place in town.living if place != paused]
    process = town.peers[paused].process
    assert process is not None
    before = town.peers[paused].ask("STATS")["links"].get("lost", 0)
    process.send_signal(signal.SIGSTOP)
    try:
        end = time.monotonic() + 10
        town.finds([others[0], HIDDEN], others)
        time.sleep(max(0.0, end - time.monotonic()))
    finally:
        process.send_signal(signal.SIGCONT)
    town.finds([paused, HIDDEN], town.living, 10, complete=True)
    assert paused in town.superPeers() and town.peers[paused].ask("STATS")["links"].get("lost", 0) == before


def test_everySuperPeerIsKilled(town: Town) -> None:
    """SIGKILL of all super-peers at once: others take over and have all of the living; with the killed back there is all."""
    killed = town.superPeers()
    leaf = next(place for place in town.living if place not in killed and place != HIDDEN)
    town.write(leaf, "dawn before the storm")
    town.waitAcknowledged(leaf)
    town.kill(killed)
    town.finds(town.living, town.living, HEALS_WITHIN, complete=True)
    assert town.superPeers()
    town.settle()
    town.finds(town.living, town.told, HEALS_WITHIN, complete=True)
