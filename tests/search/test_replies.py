"""What goes back over a link for one copy: all of it as it comes, or later, or by its key."""

from typing import Any

import pytest
from pyroaring import BitMap

from overlay.index.packed import Answer, PackedRows, pack
from overlay.index.store import Found
from overlay.search.evaluating import hitsOf
from overlay.search.receipts import KEY_BYTES
from overlay.search.replies import Reply
from overlay.wire import limits
from overlay.wire.query import Done, Hits, Query, Receipt
from tests.index.material import document, identity, record

ANNA = identity(1)
RECORDS = [record(ANNA, document(f"a/{number}", "bloom")) for number in range(limits.HITS_PER_MESSAGE + 9)]


class Slow:
    """A link that takes what it is told to take."""

    peerId = b"p" * 20

    def __init__(self) -> None:
        self.congested = False
        self.sheds = False
        self.sent: list[Any] = []

    def send(self, message: Any) -> bool:
        if self.sheds and not isinstance(message, Done):
            return False
        self.sent.append(message)
        return True

    def hits(self) -> list[bytes]:
        """Record ids of all that was sent, in order."""
        return [one.recordId for message in self.sent if isinstance(message, Hits) for one in message.hits]  # type: ignore[attr-defined]


def rows(begin: int, end: int) -> PackedRows:
    some = RECORDS[begin:end]
    packed = [pack(ANNA.peerId, one) for one in some]
    numbers = range(len(some))
    contents = list(range(begin, begin + len(some)))
    answer = Answer(BitMap(numbers), lambda text: text)
    return PackedRows(packed, [-1.0] * len(some), [b"parts"] * len(some), contents, list(numbers), answer)


def ids(begin: int, end: int) -> list[bytes]:
    return [one.recordId for one in RECORDS[begin:end]]


@pytest.fixture
def link() -> Slow:
    return Slow()


@pytest.fixture
def reply(link: Slow) -> Reply:
    return Reply(link, Query(b"i" * 16, 3, "bloom", 2, 50, 0, 9.0), lambda reply: None)  # type: ignore[arg-type]


def test_goesAtOnce(link: Slow, reply: Reply) -> None:
    """What one message holds goes as it is, more of it in several, and nothing is no message."""
    some = rows(0, limits.HITS_PER_MESSAGE)
    reply.hitsFound(some)
    assert link.sent[0].hits is some
    reply.hitsFound([])
    reply.hitsFound(rows(0, len(RECORDS)))
    assert [len(one.hits) for one in link.sent] == [limits.HITS_PER_MESSAGE, limits.HITS_PER_MESSAGE, 9]


def test_waitsForASlowReader(link: Slow, reply: Reply) -> None:
    """As long as the link is congested nothing goes, and afterwards what came first."""
    link.congested = True
    reply.hitsFound(rows(0, 2))
    assert link.sent == []
    link.congested = False
    reply.hitsFound(rows(2, 4))
    assert link.hits() == ids(0, 4)
    reply.branchEnded("answered", Receipt())
    assert isinstance(link.sent[-1], Done) and link.sent[-1].receipt == Receipt()


def test_whatIsShedIsHeldBack(link: Slow, reply: Reply) -> None:
    """The receipt names what the link has not taken."""
    link.sheds = True
    reply.hitsFound(rows(0, 2))
    reply.branchEnded("answered", Receipt(ranked=1))
    assert link.hits() == []
    receipt = link.sent[-1].receipt
    assert receipt.held == b"".join(one[:KEY_BYTES] for one in ids(0, 2)) and (receipt.bound, receipt.ranked) == (1.0, 0)


def test_withoutPartsIfNotRanked() -> None:
    """Where the order is not by what parts say, rows go without them."""
    found = Found(rows(0, 2), 2, (), 0.0, 2, 9, {})
    assert [one.parts for one in hitsOf(found, False)] == [b""] * 2
    assert [one.parts for one in hitsOf(Found(rows(0, 2), 2, (), 0.0, 2, 9, {}), True)] == [b"parts"] * 2
