"""How long peers stay."""

import math
import random
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.lab.experiment import Impossible
from overlay.lab.sessions import DEFAULT, Fixed, ISessions, Observed, Trace, Weibull, sessionsOf

DRAWN = 40_000


def assertMean(values: list[float], expected: float) -> None:
    """Within four standard errors."""
    error = statistics.stdev(values) / math.sqrt(len(values))
    assert abs(statistics.fmean(values) - expected) < 4 * error, (statistics.fmean(values), expected, error)


def moment(one: Weibull, power: int) -> float:
    """E[x^power] = scale^power Gamma(1 + power/shape)."""
    return one.scale**power * math.gamma(1 + power / one.shape)


SKEWED = (1.0, 2.0, 2.0, 10.0, 100.0)


@pytest.mark.parametrize(("sessions", "second", "third"), [
    (Weibull(0.5, 3600.0), moment(Weibull(0.5, 3600.0), 2), moment(Weibull(0.5, 3600.0), 3)),
    (Weibull(1.0, 100.0), 2 * 100.0**2, 6 * 100.0**3),
    (Weibull(2.0, 60.0), moment(Weibull(2.0, 60.0), 2), moment(Weibull(2.0, 60.0), 3)),
    (Fixed(600.0), 600.0**2, 600.0**3),
    (Observed(SKEWED), statistics.fmean(x**2 for x in SKEWED), statistics.fmean(x**3 for x in SKEWED)),
], ids=["long tails", "exponential", "bell", "fixed", "observed"])
def test_lengthsMetAtARandomMoment(sessions: ISessions, second: float, third: float) -> None:
    """
    New ones last E[x] on average, those that are under way E[x^2]/E[x], of which half is over: they are met in proportion to their length.
    """
    rng = random.Random(6)
    fresh = [sessions.fresh(rng) for _ in range(DRAWN)]
    met = [sessions.underWay(rng) for _ in range(DRAWN)]
    assert all(age >= 0 and left > 0 for age, left in met)
    if not isinstance(sessions, Fixed):
        assertMean(fresh, sessions.mean)
        assertMean([age + left for age, left in met], second / sessions.mean)
    assertMean([age for age, _ in met], second / sessions.mean / 2)
    assertMean([left for _, left in met], second / sessions.mean / 2)
    # E[age^2] is a third of E[length^2]: the moment that is met is anywhere in the session.
    assertMean([age**2 for age, _ in met], third / sessions.mean / 3)


def test_thoseWhoStay() -> None:
    """Without an end there is an age, and no two are alike."""
    rng = random.Random(1)
    met = [sessionsOf("forever").underWay(rng) for _ in range(50)]  # type: ignore[union-attr]
    assert all(3600 <= age <= 7200 and left == math.inf for age, left in met) and len(set(met)) == 50


def test_specs() -> None:
    """What each spec is, with the defaults of what is left out."""
    assert sessionsOf(DEFAULT) == sessionsOf("weibull") == Weibull(0.5, 3600.0)
    assert sessionsOf("weibull:mean=60") == Weibull(0.5, 60.0) and sessionsOf("weibull:shape=1,mean=60") == Weibull(1.0, 60.0)
    assert sessionsOf("fixed:90") == Fixed(90.0) and sessionsOf("forever") == Fixed(math.inf)


def test_traces(tmp_path: Path) -> None:
    """One column is lengths, two are arrivals and departures; comments, blanks and commas are allowed."""
    file = tmp_path / "trace"
    file.write_text("# lengths\n\n30   # the first\n  10.5\n2e2\n")
    lengths = sessionsOf(f"trace:{file}")
    assert isinstance(lengths, Observed) and lengths.lengths == [10.5, 30.0, 200.0] and lengths.mean == pytest.approx(80.1666667)
    file.write_text("5,9\n-100 20  # here before\n0\t1.5\n")
    assert sessionsOf(f"trace:{file}") == Trace(((-100.0, 20.0), (0.0, 1.5), (5.0, 9.0)))


@pytest.mark.parametrize("spec", [
    "", "nosuch", "weibull:shape", "weibull:shape=1,shape=2", "weibull:shape=0", "weibull:shape=0.05", "weibull:shape=x", "weibull:mean=-1",
    "weibull:mean=inf", "weibull:mean=nan", "weibull:scale=4", "fixed", "fixed:", "fixed:0", "fixed:soon", "fixed:inf", "trace:",
    "trace:/nowhere/trace",
])
def test_noSuchSessions(spec: str) -> None:
    """One line that names the parameter and what was given."""
    with pytest.raises(Impossible) as caught:
        sessionsOf(spec)
    assert str(caught.value).startswith("--sessions ") and spec.removeprefix("trace:") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "word"), [
    ("", "has no sessions"), ("# nothing\n\n", "has no sessions"), ("5\nfive\n", "line 2"), ("5\n1 2\n", "line 2"), ("1 2 3\n", "line 1"),
    ("1\n2\n0\n", "line 3"), ("-4", "longer than 0"), ("9 9", "longer than 0"), ("9 3", "line 1"), ("nan", "line 1"), ("1 inf", "line 1"),
    ("1\n" + "x" * 500, "line 2"),
])
def test_brokenTraces(text: str, word: str, tmp_path: Path) -> None:
    """The file and the line are named, in one line that is not too long."""
    file = tmp_path / "trace"
    file.write_text(text)
    with pytest.raises(Impossible) as caught:
        sessionsOf(f"trace:{file}")
    said = str(caught.value)
    assert said.startswith(f"--sessions {file}") and word in said and len(said) < len(str(file)) + 150


def test_whatIsNoText(tmp_path: Path) -> None:
    """A folder, and bytes that are no text."""
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "bytes"):
        with pytest.raises(Impossible, match=f"--sessions {path}"):
            sessionsOf(f"trace:{path}")


@given(st.text(max_size=30))
def test_anyText(text: str) -> None:
    """Whatever is written, it is sessions or one refusal."""
    read: Callable[[str], object] = sessionsOf
    for spec in (text, f"weibull:{text}", f"fixed:{text}"):
        try:
            assert read(spec) is not None
        except Impossible as problem:
            assert "--sessions" in str(problem)
