"""Nobody who floods from one network of addresses, or as one source, fills what a peer remembers or whom it is linked to."""

import random
from collections import Counter
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.identity.ids import PeerId, idText
from overlay.lab.world import LabPeer, World
from overlay.membership import cache
from overlay.membership.cache import Learnt, PeerCache
from overlay.membership.diversity import chooseApart, leaveOne
from overlay.membership.known import Known
from overlay.settings import Settings
from overlay.storage import MemoryStorage
from overlay.wire.address import networkGroup
from overlay.wire.statements import Advert, Capacity, Signed
from overlay.wire.statements import _encoder as encoder
from tests.index.material import NETWORK, NOW, identity
from tests.index.surroundings import commonsOf

GROUPS = st.lists(st.sampled_from("abcd"), max_size=30)


def kinds(one: tuple[int, str]) -> tuple[str, ...]:
    return (f"in {one[1]}",)


@given(GROUPS, GROUPS, st.integers(0, 12), st.integers(1, 5), st.integers(0, 9))
def test_choosingApart(able: list[str], held: list[str], count: int, most: int, seed: int) -> None:
    """
    As many as are wanted and no one twice; a kind goes beyond its share only if there were too few others, and then the rarest first.
    """
    peers = list(enumerate(able))
    chosen = chooseApart(peers, count, kinds, [(f"in {one}",) for one in held], most, random.Random(seed))
    assert len(chosen) == len(set(chosen)) == min(count, len(peers)) and set(chosen) <= set(peers)
    before, taken, there = Counter(held), Counter(group for _, group in chosen), Counter(able)
    for group, number in taken.items():
        if before[group] + number > max(most, before[group]):
            for other in set(able) - {group}:
                assert taken[other] == there[other] or before[other] + taken[other] >= most


def test_whereAllAreOfOneKind() -> None:
    """Then it is a plain random choice, as it always was."""
    peers = [(number, "a") for number in range(50)]
    assert chooseApart(peers, 4, kinds, [("in a",)], 2, random.Random(3)) == random.Random(3).sample(peers, 4)
    assert leaveOne(peers, kinds, random.Random(3)) == random.Random(3).choice(peers)


@pytest.mark.parametrize("seed", range(5))
def test_whoMakesRoom(seed: int) -> None:
    """Somebody of those of whom there are most."""
    peers = list(enumerate("abbbacc"))
    assert leaveOne(peers, kinds, random.Random(seed))[1] == "b"


# --- the cache ------------------------------------------------------------------------------------------------------


def remembered(number: int, address: str) -> Known:
    """Somebody whose signature nobody checks here: a made-up key for each number."""
    key = number.to_bytes(32, "big")
    signed = Signed(b"", key, bytes(64))
    advert = Advert(NETWORK.id, signed.signer, 1, int(NOW), int(NOW) + 9, "super", [address], Capacity(), 0, "a", None, None)
    signed = Signed(encoder.encode(advert), key, bytes(64))
    return Known(PeerId(signed.signer), signed, advert, 0.0)


@pytest.fixture
def commons(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(cache, "MOST", 80)
    made = commonsOf(identity(1), MemoryStorage())
    made.links = {}  # type: ignore[assignment]
    return made


def test_whenAndFromWhom(commons: Any) -> None:
    """Each is remembered with the time and the source of the first word of it, over a restart; rows of before have none."""
    one = remembered(1, "192.0.2.1:1")
    kept = PeerCache(commons)
    kept.put(one, b"s" * 20)
    commons.surroundings.clock.advance(500)
    kept.put(one, b"t" * 20)
    assert PeerCache(commons).learnt(one.peerId) == Learnt(int(NOW), b"s" * 20)
    assert kept.learnt(b"nobody") == Learnt(0, b"")
    commons.storage.table(cache.LEARNT).put(one.peerId, b"\xc1")
    assert kept.learnt(one.peerId) == Learnt(0, b"")


def test_aFloodFromOneNetwork(commons: Any) -> None:
    """It gets a quarter of the cache and displaces nobody else, whether it comes before or after the others, by however many sources."""
    kept = PeerCache(commons)
    for number in range(200):
        kept.put(remembered(1000 + number, f"198.51.{number}.1:1"), b"%020d" % number)
    honest = [remembered(number, f"10.{number}.0.1:1") for number in range(60)]
    for number, one in enumerate(honest):
        kept.put(one, b"h%019d" % (number % 6))
    kept = PeerCache(commons)
    for number in range(200, 400):
        kept.put(remembered(1000 + number, f"198.51.{number - 200}.2:1"), b"%020d" % number)
    assert all(one.peerId in kept for one in honest)
    assert len(kept.adverts()) == 80


def test_aFloodFromOneSource(commons: Any) -> None:
    """Adverts of a thousand networks by one source take a quarter of the places at most; whom this peer is linked to stays."""
    kept = PeerCache(commons)
    first = remembered(5000, "172.16.0.1:1")
    commons.links = {first.peerId: None}
    kept.put(first, b"x" * 20)
    honest = [remembered(number, f"10.{number}.0.1:1") for number in range(59)]
    for number, one in enumerate(honest):
        kept.put(one, b"h%019d" % (number % 6))
    for number in range(300):
        kept.put(remembered(1000 + number, f"{20 + number // 200}.{number % 200}.0.1:1"), b"x" * 20)
    assert all(one.peerId in kept for one in honest) and first.peerId in kept
    assert sum(kept.learnt(one.signer).source == b"x" * 20 for one in kept.adverts()) == 20
    assert kept._places is not None and kept._places.counts == Counter(one for place in kept._places.held.values() for one in place)


# --- neighbours -----------------------------------------------------------------------------------------------------


def crowd(seed: int, honest: int, flooders: int) -> tuple[World, list[LabPeer], list[LabPeer]]:
    """Super-peers by appointment: some in networks of their own, four in each, and more of them in one."""
    world = World(seed, codec="none", settings=Settings(neighbours=8, mostNeighbours=12))
    peers = [world.add(start=False) for _ in range(honest + flooders)]
    for number, one in enumerate(peers):
        one.address = f"60.{number // 4}.0.{number % 4 + 1}:7116" if number < honest else f"66.6.{number}.1:7116"
        one.specs = {**one.specs, "election": "appointed:me=yes,peers=" + "+".join(idText(other.peerId) for other in peers)}
        one.bootstrap = [other.address for other in peers[:number][-3:]]
    return world, peers[:honest], peers[honest:]


def held(peer: LabPeer) -> Counter[str]:
    """How many of its neighbours are in each network."""
    return Counter(networkGroup(link.address) for link in peer.peer.neighbours.linked())


@pytest.mark.no_cover
def test_neighboursOfSeveralNetworks() -> None:
    """Where twelve super-peers are in networks of four each, twenty of another network get about half of the places, and nowhere all."""
    world, honest, flooders = crowd(4, 12, 20)
    for one in flooders + honest:
        one.start()
    world.run(60)
    shares = [held(one)["66.6"] / held(one).total() for one in honest]
    assert all(held(one).total() >= 6 for one in honest)
    assert max(shares) <= 0.9 and sum(shares) / len(shares) <= 0.6, shares


@pytest.mark.no_cover
def test_whoAsksAgainAndAgain() -> None:
    """One network whose peers ask all the time to be neighbours displaces few of those elsewhere."""
    world, honest, flooders = crowd(5, 12, 20)
    for one in honest:
        one.start()
    world.run(40)
    victim = honest[0]
    assert held(victim).total() == 8
    for one in flooders:
        one.settings = attrs.evolve(one.settings, neighbours=30, mostNeighbours=40)
        one.bootstrap = [victim.address]
        one.start()
    world.run(30)
    now = held(victim)
    assert now["66.6"] and now.total() - now["66.6"] >= 6, now
