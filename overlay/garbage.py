"""What the collector of unreachable objects need not look at."""

import gc


def keepForGood() -> None:
    """
    Take all that there is now for lasting. What a program consists of, and an index that has been read, are a great many objects: to walk
    through them again and again finds nothing, and makes a search wait that comes meanwhile.
    """
    gc.collect()
    gc.freeze()
