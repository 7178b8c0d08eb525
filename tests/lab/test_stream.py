"""The random numbers of a peer in the lab."""

import random
import statistics
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.lab.stream import stream


def test_knownValues() -> None:
    """It is SplitMix64: the words that others publish for the seed 1234567."""
    one = stream(1234567)
    assert [one.getrandbits(64) for _ in range(5)] == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]


def test_sameMethods() -> None:
    """Whatever a policy may ask C{random.Random} for, it may ask this, but for its state."""
    missing = {name for name in dir(random.Random) if not name.startswith("_") and not hasattr(stream(1), name)}
    assert missing == {"seed", "getstate", "setstate", "VERSION"}


@given(st.integers(0, 2**64 - 1))
def test_reproducible(seed: int) -> None:
    """The same seed gives the same numbers, whatever is asked for; another seed gives others."""

    def asked(one: random.Random) -> list[object]:
        shuffled = list(range(20))
        one.shuffle(shuffled)
        return [
            one.random(), one.uniform(2, 3), one.choice("abcdef"), one.sample(range(1000), 5), shuffled, one.randrange(7, 70),
            one.randint(1, 6), one.randbytes(9), one.expovariate(2.0), one.gauss(0, 1), one.weibullvariate(1, 0.5),
            one.choices("ab", k=8), one.getrandbits(130),
        ]

    first = asked(stream(seed))
    assert first == asked(stream(seed))
    assert first != asked(stream(seed + 1))


@given(st.integers(0, 2**64 - 1), st.integers(0, 200))
def test_bits(seed: int, count: int) -> None:
    """As many bits as are asked for, and no more."""
    assert 0 <= stream(seed).getrandbits(count) < 1 << count
    with pytest.raises(ValueError, match="non-negative"):
        stream(seed).getrandbits(-1)


def test_even() -> None:
    """Its numbers are spread evenly from 0 to 1."""
    one = stream(7)
    numbers = [one.random() for _ in range(20_000)]
    assert all(0 <= number < 1 for number in numbers)
    assert statistics.fmean(numbers) == pytest.approx(0.5, abs=0.01)
    counts = [0] * 10
    for number in numbers:
        counts[int(10 * number)] += 1
    assert all(1800 < count < 2200 for count in counts)


def test_small() -> None:
    """It takes a twentieth of the memory."""
    assert 20 * sys.getsizeof(stream(1)) < sys.getsizeof(random.Random(1))
