"""Whether the halves of a split network go on, and become one again."""

from typing import ClassVar

import attrs

from overlay.lab.experiment import Measured, Target, parameter
from overlay.lab.experiments.populated import Populated
from overlay.lab.population import Member
from overlay.lab.survey import recovery

PHI = 0.6180339887498949
"""Multiples of it spread evenly over the unit interval (Knuth, The Art of Computer Programming 3, 6.4)."""


@attrs.define(kw_only=True)
class Partition(Populated):
    """
    No packet passes between two parts for a while: within each, what its living members share should be found; after the healing, all.
    """

    name: ClassVar[str] = "partition"
    help: ClassVar[str] = "The network is split for a while, then healed: recall within the parts, and after."
    targets: ClassVar[tuple[Target, ...]] = (Target("recall_split", low=0.95), Target("seconds_to_0.99", high=120.0))

    part: float = parameter(0.5, "part of the peers on the smaller side", low=0.01, high=0.5)
    before: float = parameter(60.0, "virtual seconds that are measured before", low=0.0, high=1e6)
    split: float = parameter(600.0, "virtual seconds that it is split", low=1.0, high=1e6)
    after: float = parameter(300.0, "virtual seconds that are measured after the healing", low=1.0, high=1e6)
    sample: float = parameter(5.0, "virtual seconds between two looks", low=0.5, high=3600.0)

    def run(self, seed: int, measured: Measured) -> None:
        world, population, survey = self.begin(seed, measured)
        world.run(self.before)
        measured.mean("recall_before", [value for _, value in survey.recalls])
        measured.figure("super_peers_before", sum(one.peer.isSuper for one in population))
        far = [member.peerId for member in population if self._isFar(member)]
        world.net.partition([], far)

        def assign(member: Member) -> None:
            if self._isFar(member):
                far.append(member.peerId)
                world.net.partition([], far)

        population.came.append(assign)
        survey.within = self._isFar
        survey.restart()
        world.run(self.split)
        survey.finish()
        measured.mean("recall_split", [value for _, value in survey.recalls])
        measured.figure("recall_split_min", min((value for _, value in survey.recalls), default=0.0))
        measured.figure("super_peers_split", sum(one.peer.isSuper for one in population))
        world.net.heal()
        population.came.remove(assign)
        survey.within = lambda member: None
        survey.restart()
        since = world.time.seconds()
        world.run(self.after)
        survey.finish()
        survey.figures()
        for bound in (0.99, 1.0):
            seconds = recovery(survey.recalls, since, bound)
            if seconds is not None:
                measured.figure(f"seconds_to_{bound:g}", seconds)
        measured.figure("super_peers_after", sum(one.peer.isSuper for one in population))

    def _isFar(self, member: Member) -> bool:
        """Whether a member is on the smaller side: numbers are given by arrival, so neither side is older or more capable."""
        return (member.number * PHI) % 1 < self.part
