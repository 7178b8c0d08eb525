"""Those of many from whom some are drawn at random."""

import random
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Roll(Generic[T]):
    """By number, and in an order that follows from who has come and gone; neither takes longer where there are many."""

    __slots__ = ("_all", "_places")

    def __init__(self) -> None:
        self._all: list[tuple[int, T]] = []
        self._places: dict[int, int] = {}

    def draw(self, rng: random.Random, count: int, which: Callable[[T], bool] | None = None) -> list[T]:
        """
        Some at random: so many, or all if there are not.

        @param which: who may be drawn; None for everybody.
        """
        able = self._all if which is None else [one for one in self._all if which(one[1])]
        return [one for _, one in rng.sample(able, min(count, len(able)))]

    def enter(self, number: int, one: T) -> None:
        self._places[number] = len(self._all)
        self._all.append((number, one))

    def leave(self, number: int) -> None:
        """Nothing comes of it if there is nobody of this number. The last one takes the place."""
        place = self._places.pop(number, None)
        if place is None:
            return
        last = self._all.pop()
        if last[0] != number:
            self._all[place] = last
            self._places[last[0]] = place
