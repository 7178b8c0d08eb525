"""What is seen of a population, and what is made of it."""

import math
from typing import Any

import pytest

from overlay.identity.ids import PeerId
from overlay.lab.experiment import Measured
from overlay.lab.population import Member, Plan, Population
from overlay.lab.sessions import Fixed, Trace
from overlay.lab.shares import Shares
from overlay.lab.survey import BUDGET, SETTLED_AFTER, Survey, recovery
from overlay.lab.world import World
from overlay.search.searches import Searches

FOREVER = Fixed(math.inf)


def surveyed(peers: int, sessions: Any = FOREVER, every: float = 5.0, **changes: Any) -> Survey:
    """A survey of a population that has begun: all share, all are dialable, and one group has them all."""
    shares = Shares(sharers=1.0, files=2.0, items=100, zipf=1.0, groups=1)
    measured = Measured()
    world = measured.world(5, codec="none")
    plan = Plan(**{"peers": peers, "sessions": sessions, "shares": shares, "dialable": 1.0, **changes})
    survey = Survey(Population(world, plan), measured, every)
    survey.population.begin()
    return survey


def worldOf(survey: Survey) -> World:
    return survey.population.world


def recallNow(survey: Survey) -> float:
    """Of one search that begins now."""
    survey.searchForRecall()
    survey.finish()
    return survey.recalls[-1][1]


@pytest.mark.parametrize(("recalls", "since", "bound", "expected"), [
    ([], 0, 0.9, None),
    ([(10, 1), (20, 1), (30, 1)], 10, 1.0, 0),
    ([(10, 1), (20, 1), (29, 1)], 10, 1.0, None),  # not long enough to be sure
    ([(0, 0), (10, 0.5), (20, 0.99), (30, 1), (40, 1)], 0, 0.99, 20),
    ([(0, 0), (10, 0.5), (20, 0.99), (30, 1), (50, 1)], 0, 1.0, 30),
    ([(0, 1), (10, 0.5), (20, 1), (40, 1)], 0, 1.0, 20),  # a lucky search is not the end
    ([(5, 1), (10, 1), (15, 0), (20, 1), (45, 1)], 5, 1.0, 15),
    ([(0, 1), (25, 0), (30, 1), (50, 1)], 0, 1.0, 0),  # what comes after it has lasted is another matter
    ([(0, 1), (5, 1), (20, 0.2), (41, 1), (61, 1)], 5, 0.9, 36),
    ([(40, 1), (10, 0), (20, 1), (30, 1)], 10, 0.9, 10),  # slow searches end late
    ([(10, 1), (20, 1), (40, 1)], 15, 0.9, 5),
    ([(0, 0.2), (30, 0.3)], 0, 0.9, None),
])
def test_recovery(recalls: list[tuple[float, float]], since: float, bound: float, expected: float | None) -> None:
    """The first search after which none was below the bound for twenty seconds, counted from the disaster."""
    assert recovery(recalls, since, bound) == expected


@pytest.mark.no_cover
def test_theOrphanedCount() -> None:
    """Owners that no super-peer holds lower recall, as long as they live."""
    survey = surveyed(12)
    world = worldOf(survey)
    world.run(SETTLED_AFTER + 20)
    assert recallNow(survey) == 1
    leaves = [one for one in survey.population if not one.peer.isSuper]
    lost, gone = leaves[:3], leaves[3]
    world.net.partition([], [one.peerId for one in lost])
    world.run(600.0)
    homes = [one for one in survey.population if one.peer.isSuper and one not in lost]
    assert homes and all(one.peerId not in home.peer.peer.links for home in homes for one in lost)
    # Whoever the chance lets search that is cut off finds only itself and those with it.
    values = {recallNow(survey) for _ in range(30)}
    assert max(values) == 9 / 12 and values <= {9 / 12, 3 / 12, 2 / 12, 1 / 12, 0.0}
    survey.population.end(gone, "orderly")
    world.run(5.0)
    assert max(recallNow(survey) for _ in range(12)) == 8 / 11


def test_theYoungDoNotCount() -> None:
    """Who has been alive for less than a minute is neither looked for nor asked."""
    born = 100.0
    survey = surveyed(0, Trace((*[(-500.0, 1e6)] * 6, (born, 1e6), (born, 1e6))))
    world = worldOf(survey)
    world.run(born - 1)
    # They are cut off from the first moment, so a search that looks for them does not find them.
    young: list[PeerId] = []

    def came(member: Member) -> None:
        young.append(member.peerId)
        world.net.partition([], young)

    survey.population.came.append(came)
    world.run(2.0)
    assert len(young) == 2 and len(survey.population) == 8
    asked: set[PeerId] = set()
    search = Searches.search

    def noted(searches: Searches, *args: Any, **more: Any) -> Any:
        asked.add(searches.commons.peerId)
        return search(searches, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Searches, "search", noted)
        assert {recallNow(survey) for _ in range(10)} == {1.0}
        assert len(asked) > 1 and not asked & set(young)
        world.run(SETTLED_AFTER)
        assert max(recallNow(survey) for _ in range(10)) == 6 / 8


def test_nobodyCanSearch() -> None:
    """Where no owner has a home, recall is nothing, and is not left out."""
    survey = surveyed(6)
    worldOf(survey).run(SETTLED_AFTER)
    worldOf(survey).net.partition([one.peerId for one in survey.population if one.peer.isSuper])
    for one in [one for one in survey.population if one.peer.isSuper]:
        survey.population.end(one, "reset")
    survey.searchForRecall()
    assert survey.recalls == [(SETTLED_AFTER, 0.0)] and survey.idle


def test_attackersNeitherSearchNorCount() -> None:
    """Recall is what the honest find of the honest."""
    survey = surveyed(10)
    world = worldOf(survey)
    world.run(SETTLED_AFTER + 10)
    wrong = [one for one in survey.population if not one.peer.isSuper][:2]
    for one in wrong:
        one.attacks = True
    world.net.partition([], [one.peerId for one in wrong])
    world.run(400.0)
    assert {recallNow(survey) for _ in range(10)} == {1.0}


def test_trafficIsWhatWasSent() -> None:
    """In a world of three the figures are the peers' own counts over the seconds that they lived; searches are left out."""
    survey = surveyed(3)
    world = worldOf(survey)
    survey.start()
    world.run(100.0)

    def messages(serving: bool) -> int:
        return sum(
            value for one in survey.population if one.peer.isSuper == serving
            for key, value in one.peer.peer.commons.tally.counts.items()
            if key[0] == "messages" and key[1] not in ("query", "hits", "done", "cancel")
        )

    survey.restart()
    survey.counts = True
    before = {serving: messages(serving) for serving in (True, False)}
    world.run(60.0)
    survey.figures()
    figures = survey.measured.figures
    supers = len(world.superPeers())
    assert 1 <= supers < 3
    assert figures["messages_per_super_peer_second"] == pytest.approx((messages(True) - before[True]) / 60 / supers)
    assert figures["messages_per_leaf_second"] == pytest.approx((messages(False) - before[False]) / 60 / (3 - supers))
    assert messages(True) > before[True] and figures["role_changes_per_peer_hour"] == 0
    searches = sum(one.peer.peer.commons.tally.get("messages", "query", "in") for one in survey.population)
    assert searches > 0
    assert (figures["peers"], figures["peers_min"], figures["super_peers"]) == (3, 3, supers)
    assert (figures["recall"], figures["leaves_fully_homed"]) == (1, 1)


def test_trafficOfThoseWhoLeave() -> None:
    """What they did since the last look counts, and only the seconds that they lived."""
    survey = surveyed(3, every=1000.0)
    world = worldOf(survey)
    survey.start()
    world.run(100.0)
    survey.restart()
    survey.counts = True
    leaf = next(one for one in survey.population if not one.peer.isSuper)
    tally = leaf.peer.peer.commons.tally
    before = tally.total("messages")
    world.run(30.0)
    survey.population.end(leaf, "reset")
    survey.figures()
    sent = tally.total("messages") - before
    assert sent > 0 and survey.measured.figures["messages_per_leaf_second"] == pytest.approx(sent / 30)


def test_whatWasBeforeDoesNotCount() -> None:
    """A search that was under way at a restart is in no series and no figure; while they come to their end no others begin."""
    survey = surveyed(8, every=5.0)
    world = worldOf(survey)
    survey.start()
    world.run(SETTLED_AFTER + 30)
    silent = [one for one in survey.population if one.peer.isSuper]
    assert world.time.seconds() % 5 == 0
    world.net.partition([], [one.peerId for one in silent])
    survey.counts = True
    survey.searchForRecall()
    assert not survey.idle
    survey.restart()
    began = world.time.seconds()
    survey.finish()
    assert survey.idle and world.time.seconds() - began <= 2 * BUDGET
    assert survey.recalls == [] and survey.measured.series["recall"][-1][0] < began
    assert survey.measured.series["peers"][-1][0] <= began
    survey.figures()
    assert "recall" not in survey.measured.figures
    world.run(5.0)
    assert survey.measured.series["peers"][-1][0] > began


def test_homes() -> None:
    """A leaf is homed where a living super-peer holds all of it."""
    survey = surveyed(9, every=1000.0)
    world = worldOf(survey)
    world.run(SETTLED_AFTER + 10)
    serving = [one for one in survey.population if one.peer.isSuper]
    leaf = next(one for one in survey.population if not one.peer.isSuper)
    assert {one.number for one in survey.homesOf(leaf)} <= {one.number for one in serving} and survey.homesOf(leaf)
    assert survey.homesOf(serving[0]) == [serving[0]]
    settled, homed = survey._homed(len(serving))
    assert settled == homed == 9 - len(serving)
    for one in serving:
        survey.population.end(one, "silent")
    assert survey.homesOf(leaf) == []
    assert survey._homed(1) == (settled, 0)
