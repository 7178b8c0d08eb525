"""Whether a network that began with a few super-peers comes to have as many as it needs, and the right ones, and keeps them."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import ClassVar

import attrs

from overlay.lab.experiment import Impossible, Measured, Target, parameter
from overlay.lab.experiments.populated import Populated
from overlay.lab.population import Member, Plan, Population
from overlay.lab.survey import Survey


def loadFor(peers: int, homes: int, wanted: int) -> float:
    """
    How many super-peers a load asks for: n peers that register at k homes each, and w registrations a super-peer, are n k / (w + k).
    """
    return peers * homes / (wanted + homes)


def medianRank(chosen: Sequence[float], among: Sequence[float]) -> float:
    """
    @param chosen: capacities of super-peers, at least one.
    @param among: of all whom they are compared with, in ascending order.
    @return: the part of C{among} that is more capable than the median one of C{chosen}: 0 for the best, 1 for the worst.
    """
    ranks = sorted((len(among) - bisect_right(among, one)) / max(1, len(among)) for one in chosen)
    middle = len(ranks) // 2
    return ranks[middle] if len(ranks) % 2 else (ranks[middle - 1] + ranks[middle]) / 2


class Selection:
    """
    Looks at who serves, each time that a survey looks.

    What is left of a life is not observed, which would cut off all lives that outlast the run, but known: each peer's time of departure was
    drawn when it came. It is of this session alone.

    A role change is forced if it takes the place of a super-peer that departed: one promotion for each of those. So is the least number of
    changes with which the number of super-peers follows that of peers: by how far what the load asks for has moved between the beginning
    and the end, whatever it did in between. All others are not: seats that were filled and given up again, exchanges of one super-peer for
    another, surplus that goes, and what was missing at the beginning and came late.

    @ivar departed: super-peers that left while it counted.
    """

    def __init__(self, survey: Survey, homes: int, wanted: int) -> None:
        self.departed = 0
        self._survey = survey
        self._homes = homes
        self._wanted = wanted
        self._first = self._asked
        survey.looked.append(self._look)
        survey.population.left.append(self._left)

    @property
    def _asked(self) -> float:
        return loadFor(len(self._survey.population), self._homes, self._wanted)

    def _left(self, member: Member) -> None:
        self.departed += member.peer.isSuper

    def _look(self) -> None:
        survey = self._survey
        serving = survey.population.superPeers
        survey.note("super_peers_to_load", len(serving) / self._asked)
        if not serving:
            return
        survey.note("capacity_rank_median", medianRank(
            [one.rank for one in serving], sorted(one.rank for one in survey.population if one.peer.dialable)
        ))
        living = self._remaining(survey.population)
        if living and math.isfinite(living):
            survey.note("remaining_life_ratio", self._remaining(serving) / living)

    def _remaining(self, members: "Population | Sequence[Member]") -> float:
        """Mean remaining life, seconds."""
        now = self._survey.population.world.time.seconds()
        return math.fsum(one.dies - now for one in members) / len(members)

    def figures(self, measured: Measured) -> None:
        """Write what concerns role changes; the means of what was looked at are the survey's."""
        changes, lived = self._survey.roleChanges()
        forced = self.departed + round(abs(self._asked - self._first))
        measured.figure("super_peers_departed", self.departed)
        if lived:
            measured.figure("role_changes_unforced_per_peer_hour", 3600 * max(0, changes - forced) / lived)


@attrs.define(kw_only=True)
class Settle(Populated):
    """
    A population whose peers have been there for long, but of whom only a few serve; all others come to those within two minutes. When it
    has settled the rest have been elected. Then peers come and go, and what is measured is who serves, how often that changes, what it
    costs, and whether everything is found.
    """

    name: ClassVar[str] = "settle"
    help: ClassVar[str] = "A population elects its super-peers: how many, which, how often they change, traffic, homes and recall."
    targets: ClassVar[tuple[Target, ...]] = (
        Target("super_peers_to_load", low=0.8, high=1.2),
        Target("leaves_fully_homed", low=0.99),
        Target("capacity_rank_median", high=0.2),
        Target("remaining_life_ratio", low=1.3),
        Target("role_changes_unforced_per_peer_hour", high=0.1),
        Target("messages_per_leaf_second", high=1.0),
        Target("messages_per_super_peer_second", high=60.0),
        Target("recall", low=0.999),
    )

    peers: int = parameter(10_000, "peers at the beginning, and on average", low=2, high=200_000)
    founders: int = parameter(3, "super-peers at the beginning; 0 for as many as the load asks for", low=0)
    joining: float = parameter(120.0, "virtual seconds over which all others look for their first homes", low=0.0, high=1e6)
    settle: float = parameter(600.0, "virtual seconds before anything is measured", low=0.0, high=1e6)
    minutes: float = parameter(10.0, "virtual minutes that are measured", low=0.1, high=1e5)
    sample: float = parameter(10.0, "virtual seconds between two looks", low=0.5, high=3600.0)

    def check(self) -> None:
        super().check()
        if self.founders > self.peers:
            raise Impossible(f"--founders must be at most --peers ({self.peers}), not {self.founders}")

    def founded(self) -> int | None:
        return self.founders or None

    def plan(self) -> Plan:
        """What peers can do shows in what they do: nobody sends faster than its capacity, which others can then measure."""
        return attrs.evolve(super().plan(), joining=self.joining, limited=True)

    def run(self, seed: int, measured: Measured) -> None:
        world, _, survey = self.begin(seed, measured)
        selection = Selection(survey, self.homes, self.registrations)
        for _ in self.steps(world, 60 * self.minutes):
            survey.figures()
            selection.figures(measured)
        survey.finish()
        survey.figures()
        selection.figures(measured)
