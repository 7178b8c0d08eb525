"""Whether searches find what there is, common and rare, and with how many messages."""

import random
from collections.abc import Iterator
from typing import ClassVar

import attrs

from overlay.identity.ids import PeerId
from overlay.lab.away import Away, leaveWith
from overlay.lab.experiment import Experiment, Impossible, Measured, Report, Target, parameter
from overlay.lab.graphs import regular
from overlay.lab.latency import LONGEST
from overlay.lab.living import Overlay
from overlay.lab.material import KINDS, Material, Question
from overlay.lab.pinned import introduce, pinnedGraph, pinnedWorld
from overlay.lab.searching import Answer, Figures, Watch
from overlay.lab.world import LabPeer, World
from overlay.peer import Peer
from overlay.policy import DEFAULTS, findPlugins, nearest
from overlay.settings import Beats, Settings
from overlay.wire import limits

SETTINGS = Settings(role="super", beats=Beats(720.0), advert=7200.0, gossip=600.0, lease=86400.0)
"""Links that neither fall silent nor talk while nothing is searched for, but for what a router needs."""
REGISTERING = 120.0
"""Virtual seconds within which every leaf has to have its homes."""
SETTLING = 30.0
"""Virtual seconds after which a router has to know what it needs to know."""
RESTING = 20.0
"""Virtual seconds in which nobody searches, and what passes all the same is counted."""
MANY = 500
"""Super-peers among whom those that hold a rare or a popular word are few."""
SPARING = ("tree", "summary")
"""Routers that are to send few messages, and to find as much as a flood."""


@attrs.frozen
class Settled:
    """
    A network in which everybody has what he needs.

    @ivar serving: the super-peers, who may change.
    @ivar present: leaves that are there, and C{away}: the others, by the numbers of the material after them.
    @ivar overlay: what replaces super-peers; None if they stay.
    """

    random: random.Random
    serving: list[LabPeer]
    material: Material
    present: list[LabPeer]
    away: list[Away]
    watch: Watch
    overlay: Overlay | None

    def homesOf(self, question: Question) -> dict[PeerId, set[PeerId]]:
        """Of each owner of what is asked for that is registered anywhere, where."""
        serving = {one.peerId for one in self.serving}
        found = {}
        for number in question.owners:
            one = self.present[number] if number < len(self.present) else self.away[number - len(self.present)]
            if isinstance(one, Away):
                homes = {home.peerId for home in one.homes} & serving
            else:
                homes = {view.peerId for view in one.peer.homes.views() if view.state == "registered"} & serving
            if homes:
                found[one.peerId] = homes
        return found


@attrs.define(kw_only=True)
class Search(Experiment):
    """
    Items of popularity 1/rank, the last of them rare: one owner each. Leaves own them at random and search for them, common ones by
    their popularity, and each rare one as often as the others.
    """

    name: ClassVar[str] = "search"
    help: ClassVar[str] = "Leaves search for common and rare items by one router or several: hit rates, recall, messages and times."

    superPeers: int = parameter(28, "super-peers", low=2, high=10_000)
    leaves: int = parameter(1500, "leaves", low=1, high=1_000_000)
    linked: float = parameter(
        1.0, "part of the leaves that are there, and search; of the others their homes hold what they registered", low=0.0, high=1.0
    )
    homes: int = parameter(3, "homes of each leaf", low=1, high=8)
    degree: int = parameter(16, "neighbours of each super-peer", low=1)
    ttl: int = parameter(3, "hops that a search may go among super-peers; 0 is all", low=0, high=limits.TTL_MOST - 1)
    router: str = parameter(DEFAULTS["router"], "routers that the same searches are made by, with commas between", metavar="NAME,...")
    kind: str = parameter("items", "what is searched for, with commas between: " + ", ".join(KINDS), metavar="KIND,...")
    items: int = parameter(60, "different items", low=1)
    rare: float = parameter(0.3, "part of them that has one owner only", low=0.0, high=1.0)
    owners: float = parameter(0.3, "part of the leaves that own the most popular item", low=0.0, high=1.0)
    popular: float = parameter(0.01, "part of the leaves that own something of a popular topic, each something else", low=0.0, high=1.0)
    latency: float = parameter(0.03, "seconds from one peer to another, on average", low=0.0, high=LONGEST)
    spread: float = parameter(
        0.0, "how far it differs, as a part of it; then some copies with hops left come late, and are passed on again", low=0.0, high=1.0
    )
    replace: float = parameter(
        0.0, "part of the super-peers that die and are replaced each minute; then they find their neighbours themselves", low=0.0, high=1.0
    )
    searches: int = parameter(200, "searches of each kind; of items half of them for rare ones", low=1)

    def check(self) -> None:
        regular(self.superPeers, self.degree, random.Random(0))
        if self.homes > self.superPeers:
            raise Impossible(f"--homes must be at most --super-peers ({self.superPeers}), not {self.homes}")
        known = [one.name for one in findPlugins().plugins if one.point == "router"]
        _check("router", self.routers, known)
        _check("kind", self.kinds, list(KINDS))
        if self.replace and self.degree > 64:
            raise Impossible(f"--degree must be at most 64 with --replace, not {self.degree}")
        if round(self.linked * self.leaves) < 1:
            raise Impossible(f"--linked {self.linked:g} of {self.leaves} leaves is nobody who could search")

    @property
    def routers(self) -> list[str]:
        return self.router.split(",")

    @property
    def kinds(self) -> list[str]:
        return self.kind.split(",")

    def suffix(self, kind: str, router: str) -> str:
        """What is put behind the names of figures: nothing if there is only one kind, and one router."""
        return (f"_{kind}" if len(self.kinds) > 1 else "") + (f"_{router}" if len(self.routers) > 1 else "")

    def wanted(self) -> tuple[Target, ...]:
        others = self.superPeers - 1
        found: list[Target] = []
        for router in self.routers:
            for kind in self.kinds:
                end = self.suffix(kind, router)
                if kind == "items":
                    found.append(Target("hit_rate" + end, low=1.0))
                    if round(self.rare * self.items) and self.searches > 1:
                        found.append(Target("rare_hit_rate" + end, low=1.0))
                    if router in SPARING and (self.superPeers, self.degree) == (28, 16):
                        found.append(Target("messages_per_search" + end, high=40.0))
                elif kind == "popular":
                    found.append(Target("hits" + end, low=min(KINDS[kind], round(self.popular * self.leaves))))
                    if router == "rings" and self.superPeers >= MANY and not self.replace:
                        found.append(Target("messages_to_flood" + end, high=0.01))
                else:
                    found.append(Target("hit_rate" + end, low=1.0))
                if router in SPARING:
                    found += self._sparing(kind, router, end, others)
        if "flood" not in self.routers:
            found = [one for one in found if not one.figure.startswith(("messages_to_flood", "hits_lost"))]
        return tuple(found)

    def _sparing(self, kind: str, router: str, end: str, others: int) -> list[Target]:
        found = [Target("hits_lost" + end, high=0.0)]
        if self.replace:
            found.append(Target("messages_per_search" + end, high=2.0 * others))
        elif kind == "everything" and router == "tree":
            found.append(Target("messages_per_search" + end, high=1.2 * others))
        elif kind == "rare" and router == "summary" and self.superPeers >= MANY:
            found.append(Target("messages_to_flood" + end, high=0.05))
        return found

    def table(self, report: Report) -> Iterator[str]:
        """With several routers, side by side."""
        if len(self.routers) == 1:
            yield from super().table(report)
            return
        ends = [f"_{router}" for router in self.routers]
        names = dict.fromkeys(
            next((name.removesuffix(end) for end in ends if name.endswith(end)), name) for name in report.figures
        )
        width = max(map(len, names))
        yield f"  {'':{width}}" + "".join(f"  {router:>14}" for router in self.routers)
        for name in names:
            values = [report.figures.get(name + end) for end in ends]
            if name in report.figures:
                yield f"  {name:{width}}  {report.figures[name]:>14,.6g}"
            if any(value is not None for value in values):
                cells = (f"{value:>14,.6g}" if value is not None else f"{'-':>14}" for value in values)
                yield f"  {name:{width}}  " + "  ".join(cells)

    def settled(self, seed: int, measured: Measured) -> Settled:
        """The network, when everybody is registered and every router knows what it needs to know."""
        rng = random.Random(seed)
        latency = (self.latency * (1 - self.spread), self.latency * (1 + self.spread))
        overlay = None
        # Summaries are given only by who routes by them; other routers are as they are without.
        router = "summary" if "summary" in self.routers else "flood"
        if self.replace:
            overlay = Overlay(measured, seed, self.codec, latency, self.superPeers, self.degree, router)
            world, serving = overlay.world, overlay.serving
        else:
            edges = regular(self.superPeers, self.degree, rng)
            world = pinnedWorld(measured, seed, self.codec, latency, SETTINGS, router)
            serving = pinnedGraph(world, self.superPeers, edges, latency[1])
            introduce(serving)
        material = Material.drawn(self.kinds, self.leaves, self.items, self.rare, self.owners, self.popular, rng)
        present, away = self._join(world, serving, material, rng)
        measured.figure("leaves_registered", sum(map(self._registered, present)) + len(away))
        world.run(SETTLING)
        watch = Watch(world, serving)
        watch.rest(RESTING)
        return Settled(rng, serving, material, present, away, watch, overlay)

    def run(self, seed: int, measured: Measured) -> None:
        settled = self.settled(seed, measured)
        rng, overlay = settled.random, settled.overlay
        if overlay is not None:
            overlay.replaceEach(60 / (self.replace * self.superPeers))
            overlay.world.run(SETTLING)
        figures = Figures(measured, self.suffix, len(self.kinds))
        for kind in self.kinds:
            for number in range(self.searches):
                question = settled.material.question(kind, number, rng)
                homesOf = settled.homesOf(question)
                if homesOf:
                    self._ask(settled.watch, figures, rng.choice(settled.present), question, homesOf)
        if overlay is not None:
            measured.figure("super_peers_replaced", overlay.replaced)
            measured.figure("neighbours_mean", overlay.degree)

    def _ask(self, watch: Watch, figures: Figures, leaf: LabPeer, question: Question, homesOf: dict[PeerId, set[PeerId]]) -> None:
        began = leaf.world.time.seconds()
        home = leaf.peer.homes.preferred()
        ttl = self.ttl + 1 if self.ttl else limits.TTL_ALL
        answers: dict[str, Answer] = {}
        # Where super-peers come and go all have to ask at one moment, to be asked the same; else one after another, to be told apart.
        for routers in [self.routers] if self.replace else [[one] for one in self.routers]:
            answers.update(watch.ask(leaf, question, routers, ttl))
        figures.take(began, question, homesOf, home.peerId if home is not None else None, answers)

    def _join(
        self, world: World, serving: list[LabPeer], material: Material, rng: random.Random
    ) -> tuple[list[LabPeer], list[Away]]:
        settings = Settings(homes=self.homes, role="leaf") if self.replace else attrs.evolve(SETTINGS, role="leaf", homes=self.homes)
        present: list[LabPeer] = []
        away: list[Away] = []
        here = max(1, round(self.linked * self.leaves))
        for leaf in range(self.leaves):
            homes = rng.sample(serving, min(self.homes, len(serving)))
            documents = material.documents(world, leaf)
            if leaf >= here:
                away.append(leaveWith(world, homes, documents))
                continue
            present.append(world.add(bootstrap=homes, documents=documents, settings=settings, makePeer=Peer))
            # They do not all come at one moment.
            world.run(0.01)
        world.until(lambda: world.time.calls % 1000 == 0 and all(map(self._registered, present)), REGISTERING)
        return present, away

    def _registered(self, leaf: LabPeer) -> bool:
        views = leaf.peer.homes.views()
        return sum(one.state == "registered" and not one.behind for one in views) >= self.homes


def _check(option: str, given: list[str], known: list[str]) -> None:
    """
    @raise Impossible: one of those given is not known, or there twice.
    """
    for one in given:
        if one not in known:
            raise Impossible(f"--{option}: there is no {option} {one!r}{nearest(one, known)}")
    if len(set(given)) < len(given):
        raise Impossible(f"--{option} {','.join(given)} names one twice")
