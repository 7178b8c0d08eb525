"""Who lives in the lab: peers that come, stay and go; and what they have of the time before the beginning."""

import hashlib
import itertools
import math
import random
import statistics
from types import SimpleNamespace
from typing import Any

import pytest

from overlay.errors import UsageError
from overlay.identity.ids import PeerId
from overlay.lab import population as room
from overlay.lab.attackers import ATTACKS
from overlay.lab.founding import superPeersFor
from overlay.lab.past import PastStorage
from overlay.lab.population import JOINING, Member, Plan, Population
from overlay.lab.sessions import Fixed, ISessions, Trace, Weibull
from overlay.lab.shares import Shares, groupsFor
from overlay.lab.time import VirtualTime
from overlay.lab.world import EPOCH, World
from overlay.membership.met import Met
from overlay.roles.mandate import GENESIS, checkMandate, electorateOf, majorityOf
from overlay.settings import Settings
from overlay.storage import MemoryStorage
from overlay.wire.statements import Nomination, contentOf
from tests.index.material import identity
from tests.index.surroundings import commonsOf

FOREVER = Fixed(math.inf)


def planOf(peers: int, sessions: "ISessions | Trace" = FOREVER, **changes: Any) -> Plan:
    shares = Shares(sharers=0.5, files=3.0, items=500, zipf=1.0, groups=groupsFor(peers, 0.5))
    return Plan(**{"peers": peers, "sessions": sessions, "shares": shares, **changes})


def populated(peers: int, sessions: "ISessions | Trace" = FOREVER, seed: int = 1, spec: str = "fittest", **changes: Any) -> Population:
    """A population in a world of its own; it has not begun."""
    world = World(seed, codec="none", specs={"election": spec})
    return Population(world, planOf(peers, sessions, **changes))


# --- who comes, and when: with peers that do nothing ---------------------------------------------------------------


class Idler:
    """Stands for a peer of the lab where only its comings and goings matter."""

    def __init__(self, number: int, dialable: bool) -> None:
        self.peerId = PeerId(hashlib.sha1(b"%d" % number).digest())
        self.name = f"peer{number}"
        self.address = f"10.0.0.1:{number}"
        self.dialable = dialable
        self.running = False
        self.bootstrap: list[str] = []
        self.storage = MemoryStorage()
        self.peer = SimpleNamespace(membership=SimpleNamespace())
        self.shared: list[str] = []
        self.ended: list[str] = []

    def start(self) -> None:
        self.running = True
        self.storage.table("boot").put(b"boot", b"1")

    def share(self, *documents: Any) -> None:
        self.shared = [one.location for one in documents]

    def _end(self, how: str) -> None:
        self.running = False
        self.ended.append(how)

    def leave(self) -> None:
        self._end("orderly")

    def kill(self) -> None:
        self._end("reset")

    def crash(self) -> None:
        self._end("silent")


class Idle:
    """Stands for their world."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.time = VirtualTime()
        self.settings = Settings()
        self.peers: dict[str, Idler] = {}

    def add(self, name: str, dialable: bool, start: bool, makePeer: Any) -> Idler:
        peer = self.peers[name] = Idler(int(name.removeprefix("peer")), dialable)
        return peer


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes populations of idlers, of which none is a super-peer."""
    monkeypatch.setattr(room, "found", lambda *ignored: [])

    def make(peers: int, sessions: "ISessions | Trace", seed: int = 1, **changes: Any) -> Population:
        return Population(Idle(seed), planOf(peers, sessions, **changes))  # type: ignore[arg-type]

    return make


@pytest.mark.no_cover
@pytest.mark.parametrize("sessions", [Weibull(0.5, 600.0), Weibull(1.0, 600.0), Fixed(600.0)], ids=str)
def test_theNumberStays(sessions: ISessions, idle: Any) -> None:
    """From the first minute on there are as many as the plan says, give or take what chance does; so many leave as come."""
    population = idle(400, sessions)
    population.begin()
    population.world.time.advance(JOINING)
    assert abs(len(population) - 400) < 4 * 20
    seen = []
    for _ in range(120):
        population.world.time.advance(60.0)
        seen.append(len(population))
    assert statistics.fmean(seen) == pytest.approx(400, rel=0.05)
    assert all(abs(one - 400) < 5 * 20 for one in seen)
    arrivals = 400 * 7230 / 600
    assert abs(population.arrivals - arrivals) < 4 * math.sqrt(arrivals)
    assert population.arrivals - population.departures == pytest.approx(len(population) - 400, abs=40)
    # The youngest and the oldest are as old as in a population that has been here for ever.
    young = sum(population.world.time.seconds() - one.born < 60 for one in population)
    assert abs(young - 60 * 400 / 600) < 60


def test_arrivalsAreAPoissonProcess(idle: Any) -> None:
    """The waits between arrivals have the mean that keeps the number, and vary as much as that."""
    population = idle(100, Fixed(100.0))
    times: list[float] = []
    population.came.append(lambda member: times.append(member.born) if member.born > 0 else None)
    population.begin()
    population.world.time.advance(3000.0)
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert statistics.fmean(waits) == pytest.approx(1.0, rel=0.08)
    assert statistics.stdev(waits) == pytest.approx(1.0, rel=0.12)


def test_howTheyLeave(idle: Any) -> None:
    """By the chances of the plan."""
    population = idle(300, Fixed(100.0), orderly=0.6, vanish=0.25)
    gone: list[Any] = []
    population.left.append(lambda member: gone.append(member.peer))
    population.begin()
    population.world.time.advance(600.0)
    ends = [one.ended for one in gone]
    assert len(ends) == population.departures > 1500 and all(len(one) == 1 for one in ends)
    for how, part in (("orderly", 0.6), ("silent", 0.1), ("reset", 0.3)):
        assert ends.count([how]) / len(ends) == pytest.approx(part, abs=0.04)
    # Of those who are gone nothing is kept.
    assert {one.peer.name for one in population} <= set(population.world.peers)
    assert not {one.name for one in gone} & set(population.world.peers)
    assert all(population.of(one.peerId) is None for one in gone) and all(population.of(one.peerId) is one for one in population)


def test_theReturning(idle: Any) -> None:
    """A part of the arrivals are peers that have been here, with number, address and disk; nobody is here twice."""
    population = idle(100, Fixed(100.0), returning=0.7)
    again: list[Member] = []
    seen: dict[int, Any] = {}

    def came(member: Member) -> None:
        assert member.number not in population.members or population.members[member.number] is member
        if member.number in seen:
            assert seen[member.number] is member.peer and not member.peer.running
            again.append(member)
        seen[member.number] = member.peer

    population.came.append(came)
    population.begin()
    population.world.time.advance(1000.0)
    assert len(again) / population.arrivals == pytest.approx(0.7, abs=0.06)
    assert all(one.owns == bool(one.peer.shared) for one in population)  # type: ignore[attr-defined]


def test_aNight(idle: Any) -> None:
    """All go at once and nobody comes; then all come back with their disks, for what was left of their sessions, and each only once."""
    population = idle(40, Fixed(10_000.0), returning=1.0)
    population.begin()
    time = population.world.time
    time.advance(100.0)
    before = {one.number: (one.peer, one.dies - time.seconds()) for one in population}
    came: list[Member] = []
    population.came.append(came.append)
    population.sleep()
    assert not len(population) and not population.world.peers and not any(peer.running for peer, _ in before.values())
    time.advance(20_000.0)
    assert not came and not len(population)
    awake = time.seconds()
    population.wake(30.0)
    # Whoever comes before anybody is back is told of some that will be.
    early = population._introductions(next(iter(population._asleep)))
    assert early and set(early) <= {peer.address for peer, _ in before.values() if peer.dialable}
    time.advance(30.0)
    back = {one.number: one for one in came if one.number in before}
    assert back.keys() == before.keys() and len(population.world.peers) == len(population) == 40 + len(came) - len(back)
    for number, (peer, left) in before.items():
        member = back[number]
        assert member.peer is peer and peer.running and population.members[number] is member
        assert awake <= member.born <= awake + 30.0 and member.dies == pytest.approx(member.born + left)
    # What they share is on their disks.
    assert all(one.peer.shared for one in population if one.owns)  # type: ignore[attr-defined]
    shortest = min(left for _, left in before.values())
    time.advance(shortest)
    assert any(number not in population.members for number in before)


def test_twoThatDoNotKnowEachOther() -> None:
    """Each side has its own super-peers, and whoever comes is told of its own side alone, as is written on its disk."""
    population = populated(60, dialable=0.6, wanted=10, apart=0.3)
    population.begin()
    population.world.run(40.0)
    far = {one.peerId for one in population if population.isFar(one)}
    assert len(far) == pytest.approx(18, abs=2)
    for member in population:
        others = {known.peerId for known in member.peer.peer.membership}
        assert others and all((one in far) == (member.peerId in far) for one in others)
    for _ in range(20):
        newcomer = population.arrive(dialable=True)
        told = [one for one in population if one.peer.address in newcomer.peer.bootstrap]
        assert len(told) == 2 and all(population.isFar(one) == population.isFar(newcomer) for one in told)


def test_aTraceIsPlayedAsItIs(idle: Any) -> None:
    """Everybody comes and goes at the times of the trace, and nobody else does."""
    rows = ((-50.0, 30.0), (-5.0, -1.0), (-1.0, 100.0), (10.0, 20.0), (15.0, 400.0), (15.0, 16.0))
    population = idle(6, Trace(rows))
    log: list[tuple[float, str, float]] = []
    population.came.append(lambda member: log.append((population.world.time.seconds(), "came", member.born)))
    population.left.append(lambda member: log.append((population.world.time.seconds(), "left", member.born)))
    population.begin()
    population.world.time.advance(200.0)
    came = [entry for entry in log if entry[1] == "came" and entry[2] > 0]
    assert came == [(10.0, "came", 10.0), (15.0, "came", 15.0), (15.0, "came", 15.0)]
    # Those of the beginning look for their homes within half a minute, unless they are gone by then.
    assert sorted(born for when, what, born in log if what == "came" and born <= 0) in ([-50.0, -1.0], [-1.0])
    left = [(when, born) for when, what, born in log if what == "left"]
    assert left == [entry for entry in [(16.0, 15.0), (20.0, 10.0), (30.0, -50.0), (100.0, -1.0)] if entry[1] in {one[2] for one in log}]
    assert [(one.born, one.dies) for one in population] == [(15.0, 400.0)]


def test_theBeginningIsSeeded(idle: Any) -> None:
    """Ages and remaining lives follow from the seed, and are those of sessions that are met at a random moment."""

    def ages(seed: int) -> list[tuple[float, float]]:
        found: list[tuple[float, float]] = []
        population = idle(300, Weibull(0.5, 3600.0), seed)
        population.came.append(lambda member: found.append((member.born, member.dies)) if member.born <= 0 else None)
        population.begin()
        population.world.time.advance(JOINING)
        return found

    assert ages(1) == ages(1) != ages(2)
    # Three times the mean of new ones is met on average for shape 0.5: E[x^2]/E[x] = 6 means.
    assert statistics.median(-born for born, _ in ages(1)) > 3600


def test_nobodyIsChosenByWhatOthersDo(idle: Any) -> None:
    """Whoever else has been ended meanwhile, who comes when, for how long and with what stays the same."""

    def story(meddle: bool) -> list[Any]:
        population = idle(60, Weibull(0.5, 300.0), returning=0.0)
        found: list[Any] = []
        population.came.append(lambda one: found.append((one.number, one.born, one.dies, one.rank, one.owns, one.peer.dialable)))
        population.begin()
        population.world.time.advance(60.0)
        if meddle:
            for member in list(population)[:20]:
                population.end(member, "reset")
        population.world.time.advance(600.0)
        return [one for one in found if one[1] > 60.0]

    assert story(False) == story(True) != []


# --- with real peers -----------------------------------------------------------------------------------------------


def told(population: Population) -> str:
    """All that must not depend on a policy: who came when, for how long, and with what."""
    said: list[str] = []

    def came(member: Member) -> None:
        documents = population.plan.shares.draw(member.number, population._drawn(member.number, "share")) if member.owns else []
        names = " ".join(one.location for one in documents)
        said.append(f"{member.number} {member.peerId.hex()} {member.born!r} {member.dies!r} {member.rank!r} {member.peer.dialable} {names}")

    population.came.append(came)
    population.begin()
    population.world.run(100.0)
    return "\n".join(said)


@pytest.mark.no_cover
def test_thePoliciesDoNotChooseWhoLives() -> None:
    """Under two policies, and in either codec, the very same peers come at the same times with the same shares."""
    one, other = (populated(36, Weibull(0.5, 300.0), 4, spec) for spec in ("fittest", "fittest:wanted=6"))
    said = told(one)
    assert said == told(other) and len(said.splitlines()) > 40
    # They did not do the same.
    assert len(one.world.superPeers()) < len(other.world.superPeers())


def settled(population: Population, seconds: float = 90.0) -> World:
    population.begin()
    population.world.run(seconds)
    return population.world


@pytest.mark.parametrize(("how", "linked"), [("orderly", 0), ("reset", 0), ("silent", 1)])
def test_ends(how: str, linked: int) -> None:
    """After a goodbye or a reset the others know at once, after a silence they do not; and only a goodbye is said."""
    population = populated(12, dialable=1.0, wanted=6)
    world = settled(population)
    leaf = next(one for one in population if not one.peer.isSuper and one.peer.peer.homes.links())
    homes = [population.of(link.peerId) for link in leaf.peer.peer.homes.links()]
    before = [one.peer.peer.commons.tally.get("messages", "goodbye", "in") for one in homes if one is not None]
    population.end(leaf, how)
    world.run(1.0)
    assert [leaf.peerId in one.peer.peer.links for one in homes if one is not None] == [bool(linked)] * len(before)
    after = [one.peer.peer.commons.tally.get("messages", "goodbye", "in") for one in homes if one is not None]
    assert [late - early for early, late in zip(before, after, strict=True)] == [how == "orderly"] * len(before)
    assert leaf.peer.name not in world.peers and not leaf.peer.running
    population.end(leaf, how)
    assert population.departures == 1


def test_whoReturnsHasItsDisk() -> None:
    """Its share is found again without being told anew, by a peer of the same id in its second boot."""
    population = populated(12, Fixed(1e6), dialable=1.0, wanted=6, returning=1.0)
    world = settled(population)
    leaf = next(one for one in population if one.owns and not one.peer.isSuper)
    population.end(leaf, "reset")
    world.run(10.0)
    again = population.arrive()
    assert (again.number, again.peerId, again.peer) == (leaf.number, leaf.peerId, leaf.peer) and again.born > leaf.born
    assert again.peer.peer.commons.boot == 2
    world.run(60.0)
    searcher = next(one for one in population if one is not again)
    about = population.plan.shares.about(leaf.number)
    hits = searcher.peer.search(about.text).hits
    assert again.peerId in {owner for hit in hits for owner in hit.owners}


def test_attackersInAPopulation() -> None:
    """So many as the plan says, of the kind it says."""
    population = populated(60, attackers=0.3, makeAttacker=ATTACKS["boaster"].peer)
    settled(population, JOINING)
    wrong = [one for one in population if one.attacks]
    assert 8 <= len(wrong) <= 28
    assert all(isinstance(one.peer.peer, ATTACKS["boaster"].peer) == one.attacks for one in population)


# --- the time before the beginning ---------------------------------------------------------------------------------


def test_whatIsKnownOfThoseBefore() -> None:
    """A table in which all that were here together have met; what is met later is as in any other."""
    births = {identity(number).peerId: -100.0 * number for number in (1, 2, 3)}
    me, older, younger = (identity(number).peerId for number in (2, 3, 1))
    commons = commonsOf(identity(2), PastStorage(births[me], births))
    commons.now = lambda: EPOCH
    met = Met(commons)
    assert (met.upFor(older), met.upFor(younger), met.upFor(b"x" * 20)) == (200.0, 100.0, 0.0)
    assert older in met and b"x" * 20 not in met
    # The same session again is no news, another boot is.
    met.note(older, 1)
    assert met.upFor(older) == 200.0
    met.note(older, 2)
    assert met.upFor(older) == 0.0
    commons.now = lambda: EPOCH + 30
    assert (met.upFor(older), met.upFor(younger)) == (30.0, 130.0)


def test_howLongHomesKnowTheirLeaves() -> None:
    """At the beginning a home knows a leaf for the age of the younger of both; after a restart of either, from then on."""
    population = populated(30, Weibull(0.5, 3600.0), 2, dialable=1.0, wanted=10, returning=1.0)
    world = settled(population, JOINING + 5)
    now = world.time.seconds()
    pairs = 0
    for home in (one for one in population if one.peer.isSuper):
        for link in home.peer.peer.hosting.leaves():
            leaf = population.of(link.peerId)
            assert leaf is not None
            if leaf.born <= 0:
                known = home.peer.peer.election.observations.candidate(leaf.peerId, link, link.advert.capacity).known  # type: ignore[union-attr]
                assert known == pytest.approx(now - max(home.born, leaf.born), abs=1.0)
                pairs += 1
    assert pairs > 20
    leaf = next(one for one in population if not one.peer.isSuper and one.peer.peer.homes.links())
    population.end(leaf, "reset")
    world.run(5.0)
    again = population._make(world.time.seconds(), math.inf, leaf.number, leaf.peer)
    population._enter(again, population._introductions(again))
    world.run(20.0)
    link = again.peer.peer.homes.links()[0]
    host = population.of(link.peerId)
    assert host is not None and host.peer.peer.membership.met.upFor(again.peerId) <= 20.0


@pytest.mark.parametrize(("peers", "homes", "wanted", "serving"), [
    (2, 2, 100, 1), (100, 2, 100, 2), (10_000, 2, 100, 196), (1000, 1, 9, 100), (5, 8, 1, 4), (1, 2, 100, 1)
])
def test_howManyServe(peers: int, homes: int, wanted: int, serving: int) -> None:
    """So many that each has the registrations that it wants of those who do not serve."""
    assert superPeersFor(peers, homes, wanted) == serving
    if peers >= 1000:
        assert (peers - serving) * homes / serving == pytest.approx(wanted, rel=0.1)


def test_theFirstMandatesAreGood() -> None:
    """
    Every super-peer of the beginning has one that its electors signed and that every other takes; its electorate is that of the seat, and
    at least half of its time is left.
    """
    population = populated(40, dialable=0.5, wanted=8, seed=3, spec="fittest:wanted=8")
    population.begin()
    world = population.world
    serving = [one for one in population if one.peer.isSuper]
    assert len(serving) == superPeersFor(40, 2, 8) > GENESIS
    assert all(one.peer.dialable for one in serving)
    world.run(0.0)
    ids = [one.peerId for one in serving]
    lives = []
    for one in serving:
        advert = one.peer.peer.membership.ownAdvert()
        assert advert.mandate is not None
        checkMandate(world.scheme, world.network.id, advert.mandate, one.peerId, int(EPOCH))
        nomination = contentOf(advert.mandate.nomination, Nomination)
        assert nomination.electorate == electorateOf(world.network.id, one.peerId, 1, nomination.issued, one.peerId, ids)
        assert len(advert.mandate.votes) == majorityOf(nomination.electorate)
        lives.append(nomination.expires - EPOCH)
        for other in serving:
            if other is not one:
                known = other.peer.peer.membership.get(one.peerId)
                assert known is not None and (known.mandated, known.recognised, known.problem) == (True, True, "")
    life = world.settings.mandate
    assert all(life / 2 <= one <= life for one in lives) and len(set(lives)) > 1
    # They are the voters of what comes: some of them die, and others are elected for good.
    world.run(60.0)
    assert all(one.peer.peer.election.state == "mandated" for one in serving)
    for one in serving[:4]:
        population.end(one, "reset")
    world.run(240.0)
    new = [one for one in population if one.peer.isSuper and one.peerId not in ids]
    assert new and all(one.peer.peer.election.state == "mandated" for one in new)


def test_aSmallBeginningHasNoMandates() -> None:
    """Three super-peers need none, as in any network that begins."""
    population = populated(30, wanted=18)
    population.begin()
    serving = [one for one in population if one.peer.isSuper]
    assert len(serving) == GENESIS
    assert all(one.peer.peer.membership.ownAdvert().mandate is None for one in serving)
    assert all(len(one.peer.peer.membership.superPeers()) == GENESIS - 1 for one in serving)


@pytest.mark.no_cover
def test_theMostCapableBegin() -> None:
    """Those serve at the beginning that are capable, and have been here for long."""
    population = populated(80, Weibull(0.5, 3600.0), dialable=1.0, wanted=30)
    population.begin()
    serving = [one for one in population if one.peer.isSuper]
    population.world.run(JOINING)
    rest = [one for one in population if one not in serving]
    assert statistics.fmean(one.rank for one in serving) > statistics.fmean(one.rank for one in rest)
    assert max(one.born for one in serving) < statistics.median(one.born for one in rest)
    capacity = [one.peer.peer.membership.capacity(0.0) for one in serving]
    assert all(one.bandwidth >= population.plan.slowest for one in capacity)


def test_noSuchPlugin() -> None:
    """A policy that is not there is told when the first peer is made."""
    with pytest.raises(UsageError, match="nosuch"):
        populated(3, spec="nosuch").begin()


def test_drawnChance() -> None:
    """Chance for one peer and one matter does not depend on what was drawn before."""
    population = populated(2)
    first = population._drawn(7, "share").random()
    population._drawn(8, "share").random()
    assert population._drawn(7, "share").random() == first != population._drawn(7, "leave").random()
    assert isinstance(population._drawn(7, "share"), random.Random)
