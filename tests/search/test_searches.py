"""Searches in whole networks: accounting, duplicates, cancelling, refusals, forgeries."""

import gc
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.identity.ids import PeerId
from overlay.index.store import Found, Request, Row, StoredRecord
from overlay.lab.world import LabPeer, World
from overlay.questions import Deed, Formula
from overlay.search.checking import REMEMBERED, Checker
from overlay.search.evaluating import hitsOf
from overlay.search.flood import Branch
from overlay.search.gathering import Gathering
from overlay.search.language import parseQuery
from overlay.search.outcome import Outcome
from overlay.search.receipts import Account, keyOf, namesOf
from overlay.search.refining import Refinement
from overlay.search.replies import Reply
from overlay.search.rounds import Round
from overlay.search.search import Search
from overlay.search.wanted import Wanted
from overlay.settings import Settings
from overlay.wire import limits
from overlay.wire.query import Cancel, Done, Hit, Hits, Query, Receipt
from tests.intercepting import intercept

OPEN = {"election": "fittest:wanted=1,least=50,settle=100000", "rate-limit": "unlimited"}


def superNetwork(count: int, seed: int = 1, neighbours: int = 64) -> World:
    """A network in which every peer is a super-peer."""
    world = World(seed, Settings(role="super", neighbours=min(64, neighbours), mostNeighbours=min(128, 2 * neighbours)), specs=OPEN)
    first = world.add("p0", documents=[world.document("s/p0.txt", "dawn 0")])
    for number in range(1, count):
        one = world.add(f"p{number}", [first], [world.document(f"s/p{number}.txt", f"dawn {number}")])
        world.run(2)
        # Each is appointed by hand: it is the flood that is tried here, not the election.
        one.peer.commons.storage.table("role").put(b"role", b"super")
        one.crash()
        one.restart()
    world.run(90)
    assert len(world.superPeers()) == count
    return world


def edges(world: World) -> int:
    agreed = [(one.peerId, link.peerId) for one in world.superPeers() for link in one.peer.neighbours.linked()]
    assert sorted(agreed) == sorted((two, one) for one, two in agreed)
    return len(agreed) // 2


@pytest.mark.parametrize(("count", "neighbours"), [
    (1, 64), (2, 64), (5, 64), pytest.param(16, 4, marks=pytest.mark.no_cover), pytest.param(24, 3, marks=pytest.mark.no_cover),
])
def test_copiesOnAnyGraph(count: int, neighbours: int) -> None:
    """A flood takes 2m - n + 1 copies, each accounted for once, and asks everybody once."""
    world = superNetwork(count, count, neighbours)
    if any(one.peer.election.verifier.own is None for one in world.superPeers()) and count >= 3:
        world.run(60)
    for one in world.superPeers():
        # The graph has to stay as it is; answers on their way still come.
        one.peer.neighbours._stopTimer()
    world.run(1)
    m = edges(world)
    for one in world.superPeers()[:4]:
        outcome = one.search("dawn", want=100, router="flood")
        receipt = outcome.receipt
        assert (outcome.status, len(outcome.hits), outcome.answered) == ("complete", count, count)
        assert receipt.sent == receipt.answered + receipt.duplicate == 2 * m - count + 1
        assert receipt.answered == count - 1 and outcome.missing == 0


def test_whyNothing() -> None:
    """A search that finds nothing says which word is in no record and what each filter has left out, summed over all that answered."""
    world = small()
    asker = world.leaves()[0]
    # Each record counts once, however many homes it has.
    holding = sum(one.peer.own.count for one in world.peers.values())
    outcome = asker.search("dawn type:pdf size:<1G")
    assert (outcome.status, outcome.hits, outcome.answered) == ("complete", [], len(world.superPeers()))
    assert outcome.why == {
        "unknown": [], "known": {"dawn": holding}, "unfiltered": holding, "excluded": {"type:pdf": holding},
    }
    assert asker.search("dawn dusk").why["unknown"] == ["dusk"]
    assert asker.search("dawn").why == {}


def test_whyIsClamped() -> None:
    """No super-peer leaves out more than it has."""
    account = Account()
    account.add(Receipt(documents=5, unfiltered=2**40, excluded={"type:pdf": 2**41, "ext:x": 3}))
    account.add(Receipt(documents=2, unfiltered=1, excluded={"type:pdf": 1}))
    assert (account.unfiltered, account.excluded) == (6, {"type:pdf": 6, "ext:x": 3})
    for number in range(limits.QUERY_TERMS + 8):
        account.leaveOut(1, {f"ext:{number}": 1})
    assert len(account.excluded) == limits.QUERY_TERMS


def test_anyOfTheWords() -> None:
    """With match=any the more words a record has the better; all super-peers understand."""
    world = small()
    one, two = world.leaves()[:2]
    two.share(world.document("s/both.txt", "rare dusk"), world.document("s/half.txt", "dusk alone"))
    world.run(5)
    outcomes: list[Outcome] = []
    one.peer.searches.search("Which rare (dusk)?", match="any").finished.addCallback(outcomes.append)
    one.peer.searches.search("dusk", types=("pdf",)).finished.addCallback(outcomes.append)
    world.run(5)
    outcomes.sort(key=lambda one: one.status + str(len(one.hits)))
    assert [[hit.name for hit in outcome.hits] for outcome in outcomes] == [[], ["both.txt", "half.txt"]]


@pytest.mark.parametrize(
    ("sort", "names"),
    [("newest", ["b.txt", "c.txt", "a.txt"]), ("size", ["c.txt", "a.txt", "b.txt"]), ("name", ["a.txt", "b.txt", "c.txt"])],
)
def test_sorted(sort: str, names: list[str]) -> None:
    """All matches are sorted, not only the best of them."""
    world = small()
    leaf, other = world.leaves()[:2]
    other.share(
        world.document("s/a.txt", "dusk dusk dusk", size=20, modified=1), world.document("s/b.txt", "dusk and others", size=10, modified=3),
        world.document("s/c.txt", "a dusk", size=30, modified=2),
    )
    world.run(5)
    outcomes: list[Outcome] = []
    for want in (3, 2):
        leaf.peer.searches.search("dusk", want, sort=sort).finished.addCallback(outcomes.append)
    world.run(5)
    outcomes.sort(key=lambda one: -len(one.hits))
    assert [[hit.name for hit in outcome.hits] for outcome in outcomes] == [names, names[:2]]
    assert [outcome.held for outcome in outcomes] == [0, 1]


def test_theBestOfAll() -> None:
    """Only the best are passed on; what is held back is counted exactly, and a larger want shows it."""
    world = superNetwork(4, 9)
    for number, one in enumerate(world.superPeers()):
        one.share(*(world.document(f"s/{number}-{at}.txt", "many " * (at + 1) + f"word{number}x{at}") for at in range(12)))
    world.run(3)
    outcome = world.superPeers()[0].search("many", want=10)
    assert len(outcome.hits) == 10 and outcome.held == 38
    whole = world.superPeers()[0].search("many", want=100)
    assert len(whole.hits) == 48 and whole.held == 0
    assert [hit.content for hit in whole.hits[:10]] == [hit.content for hit in outcome.hits]


def small() -> World:
    """Three super-peers and some leaves."""
    world = World(3, specs={"election": "fittest:wanted=4"})
    first = world.add("p0", documents=[world.document("s/p0.txt", "dawn 0")])
    for number in range(1, 12):
        world.add(f"p{number}", [first], [world.document(f"s/p{number}.txt", f"dawn {number}")])
    world.until(lambda: len(world.superPeers()) >= 3 and world.registered(), 200)
    world.run(60)
    return world


def asking(world: World, asker: LabPeer, home: LabPeer, **changes: Any) -> list[Any]:
    """Send a query by hand, and collect what comes back."""
    got: list[Any] = []
    for kind in (Hits, Done):
        intercept(asker.peer, kind, lambda link, message: got.append(message))
    link = asker.peer.links.get(home.peerId)
    assert link is not None
    fields: dict[str, Any] = {
        "id": b"q" * 16, "copy": 7, "expression": "dawn", "analysis": 1, "want": 50, "ttl": 0, "budget": 5.0,
    }
    link.send(Query(**{**fields, **changes}))
    world.run(8)
    return got


def leafAndHome(world: World) -> tuple[LabPeer, LabPeer]:
    leaf = world.leaves()[0]
    home = next(one for one in world.superPeers() if one.peerId == leaf.peer.homes.links()[0].peerId)
    return leaf, home


@pytest.mark.parametrize(
    ("changes", "status", "code", "hits"),
    [
        ({}, "answered", "", 12),
        ({"expression": "colour:red"}, "refused", "query", 0),
        ({"direct": True, "ttl": 1}, "answered", "", None),
        ({"ttl": 1, "router": "flood"}, "answered", "", 12),
    ],
)
def test_oneQueryOneDone(changes: dict[str, Any], status: str, code: str, hits: int | None) -> None:
    """Every query is answered by exactly one Done, after its hits."""
    world = small()
    leaf, home = leafAndHome(world)
    got = asking(world, leaf, home, **changes)
    assert isinstance(got[-1], Done) and sum(isinstance(one, Done) for one in got) == 1
    assert (got[-1].status, got[-1].code) == (status, code)
    found = sum(len(one.hits) for one in got[:-1])
    if "ttl" in changes and not changes.get("direct"):
        assert got[-1].receipt.notReached == len(home.peer.neighbours.linked()) and found < 12
    elif hits is not None:
        assert found == hits


def test_duplicatesAndLeavesAsHomes() -> None:
    """A query that was seen is answered as a duplicate at once; a leaf refuses all."""
    world = small()
    leaf, home = leafAndHome(world)
    asking(world, leaf, home)
    assert asking(world, leaf, home, copy=8)[-1].status == "duplicate"
    got: list[Any] = []
    intercept(home.peer, Done, lambda link, message: got.append(message))
    link = home.peer.links.get(leaf.peerId)
    assert link is not None
    link.send(Query(b"r" * 16, 1, "dawn", 1, 5, 0, 5.0))
    link.send(Cancel(b"r" * 16, 1))
    world.run(2)
    assert [(one.status, one.code) for one in got] == [("refused", "not-serving")]
    copies = leaf.peer.searches.copies
    back = leaf.peer.links.get(home.peerId)
    assert back is not None
    before = leaf.peer.commons.tally.get("drops", "late-hits")
    copies.hitsReceived(back, Hits(b"z" * 16, 99, []))
    copies.doneReceived(back, Done(b"z" * 16, 99, "answered"))
    assert leaf.peer.commons.tally.get("drops", "late-hits") == before + 1
    assert leaf.peer.commons.tally.get("drops", "late-done") >= 1


def test_rateLimited() -> None:
    """Who asks too much is refused with the seconds to wait, and the searcher is told."""
    world = World(4, specs={"rate-limit": "tokens:query=0.1,burst=25"})
    first = world.add("first", documents=[world.document("s/a.txt", "dawn")])
    second = world.add("second", [first], settings=Settings(role="leaf"))
    world.run(10)
    outcomes = [second.search("dawn") for _ in range(4)]
    assert outcomes[0].status == "complete"
    assert (outcomes[-1].status, outcomes[-1].code) == ("refused", "rate") and outcomes[-1].retry > 0
    budget = first.peer.commons.policies.rateLimit.budget(second.peerId)
    assert any(one.name == "query" and one.value < 1.5 for one in budget)


def test_whoAsksTooMuchIsTrustedLess() -> None:
    """Refused queries weigh a little each: a few are forgiven, hundreds are not."""
    world = World(4, specs={"rate-limit": "tokens:query=1,burst=1"})
    first = world.add("first", documents=[world.document("s/a.txt", "dawn")])
    second = world.add("second", [first], settings=Settings(role="leaf"))
    world.run(10)
    before = first.peer.commons.trust(second.peerId)
    link = second.peer.links.get(first.peerId)
    assert link is not None
    trusts = []
    for start in (0, 5):
        for number in range(start, start + (5 if start == 0 else 400)):
            link.send(Query(number.to_bytes(16, "big"), 1000 + number, "dawn", 1, 1, 0, 1.0))
        world.run(0.2)
        trusts.append(first.peer.commons.trust(second.peerId))
    assert before - 0.05 < trusts[0] < before and trusts[1] < 0.3


def test_cancelled() -> None:
    """A search can be cancelled at a super-peer and at a leaf; what was found so far is the outcome."""
    world = small()
    for one in (world.superPeers()[0], world.leaves()[0]):
        outcomes: list[Outcome] = []
        search = one.peer.searches.search("dawn")
        search.finished.addCallback(outcomes.append)
        search.cancel()
        search.cancel()
        assert outcomes[0].status == "cancelled"
        world.run(15)
        assert len(outcomes) == 1 and len(one.peer.searches.copies) == 0
    assert one.peer.searches.explainLast()[0]["status"] == "cancelled"


def test_theHomeDies() -> None:
    """If the home that owns a search dies, the next one is asked."""
    world = small()
    leaf, home = leafAndHome(world)
    outcomes: list[Outcome] = []
    leaf.peer.searches.search("dawn", 50, 60.0).finished.addCallback(outcomes.append)
    home.crash()
    world.until(lambda: outcomes, 90)
    assert len(outcomes[0].hits) >= 11


def test_forgedHits() -> None:
    """A hit that was altered is not shown, is counted, and costs the reputation of who sent it."""
    world = small()
    leaf, home = leafAndHome(world)
    store = home.peer.commons.policies.store
    real = store.search

    def forge(request: Request) -> Found:
        found = real(request)
        rows = [Row(row.owner, row.recordId, row.head, b"x" * 64, row.key, row.snippet, row.score) for row in found.rows]
        return Found(rows, found.matched, found.held, found.bound, found.documents, found.length, found.frequencies)

    store.search = forge
    home.peer.searches.flood.checker.genuine = lambda hits, source: list(hits)  # type: ignore[method-assign]
    before = leaf.peer.commons.trust(home.peerId)
    preferred = leaf.peer.homes.preferred()
    assert preferred is not None and preferred.peerId == home.peerId
    outcome = leaf.search("dawn", want=50)
    assert leaf.peer.commons.tally.get("drops", "forged-hit") > 0
    assert leaf.peer.commons.trust(home.peerId) < before
    assert leaf.peer.commons.tally.get("deeds", Deed.FORGED_HIT.name.lower()) > 0
    assert leaf.peer.searches.explainLast()[0]["forged hits"] > 0
    assert len(outcome.hits) <= 12


def test_forgedHitsOfOneBehindTheHome() -> None:
    """A forgery is charged to the super-peer that it came from, not to a home that passed it on, and takes no real hit's place."""
    world = small()
    leaf, home = leafAndHome(world)
    homes = {link.peerId for link in leaf.peer.homes.links()}
    forger = next(one for one in world.superPeers() if one.peerId not in homes)
    assert home.peer.neighbours.isNeighbour(forger.peerId)
    real = forger.peer.searches._queryReceived
    head = next(row for row in home.peer.registry.search(parseQuery("dawn"), 1).rows)

    def forge(link: Any, query: Query) -> None:
        link.send(Hits(query.id, query.copy, [Hit(head.head, bytes([at]) * 64, head.key, "", 99.0) for at in range(20)]))
        link.send(Hits(query.id, query.copy, [Hit(b"no head", b"s" * 64, head.key, "", 99.0)]))
        real(link, query)

    intercept(forger.peer, Query, forge)
    before = home.peer.commons.trust(forger.peerId)
    outcome = leaf.search("dawn", want=12, router="flood")
    assert len(outcome.hits) == 12 and outcome.status == "complete"
    assert home.peer.commons.tally.get("deeds", Deed.FORGED_HIT.name.lower()) == 21
    assert home.peer.commons.trust(forger.peerId) < before
    assert leaf.peer.commons.tally.get("drops", "forged-hit") == 0
    assert leaf.peer.commons.tally.get("deeds", Deed.FORGED_HIT.name.lower()) == 0


def test_aRecordWithAFalseSignature() -> None:
    """What a home has taken on trust and finds false when it is sought is left out, and nobody is blamed for it."""
    world = World(5, Settings(sample=0.0, trustedFrom=0.0))
    home = world.add("home", documents=[world.document("s/a.txt", "dawn")])
    leaf = world.add("leaf", [home], settings=Settings(role="leaf"))
    own, real = leaf.peer.own, leaf.peer.own.byId

    def spoilt(recordId: bytes) -> StoredRecord | None:
        record = real(recordId)
        return None if record is None else attrs.evolve(record, signature=bytes(64))

    own.byId = spoilt  # type: ignore[method-assign]
    leaf.share(world.document("s/b.txt", "dawn"))
    world.until(lambda: world.registered() and home.peer.registry.totals().records == 2, 60)
    assert home.peer.registry.totals().records == 2
    assert [hit.name for hit in leaf.search("dawn").hits] == ["a.txt"]
    assert home.peer.commons.tally.get("drops", "forged-hit") == 1
    for one in (home, leaf):
        assert one.peer.commons.tally.get("deeds", Deed.FORGED_HIT.name.lower()) == 0


def countedChecks(world: World) -> list[tuple[Any, ...]]:
    """What signatures are checked from now on."""
    checked: list[tuple[Any, ...]] = []
    real = world.scheme.verify

    def verify(*args: Any) -> bool:
        checked.append(args)
        return real(*args)

    world.scheme.verify = verify  # type: ignore[assignment, method-assign]
    return checked


def test_whatWasCheckedIsRemembered() -> None:
    """A hit that comes again costs no second signature; the memory is bounded."""
    world = World(6)
    peer = world.add("one")
    world.run(1)
    peer.share(*(world.document(f"s/{number}.txt", "dawn") for number in range(20)))
    world.run(1)
    checked = countedChecks(world)
    rows = peer.peer.registry.search(parseQuery("dawn"), 20).rows
    hits = [Hit(row.head, row.signature, row.key, "", row.score) for row in rows]
    checker = Checker(peer.peer.commons)
    assert checker.genuine(hits, peer.peerId) == hits and len(checked) == 20
    assert checker.genuine(hits, peer.peerId) == hits and len(checked) == 20
    assert checker.genuine([msgspec.structs.replace(hits[0], signature=bytes(64))], peer.peerId) == []
    checker._good.update((number.to_bytes(16, "big"), None) for number in range(REMEMBERED - 20))
    peer.share(world.document("s/more.txt", "dusk"))
    world.run(1)
    (row,) = peer.peer.registry.search(parseQuery("dusk"), 1).rows
    assert checker.genuine([Hit(row.head, row.signature, row.key, "", 1.0)], peer.peerId) and len(checker._good) == REMEMBERED


def test_whoSwallowsAnswersHidesOnlyItsOwn() -> None:
    """A super-peer that answers for its whole branch with nothing: the others are asked directly."""
    world = small()
    liar = world.superPeers()[1]
    flood = liar.peer.searches.flood

    def swallow(asker: Any, *args: Any, **kwargs: Any) -> Any:
        asker.branchEnded("answered", Receipt())

    flood.begin = swallow  # type: ignore[method-assign]
    searcher = world.superPeers()[0]
    outcome = searcher.search("dawn", want=50)
    assert outcome.answered >= len(world.superPeers()) - 1
    assert outcome.receipt.sent >= 1


@pytest.mark.parametrize("asker", ["super-peer", "leaf"])
def test_searchesThatWereNotAnsweredLeaveNothing(asker: str) -> None:
    """Nor do those whose copies were still under way when they ended: all of it is garbage then."""
    gc.collect()
    others = {id(one): one for one in gc.get_objects() if isinstance(one, Round | Gathering | Search | Branch)}
    world = small()
    for one in world.superPeers()[1:] if asker == "super-peer" else world.superPeers():
        one.peer.searches.flood.begin = lambda *args, **kwargs: None  # type: ignore[method-assign, assignment]
    searcher = world.superPeers()[0] if asker == "super-peer" else world.leaves()[0]
    ended = [searcher.search("dawn", timeout=2.0) for _ in range(3)]
    assert all(outcome.missing or outcome.status != "complete" for outcome in ended)
    world.run(30)
    del ended
    searcher.peer.searches._last.clear()
    gc.collect()
    left = [one for one in gc.get_objects() if isinstance(one, Round | Gathering | Search | Branch)]
    assert [one for one in left if id(one) not in others] == []


@pytest.mark.parametrize("asker", ["super-peer", "leaf"])
def test_searchesGoByThemselves(asker: str) -> None:
    """What a search that has ended is made of does not wait for the collector of garbage, which a peer that answers many would feel."""
    kinds = Round | Gathering | Search | Branch | Reply | Refinement | Account
    world = small()
    searcher = world.superPeers()[0] if asker == "super-peer" else world.leaves()[0]
    gc.collect()
    gc.disable()
    try:
        others = {id(one) for one in gc.get_objects() if isinstance(one, kinds)}
        for text in ("dawn", "dawn OR -dusk", '"red dawn" OR dawn', "nobodyhasthis", "colour:red"):
            searcher.search(text, want=1)
            searcher.search(text, want=50)
        cancelled = searcher.peer.searches.search("dawn")
        world.run(0.02)
        cancelled.cancel()
        del cancelled
        world.run(30)
        left = [one for one in gc.get_objects() if isinstance(one, kinds) and id(one) not in others]
    finally:
        gc.enable()
    assert left == []


def test_aPluginThatRaises() -> None:
    """A router that raises is replaced by asking everybody."""
    world = small()
    searcher = world.superPeers()[0]
    router = searcher.peer.commons.policies.router

    class Broken:
        def next(self, progress: object) -> object:
            raise RuntimeError("no way")

    fresh = type(router)(type("L", (), {"name": "broken", "file": "broken.py"})(), Broken(), world.time, router._log)
    object.__setattr__(searcher.peer.commons.policies, "router", fresh)
    assert len(searcher.search("dawn", want=50).hits) == 12 and fresh.failures > 0


def test_badQueriesEndAtOnce() -> None:
    """A query that cannot be understood never leaves the peer, and names the word."""
    world = World(2)
    peer = world.add("one")
    world.run(1)
    outcome = peer.search("dawn colour:red")
    assert (outcome.status, outcome.code, outcome.word) == ("failed", "query", "colour:red")


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.binary(min_size=8, max_size=8), st.floats(0, 10)), max_size=60),
    st.lists(st.integers(0, 100), min_size=4, max_size=4),
)
def test_receiptsAddUp(held: list[tuple[bytes, float]], counts: list[int]) -> None:
    """The sum of two receipts counts every copy twice and every held hit once."""
    one = Account()
    for key, score in held:
        one.hold(key, score)
    one.sent, one.answered, one.duplicate, one.lost = sum(counts[1:]), *counts[1:]
    receipt = one.receipt()
    both = Account()
    both.add(receipt)
    both.add(msgspec.msgpack.decode(msgspec.msgpack.encode(receipt), type=Receipt))
    whole = both.receipt()
    assert whole.sent == 2 * receipt.sent == whole.answered + whole.duplicate + whole.lost
    assert namesOf(whole.held) == list(dict.fromkeys(key for key, _ in held))
    if held:
        assert whole.bound == max(score for _, score in held)
        both.shown(held[0][0])
        assert held[0][0] not in namesOf(both.receipt().held)


def test_aRecordHereIsCheckedOnce() -> None:
    """What a super-peer holds itself is checked when it is first found, and again only if it has been replaced."""
    world = World(6)
    peer = world.add("one")
    world.run(1)
    peer.share(*(world.document(f"s/{number}.txt", "dawn") for number in range(20)))
    world.run(1)
    checker, search = Checker(peer.peer.commons), peer.peer.registry.search
    checked = countedChecks(world)
    for _ in range(2):
        rows = hitsOf(search(parseQuery("dawn"), 20), True)
        assert checker.genuine(rows, peer.peerId) == rows and len(rows) == len(checked) == 20
        assert not checker._good
    # To another peer it proves nothing.
    assert checker.genuine(rows[:1], PeerId(bytes(20))) == rows[:1] and len(checked) == 21
    peer.share(*(world.document(f"s/{number}.txt", "dawn dawn" if number == 3 else "dawn") for number in range(20)))
    world.run(1)
    checked.clear()
    rows = hitsOf(search(parseQuery("dawn"), 20), True)
    assert checker.genuine(rows, peer.peerId) == rows and len(checked) == 1


def test_heldKeysAreBounded() -> None:
    """More than a receipt has room for are only counted."""
    account = Account()
    for number in range(limits.HELD_KEYS + 5):
        account.hold(keyOf(b"o" * 20, number.to_bytes(8, "big") + bytes(8)), 1.0)
    assert account.receipt().heldMore == 5 and len(namesOf(b"123456789")) == 1


def test_hitsThatWereNotAskedFor() -> None:
    """Hits beyond all measure for one copy are dropped."""
    world = small()
    searcher = world.superPeers()[0]
    copies = searcher.peer.searches.copies
    link = searcher.peer.neighbours.linked()[0]

    class Receiver:
        got = 0

        def hitsCame(self, copy: object, hits: list[Hit]) -> None:
            self.got += len(hits)

        def silenceChanged(self, copy: object) -> None:
            raise AssertionError("it is there")

        def copyEnded(self, copy: object, done: Done | None) -> None:
            self.done = done

    receiver = Receiver()
    copy = copies.send(link, receiver, b"i" * 16, Wanted.of("dawn", 1, Formula()), 1, 1.0)
    assert copy is not None
    hit = Hit(b"head", b"s" * 64, b"k" * 32, "", 1.0)
    for _ in range(40):
        copies.hitsReceived(link, Hits(b"i" * 16, copy.number, [hit] * 50))
    assert receiver.got == 1000 and searcher.peer.commons.tally.get("drops", "too-many-hits") == 20
    copies.linkLost(link)
    assert receiver.done is None and len(copies) == 0
