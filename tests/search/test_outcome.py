"""What a searcher keeps of very many hits, and what it says of the order."""

import random
from types import SimpleNamespace
from typing import Any

import pytest

from overlay.identity.ids import PeerId
from overlay.search import outcome
from overlay.search.outcome import Gathered, Outcome
from overlay.tally import Tally
from overlay.wire.query import Hit, Receipt
from tests.index.material import NETWORK, NOW, SCHEME, document, identity, record
from tests.search.test_ranking import central, network, rowsOf

ANNA, BERT = identity(1), identity(2)
SOURCE = PeerId(b"s" * 20)


def gathered() -> Gathered:
    commons: Any = SimpleNamespace(
        scheme=SCHEME, network=SimpleNamespace(id=NETWORK.id), isRefused=lambda peer: False, now=lambda: NOW, tally=Tally(),
        peerId=SOURCE,
    )
    return Gathered(commons)


def hit(number: int, score: float, owner: Any = ANNA) -> Hit:
    made = record(owner, document(f"s/{number}.txt", "dawn", content=number.to_bytes(32, "big")))
    return Hit(made.head, made.signature, owner.publicKey, "", score)


@pytest.mark.parametrize("seed", range(3))
def test_theBestAreKept(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes first: the best stay, all are counted, and it is remembered that some went."""
    monkeypatch.setattr(outcome, "KEPT_MOST", 10)
    rng = random.Random(seed)
    scores = rng.sample(range(1000), 97)
    kept = gathered()
    for at in range(0, len(scores), 7):
        rows = kept.take([hit(number, float(scores[number])) for number in range(at, min(at + 7, len(scores)))], SOURCE)
        assert len(kept.all()) <= 20 and {row.content for row in rows} <= {row.content for row in kept.all()}
    assert len(kept) == len(scores) and not kept.whole
    assert [row.score for row in kept.rows(10)] == sorted(map(float, scores), reverse=True)[:10]


def test_asManyAsThereIsRoomFor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes before; then of a content that two share only the worse record."""
    monkeypatch.setattr(outcome, "KEPT_MOST", 2)
    kept = gathered()
    kept.take([hit(1, 5.0), hit(1, 1.0, BERT), hit(2, 4.0), hit(3, 2.0)], SOURCE)
    assert kept.whole and len(kept) == 3 and kept.all()[0].owners == (ANNA.peerId, BERT.peerId)
    kept.take([hit(4, 3.0)], SOURCE)
    assert not kept.whole and len(kept) == 4
    assert [(row.score, row.owners) for row in kept.all()] == [(5.0, (ANNA.peerId,)), (4.0, (ANNA.peerId,))]


def test_whatWentProvesNoOrder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows shown are the best all the same; the order is an estimate, and what went is held."""
    world = network(2, 2, 1, 1)
    for number, peer in enumerate(world.superPeers()):
        peer.share(*(world.document(f"s/{number}-{at}.txt", "dawn " * (1 + at) + f"x{number}") for at in range(30)))
    world.run(10)
    searcher = world.peers["l0"]
    assert searcher.search("dawn", want=60).ranking == "exact"
    monkeypatch.setattr(outcome, "KEPT_MOST", 20)
    found = searcher.search("dawn", want=60)
    best = [content for _, content in rowsOf(central(world), world, "dawn", len(found.hits))]
    assert 20 <= len(found.hits) <= 40 and [row.content for row in found.hits] == best
    assert found.ranking == "estimated" and len(found.hits) + found.held == 60


@pytest.mark.parametrize(
    ("receipt", "more", "said"),
    [
        ({}, {}, []),
        ({"lost": 1}, {}, ["somebody did not answer"]),
        ({}, {"missing": 1}, ["somebody did not answer"]),
        ({}, {"unasked": 2}, ["not everybody was asked"]),
        ({"notReached": 3, "balance": 5}, {}, ["not everybody was asked", "registrations differ between homes"]),
        ({"unknown": {"dawn": 3}}, {}, ["super-peers that have some of the words were left out"]),
        ({"ranked": 1}, {}, ["a super-peer could not rank all that it holds"]),
        ({"lost": 1, "balance": 5}, {"ranking": "exact"}, []),
        ({"answeredBy": b"", "lost": 1}, {}, []),
    ],
)
def test_whyTheOrderIsEstimated(receipt: dict[str, Any], more: dict[str, Any], said: list[str]) -> None:
    """As far as the receipt shows it; nothing if the order is exact, or nobody has answered."""
    ended = Outcome([], Receipt(**{"answeredBy": b"a" * 8 + b"b" * 8, "ranked": 2, **receipt}), "complete", **more)
    assert len(ended.doubts) == len(said)
    assert all(one.startswith(begin) for one, begin in zip(ended.doubts, said, strict=True))
