"""What becomes of a network that was off for longer than its mandates hold."""

import math
from typing import ClassVar

import attrs

from overlay.lab.experiment import Measured, Target, parameter
from overlay.lab.experiments.settle import loadFor
from overlay.lab.experiments.shaken import Shaken
from overlay.lab.population import Population
from overlay.lab.survey import Survey
from overlay.lab.world import World

ELECTED = 0.9
"""Part of those who serve that have mandates when it is over: a few have always begun to serve only a moment ago."""


@attrs.define(kw_only=True)
class Asleep(Shaken):
    """
    All peers are off for a while, as over a night, and come back within a minute, each with what it has on disk. By then no mandate holds,
    so those that served begin to serve again, and elect one another.
    """

    name: ClassVar[str] = "asleep"
    help: ClassVar[str] = "All peers are off for longer than a mandate lasts, then come back: recall, who serves, and who is elected."
    targets: ClassVar[tuple[Target, ...]] = (
        Target("seconds_to_0.99", high=180.0), Target("seconds_to_mandates", high=300.0), Target("super_peers_to_load", low=0.8, high=1.2),
    )

    off: float = parameter(7200.0, "virtual seconds for which they are off; a mandate lasts 3600", low=0.0, high=1e7)
    within: float = parameter(60.0, "virtual seconds within which they come back", low=0.0, high=1e6)
    after: float = parameter(400.0, "virtual seconds that are measured after it is over", low=1.0, high=1e6)
    sample: float = parameter(2.0, "virtual seconds between two looks", low=0.5, high=3600.0)

    def goOn(self, seed: int, measured: Measured, world: World, population: Population, survey: Survey) -> None:
        measured.figure("super_peers_before", len(population.superPeers))
        measured.figure("asleep_at", world.time.seconds())
        population.sleep()
        world.run(self.off)
        survey.restart()
        since = world.time.seconds()
        measured.figure("awake_at", since)
        elected = Elected(survey, since, self.homes, self.registrations)
        population.wake(self.within)
        for _ in self.steps(world, self.after):
            self._figures(measured, survey, elected)
        survey.finish()
        self._figures(measured, survey, elected)

    @staticmethod
    def _figures(measured: Measured, survey: Survey, elected: "Elected") -> None:
        survey.figures()
        survey.recoveries()
        measured.figure("super_peers_after", elected.serving)
        measured.figure("super_peers_to_load", elected.toLoad)
        if math.isfinite(elected.seconds):
            measured.figure("seconds_to_mandates", elected.seconds)
        else:
            measured.figures.pop("seconds_to_mandates", None)


class Elected:
    """
    Looks, with a survey, at how many of those who serve have mandates that hold.

    @ivar seconds: from the beginning until C{ELECTED} of them had, for good; infinite if they do not have them now.
    @ivar serving: how many serve now.
    @ivar toLoad: times what the load asks for.
    """

    def __init__(self, survey: Survey, since: float, homes: int, wanted: int) -> None:
        self.seconds = math.inf
        self.serving, self.toLoad = 0, 0.0
        self._survey = survey
        self._since = since
        self._homes = homes
        self._wanted = wanted
        survey.looked.append(self._look)

    def _look(self) -> None:
        population = self._survey.population
        serving = population.superPeers
        mandated = sum(one.peer.peer.election.state == "mandated" for one in serving)
        self.serving = len(serving)
        self.toLoad = len(serving) / loadFor(len(population), self._homes, self._wanted) if len(population) else 0.0
        self._survey.measured.sample("mandated", population.world.time.seconds(), mandated)
        if not serving or mandated < ELECTED * len(serving):
            self.seconds = math.inf
        elif math.isinf(self.seconds):
            self.seconds = population.world.time.seconds() - self._since
