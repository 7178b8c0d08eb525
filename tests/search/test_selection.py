"""What of the hits of a search is passed on, and what is said to be held back."""

import random
from collections.abc import Iterable
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.index import scoring
from overlay.index.scoring import FRONT_MOST, Front, Statistics, covers, normal, scorer
from overlay.questions import Formula
from overlay.search import receipts, selection
from overlay.search.receipts import KEY_BYTES, NOBODY, Account
from overlay.search.selection import Selection
from overlay.wire import limits
from overlay.wire.query import Hit
from tests.index.material import document, identity, record
from tests.search.test_replies import ids, rows

ANNA = identity(1)


def test_whatWasSentIsNotHeldBack() -> None:
    """
    A super-peer passes on its own best, and another holds back the same records, as they are registered at both: at the end those count as
    held back that nobody has sent.
    """
    account = Account()
    selection = Selection(50, account, 1)
    own = rows(0, 3)
    assert selection.choose(own) is own and selection.passed == 3
    keys = [one[:KEY_BYTES] for one in ids(1, 5)]
    account.holdAll(keys, 0.5)
    selection.settle()
    assert list(account.held) == keys[2:]


def test_norWhatCameAfter() -> None:
    """The same with hits of others behind the first ones, each of which is passed on once."""
    account = Account()
    selection = Selection(50, account, 1)
    selection.choose(rows(0, 3))
    assert [one.recordId for one in selection.choose(rows(2, 5))] == ids(3, 5) and selection.passed == 5
    account.holdAll([one[:KEY_BYTES] for one in ids(0, 7)], 0.5)
    selection.settle()
    assert list(account.held) == [one[:KEY_BYTES] for one in ids(5, 7)]


def spared(some: Iterable[tuple[bytes, int]]) -> Account:
    account = Account()
    for parts, content in some:
        account.spare(parts, content)
    return account


def told(account: Account, places: int) -> list[tuple[bytes, int]]:
    """What a receipt says of hits that were held back here."""
    (name, front), = account.receipt().fronts
    assert name == NOBODY and len(front) <= limits.FRONT
    return list(Front.decode(front, places))


@given(st.data())
def test_whatIsSparedIsCovered(data: st.DataObject) -> None:
    """However few parts are remembered, every hit is covered by some that are told: none scores more, whatever the numbers."""
    places = data.draw(st.integers(0, 5))
    parts_ = st.binary(min_size=1 + places, max_size=1 + places).map(lambda one: normal(bytes(byte % 9 for byte in one)))
    some = data.draw(st.lists(st.tuples(parts_, st.integers(0, 2**64 - 1)), min_size=1, max_size=60))
    with mock.patch.object(receipts, "SPARED_MOST", data.draw(st.sampled_from([FRONT_MOST, 12, 1000]))):
        account = spared(some)
        entries = told(account, places)
        assert len(entries) <= FRONT_MOST and len(account.spared) <= receipts.SPARED_MOST
    documents = data.draw(st.integers(1, 10**6))
    frequencies = data.draw(st.lists(st.integers(0, documents), min_size=places, max_size=places))
    numbers = Statistics(documents, data.draw(st.integers(0, 10**8)), tuple(frequencies))
    score = scorer(numbers, Formula("bm25", data.draw(st.floats(0.01, 100)), data.draw(st.floats(0.01, 1))))
    for parts, content in some:
        above = [one for one, at in entries if covers(one, parts) and at <= content]
        assert above and all(score(one) >= score(parts) for one in above)


def test_veryManyAreSpared(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of which covers another: each is compared with a few, and few are remembered."""
    compared = 0

    def counted(one: bytes, other: bytes) -> bool:
        nonlocal compared
        compared += 1
        return covers(one, other)

    monkeypatch.setattr(scoring, "covers", counted)
    rng = random.Random(1)
    some = {bytes((9, *(rng.randrange(1, 200) for _ in range(24)))): rng.randrange(2**64) for _ in range(5000)}
    account = spared(some.items())
    entries = told(account, 24)
    assert compared < 2 * FRONT_MOST * len(some) and len(account.spared) <= receipts.SPARED_MOST
    front = Front.of(some, lambda parts: float(sum(parts)))
    assert compared < 4 * FRONT_MOST * len(some) and len(front.entries) == FRONT_MOST
    for parts, content in some.items():
        for cover in (entries, front.entries.items()):
            assert any(covers(one, parts) and at <= content for one, at in cover)


def hit(number: int, parts: bytes) -> Hit:
    made = record(ANNA, document(f"s/{number}.txt", "dawn"))
    return Hit(made.head, made.signature, ANNA.publicKey, "", float(number), parts)


@pytest.mark.parametrize("own", [False, True])
def test_noMoreThanAreTaken(own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where hits get better as they come, so many are passed on as whoever asked takes; what covers the others is told."""
    monkeypatch.setattr(selection, "mostHits", lambda want: 4 * want)
    account = Account()
    chosen = Selection(5, account, 1)
    if own:
        chosen.numbers = Statistics(100, 900, (50,))
    hits = [hit(number, bytes((9, 1 + number))) for number in range(60)]
    passed = [hit for at in range(0, 60, 4) for hit in chosen.choose(hits[at : at + 4])]
    assert passed == hits[:18] and chosen.passed == 18 and len(account.held) == 42
    ((best, _),) = told(account, 1)
    assert best == bytes((9, 60)) and account.receipt().bound == 59.0


@pytest.mark.parametrize("seed", range(3))
def test_theBestFindRoom(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many that do not cover each other, in any order, what is best by the numbers here is passed on, however late it comes."""
    monkeypatch.setattr(selection, "mostHits", lambda want: 20 * want)
    account = Account()
    chosen = Selection(5, account, 2)
    chosen.numbers = Statistics(100, 900, (50, 1))
    score = scorer(chosen.numbers)
    hits = [hit(number, bytes((9, 1 + number % 200, 200 - number % 200))) for number in range(1000)]
    random.Random(seed).shuffle(hits)
    passed = [one for at in range(0, 1000, 4) for one in chosen.choose(hits[at : at + 4])]
    best = sorted((score(one.parts) for one in hits), reverse=True)[:5]
    assert sorted((score(one.parts) for one in passed), reverse=True)[:5] == best and len(passed) < 90
    entries = told(account, 2)
    assert all(one in passed or any(covers(above, one.parts) for above, _ in entries) for one in hits)
