"""
Messages to bytes and back.

Decoding reads the array's length and the message's number first, so that a message or a field of a newer peer is skipped and
counted, while anything that is wrong in itself raises.
"""

import attrs
import msgspec

from overlay.errors import Malformed, TooLarge
from overlay.wire import limits
from overlay.wire.messages import MESSAGES, Message

_encoder = msgspec.msgpack.Encoder()
_decoders = {tag: msgspec.msgpack.Decoder(kind) for tag, kind in MESSAGES.items()}
_fields = {tag: 1 + len(kind.__struct_fields__) for tag, kind in MESSAGES.items()}


@attrs.frozen
class Unknown:
    """A message of a number that this version does not know."""

    tag: int


def encode(message: Message) -> bytes:
    """
    @raise TooLarge: it exceeds the largest message.
    """
    data = _encoder.encode(message)
    if len(data) > limits.MESSAGE:
        raise TooLarge(f"{type(message).__name__} of {len(data)} bytes")
    return data


def _opening(data: bytes) -> tuple[int, int]:
    """The number of items and the message number, read from the first bytes."""
    if len(data) < 2:
        raise Malformed("a message of less than two bytes")
    first = data[0]
    if 0x90 <= first <= 0x9F:
        items, at = first & 0x0F, 1
    elif first == 0xDC and len(data) >= 4:
        items, at = int.from_bytes(data[1:3], "big"), 3
    else:
        raise Malformed("not an array")
    number = data[at]
    if number == 0xCC and len(data) > at + 1:
        number = data[at + 1]
    elif number == 0xCD and len(data) > at + 2:
        number = int.from_bytes(data[at + 1 : at + 3], "big")
    elif number > 0x7F:
        raise Malformed("no message number")
    if items == 0:
        raise Malformed("an empty array")
    return items, number


def decode(data: bytes) -> tuple[Message | Unknown, int]:
    """
    @return: the message, and how many unknown fields of a newer version were skipped.
    @raise Malformed: it is not a message, or a field is of the wrong type or out of bounds.
    """
    items, tag = _opening(data)
    decoder = _decoders.get(tag)
    if decoder is None:
        return Unknown(tag), 0
    try:
        return decoder.decode(data), max(0, items - _fields[tag])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise Malformed(f"{MESSAGES[tag].__name__}: {problem}") from problem
