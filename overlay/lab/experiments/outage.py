"""How soon everything is found again after many super-peers have died at one moment."""

import random
from typing import ClassVar

import attrs

from overlay.identity.ids import PeerId
from overlay.lab.experiment import Measured, Target, parameter
from overlay.lab.experiments.shaken import Shaken
from overlay.lab.population import Member, Population
from overlay.lab.survey import Survey
from overlay.lab.world import World

INSTANT = 0.1
"""Virtual seconds after the deaths at which the first search begins."""
HALF = 0.5
"""Up to this part of the super-peers may die before it is a catastrophe, for which there is more time."""


class Held:
    """
    What the homes that are left hold at the instant of the deaths: of each owner, those of its homes that live and have everything. No
    search should find less than what those hold that serve still when it ends.

    @ivar below: how much less a search has found than that, at most, as a part of the owners that there were to be found.
    @ivar part: of all owners, that had a living home at the instant.
    """

    def __init__(self, survey: Survey) -> None:
        self.below = 0.0
        self._population = survey.population
        self._homes: dict[PeerId, list[Member]] = {
            one.peerId: survey.homesOf(one) for one in survey.population if one.owns and not one.attacks
        }
        self.part = sum(map(bool, self._homes.values())) / max(1, len(self._homes))
        survey.searched.append(self._searched)

    def _searched(self, when: float, searcher: Member, owners: set[PeerId], found: set[PeerId]) -> None:
        held = sum(any(self._serves(home) for home in self._homes.get(one, [])) for one in owners)
        self.below = max(self.below, (held - len(found)) / len(owners))

    def _serves(self, home: Member) -> bool:
        return self._population.of(home.peerId) is home and home.peer.isSuper


@attrs.define(kw_only=True)
class Outage(Shaken):
    """
    A share of the super-peers dies at one instant: as processes do, whose links are reset, or as machines do, which is noticed by their
    silence. What they shared themselves is gone with them; what their leaves share has to be found again.
    """

    name: ClassVar[str] = "outage"
    help: ClassVar[str] = "A share of the super-peers dies at one instant: how low recall falls, and how soon it is back."
    kill: float = parameter(0.5, "part of the super-peers that dies", low=0.0, high=1.0)
    silent: bool = parameter(False, "they die as machines do: nothing is reset, and nobody answers")
    sample: float = parameter(2.0, "virtual seconds between two looks", low=0.5, high=3600.0)

    def wanted(self) -> tuple[Target, ...]:
        if self.kill > HALF:
            return Target("seconds_to_0.99", high=180.0),
        return (
            Target("recall_below_held", high=0.0), Target("seconds_to_0.99", high=50.0 if self.silent else 30.0),
            Target("seconds_to_0.995", high=90.0),
        )

    def goOn(self, seed: int, measured: Measured, world: World, population: Population, survey: Survey) -> None:
        survey.restart()
        rng = random.Random(f"{seed} outage")
        serving = population.superPeers
        victims = rng.sample(serving, round(self.kill * len(serving)))
        measured.figure("outage_at", world.time.seconds())
        for member in victims:
            population.end(member, "silent" if self.silent else "reset")
        measured.figure("super_peers_killed", len(victims))
        measured.figure("super_peers_left", len(serving) - len(victims))
        held = Held(survey)
        measured.figure("owners_held", held.part)
        world.run(INSTANT)
        survey.searchForRecall()
        for _ in self.steps(world, self.after, 10.0):
            self._figures(measured, survey, held)
        survey.finish()
        self._figures(measured, survey, held)

    @staticmethod
    def _figures(measured: Measured, survey: Survey, held: Held) -> None:
        survey.figures()
        if survey.recalls:
            measured.figure("recall_below_held", held.below)
            measured.figure("recall_floor", min(value for _, value in survey.recalls))
        survey.recoveries()
