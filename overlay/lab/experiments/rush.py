"""Whether a small network bears it that many come at one moment."""

from typing import ClassVar

import attrs

from overlay.lab.experiment import Measured, Target, parameter
from overlay.lab.experiments.populated import Populated
from overlay.lab.population import Member
from overlay.lab.survey import Survey
from overlay.policies import Policies
from overlay.questions import Load

LOOK = 0.5
"""Virtual seconds between two looks at who is registered, and at what super-peers carry."""


def overloaded(policies: Policies, load: Load) -> bool:
    """Whether a super-peer carries more than its policy lets it take: with one registration less it would have taken no other."""
    return load.registrations > 0 and not policies.election.admits(attrs.evolve(load, registrations=load.registrations - 1))


class Queue:
    """
    Those who have come and do not have all their homes yet; a newcomer has them when as many super-peers as it wants, or as there are, have
    acknowledged all that it shares.

    @ivar came: how many have come; C{gone} is how many of them left before they were registered.
    @ivar waiting: the others, until they are registered.
    @ivar overloaded: super-peers that at one look carried more than they let themselves take, at most.
    @ivar most: registrations that one carried, at most.
    """

    def __init__(self, survey: Survey) -> None:
        self.came = self.gone = self.overloaded = self.most = 0
        self.waiting: dict[int, Member] = {}
        self._survey = survey
        survey.population.came.append(self._came)

    def close(self) -> None:
        """Who comes from now on is not of these."""
        self._survey.population.came.remove(self._came)

    def _came(self, member: Member) -> None:
        self.came += 1
        self.waiting[member.number] = member

    def look(self) -> None:
        """See who is registered by now, and what super-peers carry."""
        population = self._survey.population
        serving = [one.peer.peer for one in population.superPeers]
        self.most = max([self.most, *(one.hosting.count for one in serving)])
        self.overloaded = max(self.overloaded, sum(overloaded(one.commons.policies, one.election.load()) for one in serving))
        for number, member in list(self.waiting.items()):
            if population.of(member.peerId) is not member:
                self.gone += 1
                del self.waiting[number]
            elif member.peer.isSuper or len(self._survey.homesOf(member)) >= min(member.peer.peer.homes.wanted, len(serving)):
                del self.waiting[number]


@attrs.define(kw_only=True)
class Rush(Populated):
    """
    A small network is at rest; then many peers come within seconds. It has to take them in, and elect super-peers for them, while none of
    those that there are takes more than it can.
    """

    name: ClassVar[str] = "rush"
    help: ClassVar[str] = "Many leaves arrive within seconds at a small network: how soon all have homes, and what super-peers carry."
    targets: ClassVar[tuple[Target, ...]] = (
        Target("seconds_to_all_registered", high=60.0), Target("super_peers_over_limit", high=0.0)
    )

    peers: int = parameter(100, "peers at the beginning", low=2, high=200_000)
    leaves: int = parameter(1000, "peers that come", low=1, high=200_000)
    within: float = parameter(10.0, "virtual seconds within which they come", low=0.0, high=3600.0)
    after: float = parameter(120.0, "virtual seconds that are measured from their coming on", low=1.0, high=1e6)

    def run(self, seed: int, measured: Measured) -> None:
        world, population, survey = self.begin(seed, measured)
        measured.figure("super_peers_before", len(population.superPeers))
        survey.restart()
        population.expected += self.leaves
        began = world.time.seconds()
        measured.figure("rush_at", began)
        queue = Queue(survey)
        population.arriveWithin(self.leaves, self.within)
        open, passed, last = True, 0.0, 0.0
        while passed < self.after:
            world.run(LOOK)
            passed = world.time.seconds() - began
            if open and passed >= self.within:
                open = False
                queue.close()
            queue.look()
            measured.sample("waiting", world.time.seconds(), len(queue.waiting))
            if open or queue.waiting:
                last = passed + LOOK
            self._figures(measured, queue)
            if last <= passed:
                measured.figure("seconds_to_all_registered", last)
        survey.finish()
        survey.figures()

    @staticmethod
    def _figures(measured: Measured, queue: Queue) -> None:
        measured.figure("came", queue.came)
        measured.figure("left_unregistered", queue.gone)
        measured.figure("waiting_at_end", len(queue.waiting))
        measured.figure("registrations_most", queue.most)
        measured.figure("super_peers_over_limit", queue.overloaded)
