"""How long packets are on their way."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import UsageError
from overlay.lab.latency import Constant, Latency, Plane, Uniform, checkLatency, modelOf
from overlay.lab.network import VirtualNetwork
from overlay.lab.time import VirtualTime
from overlay.lab.world import World

IDS = st.binary(min_size=20, max_size=20)
SECONDS = st.floats(0, 10)


@given(IDS, IDS, SECONDS, SECONDS, st.integers(0, 2**64))
def test_thePlane(one: bytes, other: bytes, low: float, more: float, seed: int) -> None:
    """It is as far there as back, always the same, within the bounds, and nearest at one's own place."""
    plane = Plane(low, low + more, seed)
    far = plane(one, other)
    assert far == plane(other, one) == Plane(low, low + more, seed)(one, other)
    assert low <= far <= low + more and plane(one, one) == low
    assert all(0 <= part < 1 for part in plane.place(one))


@given(IDS, IDS, IDS, st.integers(0, 2**64))
def test_thePlaneIsFlat(one: bytes, two: bytes, three: bytes, seed: int) -> None:
    """Without a base, no way round is shorter than the straight one."""
    plane = Plane(0.0, 1.0, seed)
    assert plane(one, three) <= plane(one, two) + plane(two, three) + 1e-12


def test_placesAreSpread() -> None:
    """Places follow from seed and peer, the same in every run, and fill the square evenly."""
    plane = Plane(0.0, 1.0, 7)
    assert plane.place(b"a" * 20) == pytest.approx((0.91848, 0.70095), abs=1e-5)
    places = [plane.place(b"%d" % number) for number in range(4000)]
    for column in range(4):
        for row in range(4):
            inside = sum(int(4 * x) == column and int(4 * y) == row for x, y in places)
            assert 190 <= inside <= 310
    assert Plane(0.0, 1.0, 8).place(b"a" * 20) != plane.place(b"a" * 20)


@given(SECONDS, SECONDS, st.integers(0, 1000))
def test_uniform(low: float, more: float, seed: int) -> None:
    """It lies within the bounds, and follows from the network's own chance."""
    drawn = [Uniform(low, low + more, random.Random(seed))(b"", b"") for _ in range(2)]
    assert low <= drawn[0] == drawn[1] <= low + more


def test_specs() -> None:
    """Each form of a spec is its model."""
    rng = random.Random(1)
    assert modelOf("0.03", rng) == modelOf(" 3e-2 ", rng) == Constant(0.03)
    assert modelOf("0.01-0.09", rng) == modelOf((0.01, 0.09), rng) == modelOf("1e-2-.09", rng) == Uniform(0.01, 0.09, rng)
    plane = modelOf("plane", random.Random(5))
    assert plane == modelOf("plane:0.005-0.12", random.Random(5)) == Plane(0.005, 0.12, random.Random(5).getrandbits(64))
    assert plane != modelOf("plane", random.Random(6))

    def mine(one: bytes, other: bytes) -> float:
        return 1.0

    assert modelOf(mine, rng) is mine


@pytest.mark.parametrize(
    "spec",
    [
        "", "fast", "-1", "nan", "inf", "1e999", "0.1-", "0.2-0.1", "0.1-0.2-0.3", "plane:",
        "plane:1", "plane:2-1", "plane:0-1e999", "\u0661",
    ],
)
def test_impossibleSpecs(spec: str) -> None:
    """What is no latency is refused in one line that names it."""
    with pytest.raises(UsageError) as raised:
        checkLatency(spec)
    assert str(raised.value).startswith("latency ") and "\n" not in str(raised.value)


@pytest.mark.parametrize("latency", [(0.2, 0.1), (-0.1, 0.1), (float("nan"), 1.0), (0.0, float("inf")), "0.2-0.1"])
def test_impossibleLatencies(latency: Latency) -> None:
    """A network refuses them as well."""
    with pytest.raises(UsageError, match="latency"):
        VirtualNetwork(VirtualTime(), random.Random(1), latency=latency)


def test_aWorldOnAPlane() -> None:
    """Peers of a world measure the round trips of their places."""
    world = World(3, latency="plane:0.01-0.1")
    first = world.add(documents=[world.document("s/a.txt", "dawn")])
    second = world.add(bootstrap=[first])
    world.run(30)
    link = second.peer.links.get(first.peerId)
    assert link is not None and link.rtt == pytest.approx(2 * world.net.delay(first.peerId, second.peerId))
    assert len(second.search("dawn").hits) == 1
