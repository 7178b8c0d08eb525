"""A home's guard over its store."""

from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from overlay.errors import Damaged, StoreFull
from overlay.identity.ids import PeerId
from overlay.identity.network import Network
from overlay.index import owntaking
from overlay.index import refusals as refusalsModule
from overlay.index.expression import Word
from overlay.index.own import OwnRegistration
from overlay.index.record import EMPTY_DIGEST, addDigest, makeRecord, openHead, recordIdOf
from overlay.index.registry import Registry
from overlay.index.scoring import BM25
from overlay.index.store import StoredRecord
from overlay.plugins.memory import MemoryStore
from overlay.questions import Deed
from overlay.storage import MemoryStorage, MemoryTable
from overlay.wire import limits
from overlay.wire.registration import RecordBody, Register, Registered, RenewedHead
from overlay.wire.statements import HomeList, RecordHead, Signed, checkBody, seal
from tests.index.material import NETWORK, NOW, SCHEME, document, identity, record
from tests.index.surroundings import commonsOf, deedsOf, deliver

HOME, ANNA, BERT = identity(9), identity(1), identity(2)


class Setting:
    """A home with a store, and Anna's registration."""

    def __init__(self, store: Any = None, storage: MemoryStorage | None = None, **more: Any) -> None:
        self.clock = Clock()
        self.storage = storage or MemoryStorage()
        self.store = store or MemoryStore()
        self.commons = commonsOf(HOME, storage=self.storage, clock=self.clock, **more)
        self.registry = Registry(self.commons, self.store)
        self.own = OwnRegistration(commonsOf(ANNA, clock=self.clock))

    def deliver(self, base: int | None = None) -> list[Registered]:
        """What Anna has, from the sequence that the home says it can use."""
        if base is None:
            base = self.registry.usable(ANNA.peerId, self.own.sequence, self.own.digest)
        return deliver(self.own, self.registry, ANNA, base)

    def apply(self, message: Register) -> Registered:
        return self.registry.apply(ANNA.peerId, ANNA.publicKey, message)

    def found(self, term: str) -> int:
        return self.registry.search(Word(term), 50).matched


def bodyOf(one: StoredRecord, **other: bytes) -> RecordBody:
    parts = {"head": one.head, "signature": one.signature, "text": one.text, "terms": one.terms, **other}
    return RecordBody(**parts)


def whole(*bodies: RecordBody, sequence: int = 1, base: int = 0, **more: Any) -> Register:
    """A difference of one batch, with the digest that its owner would state."""
    heads = [one.head for one in [*bodies, *more.get("renewals", [])]]
    more.setdefault("digest", addDigest(EMPTY_DIGEST, *heads))
    return Register(base, sequence, 0, True, additions=list(bodies), **more)


def test_wholeThenDifferences() -> None:
    """A first registration, then what changed, then what went: each acknowledged with its sequence, and found."""
    at = Setting()
    assert at.registry.holding(ANNA.peerId) is None
    assert at.registry.usable(ANNA.peerId, 1, bytes(32)) == 0
    at.own.update([document("a/x", "bloom"), document("a/y", "bloom")], [])
    assert at.deliver() == [Registered(1, 0)]
    at.own.update([document("a/z", "bloom")], ["a/x"])
    assert at.deliver() == [Registered(2, 0)]
    held = at.registry.holding(ANNA.peerId)
    assert held is not None
    assert (held.sequence, held.digest, held.records) == (2, at.own.digest, 2)
    assert at.found("bloom") == 2
    assert at.registry.usable(ANNA.peerId, 2, at.own.digest) == 2
    assert at.registry.owners() == [ANNA.peerId]
    assert at.registry.totals().records == 2
    assert deedsOf(at.commons) == []


def test_partsCountWithTheLast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is stored as it comes; the sequence changes with the last."""
    monkeypatch.setattr(limits, "BATCH_RECORDS", 2)
    at = Setting()
    at.own.update([document(f"a/{number}", "bloom") for number in range(5)], [])
    batches = list(at.own.batches(0))
    assert [at.apply(one) for one in batches[:2]] == [Registered(0, 0), Registered(0, 1)]
    assert at.found("bloom") == 4
    assert at.apply(batches[2]) == Registered(1, 2)
    at.own.update([document(f"b/{number}", "bloom") for number in range(3)], [])
    assert at.deliver() == [Registered(1, 0), Registered(2, 1)]


@pytest.mark.parametrize("order", [[1], [0, 2], [0, 1, 1], [0, 1, 0, 2]])
def test_partsOutOfOrderAreNotTaken(order: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is not the next one is not stored, and the owner has to begin again."""
    monkeypatch.setattr(limits, "BATCH_RECORDS", 2)
    at = Setting()
    at.own.update([document(f"a/{number}", "bloom") for number in range(5)], [])
    batches = list(at.own.batches(0))
    answers = [at.apply(batches[number]) for number in order]
    assert [one.code for one in answers] == [""] * (len(order) - 1) + ["base"]
    assert at.deliver()[-1] == Registered(1, 2)


def test_differenceFromAnotherBaseIsNotTaken() -> None:
    """A difference from what the home does not hold is answered with what it holds."""
    at = Setting()
    at.own.update([document("a/x")], [])
    at.deliver()
    assert at.apply(Register(7, 8, 0, True, bytes(32))) == Registered(1, 0, code="base")


def test_wrongDigestStartsAgain() -> None:
    """If the whole is not what the owner says, it has to send everything, and until then it counts as not held."""
    at = Setting()
    one = record(ANNA, document("a/x", "bloom"))
    assert at.apply(whole(bodyOf(one), digest=bytes(32))) == Registered(0, 0, code="digest")
    held = at.registry.holding(ANNA.peerId)
    assert held is not None and held.sequence == 0
    assert at.registry.usable(ANNA.peerId, 1, addDigest(EMPTY_DIGEST, one.head)) == 0


def test_usableComparesDigests() -> None:
    """One sequence with two digests is two lives of one owner: everything is sent again."""
    at = Setting()
    at.own.update([document("a/x")], [])
    at.deliver()
    assert at.registry.usable(ANNA.peerId, 1, bytes(32)) == 0
    assert at.registry.usable(ANNA.peerId, 0, bytes(32)) == 0
    assert at.registry.usable(ANNA.peerId, 5, bytes(32)) == 1


# --- records that are not taken ---------------------------------------------------------------------------------------

GOOD = record(ANNA, document("a/good", "bloom"))
OTHER = record(ANNA, document("a/x", "bloom"))


def damaged(head: bytes) -> bytes:
    return head[:-1] + bytes([head[-1] ^ 1])


@pytest.mark.parametrize(
    ("body", "code", "deeds"),
    [
        (bodyOf(OTHER, signature=bytes(64)), "forged", [Deed.FORGED_RECORD]),
        (bodyOf(OTHER, text=b"other"), "forged", [Deed.FORGED_RECORD]),
        (bodyOf(OTHER, terms=b"other"), "forged", [Deed.FORGED_RECORD]),
        (bodyOf(OTHER, head=damaged(OTHER.head)), "forged", [Deed.FORGED_RECORD]),
        (bodyOf(record(BERT, document("a/x"))), "forged", [Deed.FORGED_RECORD]),
        (
            bodyOf(makeRecord(ANNA, Network("other", b"k" * 32, b"f" * 32), document("a/x"), 1, NOW, NOW + 9)),
            "forged", [Deed.FORGED_RECORD],
        ),
        (bodyOf(record(ANNA, document("a/x"), expires=NOW - 1)), "expired", []),
        (bodyOf(record(ANNA, document("a/x"), issued=NOW + 400)), "expired", []),
        (bodyOf(record(ANNA, document("a/x"), expires=NOW + 40 * 86_400)), "malformed", [Deed.GARBAGE]),
        (bodyOf(OTHER, head=b"garbage"), "malformed", [Deed.GARBAGE]),
        (bodyOf(OTHER, head=b""), "malformed", [Deed.GARBAGE]),
    ],
)
def test_badRecordIsRefusedAlone(body: RecordBody, code: str, deeds: list[Deed]) -> None:
    """One bad record is named with its reason and held against its owner; the others are taken and the digest still fits."""
    at = Setting()
    answer = at.apply(whole(bodyOf(GOOD), body))
    assert (answer.code, answer.sequence, [one for _, one in answer.refused]) == ("", 1, [code])
    assert deedsOf(at.commons) == deeds
    assert at.commons.tally.get("drops", "record-" + code) == 1
    assert at.found("bloom") == 1
    assert at.registry.usable(ANNA.peerId, 1, addDigest(EMPTY_DIGEST, GOOD.head, body.head)) == 1


def test_sampleOfATrustedPeer() -> None:
    """Of a trusted peer some signatures are checked; once one is false all are, in that batch and from then on."""
    records = [record(ANNA, document(f"a/{number}", "bloom")) for number in range(40)]
    bodies = [bodyOf(one, signature=bytes(64)) if number % 2 else bodyOf(one) for number, one in enumerate(records)]
    unseen = Setting(trusted=1.0, sample=0.0)
    assert unseen.apply(whole(*bodies)).refused == []
    at = Setting(trusted=1.0, sample=0.3)
    answer = at.apply(whole(*bodies))
    assert [code for _, code in answer.refused] == ["forged"] * 20
    assert at.found("bloom") == 20
    others = [record(ANNA, document(f"b/{number}", "bloom")) for number in range(5)]
    later = at.apply(whole(*(bodyOf(one, signature=bytes(64)) for one in others), base=1, sequence=2))
    assert [code for _, code in later.refused] == ["forged"] * 5


def test_sampleIsOfTheTrustedOnly() -> None:
    """Below the threshold every signature is checked."""
    at = Setting(trusted=0.39, sample=0.0)
    assert [code for _, code in at.apply(whole(bodyOf(OTHER, signature=bytes(64)))).refused] == ["forged"]


def checkedNames(at: Setting) -> set[str]:
    """Locations of the records that need no look at their signatures when they are found."""
    postings = at.store._postings
    assert postings.genuine <= postings.alive
    names = set()
    for row in postings.genuine:
        held = at.store._table.read(row)
        head = openHead(held.head)
        assert checkBody(SCHEME, RecordHead, held.head, ANNA.publicKey, held.signature), head.location
        names.add(head.location)
    return names


def test_whatWasCheckedWhenItCame() -> None:
    """
    Signatures that were checked when the records came are not checked again: all of a stranger's, of a trusted peer's those of the sample.
    What is replaced has to be checked anew.
    """
    records = [record(ANNA, document(f"a/{number}", "bloom")) for number in range(40)]
    names = {f"a/{number}" for number in range(40)}
    at = Setting()
    at.apply(whole(*map(bodyOf, records)))
    assert checkedNames(at) == names
    at = Setting(trusted=1.0, sample=0.3)
    at.apply(whole(*map(bodyOf, records)))
    some = checkedNames(at)
    assert 3 < len(some) < 30
    again = [record(ANNA, document(f"a/{number}", "bloom" if number % 2 else "filter"), number=2) for number in range(40)]
    at.commons.settings = attrs.evolve(at.commons.settings, sample=0.0)
    at.apply(whole(*map(bodyOf, again), base=1, sequence=2))
    assert checkedNames(at) == set() and at.found("filter") == 20


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=6), max_size=6),
    st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 99),
)
def test_onlyWhatWasCheckedIsBelieved(batches: list[list[tuple[str, bool, bool]]], sample: float, seed: int) -> None:
    """However versions with good and with false signatures follow one another, in one batch or in several, renewed or new."""
    at = Setting(trusted=1.0, sample=sample)
    at.commons.random.seed(seed)
    sequence = 0
    for batch in batches:
        additions, renewals = [], []
        for number, (name, good, renews) in enumerate(batch):
            one = record(ANNA, document(name, "bloom"), number=2 + sequence * 10 + number)
            signature = one.signature if good else bytes(64)
            if renews:
                renewals.append(RenewedHead(one.head, signature))
            else:
                additions.append(bodyOf(one, signature=signature))
        answer = at.apply(whole(*additions, renewals=renewals, sequence=sequence + 1, base=sequence))
        sequence = answer.sequence
        checkedNames(at)
        if sample == 1.0:
            assert len(at.store._postings.genuine) == len(at.store._postings)


def test_theLastOfOneBatchCounts() -> None:
    """If of two versions in one batch the first was in the sample and the second was not, what is there has not been checked."""
    first, second = (record(ANNA, document("a/x", "bloom"), number=number) for number in (2, 3))
    chosen = set()
    for seed in range(30):
        at = Setting(trusted=1.0, sample=0.5)
        at.commons.random.seed(seed)
        if not at.apply(whole(bodyOf(first), bodyOf(second, signature=bytes(64)))).refused:
            assert checkedNames(at) == set() and at.found("bloom") == 1
        at = Setting(trusted=1.0, sample=0.5)
        at.commons.random.seed(seed)
        at.apply(whole(bodyOf(first), bodyOf(second)))
        chosen.add(bool(checkedNames(at)))
    assert chosen == {False, True}


def test_refusedVersionReplacesTheOlder() -> None:
    """If the newer version of a record is not taken, the older one, which is not shared any more, goes too."""
    at = Setting()
    at.apply(whole(bodyOf(OTHER)))
    new = record(ANNA, document("a/x", "filter"), number=2)
    answer = at.apply(whole(bodyOf(new, signature=bytes(64)), base=1, sequence=2))
    assert (answer.code, answer.sequence, len(answer.refused)) == ("", 2, 1)
    assert at.found("bloom") == 0


def test_oneBatchWithSeveralVersions() -> None:
    """Of a good and a bad version in one batch the last counts, and the sums hold whichever it is."""
    at = Setting()
    at.apply(whole(bodyOf(OTHER)))
    new = record(ANNA, document("a/x", "filter"), number=2)
    bad = bodyOf(record(ANNA, document("a/x", "tree"), number=3), signature=bytes(64))
    answer = at.apply(whole(bodyOf(new), bad, base=1, sequence=2, digest=addDigest(EMPTY_DIGEST, bad.head)))
    assert (answer.code, at.found("bloom"), at.found("filter")) == ("", 0, 0)
    answer = at.apply(whole(bad, bodyOf(new), base=2, sequence=3, digest=addDigest(EMPTY_DIGEST, new.head)))
    assert (answer.code, at.found("filter")) == ("", 1)
    gone = at.apply(
        whole(bodyOf(new), base=3, sequence=4, removals=[new.recordId], digest=addDigest(EMPTY_DIGEST, new.head))
    )
    assert (gone.code, at.found("filter")) == ("", 1)


# --- quotas -----------------------------------------------------------------------------------------------------------


def test_quotaOfRecords() -> None:
    """What is over is refused record by record, and the differences after it fit all the same."""
    at = Setting(quotaRecords=2)
    at.own.update([document(f"a/{number}", "bloom") for number in (0, 1)], [])
    at.deliver()
    at.own.update([document(f"a/{number}", "bloom") for number in (2, 3)], [])
    (answer,) = at.deliver()
    assert (answer.code, answer.sequence) == ("", 2)
    assert answer.refused == [(recordIdOf(ANNA.peerId, f"a/{number}"), "quota-records") for number in (2, 3)]
    # Replacing what is held takes no more room; what is removed makes some.
    at.own.update([document("a/0", "filter"), document("a/3", "filter")], ["a/1"])
    (answer,) = at.deliver()
    assert (answer.code, answer.refused) == ("", [])
    assert (at.found("filter"), at.found("bloom")) == (2, 0)
    # A record that was refused is removed like any other.
    at.own.update([], ["a/2"])
    assert at.deliver() == [Registered(4, 0)]
    held = at.registry.holding(ANNA.peerId)
    assert held is not None and held.digest == at.own.digest
    assert at.registry._refusals.count(ANNA.peerId) == 0


def test_quotaOfBytes() -> None:
    """Bytes are counted as they will be after the batch."""
    at = Setting(quotaBytes=1000)
    at.own.update([document("a/0", "x"), document("a/1", "y" * 900), document("a/2", "z")], [])
    (answer,) = at.deliver()
    assert answer.refused == [(recordIdOf(ANNA.peerId, "a/1"), "quota-bytes")]
    at.own.update([document("a/0", "x" * 900)], [])
    (answer,) = at.deliver()
    assert [code for _, code in answer.refused] == ["quota-bytes"]
    held = at.registry.holding(ANNA.peerId)
    assert held is not None and held.records == 1


def test_refusalsOutliveARestart() -> None:
    """After a restart of the home the digests still fit, so that nothing is sent again."""
    store, storage = MemoryStore(), MemoryStorage()
    at = Setting(store, storage, quotaRecords=1)
    at.own.update([document("a/0"), document("a/1")], [])
    at.deliver()
    again = Registry(commonsOf(HOME, storage=storage), store)
    assert again.usable(ANNA.peerId, 1, at.own.digest) == 1
    again.drop(ANNA.peerId)
    assert storage.table("refused").count() == 0


def test_tooManyRefusalsAreOnlyCounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a home remembers of refused records is bounded; beyond it digests are not compared until all is sent again."""
    monkeypatch.setattr(refusalsModule, "MOST", 2)
    at = Setting(quotaRecords=0)
    at.own.update([document(f"a/{number}") for number in range(4)], [])
    (answer,) = at.deliver()
    assert (answer.code, len(answer.refused)) == ("", 4)
    assert at.storage.table("refused").count() == 3
    at.own.update([], ["a/2", "a/3"])
    assert at.deliver()[-1].code == ""
    at.deliver(0)
    assert at.registry.usable(ANNA.peerId, at.own.sequence, bytes(32)) == 0


def test_fullDiskForRefusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """If only the refusals cannot be stored, what was stored is acknowledged."""
    at = Setting(quotaRecords=1)

    refused, put = at.storage.table("refused"), MemoryTable.putMany

    def full(table: MemoryTable, rows: Any) -> None:
        if table is refused:
            raise StoreFull("disk")
        put(table, rows)

    monkeypatch.setattr(MemoryTable, "putMany", full)
    at.own.update([document("a/0"), document("a/1")], [])
    assert at.deliver()[0].code == ""


# --- room again -------------------------------------------------------------------------------------------------------


def idsOf(*locations: str) -> list[bytes]:
    return sorted(recordIdOf(ANNA.peerId, one) for one in locations)


def test_askedForWhatFits() -> None:
    """Once there is room, a home asks for as much of what it has refused as goes into it; else for nothing."""
    at = Setting(quotaBytes=2500)
    at.own.update([document("a/0", "x" * 900), document("a/1", "y" * 900)], [])
    at.deliver()
    at.own.update([document("a/2", "z" * 900), document("a/3", "z" * 1500), document("a/4", "z" * 30_000)], [])
    (answer,) = at.deliver()
    assert ([one for one, _ in answer.refused], answer.wanted) == (
        [recordIdOf(ANNA.peerId, f"a/{number}") for number in (2, 3, 4)], []
    )
    at.own.update([document("a/1", "q" * 900)], [])
    assert at.deliver() == [Registered(3, 0)]
    at.own.update([], ["a/1"])
    (answer,) = at.deliver()
    assert answer.refused == [] and len(answer.wanted) == 1 and set(answer.wanted) <= {*idsOf("a/2", "a/3")}
    (batch,) = at.own.batches(4, answer.wanted)
    assert at.apply(batch) == Registered(4, 0)
    held = at.registry.holding(ANNA.peerId)
    assert held is not None and (held.records, at.registry.refusals(ANNA.peerId)) == (2, 2)
    assert at.registry.usable(ANNA.peerId, 4, at.own.digest) == 4


def test_askedOnceIfTheSizeIsNotKnown() -> None:
    """What was refused before sizes were remembered is asked for, and if there is no room for it after all, not again."""
    at = Setting(quotaBytes=1500)
    at.own.update([document("a/0", "x" * 100), document("a/1", "y" * 100), document("a/2", "z" * 30_000)], [])
    at.deliver()
    table = at.storage.table("refused")
    key = b"r" + ANNA.peerId + recordIdOf(ANNA.peerId, "a/2")
    row = table.get(key)
    assert row is not None
    table.put(key, row[: row.rindex(b" ")])
    at.own.update([], ["a/1"])
    (answer,) = at.deliver()
    assert answer.wanted == idsOf("a/2")
    (batch,) = at.own.batches(2, answer.wanted)
    answer = at.apply(batch)
    assert ([code for _, code in answer.refused], answer.wanted, table.get(key)) == (["quota-bytes"], [], row)
    at.own.update([], ["a/0"])
    assert at.deliver() == [Registered(3, 0)]


def test_toldOfWhatWasRefused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes back hears once what is refused, as much as goes into a message."""
    at = Setting(quotaRecords=1)
    at.own.update([document(f"a/{number}") for number in range(5)], [])
    at.registry.attach(ANNA.peerId)
    (answer,) = at.deliver()
    assert len(answer.refused) == 4
    assert at.deliver() == [Registered(1, 0)]
    at.registry.release(ANNA.peerId)
    at.registry.attach(ANNA.peerId)
    monkeypatch.setattr(limits, "BATCH_RECORDS", 3)
    (again,) = at.deliver()
    assert len(again.refused) == 3 and set(again.refused) < set(answer.refused)
    assert at.deliver() == [Registered(1, 0)]


# --- renewals ---------------------------------------------------------------------------------------------------------


def test_renewedHeadKeepsTheText() -> None:
    """A head signed anew takes the place of the older one, with the text that is held."""
    at = Setting()
    made = document("a/x", "bloom")
    at.apply(whole(bodyOf(record(ANNA, made, expires=NOW + 10))))
    new = record(ANNA, made, number=2, expires=NOW + 900)
    answer = at.apply(whole(base=1, sequence=2, renewals=[RenewedHead(new.head, new.signature)]))
    assert answer == Registered(2, 0)
    at.clock.advance(11)
    assert at.found("bloom") == 1
    assert at.store.get(ANNA.peerId, new.recordId) == new


@pytest.mark.parametrize("held", [True, False])
def test_renewedHeadOfAnotherTextIsUnknown(held: bool) -> None:
    """A head that names another text than the one held, or none is held, has to come with its text."""
    at = Setting()
    at.apply(whole(*([bodyOf(OTHER)] if held else [])))
    new = record(ANNA, document("a/x", "filter"), number=2)
    answer = at.apply(whole(base=1, sequence=2, renewals=[RenewedHead(new.head, new.signature)]))
    assert (answer.code, answer.refused) == ("", [(new.recordId, "unknown")])
    answer = at.apply(whole(bodyOf(new), base=2, sequence=3))
    assert (answer, at.found("filter")) == (Registered(3, 0), 1)


def test_renewedHeadOfARefusedRecordIsRefusedAsBefore() -> None:
    """What is over the quota stays so when it is renewed: its owner is not asked for the text for nothing."""
    at = Setting(quotaRecords=0)
    at.apply(whole(bodyOf(OTHER)))
    new = record(ANNA, document("a/x", "bloom"), number=2, expires=NOW + 900)
    answer = at.apply(whole(base=1, sequence=2, renewals=[RenewedHead(new.head, new.signature)]))
    assert (answer.code, answer.refused) == ("", [(new.recordId, "quota-records")])


def test_renewedHeadOfAnExpiredRecordIsUnknown() -> None:
    """What was refused for its times alone has to come with its text once they are right."""
    at = Setting()
    made = document("a/x", "bloom")
    answer = at.apply(whole(bodyOf(record(ANNA, made, expires=NOW - 1))))
    assert [code for _, code in answer.refused] == ["expired"]
    new = record(ANNA, made, number=2)
    answer = at.apply(whole(base=1, sequence=2, renewals=[RenewedHead(new.head, new.signature)]))
    assert (answer.code, answer.refused) == ("", [(new.recordId, "unknown")])
    assert at.apply(whole(bodyOf(new), base=2, sequence=3)) == Registered(3, 0)
    assert at.found("bloom") == 1


def test_forgedRenewal() -> None:
    """A renewal's signature is checked like any."""
    at = Setting()
    at.apply(whole(bodyOf(OTHER)))
    new = record(ANNA, document("a/x", "bloom"), number=2)
    answer = at.apply(whole(base=1, sequence=2, renewals=[RenewedHead(new.head, bytes(64))]))
    assert [code for _, code in answer.refused] == ["forged"]
    assert deedsOf(at.commons) == [Deed.FORGED_RECORD]


# --- homes ------------------------------------------------------------------------------------------------------------


def homesOf(owner: Any, sequence: int, *homes: bytes, named: bytes | None = None) -> Signed:
    return seal(owner, HomeList(NETWORK.id, named or owner.peerId, sequence, list(homes)))


def test_homesAreTheOwners() -> None:
    """The owner's list of homes is kept as it signed it; an older one does not replace it."""
    at = Setting()
    assert at.registry.homesOf(ANNA.peerId) == ()
    signed = homesOf(ANNA, 2, HOME.peerId, BERT.peerId)
    at.apply(whole(homes=signed))
    assert at.registry.homesOf(ANNA.peerId) == (HOME.peerId, BERT.peerId)
    held = at.registry.holding(ANNA.peerId)
    assert held is not None and msgspec.msgpack.decode(held.homesSigned, type=Signed) == signed
    at.apply(whole(base=1, sequence=2, homes=homesOf(ANNA, 1, BERT.peerId)))
    assert at.registry.homesOf(ANNA.peerId) == (HOME.peerId, BERT.peerId)
    at.apply(whole(base=2, sequence=3, homes=homesOf(ANNA, 3, BERT.peerId)))
    assert at.registry.homesOf(ANNA.peerId) == (BERT.peerId,)


@pytest.mark.parametrize("signed", [homesOf(BERT, 1), homesOf(ANNA, 1, named=BERT.peerId)])
def test_homesOfAnotherAreNotTaken(signed: Signed) -> None:
    """A list signed by another, or naming another, is held against who sent it."""
    at = Setting()
    assert at.apply(whole(homes=signed)).code == ""
    assert at.registry.homesOf(ANNA.peerId) == ()
    assert deedsOf(at.commons) == [Deed.FORGED_STATEMENT]


# --- leases -----------------------------------------------------------------------------------------------------------


def test_leaseRunsFromTheEndOfTheLink() -> None:
    """A registration outlives its link by the lease, and is served until then."""
    at = Setting(lease=300)
    at.own.update([document("a/x", "bloom")], [])
    at.registry.attach(ANNA.peerId)
    at.deliver()
    at.clock.advance(10_000)
    assert at.registry.expire() == []
    assert at.registry.owners(attachedOnly=True) == [ANNA.peerId]
    at.registry.release(ANNA.peerId)
    at.clock.advance(299)
    assert at.registry.expire() == []
    assert at.registry.owners(attachedOnly=True) == []
    assert at.found("bloom") == 1
    at.clock.advance(1)
    assert at.registry.expire() == [ANNA.peerId]
    assert at.registry.owners() == []


def test_comingBackEndsTheLease() -> None:
    """An owner that is linked again in time keeps its registration."""
    at = Setting(lease=300)
    at.own.update([document("a/x")], [])
    at.deliver()
    at.registry.release(ANNA.peerId)
    at.clock.advance(200)
    at.registry.attach(ANNA.peerId)
    at.clock.advance(200)
    assert at.registry.expire() == []


def test_whatIsRestoredHasAFreshLease() -> None:
    """After a restart what was stored is served at once, and its owners have the lease to come back in; this peer's own stays."""
    at = Setting(lease=300)
    at.own.update([document("a/x", "bloom")], [])
    at.deliver()
    mine = OwnRegistration(commonsOf(HOME))
    mine.update([document("h/x", "bloom")], [])
    at.registry.applyOwn(mine)
    again = Registry(at.commons, at.store)
    assert again.search(Word("bloom"), 5).matched == 2
    at.clock.advance(300)
    assert again.expire() == [ANNA.peerId]
    assert at.store.owners() == [HOME.peerId]


def test_releaseForgetsAHalfSentDifference(monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference that a link's end cut off is begun again; and who has no registration has no lease."""
    monkeypatch.setattr(limits, "BATCH_RECORDS", 1)
    at = Setting()
    at.own.update([document("a/x"), document("a/y")], [])
    first, second = at.own.batches(0)
    at.apply(first)
    at.registry.release(ANNA.peerId)
    assert at.apply(second).code == "base"
    at.registry.release(BERT.peerId)
    at.clock.advance(10_000)
    assert at.registry.expire() == [ANNA.peerId]


# --- the own registration ---------------------------------------------------------------------------------------------


def test_ownIsARegistrationLikeAny() -> None:
    """A super-peer's own share is found at it, follows what changes, knows no quota, and is not among its leaves."""
    at = Setting(quotaRecords=0)
    mine = OwnRegistration(at.commons)
    mine.setHomes([HOME.peerId])
    mine.update([document("h/x", "bloom"), document("h/y", "bloom")], [])
    at.registry.applyOwn(mine)
    at.registry.applyOwn(mine)
    assert at.found("bloom") == 2
    mine.update([document("h/z", "filter")], ["h/x"])
    at.registry.applyOwn(mine)
    at.clock.advance(5 * 86_400)
    assert mine.renew([recordIdOf(HOME.peerId, "h/z")]) == int(NOW) + 5 * 86_400
    at.registry.applyOwn(mine)
    assert (at.found("bloom"), at.found("filter")) == (1, 1)
    held = at.registry.holding(HOME.peerId)
    assert held is not None and (held.sequence, held.digest) == (mine.sequence, mine.digest)
    assert at.registry.homesOf(HOME.peerId) == (HOME.peerId,)
    assert at.registry.owners() == []


def test_ownWithOtherHomes() -> None:
    """What is shared is the same, and only the list of homes is another."""
    at = Setting()
    mine = OwnRegistration(at.commons)
    mine.update([document("h/1", "bloom")], [])
    for homes in ([HOME.peerId, PeerId(b"x" * 20)], [HOME.peerId]):
        mine.setHomes(homes)
        at.registry.applyOwn(mine)
        assert at.registry.homesOf(HOME.peerId) == tuple(homes) and at.found("bloom") == 1


def test_ownComesInPieceByPiece(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large share does not hold up everything else, and what changes meanwhile comes in with it."""
    monkeypatch.setattr(limits, "BATCH_RECORDS", 1)
    monkeypatch.setattr(owntaking, "AT_ONCE", 2)
    at = Setting()
    mine = OwnRegistration(at.commons)
    mine.update([document(f"h/{number}", "bloom") for number in range(5)], [])
    at.registry.applyOwn(mine)
    assert at.found("bloom") == 2
    mine.update([document("h/9", "bloom")], [])
    at.registry.applyOwn(mine)
    at.clock.pump([0.0] * 5)
    held = at.registry.holding(HOME.peerId)
    assert held is not None and (held.sequence, held.digest, held.records) == (2, mine.digest, 6)
    assert at.clock.getDelayedCalls() == []


def test_ownThatDoesNotFitIsBroughtInAnew() -> None:
    """If the store's own registration is not what it should be, everything is brought in again."""
    at = Setting()
    other = OwnRegistration(commonsOf(HOME))
    other.update([document("h/x", "bloom")], [])
    at.registry.applyOwn(other)
    mine = OwnRegistration(at.commons)
    mine.update([document("h/y", "filter")], [])
    mine.update([document("h/z", "filter")], [])
    at.registry.applyOwn(mine)
    assert (at.found("bloom"), at.found("filter")) == (0, 2)


# --- a store that fails -----------------------------------------------------------------------------------------------


class FailingStore(MemoryStore):
    """Raises what it is told to."""

    failure: Exception | None = None

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def apply(self, change: Any) -> Any:
        self._fail()
        return super().apply(change)

    def drop(self, owner: Any) -> None:
        self._fail()
        super().drop(owner)

    def registration(self, owner: Any) -> Any:
        if isinstance(self.failure, ZeroDivisionError):
            self._fail()
        return super().registration(owner)

    def search(self, request: Any) -> Any:
        self._fail()
        return super().search(request)

    def totals(self) -> Any:
        if isinstance(self.failure, ZeroDivisionError):
            self._fail()
        return super().totals()


@pytest.mark.parametrize("failure", [StoreFull("disk"), Damaged("page"), ZeroDivisionError()])
def test_failingStore(failure: Exception) -> None:
    """Nothing is acknowledged that was not stored; a search goes on without; what is wrong is said, and said no longer once it works."""
    store = FailingStore()
    at = Setting(store)
    mine = OwnRegistration(at.commons)
    mine.update([document("h/x", "filter")], [])
    at.registry.applyOwn(mine)
    before = at.registry.numbers()
    assert before.documents == 1
    at.own.update([document("a/x", "bloom")], [])
    store.failure = failure
    (answer,) = at.deliver(0)
    assert (answer.code, answer.sequence, answer.retry > 0) == ("store-full", 0, True)
    assert at.found("bloom") == 0
    assert at.registry.problem and at.registry.numbers() == before
    at.registry.drop(ANNA.peerId)
    mine = OwnRegistration(at.commons)
    mine.update([document("h/x", "bloom")], [])
    at.registry.applyOwn(mine)
    at.registry.expire()
    store.failure = None
    assert at.deliver(0) == [Registered(1, 0)]
    at.registry.expire()
    assert at.found("bloom") == 2
    assert at.registry.problem == ""
    assert at.registry.totals().records == 2


def test_blockedOwnersAreNotFound() -> None:
    """What an owner shares whom this peer blocks, or who is left out of the search, is not among the hits."""
    at = Setting()
    at.own.update([document("a/x", "bloom")], [])
    at.deliver()
    assert at.registry.search(Word("bloom"), 5, frozenset({ANNA.peerId})).matched == 0
    at.commons.blocked.add(ANNA.peerId)
    assert at.found("bloom") == 0


def test_aCensusGoesByWhoIsBlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is blocked does not count, and counts again when that is over; and likewise when the store has failed and works again."""
    at = Setting()
    at.own.update([document("a/x", "bloom")], [])
    at.deliver()
    before = at.registry.census()
    assert before.balance
    at.commons.blocked.add(ANNA.peerId)
    assert at.registry.census().balance == 0
    at.commons.blocked.clear()
    assert at.registry.census() == before
    registration = at.store.registration
    with monkeypatch.context() as patched:
        patched.setattr(at.store, "registration", lambda owner: 1 / 0)
        at.registry._known.changed[ANNA.peerId] = None
        at.registry.census()
        assert at.registry.problem
    assert at.store.registration == registration and at.registry.census() == before


def test_aStoreThatDoesNotTellWhoseItIs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nobody has answered, however many have asked."""
    at = Setting()
    at.own.update([document("a/x", "bloom")], [])
    at.deliver()
    with monkeypatch.context() as patched:
        patched.setattr(at.store, "owners", lambda: 1 / 0)
        found, balance = at.registry.searchEach([(Word("bloom"), 5, BM25)] * 3)
        assert [one.failed for one in found] == [True] * 3 and balance == 0 and at.registry.search(Word("bloom"), 5).failed
    found, _ = at.registry.searchEach([(Word("bloom"), 5, BM25)] * 3)
    assert [one.matched for one in found] == [1] * 3 and not at.registry.problem


# --- any life ---------------------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from(["change", "remove", "deliver", "half", "renew", "restart"]), st.sampled_from("abcd"),
        st.sampled_from(["one", "two", "z" * 400]),
    ),
    max_size=25,
)


@given(steps, st.sampled_from([0, 2, 100]), st.sampled_from([900, 10**6]))
def test_anyLifeEndsInStep(life: list[tuple[str, str, str]], records: int, size: int) -> None:
    """However changes, half-sent differences, renewals, quotas and restarts follow one another: at last the home holds what its owner
    shares but for what it refused, without ever being sent everything twice in a row."""
    at = Setting(quotaRecords=records, quotaBytes=size, recordLife=86_400)
    for act, name, text in life:
        if act == "change":
            at.own.update([document(name, text)], [])
        elif act == "remove":
            at.own.update([], [name])
        elif act == "deliver":
            at.deliver()
        elif act == "half":
            base = at.registry.usable(ANNA.peerId, at.own.sequence, at.own.digest)
            first = next(at.own.batches(base))
            at.apply(msgspec.structs.replace(first, last=False))
            at.registry.release(ANNA.peerId)
        elif act == "renew":
            at.clock.advance(50_000)
            at.own.renew([recordIdOf(ANNA.peerId, one) for one in "abcd"])
        else:
            at.registry = Registry(at.commons, at.store)
    for _ in range(3):
        answers = at.deliver()
        if not answers[-1].code and all(code != "unknown" for one in answers for _, code in one.refused):
            break
        if any(code == "unknown" for one in answers for _, code in one.refused):
            at.deliver(0)
    else:
        pytest.fail(f"still not in step: {answers}")
    held = at.registry.holding(ANNA.peerId)
    assert held is not None and held.sequence == at.own.sequence
    assert at.registry.usable(ANNA.peerId, at.own.sequence, at.own.digest) == at.own.sequence
    assert held.records + at.registry._refusals.count(ANNA.peerId) == at.own.count
    assert held.records <= records and held.bytes <= size
    assert at.registry._refusals.fits(ANNA.peerId, held.digest, at.own.digest)
