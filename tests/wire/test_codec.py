"""Messages to bytes and back, and whatever else may come instead."""

import contextlib
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.errors import Malformed, TooLarge
from overlay.wire import limits
from overlay.wire.codec import Unknown, checkShape, decode, encode
from overlay.wire.message import Message
from overlay.wire.messages import MESSAGES, Goodbye, Ping
from overlay.wire.query import Done, Query, Receipt
from overlay.wire.registration import Register, Registered, Unregister
from tests.wire.material import EACH, messages

pack = msgspec.msgpack.encode
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(messages)
def test_roundTrip(message: Message) -> None:
    """What was encoded is decoded to the same, and nothing was skipped."""
    assert decode(encode(message)) == (message, 0)


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=lambda kind: kind.__name__)
@settings(max_examples=30)
@given(data=st.data())
def test_laterFieldsAreSkippedAndCounted(kind: type[Message], data: st.DataObject) -> None:
    """A newer peer may add fields at the end: what this version knows is read, the rest is counted."""
    message = data.draw(EACH[kind])
    more = data.draw(st.lists(values, min_size=1, max_size=3))
    assert decode(pack([*msgspec.msgpack.decode(encode(message)), *more])) == (message, len(more))


@pytest.mark.parametrize(
    ("message", "left"),
    [
        (Goodbye("leaving", "bye", 3.0), {"text": "", "retry": 0.0}),
        (Registered(4, 1, [], "rate", 2.0), {"code": "", "retry": 0.0}),
        (Done(b"i" * 16, 3, "answered", Receipt(sent=1)), {"receipt": None}),
    ],
)
def test_earlierPeersLeaveTheLastFieldsOut(message: Message, left: dict) -> None:
    """A field with a default may be missing at the end."""
    names = message.__struct_fields__
    kept = min(names.index(name) for name in left)
    assert decode(pack(msgspec.msgpack.decode(encode(message))[: kept + 1])) == (
        type(message)(*(getattr(message, name) for name in names[:kept])), 0,
    )


@given(st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    """Any bytes give a message or are refused as malformed; nothing else is raised."""
    with contextlib.suppress(Malformed):
        decode(data)


@given(values)
def test_wrongValues(value: object) -> None:
    """Any MessagePack value at all, likewise."""
    with contextlib.suppress(Malformed):
        decode(pack(value))


@given(messages, st.data())
def test_truncated(message: Message, data: st.DataObject) -> None:
    """A message that is cut short anywhere is refused."""
    whole = encode(message)
    with pytest.raises(Malformed):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(messages, st.binary(min_size=1, max_size=9))
def test_trailing(message: Message, more: bytes) -> None:
    """Bytes after the message are refused: two readers must not see two things."""
    with pytest.raises(Malformed):
        decode(encode(message) + more)


@pytest.mark.parametrize("number", [0, 9, 77, 127, 128, 200, 255, 256, 40000])
def test_unknownMessages(number: int) -> None:
    """A message of a number that this version does not know is named by it, not refused."""
    assert decode(pack([number, "whatever", {"a": 1}])) == (Unknown(number), 0)


@pytest.mark.parametrize(
    "value", [[], {}, "text", 7, None, ["3", 1, 2.0], [[3], 1], [-1, 2], [2**40], [None]], ids=repr
)
def test_noMessage(value: object) -> None:
    """What has no number in front is no message."""
    with pytest.raises(Malformed):
        decode(pack(value))


@pytest.mark.parametrize(
    "fields",
    [
        [3, "1", 2.0], [3, -1, 2.0], [3, 2**63, 2.0], [3, 1, math.nan], [3, 1, math.inf], [3, 1, -math.inf], [3, 1],
        [2, "x" * 33], [2, "x", "y" * (limits.REASON_TEXT + 1)], [2, b"x"],
        [30, b"i" * 15, 1, "a", 1, 10, 0, 5.0], [30, b"i" * 16, 1, "a", 1, 0, 0, 5.0], [30, b"i" * 16, 1, "a", 1, 10, 0, 0.0],
        [30, b"i" * 16, 1, "a", 1, 10, 0, math.nan], [30, b"i" * 16, 1, "a", 1, 10, 0, limits.BUDGET * 2],
        [30, b"i" * 16, 1, "a" * (limits.EXPRESSION + 1), 1, 10, 0, 5.0], [30, b"i" * 16, 1, "a", 1, limits.WANT + 1, 0, 5.0],
        [24, 1], [24, None], [12, [b"short"]], [12, [b"i" * 20] * (limits.ADVERT_IDS_PER_MESSAGE + 1)],
    ],
    ids=lambda fields: repr(fields)[:40],
)
def test_wrongFields(fields: list) -> None:
    """A field of the wrong type or out of its bounds is refused, and so is a number that one cannot reckon with."""
    with pytest.raises(Malformed):
        decode(pack(fields))


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("tail", [b"", b"x" * 300])
def test_nesting(tail: bytes) -> None:
    """What is skipped may nest no deeper than the limit, in short messages and in long ones."""
    assert decode(pack([24, True, tail, nested(limits.DEPTH - 1)])) == (Unregister(True), 2)
    with pytest.raises(Malformed, match="nested"):
        decode(pack([24, True, tail, nested(limits.DEPTH)]))
    with pytest.raises(Malformed):
        decode(b"\x93\x18\xc3" + b"\x91" * 100_000 + b"\x01")
    with pytest.raises(Malformed):
        decode(b"\x91" * 500_000)


def test_items() -> None:
    """What is skipped may have no more values than the limit."""
    few, many = [0] * (limits.ITEMS - 10), [0] * limits.ITEMS
    assert decode(pack([24, True, few])) == (Unregister(True), 1)
    with pytest.raises(Malformed, match="more than"):
        decode(pack([24, True, many]))
    with pytest.raises(Malformed, match="more than"):
        decode(pack([24, True, {str(number): number for number in range(limits.ITEMS)}]))


@given(values)
def test_checkShapeReadsEveryKindOfValue(value: object) -> None:
    """Whatever a value consists of, the walk finds its depth as the value has it."""

    def depth(one: object) -> int:
        if isinstance(one, list):
            return 1 + max(map(depth, one), default=0)
        if isinstance(one, dict):
            return 1 + max(map(depth, one.values()), default=0)
        return 0

    data = pack([value, "x" * 300])
    if 1 + depth(value) > limits.DEPTH:
        with pytest.raises(Malformed):
            checkShape(data)
    else:
        checkShape(data)


def test_tooLarge() -> None:
    """A message above the limit is never sent."""
    removals = [bytes([number % 256]) * 16 for number in range(70_000)]
    with pytest.raises(TooLarge, match="Register of"):
        encode(Register(1, 2, 0, True, b"d" * 32, removals=removals))


def test_theDocumentedBytes() -> None:
    """The bytes of a message are what another implementation expects: an array with its number first."""
    assert encode(Ping(5, 1.5)) == b"\x93\x03\x05\xcb\x3f\xf8" + bytes(6)
    query = Query(b"q" * 16, 1, "dawn", 1, 10, 0, 20.0)
    assert msgspec.msgpack.decode(encode(query)) == [30, b"q" * 16, 1, "dawn", 1, 10, 0, 20.0, False, "", "", None]
