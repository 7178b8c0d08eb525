"""Frames and the queue of what waits to be sent."""

import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import Malformed, TooLarge
from overlay.link.frames import HEADER, FrameReader, Piece, framesOf
from overlay.link.queue import BOUNDS, CONGESTED, Overrun, SendQueue
from overlay.wire import limits
from overlay.wire.codec import decode, encode
from overlay.wire.message import Message, Priority
from overlay.wire.messages import AdvertsWanted, Ping
from overlay.wire.query import Cancel, Done, Hit, Hits, Receipt
from overlay.wire.registration import Register

sizes = st.sampled_from([0, 1, 2, limits.FRAME_PAYLOAD - 1, limits.FRAME_PAYLOAD, limits.FRAME_PAYLOAD + 1, 3 * limits.FRAME_PAYLOAD])


def read(reader: FrameReader, data: bytes, cuts: list[int]) -> list[bytes]:
    """Feed C{data} in chunks that end at C{cuts}."""
    got: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        reader.feed(data[start:end])
        got += reader.messages()
    return got


def whole(pieces: Sequence[Piece]) -> list[bytes]:
    """The frames, each in one."""
    return [b"".join(one) for one in zip(pieces[::2], pieces[1::2], strict=True)]


@given(st.data())
def test_anyChunking(data: st.DataObject) -> None:
    """Whatever the chunks, the same messages come out, in order, and nothing is held afterwards."""
    sent = [bytes([number]) * size for number, size in enumerate(data.draw(st.lists(sizes, max_size=6)))]
    stream = b"".join(frame for one in sent for frame in framesOf(one, data.draw(st.sampled_from(Priority))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader = FrameReader(limits.MESSAGE)
    assert read(reader, stream, cuts) == sent
    assert reader.held == 0


@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("size", [0, 1, limits.FRAME_PAYLOAD - 1, *(n * limits.FRAME_PAYLOAD + more for n in (1, 2, 3) for more in (0, 1))])
def test_noFrameMoreThanNeeded(size: int, priority: Priority) -> None:
    """All but the last are full, and the last is never empty but for an empty message."""
    frames = whole(framesOf(bytes(size), priority))
    assert [len(one) - HEADER for one in frames[:-1]] == [limits.FRAME_PAYLOAD] * (max(0, size - 1) // limits.FRAME_PAYLOAD)
    assert sum(map(len, frames)) == size + HEADER * len(frames)


@given(st.randoms(use_true_random=False))
def test_piecesOfPrioritiesAlternate(rng) -> None:
    """Pieces of messages of different priorities may come between each other; each priority keeps its own order."""
    sent = {
        priority: [bytes([16 * priority + number]) * rng.choice([5, limits.FRAME_PAYLOAD, 40_000]) for number in range(3)]
        for priority in Priority
    }
    queues = {priority: [frame for one in sent[priority] for frame in whole(framesOf(one, priority))] for priority in Priority}
    reader = FrameReader(limits.MESSAGE)
    got: list[bytes] = []
    while any(queues.values()):
        queue = queues[rng.choice([priority for priority in Priority if queues[priority]])]
        reader.feed(queue.pop(0))
        got += reader.messages()
    for messages in sent.values():
        assert [one for one in got if one in messages] == messages
    assert len(got) == 9 and reader.held == 0


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_anyGarbage(data: bytes, cuts: list[int]) -> None:
    """Any bytes give messages, or are refused; no more is held than came."""
    reader = FrameReader()
    with contextlib.suppress(Malformed):
        read(reader, data, sorted(min(cut, len(data)) for cut in cuts))
    assert reader.held <= len(data)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x03\0\0\0", Malformed), (b"\x08\0\0\0", Malformed), (b"\xff\0\0\0", Malformed), (b"GET / HTTP/1.1", Malformed),
        (b"\x04\0\0\0", Malformed), (b"\x00" + (limits.FRAME_PAYLOAD + 1).to_bytes(3, "big"), TooLarge), (b"\x00\xff\xff\xff", TooLarge),
        (b"\x00" + (501).to_bytes(3, "big"), TooLarge), (2 * (b"\x04" + (300).to_bytes(3, "big") + bytes(300)), TooLarge),
    ],
)
def test_impossibleFrames(data: bytes, kind: type[Exception]) -> None:
    """What no peer sends is refused from its header on, before its payload is waited for."""
    reader = FrameReader(500)
    reader.feed(data)
    with pytest.raises(kind):
        list(reader.messages())


def test_limitHoldsForJoinedPieces() -> None:
    """A message in many pieces is refused once it is over the limit; up to it, it is taken."""
    reader = FrameReader(2 * limits.FRAME_PAYLOAD)
    reader.feed(b"".join(framesOf(bytes(2 * limits.FRAME_PAYLOAD), 1)))
    assert [len(one) for one in reader.messages()] == [2 * limits.FRAME_PAYLOAD]
    reader.feed(b"".join(framesOf(bytes(2 * limits.FRAME_PAYLOAD + 1), 1)))
    with pytest.raises(TooLarge, match="more than"):
        list(reader.messages())
    assert reader.held <= 3 * limits.FRAME_PAYLOAD


# --- the queue ------------------------------------------------------------------------------------------------------

HITS = Hits(b"q" * 16, 1, [Hit(b"h" * 2000, b"s" * 64, b"k" * 32, "x" * 400, 1.0)] * 50)
RECEIPT = Done(b"q" * 16, 1, "answered", Receipt(answeredBy=bytes(100_000)))
REGISTER = Register(0, 1, 0, True, b"d" * 32, removals=[b"r" * 16] * 4000)


def received(data: bytes) -> list[Message]:
    reader = FrameReader(limits.MESSAGE)
    reader.feed(data)
    return [decode(one)[0] for one in reader.messages()]  # type: ignore[misc]


def fill(queue: SendQueue, message: Message) -> int:
    """Put until one is shed."""
    number = 0
    while queue.put(message):
        number += 1
    return number


def test_controlGoesFirst() -> None:
    """What was put last goes out first if it matters more; within a priority the order stays."""
    queue = SendQueue(lambda reason: None)
    for message in (REGISTER, HITS, Cancel(b"q" * 16, 1), Ping(1, 0.0), AdvertsWanted(sample=2)):
        assert queue.put(message)
    out = []
    while queue.size:
        out.append(queue.take(64 * 1024))
    kinds = [type(one) for one in received(b"".join(out))]
    assert kinds == [Cancel, Ping, AdvertsWanted, Hits, Register]


def test_takeIsBounded() -> None:
    """No write is larger than asked for, unless a single frame is."""
    queue = SendQueue(lambda reason: None)
    queue.put(HITS)
    assert len(queue.take(1)) == HEADER + limits.FRAME_PAYLOAD
    assert limits.FRAME_PAYLOAD < len(queue.take(40_000)) <= 40_000
    queue.clear()
    assert queue.size == 0 and queue.take(1000) == b""


@pytest.mark.parametrize(
    ("message", "reason"), [(HITS, "slow-search"), (REGISTER, "slow-registration")], ids=["search", "registration"]
)
def test_slowReadersAreShed(message: Message, reason: str) -> None:
    """A full queue sheds and counts; what matters more still gets in; memory stays bounded."""
    dropped: list[str] = []
    queue = SendQueue(dropped.append)
    assert fill(queue, message) == BOUNDS[message.priority] // len(encode(message))
    assert dropped == [reason] and queue.congested and not queue.clears()
    assert queue.put(Ping(1, 0.0)) and dropped == [reason]
    assert queue.size <= BOUNDS[message.priority] + 64 * 1024


def test_receiptsAreNeverShed() -> None:
    """A C{Done} is queued even where hits are shed; when even that does not go out the link has to end."""
    queue = SendQueue(lambda reason: None)
    fill(queue, HITS)
    with pytest.raises(Overrun):
        for _ in range(1000):
            assert queue.put(RECEIPT)
    assert queue.size <= 2 * BOUNDS[Priority.SEARCH] + 1024 * 1024


def test_controlOverrunEndsTheLink() -> None:
    """A reader that does not even take control messages is not there."""
    queue = SendQueue(lambda reason: None)
    with pytest.raises(Overrun):
        for _ in range(200):
            queue.put(AdvertsWanted([b"i" * 20] * 512))


def test_congestionEndsBelowALowerMark() -> None:
    """Producers are not told to go on and to wait in turns at one mark."""
    told: list[bool] = []
    queue = SendQueue(lambda reason: None, lambda: told.append(queue.congested))
    while queue.size <= CONGESTED:
        assert not queue.congested and not told
        queue.put(HITS)
    queue.put(HITS)
    assert queue.congested and told == [True]
    while queue.size >= limits.QUEUE_RESUME:
        assert not queue.clears() and queue.congested
        queue.take(64 * 1024)
    assert queue.clears() and not queue.clears() and not queue.congested


def test_tooLargeIsShed() -> None:
    """A message that no peer would take is not sent."""
    dropped: list[str] = []
    queue = SendQueue(dropped.append)
    assert not queue.put(Register(0, 1, 0, True, b"d" * 32, removals=[b"r" * 16] * 70_000))
    assert dropped == ["too-large"] and queue.size == 0
