"""Questions to one super-peer alone."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from overlay.errors import Damaged
from overlay.index.packed import PackedRows
from overlay.index.passing import PassingRows, readTogether
from overlay.index.scoring import BM25
from overlay.lab.world import LabPeer, World
from overlay.questions import Formula
from overlay.search.checking import Checker
from overlay.search.direct import AT_ONCE, Direct
from overlay.search.evaluating import evaluate
from overlay.search.language import parseQuery
from overlay.search.receipts import Account
from overlay.search.selection import Selection
from overlay.search.wanted import Wanted
from overlay.wire.codec import encode
from overlay.wire.query import Done, Hits, Query

ID = b"q" * 16


class Asked:
    """A super-peer that holds something, and whoever asks it: a link that is looked at."""

    def __init__(self, documents: int = 130) -> None:
        self.world = World(5)
        self.peer: LabPeer = self.world.add("one")
        self.world.run(1)
        # Some go out as they lie in the store, others have to be put together.
        texts = (" filler", " filler", "\n  filler", " fill\xe9r" * 20)
        words = ("dawn", "dawn dusk", "dawn dawn noon", "dusk noon at dawn and dusk")
        self.peer.share(
            *(
                self.world.document(f"s/{number}.txt", f"{words[number % 4]}{texts[number % 40 // 10] * (number % 7)} n{number}")
                for number in range(documents)
            )
        )
        self.world.run(1)
        self.registry = self.peer.peer.registry
        self.checker = Checker(self.peer.peer.commons)
        self.sent: list[Any] = []
        self.atLength: list[tuple[Query, Any, Any]] = []
        self.takesHits = True
        self.link: Any = SimpleNamespace(peerId=b"p" * 20, send=self._send, closed=False)
        self.direct = Direct(
            self.peer.peer.commons, self.registry, self.checker,
            lambda link, query, hits, receipt: self.atLength.append((query, hits, receipt)),
        )

    def _send(self, *messages: Any) -> bool:
        if isinstance(messages[0], Hits) and not self.takesHits:
            return False
        self.sent += messages
        return True

    def ask(self, text: str, want: int = 50, order: str = "", copy: int = 1) -> tuple[Query, Wanted]:
        query = Query(ID, copy, text, 1, want, 0, 5.0, True, order=order)
        wanted = Wanted.ofQuery(query)
        self.direct.ask(self.link, query, wanted)
        return query, wanted


@pytest.fixture(scope="module")
def held() -> Asked:
    """All of it was found once, so that its signatures have been checked."""
    asked = Asked()
    asked.ask("dawn", 1000)
    asked.world.run(1)
    assert [len(hits) for _, hits, _ in asked.atLength] == [130] and not asked.sent
    return asked


def test_whatIsReadWhole(held: Asked) -> None:
    """Of answers that are read together those whose rows all go out as they lie are not read whole, and only those."""
    answers, balance = held.registry.searchEach([(parseQuery("dawn"), want, BM25) for want in (1, 10, 1)])
    found: Any = [one.rows for one in answers]
    assert balance == held.registry.census().balance and list(map(type, found)) == [PassingRows] * 3
    read: Any = readTogether(found)
    assert list(map(type, read)) == [PassingRows, PackedRows, PassingRows] and list(map(len, read)) == [1, 10, 1]
    assert read[0] is found[0] and list(read[0]) == list(read[2]) and read[0][0].head == read[1][0].head
    assert readTogether([]) == []


@pytest.mark.parametrize("order", ["", "newest"])
@pytest.mark.parametrize(("text", "want"), [
    ("dawn", 1), ("dawn", 10), ("dawn", 50), ("dusk noon", 7), ("dusk OR noon", 20), ("da*", 20), ("dawn -dusk", 50), ('"dawn noon"', 5),
    ("dawn ext:txt", 3), ("nowhere", 50),
])
def test_isTheSameAsAtLength(held: Asked, text: str, want: int, order: str) -> None:
    """What goes out at once is byte for byte what goes out of a search that asks on, and so is what is accounted for."""
    held.sent.clear()
    held.atLength.clear()
    query, wanted = held.ask(text, want, order)
    assert not held.sent
    held.world.run(0.1)
    account = Account()
    selection = Selection(want, account, wanted.places)
    hits = evaluate(held.registry, wanted, account, selection, held.peer.peerId, held.checker)
    assert (wanted.formula == Formula("newest")) == bool(order) and not held.atLength
    done = Done(ID, query.copy, "answered", account.receipt())
    expected = [encode(Hits(ID, query.copy, hits)), encode(done)] if hits else [encode(done)]  # type: ignore[arg-type]
    assert [encode(one) for one in held.sent] == expected
    # In the lab messages may go uncoded.
    assert [encode(one.plain()) for one in held.sent[:-1]] == expected[:-1]


@pytest.mark.parametrize(("text", "want", "hits"), [("dawn ext:pdf", 50, 0), ("dawn", 51, 51)])
def test_whatHasMoreToSay(held: Asked, text: str, want: int, hits: int) -> None:
    """What filters leave out is told, and many hits go in more than one message."""
    held.sent.clear()
    held.atLength.clear()
    held.ask(text, want)
    held.world.run(0.1)
    (_, found, receipt), = held.atLength
    assert not held.sent and len(found) == hits and receipt.matched == (130 if hits else 0)
    assert receipt.excluded == ({} if hits else {"ext:pdf": 130})


def test_inTheOrderOfAsking(held: Asked) -> None:
    """However many come together, each is answered, one after the other, hits before the end."""
    held.sent.clear()
    held.atLength.clear()
    count = 2 * AT_ONCE + 3
    for copy in range(count):
        held.ask("dawn" if copy % 5 else "dusk", 1 + copy % 9, copy=copy)
    held.world.run(0.1)
    assert [(type(one), one.copy) for one in held.sent] == [(kind, copy) for copy in range(count) for kind in (Hits, Done)]
    assert [len(one.hits) for one in held.sent[::2]] == [1 + copy % 9 for copy in range(count)]


def test_whatHasNotBeenChecked() -> None:
    """No hit goes out before its signature has been checked here; once all of them have been, they go as they lie."""
    asked = Asked(4)
    for direct in (False, True):
        asked.ask("dawn", 10)
        asked.world.run(0.1)
        assert (len(asked.sent), len(asked.atLength)) == ((2, 1) if direct else (0, 1))
    asked.peer.share(asked.world.document("s/new.txt", "dawn anew"))
    asked.world.run(1)
    asked.ask("dawn", 10)
    asked.world.run(0.1)
    assert (len(asked.sent), len(asked.atLength)) == (2, 2)


def test_aSlowReader(held: Asked) -> None:
    """Hits for which there is no room are accounted for by what answers at length."""
    held.sent.clear()
    held.atLength.clear()
    held.takesHits = False
    held.ask("dawn", 3)
    held.world.run(0.1)
    held.takesHits = True
    (_, hits, receipt), = held.atLength
    assert not held.sent and len(hits) == 3 and receipt.matched == 130


def test_whoIsGone(held: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody searches once more for a link that has ended."""
    held.sent.clear()
    held.atLength.clear()
    monkeypatch.setattr(held.link, "send", lambda *messages: False)
    monkeypatch.setattr(held.link, "closed", True)
    for text in ("dawn", "nowhere"):
        held.ask(text, 3)
    held.world.run(0.1)
    assert not held.atLength


def test_aStoreThatFails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is no receipt, and no hit."""
    asked = Asked(3)

    def broken(request: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr(asked.registry._store, "search", broken)
    asked.ask("dawn")
    asked.world.run(0.1)
    assert [(list(hits), receipt) for _, hits, receipt in asked.atLength] == [([], None)] and not asked.sent


@pytest.mark.parametrize("how", ["damaged", "lost"])
def test_aTableThatFails(held: Asked, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question whose rows cannot be read is answered at length, with those that are left; the others are answered all the same."""
    held.sent.clear()
    held.atLength.clear()
    table = held.registry._store._table
    lost = held.registry.search(parseQuery("dusk"), 1).rows[0].number  # type: ignore[attr-defined]
    packed, beginnings = table.packed, table.beginnings

    def read(rows: Sequence[int]) -> list[bytes | None]:
        if how == "damaged" and lost in rows:
            raise Damaged("a page")
        return [None if row == lost else one for row, one in zip(rows, packed(rows), strict=True)]

    def begin(rows: Sequence[int]) -> list[bytes]:
        read(rows)
        return [b"" if row == lost else one for row, one in zip(rows, beginnings(rows), strict=True)]

    monkeypatch.setattr(table, "packed", read)
    monkeypatch.setattr(table, "beginnings", begin)
    for copy, text in enumerate(("dawn", "dusk", "nowhere")):
        held.ask(text, 1, copy=copy)
    held.world.run(0.1)
    assert all(not hits for _, hits, _ in held.atLength if how == "lost")
    receipts = {query.copy: receipt for query, _, receipt in held.atLength}
    if how == "lost":
        assert list(receipts) == [1] and receipts[1].matched == 65
    else:
        # What is wrong with one is not known to be wrong with that one alone.
        assert receipts[1] is None and receipts[0].matched == 130
    assert {one.copy for one in held.sent} | set(receipts) == {0, 1, 2}


def test_whoStopsAnswersNobody() -> None:
    """A peer that is stopped in the moment in which it was asked says nothing more."""
    asked = Asked(3)
    asked.ask("dawn")
    asked.direct.stop()
    asked.world.run(0.1)
    assert not asked.sent and not asked.atLength
