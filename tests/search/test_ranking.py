"""The order of a search over many super-peers is that of one index of all records."""

import random
from collections.abc import Sequence

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import UsageError
from overlay.identity.ids import PeerId
from overlay.index import evaluation
from overlay.index.census import Census
from overlay.index.dialect import analysisOf
from overlay.index.indexed import IndexedStore
from overlay.index.record import openHead
from overlay.index.rowtable import MemoryRows
from overlay.index.scoring import BM25, Front, Statistics, covers, normal, scorer
from overlay.index.store import Change, Found, Registration, Request
from overlay.lab.pinned import everybody
from overlay.lab.world import LabPeer, World
from overlay.questions import Formula
from overlay.search.language import parseQuery
from overlay.search.outcome import Outcome
from overlay.search.refining import Refinement
from overlay.search.wanted import Wanted
from overlay.settings import Settings
from overlay.wire.query import Hits

SPECS = {"election": "everybody", "reputation": "neutral", "rate-limit": "unlimited"}
VOCABULARY = [f"word{letter}" for letter in "abcdefghijklmnop"]
QUERIES = [
    "worda", "wordb wordc", "wordd OR worde", "wordf OR wordg OR wordh OR wordi OR wordj", '"worda wordb"', "worda -wordb",
    "wordk type:pdf", "name:wordc OR worda", "wor* wordb", "type:pdf", "size:>60 wordb OR wordp", "wordp", "nowhere OR wordo",
    "worda OR wordb OR worda OR wordb OR worda OR wordc",
]


def network(seed: int, serving: int, leaves: int, homes: int) -> World:
    """Super-peers, and leaves that each have so many homes."""
    world = World(seed, Settings(role="super", homes=homes), specs=SPECS, plugins=[everybody])
    first = world.add("s0")
    for number in range(1, serving):
        world.add(f"s{number}", [first])
    world.run(30)
    for number in range(leaves):
        world.add(f"l{number}", [world.peers[f"s{number % serving}"]], settings=Settings(role="leaf", homes=homes))
    assert world.until(lambda: world.time.calls % 50 == 0 and world.registered(), 200)
    return world


def fill(world: World, rng: random.Random, each: int) -> None:
    """Everybody shares some documents, unlike in number, length and words, and some of like content."""
    weights = [1 / (1 + rank) for rank in range(len(VOCABULARY))]
    for peer in world.peers.values():
        documents = []
        for number in range(rng.randrange(each + 1)):
            text = " ".join(rng.choices(VOCABULARY, weights, k=rng.choice([1, 3, 8, 30, 120])))
            name = f"s/{rng.choice(VOCABULARY)} {number}.txt" if rng.random() < 0.4 else f"s/{peer.name}-{number}.txt"
            documents.append(world.document(name, text, mediaType=rng.choice(["text/plain", "application/pdf"])))
        peer.share(*documents)
    world.run(5)
    assert world.until(lambda: world.time.calls % 50 == 0 and world.registered(), 100)


def central(world: World, peers: Sequence[LabPeer] | None = None) -> IndexedStore:
    """One index of what everybody shares."""
    store = IndexedStore(MemoryRows())
    for one in world.peers.values() if peers is None else peers:
        own = one.peer.own
        records = [record for record in map(own.byId, own._ids()) if record is not None]
        store.apply(Change(one.peerId, one.identity.publicKey, additions=records))
    return store


def rowsOf(store: IndexedStore, world: World, text: str, want: int, formula: Formula = BM25) -> list[tuple[float, bytes]]:
    """Score and content of the best rows of one index; records of one content are one row."""
    now = next(iter(world.peers.values())).peer.commons.now()
    found: Found = store.search(Request(parseQuery(text), 100_000, now, formula=formula))
    best: dict[bytes, float] = {}
    for row in found.rows:
        content = openHead(row.head).content
        best[content] = max(row.score, best.get(content, row.score))
    return sorted(((score, content) for content, score in best.items()), key=lambda one: (-one[0], one[1]))[:want]


def assertCentral(outcome: Outcome, expected: list[tuple[float, bytes]]) -> None:
    assert [hit.content for hit in outcome.hits] == [content for _, content in expected]
    assert [hit.score for hit in outcome.hits] == pytest.approx([score for score, _ in expected], abs=1e-6)


@pytest.mark.parametrize(("seed", "serving", "leaves", "homes"), [
    (1, 1, 3, 2), (2, 3, 8, 2),
    pytest.param(3, 5, 12, 3, marks=pytest.mark.no_cover), pytest.param(4, 6, 14, 1, marks=pytest.mark.no_cover),
])
def test_asOneIndex(seed: int, serving: int, leaves: int, homes: int) -> None:
    """Whatever is asked, by a leaf or a super-peer, for few rows or many: the same rows, order and scores, and the receipt says so."""
    world = network(seed, serving, leaves, homes)
    rng = random.Random(seed)
    for _ in range(2):
        fill(world, rng, 16)
        store = central(world)
        for text in QUERIES:
            for want in (1, 3, 10, 200):
                searcher = rng.choice(list(world.peers.values()))
                outcome = searcher.search(text, want=want)
                if outcome.ranking != "exact":
                    # While a leaf moves from one home to another its homes do not agree, and the receipt says so.
                    world.run(20)
                    outcome = searcher.search(text, want=want)
                assert (outcome.status, outcome.ranking) == ("complete", "exact"), (text, want)
                assertCentral(outcome, rowsOf(store, world, text, want))
    refined = sum(one.peer.commons.tally.get("refined", "asked") for one in world.peers.values())
    assert refined > 0 or serving == 1


@given(st.data())
def test_whatCoversScoresNoLess(data: st.DataObject) -> None:
    """Whatever the numbers of all records are, parts that cover others score no less, and a front bounds all that it was made of."""
    places = data.draw(st.integers(0, 4))
    some = st.lists(
        st.tuples(
            st.binary(min_size=1 + places, max_size=1 + places).map(lambda one: normal(bytes(byte % 7 for byte in one))),
            st.integers(0, 2**64 - 1),
        ),
        max_size=40,
    )
    documents = data.draw(st.integers(1, 10**6))
    numbers = Statistics(
        documents, data.draw(st.integers(0, 10**8)),
        tuple(data.draw(st.lists(st.integers(0, documents), min_size=places, max_size=places))),
    )
    score = scorer(numbers, Formula("bm25", data.draw(st.floats(0.01, 100)), data.draw(st.floats(0.01, 1))))
    held = data.draw(some)
    for one, _ in held:
        for other, _ in held:
            if covers(one, other):
                assert score(one) >= score(other)
    first: dict[bytes, int] = {}
    for parts, content in held:
        first[parts] = min(content, first.get(parts, content))
    front = Front.of(first, scorer(Statistics(1, 1, (1,) * places)))
    entries = list(Front.decode(front.encode(), places))
    assert entries == list(front.entries.items())
    for parts, content in held:
        assert any(covers(above, parts) and at <= content for above, at in entries)
    shown = data.draw(some)
    want = data.draw(st.integers(1, 3))
    left = front.without(shown, want)
    for parts, content in front.entries.items():
        if parts not in left.entries:
            better = sum((-score(one), at) <= (-score(parts), content) for one, at in shown)
            assert better >= want


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True), max_size=8), st.data())
def test_theBalance(lists: list[list[int]], data: st.DataObject) -> None:
    """Each owner is counted at one home, and the balances add up to nothing; with anything amiss they do not."""
    homes = [PeerId(bytes([number]) * 20) for number in range(6)]
    held: dict[PeerId, list[Registration]] = {home: [] for home in homes}
    for number, places in enumerate(lists):
        owner = PeerId(bytes([100 + number]) * 20)
        for place in places:
            held[homes[place]].append(Registration(owner, b"", 1, bytes([number]) * 32, 1, 1, tuple(homes[one] for one in places)))
    census = {home: Census.of(home, held[home]) for home in homes}
    counted = [one.owner for home in homes for one in held[home] if one.owner not in census[home].uncounted]
    assert sorted(counted) == sorted({one.owner for some in held.values() for one in some})
    assert sum(one.balance for one in census.values()) % 2**63 == 0
    shared = [number for number, places in enumerate(lists) if len(places) > 1]
    if shared:
        number = data.draw(st.sampled_from(shared))
        gone = homes[data.draw(st.sampled_from(lists[number]))]
        del census[gone]
        assert sum(one.balance for one in census.values()) % 2**63 != 0
        among = [home[:8] for home in census]
        again = {home: Census.of(home, held[home], (), among) for home in census}
        assert sum(one.balance for one in again.values()) % 2**63 == 0


@pytest.mark.parametrize("times", [10**9, 2])
def test_newestFirst(times: int) -> None:
    """With the ranking C{newest} the order is that of the time of change, whoever holds what; content decides between equal ones."""
    world = network(5, 3, 4, 2)
    rng = random.Random(5)
    for number, peer in enumerate(world.peers.values()):
        peer.share(*(
            world.document(f"s/{number}-{at}.txt", f"dawn {number}x{at}", modified=1 + rng.randrange(times)) for at in range(12)
        ))
    world.run(5)
    searcher = world.add("late", [world.peers["s0"]], settings=Settings(role="leaf"), specs={"ranking": "newest"})
    world.until(world.registered, 60)
    outcome = searcher.search("dawn", want=7)
    store = central(world)
    assert [hit.content for hit in outcome.hits] == [content for _, content in rowsOf(store, world, "dawn", 7, Formula("newest"))]
    assert outcome.ranking == "exact" and [hit.score for hit in outcome.hits] == [float(hit.modified) for hit in outcome.hits]


@pytest.mark.parametrize("contents", [5, 25])
def test_newestOfLikeContents(contents: int) -> None:
    """However many records of like content there are at one super-peer, they take no other row's place, and tell who has it."""
    world = network(5, 3, 4, 1)
    rng = random.Random(6)
    for number, peer in enumerate(world.peers.values()):
        peer.share(*(
            world.document(f"s/{number}-{at}.txt", f"dawn {rng.randrange(contents)}", modified=1 + rng.randrange(40)) for at in range(30)
        ))
    world.run(5)
    assert world.until(lambda: world.time.calls % 50 == 0 and world.registered(), 60)
    store = central(world)
    searcher = world.add("late", [world.peers["s0"]], settings=Settings(role="super"), specs={"ranking": "newest"})
    assert world.until(lambda: bool(searcher.peer.neighbours.linked()), 60)
    world.run(10)
    several = 0
    for want in (1, 2, 3, 4, 7, 12, 30):
        for router in ("flood", "tree"):
            outcome = searcher.search("dawn", want=want, router=router)
            expected = rowsOf(store, world, "dawn", want, Formula("newest"))
            assert [hit.content for hit in outcome.hits] == [content for _, content in expected]
            assert (outcome.status, outcome.ranking) == ("complete", "exact")
            several += any(len(hit.owners) > 1 for hit in outcome.hits)
    assert several


def test_tooManyOfLikeContent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where like contents are more than are looked at, nobody says that the order is exact."""
    monkeypatch.setattr(evaluation, "LIKE_CONTENTS", 8)
    world = network(5, 1, 1, 1)
    leaf = world.peers["l0"]
    leaf.share(
        *(world.document(f"s/{at}.txt", "dawn", modified=100) for at in range(20)), world.document("s/old.txt", "dawn old", modified=1)
    )
    world.run(5)
    searcher = world.add("late", [world.peers["s0"]], settings=Settings(role="leaf"), specs={"ranking": "newest"})
    world.until(world.registered, 60)
    outcome = searcher.search("dawn", want=2)
    assert (len(outcome.hits), outcome.ranking) == (1, "estimated") and outcome.held > 0
    assert searcher.search("dawn", want=1).ranking == "exact"


@pytest.mark.no_cover
def test_withHomesThatComeAndGo() -> None:
    """While super-peers vanish and others come: whenever the receipt says exact it is the central order, and it says so again soon."""
    world = network(6, 6, 14, 2)
    rng = random.Random(6)
    fill(world, rng, 12)
    said: list[str] = []
    for turn in range(4):
        gone = world.peers[f"s{1 + turn}"]
        gone.crash()
        for wait in (0.5, 5.0, 30.0, 60.0):
            world.run(wait)
            alive = [one for one in world.peers.values() if one.running]
            store = central(world, alive)
            searcher = rng.choice([one for one in alive if not one.isSuper])
            for text in rng.sample(QUERIES, 4):
                outcome = searcher.search(text, want=8)
                said.append(outcome.ranking)
                if outcome.ranking == "exact" and outcome.status == "complete":
                    assertCentral(outcome, rowsOf(store, world, text, 8))
        assert said[-1] == "exact"
        gone.restart()
        world.run(30)
        assert world.until(lambda: world.time.calls % 50 == 0 and world.registered(), 200)


def test_everyPartIsExplained() -> None:
    """C{EXPLAIN hit} gives the parts of a score, and they add up to it; by number, or by content."""
    world = network(7, 3, 6, 2)
    fill(world, random.Random(7), 10)
    searcher = world.peers["l1"]
    outcome = searcher.search("worda OR wor* OR nowhere", want=5)
    explained = searcher.peer.searches.lastRows
    assert explained is not None and len(explained.rows) == 5
    for number, hit in enumerate(outcome.hits, 1):
        said = explained.row(str(number))
        assert said == explained.row(hit.content.hex()[:12])
        assert (said["location"], said["score"], said["ranking"]) == (hit.location, hit.score, "exact")
        assert said["BM25"] == pytest.approx(hit.score) == pytest.approx(sum(one["score"] for one in said["terms"]))
        for one in said["terms"]:
            assert one["together"] == sum(one["occurrences"].values())
            expected = one["together"] * (said["k1"] + 1) / (one["together"] + said["k1"] * said["length part"])
            assert one["worth"] == pytest.approx(expected) and one["score"] == pytest.approx(one["weight"] * expected)
    assert [one["term"] for one in explained.row("")["terms"]] == ["worda", "wor*", "nowhere"]
    for wrong in ("6", "0", "ffffffffff", "x"):
        with pytest.raises(UsageError):
            explained.row(wrong)


def test_wordsOfANameWhereThereAreStems() -> None:
    """What a word of the name adds is said to be the name's, whatever its form."""
    world = network(3, 1, 1, 1)
    leaf = world.peers["l0"]
    leaf.share(world.document("s/HttpServer_runningFast.txt", "nothing of it"))
    world.run(10)
    outcome = leaf.search("running")
    explained = leaf.peer.searches.lastRows
    assert explained is not None and len(outcome.hits) == 1
    stems = analysisOf("stem:english")
    told = attrs.evolve(explained, analysis=stems, wanted=Wanted.of("running", 20, Formula("bm25"), stems)).row("1")["terms"][0]
    assert (told["term"], told["occurrences"]) == ("run", {"name": 3, "title and text": 0})


@pytest.mark.parametrize("ranking", ["bm25", "bm25:availability=1", "bm25:trust=1"])
def test_whatThePolicyAdds(ranking: str) -> None:
    """The order is exact as long as a policy adds nothing to the scores, or nothing is held back that it might have put first."""
    world = network(4, 2, 4, 1)
    for number in range(4):
        world.peers[f"l{number}"].share(
            *(world.document(f"s/{number}-{at}.txt", f"dawn u{number}" + " x" * at) for at in range(10)),
            world.document(f"s/{number}.txt", "dawn" + " y" * 20),
        )
    world.run(20)
    searcher = world.add("late", [world.peers["s0"]], settings=Settings(role="leaf", homes=1), specs={**SPECS, "ranking": ranking})
    assert world.until(world.registered, 60)
    few, every = searcher.search("dawn", want=5), searcher.search("dawn", want=100)
    assert len(every.hits) == 41 and every.ranking == "exact"
    assert few.ranking == ("exact" if ranking == "bm25" else "estimated")


@pytest.mark.parametrize("seed", [10, 14, 21, 24])
def test_rowsOfAHomeThatDiesMeanwhile(seed: int) -> None:
    """What a home sent before it died is shown, but the receipt of another home, which never counted it, proves no order of it."""
    world = network(seed, 4, 1, 2)
    leaf = world.peers["l0"]
    preferred = leaf.peer.homes.preferred()
    assert preferred is not None
    home = next(one for one in world.superPeers() if one.peerId == preferred.peerId)
    for peer in world.superPeers():
        word = "dawn" if peer is home else "dusk"
        peer.share(*(world.document(f"s/{peer.name}-{at}.txt", f"{word} hay {peer.name} {at}") for at in range(3)))
        if peer is not home:
            peer.host.slowness = 0.3
    world.run(10)
    outcomes: list[Outcome] = []
    leaf.peer.searches.search("dawn OR hay", 100, 10.0, "flood").finished.addCallback(outcomes.append)
    world.run(0.15)
    home.kill()
    world.until(lambda: outcomes, 20)
    assert len(outcomes[0].hits) == 12 and outcomes[0].receipt.documents == 9
    assert outcomes[0].ranking == "estimated"


def test_aRankingThatRaises() -> None:
    """A ranking that raises is replaced by the order of BM25."""

    class Broken:
        def formula(self) -> Formula:
            raise RuntimeError("no formula")

        def score(self, row: object) -> object:
            raise RuntimeError("no score")

    world = network(8, 2, 3, 2)
    fill(world, random.Random(8), 10)
    searcher = world.peers["l0"]
    before = searcher.search("worda", want=5)
    policies = searcher.peer.commons.policies
    broken = type(policies.ranking)(
        type("L", (), {"name": "broken", "file": "broken.py"})(), Broken(), world.time, policies.ranking._log
    )
    object.__setattr__(policies, "ranking", broken)
    after = searcher.search("worda", want=5)
    assert after.hits == before.hits and len(after.hits) > 1 and broken.failures > len(after.hits)


def test_aPeerOfAnOlderVersion() -> None:
    """One that sends no parts and counts as before is answered and shown; the order is an estimate."""
    world = network(9, 3, 4, 2)
    fill(world, random.Random(9), 10)
    old = world.peers["s1"].peer.searches
    real = old._replyTo

    def reply(link: object, query: object) -> object:
        made = real(link, query)  # type: ignore[arg-type]
        send = made._finish
        made._finish = lambda status, receipt, missing, ranking: send(  # type: ignore[method-assign]
            status, msgspec.structs.replace(receipt, ranked=0, balance=0, fronts=[]), missing, ""
        )
        pass_ = made.hitsFound
        made.hitsFound = lambda hits: pass_(
            [msgspec.structs.replace(one, parts=b"") for one in Hits(b"", 0, hits).plain().hits]
        )  # type: ignore[method-assign]
        return made

    old._replyTo = reply  # type: ignore[assignment, method-assign]
    expected = {content for _, content in rowsOf(central(world), world, "worda", 500)}
    for searcher in ("s0", "s2"):
        outcome = world.peers[searcher].search("worda", want=500)
        assert {hit.content for hit in outcome.hits} == expected and outcome.ranking == "estimated"


def test_whatIsAskedOnceMoreIsInTheDialect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a network stems, a recount counts stems: the numbers and scores are those of the stems themselves on a plain network."""

    def recount(self: Refinement, complete: bool) -> None:
        self._recount()

    monkeypatch.setattr(Refinement, "begin", recount)
    found = []
    for dialect, query in (("", "run filter"), ("stem:english", "running filters")):
        world = World(3, Settings(role="super"), specs=SPECS, plugins=[everybody])
        world.network = attrs.evolve(world.network, dialect=dialect)
        first = world.add("s0")
        for number in range(1, 4):
            world.add(f"s{number}", [first])
        world.run(30)
        for number in range(6):
            world.add(f"l{number}", [world.peers[f"s{number % 4}"]], settings=Settings(role="leaf"))
        rng = random.Random(1)
        for peer in world.peers.values():
            texts = [" ".join(rng.choices(["run", "fast", "filter", "tree"], k=rng.choice([3, 8, 30]))) for _ in range(12)]
            peer.share(*[world.document(f"s/{peer.name}-{at}.txt", text) for at, text in enumerate(texts)])
        assert world.until(lambda world=world: world.time.calls % 50 == 0 and world.registered(), 300)
        world.run(5)
        outcome = world.peers["l0"].search(query, want=5)
        assert outcome.ranking == "exact" and world.net.sent["Refine"] > 0
        found.append((outcome.receipt.documents, dict(outcome.receipt.frequencies), [hit.score for hit in outcome.hits]))
    assert found[0] == found[1]
