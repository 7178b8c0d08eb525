"""What the collector of unreachable objects need not look at."""

import gc

YOUNG = 10_000
"""New objects at which the collector looks for such as hold each other: nearly all that a peer makes goes by itself, and soon."""


def keepForGood() -> None:
    """
    Take all that there is now for lasting. What a program consists of, and an index that has been read, are a great many objects: to walk
    through them again and again finds nothing, and makes a search wait that comes meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)


def collectSeldom() -> None:
    """
    Look for garbage as seldom as the lab can afford it. Thousands of peers in one process are many millions of objects that live to the
    end: looking through them would take most of the time.
    """
    gc.set_threshold(200_000, 50, 1000)
