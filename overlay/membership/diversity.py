"""
Choosing among peers so that no one hand holds them all.

Ids cost little, addresses in many networks cost more. Of whatever is chosen, one network of addresses (/16, /48), and those that were
told of from one such network, have a share at most, as long as there are others to be had. Bitcoin Core and geth bound their tables
in this way.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
Kinds = tuple[str, ...]
"""What one peer counts for, as C{("in 192.0", "from 198.51")}."""


def chooseApart(
    able: Sequence[T], count: int, kindsOf: Callable[[T], Kinds], held: Iterable[Kinds], most: int, rng: random.Random
) -> list[T]:
    """
    A random choice in which, together with what is held, no kind is there more than C{most} times, unless there are not enough others;
    then the rarest kinds go first.

    @param held: the kinds of each that has been chosen before.
    @param most: peers of one kind.
    @return: C{count} of them, or all if there are fewer.
    """
    count = min(count, len(able))
    kinds = {kindsOf(one) for one in able}
    counts = Counter(one for each in held for one in each)
    if len(kinds) < 2 and counts.keys() <= set().union(*kinds):
        # Where all are of one kind there is nothing to weigh.
        return rng.sample(able, count)
    order = rng.sample(able, len(able))
    chosen: list[T] = []
    left = []
    for one in order:
        if len(chosen) < count and all(counts[kind] < most for kind in kindsOf(one)):
            chosen.append(one)
            counts.update(kindsOf(one))
        else:
            left.append(one)
    while len(chosen) < count:
        rarest = min(left, key=lambda one: max((counts[kind] for kind in kindsOf(one)), default=0))
        left.remove(rarest)
        chosen.append(rarest)
        counts.update(kindsOf(rarest))
    return chosen


def leaveOne(held: Sequence[T], kindsOf: Callable[[T], Kinds], rng: random.Random) -> T:
    """
    Which of those that are held makes room: a random one of the kind that is there most often.

    @param held: not empty.
    """
    if len({kindsOf(one) for one in held}) < 2:
        return rng.choice(held)
    counts = Counter(kind for one in held for kind in kindsOf(one))
    top = max(counts.values())
    return rng.choice([one for one in held if any(counts[kind] == top for kind in kindsOf(one))])
