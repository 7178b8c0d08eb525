"""What TCP does about packets that are lost: it sends them again, after a wait that doubles each time."""

import random
from collections import deque

from twisted.internet.interfaces import IDelayedCall

from overlay.lab.capacity import Data

RETRANSMIT = 0.2
"""Seconds after which a lost packet is sent again; twice as long after each further loss."""
RETRANSMIT_MOST = 60.0
"""The longest such wait."""


def lagOf(passes: float, rng: random.Random) -> float:
    """
    Seconds until a packet is sent that is not lost.

    @param passes: part of the packets that get through, more than 0.
    """
    lag, wait = 0.0, RETRANSMIT
    if passes < 1:
        while rng.random() >= passes:
            lag += wait
            wait = min(2 * wait, RETRANSMIT_MOST)
    return lag


class Held:
    """
    What cannot get through, at the end where it should arrive.

    @ivar since: when the first of it should have arrived.
    @ivar items: with their sizes, in order.
    @ivar reset: the sender is no more: it sends nothing again, and says so when it is asked.
    @ivar call: the try that will succeed; None as long as there is no hope.
    """

    __slots__ = ("call", "items", "reset", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.items: deque[tuple[Data, int]] = deque()
        self.reset = False
        self.call: IDelayedCall | None = None

    def nextTry(self, now: float) -> float:
        """When the sender tries again, at C{now} or later."""
        wait = RETRANSMIT
        when = self.since + wait
        while when < now:
            wait = min(2 * wait, RETRANSMIT_MOST)
            when += wait
        return when
