"""The same networks, the same seeds, under two plugins: what differs."""

from collections.abc import Iterator
from typing import Any, ClassVar

import attrs

from overlay.errors import UsageError
from overlay.lab.experiment import Experiment, Impossible, Measured, Report, optionOf, parameter
from overlay.lab.experiments.churn import Churn
from overlay.lab.experiments.outage import Outage
from overlay.lab.experiments.partition import Partition
from overlay.lab.experiments.populated import POINTS, Populated, fieldOf
from overlay.policy import parseSpec

KINDS: dict[str, type[Populated]] = {kind.name: kind for kind in (Churn, Outage, Partition)}
_WORDS = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
_BOTH = ("a", "b", "difference")


@attrs.define(kw_only=True)
class Policy(Populated):
    """
    Who comes when, for how long, with what, and where a search begins follow from the seed alone, so a difference is the plugin's; what is
    left of chance shows in its spread over the seeds.
    """

    name: ClassVar[str] = "policy"
    help: ClassVar[str] = "Two plugins on the same seeds, side by side: the figures of churn, outage or partition, and their differences."
    seeds: ClassVar[int] = 3

    of: str = parameter("churn", "the experiment that is run under both: " + ", ".join(KINDS), choices=tuple(KINDS), metavar="NAME")
    versus: str | None = parameter(None, "plugin b, of the same kind as the one that is named as a", metavar="SPEC")
    further: str | None = parameter(None, "parameters of that experiment alone, as kill=0.3,after=200", metavar="NAME=VALUE,...")
    peers: int = parameter(300, "peers at the beginning, and on average", low=2, high=200_000)
    sample: float = parameter(5.0, "virtual seconds between two looks", low=0.5, high=3600.0)

    @property
    def point(self) -> str:
        """
        What kind of plugin is compared.

        @raise Impossible: none or several are named.
        """
        named = [point for point in POINTS if getattr(self, fieldOf(point)) is not None]
        if len(named) != 1 or self.versus is None:
            kinds = ", ".join(f"--{point}" for point in POINTS)
            raise Impossible(f"give one of {kinds}, and --versus with another plugin of that kind")
        return named[0]

    def sides(self) -> dict[str, str]:
        point = self.point
        return {"a": f"a: {point} {getattr(self, fieldOf(point))}", "b": f"b: {point} {self.versus}"}

    def check(self) -> None:
        for side, one in self._compared().items():
            try:
                one.check()
            except Impossible as problem:
                said = str(problem)
                raise Impossible(said.replace(f"--{self.point} ", "--versus ", 1) if side == "b" else said) from problem

    def _compared(self) -> dict[str, Populated]:
        kind = KINDS[self.of]
        point = self.point
        shared = {one.name for one in attrs.fields(Populated)} - {fieldOf(other) for other in POINTS}
        values = {name: getattr(self, name) for name in sorted(shared)}
        values.update(self._further(kind))
        specs = {"a": getattr(self, fieldOf(point)), "b": self.versus}
        return {side: kind(**{**values, fieldOf(point): spec}) for side, spec in specs.items()}

    def _further(self, kind: type[Experiment]) -> dict[str, Any]:
        if self.further is None:
            return {"minutes": 15.0} if kind is Churn else {}
        shared = {one.name for one in attrs.fields(Policy)}
        own = {optionOf(one.name): one for one in attrs.fields(kind) if one.name not in shared}
        try:
            words = parseSpec(f"further:{self.further}")[1]
        except UsageError as problem:
            raise Impossible(f"--further {self.further}: {problem}") from problem
        found: dict[str, Any] = {}
        for option, text in words.items():
            if option not in own:
                raise Impossible(f"--further {self.further}: {kind.name} has {', '.join(own)} of its own, not {option!r}")
            found[own[option].name] = self._value(option, type(own[option].default), text)
        return found

    def _value(self, option: str, wanted: type, text: str) -> Any:
        """
        @raise Impossible: the text is no such value.
        """
        try:
            return _WORDS[text] if wanted is bool else wanted(text)
        except (ValueError, KeyError) as problem:
            kind = "yes or no" if wanted is bool else "a number"
            raise Impossible(f"--further {self.further}: {option} is {kind}, not {text!r}") from problem

    def run(self, seed: int, measured: Measured) -> None:
        sides: dict[str, Measured] = {}
        for side, experiment in self._compared().items():
            sides[side] = Measured(worlds=measured.worlds)
            try:
                experiment.run(seed, sides[side])
            finally:
                # An interrupted run is reported as far as it came.
                self._compare(sides, measured)

    @staticmethod
    def _compare(sides: dict[str, Measured], measured: Measured) -> None:
        for side, one in sides.items():
            for name, value in one.figures.items():
                measured.figure(f"{side}.{name}", value)
            for name, rows in one.series.items():
                measured.series[f"{name} ({side})"] = rows
        if len(sides) == 2:
            for name, value in sides["a"].figures.items():
                if name in sides["b"].figures:
                    measured.figure(f"difference.{name}", sides["b"].figures[name] - value)

    def table(self, report: Report) -> Iterator[str]:
        """Side by side: a, b, and b - a, each with its standard deviation over the seeds."""
        rows = [name.partition(".")[2] for name in report.figures if name.startswith("a.") and not name.endswith("_deviation")]
        width = max([len(name) for name in rows], default=0)
        yield "  " + "    ".join(self.sides().values())
        yield f"  {'':{width}}" + "".join(f"{title:>26}" for title in ("a", "b", "b - a"))
        for name in rows:
            cells = []
            for side in _BOTH:
                value = report.figures.get(f"{side}.{name}")
                spread = report.figures.get(f"{side}.{name}_deviation")
                cells.append("-" if value is None else f"{value:.6g}" + (f" +- {spread:.3g}" if spread is not None else ""))
            yield f"  {name:{width}}" + "".join(f"{cell:>26}" for cell in cells)
