"""More hits than are taken for one copy: what is dropped is accounted for, so that no order is called exact without it."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from overlay.questions import Formula
from overlay.search import copies
from overlay.search.copies import Copies, Copy
from overlay.search.wanted import Wanted
from overlay.tally import Tally
from overlay.wire.query import Done, Hit, Hits, Receipt
from tests.search.test_ranking import central, network, rowsOf

ID = b"i" * 16


class Listener:
    """Who waits for a copy, and remembers."""

    def __init__(self) -> None:
        self.hits = 0
        self.ends: list[Done | None] = []

    def hitsCame(self, copy: Copy, hits: list[Hit]) -> None:
        self.hits += len(hits)

    def copyEnded(self, copy: Copy, done: Done | None) -> None:
        self.ends.append(done)


def ended(scores: list[float], done: Done) -> tuple[Listener, Done | None]:
    """The end of a copy after hits of these scores, of which 1,020 are taken."""
    commons: Any = SimpleNamespace(seconds=lambda: 0.0, tally=Tally())
    link: Any = SimpleNamespace(peerId=b"p" * 20, sendOne=lambda message, seconds: True)
    listener = Listener()
    every = Copies(commons)
    copy = every.send(link, listener, ID, Wanted.of("dawn", 1, Formula()), 0, 9.0)
    assert copy is not None
    for at in range(0, len(scores), 20):
        hits = [Hit(b"head", b"s" * 64, b"k" * 32, "", score) for score in scores[at : at + 20]]
        every.hitsReceived(link, Hits(ID, copy.number, hits))
    every.doneReceived(link, msgspec.structs.replace(done, copy=copy.number))
    assert len(every) == 0 and len(listener.ends) == 1
    return listener, listener.ends[0]


@pytest.mark.parametrize("ranking", ["exact", ""])
def test_whatIsDroppedIsHeldBack(ranking: str) -> None:
    """It is counted, with the best score of it, and nothing is ranked."""
    receipt = Receipt(answeredBy=b"p" * 8, heldMore=2, bound=3.0, ranked=1, matched=9)
    done = Done(ID, 0, "answered", receipt, ranking=ranking)
    listener, said = ended([1.0] * 1020, done)
    assert listener.hits == 1020 and said is not None and (said.receipt, said.ranking) == (receipt, ranking)
    for best in (2.0, 5.0):
        listener, said = ended([1.0] * 1020 + [1.0, best, 1.0], done)
        assert listener.hits == 1020 and said is not None
        assert said.receipt == msgspec.structs.replace(receipt, heldMore=5, bound=max(3.0, best), ranked=0)
        assert said.ranking == (ranking and "estimated")


@pytest.mark.parametrize("receipt", [None, Receipt()])
def test_droppedWithoutAccount(receipt: Receipt | None) -> None:
    """Whoever sends too many, and has no receipt that names anybody, is as good as lost."""
    done = Done(ID, 0, "answered", receipt)
    assert ended([1.0] * 1021, done)[1] is None
    said = ended([1.0] * 1020, done)[1]
    assert said is not None and said.receipt == receipt


@pytest.mark.parametrize("searcher", ["s0", "l0"])
def test_neverExactWithoutThem(searcher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A super-peer from its neighbours, and a leaf from its home: as soon as hits are dropped the order is an estimate."""
    world = network(3, 3, 1, 1)
    for number, peer in enumerate(world.superPeers()):
        peer.share(*(world.document(f"s/{number}-{at}.txt", "dawn " * (1 + number) + f"x{number} y{at}") for at in range(12)))
    world.run(10)
    whole = world.peers[searcher].search("dawn", want=10)
    assert whole.ranking == "exact"
    assert [hit.content for hit in whole.hits] == [content for _, content in rowsOf(central(world), world, "dawn", 10)]
    monkeypatch.setattr(copies, "mostHits", lambda want: 5)
    less = world.peers[searcher].search("dawn", want=10)
    assert less.status == "complete" and less.ranking == "estimated" and less.held > 0
