"""How soon everything is found again after many super-peers have died at one moment."""

import random
from typing import ClassVar

import attrs

from overlay.lab.experiment import Measured, Target, parameter
from overlay.lab.experiments.shaken import Shaken
from overlay.lab.survey import Survey

INSTANT = 0.1
"""Virtual seconds after the deaths at which the first search begins."""


@attrs.define(kw_only=True)
class Outage(Shaken):
    """
    A share of the super-peers dies at one instant: as processes do, whose links are reset, or as machines do, which is noticed by their
    silence. What they shared themselves is gone with them; what their leaves share has to be found again.
    """

    name: ClassVar[str] = "outage"
    help: ClassVar[str] = "A share of the super-peers dies at one instant: how low recall falls, and how soon it is back."
    targets: ClassVar[tuple[Target, ...]] = (Target("seconds_to_0.99", high=180.0),)

    kill: float = parameter(0.5, "part of the super-peers that dies", low=0.0, high=1.0)
    silent: bool = parameter(False, "they die as machines do: nothing is reset, and nobody answers")
    sample: float = parameter(2.0, "virtual seconds between two looks", low=0.5, high=3600.0)

    def run(self, seed: int, measured: Measured) -> None:
        world, population, survey = self.beginWell(seed, measured)
        survey.restart()
        rng = random.Random(f"{seed} outage")
        serving = [member for member in population if member.peer.isSuper]
        victims = rng.sample(serving, round(self.kill * len(serving)))
        measured.figure("outage_at", world.time.seconds())
        for member in victims:
            population.end(member, "silent" if self.silent else "reset")
        measured.figure("super_peers_killed", len(victims))
        measured.figure("super_peers_left", len(serving) - len(victims))
        world.run(INSTANT)
        survey.searchForRecall()
        for _ in self.steps(world, self.after, 10.0):
            self._figures(measured, survey)
        survey.finish()
        self._figures(measured, survey)

    @staticmethod
    def _figures(measured: Measured, survey: Survey) -> None:
        survey.figures()
        if survey.recalls:
            measured.figure("recall_floor", min(value for _, value in survey.recalls))
        survey.recoveries()
