"""Whether two networks of one name become one when somebody knows of both."""

import math
from typing import ClassVar

import attrs

from overlay.lab.experiment import Measured, Target, parameter
from overlay.lab.experiments.shaken import Shaken
from overlay.lab.population import Member, Plan, Population
from overlay.lab.survey import Survey
from overlay.lab.world import World


@attrs.define(kw_only=True)
class Islands(Shaken):
    """
    Two networks have grown apart under one name and key, and neither knows anybody of the other. Then a few newcomers are told an address
    of each, and stay. Whatever is shared on either side should be found from both.
    """

    name: ClassVar[str] = "islands"
    help: ClassVar[str] = "Two networks of one name, until somebody is told of both: how soon all is found on either side."
    targets: ClassVar[tuple[Target, ...]] = (
        Target("recall_before", low=0.99), Target("seconds_to_0.99", high=60.0), Target("recall_after", low=0.999),
    )

    part: float = parameter(0.5, "part of the peers in the smaller of the two", low=0.01, high=0.5)
    bridges: int = parameter(1, "newcomers that are told an address on each side", low=1, high=1000)
    sample: float = parameter(5.0, "virtual seconds between two looks", low=0.5, high=3600.0)

    def plan(self) -> Plan:
        return attrs.evolve(super().plan(), apart=self.part)

    def goOn(self, seed: int, measured: Measured, world: World, population: Population, survey: Survey) -> None:
        measured.figure("super_peers_before", len(population.superPeers))
        survey.within = lambda member: None
        survey.restart()
        measured.figure("met_at", world.time.seconds())
        near, far = self._open(population, False), self._open(population, True)
        for at in range(self.bridges):
            population.arrive(told=[side[at % len(side)].peer.address for side in (near, far) if side], length=math.inf)
        for _ in self.steps(world, self.after):
            self._figures(measured, survey)
        survey.finish()
        self._figures(measured, survey)

    @staticmethod
    def _open(population: Population, far: bool) -> list[Member]:
        """Members of one side that can be dialled, in the order of their coming."""
        return [one for one in population if one.peer.dialable and population.isFar(one) == far]

    @staticmethod
    def _figures(measured: Measured, survey: Survey) -> None:
        survey.figures()
        survey.recoveries()
        measured.figure("super_peers_after", len(survey.population.superPeers))
        back = measured.figures.get("seconds_to_0.99")
        if back is not None:
            since = measured.figures["met_at"] + back
            measured.mean("recall_after", [value for when, value in survey.recalls if when >= since])
