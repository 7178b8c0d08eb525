"""Whole networks of real peers in memory, under virtual time, from a seed."""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module

from overlay.commons import Surroundings
from overlay.discovery import DiscoverySurroundings, buildSources
from overlay.identity.identity import Identity
from overlay.identity.ids import PeerId
from overlay.identity.network import Network
from overlay.identity.signing import ISignatureScheme
from overlay.index import analysis
from overlay.index.document import Document
from overlay.lab.network import Latency, VirtualHost, VirtualNetwork
from overlay.lab.scheme import StandInScheme
from overlay.lab.stream import stream
from overlay.lab.time import PeerClock, VirtualTime
from overlay.peer import Peer
from overlay.policies import Policies
from overlay.policy import PLUGIN_PACKAGE, Catalogue, PolicyPlugin, PolicySurroundings, findPlugins
from overlay.questions import HeadRoom
from overlay.search.outcome import FoundHit, Outcome
from overlay.settings import Settings
from overlay.storage import MemoryStorage
from overlay.wire import limits

EPOCH = 1_800_000_000.0
"""The wall clock when virtual time is 0, seconds since the epoch."""
SPECS = {"store": "memory"}


def _catalogue() -> Catalogue:
    """All plugins; looked for again only where there is another folder of them."""
    return _found(tuple(import_module(PLUGIN_PACKAGE).__path__))


@cache
def _found(folders: tuple[str, ...]) -> Catalogue:
    return findPlugins()


class LabPeer:
    """
    One peer, which may stop, crash and start again with what it had on disk.

    @ivar skew: how far its wall clock is off, in seconds.
    @ivar bootstrap: the addresses with which it begins.
    @ivar discovery: further ways to find some, as C{NAME:key=value,...}.
    @ivar headRoom: gives what its machine has left, of which nothing is known if nobody says it.
    """

    __slots__ = (
        "_clock", "_makePeer", "address", "bootstrap", "dialable", "discovery", "headRoom", "host", "identity", "name", "peer", "running",
        "settings", "skew", "specs", "storage", "world",
    )

    def __init__(
        self, world: "World", name: str, identity: Identity, address: str, bootstrap: list[str],
        dialable: bool, settings: Settings, specs: Mapping[str, str], skew: float, makePeer: type[Peer],
    ) -> None:
        self.world = world
        self.name = name
        self.identity = identity
        self.address = address
        self.bootstrap = bootstrap
        self.discovery: Sequence[str] = ()
        self.headRoom: Callable[[], HeadRoom] = HeadRoom
        self.dialable = dialable
        self.settings = settings
        self.specs = specs
        self.skew = skew
        self._makePeer = makePeer
        self.storage = MemoryStorage()
        self.running = False
        self.peer: Peer
        self._clock: PeerClock
        self.host: VirtualHost

    def __repr__(self) -> str:
        return f"<LabPeer {self.name}>"

    @property
    def peerId(self) -> PeerId:
        return self.identity.peerId

    @property
    def isSuper(self) -> bool:
        return self.running and self.peer.membership.serving

    def _wall(self) -> float:
        return EPOCH + self.skew + self.world.time.seconds()

    def start(self) -> None:
        """Start, or start again."""
        world = self.world
        self._clock = PeerClock(world.time)
        host, port = self.address.rsplit(":", 1)
        self.host = world.net.attach(self.identity, host, int(port), self.dialable)
        rng = stream(world.random.getrandbits(64))
        surroundings = Surroundings(
            self._clock, self._wall, rng, self.host, world.scheme, self.headRoom
        )
        policies = Policies.build(
            PolicySurroundings(self._clock, rng, self.peerId, self.storage), self.specs, world.catalogue
        )
        discovery = buildSources(
            DiscoverySurroundings(
                self._clock, rng, self.peerId, self.storage, network=world.networkNow, given={"peer": self.bootstrap}
            ),
            self.discovery, world.catalogue,
        )
        self.peer = self._makePeer(
            self.identity, world.network, surroundings, self.settings, policies, self.storage, discovery=discovery
        )
        self.running = True
        self.peer.start()

    def stop(self) -> None:
        """Leave in an orderly way."""
        if self.running:
            self.running = False
            stopped: list[object] = []
            self.peer.stop().addBoth(stopped.append)
            self.world.time.runUntil(lambda: stopped, 10.0)
            self.peer.commons.policies.close()
            self._clock.dead = True

    def leave(self) -> None:
        """Leave in an orderly way, while others go on: time need not stand still for it."""
        if self.running:
            self.running = False
            clock, peer = self._clock, self.peer

            def gone(ignored: object) -> None:
                peer.commons.policies.close()
                clock.dead = True

            peer.stop().addBoth(gone)

    def crash(self) -> None:
        """Vanish as a machine does that loses its power: nobody is told; what is on disk stays."""
        if self.running:
            self.running = False
            self._clock.dead = True
            self.world.net.crash(self.peerId)

    def kill(self) -> None:
        """Die as a process does: the links are reset, so the others know at once; what is on disk stays."""
        if self.running:
            self.running = False
            self._clock.dead = True
            self.world.net.kill(self.peerId)

    def restart(self) -> None:
        """Start again after a stop, a crash or a death."""
        self.start()

    def share(self, *documents: Document) -> None:
        """Share these, or newer versions of them."""
        self.peer.own.update(list(documents), [])

    def unshare(self, *locations: str) -> None:
        """Share these no longer."""
        self.peer.own.update([], list(locations))

    def search(
        self, text: str, want: int = 20, timeout: float = 10.0, ttl: int = limits.TTL_ALL,
        onHits: Callable[[list[FoundHit]], None] | None = None, router: str = "",
    ) -> Outcome:
        """Search, and let time pass until the search has ended."""
        outcomes: list[Outcome] = []
        search = self.peer.searches.search(text, want, timeout, router, onHits, ttl)
        search.finished.addCallback(outcomes.append)
        self.world.time.runUntilFired(search.finished, timeout + 60.0)
        return outcomes[0]


class World:
    """
    @ivar time: the virtual time of all.
    @ivar net: the network of all.
    @ivar network: to which all peers belong.
    @ivar peers: by name, in the order of their making.
    """

    def __init__(
        self,
        seed: int = 1,
        settings: Settings | None = None,
        scheme: ISignatureScheme | None = None,
        codec: str = "full",
        latency: Latency = (0.005, 0.05),
        specs: Mapping[str, str] | None = None,
        network: Network | None = None,
        makePeer: type[Peer] = Peer,
        plugins: Sequence[PolicyPlugin] = (),
    ) -> None:
        """
        @param latency: see L{overlay.lab.latency.modelOf}.
        @param plugins: policies beside the installed ones.
        """
        self.makePeer = makePeer
        self.catalogue = _catalogue().joined(plugins)
        self.seed = seed
        self.random = random.Random(seed)
        self.scheme = scheme or StandInScheme()
        self.time = VirtualTime()
        self.net = VirtualNetwork(self.time, random.Random(seed + 1), codec, latency)
        self.settings = settings or Settings()
        self.specs = {**SPECS, **(specs or {})}
        founder = Identity.generate(self.random, self.scheme)
        self.network = network or Network.found("lab", founder.publicKey, self.random)
        self.peers: dict[str, LabPeer] = {}
        self._added = 0

    def add(
        self,
        name: str | None = None,
        bootstrap: Sequence["LabPeer | str"] = (),
        documents: Sequence[Document] = (),
        dialable: bool = True,
        settings: Settings | None = None,
        specs: Mapping[str, str] | None = None,
        skew: float = 0.0,
        start: bool = True,
        makePeer: type[Peer] | None = None,
        identity: Identity | None = None,
    ) -> LabPeer:
        """
        Make a peer and start it.

        @param bootstrap: peers, or names of peers, or addresses, with which it begins.
        @param identity: of the world's signature scheme; a new one if there is none.
        """
        number = self._added
        self._added += 1
        name = name or f"peer{number}"
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:7116"
        known = [self._addressOf(one) for one in bootstrap]
        peer = LabPeer(
            self, name, identity or Identity.generate(self.random, self.scheme), address, known, dialable,
            settings or self.settings, {**self.specs, **specs} if specs else self.specs, skew, makePeer or self.makePeer,
        )
        self.peers[name] = peer
        if start:
            peer.start()
            if documents:
                peer.share(*documents)
        return peer

    def _addressOf(self, one: "LabPeer | str") -> str:
        if isinstance(one, LabPeer):
            return one.address
        return self.peers[one].address if one in self.peers else one

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.time.advance(seconds)

    def until(self, predicate: Callable[[], object], limit: float) -> bool:
        """Let time pass until C{predicate} holds, looked at after each event, for at most C{limit} seconds."""
        return self.time.runUntil(predicate, limit)

    def networkNow(self) -> Network:
        """To which those belong that start now."""
        return self.network

    def superPeers(self) -> list[LabPeer]:
        return [peer for peer in self.peers.values() if peer.isSuper]

    def leaves(self) -> list[LabPeer]:
        return [peer for peer in self.peers.values() if peer.running and not peer.isSuper]

    def registered(self) -> bool:
        """Whether every running leaf has as many homes as it wants and there are, and each holds all that it shares."""
        serving = len(self.superPeers())
        for peer in self.leaves():
            homes = peer.peer.homes
            views = [one for one in homes.views() if one.state == "registered" and not one.behind]
            if len(views) < min(homes.wanted, serving):
                return False
        return True

    @staticmethod
    def document(
        location: str, text: str = "", size: int | None = None, modified: int = 1_700_000_000,
        mediaType: str = "text/plain",
    ) -> Document:
        """A document as the share room would make it."""
        terms, length = analysis.countTerms(text, 512)
        whole = text.encode("utf-8")
        return Document(
            location, location.rpartition("/")[2], len(whole) if size is None else size, modified, mediaType,
            hashlib.sha256(whole + location.encode() * (not whole)).digest(), text[:4096], terms, length,
        )


