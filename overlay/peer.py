"""
One peer: wires its rooms together and dispatches what comes in. It decides nothing.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred

from overlay.commons import Commons, Component, Receive, Surroundings
from overlay.discovery import Source
from overlay.identity.identity import Identity
from overlay.identity.ids import PeerId
from overlay.identity.network import Network
from overlay.index.own import OwnRegistration
from overlay.index.registry import Registry
from overlay.link.link import Link
from overlay.link.links import Links
from overlay.membership.bootstrap import Bootstrap
from overlay.membership.governance import Governance, saveNetwork
from overlay.membership.membership import Membership
from overlay.membership.neighbours import Neighbours
from overlay.membership.suspicion import Suspicion
from overlay.membership.tree import Tree
from overlay.policies import Policies
from overlay.roles.election import Election
from overlay.roles.homes import Homes
from overlay.roles.hosting import Hosting
from overlay.search.searches import Searches
from overlay.search.summaries import Summaries
from overlay.settings import Settings
from overlay.storage import IStorage
from overlay.wire.message import Message

_BOOT = b"boot"


def nextBoot(storage: IStorage) -> int:
    """A number that is larger at each start from the same storage."""
    table = storage.table("boot")
    boot = int.from_bytes(table.get(_BOOT) or b"\0", "big") + 1
    table.put(_BOOT, boot.to_bytes(8, "big"))
    return boot


@cache
def _receivers(parts: tuple[type[Component], ...]) -> Mapping[type[Message], tuple[int, Receive]]:
    """By kind of message, which of the parts takes it, and how: one table for all peers that are made of the same parts."""
    table: dict[type[Message], tuple[int, Receive]] = {}
    for number, part in enumerate(parts):
        for kind, receive in part.handlers().items():
            table.setdefault(kind, (number, receive))
    return table


class Peer:
    """
    @cvar makeMembership: its membership room; a subclass may have another, and likewise for the others.
    @ivar components: its parts, in the order in which they start and hear of links.
    """

    __slots__ = (
        "_receivers", "bootstrap", "commons", "components", "election", "governance", "homes", "hosting", "links", "membership",
        "neighbours", "own", "registry", "running", "searches", "summaries", "suspicion", "tree",
    )

    makeMembership: type[Membership] = Membership
    makeNeighbours: type[Neighbours] = Neighbours
    makeTree: type[Tree] = Tree
    makeOwn: type[OwnRegistration] = OwnRegistration
    makeRegistry: type[Registry] = Registry
    makeHosting: type[Hosting] = Hosting
    makeElection: type[Election] = Election
    makeSearches: type[Searches] = Searches

    def __init__(
        self,
        identity: Identity,
        network: Network,
        surroundings: Surroundings,
        settings: Settings,
        policies: Policies,
        storage: IStorage,
        *,
        discovery: Sequence[Source] = (),
        boot: int | None = None,
    ) -> None:
        self.commons = commons = Commons(
            identity, network, settings, storage, surroundings, policies, nextBoot(storage) if boot is None else boot
        )
        self.links = commons.links = Links(commons)
        self.links.observer = self
        self.membership = self.makeMembership(commons)
        self.governance = Governance(commons, self.membership)
        self.neighbours = self.makeNeighbours(commons, self.membership)
        self.suspicion = Suspicion(commons, self.membership, self.neighbours)
        self.tree = self.makeTree(commons, self.membership, self.neighbours)
        self.bootstrap = Bootstrap(commons, self.membership, discovery)
        self.own = self.makeOwn(commons)
        self.registry = self.makeRegistry(commons, policies.store)
        self.homes = Homes(commons, self.membership, self.own)
        self.hosting = self.makeHosting(commons, self.membership, self.registry, self.own)
        self.election = self.makeElection(
            commons, self.membership, self.neighbours, self.homes, self.hosting, self.bootstrap
        )
        self.summaries = Summaries(commons, self.neighbours, self.tree, self.registry, self.hosting)
        self.searches = self.makeSearches(
            commons, self.membership, self.neighbours, self.registry, self.homes, self.tree, self.summaries
        )
        self.components: tuple[Component, ...] = (
            self.governance, self.membership, self.neighbours, self.suspicion, self.tree, self.bootstrap,
            self.homes, self.hosting, self.election.reachability, self.election, self.summaries, self.searches,
        )
        self._receivers = _receivers(tuple(type(component) for component in self.components))
        self.running = False

    @property
    def peerId(self) -> PeerId:
        return self.commons.peerId

    def start(self) -> Deferred[None]:
        """
        Listen, then join or found the network.

        @return: fires once this peer listens; fails if it cannot.
        """
        saveNetwork(self.commons.storage, self.commons.network)
        started = self.links.start()
        started.addCallback(self._listening)
        return started

    def _listening(self, ignored: object) -> None:
        self.running = True
        for component in self.components:
            component.start()

    def stop(self) -> Deferred[None]:
        """
        Leave in an orderly way.

        @return: fires when every part has stopped and every link is closed.
        """
        self.running = False
        stopping = [maybeDeferred(component.stop) for component in reversed(self.components)]
        stopped: Deferred[Any] = DeferredList(stopping, consumeErrors=False)
        stopped.addCallback(lambda ignored: self.links.stop())
        stopped.addCallback(lambda ignored: None)
        return stopped

    # --- what the links tell, and the parts of each other ------------------------------------------------------------

    def linkMade(self, link: Link) -> None:
        for component in self.components:
            component.linkMade(link)

    def linkLost(self, link: Link, code: str, orderly: bool) -> None:
        for component in self.components:
            component.linkLost(link, code, orderly)

    def dialledBy(self, peer: PeerId) -> None:
        self.suspicion.saw(peer)

    def needs(self, link: Link) -> bool:
        """Whether any part of this peer has a use for a link."""
        return any(component.needs(link) for component in self.components)

    def linkClear(self, link: Link) -> None:
        for component in self.components:
            component.linkClear(link)

    def silenceChanged(self, link: Link) -> None:
        for component in self.components:
            component.silenceChanged(link)

    def neighboursChanged(self) -> None:
        for component in self.components:
            component.neighboursChanged()

    def treeChanged(self) -> None:
        for component in self.components:
            component.treeChanged()

    def advertChanged(self, link: Link) -> None:
        for component in self.components:
            component.advertChanged(link)

    def messageReceived(self, link: Link, message: Message) -> None:
        taken = self._receivers.get(type(message))
        if taken is None:
            self.commons.tally.count("drops", "unexpected")
            return
        number, receive = taken
        receive(self.components[number], link, message)
