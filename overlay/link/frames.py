"""
Messages in frames and back, without any socket: bytes in, messages out.

A frame is a header of four bytes (flags, then the payload's length in three bytes, big-endian) and a payload of at most
L{limits.FRAME_PAYLOAD} bytes. Flags: the two lowest bits are the priority, bit 2 says that more pieces of the same message
follow. Pieces of messages of different priorities may alternate, so a large registration does not hold up a vote.
"""

import struct
from collections.abc import Iterator

from overlay.errors import Malformed, TooLarge
from overlay.wire import limits
from overlay.wire.message import Priority

HEADER = 4
_PRIORITY = 0x03
_MORE = 0x04
_UNKNOWN = 0xFF & ~(_PRIORITY | _MORE)
_LENGTH = 0xFFFFFF
_PRIORITIES = len(Priority)
Piece = bytes | memoryview
_struct = struct.Struct(">I")
_header, _headerAt = _struct.pack, _struct.unpack_from


def framesOf(data: bytes, priority: int) -> tuple[Piece, ...]:
    """The frames of one encoded message, in order: of each the header, then the payload, which is not copied."""
    left, size = len(data), limits.FRAME_PAYLOAD
    if left <= size:
        return _header(priority << 24 | left), data
    frames: list[Piece] = []
    rest = memoryview(data)
    more = _header((priority | _MORE) << 24 | size)
    while left > size:
        frames += (more, rest[:size])
        rest = rest[size:]
        left -= size
    return (*frames, _header(priority << 24 | left), rest)


class FrameReader:
    """
    Takes bytes in any chunks and gives whole messages.

    @ivar limit: the largest message accepted, in bytes.
    """

    __slots__ = ("_at", "_data", "_pieces", "_sizes", "limit")

    def __init__(self, limit: int = limits.HELLO) -> None:
        self.limit = limit
        # What came last, as it came, if nothing was left of what came before it; and how far it has been read.
        self._data: bytes | bytearray = b""
        self._at = 0
        self._pieces: list[list[bytes] | None] = [None for _ in Priority]
        self._sizes = [0 for _ in Priority]

    @property
    def held(self) -> int:
        """Bytes kept of messages that are not whole yet; never more than a message for each priority, and a frame."""
        return len(self._data) - self._at + sum(self._sizes)

    def feed(self, data: bytes) -> None:
        """Take what came; L{messages} gives what is whole."""
        if self._at == len(self._data):
            self._data, self._at = data, 0
            return
        if isinstance(self._data, bytearray):
            del self._data[: self._at]
        else:
            self._data = bytearray(memoryview(self._data)[self._at :])
        self._at = 0
        self._data += data

    def messages(self) -> Iterator[bytes]:
        """
        The messages that are whole, each once.

        @raise Malformed: a header is impossible.
        @raise TooLarge: a frame or a message is over its limit; nothing that comes later can be read.
        """
        while True:
            # What is given may have more fed before the next is asked for.
            data, begin = self._data, self._at + HEADER
            if len(data) < begin:
                break
            header, = _headerAt(data, begin - HEADER)
            flags, length = header >> 24, header & _LENGTH
            priority = flags & _PRIORITY
            if flags & _UNKNOWN or priority >= _PRIORITIES:
                raise Malformed(f"frame flags {flags:#04x}")
            if length > limits.FRAME_PAYLOAD:
                raise TooLarge(f"a frame of {length} bytes")
            if self._sizes[priority] + length > self.limit:
                raise TooLarge(f"a message of more than {self.limit} bytes")
            end = begin + length
            if len(data) < end:
                break
            piece = bytes(data[begin:end])
            if end == len(data):
                self._data, self._at = b"", 0
            else:
                self._at = end
            pieces = self._pieces[priority]
            if flags & _MORE:
                if not piece:
                    raise Malformed("an empty piece")
                if pieces is None:
                    pieces = self._pieces[priority] = []
                pieces.append(piece)
                self._sizes[priority] += length
                continue
            if pieces is not None:
                piece = b"".join((*pieces, piece))
                self._pieces[priority] = None
                self._sizes[priority] = 0
            yield piece
