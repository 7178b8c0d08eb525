"""
How long a packet is on its way from one peer to another.

A model is called with two peer ids and gives seconds, one way. It is asked once for each connection, whose two directions are
equally fast.
"""

import hashlib
import math
import random
import re
from collections.abc import Callable

import attrs

from overlay.errors import UsageError

Model = Callable[[bytes, bytes], float]
Latency = str | tuple[float, float] | Model
"""A spec (see L{modelOf}), the bounds of a uniform distribution, or a model."""
NEAREST, FARTHEST = 0.005, 0.12
"""Seconds on the plane, unless it is said otherwise."""
_NUMBER = r"(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)"
_RANGE = re.compile(rf"{_NUMBER}(?:-{_NUMBER})?", re.ASCII | re.IGNORECASE)
_PLANE = re.compile(rf"plane(?::{_NUMBER}-{_NUMBER})?", re.ASCII | re.IGNORECASE)


LONGEST = 1.0
"""Seconds; some satellites need 0.6."""


def _bounds(low: float, high: float, spec: object) -> None:
    """
    @raise UsageError: there are no times from C{low} to C{high}.
    """
    if not (math.isfinite(low) and math.isfinite(high)) or low < 0:
        raise UsageError(f"latency {spec}: it must be finite and not negative")
    if low > high:
        raise UsageError(f"latency {spec}: {low:g} is more than {high:g}")


@attrs.frozen
class Constant:
    """
    The same for all.

    @ivar seconds: at least 0.
    """

    seconds: float

    def __attrs_post_init__(self) -> None:
        _bounds(self.seconds, self.seconds, f"{self.seconds:g}")

    @property
    def longest(self) -> float:
        return self.seconds

    def __call__(self, one: bytes, other: bytes) -> float:
        return self.seconds


@attrs.frozen
class Uniform:
    """
    Anything from C{low} to C{high} seconds, drawn anew at each call.

    @ivar random: what it is drawn with.
    """

    low: float
    high: float
    random: random.Random

    def __attrs_post_init__(self) -> None:
        _bounds(self.low, self.high, f"{self.low:g}-{self.high:g}")

    @property
    def longest(self) -> float:
        return self.high

    def __call__(self, one: bytes, other: bytes) -> float:
        return min(self.high, self.random.uniform(self.low, self.high))


@attrs.frozen
class Plane:
    """
    Each peer has a place in a square, which follows from its id and the seed alone; the latency grows with the distance, from C{low}
    seconds at one place to C{high} from corner to corner. So who is near to both ends of a slow link is on a shorter way round.
    """

    low: float
    high: float
    seed: int

    def __attrs_post_init__(self) -> None:
        _bounds(self.low, self.high, f"plane:{self.low:g}-{self.high:g}")

    @property
    def longest(self) -> float:
        return self.high

    def place(self, peer: bytes) -> tuple[float, float]:
        """Where a peer is: two numbers from 0 to 1."""
        drawn = hashlib.sha256(b"lab plane %d " % self.seed + peer).digest()
        return int.from_bytes(drawn[:6], "big") / 2.0**48, int.from_bytes(drawn[6:12], "big") / 2.0**48

    def __call__(self, one: bytes, other: bytes) -> float:
        (x, y), (u, v) = self.place(one), self.place(other)
        share = math.hypot(x - u, y - v) / math.sqrt(2)
        return min(self.high, self.low + (self.high - self.low) * share)


def modelOf(latency: Latency, rng: random.Random) -> Model:
    """
    The model of a spec: C{0.03} is constant, C{0.01-0.09} uniform, C{plane} or C{plane:0.005-0.12} is a L{Plane}, all in seconds.

    @param latency: bounds, or a model, are taken as well.
    @param rng: for what is left to chance.
    @raise UsageError: it is none of these, or impossible.
    """
    if isinstance(latency, tuple):
        return Uniform(*latency, rng)
    if not isinstance(latency, str):
        return latency
    text = latency.strip()
    found = _PLANE.fullmatch(text)
    if found is not None:
        low, high = found.groups()
        return Plane(float(low or NEAREST), float(high or FARTHEST), rng.getrandbits(64))
    found = _RANGE.fullmatch(text)
    if found is None:
        raise UsageError(f"latency {latency!r} is not SECONDS, LOW-HIGH, plane or plane:LOW-HIGH")
    low, high = found.groups()
    return Constant(float(low)) if high is None else Uniform(float(low), float(high), rng)


def checkLatency(text: str) -> None:
    """
    Look whether a spec is possible, before there is a network.

    @raise UsageError: it is not; the message names it.
    """
    found = modelOf(text, random.Random(0))
    if isinstance(found, Constant | Uniform | Plane) and found.longest > LONGEST:
        raise UsageError(f"latency {text}: at most {LONGEST:g} s; with more no two peers agree on a link in time")
