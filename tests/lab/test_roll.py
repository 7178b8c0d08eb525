"""Who is drawn: everybody who is there, and nobody else."""

import random

from hypothesis import given
from hypothesis import strategies as st

from overlay.lab.roll import Roll


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_whoIsThere(steps: list[tuple[bool, int]]) -> None:
    """As a set would have it, in whatever order they come and go."""
    roll: Roll[str] = Roll()
    there: set[int] = set()
    for comes, number in steps:
        if comes and number not in there:
            there.add(number)
            roll.enter(number, str(number))
        elif not comes:
            there.discard(number)
            roll.leave(number)
        assert sorted(roll.draw(random.Random(1), 100)) == sorted(map(str, there))


def test_someOfThem() -> None:
    """So many as are asked for, of those that may be drawn, each as likely as another."""
    roll: Roll[int] = Roll()
    for number in range(10):
        roll.enter(number, number)
    roll.leave(4)
    rng = random.Random(7)
    drawn = [roll.draw(rng, 2, lambda one: one % 2 == 0) for _ in range(600)]
    assert all(len(set(two)) == 2 and set(two) <= {0, 2, 6, 8} for two in drawn)
    for one in (0, 2, 6, 8):
        assert 230 < sum(one in two for two in drawn) < 370
    assert roll.draw(rng, 0) == [] and Roll[int]().draw(rng, 3) == []
