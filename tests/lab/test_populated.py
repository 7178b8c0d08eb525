"""The experiments on whole populations, at small sizes: their reports, their targets, and what cannot be run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from overlay.errors import SuperpeerError
from overlay.lab.command import lab
from overlay.lab.experiment import Experiment, Run, Target
from overlay.lab.experiments import SHIPPED
from overlay.lab.experiments.outage import INSTANT, Outage
from overlay.lab.experiments.partition import NOTICED
from overlay.lab.measuring import joined
from overlay.lab.plot import Line, lines, marks, meanOf, plot
from tests.lab.test_experiments import SHAPE, report

SERIES = {"peers", "super_peers", "leaves_fully_homed", "recall"}
RATES = {
    "messages_per_leaf_second", "messages_per_super_peer_second", "messages_per_peer_second", "role_changes_per_peer_hour",
}


def assertShape(found: dict[str, Any], name: str) -> None:
    """The one shape of reports, with numbers everywhere."""
    assert list(found) == SHAPE and found["experiment"] == name
    assert all(type(value) in (int, float) for value in found["figures"].values())
    for rows in found["series"].values():
        assert rows and all(len(row) == 2 for row in rows)
    for one in found["targets"]:
        assert set(one) == {"name", "figure", "bound", "met", "value", "seed"}
    assert set(found["cost"]) == {"wall_seconds", "cpu_seconds", "peak_mib", "delivered"}


def test_churn(capsys: pytest.CaptureFixture[str]) -> None:
    """Time averages and minima of four series, rates, arrivals and departures; in a calm small network the targets are met."""
    words = ["churn", "--peers", "60", "--minutes", "5", "--settle", "120", "--sessions", "weibull:shape=0.5,mean=3600"]
    found = report(capsys, *words)
    assertShape(found, "churn")
    figures = found["figures"]
    assert set(found["series"]) == SERIES
    assert set(figures) == SERIES | {f"{one}_min" for one in SERIES} | RATES | {"arrivals", "departures"}
    assert [(one["figure"], one["met"]) for one in found["targets"]] == [("recall", True), ("leaves_fully_homed", True)]
    for name in SERIES:
        # Those of the settling are in the series, and do not count.
        values = [value for when, value in found["series"][name] if when > 120]
        assert figures[name] == pytest.approx(sum(values) / len(values)) and figures[f"{name}_min"] == min(values)
        assert found["series"][name][0][0] < 120 and max(when for when, _ in found["series"][name]) <= 300
    assert figures["messages_per_leaf_second"] < figures["messages_per_super_peer_second"]


@pytest.mark.no_cover
def test_anAttackedChurn(capsys: pytest.CaptureFixture[str]) -> None:
    """Attackers, loss, limited uploads, returning peers and another router can be had together."""
    found = report(
        capsys, "churn", "--peers", "40", "--minutes", "4", "--settle", "60", "--sessions", "weibull:mean=300", "--returning", "0.8",
        "--attack", "dropper", "--attackers", "0.6", "--loss", "0.01", "--bandwidth", "--latency", "0.01-0.05", "--router", "flood",
        "--homes", "3", "--sharers", "1", status=1,
    )
    assert found["parameters"]["attack"] == "dropper" and found["parameters"]["bandwidth"] is True
    assert found["figures"]["arrivals"] > 10 and found["figures"]["departures"] > 10
    # The droppers keep nothing of what others register, and too few homes are left that do; a peer that comes back is found again.
    assert 0.1 < found["figures"]["recall"] <= 1


def outage(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    small = ["--peers", "40", "--sessions", "forever", "--settle", "60", "--before", "20", "--election", "fittest:wanted=16"]
    small += ["--sharers", "1"]
    return report(capsys, "outage", *small, *words, status=status)


_OUTAGES: dict[bool, dict[str, Any]] = {}


def outageOfAll(capsys: pytest.CaptureFixture[str], silent: bool) -> dict[str, Any]:
    """All super-peers die at once; it is run once for all tests that ask for it."""
    if silent not in _OUTAGES:
        _OUTAGES[silent] = outage(capsys, "--kill", "1", "--after", "150", *(["--silent"] if silent else []))
    return _OUTAGES[silent]


def recallsAfter(found: dict[str, Any]) -> list[list[float]]:
    return sorted(row for row in found["series"]["recall"] if row[0] > found["figures"]["outage_at"])


def test_anOutageOfNobody(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing happens: recall stays at 1."""
    figures = outage(capsys, "--kill", "0", "--after", "40")["figures"]
    assert (figures["super_peers_killed"], figures["recall_floor"], figures["recall_min"]) == (0, 1, 1)
    assert figures["seconds_to_0.99"] == figures["seconds_to_1"] == INSTANT


@pytest.mark.no_cover
def test_anOutageOfAll(capsys: pytest.CaptureFixture[str]) -> None:
    """All that serve die as processes do: nobody finds anything for a while, then heirs have taken over, and everything is found."""
    found = outageOfAll(capsys, silent=False)
    assertShape(found, "outage")
    figures = found["figures"]
    assert figures["super_peers_left"] == 0 < figures["super_peers_killed"]
    assert figures["outage_at"] == 80 and figures["recall_before"] == 1
    after = recallsAfter(found)
    assert figures["recall_floor"] == min(value for _, value in after) < 0.99
    (target,) = found["targets"]
    assert target["figure"] == "seconds_to_0.99" and target["met"]
    back = figures["outage_at"] + figures["seconds_to_0.99"]
    assert all(value >= 0.99 for when, value in after if back <= when <= back + 20)
    assert [value for when, value in after if when < back][-1] < 0.99
    assert after[-1][1] == 1 and found["series"]["super_peers"][-1][1] >= 2


@pytest.mark.no_cover
def test_aSilentOutage(capsys: pytest.CaptureFixture[str]) -> None:
    """Machines that die are noticed by their silence; it takes longer than with processes, and nothing is reset."""
    reset, silent = (outageOfAll(capsys, one)["figures"] for one in (False, True))
    assert reset["super_peers_killed"] == silent["super_peers_killed"]
    assert silent["seconds_to_0.99"] > reset["seconds_to_0.99"]
    assert silent["recall_floor"] == 0


@pytest.mark.no_cover
def test_aMissedOutage(capsys: pytest.CaptureFixture[str]) -> None:
    """Where recall is not back in the time that is watched, there is no such figure, the target is missed, and the status is 1."""
    found = outage(capsys, "--kill", "1", "--after", "15", "--silent", status=1)
    assert "seconds_to_0.99" not in found["figures"] and not found["targets"][0]["met"]


@pytest.mark.no_cover
def test_aPartition(capsys: pytest.CaptureFixture[str]) -> None:
    """Each part goes on by itself, then both are one again; what happened is marked in time."""
    found = report(
        capsys, "partition", "--peers", "40", "--sessions", "forever", "--settle", "60", "--before", "20", "--split", "180",
        "--after", "100", "--election", "fittest:wanted=13", "--sharers", "1", "--part", "0.3",
    )
    assertShape(found, "partition")
    figures = found["figures"]
    assert figures["split_at"] == 80 and 260 <= figures["healed_at"] < 280
    within = [value for when, value in found["series"]["recall"] if 80 < when <= 260]
    assert figures["recall_split"] == pytest.approx(sum(within) / len(within)) and figures["recall_split_min"] == min(within)
    assert figures["recall_before"] == 1 and within[-1] == 1 > min(within)
    assert figures["super_peers_before"] >= 4 and figures["seconds_to_1"] <= 60
    near, far = ([value for when, value in found["series"][f"recall_{part}"] if when > 80 + NOTICED] for part in ("near", "far"))
    for name, values in (("near", near), ("far", far)):
        assert figures[f"recall_split_{name}"] == pytest.approx(sum(values) / len(values)) and len(values) > 3
    assert len(near) > len(far)
    wanted = ["split_seconds_to_0.99", "recall_split_near", "recall_split_far", "seconds_to_0.99"]
    assert [one["figure"] for one in found["targets"] if one["met"]] == wanted


@pytest.mark.no_cover
def test_aNight(capsys: pytest.CaptureFixture[str]) -> None:
    """After longer than a mandate lasts all come back: what was shared is found again, and those who serve are elected anew."""
    found = report(
        capsys, "asleep", "--peers", "40", "--sessions", "forever", "--settle", "60", "--before", "20", "--off", "5000", "--within", "20",
        "--after", "300", "--registrations", "13", "--sharers", "1",
    )
    assertShape(found, "asleep")
    figures = found["figures"]
    assert figures["asleep_at"] == 80 and figures["awake_at"] == 5080
    during = [value for when, value in found["series"]["peers"] if 80 < when < 5080]
    assert during and set(during) == {0} and found["series"]["peers"][-1][1] == 40
    # Nobody has been there for a minute before that.
    assert 60 <= figures["seconds_to_0.99"] <= 80 and figures["recall"] >= 0.99
    assert 0 < figures["seconds_to_mandates"] <= 300 and found["series"]["mandated"][-1][1] >= 3
    assert figures["super_peers_before"] >= 4 and 0.8 <= figures["super_peers_to_load"] <= 1.2


@pytest.mark.no_cover
def test_islands(capsys: pytest.CaptureFixture[str]) -> None:
    """Two networks that know nothing of each other become one as soon as one newcomer is told of both."""
    words = ["--peers", "60", "--sessions", "forever", "--settle", "60", "--before", "30", "--registrations", "10", "--sharers", "1"]
    found = report(capsys, "islands", *words, "--after", "60", "--part", "0.4", "--sample", "0.5")
    assertShape(found, "islands")
    figures = found["figures"]
    assert figures["recall_before"] == 1 and figures["met_at"] == 90 and found["series"]["peers"][-1][1] == 61
    after = [value for when, value in found["series"]["recall"] if when > 90]
    # At first half of it is beyond.
    assert after[0] < 0.8 and figures["seconds_to_0.99"] <= 60 and figures["recall_after"] == 1 == after[-1]
    assert all(one["met"] for one in found["targets"])


@pytest.mark.no_cover
def test_policy(capsys: pytest.CaptureFixture[str]) -> None:
    """Two policies on the same peers: what follows from the peers alone is equal, and the differences are b - a, with their spread."""
    words = [
        "policy", "--election", "fittest:wanted=14", "--versus", "fittest:wanted=6", "--peers", "24", "--settle", "60", "--seeds", "2",
        "--sessions", "weibull:mean=600",
    ]
    found = report(capsys, *words, "--further", "minutes=2.5")
    assertShape(found, "policy")
    figures = found["figures"]
    assert found["parameters"]["seeds"] == 2 and found["targets"] == []
    plain = {name.partition(".")[2] for name in figures if name.startswith("a.")}
    assert plain >= SERIES | RATES | {f"{one}_deviation" for one in SERIES}
    for side in ("b", "difference"):
        assert {name.partition(".")[2] for name in figures if name.startswith(f"{side}.")} == plain
    for name in plain:
        if not name.endswith("_deviation"):
            assert figures[f"difference.{name}"] == pytest.approx(figures[f"b.{name}"] - figures[f"a.{name}"], abs=1e-6)
    for name in ("peers", "arrivals", "departures"):
        assert figures[f"difference.{name}"] == figures[f"difference.{name}_deviation"] == 0
    assert figures["difference.super_peers"] > 0
    assert set(found["series"]) == {f"{name} ({side}) (seed {seed})" for name in SERIES for side in "ab" for seed in (1, 2)}
    for seed in (1, 2):
        peers = [found["series"][f"peers ({side}) (seed {seed})"] for side in "ab"]
        assert peers[0] == peers[1]
    # Side by side for people.
    assert lab([*words, "--further", "minutes=1.1", "--seeds", "1"]) == 0
    said = capsys.readouterr().out
    assert "a: election fittest:wanted=14    b: election fittest:wanted=6" in said and "b - a" in said


def test_policyOfOtherExperiments(capsys: pytest.CaptureFixture[str]) -> None:
    """Outages and partitions are compared too, with parameters of their own."""
    words = ["policy", "--reputation", "beta", "--versus", "neutral", "--peers", "16", "--settle", "40", "--seeds", "1"]
    figures = report(capsys, *words, "--of", "outage", "--further", "after=30,before=5,silent=yes,kill=1")["figures"]
    assert figures["a.super_peers_left"] == figures["b.super_peers_left"] == 0 and figures["a.outage_at"] == 45
    figures = report(capsys, *words, "--of", "partition", "--further", "split=30,after=30,before=5")["figures"]
    assert figures["a.split_at"] == figures["b.split_at"] == 45


MINE = '''
from overlay.plugins.fittest import Fittest
from overlay.policy import PolicyPlugin
from overlay.verdict import Reason, Verdict


class Eager(Fittest):
    """Calls whenever it has anything."""

    def shouldCall(self, load):
        return Verdict.allOf(Reason.atLeast("registrations", load.registrations, 5), Reason.atMost("others", len(load.others), 6))


mine = PolicyPlugin("election", "mine", Eager, "Calls early.")
'''


@pytest.mark.no_cover
def test_aPluginOfOnesOwn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in --plugin-dir is compared with a plugin that ships, in this process and in others."""
    (tmp_path / "mine.py").write_text(MINE)
    words = [
        "policy", "--plugin-dir", str(tmp_path), "--election", "mine", "--versus", "fittest", "--peers", "20", "--settle", "40",
        "--further", "minutes=1.5", "--seeds", "2",
    ]
    found = [report(capsys, *words, "--jobs", jobs) for jobs in ("1", "2")]
    for one in found:
        del one["cost"]
    assert found[0] == found[1]
    assert found[0]["figures"]["a.super_peers"] > found[0]["figures"]["b.super_peers"]
    assert lab(["churn", "--election", "mien", "--plugin-dir", str(tmp_path)]) == 2
    assert "mine" in capsys.readouterr().err


SMALL = {
    "churn": ["--election", "fittest:wanted=8", "--minutes", "1.5", "--returning", "0.5", "--sessions", "weibull:mean=200"],
    "outage": ["--election", "fittest:wanted=8", "--before", "5", "--after", "30", "--silent"],
    "partition": ["--election", "fittest:wanted=8", "--before", "5", "--split", "30", "--after", "25"],
    "asleep": ["--election", "fittest:wanted=8", "--before", "5", "--off", "4000", "--after", "40"],
    "islands": ["--election", "fittest:wanted=8", "--before", "5", "--after", "25"],
    "policy": ["--router", "flood", "--versus", "flood", "--of", "outage", "--further", "before=5,after=25"],
}


@pytest.mark.parametrize("name", list(SMALL))
def test_sameSeedSameReport(name: str) -> None:
    """Byte for byte, but for its cost, whatever the hash seed and the number of processes."""
    words = [name, "--peers", "18", "--settle", "30", *SMALL[name], "--seeds", "2", "--seed", "3", "--json"]
    said = []
    for seed, jobs in (("0", "1"), ("77", "2")):
        done = subprocess.run(
            [sys.executable, "-m", "overlay.cli", "lab", *words, "--jobs", jobs], capture_output=True, text=True, timeout=120,
            check=False, env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert done.stderr == "" and done.returncode in (0, 1)
        said.append(done.stdout.partition('"cost"')[0])
    assert said[0] == said[1]


@pytest.mark.no_cover
@pytest.mark.parametrize("name", ["churn", "outage"])
def test_bothCodecsSayTheSame(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Objects and encoded, signed messages give one report."""
    found = []
    for codec in ("none", "full"):
        lab([name, "--peers", "20", "--settle", "40", *SMALL[name], "--codec", codec, "--json"])
        found.append(json.loads(capsys.readouterr().out))
    for one in found:
        del one["cost"], one["parameters"]["codec"]
    assert found[0] == found[1]


def test_aFigureThatDidNotComeAbout() -> None:
    """Over several seeds there is no mean of the lucky ones: it is said in how many a figure is missing, and a target on it is missed."""

    def ran(seed: int, interrupted: bool = False, **figures: float) -> Run:
        return Run(seed=seed, figures=figures, interrupted=interrupted)

    experiment = Outage(kill=1.0)
    cost = {"wall_seconds": 0.0}
    whole = [ran(1, **{"recall": 1.0, "seconds_to_0.99": 20.0}), ran(2, **{"recall": 0.5}), ran(3, **{"recall": 0.0, "late": 4.0})]
    found = joined(experiment, 1, 3, whole, cost)
    assert dict(found.figures) == {"recall": 0.5, "recall_deviation": 0.5, "seconds_to_0.99_missing": 2, "late_missing": 2}
    assert not found.met
    # A run that was interrupted has not failed yet.
    found = joined(experiment, 1, 2, [whole[0], ran(2, True, recall=0.0)], cost)
    assert found.figures["seconds_to_0.99"] == 20.0 and found.met and found.figures["recall"] == 0.5


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """All experiments are listed, each with its line."""
    for words in ([], ["--help"]):
        assert lab(words) == 0
        said = capsys.readouterr().out.splitlines()
        names = [
            "flood", "search", "horizon", "settle", "churn", "outage", "partition", "asleep", "islands", "rush", "growth", "policy",
            "capture",
        ]
        assert [line.split()[0] for line in said[2:]] == [*names, "all"]
        assert [kind.name for kind in SHIPPED] == names
        assert all(kind.help in line for kind, line in zip(SHIPPED, said[2:-1], strict=True))


def test_helpOfEach(capsys: pytest.CaptureFixture[str]) -> None:
    """Every parameter, with its default; and how many seeds are run if none are asked for."""
    for kind in SHIPPED:
        with pytest.raises(SystemExit) as ended:
            lab([kind.name, "--help"])
        said = " ".join(capsys.readouterr().out.split())
        assert ended.value.code == 0 and all(f"--{one}" in said for one in kind().parameters())
        assert f"[default: {kind.seeds}]" in said
        assert kind.seeds == 1 or f"on, and report their means [default: {kind.seeds}]" in said
    assert any(kind.seeds > 1 for kind in SHIPPED)


@pytest.mark.parametrize(("words", "named"), [
    (["churn", "--sessions", "nosuch"], "--sessions"),
    (["churn", "--sessions", "weibull:shape"], "--sessions"),
    (["churn", "--sessions", "trace:/nowhere/at-all"], "--sessions /nowhere/at-all"),
    (["churn", "--sessions", "fixed:0.01"], "--sessions fixed:0.01"),
    (["outage", "--sessions", "weibull:mean=-3"], "--sessions"),
    (["churn", "--latency", "far"], "--latency"),
    (["churn", "--latency", "0.2-0.1"], "--latency"),
    (["churn", "--latency", "plane:9"], "--latency"),
    (["churn", "--attack", "nosuch"], "there is no attack 'nosuch'"),
    (["churn", "--attackers", "2"], "--attackers"),
    (["churn", "--election", "nosuch"], "no election plugin 'nosuch'"),
    (["churn", "--election", "fittest:wnated=3"], "did you mean 'wanted'"),
    (["churn", "--peers", "1"], "--peers must be at least 2"),
    (["churn", "--minutes", "-1"], "--minutes"),
    (["churn", "--minutes", "soon"], "--minutes"),
    (["churn", "--sample", "0"], "--sample"),
    (["churn", "--settle", "nan"], "--settle"),
    (["churn", "--dialable", "1.5"], "--dialable"),
    (["churn", "--loss", "1"], "--loss"),
    (["churn", "--nosuch", "1"], "--nosuch"),
    (["churn", "--peers"], "--peers"),
    (["churn", "--jobs", "0"], "--jobs"),
    (["churn", "--plugin-dir", "/nowhere/at-all"], "/nowhere/at-all"),
    (["outage", "--kill", "1.1"], "--kill must be at most 1"),
    (["outage", "--kill", "-0.5"], "--kill must be at least 0"),
    (["partition", "--part", "0.7"], "--part"),
    (["partition", "--split", "0"], "--split"),
    (["policy", "--election", "fittest"], "--versus"),
    (["policy", "--versus", "fittest"], "--election"),
    (["policy", "--election", "fittest", "--router", "flood", "--versus", "flood"], "give one of"),
    (["policy", "--election", "fittest", "--versus", "nosuch"], "no election plugin 'nosuch'"),
    (["policy", "--election", "fittest", "--versus", "appointed:peers=nonsense"], "appointed:peers=nonsense: 'nonsense'"),
    (["policy", "--of", "flood", "--election", "fittest", "--versus", "fittest"], "--of must be one of churn, outage, partition"),
    *(
        (["policy", "--election", "fittest", "--versus", "fittest", "--of", "outage", "--further", further], f"--further {further}")
        for further in ("nonsense", "kill", "kill=much", "minutes=3", "silent=perhaps", "kill=0.1,kill=0.2", "peers=9", "election=fittest",
                        "attack=forger")
    ),
    (["policy", "--election", "fittest", "--versus", "fittest", "--of", "outage", "--further", "kill=7"], "--kill"),
    (["churn", "--plot", "/nowhere/x.png"], "--plot /nowhere/x.png"),
    (["churn", "--plot", "x.docx"], "--plot x.docx"),
])
def test_impossible(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One clear line that names the parameter, before anything is run."""
    if "--plot" in words:
        pytest.importorskip("matplotlib")
    assert lab(words) == 2
    said = capsys.readouterr()
    assert said.out == "" and named in said.err and len(said.err.splitlines()) == 1 and said.err.startswith("superpeer lab: ")


def test_impossibleTraces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Broken files, and traces in which nobody is there at the beginning."""
    file = tmp_path / "trace"
    for text, named in (("1 2 3\n", "line 1"), ("", "no sessions"), ("5 9\n", "nobody is there"), ("-9 -2\n1 5", "nobody is there"),
                        ("0.1\n0.2", "mean must be at least 1")):
        file.write_text(text)
        assert lab(["churn", "--sessions", f"trace:{file}"]) == 2
        said = capsys.readouterr().err
        assert "--sessions" in said and named in said and len(said.splitlines()) == 1


def test_aTraceIsRun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The population is that of the file."""
    file = tmp_path / "trace"
    file.write_text("".join(f"{-100 - number} 5000\n" for number in range(8)) + "70 100\n80 5000\n")
    found = report(capsys, "churn", "--sessions", f"trace:{file}", "--minutes", "3", "--settle", "60", "--dialable", "1", "--sample", "10")
    assert (found["figures"]["arrivals"], found["figures"]["departures"]) == (2, 1)
    assert dict(map(tuple, found["series"]["peers"]))[90] == 10


# --- pictures ------------------------------------------------------------------------------------------------------


def test_whatAPictureIsMadeOf() -> None:
    """Series are taken apart by side and seed, means are of what all have, and what happened is marked once."""
    assert meanOf([Line("x", "", ((0, 1), (5, 3), (9, 9))), Line("x", "", ((0, 3), (5, 5)))]) == [(0, 2), (5, 4)]
    assert meanOf([Line("x", "", ((0, 1), (5, 3), (9, 9))), Line("x", "", ((1, 3), (4, 5)))]) == []
    experiment = Experiment()
    figures = {"a.split_at": 80.0, "b.split_at": 80.0, "healed_at": 99.0, "difference.split_at": 0.0, "recall": 1.0}
    series = {"recall (a)": [[5, 1], [2, 0.5]], "super_peers": [[1, 2]]}
    found = joined(experiment, 1, 1, [Run(seed=seed, figures=figures, series=series) for seed in (1, 2)], {})
    assert marks(found) == {"split": 80.0, "healed": 99.0}
    assert list(lines(found)) == [
        Line("recall", "a", ((2, 0.5), (5, 1))), Line("super_peers", "", ((1, 2),)),
    ] * 2


def test_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a comparison over seeds, and of nothing: which is said."""
    pytest.importorskip("matplotlib")
    file = tmp_path / "policy.svg"
    words = ["policy", "--of", "outage", "--election", "fittest", "--versus", "fittest:wanted=8", "--peers", "16", "--settle", "20"]
    assert lab([*words, "--seeds", "2", "--further", "before=5,after=15", "--plot", str(file)]) == 0
    capsys.readouterr()
    assert file.read_text().startswith("<?xml")
    nothing = joined(Outage(), 1, 1, [Run(seed=1, figures={})], {})
    with pytest.raises(SuperpeerError, match="no series"):
        plot(Outage(), nothing, file)


def test_targetsOfTheShipped() -> None:
    """What each of them asks for."""
    assert {kind.name: kind.targets for kind in SHIPPED if kind.targets and kind.name in SMALL} == {
        "churn": (Target("recall", low=0.99), Target("leaves_fully_homed", low=0.98)),
        "partition": (
            Target("split_seconds_to_0.99", high=50.0), Target("recall_split_near", low=0.99), Target("recall_split_far", low=0.99),
            Target("seconds_to_0.99", high=60.0),
        ),
        "asleep": (
            Target("seconds_to_0.99", high=180.0), Target("seconds_to_mandates", high=300.0),
            Target("super_peers_to_load", low=0.8, high=1.2),
        ),
        "islands": (Target("recall_before", low=0.99), Target("seconds_to_0.99", high=60.0), Target("recall_after", low=0.999)),
    }
