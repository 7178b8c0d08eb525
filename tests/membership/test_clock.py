"""Network time."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from overlay.commons import Surroundings
from overlay.membership.clock import FAR, GOOD_FOR, NetworkTime
from tests.index.material import NOW, identity
from tests.index.surroundings import commonsOf

DAY = 86_400.0
OFFSETS = st.floats(-10 * DAY, 10 * DAY)


def linked(*offsets: float | None, dialled: bool = True) -> list[Any]:
    return [SimpleNamespace(clockOffset=offset, dialled=dialled) for offset in offsets]


@pytest.mark.parametrize("links, offset", [
    ([], 0.0),
    (linked(None, None), 0.0),
    (linked(FAR - 1), 0.0),
    (linked(DAY), DAY),
    (linked(-DAY, None), -DAY),
    (linked(DAY, dialled=False), 0.0),
    (linked(DAY, DAY), DAY),
    (linked(DAY, -1.0), 0.0),
    (linked(3.0, 4.0, 5.0), 3.0),
])
def test_whoseClockCounts(links: list[Any], offset: float) -> None:
    """The middle one of all clocks; with a single other one, that of the peer which was dialled, if it is far off."""
    assert NetworkTime(commonsOf(identity(1)), links).read() == NOW + offset


@given(st.lists(OFFSETS, min_size=2, max_size=9), OFFSETS)
def test_theMinorityIsNotHeard(honest: list[float], lie: float) -> None:
    """As long as most clocks are right within a second, so is network time, whatever the others say."""
    links = linked(*(offset % 1.0 for offset in honest), *[lie] * (len(honest) - 1))
    assert NOW - 1 <= NetworkTime(commonsOf(identity(1)), links).read() <= NOW + 1


@pytest.mark.parametrize("step", [DAY, -DAY])
@pytest.mark.parametrize("offsets", [(), (0.0,), (0.0, 0.0), (DAY, DAY)])
def test_theMachinesClockIsSet(step: float, offsets: tuple[float, ...]) -> None:
    """Nothing jumps when the machine's clock is set, whatever was measured before."""
    clock = Clock()
    commons = commonsOf(identity(1), clock=clock)
    wall = [NOW]
    surroundings = Surroundings(clock, lambda: wall[0] + clock.seconds(), commons.random, commons.surroundings.network, commons.scheme)
    commons = type(commons)(
        commons.identity, commons.network, commons.settings, commons.storage, surroundings, commons.policies, 1
    )
    time = NetworkTime(commons, linked(*offsets)).read
    before = time()
    clock.advance(5)
    wall[0] += step
    assert time() == before + 5


def test_howLongItIsGood() -> None:
    """A changed clock counts within a moment, a new link at once."""
    clock = Clock()
    links = linked(DAY, DAY)
    time = NetworkTime(commonsOf(identity(1), clock=clock), links).read
    assert time() == NOW + DAY
    for link in links:
        link.clockOffset = 2 * DAY
    clock.advance(GOOD_FOR)
    assert time() == NOW + GOOD_FOR + 2 * DAY
    links += linked(0.0, 0.0)
    assert time() == NOW + GOOD_FOR
