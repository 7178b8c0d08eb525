"""
Messages in frames and back, without any socket: bytes in, messages out.

A frame is a header of four bytes (flags, then the payload's length in three bytes, big-endian) and a payload of at most
L{limits.FRAME_PAYLOAD} bytes. Flags: the two lowest bits are the priority, bit 2 says that more pieces of the same message
follow. Pieces of messages of different priorities may alternate, so a large registration does not hold up a vote.
"""

from collections.abc import Iterator

from overlay.errors import Malformed, TooLarge
from overlay.wire import limits
from overlay.wire.message import Priority

HEADER = 4
_PRIORITY = 0x03
_MORE = 0x04


def framesOf(data: bytes, priority: int) -> Iterator[bytes]:
    """The frames of one encoded message, in order."""
    size = limits.FRAME_PAYLOAD
    for start in range(0, max(1, len(data)), size):
        piece = data[start : start + size]
        flags = priority | (_MORE if start + size < len(data) else 0)
        yield bytes((flags,)) + len(piece).to_bytes(3, "big") + piece


class FrameReader:
    """
    Takes bytes in any chunks and gives whole messages.

    @ivar limit: the largest message accepted, in bytes.
    """

    __slots__ = ("_buffer", "_pieces", "_sizes", "limit")

    def __init__(self, limit: int = limits.HELLO) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._pieces: list[list[bytes]] = [[] for _ in Priority]
        self._sizes = [0 for _ in Priority]

    @property
    def held(self) -> int:
        """Bytes kept of messages that are not whole yet; never more than a message for each priority, and a frame."""
        return len(self._buffer) + sum(self._sizes)

    def feed(self, data: bytes) -> None:
        """Take what came; L{messages} gives what is whole."""
        self._buffer += data

    def messages(self) -> Iterator[bytes]:
        """
        The messages that are whole, each once.

        @raise Malformed: a header is impossible.
        @raise TooLarge: a frame or a message is over its limit; nothing that comes later can be read.
        """
        while len(self._buffer) >= HEADER:
            flags = self._buffer[0]
            priority = flags & _PRIORITY
            if flags & ~(_PRIORITY | _MORE) or priority >= len(Priority):
                raise Malformed(f"frame flags {flags:#04x}")
            length = int.from_bytes(self._buffer[1:HEADER], "big")
            if length > limits.FRAME_PAYLOAD:
                raise TooLarge(f"a frame of {length} bytes")
            if self._sizes[priority] + length > self.limit:
                raise TooLarge(f"a message of more than {self.limit} bytes")
            if len(self._buffer) < HEADER + length:
                return
            piece = bytes(self._buffer[HEADER : HEADER + length])
            del self._buffer[: HEADER + length]
            if flags & _MORE:
                if not piece:
                    raise Malformed("an empty piece")
                self._pieces[priority].append(piece)
                self._sizes[priority] += length
                continue
            if self._pieces[priority]:
                piece = b"".join((*self._pieces[priority], piece))
                self._pieces[priority] = []
                self._sizes[priority] = 0
            yield piece
