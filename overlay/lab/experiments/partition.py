"""Whether the halves of a split network go on, and become one again."""

from collections.abc import Callable
from typing import ClassVar

import attrs

from overlay.identity.ids import PeerId
from overlay.lab.experiment import Measured, Target, parameter
from overlay.lab.experiments.shaken import Shaken
from overlay.lab.population import Member, Population
from overlay.lab.sides import isFar
from overlay.lab.survey import Survey, recovery
from overlay.lab.world import World

NOTICED = 50.0
"""Seconds after a split in which each part may still look for homes among those beyond: to it they have died silently."""


class Parts:
    """
    What searches find in each of the two parts.

    @ivar recalls: of the larger part, C{near}, and of the smaller, C{far}: of each search that began more than C{NOTICED} seconds after the
        network was split.
    """

    def __init__(self, survey: Survey, isFar: Callable[[Member], bool]) -> None:
        self._since = survey.population.world.time.seconds() + NOTICED
        self.recalls: dict[str, list[float]] = {"near": [], "far": []}
        self._isFar = isFar
        self._survey = survey
        survey.searched.append(self._searched)

    def end(self) -> None:
        """The network is whole again."""
        self._survey.searched.remove(self._searched)

    def _searched(self, when: float, searcher: Member, owners: set[PeerId], found: set[PeerId]) -> None:
        part, value = "far" if self._isFar(searcher) else "near", len(found) / len(owners)
        if when > self._since:
            self.recalls[part].append(value)
        self._survey.measured.sample(f"recall_{part}", when, value)


@attrs.define(kw_only=True)
class Partition(Shaken):
    """
    No packet passes between two parts for a while: within each, what its living members share should be found; after the healing, all.
    """

    name: ClassVar[str] = "partition"
    help: ClassVar[str] = "The network is split for a while, then healed: recall within the parts, and after."
    targets: ClassVar[tuple[Target, ...]] = (
        Target("split_seconds_to_0.99", high=NOTICED), Target("recall_split_near", low=0.99), Target("recall_split_far", low=0.99),
        Target("seconds_to_0.99", high=60.0),
    )

    part: float = parameter(0.5, "part of the peers on the smaller side", low=0.01, high=0.5)
    split: float = parameter(600.0, "virtual seconds that it is split", low=1.0, high=1e6)
    sample: float = parameter(2.0, "virtual seconds between two looks", low=0.5, high=3600.0)

    def goOn(self, seed: int, measured: Measured, world: World, population: Population, survey: Survey) -> None:
        measured.figure("super_peers_before", len(population.superPeers))
        far = [member.peerId for member in population if self._isFar(member)]
        world.net.partition([], far)
        population.apart = self.part
        measured.figure("split_at", world.time.seconds())

        def assign(member: Member) -> None:
            if self._isFar(member):
                far.append(member.peerId)
                world.net.partition([], far)

        population.came.append(assign)
        survey.within = self._isFar
        survey.restart()
        parts = Parts(survey, self._isFar)
        for _ in self.steps(world, self.split):
            self._splitFigures(measured, survey, parts)
        survey.finish()
        self._splitFigures(measured, survey, parts)
        world.net.heal()
        population.apart = 0.0
        measured.figure("healed_at", world.time.seconds())
        population.came.remove(assign)
        survey.within = lambda member: None
        parts.end()
        survey.restart()
        for _ in self.steps(world, self.after):
            self._figures(measured, survey)
        survey.finish()
        self._figures(measured, survey)

    @staticmethod
    def _splitFigures(measured: Measured, survey: Survey, parts: "Parts") -> None:
        for name, found in parts.recalls.items():
            measured.mean(f"recall_split_{name}", found)
        values = [value for _, value in survey.recalls]
        back = recovery(survey.recalls, measured.figures["split_at"], 0.99)
        if back is not None:
            measured.figure("split_seconds_to_0.99", back)
        if values:
            measured.mean("recall_split", values)
            measured.figure("recall_split_min", min(values))
        measured.figure("super_peers_split", len(survey.population.superPeers))

    @staticmethod
    def _figures(measured: Measured, survey: Survey) -> None:
        survey.figures()
        survey.recoveries()
        measured.figure("super_peers_after", len(survey.population.superPeers))

    def _isFar(self, member: Member) -> bool:
        return isFar(member.number, self.part)
