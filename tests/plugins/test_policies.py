"""The small policies: beta, neutral, tokens, unlimited, flood, summary, fittest, appointed."""

import random
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from overlay.errors import StoreFull, UsageError
from overlay.identity.ids import PeerId, idText
from overlay.interfaces import POINTS
from overlay.policy import PolicySurroundings, findPlugins
from overlay.questions import (
    Candidate,
    Claim,
    Deed,
    Formula,
    HeadRoom,
    Load,
    NeighbourView,
    Progress,
    RowView,
    Standing,
    Work,
)
from overlay.storage import MemoryStorage, MemoryTable
from overlay.wire.statements import Capacity

ME, OTHER = PeerId(b"m" * 20), PeerId(b"o" * 20)


def build(point: str, name: str, clock: Clock | None = None, storage: Any = None, **arguments: str) -> Any:
    surroundings = PolicySurroundings(clock or Clock(), random.Random(1), ME, storage or MemoryStorage())
    policy = findPlugins().find(point, name).plugin.build(surroundings, arguments)
    assert verifyObject(POINTS[point], policy)
    return policy


# --- beta -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(list(Deed)), max_size=100))
def test_trustIsBetweenNoneAndFull(deeds: list[Deed]) -> None:
    """Whatever a peer does, its trust stays between 0 and 1; good deeds never lower it, bad ones never raise it."""
    beta = build("reputation", "beta")
    before = 0.5
    for deed in deeds:
        beta.observed(OTHER, deed, 1.0)
        score = beta.trust(OTHER).score
        assert 0 < score < 1
        bad = deed.name in ("LATE", "LINK_LOST", "GARBAGE", "FORGED_RECORD", "FORGED_HIT", "FORGED_STATEMENT", "BAD_MANDATE",
                            "DOUBLE_VOTE", "OVER_BUDGET", "CONTENT_MISMATCH", "STALE_RECORD")
        assert score <= before + 1e-9 if bad else score >= before - 1e-9
        before = score


def test_evidenceFadesAndLasts() -> None:
    """Evidence loses half its weight in a half-life, and outlives a restart."""
    clock, storage = Clock(), MemoryStorage()
    beta = build("reputation", "beta", clock, storage, half_life="100")
    beta.observed(OTHER, Deed.FORGED_RECORD, 1.0)
    assert beta.trust(OTHER).score == pytest.approx(1 / 6)
    clock.advance(100)
    assert beta.trust(OTHER).score == pytest.approx(1 / 4)
    beta.observed(OTHER, Deed.REGISTERED, 2.0)
    beta.close()
    again = build("reputation", "beta", clock, storage, half_life="100")
    verdict = again.trust(OTHER)
    assert verdict.score == pytest.approx(2 / 5)
    assert {one.name: one.value for one in verdict.reasons}[str(Deed.FORGED_RECORD)] == 1
    assert again.trust(ME).score == 0.5


def test_betaSaysTheSameForAWhile() -> None:
    """What it has said stands until there is more evidence, or what there is has lost some of its weight."""
    clock = Clock()
    beta = build("reputation", "beta", clock, half_life="1e6")
    beta.observed(OTHER, Deed.FORGED_RECORD, 1.0)
    said = beta.trust(OTHER)
    clock.advance(0.5)
    assert beta.trust(OTHER) is said
    clock.advance(1.0)
    assert beta.trust(OTHER) is not said and beta.trust(OTHER).score > said.score
    said = beta.trust(OTHER)
    beta.observed(OTHER, Deed.REGISTERED, 1.0)
    assert beta.trust(OTHER).score > said.score + 0.01
    assert {one.name: one.value for one in beta.trust(OTHER).reasons}["good evidence"] == 0.5


def test_betaIsBounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many peers those of whom least is known are forgotten; a full disk is borne."""
    import overlay.plugins.beta as module

    monkeypatch.setattr(module, "REMEMBERED", 20)
    storage = MemoryStorage()
    beta = build("reputation", "beta", storage=storage)
    beta.observed(OTHER, Deed.FORGED_HIT, 1.0)
    for number in range(100):
        beta.observed(PeerId(number.to_bytes(20, "big")), Deed.LATE, 1.0)
    assert len(beta._evidence) <= 20 and beta.trust(OTHER).score < 0.3
    storage.table("reputation").put(b"x" * 20, b"garbage")
    assert build("reputation", "beta", storage=storage).trust(PeerId(b"x" * 20)).score == 0.5

    def full(table: object, rows: object) -> None:
        raise StoreFull("disk")

    monkeypatch.setattr(MemoryTable, "putMany", full)
    beta.close()


def test_neutral() -> None:
    """Neutral trusts everybody whatever they do."""
    neutral = build("reputation", "neutral")
    neutral.observed(OTHER, Deed.FORGED_HIT, 9.0)
    assert neutral.trust(OTHER).score == 1.0


# --- tokens ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 30)), max_size=60), st.floats(0, 1))
def test_neverMoreThanTheRate(asked: list[tuple[float, float]], trust: float) -> None:
    """Over any time no more is admitted than the burst and the rate allow, but for one costly piece of work."""
    clock = Clock()
    tokens = build("rate-limit", "tokens", clock, query="2", burst="5", ban="0")
    admitted = worst = 0.0
    for pause, cost in asked:
        clock.advance(pause)
        verdict = tokens.ask(OTHER, Work.QUERY, cost, trust)
        if verdict:
            admitted += cost
            worst = max(worst, cost)
        else:
            assert verdict.wait > 0
        assert admitted <= 10 + 2 * clock.seconds() + worst + 1e-6


def test_waitsAreTrue() -> None:
    """Who waits as long as it was told is admitted; distrust slows the refill."""
    for trust, rate in ((1.0, 2.0), (0.0, 0.5)):
        clock = Clock()
        tokens = build("rate-limit", "tokens", clock, query="2", burst="1")
        assert tokens.ask(OTHER, Work.QUERY, 2.0, trust) and not tokens.ask(OTHER, Work.QUERY, 1.0, trust)
        wait = tokens.ask(OTHER, Work.QUERY, 1.0, trust).wait
        assert wait == pytest.approx(1 / rate)
        clock.advance(wait + 0.001)
        assert tokens.ask(OTHER, Work.QUERY, 1.0, trust)


def test_abuseIsBanned() -> None:
    """Who goes on asking after refusals is refused for longer, twice as long each time, and told so."""
    clock = Clock()
    tokens = build("rate-limit", "tokens", clock, query="1", burst="1", ban="10")
    for _ in range(60):
        last = tokens.ask(OTHER, Work.QUERY, 1.0, 1.0)
    assert last.wait == pytest.approx(10) and last.reasons[0].name == "banned for abuse"
    assert any(one.name == "banned for abuse" for one in tokens.budget(OTHER))
    clock.advance(11)
    assert tokens.ask(OTHER, Work.QUERY, 1.0, 1.0)
    assert not any(one.name == "banned for abuse" for one in tokens.budget(ME))


def test_aBucketIsNeverMoreThanFull() -> None:
    """Whoever was idle for long may do no more at once than anybody, and a clock that goes back gives and takes nothing."""
    clock = Clock()
    tokens = build("rate-limit", "tokens", clock, query="2", burst="5", ban="0")
    assert all(tokens.ask(OTHER, Work.QUERY, 1.0, 1.0) for _ in range(8))
    clock.advance(20)
    assert sum(bool(tokens.ask(OTHER, Work.QUERY, 1.0, 1.0)) for _ in range(30)) == 10
    clock.advance(2)
    assert tokens.ask(OTHER, Work.QUERY, 1.0, 1.0)
    clock.rightNow -= 1.5
    assert [bool(tokens.ask(OTHER, Work.QUERY, 1.0, 1.0)) for _ in range(4)] == [True, True, True, False]


def test_tokensAreBounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets of strangers do not pile up."""
    import overlay.plugins.tokens as module

    monkeypatch.setattr(module, "REMEMBERED", 20)
    clock = Clock()
    tokens = build("rate-limit", "tokens", clock)
    for number in range(100):
        tokens.ask(PeerId(number.to_bytes(20, "big")), Work.LINK, 1.0, 1.0)
        clock.advance(200 if number == 50 else 0)
    assert all(len(buckets) <= 20 for buckets in tokens._buckets.values())
    for wrong in ({"query": "0"}, {"burst": "-1"}, {"query": "fast"}, {"speed": "1"}):
        with pytest.raises(UsageError):
            build("rate-limit", "tokens", **wrong)


def test_unlimited() -> None:
    """Unlimited admits all."""
    unlimited = build("rate-limit", "unlimited")
    assert unlimited.ask(OTHER, Work.QUERY, 1e9, 0.0) and len(unlimited.budget(OTHER)) == len(Work)


def test_summary() -> None:
    """Along the tree, but for branches that are proved empty; what proves nothing is among the reasons."""
    peers = [PeerId(bytes([number]) * 20) for number in range(6)]
    views = [
        NeighbourView(peers[0], None),
        NeighbourView(peers[1], None, tree=True, below=True, mayMatch=False),
        NeighbourView(peers[2], None, tree=False, mayMatch=False),
        NeighbourView(peers[3], None, tree=True, below=True, doubt="its filter is full"),
        NeighbourView(peers[4], None),
        NeighbourView(peers[5], None, tree=True, below=True, mayMatch=False),
    ]
    progress = Progress(b"q" * 16, "dawn", None, 10, 0, 0.0, 5.0, views, frozenset(peers[4:]), frozenset(), 0)
    route = build("router", "summary").next(progress)
    assert (list(route.ask), list(route.pruned), route.stop) == ([peers[0], peers[3]], [peers[1]], True)
    assert [(one.name, one.value) for one in route.reasons] == [
        ("neighbours that may lead to matches", 2), ("branches proved empty", 1), ("its filter is full", True),
    ]


def test_flood() -> None:
    """Flood asks everybody who was not asked yet."""
    views = [NeighbourView(PeerId(bytes([number]) * 20), None) for number in range(4)]
    progress = Progress(b"i", "x", None, 5, 0, 0.0, 1.0, views, frozenset({views[1].peerId}), frozenset(), 0)
    route = build("router", "flood").next(progress)
    assert list(route.ask) == [views[number].peerId for number in (0, 2, 3)] and route.stop


def test_tree() -> None:
    """Tree asks over the links that are awake; a silent one is neither asked nor said to be pruned. More are asked if one is lost."""
    views = [NeighbourView(PeerId(bytes([number]) * 20), None, tree=number != 2) for number in range(4)]
    progress = Progress(b"i", "x", None, 5, 0, 0.0, 1.0, views, frozenset({views[1].peerId}), frozenset(), 0)
    assert not build("router", "tree").next(progress).ask
    progress = msgspec.structs.replace(progress, lost=1)
    route = build("router", "tree").next(progress)
    assert list(route.ask) == [views[number].peerId for number in (0, 3)]
    assert (route.pruned, route.stop, route.wait, route.announce) == ((), False, 0.0, True)
    assert not build("router", "flood").next(progress).announce


# --- fittest and appointed ------------------------------------------------------------------------------------------


def load(registrations: int, *others: int, serving: float = 1e6, since: float = 1e6) -> Load:
    return Load(ME, registrations, serving, others, since, True)


@pytest.mark.parametrize(
    ("registrations", "others", "calls", "admits", "resigns"),
    [
        (0, (), False, True, False), (1, (), False, True, False), (2, (), True, True, False), (100, (50,), False, True, False),
        (125, (100,), True, True, False), (125, (90,), True, True, False), (125, (70,), False, True, False),
        (125, (10, 10), False, True, False),
        (200, (200,), True, False, False), (74, (20, 20), False, True, False), (20, (74, 20), False, True, True),
        (74, (90, 90), False, True, False), (10, (10,), False, True, False),
        (75, (0, 0), False, True, False), (0, (75, 0), False, True, True),
        (100, (100,) * 9, False, True, False), (109, (108,) * 8 + (120,), False, True, False), (112, (110,) * 19, True, True, False),
        (109, (110,) * 19, False, True, False), (74, (76,) * 19, False, True, True), (70, (97,) * 19, False, True, False),
    ],
)
def test_theLoadDecides(registrations: int, others: tuple[int, ...], calls: bool, admits: bool, resigns: bool) -> None:
    """
    125 calls unless there is room elsewhere, 200 refuses; where the whole load asks for more, or for clearly fewer, those who carry
    most call, and those who carry least resign, so many as it takes and never below two.
    """
    fittest = build("election", "fittest")
    carried = load(registrations, *others)
    said = (fittest.shouldCall(carried), fittest.admits(carried), fittest.shouldResign(carried))
    assert tuple(map(bool, said)) == (calls, admits, resigns)
    fresh = load(registrations, *others, serving=1.0, since=1.0)
    assert not fittest.shouldCall(fresh) and not fittest.shouldResign(fresh)


@pytest.mark.parametrize(
    ("others", "vain", "room", "admits"),
    [
        ((), 0, None, False), ((), 1, None, True), ((200, 300), 2, None, True), ((200, 199), 2, None, False),
        ((), 1, HeadRoom(40_000_000, 100), True), ((), 1, HeadRoom(memory=1000), False), ((), 1, HeadRoom(descriptors=3), False),
    ],
)
def test_beyondTheLimit(others: tuple[int, ...], vain: int, room: HeadRoom | None, admits: bool) -> None:
    """More are taken if nobody else has room and no other could be elected, as long as the machine bears it; each reason is told."""
    fittest = build("election", "fittest")
    circumstances = standing(serving=True, dialable=False, headRoom=room) if room is not None else None
    verdict = fittest.admits(attrs.evolve(load(200, *others), vain=vain, standing=circumstances))
    assert bool(verdict) == admits == all(one.holds for one in verdict.reasons)
    assert {"registrations", "other super-peers with room", "seats called in vain"} <= {one.name for one in verdict.reasons}


def standing(**changes: Any) -> Standing:
    fields = {
        "peerId": ME, "dialable": None, "uptime": 10.0, "capacity": Capacity(0, 10**9, 1000, 10), "liveSuperPeers": 0,
        "reversals": 0, "servedBefore": False, "alone": False,
    }
    return Standing(**{**fields, **changes})


def test_patience() -> None:
    """Who is alone does not wait, who served before hardly, and of the others the more capable less."""
    fittest = build("election", "fittest")
    assert fittest.patience(standing(alone=True)).score == 0
    assert fittest.patience(standing(servedBefore=True)).score < 5
    weak = fittest.patience(standing(capacity=Capacity(), uptime=0.0)).score
    strong = fittest.patience(standing(capacity=Capacity(0, 10**11, 10**6, 10**6), uptime=1e6)).score
    assert 60 <= strong < weak <= 90


def test_whoMayServe() -> None:
    """Every criterion is told with its value; one that fails is enough."""
    fittest = build("election", "fittest")
    assert fittest.mayServe(standing()) and fittest.mayServe(standing(alone=True, dialable=False))
    for changes in ({"dialable": False}, {"headRoom": HeadRoom(memory=1000)}, {"headRoom": HeadRoom(10**9, 100)}):
        verdict = fittest.mayServe(standing(**changes))
        assert not verdict and sum(not one.holds for one in verdict.reasons) == 1
    # One that serves has most of what it needs; and where nothing can be measured, nothing speaks against it.
    assert fittest.mayServe(standing(headRoom=HeadRoom(40_000_000, 100), serving=True)) and fittest.mayServe(standing())
    assert not fittest.mayServe(standing(headRoom=HeadRoom(40_000_000, 10), serving=True))


@pytest.mark.parametrize("short", [{"dialable": False}, {"headRoom": HeadRoom(memory=1000)}, {"headRoom": HeadRoom(descriptors=3)}])
def test_whoIsShortResigns(short: dict[str, Any]) -> None:
    """Whatever its load, if there is another; the last one stays."""
    fittest = build("election", "fittest")
    well, ill = standing(serving=True), standing(serving=True, **short)
    assert not fittest.shouldResign(attrs.evolve(load(100, 100), standing=well))
    verdict = fittest.shouldResign(attrs.evolve(load(100, 100), standing=ill))
    assert verdict and [one.holds for one in verdict.reasons] == [False, True]
    assert not fittest.shouldResign(attrs.evolve(load(100), standing=ill))


def candidate(**changes: Any) -> Candidate:
    fields = {"peerId": OTHER, "linked": 100.0, "known": 100.0, "rtt": 0.01, "dialable": True, "trust": 0.6, "claims": Capacity()}
    return Candidate(**{**fields, **changes})


def test_fitness() -> None:
    """Longer here, nearer, more trusted is fitter; who cannot be dialled or trusted is not fit at all; claims do not count."""
    fittest = build("election", "fittest")
    plain = fittest.fitness(candidate()).score
    for better in (
        {"known": 1000.0}, {"rtt": 0.001}, {"trust": 0.9}, {"earlier": 5, "lasted": 7200.0}, {"throughput": 1e7},
    ):
        assert fittest.fitness(candidate(**better)).score > plain
    for worse in ({"dialable": False}, {"trust": 0.1}, {"rtt": 5.0}):
        assert not fittest.fitness(candidate(**worse)) and not fittest.vote(candidate(**worse))
    for worse in ({"earlier": 3, "lasted": 10.0}, {"throughput": 500.0}, {"known": 0.0, "linked": 0.5, "first": 0.5}):
        verdict = fittest.fitness(candidate(**worse))
        assert not verdict and sum(not one.holds for one in verdict.reasons) == 1 and fittest.vote(candidate(**worse))
    assert fittest.fitness(candidate(earlier=2, lasted=10.0))
    assert fittest.fitness(candidate(claims=Capacity(10**9, 10**12, 10**6, 10**8))).score == plain
    assert fittest.vote(candidate()) and not fittest.fitness(candidate(rtt=None))


def test_whoIsRecognised() -> None:
    """With a mandate, as an heir, or while there are fewer than three mandates."""
    fittest = build("election", "fittest")
    table = [((True, False, 9), True), ((False, True, 9), True), ((False, False, 2), True), ((False, False, 3), False)]
    for (mandated, heir, live), known in table:
        assert bool(fittest.recognises(Claim(OTHER, mandated, heir, "", live))) == known
    with pytest.raises(UsageError):
        build("election", "fittest", low="2")


def test_appointed() -> None:
    """Only those who are named serve, are voted for and recognised."""
    appointed = build("election", "appointed", peers=idText(OTHER))
    mine = build("election", "appointed", me="yes", most="3")
    assert not appointed.mayServe(standing()) and mine.mayServe(standing()) and mine.patience(standing()).score == 0
    assert appointed.fitness(candidate()) and appointed.vote(candidate()) and not mine.vote(candidate())
    assert appointed.recognises(Claim(OTHER, False, False, "", 9)) and not appointed.recognises(Claim(ME, True, False, "", 9))
    assert appointed.shouldResign(load(1)) and not mine.shouldResign(load(1)) and not mine.shouldCall(load(999))
    assert mine.admits(load(2)) and not mine.admits(load(3))
    for wrong in ({}, {"peers": "nonsense"}):
        with pytest.raises(UsageError):
            build("election", "appointed", **wrong)


# --- ranking ---------------------------------------------------------------------------------------------------------


def row(score: float, owners: int = 1, trust: float = 0.5, modified: int = 0) -> RowView:
    return RowView(score, 10, "text/plain", modified, "s/a.txt", owners, trust)


@pytest.mark.parametrize(
    ("arguments", "view", "expected"),
    [
        ({}, row(3.0, 9, 0.1), 3.0),
        ({"trust": "0.05"}, row(3.0, 9, 0.5), 3.0),
        ({"trust": "0.1"}, row(3.0, 9, 1.0), 3.15),
        ({"trust": "0.1"}, row(3.0, 9, 0.0), 2.85),
        ({"availability": "0.1"}, row(3.0, 1), 3.0),
        ({"availability": "0.1"}, row(3.0, 4), 3.225),
        ({"trust": "0.1", "availability": "0.1"}, row(3.0, 2, 1.0), 3.3),
    ],
)
def test_trustAndAvailabilityCountALittle(arguments: dict[str, str], view: RowView, expected: float) -> None:
    """The score of a row is the documented function of its fit, its owners and their trust, with every part as a reason."""
    verdict = build("ranking", "bm25", **arguments).score(view)
    assert verdict.score == pytest.approx(expected) and len(verdict.reasons) == 1 + len(arguments)


def test_formulas() -> None:
    """Each ranking says by what the super-peers choose."""
    assert build("ranking", "bm25").formula() == Formula("bm25", 1.2, 0.75)
    assert build("ranking", "bm25", k1="2", b="0.5").formula() == Formula("bm25", 2.0, 0.5)
    assert build("ranking", "newest").formula().order == "newest"
    assert build("ranking", "newest").score(row(1.0, modified=77)).score == 77.0


@pytest.mark.parametrize("wrong", [{"b": "0"}, {"k1": "-1"}, {"trust": "2"}, {"availability": "-0.1"}])
def test_wrongPartsOfARanking(wrong: dict[str, str]) -> None:
    """An argument that is out of bounds is refused by name."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        build("ranking", "bm25", **wrong)
