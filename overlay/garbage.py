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
