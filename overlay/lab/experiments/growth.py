"""Whether a network works at every size that it passes through, from one peer on."""

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

import attrs

from overlay.lab.experiment import Impossible, Measured, Report, Target, parameter
from overlay.lab.experiments.populated import Populated
from overlay.lab.population import Population
from overlay.lab.survey import Survey

SERIES = ("super_peers", "recall", "leaves_fully_homed", "messages_per_peer_second", "role_changes_per_peer_hour")
"""Figures of each size, in the order of the table."""
FEWEST = 2
"""Peers among whom there is a leaf."""


@attrs.define(kw_only=True)
class Growth(Populated):
    """
    One network, which begins with a single peer that can be dialled. More come, spread over some minutes, until there are as many as the
    next size says; then it settles, and is measured for a while. Nobody has a past, and by default nobody leaves, so that after settling
    nothing forces a role to change: with C{--sessions} peers come and go, and a size is that of the population on average.
    """

    name: ClassVar[str] = "growth"
    help: ClassVar[str] = "One network grows from one peer to thousands: super-peers, messages, recall and role changes at each size."
    axis: ClassVar[str] = "peers"

    sizes: str = parameter("1,2,3,5,10,30,100,1000,10000", "sizes at which it is measured, with commas between", metavar="N,...")
    peers: int = parameter(10_000, "sizes above are left out", low=1, high=200_000)
    sessions: str = parameter("forever", "how long peers stay, as for the others", metavar="SPEC")
    sharers: float = parameter(1.0, "part of the peers that share anything", low=0.0, high=1.0)
    growing: float = parameter(120.0, "virtual seconds within which those come that make up the next size", low=0.0, high=1e6)
    settle: float = parameter(300.0, "virtual seconds before a size is measured", low=0.0, high=1e6)
    minutes: float = parameter(3.0, "virtual minutes for which it is measured", low=0.1, high=1e5)

    def check(self) -> None:
        super().check()
        self._sizes()

    def _sizes(self) -> list[int]:
        try:
            sizes = [int(one) for one in self.sizes.split(",")]
        except ValueError:
            sizes = []
        if not sizes or sizes[0] < 1 or any(later <= earlier for earlier, later in pairwise(sizes)):
            raise Impossible(f"--sizes must be growing numbers from 1 on, with commas between, not {self.sizes!r}")
        kept = [one for one in sizes if one <= self.peers]
        if not kept:
            raise Impossible(f"--sizes {self.sizes}: all are above the {self.peers} of --peers")
        return kept

    def wanted(self) -> tuple[Target, ...]:
        found: list[Target] = []
        for size in self._sizes():
            found += [Target(f"recall_{size}", low=0.999), Target(f"role_changes_per_peer_hour_{size}", high=0.1)]
            if size >= FEWEST:
                found.append(Target(f"leaves_fully_homed_{size}", low=0.99))
        return tuple(found)

    def run(self, seed: int, measured: Measured) -> None:
        world = self.world(seed, measured)
        population = Population(world, self.plan())
        within = Measured(worlds=measured.worlds)
        survey = Survey(population, within, self.sample)
        survey.counts = True
        population.arrive(dialable=True)
        survey.start()
        for size in self._sizes():
            self._grow(population, size)
            world.run(self.settle)
            survey.restart()
            for _ in self.steps(world, 60 * self.minutes):
                self._figures(measured, survey, size)
            survey.finish()
            self._figures(measured, survey, size)
            for name in SERIES:
                if f"{name}_{size}" in measured.figures:
                    measured.sample(name, size, measured.figures[f"{name}_{size}"])

    def _grow(self, population: Population, size: int) -> None:
        """Let so many more come as are missing."""
        population.arriveWithin(max(0, size - len(population)), self.growing)
        population.world.run(self.growing)
        population.stay(size)

    @staticmethod
    def _figures(measured: Measured, survey: Survey, size: int) -> None:
        survey.figures()
        measured.figure(f"peers_{size}", len(survey.population))
        for name in SERIES:
            if name in survey.measured.figures:
                measured.figure(f"{name}_{size}", survey.measured.figures.pop(name))

    def table(self, report: Report) -> Iterator[str]:
        """A row for each size."""
        width = max(map(len, SERIES))
        yield "  " + f"{'peers':>9}" + "".join(f"  {name:>{width}}" for name in SERIES)
        for size in self._sizes():
            cells = [report.figures.get(f"{name}_{size}") for name in SERIES]
            yield "  " + f"{size:>9,}" + "".join(f"  {'-' if one is None else f'{one:.6g}':>{width}}" for one in cells)
