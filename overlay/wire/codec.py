"""
Messages to bytes and back.

Decoding reads the array's length and the message's number first, so that a message or a field of a newer peer is skipped and
counted, while anything that is wrong in itself raises. What is skipped is held to the limits of nesting and of items as well.
"""

from typing import Any

import attrs
import msgspec

from overlay.errors import Malformed, TooLarge
from overlay.wire import limits
from overlay.wire.message import Message
from overlay.wire.messages import MESSAGES
from overlay.wire.query import EncodedHit, Hit, Hits


def _encoded(part: EncodedHit) -> msgspec.Raw:
    return msgspec.Raw(part.encoded())


_encoder = msgspec.msgpack.Encoder(enc_hook=_encoded)
_decoders = {tag: msgspec.msgpack.Decoder(kind) for tag, kind in MESSAGES.items()}
_fields = {tag: 1 + len(kind.__struct_fields__) for tag, kind in MESSAGES.items()}

# What follows each first byte of MessagePack: how many bytes are skipped after it, or what has to be read to know.
_ARRAY, _MAP, _LENGTH = -1, -2, -3
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_COUNTED = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_FIXED = {
    0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}


def _stepOf(first: int) -> int:
    if 0x80 <= first <= 0x8F or first in (0xDE, 0xDF):
        return _MAP
    if 0x90 <= first <= 0x9F or first in (0xDC, 0xDD):
        return _ARRAY
    if 0xA0 <= first <= 0xBF:
        return first & 0x1F
    return _LENGTH if first in _SIZED else _FIXED.get(first, 0)


_STEPS = tuple(_stepOf(first) for first in range(256))
_FLAT = bytes(first for first in range(256) if _STEPS[first] not in (_ARRAY, _MAP))
"""The bytes that cannot begin an array or a map."""
_SHORT = 256
_ITEM, _ITEMS = 0x91, 0x9F
"""First bytes of arrays of 1 to 15 items."""
_SMALL = 0x7F
"""The largest number that is its own byte."""


@attrs.frozen
class Unknown:
    """A message of a number that this version does not know."""

    tag: int


def encode(message: Message) -> bytes:
    """
    @raise TooLarge: it exceeds the largest message.
    """
    data = _encodedHits(message) if type(message) is Hits else _encoder.encode(message)
    if len(data) > limits.MESSAGE:
        raise TooLarge(f"{type(message).__name__} of {len(data)} bytes")
    return data


def _encodedHits(message: Hits) -> bytes:
    """The same as the encoder makes of it, which would copy each hit that is encoded already once more, and call for it."""
    hits: Any = message.hits
    # An empty array is one byte.
    opening = _encoder.encode(Hits(message.id, message.copy, []))[:-1]
    count = len(hits)
    array = bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    if type(hits) is not list:
        # All of them are there as bytes (see L{EncodedHit}).
        return b"".join((opening, array, *hits.pieces()))
    return b"".join((opening, array, *[_encoder.encode(one) if type(one) is Hit else one.encoded() for one in hits]))


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


def checkShape(data: bytes) -> None:
    """
    Hold one encoded value to the limits of nesting and of items. What is cut short or follows it is for the decoder to find.

    @raise Malformed: it nests deeper than L{limits.DEPTH}, or has more than L{limits.ITEMS} items.
    """
    # A short one with no more bytes that may open something than the limit of nesting needs no look.
    if len(data) <= _SHORT and len(data.translate(None, _FLAT)) <= limits.DEPTH:
        return
    end = len(data)
    at = items = 0
    left = 1
    above: list[int] = []
    while at < end:
        while not left:
            if not above:
                return
            left = above.pop()
        left -= 1
        items += 1
        first = data[at]
        at += 1
        step = _STEPS[first]
        if step >= 0:
            at += step
        elif step == _LENGTH:
            size = _SIZED[first]
            at += size + int.from_bytes(data[at : at + size], "big") + (1 if 0xC7 <= first <= 0xC9 else 0)
        else:
            size = _COUNTED.get(first, 0)
            inside = int.from_bytes(data[at : at + size], "big") if size else first & 0x0F
            at += size
            if len(above) >= limits.DEPTH:
                raise Malformed(f"nested deeper than {limits.DEPTH}")
            above.append(left)
            left = inside if step == _ARRAY else 2 * inside
        if items > limits.ITEMS:
            raise Malformed(f"more than {limits.ITEMS} items")


def decode(data: bytes) -> tuple[Message | Unknown, int]:
    """
    @return: the message, and how many unknown fields of a newer version were skipped.
    @raise Malformed: it is not a message, or a field is of the wrong type or out of bounds.
    """
    if len(data) > 1 and _ITEM <= data[0] <= _ITEMS and data[1] <= _SMALL:
        # As nearly every message begins.
        items, tag = data[0] & 0x0F, data[1]
    else:
        items, tag = _opening(data)
    decoder = _decoders.get(tag)
    if decoder is None:
        return Unknown(tag), 0
    try:
        # The decoder counts its depth too, if less strictly, so it can go first; the types bound what is not skipped.
        message = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise Malformed(f"{MESSAGES[tag].__name__}: {problem}") from problem
    # A long message that is encoded to the very same bytes has nothing skipped in it; finding that out costs a tenth of a scan.
    if len(data) <= _SHORT or _encoder.encode(message) != data:
        checkShape(data)
    return message, max(0, items - _fields[tag])
