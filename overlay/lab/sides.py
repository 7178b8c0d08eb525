"""Which of two sides each peer is on."""

PHI = 0.6180339887498949
"""Multiples of it spread evenly over the unit interval (Knuth, The Art of Computer Programming 3, 6.4)."""


def isFar(number: int, part: float) -> bool:
    """
    Whether a member is on the smaller side: numbers are given by arrival, so neither side is older or more capable.

    @param part: of all, that are on the smaller side, 0 to 1.
    """
    return (number * PHI) % 1 < part
