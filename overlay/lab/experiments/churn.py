"""Whether a network goes on working while its peers come and go."""

from typing import ClassVar

import attrs

from overlay.lab.experiment import Impossible, Measured, Target, parameter
from overlay.lab.experiments.populated import Populated


@attrs.define(kw_only=True)
class Churn(Populated):
    """Peers stay for Weibull-distributed times and are replaced by others; what they share should be found all the while."""

    name: ClassVar[str] = "churn"
    help: ClassVar[str] = "Peers come and go: recall, homes, number of super-peers, role changes and traffic."
    targets: ClassVar[tuple[Target, ...]] = (Target("recall", low=0.99), Target("leaves_fully_homed", low=0.98))

    peers: int = parameter(10_000, "peers at the beginning, and on average", low=2, high=200_000)
    sample: float = parameter(20.0, "virtual seconds between two looks", low=0.5, high=3600.0)
    minutes: float = parameter(30.0, "virtual minutes in all", low=0.1, high=1e5)

    def check(self) -> None:
        super().check()
        if 60 * self.minutes <= self.settle:
            raise Impossible(f"--minutes must be more than the {self.settle:g} s of --settle, not {self.minutes:g}")

    def run(self, seed: int, measured: Measured) -> None:
        world, population, survey = self.begin(seed, measured)
        for _ in self.steps(world, 60 * self.minutes - self.settle):
            survey.figures()
        survey.finish()
        survey.figures()
        measured.figure("arrivals", population.arrivals)
        measured.figure("departures", population.departures)
