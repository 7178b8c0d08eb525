"""Counters and histograms of one peer as plain numbers: cheap enough for ten thousand peers, and read by the metrics page."""

from bisect import bisect_left
from types import MappingProxyType
from typing import Any

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of a histogram's buckets, in seconds."""


_KEYS: dict[tuple[str, ...], tuple[str, ...]] = {}
_NONE: Any = MappingProxyType({})


class Tally:
    """
    @ivar counts: number by (name, label values...).
    @ivar histograms: (bucket counts, one more than L{BOUNDS}; sum) by (name, label values...).
    """

    __slots__ = ("counts", "histograms")

    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], int] = {}
        self.histograms: dict[tuple[str, ...], tuple[list[int], float]] = _NONE

    def count(self, name: str, *labels: str, by: int = 1) -> None:
        """
        Add to a counter. The names are those of L{overlay.metrics}; labels are few and from a fixed set.
        """
        self.add((name, *labels), by)

    def add(self, key: tuple[str, ...], by: int = 1) -> None:
        """The same with name and labels as one tuple, for what is counted most often."""
        held = self.counts.get(key)
        if held is None:
            # The same keys serve all the peers of a process.
            self.counts[_KEYS.setdefault(key, key)] = by
        else:
            self.counts[key] = held + by

    def get(self, name: str, *labels: str) -> int:
        return self.counts.get((name, *labels), 0)

    def total(self, name: str) -> int:
        """Over all labels."""
        return sum(value for key, value in self.counts.items() if key[0] == name)

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Add one duration to a histogram."""
        if self.histograms is _NONE:
            # Most peers measure nothing.
            self.histograms = {}
        key = (name, *labels)
        buckets, whole = self.histograms.get(key) or ([0] * (len(BOUNDS) + 1), 0.0)
        buckets[bisect_left(BOUNDS, seconds)] += 1
        self.histograms[key] = (buckets, whole + seconds)
