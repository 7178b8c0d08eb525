"""The experiments and their command."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from overlay.lab.command import lab
from overlay.lab.experiment import Target, tidy
from overlay.lab.experiments import SHIPPED
from overlay.lab.graphs import distances, neighboursOf, regular


def report(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    """Run an experiment and read its report."""
    assert lab([*words, "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


SHAPE = ["experiment", "version", "seed", "parameters", "figures", "series", "targets", "cost"]


def test_aFloodWithoutLimit(capsys: pytest.CaptureFixture[str]) -> None:
    """On a connected graph: everybody, with 2m - n + 1 query messages."""
    found = report(capsys, "flood", "--super-peers", "80", "--degree", "5", "--ttl", "63", "--searches", "3")
    assert list(found) == SHAPE and (found["experiment"], found["seed"]) == ("flood", 1)
    figures = found["figures"]
    assert (figures["reach_mean"], figures["messages_mean"], figures["duplicates_mean"]) == (80, 2 * 200 - 80 + 1, 2 * 200 - 80 + 1 - 79)
    assert [value for _, value in found["series"]["reach"]] == [80, 80, 80]


@pytest.mark.parametrize(("count", "degree", "ttl"), [(200, 4, 3), (101, 6, 2), (60, 3, 4)])
def test_aFloodWithALimit(count: int, degree: int, ttl: int, capsys: pytest.CaptureFixture[str]) -> None:
    """It reaches just who lies within so many hops, and nobody twice."""
    found = report(
        capsys, "flood", "--super-peers", str(count), "--degree", str(degree), "--ttl", str(ttl), "--searches", "4", "--seed", "7"
    )
    rng = random.Random(7)
    neighbours = neighboursOf(count, regular(count, degree, rng))
    reach, messages, hops = [], [], 0
    for _ in range(4):
        start = rng.randrange(count)
        near = {node: far for node, far in distances(neighbours, start).items() if far <= ttl}
        reach.append(len(near))
        # Each within reach but the outermost asks all its neighbours but the one that asked it first.
        messages.append(sum(degree - (node != start) for node, far in near.items() if far < ttl))
        hops = max(hops, *near.values())
    assert [value for _, value in found["series"]["reach"]] == reach
    assert [value for _, value in found["series"]["messages"]] == messages
    assert found["figures"]["hops_max"] == hops
    assert found["figures"]["duplicates_mean"] == tidy(sum(messages) / 4 - sum(reach) / 4 + 1)


def reachInTheory(count: int, degree: int, ttl: int) -> float:
    """
    How many a flood of so many hops reaches on a random regular graph, by the mean field: after each hop, the part of the nodes that a
    random end of an edge has not been reached through yet.
    """
    others = missed = 1 - 1 / count
    for _ in range(ttl - 1):
        missed = others * missed ** (degree - 1)
    return count * (1 - others * missed**degree)


@pytest.mark.no_cover
@pytest.mark.parametrize(("count", "degree", "ttl"), [(500, 6, 3), (400, 4, 5), (400, 8, 3)])
def test_theMeanField(count: int, degree: int, ttl: int, capsys: pytest.CaptureFixture[str]) -> None:
    """On random graphs reach and messages agree with theory within 2 %."""
    figures = report(
        capsys, "flood", "--super-peers", str(count), "--degree", str(degree), "--ttl", str(ttl), "--searches", "12", "--seed", "3"
    )["figures"]
    assert figures["reach_mean"] == pytest.approx(reachInTheory(count, degree, ttl), rel=0.02)
    # All but the outermost ask all their neighbours but the one that asked them first.
    messages = degree + (degree - 1) * (reachInTheory(count, degree, ttl - 1) - 1)
    assert figures["messages_mean"] == pytest.approx(messages, rel=0.02)


def test_aGraphOfOnesOwn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An edge list that is a tree has no duplicates; who cannot be reached is not."""
    file = tmp_path / "edges"
    file.write_text("a b\nb c\nb d\nd e\n")
    figures = report(capsys, "flood", "--graph", str(file), "--ttl", "100", "--searches", "5")["figures"]
    assert (figures["reach_mean"], figures["messages_mean"], figures["duplicates_mean"]) == (5, 4, 0)
    file.write_text("a b\nc d\n")
    assert report(capsys, "flood", "--graph", str(file), "--ttl", "9")["figures"]["reach_mean"] == 2


@pytest.mark.no_cover
def test_bothCodecsSayTheSame(capsys: pytest.CaptureFixture[str]) -> None:
    """Objects and encoded, signed messages give one report."""
    found = [report(capsys, "flood", "--super-peers", "40", "--degree", "4", "--ttl", "3", "--codec", one) for one in ("none", "full")]
    for one in found:
        del one["cost"], one["parameters"]["codec"]
    assert found[0] == found[1]


def test_sameSeedSameReport(capsys: pytest.CaptureFixture[str]) -> None:
    """Byte for byte, but for its cost, whatever the hash seed and the number of processes."""
    words = ["flood", "--super-peers", "50", "--degree", "4", "--ttl", "3", "--searches", "3", "--seeds", "2", "--json"]
    said = []
    for seed, jobs in (("0", "1"), ("1", "2"), ("77", "1")):
        done = subprocess.run(
            [sys.executable, "-m", "overlay.cli", "lab", *words, "--jobs", jobs], capture_output=True, text=True, timeout=120,
            check=True, env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert done.stderr == ""
        said.append(done.stdout.partition('"cost"')[0])
    assert said[0] == said[1] == said[2]
    figures = json.loads(said[0].rstrip().rstrip(",") + "}")["figures"]
    assert figures["messages_mean_deviation"] > 0


SMALL = ("search", "--super-peers", "8", "--degree", "3", "--leaves", "24", "--homes", "2", "--items", "10", "--searches", "20")
BY_FLOOD = ("--router", "flood")


def test_search(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is found, at the price of a flood; with fewer hops than it takes, not everything, and the targets say so."""
    found = report(capsys, *SMALL, *BY_FLOOD, "--ttl", "8")
    figures = found["figures"]
    assert figures["leaves_registered"] == 24
    assert (figures["hit_rate"], figures["rare_hit_rate"], figures["recall"]) == (1, 1, 1)
    assert figures["messages_per_search"] == 2 * 12 - 8 + 1 > figures["lower_bound_messages"] > 0
    assert 0 < figures["first_hit_ms"] <= figures["last_hit_ms"] < 1000
    assert all(one["met"] for one in found["targets"])
    near = report(
        capsys, "search", "--super-peers", "30", "--degree", "2", "--leaves", "20", "--homes", "1", "--ttl", "1", "--searches", "20",
        "--items", "10", *BY_FLOOD, status=1,
    )
    assert near["figures"]["rare_hit_rate"] < 0.5 and not near["targets"][1]["met"]


@pytest.mark.no_cover
def test_searchByBothCodecs(capsys: pytest.CaptureFixture[str]) -> None:
    """The same, encoded and signed or not."""
    found = [report(capsys, *SMALL, "--codec", one, "--spread", "0.9") for one in ("none", "full")]
    for one in found:
        del one["cost"], one["parameters"]["codec"]
    assert found[0] == found[1]


@pytest.mark.parametrize(("words", "named"), [
    (["flod"], "did you mean 'flood'"),
    (["flood", "--super-peers", "1"], "--super-peers must be at least 2"),
    (["flood", "--super-peers", "5", "--degree", "3"], "odd"),
    (["flood", "--super-peers", "5", "--degree", "6"], "--degree"),
    (["flood", "--ttl", "0"], "--ttl must be at least 1"),
    (["flood", "--super-peers", "200", "--degree", "2", "--ttl", "64"], "--ttl"),
    (["flood", "--latency", "-1"], "--latency"),
    (["flood", "--latency", "nan"], "--latency"),
    (["flood", "--codec", "morse"], "--codec must be one of"),
    (["flood", "--graph", "/nowhere"], "/nowhere"),
    (["search", "--super-peers", "4", "--degree", "3", "--homes", "5"], "--homes"),
    (["search", "--rare", "1.5"], "--rare"),
    (["search", "--router", "flod"], "did you mean 'flood'"),
    (["search", "--router", "flood,flood"], "twice"),
    (["search", "--kind", "items,nothing"], "--kind"),
    (["search", "--linked", "0"], "--linked"),
    (["search", "--super-peers", "80", "--degree", "65", "--replace", "0.1"], "--degree"),
    (["flood", "--seeds", "0"], "--seeds"),
    (["churn", "--dialable", "0"], "--dialable"),
    (["flood", "--super-peers", "20", "--latency", "1.5"], "--latency"),
    (["search", "--latency", "9"], "--latency"),
    (["churn", "--latency", "20"], "--latency"),
    (["churn", "--sessions", "fixed:1e300"], "--sessions"),
    (["churn", "--attack", "boster"], "--attack"),
    (["policy", "--election", "fittest", "--versus", "bogus"], "--versus"),
    (["policy", "--election", "bogus", "--versus", "fittest"], "--election"),
    (["all", "--jobs", "0"], "--jobs"),
    (["/nowhere.py"], "/nowhere.py"),
])
def test_impossible(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One clear line that names the parameter."""
    assert lab(words) == 2
    said = capsys.readouterr()
    assert said.out == "" and named in said.err and len(said.err.splitlines()) == 1


MINE = '''
import attrs
from overlay.lab.experiment import Experiment, Measured, Target, parameter


@attrs.define(kw_only=True)
class Mine(Experiment):
    name = "mine"
    help = "Counts."
    targets = (Target("total", low=10), Target("total", high=99))

    steps: int = parameter(5, "how many", low=1)
    loud: bool = parameter(False, "whether to shout")

    def run(self, seed: int, measured: Measured) -> None:
        for step in range(self.steps):
            measured.sample("total", step, step * seed)
            measured.figure("total", step * seed)
            if step == 7:
                raise KeyboardInterrupt
'''


def test_anExperimentOfOnesOwn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with one class; a missed target is exit status 1, and Ctrl-C leaves what was measured."""
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    found = report(capsys, str(file), "--seed", "3", "--loud")
    assert found["figures"] == {"total": 12} and found["parameters"] == {"codec": "none", "steps": 5, "loud": True}
    assert [one["met"] for one in found["targets"]] == [True, True]
    found = report(capsys, str(file), status=1)
    assert [(one["name"], one["figure"], one["bound"], one["met"]) for one in found["targets"]] == [
        ("total >= 10", "total", ">= 10", False), ("total <= 99", "total", "<= 99", True)
    ]
    found = report(capsys, str(file), "--steps", "9", status=130)
    assert found["figures"] == {"total": 7} and len(found["series"]["total"]) == 8
    assert lab([str(file)]) == 1 and "MISSED" in capsys.readouterr().out
    file.write_text("1 / 0")
    assert lab([str(file)]) == 2 and "ZeroDivisionError" in capsys.readouterr().err
    file.write_text("")
    assert lab([str(file)]) == 2 and "one subclass" in capsys.readouterr().err


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name the experiments are listed."""
    assert lab([]) == 0 and "flood" in capsys.readouterr().out


def test_targets() -> None:
    """A missing figure meets nothing."""
    both = Target("x", low=1, high=2)
    assert both.bound == "1 to 2"
    assert [both.isMet(one) for one in (1, 2)] == [True, True]
    assert not any(both.isMet(one) for one in (0.5, 2.5, None, float("nan")))


def test_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture of the series; where it cannot be written is said in one line."""
    pytest.importorskip("matplotlib")
    words = ["flood", "--super-peers", "20", "--degree", "3", "--searches", "2", "--seeds", "2"]
    assert lab([*words, "--plot", str(tmp_path / "flood.png")]) == 0
    assert (tmp_path / "flood.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    for wrong in ("/nowhere/flood.png", str(tmp_path / "flood.what")):
        assert lab([*words, "--plot", wrong]) == 2
        said = capsys.readouterr().err
        assert wrong in said and len(said.splitlines()) == 1


def test_theExampleOfTheDocument(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The experiment in docs/lab.md runs, and meets its target."""
    text = (Path(__file__).parent.parent.parent / "docs/lab.md").read_text()
    file = tmp_path / "vanish.py"
    file.write_text(text.partition("```python\n")[2].partition("```")[0])
    found = report(capsys, str(file), "--seconds", "40")
    assert found["figures"]["recall_at_end"] == 1 and len(found["series"]["recall"]) == 40
    for kind in SHIPPED:
        assert f"| `{kind.name}` |" in text


@pytest.mark.no_cover
def test_theComparisonOfTheDocument(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plugin in docs/lab.md, compared as the document says: the same peers, and fewer super-peers with more to do."""
    text = (Path(__file__).parent.parent.parent / "docs/lab.md").read_text()
    (tmp_path / "few.py").write_text(text.partition("```python plugin few.py\n")[2].partition("```")[0])
    words = ["policy", "--plugin-dir", str(tmp_path), "--election", "few:wanted=30", "--versus", "fittest:wanted=10", "--peers", "40"]
    found = report(capsys, *words, "--seeds", "2", "--settle", "60", "--further", "minutes=3")
    figures = found["figures"]
    assert figures["a.arrivals"] == figures["b.arrivals"] > 0 and figures["difference.arrivals_deviation"] == 0
    assert figures["a.super_peers"] < figures["b.super_peers"]
    assert figures["difference.super_peers"] == tidy(figures["b.super_peers"] - figures["a.super_peers"])
    assert figures["a.messages_per_super_peer_second"] > figures["b.messages_per_super_peer_second"]
    assert figures["a.recall"] > 0.99 and figures["b.recall"] > 0.99
    assert "recall (a) (seed 1)" in found["series"] and "recall (b) (seed 2)" in found["series"]


@pytest.mark.parametrize(("change", "said"), [
    (("@attrs.define(kw_only=True)\n", ""), "@attrs.define"),
    (("steps: int = parameter(5, \"how many\", low=1)", "steps: int = 5"), "parameter(...)"),
    (("loud: bool", "json: bool"), "'json'"),
    (("low=10", ""), "low or high"),
    (("(Target(\"total\", low=10), Target(\"total\", high=99))", "('total',)"), "tuple of Target"),
    (("(self, seed: int, measured: Measured)", "(self)"), "run(self, seed, measured)"),
    (("    def run(", "    def runs("), "run(self, seed, measured)"),
    (("    name = \"mine\"\n", ""), "name"),
    (("figure(\"total\", step * seed)", "figure(\"total\", \"many\")"), "'total'"),
    (("figure(\"total\", step * seed)", "figure(\"total\", float(\"nan\"))"), "'total'"),
    (("sample(\"total\", step,", "sample(\"total\", \"now\","), "'total'"),
])
def test_mistakesInOnesOwn(change: tuple[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One clear line says what is wrong with it."""
    file = tmp_path / "mine.py"
    assert change[0] in MINE
    file.write_text(MINE.replace(*change))
    assert lab([str(file)]) == 2
    shown = capsys.readouterr()
    assert said in shown.err and len(shown.err.splitlines()) == 1 and not shown.out


@pytest.mark.parametrize("more", [[], ["--seeds", "2", "--jobs", "2"]])
def test_oneThatRaises(more: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is no missed target; where it happened is shown."""
    file = tmp_path / "mine.py"
    file.write_text(MINE.replace("measured.figure(\"total\", step * seed)", "print(\"so far\")\n            1 / 0"))
    assert lab([str(file), "--json", *more]) == 2
    shown = capfd.readouterr()
    assert "so far" in shown.err and "mine.py" in shown.err and not shown.out
    assert shown.err.splitlines()[-1] == "superpeer lab: the experiment has failed: ZeroDivisionError: division by zero"


def test_seriesAreInOrder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whenever its points were written down."""
    file = tmp_path / "mine.py"
    file.write_text(MINE.replace("sample(\"total\", step,", "sample(\"total\", -step,"))
    found = report(capsys, str(file), status=1)
    assert found["series"]["total"] == [[-at, at] for at in (4, 3, 2, 1, 0)]


def test_aFloodInNoTime(capsys: pytest.CaptureFixture[str]) -> None:
    """Also then the shortest way is the first."""
    found = report(capsys, "flood", "--super-peers", "20", "--ttl", "3", "--latency", "0")
    assert found["figures"]["hops_max"] <= 3
    found = report(capsys, "flood", "--super-peers", "20", "--ttl", "20", "--latency", "0")
    assert found["figures"]["messages_mean"] == 2 * 60 - 20 + 1
