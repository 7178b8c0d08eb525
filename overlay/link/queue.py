"""
What waits to be sent on one link, by priority, with a bound for each.

When a reader is too slow its queue fills and is shed: queries and hits first, registrations later, receipts (C{Done}) and
control messages never; a link whose control messages do not go out is ended instead.
"""

from collections.abc import Callable
from itertools import islice

from overlay.errors import TooLarge
from overlay.link.frames import HEADER, Piece, framesOf
from overlay.wire import limits
from overlay.wire.codec import encode
from overlay.wire.message import Message, Priority
from overlay.wire.query import Done, Query

BOUNDS = (limits.QUEUE_CONTROL, limits.QUEUE_SEARCH, limits.QUEUE_REGISTRATION)
"""Bytes that may wait, by priority."""
CONGESTED = 512 * 1024
"""Bytes queued from which a link says that it is congested."""


# What goes to many links goes to one after the other.
_last: tuple[Query | None, tuple[Piece, ...], int] = (None, (), 0)


def _framed(query: Query) -> tuple[tuple[Piece, ...], int]:
    """
    The frames of a query and their size; they are kept for the next link.

    @raise TooLarge: it exceeds the largest message.
    """
    global _last
    data = encode(query)
    frames = framesOf(data, query.priority)
    size = len(data) + len(frames) // 2 * HEADER
    _last = query, frames, size
    return frames, size


def _nothing() -> None:
    """Nobody waits."""


class Overrun(Exception):
    """Even what may not be shed does not go out."""


class SendQueue:
    """
    @ivar size: bytes queued.
    @ivar congested: whether producers should wait.
    @ivar dropped: called with a reason for each message that is shed, and C{filled} when producers should begin to wait.
    """

    __slots__ = ("_frames", "_sizes", "congested", "dropped", "filled", "size")

    def __init__(self, dropped: Callable[[str], None], filled: Callable[[], None] = _nothing) -> None:
        # No deques: an empty one takes more than all else of an idle link's channel.
        # A header, its payload, and so on.
        self._frames: tuple[list[Piece], ...] = tuple([] for _ in Priority)
        self._sizes = [0 for _ in Priority]
        self.size = 0
        self.congested = False
        self.dropped = dropped
        self.filled = filled

    def put(self, message: Message) -> bool:
        """
        @return: whether it was queued; if not, it was shed and counted.
        @raise Overrun: the link has to end.
        """
        # A bare number finds its place faster.
        priority = int(message.priority)
        try:
            if message is _last[0]:
                _, frames, size = _last
            elif type(message) is Query:
                frames, size = _framed(message)
            else:
                data = encode(message)
                frames = framesOf(data, priority)
                size = len(data) + len(frames) // 2 * HEADER
        except TooLarge:
            self.dropped("too-large")
            return False
        held = self._sizes[priority] + size
        if held > BOUNDS[priority]:
            receipt = isinstance(message, Done)
            if priority == Priority.CONTROL or (receipt and self._sizes[priority] > 2 * BOUNDS[priority]):
                raise Overrun
            if not receipt:
                self.dropped("slow-search" if priority == Priority.SEARCH else "slow-registration")
                return False
        self._frames[priority].extend(frames)
        self._sizes[priority] = held
        self.size += size
        if self.size > CONGESTED and not self.congested:
            self.congested = True
            self.filled()
        return True

    def take(self, most: int) -> bytes:
        """
        The next frames in the order of priority, joined: at least one if there is any, else up to C{most} bytes.
        """
        if self.size <= most:
            control, search, registration = self._frames
            every = b"".join(search if not control and not registration else [*control, *search, *registration])
            self.clear()
            return every
        taken: list[Piece] = []
        size = 0
        for priority, frames in enumerate(self._frames):
            count, before = 0, size
            for header, payload in zip(islice(frames, 0, None, 2), islice(frames, 1, None, 2), strict=True):
                if taken and size + HEADER + len(payload) > most:
                    break
                count += 2
                size += HEADER + len(payload)
                taken += (header, payload)
            del frames[:count]
            self._sizes[priority] -= size - before
            if frames:
                break
        self.size -= size
        return b"".join(taken)

    def clears(self) -> bool:
        """Whether congestion has just ended."""
        if self.congested and self.size < limits.QUEUE_RESUME:
            self.congested = False
            return True
        return False

    def clear(self) -> None:
        """Forget all."""
        for priority, frames in enumerate(self._frames):
            if frames:
                frames.clear()
                self._sizes[priority] = 0
        self.size = 0
