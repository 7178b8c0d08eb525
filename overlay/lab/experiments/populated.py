"""What experiments on whole populations have in common: who lives, under which policies, and for how long they settle."""

from collections.abc import Iterator

import attrs

from overlay.errors import SuperpeerError, UsageError
from overlay.identity.signing import Ed25519
from overlay.lab.attackers import ATTACKS, attack
from overlay.lab.experiment import Experiment, Impossible, Measured, parameter
from overlay.lab.latency import checkLatency
from overlay.lab.pages import useLargePages
from overlay.lab.population import JOINING, Plan, Population
from overlay.lab.sessions import DEFAULT, Trace, sessionsOf
from overlay.lab.shares import Shares, groupsFor
from overlay.lab.survey import Survey
from overlay.lab.world import World
from overlay.policies import Policies
from overlay.policy import PolicySurroundings
from overlay.settings import Settings

SHORTEST = 1.0
"""Seconds that sessions last on average, at least: peers come so often as others leave, and each takes work."""
WANTED = 100
"""Registrations that a super-peer aims at by the default policy."""
POINTS = ("election", "reputation", "rate-limit", "router")


@attrs.define(kw_only=True)
class Populated(Experiment):
    """
    Peers with default settings whose ages at the beginning, and whose lives that are left, are those of a network that has been running for
    long.
    """

    peers: int = parameter(1000, "peers at the beginning, and on average", low=2, high=200_000)
    homes: int = parameter(2, "homes that each leaf wants", low=1, high=8)
    registrations: int = parameter(
        WANTED, "registrations that a super-peer aims at, unless --election says otherwise: so many serve at the beginning", low=1
    )
    sessions: str = parameter(
        DEFAULT, "how long peers stay: weibull:shape=S,mean=SECONDS, fixed:SECONDS, forever or trace:FILE", metavar="SPEC"
    )
    dialable: float = parameter(0.3, "part of the peers that others can dial", low=0.0, high=1.0)
    orderly: float = parameter(0.5, "part of those who leave that say goodbye", low=0.0, high=1.0)
    vanish: float = parameter(
        0.2, "part of the others whose machines vanish; the rest are processes that die, and their links are reset", low=0.0, high=1.0
    )
    returning: float = parameter(0.0, "part of the arrivals that were here before", low=0.0, high=1.0)
    sharers: float = parameter(1 / 3, "part of the peers that share anything", low=0.0, high=1.0)
    files: float = parameter(5.0, "files of those, on average: some share very many", low=1.0, high=1000.0)
    items: int = parameter(20_000, "different files that there are", low=1, high=10_000_000)
    zipf: float = parameter(1.0, "exponent of their popularity", low=0.0, high=5.0)
    latency: str = parameter(
        "plane:0.005-0.12", "seconds one way: X, LOW-HIGH (drawn for each link), or plane:LOW-HIGH (by distance)", metavar="SPEC"
    )
    bandwidth: bool = parameter(False, "limit each peer's upload by its capacity: 10 kB to 10 MB a second, evenly by order of magnitude")
    slow: float = parameter(0.0, "part of the peers that are slow", low=0.0, high=1.0)
    slowness: float = parameter(0.05, "seconds that those take for each message", low=0.0, high=60.0)
    loss: float = parameter(0.0, "part of the packets that are lost", low=0.0, high=0.9)
    attack: str | None = parameter(None, "how attackers misbehave: " + ", ".join(ATTACKS), metavar="NAME")
    attackers: float = parameter(0.1, "part of the peers that do, if --attack is given", low=0.0, high=1.0)
    election: str | None = parameter(None, "plugin instead of the default one, as for twistd superpeer", metavar="SPEC")
    reputation: str | None = parameter(None, "likewise", metavar="SPEC")
    rateLimit: str | None = parameter(None, "likewise", metavar="SPEC")
    router: str | None = parameter(None, "likewise", metavar="SPEC")
    settle: float = parameter(300.0, "virtual seconds before anything is measured", low=0.0, high=1e6)
    sample: float = parameter(10.0, "virtual seconds between two looks", low=0.5, high=3600.0)

    def check(self) -> None:
        try:
            checkLatency(self.latency)
        except UsageError as problem:
            raise Impossible(f"--{problem}") from problem
        if not self.dialable:
            raise Impossible("--dialable 0: where nobody can be dialled nobody can serve; give more than 0")
        sessions = sessionsOf(self.sessions)
        if not isinstance(sessions, Trace) and sessions.mean < SHORTEST:
            raise Impossible(f"--sessions {self.sessions}: the mean must be at least {SHORTEST:g} s, not {sessions.mean:g}")
        if isinstance(sessions, Trace) and not any(born <= 0 < dies for born, dies in sessions.sessions):
            raise Impossible(f"--sessions {self.sessions}: nobody is there at the beginning (no arrival at or before 0)")
        if self.attack is not None:
            attack(self.attack)
        # Specs that no policy can be built from are told now, and not by a thousand peers.
        for point, spec in self.specs().items():
            world = World(0, specs={point: spec})
            peer = world.add(start=False)
            surroundings = PolicySurroundings(world.time, world.random, peer.peerId, peer.storage)
            try:
                Policies.build(surroundings, world.specs, world.catalogue)
            except SuperpeerError as problem:
                raise Impossible(f"--{point} {spec}: {problem}") from problem

    def specs(self) -> dict[str, str]:
        """The policies that are named, by point."""
        named = {point: getattr(self, fieldOf(point)) for point in POINTS}
        if named["election"] is None and self.registrations != WANTED:
            named["election"] = f"fittest:wanted={self.registrations}"
        return {point: spec for point, spec in named.items() if spec is not None}

    def begin(self, seed: int, measured: Measured) -> tuple[World, Population, Survey]:
        """
        Make the population, and let it settle; from then on what the survey sees counts.
        """
        world = self.world(seed, measured)
        plan = self.plan()
        population = Population(world, plan)
        survey = Survey(population, measured, self.sample)
        population.begin()
        survey.start()
        world.run(min(JOINING, self.settle))
        useLargePages()
        world.run(max(0.0, self.settle - JOINING))
        useLargePages()
        survey.restart()
        survey.counts = True
        return world, population, survey

    @staticmethod
    def steps(world: World, seconds: float, step: float = 60.0) -> Iterator[None]:
        """
        Let time pass, with a pause now and then in which figures can be written: an interrupted run is reported with those of the last one.
        """
        while seconds > 0:
            world.run(min(step, seconds))
            # What has come since then is in small pages, and so is what a forked process has written to.
            useLargePages()
            seconds -= step
            yield

    def world(self, seed: int, measured: Measured) -> World:
        """An empty world with this experiment's settings."""
        scheme = Ed25519() if self.codec == "full" else None
        world = measured.world(seed, Settings(homes=self.homes), scheme, self.codec, self.latency, self.specs())
        world.net.loss = self.loss
        return world

    def plan(self) -> Plan:
        """Who is to live."""
        sessions = sessionsOf(self.sessions)
        peers = len(sessions.sessions) if isinstance(sessions, Trace) else self.peers
        shares = Shares(
            sharers=self.sharers, files=self.files, items=self.items, zipf=self.zipf, groups=groupsFor(peers, self.sharers)
        )
        attacker = attack(self.attack).peer if self.attack is not None else None
        return Plan(
            peers=peers, wanted=self.registrations, founders=self.founded(), sessions=sessions, shares=shares, dialable=self.dialable,
            orderly=self.orderly, vanish=self.vanish, returning=self.returning, limited=self.bandwidth, slow=self.slow,
            slowness=self.slowness, attackers=self.attackers if attacker is not None else 0.0, makeAttacker=attacker,
        )

    def founded(self) -> int | None:
        """Super-peers that there are at the beginning; None for as many as the load asks for."""
        return None


def fieldOf(point: str) -> str:
    """The field that holds a policy point's spec: C{rate-limit} is C{rateLimit}."""
    first, *rest = point.split("-")
    return first + "".join(one.capitalize() for one in rest)
