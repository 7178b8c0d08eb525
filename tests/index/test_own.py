"""A peer's own registration."""

import random

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from overlay.errors import StoreFull
from overlay.index import own as ownModule
from overlay.index.own import OwnRegistration
from overlay.index.record import EMPTY_DIGEST, addDigest, openHead, recordIdOf, unpackTerms
from overlay.storage import MemoryStorage, MemoryTable
from overlay.wire import limits
from overlay.wire.registration import Register
from overlay.wire.statements import HomeList, unseal
from tests.index.material import NETWORK, NOW, SCHEME, document, identity
from tests.index.surroundings import commonsOf

ANNA, BERT = identity(1), identity(2)


def fresh(**more: object) -> OwnRegistration:
    return OwnRegistration(commonsOf(ANNA, **more))  # type: ignore[arg-type]


def idOf(location: str) -> bytes:
    return recordIdOf(ANNA.peerId, location)


def locationsOf(batches: list[Register]) -> list[str]:
    return sorted(openHead(one.head).location for batch in batches for one in batch.additions)


def test_emptyAtFirst() -> None:
    """A peer that shares nothing has a registration all the same: one batch of nothing."""
    own = fresh()
    assert (own.sequence, own.digest, own.count, own.bytes_, own.locations()) == (0, EMPTY_DIGEST, 0, 0, set())
    assert list(own.batches(0)) == [Register(0, 0, 0, True, EMPTY_DIGEST)]


def test_updateSignsAndCounts() -> None:
    """What is shared is signed, summed up, and told to those who want to know."""
    own = fresh()
    told: list[int] = []
    own.observers.append(lambda: told.append(own.sequence))
    own.update([document("a/x", "bloom filter"), document("a/y")], [])
    one, two = own.get("a/x"), own.get("a/y")
    assert one is not None and two is not None
    assert told == [1]
    assert own.digest == addDigest(EMPTY_DIGEST, one.head, two.head)
    assert own.bytes_ == sum(len(part) for record in (one, two) for part in (record.head, record.text, record.terms))
    assert (own.count, own.locations()) == (2, {"a/x", "a/y"})
    head = openHead(one.head)
    assert (head.number, head.owner, head.issued, head.expires) == (1, ANNA.peerId, int(NOW), int(NOW) + 604_800)
    assert unpackTerms(one.terms) == ((("bloom", 1), ("filter", 1)), 2)


def test_nothingNewMakesNoNewRecord() -> None:
    """The same document again, as a rescan brings it, changes nothing; a changed time alone does."""
    own = fresh()
    made = document("a/x", "bloom")
    own.update([made], [])
    before = own.get("a/x")
    own.update([made], ["a/none"])
    assert (own.sequence, own.get("a/x")) == (1, before)
    own.update([attrs.evolve(made, modified=made.modified + 1)], [])
    assert own.sequence == 2
    assert own.get("a/x") != before


def test_recordsOfAnOlderAnalysisAreMadeAnew(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update of the program what was shared is served as it is, until its file has been read again."""
    own = fresh()
    with monkeypatch.context() as before:
        before.setattr("overlay.index.analysis.VERSION", 1)
        own.update([document("a/x", "bloom filter")], [])
    old = own.get("a/x")
    assert old is not None and msgspec.msgpack.decode(old.terms)[0] == 1
    (batch,) = own.batches(0)
    assert len(batch.additions) == 1 and unpackTerms(old.terms)[1] == 2
    own.update([document("a/x", "bloom filter")], [])
    new = own.get("a/x")
    assert new is not None and msgspec.msgpack.decode(new.terms)[0] == limits.ANALYSIS and own.sequence == 2


def test_removedIsSharedNoMore() -> None:
    """What is removed is gone; what is changed and removed at once stays; a document given twice counts once."""
    own = fresh()
    own.update([document("a/x", "bloom"), document("a/y"), document("a/x", "filter")], [])
    assert own.count == 2
    own.update([document("a/x", "filter")], ["a/y", "a/x", "a/y"])
    assert own.locations() == {"a/x"}
    one = own.get("a/x")
    assert one is not None
    assert (own.digest, own.count) == (addDigest(EMPTY_DIGEST, one.head), 1)
    assert one.text == b"filter"


def test_tooMuchIsTrimmed() -> None:
    """Text and terms are cut to the limits, never in the midst of a character."""
    own = fresh(textLimit=3, termLimit=2)
    own.update([document("a/x", "éé éé bb bb bb cc")], [])
    record = own.get("a/x")
    assert record is not None
    assert record.text.decode() == "é"
    assert unpackTerms(record.terms) == ((("bb", 3), ("ee", 2)), 6)


@pytest.mark.parametrize("location", ["a/" + "x" * limits.LOCATION, "a/\udc80", "", "é" * 1000])
def test_whatNoRecordCanHoldIsLeftOut(location: str) -> None:
    """A location that cannot travel is counted and left out, and the rest is shared."""
    own = fresh()
    own.update([document(location), document("a/y")], [])
    assert own.locations() == {"a/y"}
    assert own._commons.tally.get("drops", "unshareable") == 1


def test_nameThatIsNoTextIsShared() -> None:
    """Only the location has to be exact."""
    own = fresh()
    own.update([attrs.evolve(document("a/x"), name="\udc80" * 300)], [])
    record = own.get("a/x")
    assert record is not None
    assert openHead(record.head).name == "?" * limits.NAME


def test_restartGoesOn() -> None:
    """Sequence, records, homes and differences outlive the process."""
    storage = MemoryStorage()
    own = fresh(storage=storage)
    own.update([document("a/x"), document("a/y")], [])
    own.update([document("a/z")], ["a/y"])
    own.setHomes([BERT.peerId])
    again = fresh(storage=storage)
    assert (again.sequence, again.digest, again.count, again.bytes_) == (2, own.digest, 2, own.bytes_)
    assert again.homesSigned() == own.homesSigned()
    assert list(again.batches(1)) == list(own.batches(1))
    again.update([document("a/w")], [])
    assert again.sequence == 3


def test_differenceIsNet() -> None:
    """A home that is behind is sent each record once, as it is now, and no record that is gone."""
    own = fresh()
    own.update([document("a/x", "1"), document("a/y", "1")], [])
    own.update([document("a/x", "2"), document("a/z", "1")], [])
    own.update([document("a/x", "3")], ["a/y", "a/z"])
    (batch,) = own.batches(1)
    assert (batch.base, batch.sequence, batch.part, batch.last, batch.digest) == (1, 3, 0, True, own.digest)
    assert [one.text for one in batch.additions] == [b"3"]
    assert sorted(batch.removals) == sorted([idOf("a/y"), idOf("a/z")])
    (nothing,) = own.batches(3)
    assert (nothing.base, nothing.additions, nothing.removals, nothing.last) == (3, [], [], True)


@pytest.mark.parametrize("base", [4, 9, 1])
def test_unknownBaseGetsEverything(base: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base of another life, of the future, or too long ago is as good as none."""
    monkeypatch.setattr(ownModule, "JOURNAL", 1)
    own = fresh()
    for number in range(3):
        own.update([document(f"a/{number}")], [])
    (batch,) = own.batches(base)
    assert (batch.base, len(batch.additions)) == (0, 3)


def test_batchesAreBounded() -> None:
    """No batch has too many records or bytes, and only the last is marked and names the homes."""
    own = fresh(textLimit=65_536)
    own.setHomes([BERT.peerId])
    own.update([document(f"a/{number}") for number in range(limits.BATCH_RECORDS + 1)], [])
    own.update([document(f"b/{number}", "x" * 60_000) for number in range(10)], [])
    batches = list(own.batches(0))
    assert [batch.part for batch in batches] == list(range(len(batches)))
    assert [batch.last for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert [batch.homes is not None for batch in batches] == [batch.last for batch in batches]
    assert len(locationsOf(batches)) == limits.BATCH_RECORDS + 11
    for batch in batches:
        assert len(batch.additions) <= limits.BATCH_RECORDS
        assert sum(len(one.head) + len(one.text) + len(one.terms) for one in batch.additions) <= limits.BATCH_BYTES


def test_removalsAreBounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many removals come in several batches."""
    monkeypatch.setattr("overlay.index.difference.REMOVALS", 2)
    own = fresh()
    own.update([document(f"a/{number}") for number in range(5)], [])
    own.update([], [f"a/{number}" for number in range(5)])
    assert [(len(batch.removals), batch.last) for batch in own.batches(1)] == [(2, False), (2, False), (1, True)]


def test_batchesFollowWhatChangesMeanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes while a home is being told reaches it within the same difference, whose last batch states what is shared then."""
    monkeypatch.setattr(limits, "BATCH_RECORDS", 2)
    own = fresh()
    own.update([document(f"a/{number}", "old") for number in range(4)], [])
    batches = own.batches(0)
    held: dict[bytes, bytes] = {}

    def take(batch: Register) -> None:
        for recordId in batch.removals:
            held.pop(recordId, None)
        held.update({recordIdOf(ANNA.peerId, openHead(one.head).location): one.head for one in batch.additions})

    first = next(batches)
    take(first)
    sent = [openHead(one.head).location for one in first.additions]
    own.update([document(sent[0], "new"), document("a/9", "new")], [sent[1], "a/3"])
    rest = list(batches)
    for batch in rest:
        take(batch)
    assert [(batch.sequence, batch.digest) for batch in (first, rest[-1])] == [(1, first.digest), (2, own.digest)]
    assert addDigest(EMPTY_DIGEST, *held.values()) == own.digest
    assert len(held) == own.count


def test_batchesBeginAgainIfTooMuchChanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """If more has changed meanwhile than is remembered, everything comes anew, from part 0."""
    monkeypatch.setattr(limits, "BATCH_RECORDS", 2)
    monkeypatch.setattr(ownModule, "JOURNAL", 1)
    own = fresh()
    own.update([document(f"a/{number}") for number in range(3)], [])
    batches = own.batches(0)
    next(batches)
    own.update([document("b/1")], [])
    own.update([document("b/2")], [])
    rest = list(batches)
    assert [(batch.base, batch.part) for batch in rest] == [(0, 0), (0, 1), (0, 2)]
    assert len(locationsOf(rest)) == own.count == 5


def test_homesAreSignedInOrder() -> None:
    """Another list has a larger number; the same list is the same statement; too many are cut."""
    own = fresh()
    assert own.homesSigned() is None
    assert own.setHomes([BERT.peerId, ANNA.peerId])
    signed = own.homesSigned()
    assert signed is not None
    listed = unseal(SCHEME, signed, HomeList, NETWORK.id, ANNA.peerId)
    assert (listed.homes, listed.owner, listed.sequence) == ([BERT.peerId, ANNA.peerId], ANNA.peerId, 1)
    assert not own.setHomes([BERT.peerId, ANNA.peerId])
    assert own.homesSigned() is signed
    assert own.setHomes([identity(number).peerId for number in range(3, 20)])
    assert not own.setHomes([identity(number).peerId for number in range(3, 20)])
    again = own.homesSigned()
    assert again is not None
    listed = unseal(SCHEME, again, HomeList, NETWORK.id, ANNA.peerId)
    assert (len(listed.homes), listed.sequence) == (limits.HOMES, 2)


# --- renewal ---------------------------------------------------------------------------------------------------------


def test_headsAreRenewedAtHalfTheirLife() -> None:
    """Each head that has passed half of its life is signed anew, and travels without text."""
    clock = Clock()
    own = fresh(clock=clock, recordLife=86_400)
    own.update([document("a/x", "bloom")], [])
    own.start()
    own.start()
    clock.pump([3600] * 6)
    own.update([document("a/y", "bloom")], [])
    clock.pump([3600] * 9)
    assert own.sequence == 3
    (batch,) = own.batches(2)
    assert (batch.additions, batch.removals) == ([], [])
    heads = [openHead(one.head) for one in batch.renewals]
    assert [head.location for head in heads] == ["a/x"]
    assert heads[0].expires - heads[0].issued == 86_400
    assert heads[0].expires > NOW + 86_400
    record = own.get("a/x")
    assert record is not None
    assert (record.text, record.head) == (b"bloom", batch.renewals[0].head)
    # A home that lacks the record itself gets it whole.
    (whole,) = own.batches(0)
    assert (len(whole.additions), whole.renewals) == (2, [])
    own.stop()
    own.stop()
    assert clock.getDelayedCalls() == []


def test_manyAreRenewedAFewAtATime(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large share is not renewed in one go; and after it nothing is renewed until it is due again."""
    monkeypatch.setattr(ownModule, "RENEWED_AT_ONCE", 2)
    clock = Clock()
    own = fresh(clock=clock, recordLife=86_400)
    own.update([document(f"a/{number}") for number in range(5)], [])
    own.start()
    clock.advance(31)
    assert own.sequence == 1
    clock.pump([3600] * 13)
    clock.pump([0.0] * 5)
    assert own.sequence == 4
    clock.pump([3600] * 9)
    assert own.sequence == 4
    clock.pump([3600] * 9)
    clock.pump([0.0] * 5)
    assert own.sequence == 7
    own.stop()


def test_headsAreGoodAfterALongSleep() -> None:
    """A machine that was off past the expiry signs anew soon after it wakes."""
    clock, storage = Clock(), MemoryStorage()
    fresh(clock=clock, storage=storage).update([document("a/x")], [])
    clock.advance(30 * 86_400)
    own = fresh(clock=clock, storage=storage)
    own.start()
    clock.advance(60)
    own.stop()
    record = own.get("a/x")
    assert record is not None
    assert openHead(record.head).expires > NOW + 30 * 86_400


def test_whatNobodyHasGoesWithItsText() -> None:
    """A head that had expired before it was signed anew, or was issued in the future, is held by no home: its record is sent whole."""
    clock, storage = Clock(), MemoryStorage()
    own = fresh(clock=clock, storage=storage)
    own.update([document("a/old", "bloom")], [])
    clock.advance(4 * 86_400)
    own.update([document("a/half", "bloom")], [])
    clock.advance(4 * 86_400)
    own.renew([idOf("a/old"), idOf("a/half")])
    (batch,) = own.batches(2)
    assert [openHead(one.head).location for one in batch.renewals] == ["a/half"]
    assert locationsOf([batch]) == ["a/old"]
    # It had the time of a clock that was fast.
    clock = Clock()
    own = fresh(clock=clock, storage=storage)
    own.renew([idOf("a/old"), idOf("a/half")])
    (batch,) = own.batches(3)
    assert (batch.renewals, locationsOf([batch])) == ([], ["a/half", "a/old"])


def test_afterAClockThatWasFast() -> None:
    """Heads that were issued in the future are signed anew at the first look, not only when half of their life is over."""
    clock, storage = Clock(), MemoryStorage()
    clock.advance(2 * 86_400)
    fresh(clock=clock, storage=storage).update([document("a/x")], [])
    clock = Clock()
    own = fresh(clock=clock, storage=storage)
    own.start()
    clock.advance(60)
    record = own.get("a/x")
    assert record is not None and openHead(record.head).issued <= NOW + 60
    clock.advance(86_400)
    assert own.sequence == 2
    own.stop()


# --- a full disk ------------------------------------------------------------------------------------------------------


def test_fullDiskKeepsNothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that cannot be stored raises, changes nothing and says why; later it works again."""
    own = fresh()
    own.update([document("a/x")], [])
    before = (own.sequence, own.digest, own.count)

    def full(table: object, *change: object) -> None:
        raise StoreFull("disk")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryTable, "putMany", full)
        patched.setattr(MemoryTable, "put", full)
        with pytest.raises(StoreFull):
            own.update([document("a/y")], ["a/x"])
        assert own.renew([idOf("a/x")]) == int(NOW)
        own._commons.surroundings.clock.advance(6 * 86_400)  # type: ignore[attr-defined]
        assert own.renew([idOf("a/x"), bytes(16)]) == 1
        own.setHomes([BERT.peerId])
        assert "could not be stored" in own.problem
    assert (own.sequence, own.digest, own.count) == before
    assert own.locations() == {"a/x"}
    own.update([document("a/y")], [])
    assert (own.problem, own.count) == ("", 2)


def test_whatCannotBeClearedCountsAsGone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full between the two steps of a removal leaves no record behind."""
    own = fresh()
    own.update([document("a/x")], [])

    def full(table: object, keys: object) -> None:
        raise StoreFull("disk")

    monkeypatch.setattr(MemoryTable, "removeMany", full)
    own.update([], ["a/x"])
    assert (own.count, own.get("a/x"), own.locations()) == (0, None, set())
    (batch,) = own.batches(0)
    assert batch.additions == []


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "one", "two"]), st.booleans()), max_size=12),
       st.integers(0, 12))
def test_anyDifferenceBringsAHomeUpToDate(steps: list[tuple[str, str, bool]], behind: int) -> None:
    """Whatever was changed and removed, the difference from any sequence leads to the digest of the whole."""
    own = fresh()
    states: dict[int, dict[bytes, bytes]] = {0: {}}
    for name, text, gone in steps:
        own.update([] if gone else [document(name, text)], [name] if gone else [])
        records = [own.get(location) for location in own.locations()]
        states[own.sequence] = {one.recordId: one.head for one in records if one is not None}
    base = min(behind, own.sequence)
    for batch in own.batches(base):
        held = dict(states[base]) if batch.base else {}
        for recordId in batch.removals:
            held.pop(recordId, None)
        held.update({recordIdOf(ANNA.peerId, openHead(one.head).location): one.head for one in batch.additions})
        assert batch.last
        assert addDigest(EMPTY_DIGEST, *held.values()) == batch.digest == own.digest


def test_randomIsNotNeeded() -> None:
    """Two peers of one seed make the same records: nothing here is left to chance."""
    first, second = fresh(), fresh()
    for own in (first, second):
        own.update([document(f"a/{random.Random(3).random()}", "bloom")], [])
    assert list(first.batches(0)) == list(second.batches(0))
