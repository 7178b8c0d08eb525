"""What experiments have in common in which something happens at one moment to a network that is well."""

from typing import Any

import attrs

from overlay.lab.experiment import Measured, parameter
from overlay.lab.experiments.populated import Populated
from overlay.lab.population import Population
from overlay.lab.survey import Survey
from overlay.lab.world import World


@attrs.define(kw_only=True)
class Shaken(Populated):
    """
    A population that is looked at for a while before, and for a while after. What happens in between is in L{goOn}, so that several
    experiments can go on from one beginning.
    """

    before: float = parameter(60.0, "virtual seconds that are measured before", low=0.0, high=1e6)
    after: float = parameter(300.0, "virtual seconds that are measured after it is over", low=1.0, high=1e6)

    def beginWell(self, seed: int, measured: Measured) -> tuple[World, Population, Survey]:
        """Make the population, let it settle, and measure how well it does: C{recall_before}."""
        world, population, survey = self.begin(seed, measured)
        world.run(self.before)
        measured.mean("recall_before", [value for _, value in survey.recalls])
        return world, population, survey

    def beginning(self) -> tuple[Any, ...]:
        """What L{beginWell} depends on: of two experiments of which it is equal, it leaves the same network for the same seed."""
        kind = type(self)
        fields = [one.name for one in attrs.fields(Shaken) if one.name != "after"]
        return kind.plan, kind.founded, kind.world, kind.begin, kind.beginWell, *(getattr(self, name) for name in fields)

    def run(self, seed: int, measured: Measured) -> None:
        self.goOn(seed, measured, *self.beginWell(seed, measured))

    def goOn(self, seed: int, measured: Measured, world: World, population: Population, survey: Survey) -> None:
        """
        What happens to the network, and what comes of it.

        @param world: and C{population} and C{survey}: what L{beginWell} of an experiment with the same L{beginning} has given.
        """
        raise NotImplementedError
