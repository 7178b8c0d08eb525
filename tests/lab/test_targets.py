"""The declared targets of networks in the lab: how they are judged, and the experiments that have them, at small sizes."""

import json
import math
from pathlib import Path
from typing import Any

import attrs
import pytest

from overlay.identity.ids import PeerId
from overlay.lab import campaign as room
from overlay.lab.campaign import TRIALS, Trial, campaign
from overlay.lab.command import lab
from overlay.lab.experiment import Measured, Run, Target
from overlay.lab.experiments.growth import Growth
from overlay.lab.experiments.outage import Held, Outage
from overlay.lab.experiments.partition import Partition
from overlay.lab.experiments.rush import Queue, Rush, overloaded
from overlay.lab.experiments.settle import Selection, Settle, loadFor, medianRank
from overlay.lab.interruption import Interruption
from overlay.lab.measuring import joined, measure
from overlay.lab.plot import plot
from overlay.lab.population import Population
from tests.lab.test_experiments import report
from tests.lab.test_populated import assertShape
from tests.lab.test_survey import surveyed, worldOf

COST = {"wall_seconds": 0.0}


# --- how targets are judged ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "values", "worst"), [
    (Target("x", low=0.9), [1.0, 0.91, 0.95], (2, 0.91)),
    (Target("x", high=30.0), [1.0, 40.0, 31.0], (2, 40.0)),
    (Target("x", low=0.8, high=1.2), [1.0, 0.85, 1.19], (3, 1.19)),
    (Target("x", low=0.8, high=1.2), [0.5, 1.3, 1.0], (1, 0.5)),
    (Target("x", low=0.9), [1.0, None, 0.1], (2, None)),  # what did not come about is worse than anything that did
    (Target("x", low=0.9), [0.95, 0.95], (1, 0.95)),
    (Target("x", high=1.0), [math.nan, 0.5], (1, math.nan)),
])
def test_theWorstSeed(target: Target, values: list[float | None], worst: tuple[int, float | None]) -> None:
    """That is the one furthest on the wrong side of a bound, or nearest to it on the right one."""
    runs = [Run(seed=at, figures={} if value is None else {"x": value}) for at, value in enumerate(values, 1)]
    seed, value = target.worst(runs)
    assert seed == worst[0] and (value == worst[1] or (value is not None and math.isnan(value)))


def test_theWorstSeedCounts() -> None:
    """Of several seeds the worst decides whether a target is met, though the mean would meet it; the report says which it was."""
    runs = [Run(seed=seed, figures={"seconds_to_0.99": value}) for seed, value in ((4, 20.0), (5, 200.0), (6, 30.0))]
    found = joined(Outage(kill=1.0), 4, 3, runs, COST)
    (target,) = found.targets
    assert found.figures["seconds_to_0.99"] < 180 and not found.met
    assert (target["value"], target["seed"], target["met"]) == (200.0, 5, False)
    assert joined(Outage(kill=1.0), 4, 3, [runs[0], runs[2]], COST).met


def test_targetsOfAnOutage() -> None:
    """They depend on how many die, and whether that is told by resets."""

    def wanted(**fields: Any) -> dict[str, float | None]:
        return {one.figure: one.high for one in Outage(**fields).wanted()}

    assert wanted() == {"recall_below_held": 0.0, "seconds_to_0.99": 30.0, "seconds_to_0.995": 90.0}
    assert wanted(silent=True)["seconds_to_0.99"] == 50.0
    assert wanted(kill=1.0) == wanted(kill=1.0, silent=True) == {"seconds_to_0.99": 180.0}


# --- settling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("chosen", "rank"), [
    ([1.0], 0.0), ([0.1], 0.9), ([0.9, 0.1, 1.0], 0.1), ([1.0, 0.8], 0.1), ([0.6, 0.5, 0.5], 0.5), ([0.55], 0.5)
])
def test_medianRank(chosen: list[float], rank: float) -> None:
    """The part of all that can do more than the median super-peer."""
    assert medianRank(chosen, [0.1 * one for one in range(1, 11)]) == pytest.approx(rank)


def test_loadFor() -> None:
    """So many that all registrations of those who do not serve are as many as they aim at."""
    for peers, homes, wanted in ((10_000, 2, 100), (300, 3, 20)):
        serving = loadFor(peers, homes, wanted)
        assert (peers - serving) * homes / serving == pytest.approx(wanted)


def test_whoIsSelected() -> None:
    """Lives and capacities of those who serve against those of all; promotions that take the place of the departed are forced."""
    survey = surveyed(9)
    world = worldOf(survey)
    world.run(60.0)
    survey.restart()
    survey.counts = True
    members = list(survey.population)
    serving = [one for one in members if one.peer.isSuper]
    for at, one in enumerate(sorted(members, key=lambda one: one.rank)):
        one.rank = (at + 1) / 10
        one.dies = world.time.seconds() + (400.0 if one in serving else 100.0)
    selection = Selection(survey, 2, 100)
    survey._look()
    survey.figures()
    figures = survey.measured.figures
    count = len(serving)
    living = (400.0 * count + 100.0 * (9 - count)) / 9
    assert figures["remaining_life_ratio"] == pytest.approx(400.0 / living)
    assert figures["super_peers_to_load"] == pytest.approx(count / (9 * 2 / 102))
    assert figures["capacity_rank_median"] == pytest.approx(medianRank([one.rank for one in serving], [at / 10 for at in range(1, 10)]))
    # One of two promotions takes the place of one that is gone.
    tally = next(one for one in members if one not in serving).peer.peer.commons.tally
    for _ in range(2):
        tally.count("elections", "served")
    survey.population.end(serving[0], "reset")
    world.run(0.1)
    selection.figures(survey.measured)
    lived = survey.roleChanges()[1]
    assert figures["super_peers_departed"] == 1
    assert figures["role_changes_unforced_per_peer_hour"] == pytest.approx(3600 * 1 / lived)


def test_settling(capsys: pytest.CaptureFixture[str]) -> None:
    """Three founders are joined by as many as the load asks for; every target has its figure."""
    words = ["settle", "--peers", "40", "--registrations", "10", "--dialable", "0.6", "--sharers", "1", "--settle", "150"]
    lab([*words, "--minutes", "0.5", "--joining", "20", "--json"])
    found = json.loads(capsys.readouterr().out)
    assertShape(found, "settle")
    figures = found["figures"]
    assert {one["figure"] for one in found["targets"]} == {one.figure for one in Settle.targets} <= set(figures)
    assert found["series"]["super_peers"][0][1] <= 4 < figures["super_peers"] and 0.7 < figures["super_peers_to_load"] < 1.4
    met = {one["figure"] for one in found["targets"] if one["met"]}
    assert {"messages_per_leaf_second", "messages_per_super_peer_second", "recall"} <= met


# --- an outage -----------------------------------------------------------------------------------------------------


def test_whatIsHeld() -> None:
    """An owner whose home is left has to be found as long as that home serves; one that lost all of them has not."""
    survey = surveyed(12)
    world = worldOf(survey)
    world.run(80.0)
    serving = [one for one in survey.population if one.peer.isSuper]
    leaf = next(one for one in survey.population if not one.peer.isSuper)
    homes = survey.homesOf(leaf)
    orphan = next(one for one in survey.population if one not in (*serving, leaf))
    held = Held(survey)
    assert held.part == 1.0 and survey.searched == [held._searched]
    held._homes[orphan.peerId] = []
    owners: set[PeerId] = {leaf.peerId, orphan.peerId}
    held._searched(0.0, leaf, owners, {leaf.peerId})
    assert held.below == 0.0
    held._searched(0.0, leaf, owners, set())
    assert held.below == 0.5
    held.below = 0.0
    for one in homes:
        survey.population.end(one, "reset")
    held._searched(0.0, leaf, owners, set())
    assert held.below == 0.0


def test_halfOfThemDie(capsys: pytest.CaptureFixture[str]) -> None:
    """No search finds less than what the homes that are left hold, and everything is found again in time."""
    words = ["--peers", "36", "--sessions", "forever", "--settle", "62", "--before", "2", "--registrations", "12", "--sharers", "1"]
    figures = report(capsys, "outage", *words, "--after", "40", "--dialable", "0.6")["figures"]
    assert figures["recall_below_held"] == 0 and 0.5 < figures["owners_held"] < 1
    assert figures["recall_floor"] >= figures["owners_held"] - 0.1 and figures["seconds_to_0.99"] <= 30


# --- a rush --------------------------------------------------------------------------------------------------------


def test_aRush(capsys: pytest.CaptureFixture[str]) -> None:
    """Three times as many come as there are: all have homes in time, and nobody carries more than it lets itself take."""
    words = ["rush", "--peers", "16", "--leaves", "48", "--registrations", "10", "--sessions", "forever", "--settle", "40", "--after", "40"]
    found = report(capsys, *words, "--dialable", "0.6")
    assertShape(found, "rush")
    figures = found["figures"]
    assert (figures["came"], figures["left_unregistered"], figures["waiting_at_end"]) == (48, 0, 0)
    assert 10 < figures["registrations_most"] <= 20 and figures["super_peers"] > figures["super_peers_before"]
    rows = {when - figures["rush_at"]: value for when, value in found["series"]["waiting"]}
    until = figures["seconds_to_all_registered"]
    assert rows[until] == 0 and rows[until - 0.5] > 0 and max(rows.values()) > 3


def test_whoCarriesTooMuch() -> None:
    """A super-peer at its limit is not over it; one registration more, and it is."""
    survey = surveyed(4)
    worldOf(survey).run(60.0)
    home = next(one for one in survey.population if one.peer.isSuper)
    policies, load = home.peer.peer.commons.policies, home.peer.peer.election.load()
    full = attrs.evolve(load, registrations=200)
    assert not policies.election.admits(full)
    assert not overloaded(policies, attrs.evolve(load, registrations=0)) and not overloaded(policies, full)
    assert overloaded(policies, attrs.evolve(load, registrations=201))


def test_whoIsWaiting() -> None:
    """Who comes waits until all its homes hold everything, or it is gone; who comes later is not counted."""
    survey = surveyed(6)
    world = worldOf(survey)
    world.run(80.0)
    queue = Queue(survey)
    there = [survey.population.arrive() for _ in range(3)]
    queue.close()
    survey.population.arrive()
    assert (queue.came, len(queue.waiting)) == (3, 3)
    queue.look()
    assert len(queue.waiting) == 3
    survey.population.end(there[0], "reset")
    world.run(20.0)
    queue.look()
    assert (queue.waiting, queue.gone, queue.overloaded) == ({}, 1, 0) and queue.most > 0


# --- growth --------------------------------------------------------------------------------------------------------


def test_growth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every size is measured by itself, in a table and a series over sizes, and can be drawn."""
    pytest.importorskip("matplotlib")
    words = ["growth", "--sizes", "1,2,3,12,99", "--peers", "12", "--growing", "20", "--settle", "70", "--minutes", "0.5", "--sample", "5"]
    found = report(capsys, *words, "--dialable", "1", "--registrations", "6")
    assertShape(found, "growth")
    figures = found["figures"]
    sizes = (1, 2, 3, 12)
    assert [row[0] for row in found["series"]["recall"]] == list(sizes)
    for size in sizes:
        assert (figures[f"peers_{size}"], figures[f"recall_{size}"], figures[f"role_changes_per_peer_hour_{size}"]) == (size, 1, 0)
    assert figures["super_peers_1"] == 1 < figures["super_peers_12"]
    assert figures["messages_per_peer_second_1"] == 0 < figures["messages_per_peer_second_2"]
    assert "leaves_fully_homed_1" not in figures and {one["figure"] for one in found["targets"]} <= set(figures)
    assert lab([*words, "--sizes", "1,2", "--plot", str(tmp_path / "growth.png")]) == 0
    said = capsys.readouterr().out
    assert (tmp_path / "growth.png").stat().st_size > 10_000 and "super_peers" in said
    assert [line.split()[0] for line in said.splitlines()[3:5]] == ["1", "2"]


@pytest.mark.parametrize(("sizes", "said"), [
    ("2,1", "growing numbers"), ("0,1", "growing numbers"), ("x", "growing numbers"), ("20000", "all are above")
])
def test_sizes(sizes: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes that cannot be had are told before anything is run."""
    assert lab(["growth", "--sizes", sizes]) == 2
    assert said in capsys.readouterr().err


# --- all of them ---------------------------------------------------------------------------------------------------


def small(kind: Any, **fields: Any) -> Trial:
    few = {"settle": 20.0, "sessions": "forever", "dialable": 1.0, "sharers": 1.0}
    return Trial(kind.name, kind, {**few, **fields})


def test_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each trial's table, then a line for each target; the file holds all reports, and the status says whether any target was missed."""
    out = tmp_path / "lab.json"
    trials = [small(Growth, sizes="1,2", growing=5.0, minutes=1.0), small(Outage, kill=1.0, before=5.0, after=10.0)]
    words = ["--peers", "12", "--seeds", "2", "--jobs", "2", "--out", str(out)]
    assert campaign(words, trials) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "5 of 6 targets met" and said[-2].split()[-1] == "MISSED" and said[-2].split()[0] == "outage"
    whole = json.loads(out.read_text())
    assert (whole["met"], whole["interrupted"], [one["trial"] for one in whole["reports"]]) == (False, False, ["growth", "outage"])
    assert all(one["parameters"]["peers"] == 12 and one["parameters"]["seeds"] == 2 for one in whole["reports"])
    assert [path.name for path in tmp_path.iterdir()] == ["lab.json"]
    assert campaign(["--peers", "12", "--seeds", "1"], trials[:1]) == 0


def test_allThatThereIs() -> None:
    """The declared targets: settling, outages, a split, a rush and growth; each with the size that it was given, but for the rush."""
    names = ["settle", *["outage"] * 4, "partition", "asleep", "islands", "rush", "growth"]
    assert [one.kind.name for one in TRIALS] == names
    assert len({one.title for one in TRIALS}) == len(TRIALS)
    for one in TRIALS:
        experiment = one.experiment(300, {"registrations": 20})
        experiment.check()
        assert experiment.wanted() and experiment.registrations == 20
        assert experiment.peers == (100 if isinstance(experiment, Rush) else 300)
    assert (room.PEERS, room.SEEDS) == (10_000, 5)


@pytest.mark.parametrize(("words", "said"), [
    (["--peers", "3"], "--peers"), (["--seeds", "0"], "--seeds"), (["--nosuch"], "--nosuch"), (["--peers", "x"], "--peers")
])
def test_impossibleForAll(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that says what is wrong, before anything is run."""
    assert lab(["all", *words]) == 2
    assert said in capsys.readouterr().err


def test_measuredOfAnAxis(tmp_path: Path) -> None:
    """A series over sizes is drawn without the marks of time."""
    pytest.importorskip("matplotlib")
    measured = Measured()
    for size in (1, 10, 100):
        measured.sample("super_peers", size, size / 10)
    found = joined(Growth(sizes="1,10,100"), 1, 1, [Run(seed=1, figures=measured.figures, series=measured.series)], COST)
    plot(Growth(), found, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5000


def test_oneBeginning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trials that begin alike share one beginning, and report what each reports alone; one that begins otherwise is run by itself."""
    out = tmp_path / "lab.json"
    few = {"before": 5.0, "after": 20.0, "returning": 0.2}
    trials = [
        small(Outage, kill=0.5, **few), small(Partition, split=60.0, **few), small(Outage, kill=0.5, silent=True, **few),
        small(Outage, kill=0.5, **{**few, "before": 6.0}),
    ]
    made = [(trial, trial.experiment(14, {})) for trial in trials]
    assert [len(some) for some in room.grouped(made)] == [3, 1]
    campaign(["--peers", "14", "--seeds", "2", "--seed", "3", "--out", str(out)], trials)
    capsys.readouterr()
    together = json.loads(out.read_text())["reports"]
    assert len(together) == 4 and together[0]["figures"] != together[2]["figures"] != {}
    with Interruption() as interruption:
        for (_, experiment), found in zip(made, together, strict=True):
            alone, _ = measure(experiment, 3, 2, 1, interruption)
            for name in ("parameters", "figures", "series", "targets"):
                assert found[name] == json.loads(json.dumps(alone.asDict()))[name], name
            assert found["cost"]["delivered"] == alone.cost["delivered"]


def test_whoComesIntoAPartIsToldOfThatPart(monkeypatch: pytest.MonkeyPatch) -> None:
    """While no packet passes nobody can be told of a network by somebody beyond; before and after that anybody can."""
    came: list[tuple[float, Any, list[str]]] = []
    enter = Population._enter

    def entered(population: Population, member: Any, addresses: list[str]) -> None:
        came.append((population.world.time.seconds(), member, addresses))
        enter(population, member, addresses)

    monkeypatch.setattr(Population, "_enter", entered)
    experiment = Partition(peers=30, sessions="fixed:40", dialable=1.0, settle=5.0, before=30.0, split=60.0, after=30.0, sample=10.0)
    experiment.run(1, Measured())
    sides = {member.peer.address: experiment._isFar(member) for _, member, _ in came}

    def strangers(since: float, until: float) -> list[int]:
        return [
            sum(sides[one] != experiment._isFar(member) for one in told) for when, member, told in came if since <= when < until and told
        ]

    within = strangers(35, 95)
    assert len(within) > 15 and not any(within)
    assert any(strangers(5, 35)) and any(strangers(95, 125))
