"""Summaries of branches: nothing that was announced is lost, and what proves nothing is seen."""

import itertools
import random
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from overlay.commons import Commons
from overlay.errors import Malformed
from overlay.identity.ids import PeerId
from overlay.index.bloom import FIELD, packed, positionOf
from overlay.index.census import Numbers
from overlay.lab.pinned import everybody
from overlay.lab.world import LabPeer, World
from overlay.membership.limbs import Limb
from overlay.questions import Formula, Work
from overlay.search import branches as branchesModule
from overlay.search import held as heldModule
from overlay.search import partaking
from overlay.search.awaiting import EACH_MOST, Act, Awaiting
from overlay.search.branches import described
from overlay.search.held import Held, OutOfStep
from overlay.search.outcome import Outcome
from overlay.search.receipts import Account, Proof, namesOf, statisticsOf
from overlay.search.summaries import COST
from overlay.search.wanted import Wanted
from overlay.settings import Settings
from overlay.wire.query import Receipt
from overlay.wire.summary import Doubt, SummaryAcknowledged, SummaryGiven

SPECS = {"election": "everybody", "reputation": "neutral", "rate-limit": "unlimited", "router": "summary"}
WORDS = [f"word{letter}" for letter in "abcdefghijklmnop"]


def network(seed: int, serving: int, leaves: int = 0, degree: int = 3, homes: int = 2) -> World:
    """Super-peers with few neighbours, and leaves."""
    world = World(
        seed, Settings(role="super", homes=homes, neighbours=degree, mostNeighbours=2 * degree), specs=SPECS, plugins=[everybody]
    )
    first = world.add("s0")
    for number in range(1, serving):
        world.add(f"s{number}", [first])
    world.run(20)
    for number in range(leaves):
        known = [world.peers[f"s{(number + at) % serving}"] for at in range(min(3, serving))]
        world.add(f"l{number}", known, settings=Settings(role="leaf", homes=homes))
    world.run(10)
    return world


def settled(world: World) -> bool:
    """Whether everybody above knows what everybody holds."""
    serving = world.superPeers()
    return (
        world.registered() and sum(one.peer.tree.root for one in serving) == 1
        and all(one.peer.tree.settled and one.peer.summaries.known for one in serving)
        and all(not one.peer.summaries._serving.branches.doubts()[1] for one in serving)
    )


def settle(world: World, limit: float = 120.0) -> None:
    assert world.until(lambda: world.time.calls % 20 == 0 and settled(world), limit)


def both(world: World, searcher: LabPeer, text: str) -> dict[str, Outcome]:
    """The same search at the same moment by two routers."""
    outcomes: dict[str, Outcome] = {}
    for router in ("flood", "summary"):
        search = searcher.peer.searches.search(text, 200, 10.0, router)
        search.finished.addCallback(lambda outcome, router=router: outcomes.__setitem__(router, outcome))
    world.until(lambda: len(outcomes) == 2, 60)
    return outcomes


def rowsOf(outcome: Outcome) -> set[tuple[bytes, str]]:
    return {(owner, hit.location) for hit in outcome.hits for owner in hit.owners}


def test_whatFiltersLeaveOutIsCountedEverywhere() -> None:
    """Whoever has the words is asked how many records a filter leaves out, although nobody has what it lets pass."""
    world = network(5, 6, 6, 3)
    for number, peer in enumerate(world.peers.values()):
        peer.share(*(world.document(f"s/{number}-{at}.txt", f"dawn only{number}") for at in range(number % 3 + 1)))
    settle(world)
    searcher = next(one for one in world.peers.values() if not one.isSuper)
    for text in ("dawn ext:zip", "only7 ext:zip", "dawn ext:zip type:pdf", "dawn -only4 ext:zip"):
        outcomes = both(world, searcher, text)
        told = [(one.why["unfiltered"], one.why["excluded"]) for one in outcomes.values()]
        assert told[0] == told[1] and told[0][0] > 0 and "ext:zip" in told[0][1], text
    assert both(world, searcher, "only7 ext:zip")["summary"].pruned > 0
    for text in ("dawn (ext:zip OR ext:doc)", "dawn (ext:zip size:>1)", "dawn ((ext:zip size:>1) OR ext:doc)"):
        outcomes = both(world, searcher, text)
        assert outcomes["flood"].why == outcomes["summary"].why and outcomes["flood"].why["unfiltered"] > 0, text
        assert (outcomes["summary"].pruned, outcomes["summary"].ranking) == (0, "exact"), text


@pytest.mark.parametrize("seed", range(1, 5))
def test_whatIsAnnouncedIsCounted(seed: int) -> None:
    """Records whose every word is known above already are announced once those who leave a branch out know its numbers as well."""
    world = network(seed, 8, degree=3)
    serving = world.superPeers()
    leaf = world.add("leaf", [serving[-1]], settings=Settings(role="leaf", homes=1))
    words = ("first", "second", "third", "noon", "dusk", "evening")
    some = [f"{one} {two} {three}" for one, two, three in itertools.product(words, repeat=3)]
    leaf.share(*(world.document(f"s/{text}.txt", text) for text in some[:10]))
    serving[0].share(world.document("s/rare.txt", "rare"))
    settle(world)
    before = serving[0].search("rare", router="summary")
    assert before.ranking == "exact" and before.receipt.documents == 11
    leaf.share(*(world.document(f"s/{text}.txt", text) for text in some[10:70]))

    def found() -> bool:
        views = leaf.peer.homes.views()
        return bool(views) and views[0].state == "registered" and not views[0].behind and views[0].sequence == leaf.peer.own.sequence

    assert world.until(found, 20)
    outcome = serving[0].search("rare", router="summary")
    assert outcome.pruned > 0 and (outcome.ranking != "exact" or outcome.receipt.documents == 71)


def test_aProofIsOfThoseWhoWereThere() -> None:
    """Who comes to a branch while a search runs is not among those that were proved to hold nothing."""
    world = network(7, 6, degree=3)
    settle(world)
    above = next(one for one in world.superPeers() if one.peer.summaries._serving.branches.used)
    branches = above.peer.summaries._serving.branches
    child = next(iter(branches.used))
    proof = branches.look(child, Wanted.of("nowhere", 5, Formula("bm25")))
    assert isinstance(proof, Proof)
    names = list(proof.names)
    branches.held[child].names[b"newcomer"] = None
    assert list(proof.names) == names and names


def announced(world: World) -> dict[tuple[bytes, str], set[bytes]]:
    """What each living peer may believe to be found: for each of its records the homes that said so and live."""
    alive = {one.peerId: one for one in world.peers.values() if one.running}
    found = {}
    for peerId, one in alive.items():
        own = one.peer.own
        if one.isSuper:
            held = one.peer.registry.holding(peerId)
            homes = {peerId} if held is not None and held.sequence == own.sequence and one.peer.summaries.known else set()
        else:
            homes = {
                view.peerId for view in one.peer.homes.views()
                if view.state == "registered" and not view.behind and view.peerId in alive
            }
        if homes:
            found.update({(peerId, location): homes for location in own.locations()})
    return found


def queries(rng: random.Random, serial: int) -> str:
    """Any form of query."""
    one, two, three = rng.sample(WORDS, 3)
    rare, other = (f"only{rng.randrange(1, serial + 2)}" for _ in range(2))
    return rng.choice([
        one, f"{one} {two}", f"{one} OR {two}", rare, rare, f"{rare} OR {other}", f"{one} -{two}", f"({one} OR {two}) {three}",
        f"name:{one}", f"ext:txt {one}", "ext:pdf", f'"{one} {two}"', f"only* {one}", f"type:text {rare}", f"size:>1 {rare}", f"-{one}",
    ])


@settings(max_examples=6, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(2, 8), st.integers(1, 4), st.sampled_from([2, 3, 10]),
    st.lists(
        st.tuples(
            st.sampled_from(["share", "share", "share", "unshare", "kill", "crash", "stop", "restart", "cut", "mend", "wait"]),
            st.sampled_from([0.0, 0.1, 0.5, 2.0, 6.0, 25.0]),
        ),
        min_size=4, max_size=10,
    ),
)
def test_nothingAnnouncedIsLost(seed: int, serving: int, leaves: int, degree: int, steps: list[tuple[str, float]]) -> None:
    """
    Over any network, contents, churn and query: whatever flooding finds of what was announced, pruning finds as well, or says that
    it is not complete; and never has a summary proved the contrary.
    """
    world = network(seed, serving, leaves, degree)
    rng = random.Random(seed)
    serial = 0
    cuts: list[tuple[bytes, bytes]] = []
    for kind, wait in steps:
        alive = [one for one in world.peers.values() if one.running]
        supers = [one for one in alive if one.isSuper]
        if kind in ("share", "wait"):
            serial += 1
            rng.choice(alive).share(
                world.document(f"s/{rng.choice(WORDS)}{serial}.txt", " ".join(rng.sample(WORDS, rng.randrange(1, 4))) + f" only{serial}")
            )
        elif kind == "unshare":
            one = rng.choice(alive)
            one.unshare(*sorted(one.peer.own.locations())[:1])
        elif kind in ("kill", "crash", "stop") and len(supers) > 1:
            getattr(rng.choice(supers), kind)()
        elif kind == "restart":
            for one in [one for one in world.peers.values() if not one.running][:1]:
                one.restart()
        elif kind == "cut" and len(supers) > 2:
            near, far = rng.sample(supers, 2)
            cuts.append((near.peerId, far.peerId))
            world.net.cut(*cuts[-1])
        elif kind == "mend" and cuts:
            world.net.mend(*cuts.pop())
        world.run(wait)
        searcher = rng.choice([one for one in world.peers.values() if one.running])
        known = announced(world)
        outcomes = both(world, searcher, queries(rng, serial))
        lost = (rowsOf(outcomes["flood"]) - rowsOf(outcomes["summary"])) & known.keys()
        pruned = set(namesOf(outcomes["summary"].receipt.prunedNames))
        for one in lost:
            assert outcomes["summary"].status != "complete"
            assert not {home[:8] for home in known[one]} <= pruned


@pytest.mark.parametrize(("seed", "serving", "degree"), [(1, 3, 10), (2, 8, 3), (3, 12, 4)])
def test_fewAreAsked(seed: int, serving: int, degree: int) -> None:
    """A word of one leaf is found by asking those who lead to its homes; the receipt names the others, and is complete and exact."""
    world = network(seed, serving, 6, degree)
    for number, leaf in enumerate(world.leaves()):
        leaf.share(world.document(f"s/{number}.txt", f"dawn {WORDS[number]}"), world.document("s/all.txt", "dusk"))
    world.run(1)
    settle(world)
    for searcher in (world.leaves()[0], *world.superPeers()[:2]):
        for number in range(0, 6, 2):
            outcomes = both(world, searcher, WORDS[number])
            flooded, outcome = outcomes["flood"], outcomes["summary"]
            assert (outcome.status, outcome.ranking, outcome.missing) == ("complete", "exact", 0)
            assert [(hit.content, hit.score) for hit in outcome.hits] == [(hit.content, pytest.approx(hit.score)) for hit in flooded.hits]
            assert len(outcome.hits) == 1 and (outcome.receipt.documents, outcome.receipt.length) == (
                flooded.receipt.documents, flooded.receipt.length
            )
            assert outcome.answered + len(outcome.receipt.prunedNames) // 8 == serving
        nobody = both(world, searcher, "nowhere")["summary"]
        assert nobody.receipt.sent == nobody.answered - 1 and nobody.why["unknown"] == ["nowhere"]
        assert (nobody.answered < serving or serving < 4) and nobody.status == "complete"


def agreement(one: list[bytes], other: list[bytes]) -> float:
    """Kendall's tau of the rows that both have: 1 for the same order, -1 for the reverse."""
    places = {content: place for place, content in enumerate(other)}
    kept = [places[content] for content in one if content in places]
    pairs = list(itertools.combinations(kept, 2))
    return sum(1 if first < second else -1 for first, second in pairs) / len(pairs) if pairs else 1.0


def closeness(seed: int, serving: int, leaves: int, each: int, searches: int) -> dict[str, float]:
    """
    How close the estimated order comes to the exact one, for searches of two words of which one is the matter of some owners, and the other
    is more common with some than with others.
    """
    world = network(seed, serving, leaves, 4)
    rng = random.Random(seed)
    common = [f"common{letter}" for letter in "abcdefghijklmnopqrst"]
    weights = [1 / (1 + rank) for rank in range(len(common))]
    for number, leaf in enumerate(world.leaves()):
        topic = [f"topic{chr(97 + number % 8)}{letter}" for letter in "abcd"]
        mine = common[2 * (number % 8) :] + common[: 2 * (number % 8)]
        texts = [
            " ".join(rng.choices(mine, weights, k=rng.choice([3, 8, 20])) + rng.choices(topic, k=rng.choice([0, 1, 2, 4])))
            for _ in range(each)
        ]
        leaf.share(*(world.document(f"s/{number}x{at}.txt", text) for at, text in enumerate(texts)))
    world.run(1)
    settle(world)
    found: dict[str, list[float]] = {}
    for _ in range(searches):
        text = f"{rng.choice(common)} topic{chr(97 + rng.randrange(8))}{rng.choice('abcd')}"
        outcomes = both(world, rng.choice(world.leaves()), text)
        exact, other = outcomes["flood"], outcomes["summary"]
        assert exact.ranking == "exact" and exact.status == other.status == "complete"
        assert {hit.content for hit in exact.hits} == {hit.content for hit in other.hits}
        if other.ranking == "estimated":
            rows, others = [hit.content for hit in exact.hits], [hit.content for hit in other.hits]
            for top in (10, 50):
                if len(rows) > top:
                    found.setdefault(f"top {top}", []).append(len(set(rows[:top]) & set(others[:top])) / top)
            found.setdefault("tau", []).append(agreement(rows, others))
            found.setdefault("error", []).extend(
                abs(one.score / two.score - 1) for one in exact.hits for two in other.hits if one.content == two.content
            )
    return {name: sum(some) / len(some) for name, some in found.items()} | {"estimated": float(len(found.get("tau", [])))}


def test_theEstimatedOrderIsClose() -> None:
    """Where branches were left out that have one of two words, the order comes close to that of one index."""
    found = closeness(1, 8, 10, 24, 12)
    assert found["estimated"] >= 3 and found["tau"] > 0.8 and found["error"] < 0.2


def parentOf(world: World, one: LabPeer) -> LabPeer | None:
    parent = one.peer.tree.parent
    return next((other for other in world.peers.values() if other.peerId == parent), None)


def deepest(world: World) -> list[LabPeer]:
    """The longest way up to the root."""
    ways = []
    for one in world.superPeers():
        way = [one]
        while (above := parentOf(world, way[-1])) is not None:
            way.append(above)
        ways.append(way)
    return max(ways, key=len)


def test_announcedWhenTheRootKnows() -> None:
    """A home says that it holds a record when everybody up to the root has what proves otherwise no more."""
    world = network(2, 10, 2, 2, 1)
    settle(world)
    leaf = world.leaves()[0]
    view = leaf.peer.homes.views()[0]
    home = next(one for one in world.superPeers() if one.peerId == view.peerId)
    leaf.share(world.document("s/new.txt", "brandnew"))

    def says() -> bool:
        one = leaf.peer.homes.views()[0]
        return one.state == "registered" and not one.behind

    assert world.until(lambda: leaf.peer.own.sequence and not says(), 5) and world.until(says, 30)
    way = [home]
    while (above := parentOf(world, way[-1])) is not None:
        way.append(above)
    for below, above in itertools.pairwise(way):
        assert positionOf("brandnew") in above.peer.summaries._serving.branches.held[below.peerId].positions


def test_aSilentParent() -> None:
    """While the way up is cut nothing is announced, until everybody above has noticed; what was announced before is found all the while."""
    world = network(5, 10, 0, 2)
    settle(world)
    low, high = deepest(world)[:2]
    assert low.peer.summaries.known
    world.net.cut(low.peerId, high.peerId)
    low.share(world.document("s/new.txt", "brandnew"))
    world.run(1)
    assert not low.peer.summaries.known
    world.run(30)
    settle(world)
    found = both(world, high, "brandnew")["summary"]
    assert len(found.hits) == 1 and found.status == "complete"


def test_aSlowParent() -> None:
    """However far behind a machine is, nothing is announced that it has not heard of yet."""
    world = network(2, 10, 2, 2, 1)
    settle(world)
    low, high = deepest(world)[:2]
    high.host.slowness = 0.5
    for _ in range(20):
        for one in world.superPeers():
            if one is not high:
                one.peer.searches.search("a", 5, 60.0, "flood").finished.addCallback(lambda outcome: None)
        world.run(0.2)
    low.share(world.document("s/new.txt", "brandnew"))
    known: list[float] = []
    began = world.time.seconds()
    world.run(0.1)
    low.peer.summaries.whenKnown(lambda: known.append(world.time.seconds() - began))
    assert world.until(lambda: bool(known), 600) and known[0] > 20
    for one in world.superPeers():
        branches = one.peer.summaries._serving.branches
        if low.peerId in branches.used:
            assert positionOf("brandnew") in branches.held[low.peerId].positions


class Never(Awaiting):
    """Nothing is ever done."""

    def add(self, version: int, act: Act, of: object = None) -> None:
        """Not that either."""


def test_aParentThatAcknowledgesNothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left in the end, and is no parent again for a while; another one is told everything."""
    monkeypatch.setattr(partaking, "STALLED", 60.0)
    world = network(9, 8, 0, 2)
    settle(world)
    low, high = deepest(world)[:2]
    serving = high.peer.summaries._serving
    serving.awaiting, serving.clearing = Never(bool), Never(bool)
    low.share(world.document("s/new.txt", "brandnew"))
    for _ in range(11):
        # What says nothing new is no acknowledgement.
        link = high.peer.links.get(low.peerId)
        link.send(SummaryAcknowledged(0, "above"))
        world.run(5)
    assert low.peer.tree.parent == high.peerId and not low.peer.summaries.known
    world.run(60)
    assert low.peer.tree.parent != high.peerId and low.peer.summaries.known
    assert not low.peer.tree._heard(Limb(high.peerId)) and low.peer.tree._heard(Limb(low.peer.tree.parent))


def test_aChangeThatIsTakenBack() -> None:
    """Whoever waits for a change that is taken back before it was told waits no longer than for any other."""
    world = network(2, 10, 0, 2)
    settle(world)
    low = deepest(world)[0]
    known: list[bool] = []
    low.share(world.document("s/new.txt", "brandnew"))
    world.run(0.0)
    low.peer.summaries.whenKnown(lambda: known.append(True))
    assert not known
    low.unshare("s/new.txt")
    world.run(1.0)
    assert known


def test_movingOn() -> None:
    """Who loses its parent without a word announces nothing for a while; one whose parent bids farewell soon does."""
    for kind, wait in (("kill", 10.0), ("stop", 10.0)):
        world = network(7, 9, 0, 3)
        settle(world)
        way = deepest(world)
        low, high = way[0], way[1]
        getattr(high, kind)()
        world.run(1)
        if low.peer.summaries._serving.former:
            assert not low.peer.summaries.known
        low.share(world.document("s/new.txt", "brandnew"))
        world.run(wait)
        settle(world)
        searcher = next(one for one in world.superPeers() if one is not low)
        assert len(both(world, searcher, "brandnew")["summary"].hits) == 1


def test_aStuffedFilter(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that holds too many terms proves nothing: whoever is above asks it, and sees why; branches beside it are pruned as before."""
    monkeypatch.setattr(branchesModule, "OWN_FULL", 40 / FIELD)
    monkeypatch.setattr(heldModule, "OWN_FULL", 40 / FIELD)
    world = network(11, 12, 0, 3)
    for number, one in enumerate(world.superPeers()):
        one.share(world.document(f"s/{number}.txt", f"dawn {WORDS[number]}"))
    settle(world)
    way = deepest(world)
    stuffed, root = way[0], way[-1]
    stuffed.share(world.document("s/much.txt", " ".join(f"stuff{number}x" for number in range(100))))
    world.run(10)
    explained = root.peer.summaries.explain()
    assert explained is not None and explained["doubtful"] == 1
    assert explained["in doubt"] == [described(Doubt(stuffed.peerId[:8], "full", 0.0))]
    assert "full" in explained["in doubt"][0]
    outcome = root.search("nowhere")
    assert outcome.answered == len(way) and outcome.status == "complete" and outcome.receipt.pruned > 0
    reasons = [reason.name for _, _, _, route in root.peer.commons.policies.last("router") for reason in route.reasons]
    assert explained["in doubt"][0] in reasons
    assert len(root.search("stuff7x").hits) == 1
    stuffed.unshare("s/much.txt")
    world.run(10)
    assert root.peer.summaries.explain()["doubtful"] == 0 and root.search("nowhere").answered < len(way)


def test_aStrangersFilter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that sends more than it can have is left out of what goes up; garbage costs reputation."""
    world = network(13, 6, 0, 2)
    settle(world)
    low, high = deepest(world)[:2]
    link = low.peer.links.get(high.peerId)
    assert link is not None
    version = low.peer.summaries._serving.giving.version
    before = len(high.peer.summaries._serving.branches.union.positions())
    monkeypatch.setattr(heldModule, "OWN_FULL", 1000 / FIELD)
    link.send(SummaryGiven(version + 1, version, gained=packed(BitMap(range(9000))), documents=1))
    world.run(2)
    assert len(high.peer.summaries._serving.branches.union.positions()) <= before
    assert [one.code for one in high.peer.summaries._serving.branches.doubts()[0]] == ["full"]
    link.send(SummaryGiven(version + 2, version + 1, gained=b"\xff\xff\xff\xff\xff"))
    world.run(2)
    assert high.peer.commons.tally.get("deeds", "garbage") == 1
    assert low.peerId not in high.peer.summaries._serving.branches.held


def test_whoWantsNone() -> None:
    """A parent with another router prunes nothing, so nobody waits for it."""
    world = World(3, Settings(role="super", neighbours=3), specs={**SPECS, "router": "tree"}, plugins=[everybody])
    first = world.add("s0")
    for number in range(1, 5):
        world.add(f"s{number}", [first], specs={"router": "summary" if number % 2 else "tree"})
    world.run(30)
    assert all(one.peer.summaries.known for one in world.superPeers())
    for number, one in enumerate(world.superPeers()):
        one.share(world.document(f"s/{number}.txt", f"dawn {WORDS[number]}"))
    world.run(1)
    for one in world.superPeers():
        assert len(one.search("dawn").hits) == 5 and one.search(WORDS[2]).status == "complete"
        assert one.peer.summaries.known


def test_withoutATree() -> None:
    """Where there is no spanning tree nobody gives summaries, nobody waits for them, and everybody is asked."""
    world = World(3, Settings(role="super", beacon=0.0), specs=SPECS, plugins=[everybody])
    first = world.add("s0")
    second = world.add("s1", [first], [world.document("s/a.txt", "dawn")])
    leaf = world.add("l0", [first], settings=Settings(role="leaf", beacon=0.0))
    world.run(10)
    leaf.share(world.document("s/b.txt", "dawn dusk"))
    world.run(2)
    assert world.registered() and first.peer.summaries.explain() is None
    assert (len(second.search("dawn").hits), len(second.search("dusk").hits), second.search("noon").answered) == (2, 1, 2)


# --- parts -----------------------------------------------------------------------------------------------------------


def given_(version: int, base: int, *positions: int, **more: Any) -> SummaryGiven:
    return SummaryGiven(version, base, gained=packed(BitMap(positions)), **more)


def test_inParts() -> None:
    """What is held changes with the last part, and with nothing that does not fit."""
    held = Held()
    assert held.take(given_(5, 0, 1, 2, last=False)) is None
    assert not held.positions and held.version == 0
    difference = held.take(given_(5, 0, 3, part=1, namesGained=b"a" * 8, documents=3, length=9))
    assert difference is not None and set(difference.gained) == set(held.positions) == {1, 2, 3}
    assert (held.version, list(held.names), held.numbers) == (5, [b"a" * 8], Numbers(3, 9, 0))
    difference = held.take(SummaryGiven(6, 5, gained=packed(BitMap([3, 4])), lost=packed(BitMap([1, 9])), namesLost=b"a" * 8))
    assert difference is not None
    assert (set(difference.gained), set(difference.lost), list(held.names)) == ({4}, {1}, [])
    for wrong in (given_(8, 5, 1), given_(8, 7, 1), given_(8, 0, 1), given_(6, 6, 1), given_(8, 6, 1, part=1)):
        with pytest.raises(OutOfStep):
            held.take(wrong)
    with pytest.raises(Malformed):
        held.take(SummaryGiven(9, 6, gained=b"\x80"))
    assert set(held.positions) == {2, 3, 4}


def test_waiting() -> None:
    """What waits is done in order, when its version is known, however long that takes."""
    done = list[str]()
    known = [3]
    awaiting = Awaiting(lambda version: version <= known[0])
    awaiting.add(3, lambda: done.append("at once"))
    awaiting.add(4, lambda: done.append("four"))
    awaiting.add(5, lambda: done.append("five"))
    awaiting.look()
    assert done == ["at once"]
    known[0] = 4
    awaiting.look()
    assert done == ["at once", "four"] and len(awaiting) == 1
    known[0] = 5
    awaiting.look()
    assert done == ["at once", "four", "five"]
    awaiting.add(6, lambda: done.append("never"))
    awaiting.stop()
    known[0] = 6
    awaiting.look()
    assert len(done) == 3 and not len(awaiting)


def test_whoSendsMuchWaitsWithTheFirstAndTheLast() -> None:
    """However many versions one link brings, few wait; none of them once the link is gone."""
    done = list[int]()
    known = [0]
    awaiting = Awaiting(lambda version: version <= known[0])
    one, other = object(), object()
    for version in range(1, 1001):
        awaiting.add(version, partial(done.append, version), one)
    awaiting.add(1000, partial(done.append, 0), other)
    assert len(awaiting) == EACH_MOST + 1
    known[0] = 10
    awaiting.look()
    assert done == list(range(1, 11))
    awaiting.drop(other)
    known[0] = 1000
    awaiting.look()
    assert done == [*range(1, EACH_MOST), 1000] and not len(awaiting)
    for version in (1001, 1002):
        awaiting.add(version, partial(done.append, version), one)
    awaiting.drop(one)
    assert not len(awaiting)


def test_aSummaryThatCostTooMuch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was not listened to is told so, and tells everything once more."""
    world = network(2, 10, 0, 2)
    settle(world)
    low, high = deepest(world)[:2]
    admit, refused = Commons.admit, list[PeerId]()

    def once(commons: Commons, peer: PeerId, work: Work, cost: float = 1.0) -> Any:
        if commons is high.peer.commons and peer == low.peerId and work is Work.MEMBERSHIP and cost == COST and not refused:
            refused.append(peer)
            return False
        return admit(commons, peer, work, cost)

    monkeypatch.setattr(Commons, "admit", once)
    low.share(world.document("s/new.txt", "brandnew"))
    world.run(5)
    assert refused and low.peer.summaries.known and low.peer.tree.parent == high.peerId


def test_theNumbersOfWhatIsPruned() -> None:
    """They count; a term that may be there is taken to be as frequent as elsewhere; who is named twice is noticed."""
    account = Account()
    account.answeredBy[b"0" * 8] = None
    account.count(10, 100, {"dawn": 4, "dusk": 1}, 1)
    account.prune(Proof([b"1" * 8, b"2" * 8], Numbers(30, 500, 7), ["dawn"]))
    assert (account.documents, account.length, account.balance, account.prunedCopies) == (40, 600, 7, 1)
    assert account.eachOnce and account.statistics(["dawn", "dusk"]).frequencies == (16, 1)
    whole = Account()
    whole.add(account.receipt())
    assert whole.receipt() == account.receipt()
    whole.add(Receipt(answeredBy=b"3" * 8, prunedNames=b"2" * 8))
    assert not whole.eachOnce
    other = Account()
    other.add(Receipt(answeredBy=b"1" * 8))
    other.prune(Proof([b"1" * 8], Numbers(), []))
    assert not other.eachOnce
    assert statisticsOf(Receipt(documents=5, frequencies={"a": 3}, unknown={"a": 5}), ["a"]).frequencies == (3,)


def test_acknowledgedByStrangers() -> None:
    """An acknowledgement of what was never told, or by somebody else, says nothing."""
    world = network(2, 5, 0, 2)
    settle(world)
    low = deepest(world)[0]
    giving = low.peer.summaries._serving.giving
    before = giving.acknowledged
    for one in world.superPeers():
        link = low.peer.links.get(one.peerId)
        if link is not None:
            low.peer.summaries._acknowledged(link, SummaryAcknowledged(giving.version + 5))
    assert giving.acknowledged == before
