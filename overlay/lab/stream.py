"""Random numbers for one peer of thousands: everything that C{random.Random} offers, with eight bytes of state instead of 2,500."""

import random
from typing import Any, cast

_FULL: Any = random.Random
_WORD = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


class _Stream:
    """
    SplitMix64 (Steele, Lea and Flood 2014), with the methods of L{random.Random} on top.

    Each peer has a stream of its own, so that one that asks for more does not change what the others get.
    """

    __slots__ = ("_state", "gauss_next")

    def __init__(self, seed: int) -> None:
        self._state = seed & _WORD
        self.gauss_next: float | None = None

    def _word(self) -> int:
        """The next 64 bits."""
        self._state = state = (self._state + _STEP) & _WORD
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _WORD
        return state ^ (state >> 31)

    def random(self) -> float:
        """From 0 to 1, without 1."""
        return (self._word() >> 11) * 2.0**-53

    def getrandbits(self, k: int) -> int:
        """A number of C{k} bits."""
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        if k <= 64:
            return self._word() >> (64 - k)
        bits = 0
        for _ in range(0, k, 64):
            bits = bits << 64 | self._word()
        return bits >> (-k % 64)

    _randbelow = _FULL._randbelow_with_getrandbits


for _name, _method in vars(_FULL).items():
    if callable(_method) and not _name.startswith("_") and not hasattr(_Stream, _name) and _name not in ("seed", "getstate", "setstate"):
        setattr(_Stream, _name, _method)


def stream(seed: int) -> random.Random:
    """
    A stream of its own for one peer.

    @param seed: 64 bits; the same seed gives the same stream.
    """
    return cast(random.Random, _Stream(seed))
