"""
What an experiment is: a class whose fields are its parameters, which runs a network and measures it; and what becomes of it, a report.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from overlay import __version__
from overlay.errors import UsageError
from overlay.lab.world import World

_HELP = "help"
_METAVAR = "metavar"


class NoNumber(UsageError):
    """What an experiment has measured is no number that a report could hold; the message names it."""


class Impossible(UsageError):
    """A parameter has a value with which there is nothing to run; the message names it."""


def parameter(
    default: Any, help: str, *, low: float = -math.inf, high: float = math.inf, choices: tuple[str, ...] = (),
    metavar: str = "",
) -> Any:
    """
    A parameter of an experiment: a field of the class, and an option of the command (C{superPeers} is C{--super-peers}).

    @param default: its type is that of the parameter; None for an option of text that may be left out.
    @param low: the least number that makes sense.
    @param high: the greatest.
    """

    def check(instance: object, attribute: Any, value: Any) -> None:
        option = optionOf(attribute.name)
        if isinstance(value, int | float) and not isinstance(value, bool) and not low <= value <= high:
            bound = f"at least {low:g}" if value < low or math.isnan(value) else f"at most {high:g}"
            raise Impossible(f"--{option} must be {bound}, not {value:g}")
        if choices and value not in choices:
            raise Impossible(f"--{option} must be one of {', '.join(choices)}, not {value!r}")

    return attrs.field(default=default, validator=check, metadata={_HELP: help, _METAVAR: metavar, "choices": choices})


def optionOf(name: str) -> str:
    """C{superPeers} as a word of the command line: C{super-peers}."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name.replace("_", "-"))


@attrs.frozen
class Target:
    """
    What an experiment should come to; of several seeds, what the worst of them should come to.

    @ivar figure: a key of the report's figures.
    @ivar low: the least that is good enough; None for no such bound.
    @ivar high: the most.
    """

    figure: str
    low: float | None = None
    high: float | None = None

    @property
    def bound(self) -> str:
        """As people read it."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return f">= {self.low:g}" if self.low is not None else f"<= {self.high:g}"

    def isMet(self, value: float | None) -> bool:
        """
        @param value: None if the figure is missing, which meets nothing.
        """
        if value is None or math.isnan(value):
            return False
        return self.amiss(value) <= 0

    def amiss(self, value: float | None) -> float:
        """
        How far a value is from the nearest bound: above 0 on the wrong side, infinite for a figure that is missing. By it the worst of
        several seeds is found.
        """
        if value is None or math.isnan(value):
            return math.inf
        low = -math.inf if self.low is None else self.low - value
        return max(low, -math.inf if self.high is None else value - self.high)

    def worst(self, runs: "Sequence[Run]") -> tuple[int, float | None]:
        """
        @return: the seed of the run that does worst by this target, the first of equals, and its value; None if the figure is missing
            there. A run that was interrupted has not failed by what is missing.
        """
        judged = [one for one in runs if not one.interrupted or self.figure in one.figures] or runs
        found = max(judged, key=lambda one: self.amiss(one.figures.get(self.figure)))
        return found.seed, found.figures.get(self.figure)


@attrs.frozen(kw_only=True)
class Run:
    """
    What came of one seed.

    @ivar cpu: seconds.
    @ivar memory: MiB at most.
    @ivar problem: why it could not be run, or empty.
    """

    seed: int
    figures: dict[str, float]
    series: Mapping[str, list[list[float]]] = {}
    cpu: float = 0.0
    delivered: int = 0
    memory: float = 0.0
    problem: str = ""
    interrupted: bool = False


@attrs.define
class Measured:
    """
    What a run has come to so far.

    @ivar figures: by name.
    @ivar series: by name; [virtual seconds, value].
    @ivar worlds: all that were made, for the cost.
    """

    figures: dict[str, float] = attrs.field(factory=dict)
    series: dict[str, list[list[float]]] = attrs.field(factory=dict)
    worlds: list[World] = attrs.field(factory=list)

    def world(self, *args: Any, **more: Any) -> World:
        """A world, whose messages count for the cost."""
        made = World(*args, **more)
        self.worlds.append(made)
        return made

    def sample(self, name: str, seconds: float, value: float) -> None:
        """One point of a series."""
        what = f"a point of the series {name!r}"
        self.series.setdefault(name, []).append([tidy(seconds, what), tidy(value, what)])

    def figure(self, name: str, value: float) -> None:
        """A figure; a later value takes the place of an earlier one."""
        self.figures[name] = tidy(value, f"the figure {name!r}")

    def mean(self, name: str, values: list[float]) -> None:
        """The mean of C{values} as a figure; none if there are none."""
        if values:
            self.figure(name, math.fsum(values) / len(values))

    @property
    def delivered(self) -> int:
        """Messages."""
        return sum(world.net.delivered for world in self.worlds)


def tidy(value: float, what: str = "it") -> float:
    """
    A number as reports show it: whole ones whole, others to nine digits.

    @raise NoNumber: it is none, or not a finite one; the message names C{what} it is.
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise NoNumber(f"{what} is {value!r}, not a number that a report could hold")
    if isinstance(value, int) or value == int(value):
        return int(value)
    return float(f"{value:.9g}")


@attrs.define(kw_only=True)
class Experiment:
    """
    The base of every experiment: a subclass, made with C{attrs.define(kw_only=True)}, has L{parameter}s for fields.

    @cvar name: what it is called on the command line.
    @cvar help: one line.
    @cvar seeds: so many are run if nothing else is asked for.
    @cvar targets: what must hold for an exit status of 0, whatever the parameters; see also L{wanted}.
    @cvar axis: what the first number of each point of the series is; empty for virtual seconds.
    """

    name: ClassVar[str] = ""
    help: ClassVar[str] = ""
    targets: ClassVar[tuple[Target, ...]] = ()
    seeds: ClassVar[int] = 1
    axis: ClassVar[str] = ""

    codec: str = parameter(
        "none", "full sends every message through the codec, with real signatures; none hands objects over, which is faster",
        choices=("full", "none"),
    )

    def check(self) -> None:
        """
        Look whether the parameters go together.

        @raise Impossible: they do not.
        """

    def wanted(self) -> tuple[Target, ...]:
        """The targets with these parameters."""
        return self.targets

    def run(self, seed: int, measured: Measured) -> None:
        """
        Run, and write down what is seen as it is seen: an interrupted run is reported with what it has measured.

        @param seed: everything that is left to chance follows from it.
        """
        raise NotImplementedError

    def table(self, report: "Report") -> Iterator[str]:
        """The figures as lines for people."""
        width = max([len(name) for name in report.figures], default=0)
        for name, value in report.figures.items():
            yield f"  {name:{width}}  {value:>14,.6g}"

    def sides(self) -> Mapping[str, str]:
        """Of a comparison: what C{a} and C{b} are, for the legend of a picture."""
        return {}

    def parameters(self) -> dict[str, Any]:
        """By option, in the order of their declaration."""
        return {optionOf(one.name): getattr(self, one.name) for one in attrs.fields(type(self))}

    @classmethod
    def options(cls) -> "Iterator[tuple[str, attrs.Attribute[Any]]]":
        """Field name and field of each parameter."""
        for one in attrs.fields(cls):
            yield one.name, one


@attrs.frozen
class Report:
    """
    The one shape of all reports.

    @ivar cost: what differs from run to run: seconds, memory, and delivered messages.
    """

    experiment: str
    version: str
    seed: int
    parameters: Mapping[str, Any]
    figures: Mapping[str, float]
    series: Mapping[str, list[list[float]]]
    targets: list[dict[str, Any]]
    cost: Mapping[str, float]

    @classmethod
    def of(
        cls, experiment: Experiment, seed: int, parameters: Mapping[str, Any], figures: Mapping[str, float],
        series: Mapping[str, list[list[float]]], cost: Mapping[str, float], runs: Sequence[Run] = (),
    ) -> "Report":
        """
        @param runs: if there are several, each one's own figures: a target is met if the worst of them meets it.
        """
        targets = []
        for one in experiment.wanted():
            worst, value = one.worst(runs or [Run(seed=seed, figures=dict(figures))])
            targets.append({
                "name": f"{one.figure} {one.bound}", "figure": one.figure, "bound": one.bound, "met": one.isMet(value),
                "value": value, "seed": worst,
            })
        return cls(experiment.name, __version__, seed, parameters, figures, series, targets, cost)

    @property
    def met(self) -> bool:
        """Whether every target is met."""
        return all(one["met"] for one in self.targets)

    def asDict(self) -> dict[str, Any]:
        return attrs.asdict(self, recurse=False)
