"""
One peer: wires its rooms together and dispatches what comes in. It decides nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred

from overlay.commons import Commons, Component, Surroundings
from overlay.discovery import Source
from overlay.identity.identity import Identity
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


class Peer:
    """
    @cvar makeMembership: its membership room; a subclass may have another, and likewise for the others.
    @ivar components: its parts, in the order in which they start and hear of links.
    """

    __slots__ = (
        "_dispatch", "bootstrap", "commons", "components", "election", "governance", "homes", "hosting", "links", "membership",
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
        self.governance = Governance(commons)
        self.membership = self.makeMembership(commons)
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
        self.components: list[Component] = [
            self.governance, self.membership, self.neighbours, self.suspicion, self.tree, self.bootstrap,
            self.homes, self.hosting, self.election.reachability, self.election, self.summaries, self.searches,
        ]
        self.bootstrap.needed = self._needs
        self._dispatch: dict[type[Message], Callable[[Link, Any], None]] = {}
        self.running = False

    @property
    def peerId(self) -> bytes:
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

    # --- what the links tell -----------------------------------------------------------------------------------------

    def linkMade(self, link: Link) -> None:
        for component in self.components:
            component.linkMade(link)

    def linkLost(self, link: Link, code: str, orderly: bool) -> None:
        for component in self.components:
            component.linkLost(link, code, orderly)

    def _needs(self, link: Link) -> bool:
        return any(component.needs(link) for component in self.components)

    def linkClear(self, link: Link) -> None:
        for component in self.components:
            component.linkClear(link)

    def silenceChanged(self, link: Link) -> None:
        for component in self.components:
            component.silenceChanged(link)

    def advertChanged(self, link: Link) -> None:
        for component in self.components:
            component.advertChanged(link)

    def messageReceived(self, link: Link, message: Message) -> None:
        receive = self._dispatch.get(type(message))
        if receive is None:
            receive = self._receiverOf(type(message))
            if receive is None:
                self.commons.tally.count("drops", "unexpected")
                return
        receive(link, message)

    def _receiverOf(self, kind: type[Message]) -> Callable[[Link, Any], None] | None:
        """What takes the messages of a kind; remembered, since most peers ever get a few kinds only."""
        for component in self.components:
            receive = component.handlers().get(kind)
            if receive is not None:
                self._dispatch[kind] = receive
                return receive
        return None
