"""What every index store promises, asked of both."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from zope.interface.verify import verifyObject

from overlay.errors import Malformed
from overlay.identity.ids import PeerId
from overlay.index.expression import Not, Or, Word
from overlay.index.indexed import sizeOf
from overlay.index.record import EMPTY_DIGEST, addDigest
from overlay.index.store import Change, Registration, Request, StoredRecord
from overlay.interfaces import IIndexStore
from overlay.plugins.memory import MemoryStore, memory
from tests.index.material import NOW, Naive, document, evaluate, identity, record
from tests.plugins.stores import lmdbStore, openers

ANNA, BERT = identity(1), identity(2)


@pytest.fixture(params=["memory", "lmdb", "lmdb-full", "lmdb-no-folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    made = openers(tmp_path)[request.param]()
    yield made
    made.close()


def change(owner: Any, *additions: StoredRecord, **more: Any) -> Change:
    return Change(owner.peerId, owner.publicKey, additions=additions, **more)


def found(store: Any, term: str) -> list[bytes]:
    return [row.recordId for row in store.search(Request(Word(term), 50, NOW)).rows]


def test_isAnIndexStore(store: Any) -> None:
    """It provides the whole interface."""
    assert verifyObject(IIndexStore, store)


def test_emptyAtFirst(store: Any) -> None:
    """It holds nobody, and says so."""
    assert list(store.owners()) == []
    assert store.registration(ANNA.peerId) is None
    assert list(store.recordIds(ANNA.peerId)) == []
    assert (store.totals().owners, store.totals().records, store.totals().problem) == (0, 0, "")
    store.drop(ANNA.peerId)


def test_appliedIsHeldAndFound(store: Any) -> None:
    """A change is all there: registration, records, what is found, and the sums."""
    one, two = record(ANNA, document("a/x", "bloom")), record(ANNA, document("a/y", "filter"))
    now = store.apply(change(ANNA, one, two, sequence=4, homes=(BERT.peerId,), homesSigned=b"signed"))
    digest = addDigest(EMPTY_DIGEST, one.head, two.head)
    size = sizeOf(one) + sizeOf(two)
    expected = Registration(ANNA.peerId, ANNA.publicKey, 4, digest, 2, size, (BERT.peerId,), b"signed")
    assert now == expected == store.registration(ANNA.peerId)
    assert store.owners() == [ANNA.peerId]
    assert sorted(store.recordIds(ANNA.peerId)) == sorted([one.recordId, two.recordId])
    assert store.get(ANNA.peerId, one.recordId) == one
    assert store.get(BERT.peerId, one.recordId) is None
    assert found(store, "bloom") == [one.recordId]
    assert (store.totals().records, store.totals().bytes) == (2, size)


def test_sequenceAndHomesStayUnlessGiven(store: Any) -> None:
    """What a change does not name is left as it is."""
    store.apply(change(ANNA, sequence=4, homes=(BERT.peerId,), homesSigned=b"signed"))
    now = store.apply(change(ANNA, record(ANNA, document())))
    assert (now.sequence, now.homes, now.homesSigned, now.records) == (4, (BERT.peerId,), b"signed", 1)


def test_replacedRecordIsFoundByItsNewWordsOnly(store: Any) -> None:
    """A record of the same location takes the place of the older one."""
    store.apply(change(ANNA, record(ANNA, document("a/x", "bloom"))))
    new = record(ANNA, document("a/x", "filter"), number=2)
    now = store.apply(change(ANNA, new))
    assert (now.records, now.digest, now.bytes) == (1, addDigest(EMPTY_DIGEST, new.head), sizeOf(new))
    assert (found(store, "bloom"), found(store, "filter")) == ([], [new.recordId])


def test_renewedRecordLivesLonger(store: Any) -> None:
    """A head that only lives longer changes when it is left out, and nothing else."""
    made = document("a/x", "bloom")
    store.apply(change(ANNA, record(ANNA, made, expires=NOW + 10)))
    assert store.search(Request(Word("bloom"), 5, NOW + 11)).matched == 0
    new = record(ANNA, made, number=2, expires=NOW + 100)
    store.apply(change(ANNA, new))
    again = store.search(Request(Word("bloom"), 5, NOW + 11))
    assert [row.head for row in again.rows] == [new.head]
    assert store.search(Request(Word("bloom"), 5, NOW + 101)).matched == 0


def test_removedIsGone(store: Any) -> None:
    """A removal takes a record out of everything; one of an unknown id is no error."""
    one, two = record(ANNA, document("a/x", "bloom")), record(ANNA, document("a/y", "bloom"))
    store.apply(change(ANNA, one, two))
    now = store.apply(change(ANNA, removals=[one.recordId, one.recordId, bytes(16)]))
    assert (now.records, now.digest, now.bytes) == (1, addDigest(EMPTY_DIGEST, two.head), sizeOf(two))
    assert found(store, "bloom") == [two.recordId]
    assert store.get(ANNA.peerId, one.recordId) is None


@pytest.mark.parametrize("others", [0, 300])
def test_clearForgetsWhatWasThere(store: Any, others: int) -> None:
    """Clearing keeps only what the same change brings, whether few or most of all records go."""
    store.apply(change(BERT, *(record(BERT, document(f"b/{number}", f"word{number}")) for number in range(others))))
    old = [record(ANNA, document(f"a/{number}", "bloom")) for number in range(5)]
    store.apply(change(ANNA, *old, sequence=3))
    again = record(ANNA, document("a/0", "bloom filter"), number=2)
    now = store.apply(change(ANNA, again, clear=True, sequence=0))
    assert (now.sequence, now.records, now.digest) == (0, 1, addDigest(EMPTY_DIGEST, again.head))
    assert found(store, "bloom") == [again.recordId]
    assert [store.get(ANNA.peerId, one.recordId) for one in old[1:]] == [None] * 4
    assert store.totals().records == others + 1


@pytest.mark.parametrize("others", [0, 300])
def test_droppedOwnerLeavesTheOthersAlone(store: Any, others: int) -> None:
    """All of one owner goes; the same record of another owner stays."""
    store.apply(change(BERT, *(record(BERT, document(f"b/{number}", f"word{number}")) for number in range(others))))
    mine, other = record(ANNA, document("a/x", "bloom")), record(BERT, document("a/x", "bloom"))
    store.apply(change(ANNA, mine))
    store.apply(change(BERT, other))
    store.drop(ANNA.peerId)
    assert store.owners() == [BERT.peerId]
    assert store.registration(ANNA.peerId) is None
    assert [row.owner for row in store.search(Request(Word("bloom"), 5, NOW)).rows] == [BERT.peerId]
    store.apply(change(ANNA, mine))
    assert len(found(store, "bloom")) == 2


def test_ofTwoRecordsOfOneIdTheLastCounts(store: Any) -> None:
    """One change that brings a record twice keeps the last, and counts it once."""
    old, new = record(ANNA, document("a/x", "bloom")), record(ANNA, document("a/x", "filter"), number=2)
    now = store.apply(change(ANNA, old, new))
    assert (now.records, now.digest) == (1, addDigest(EMPTY_DIGEST, new.head))
    assert (found(store, "bloom"), found(store, "filter")) == ([], [new.recordId])


def test_unreadableRecordChangesNothing(store: Any) -> None:
    """A change with a record that cannot be read is refused whole."""
    good = record(ANNA, document("a/x", "bloom"))
    bad = StoredRecord(bytes(16), b"garbage", bytes(64), ANNA.publicKey, b"", b"")
    with pytest.raises(Malformed):
        store.apply(change(ANNA, good, bad, sequence=1))
    assert store.registration(ANNA.peerId) is None
    assert found(store, "bloom") == []


def test_snippetShowsTheMatch(store: Any) -> None:
    """A row brings the passage in which the words stand."""
    store.apply(change(ANNA, record(ANNA, document("a/x", "long ago " * 50 + "bloom filter" + " and on" * 50))))
    (row,) = store.search(Request(Word("bloom"), 5, NOW)).rows
    assert "bloom filter" in row.snippet
    assert len(row.snippet) <= 200
    assert (row.owner, row.key) == (ANNA.peerId, ANNA.publicKey)


def test_plugin() -> None:
    """It is built by its name, without arguments."""
    assert (memory.point, memory.name, memory.argFormat) == ("store", "memory", "")
    assert isinstance(memory.build(None, {}), MemoryStore)


# --- any sequence of changes ---------------------------------------------------------------------------------------

OWNERS = [ANNA, BERT]
LOCATIONS = [f"s/{name}" for name in "abcde"]
TEXTS = ["", "bloom", "filter bloom bloom", "tree"]
item = st.tuples(st.sampled_from(LOCATIONS), st.sampled_from(TEXTS))


class Stores(RuleBasedStateMachine):
    """A store in memory and one on disk that is reopened at times, against a plain dictionary."""

    @initialize(clean=st.booleans())
    def begin(self, clean: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clean = clean
        self.memory = MemoryStore()
        self.lmdb = lmdbStore(Path(self.folder.name))
        self.held: dict[bytes, dict[bytes, StoredRecord]] = {}
        self.number = 0

    @rule(owner=st.sampled_from(OWNERS), items=st.lists(item, max_size=4), gone=st.lists(st.sampled_from(LOCATIONS), max_size=3),
          clear=st.booleans())
    def apply(self, owner: Any, items: list, gone: list, clear: bool) -> None:
        self.number += 1
        additions = [record(owner, document(*one), number=self.number) for one in items]
        removals = [record(owner, document(one)).recordId for one in gone]
        made = change(owner, *additions, removals=removals, clear=clear, sequence=self.number)
        assert self.memory.apply(made) == self.lmdb.apply(made)
        mine = {} if clear else self.held.get(owner.peerId, {})
        for recordId in removals:
            mine.pop(recordId, None)
        mine.update({one.recordId: one for one in additions})
        self.held[owner.peerId] = mine

    @rule(owner=st.sampled_from(OWNERS))
    def drop(self, owner: Any) -> None:
        for store in (self.memory, self.lmdb):
            store.drop(owner.peerId)
        self.held.pop(owner.peerId, None)

    @rule()
    def reopen(self) -> None:
        if self.clean:
            self.lmdb.close()
        else:
            # As a killed process leaves it: no snapshot of the end, and marked as open.
            self.lmdb._rows.close()
        self.lmdb = lmdbStore(Path(self.folder.name))
        assert self.lmdb.problem == ""

    @rule()
    def snapshot(self) -> None:
        self.lmdb._saveSnapshot(self.lmdb._rows)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "held"):
            return
        held = [Naive(PeerId(owner), one) for owner, mine in self.held.items() for one in mine.values()]
        for expression in (Or((Word("bloom"), Word("tree"))), Not(Word("filter"))):
            request = Request(expression, 3, NOW)
            mine = self.memory.search(request)
            assert mine == self.lmdb.search(request)
            expected = evaluate(held, expression)
            assert [(row.owner, row.recordId) for row in mine.rows] == expected.order[:3]
            assert list(mine.held) == [recordId for _, recordId in expected.order[3:]]
            assert (mine.documents, mine.length) == (expected.documents, expected.length)
        assert self.memory.owners() == self.lmdb.owners() == sorted(self.held)
        assert self.memory.totals() == self.lmdb.totals()
        for owner, records in self.held.items():
            digest = addDigest(EMPTY_DIGEST, *(one.head for one in records.values()))
            assert self.lmdb.registration(PeerId(owner)).digest == digest

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.lmdb.close()
            self.folder.cleanup()


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)


def test_aRowThatIsNotThere() -> None:
    """Should the table have lost a row that the index has, the others are found."""
    store = MemoryStore()
    store.apply(change(ANNA, *(record(ANNA, document(f"a/{number}", "bloom")) for number in range(3)), sequence=1))
    whole = found(store, "bloom")
    lost = next(iter(store._table._held))  # type: ignore[attr-defined]
    name = store._table.read(lost).recordId  # type: ignore[union-attr]
    del store._table._held[lost]  # type: ignore[attr-defined]
    assert found(store, "bloom") == [one for one in whole if one != name]
