"""
The service behind C{twistd superpeer}: opens the data folder, makes the peer, its share, its consoles and its metrics page, and closes
them again in the other order.
"""

import fcntl
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import attrs
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile

from overlay import __version__
from overlay.commons import Surroundings
from overlay.console.server import ConsoleFactory
from overlay.desk import Desk
from overlay.discovery import DiscoverySurroundings, Source, buildSources
from overlay.errors import SuperpeerError, UsageError
from overlay.garbage import keepForGood
from overlay.headroom import headRoom
from overlay.identity.identity import Identity, loadIdentity, writePrivately
from overlay.identity.ids import idText, shortText
from overlay.identity.invitation import Invitation
from overlay.identity.network import OPEN_PREFIX, Network
from overlay.identity.signing import Ed25519
from overlay.index.dialect import analysisOf, dialectOf
from overlay.link.tls import TlsNetwork
from overlay.link.turn import Turn
from overlay.logs import jsonObserver, textObserver
from overlay.membership.governance import savedNetwork
from overlay.metrics import metricsSite
from overlay.peer import Peer
from overlay.policies import Policies
from overlay.policy import PolicySurroundings
from overlay.settings import Settings
from overlay.share.share import Share
from overlay.storage import DiskStorage
from overlay.wire.statements import Capacity

LONGEST_SOCKET_PATH = 100
"""Unix socket paths may have 107 bytes."""


class StartFailed(SuperpeerError):
    """The peer cannot start."""


@attrs.frozen(slots=True)
class Plan:
    """
    What the options come to.

    @ivar data: folder of this peer's state.
    @ivar specs: plugins, C{name:key=value,...} by point.
    @ivar discovery: further ways to find others, C{name:key=value,...} each.
    @ivar stem: language of the stems of a new network.
    """

    data: Path
    shares: tuple[Path, ...]
    exclude: tuple[str, ...]
    listen: str
    console: str
    metrics: str | None
    invitation: Invitation | None
    peers: tuple[str, ...]
    networkName: str | None
    settings: Settings
    specs: dict[str, str]
    logFormat: str
    stem: str | None = None
    discovery: tuple[str, ...] = ()


class SuperpeerService(MultiService):
    """
    One peer as a Twisted service.

    @ivar peer: the running peer, or None.
    """

    def __init__(self, reactor: Any, plan: Plan, logFile: str | None = None, foreground: bool = True) -> None:
        super().__init__()
        self.setName("superpeer")
        self._reactor = reactor
        self._plan = plan
        self._logFile = logFile
        self._foreground = foreground
        self._log = Logger(namespace="superpeer")
        self._ports: list[IListeningPort] = []
        self._consoles: list[ConsoleFactory] = []
        self._socketFolder: str | None = None
        self._lock: int | None = None
        self._storage: DiskStorage | None = None
        self._policies: Policies | None = None
        self._share: Share | None = None
        self.peer: Peer | None = None

    # --- starting ----------------------------------------------------------------------------------------------------

    def setServiceParent(self, parent: Any) -> None:
        """Bring our log format into the application; C{twistd} asks it for an observer."""
        if isinstance(parent, Componentized):
            if (self._foreground and not self._logFile) or self._logFile == "-":
                import sys

                stream: Any = sys.stdout
            else:
                stream = LogFile.fromFullPath(self._logFile or "twistd.log")
            observer = jsonObserver(stream) if self._plan.logFormat == "json" else textObserver(stream)
            parent.setComponent(ILogObserver, observer)
        super().setServiceParent(parent)

    def startService(self) -> None:
        """
        @raise StartFailed: with one line that says why; nothing stays open.
        """
        super().startService()
        try:
            self._start()
        except SuperpeerError:
            self._giveUp()
            raise
        except OSError as problem:
            self._giveUp()
            raise StartFailed(f"{problem.strerror}: {problem.filename or self._plan.data}") from problem

    def _giveUp(self) -> None:
        """Close what has been opened so far."""
        for port in self._ports:
            port.stopListening()
        if self.peer is not None and self.peer.running:
            self.peer.stop()
        self._release()

    def _start(self) -> None:
        # Wall time may jump; no lease and no timeout may jump with it.
        self._reactor.seconds = time.monotonic
        plan = self._plan
        plan.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._takeLock()
        scheme = Ed25519()
        rng = random.SystemRandom()
        identity = loadIdentity(plan.data / "identity.key", rng, scheme)
        storage = self._storage = DiskStorage(plan.data)
        network = self._chooseNetwork(savedNetwork(storage), identity, rng)
        # Without what it needs for the network's terms nothing of it is of use.
        analysisOf(network.dialect)
        turn = Turn(self._reactor)
        surroundings = Surroundings(
            self._reactor, time.time, rng, TlsNetwork(self._reactor, identity, plan.listen, turn), scheme, headRoom, turn
        )
        policies = self._policies = Policies.build(
            PolicySurroundings(self._reactor, rng, identity.peerId, storage), plan.specs
        )
        peer = self.peer = Peer(
            identity, network, surroundings, plan.settings, policies, storage,
            discovery=self._sources(identity, network, storage, rng),
        )
        peer.membership.capacity = _capacity
        share = self._share = Share(peer.commons, list(plan.shares), list(plan.exclude), self._reactor, plan.data)
        share.onChange = peer.own.update
        share.isShared = lambda location: peer.own.get(location) is not None
        _raiseNow(peer.start(), f"--listen {plan.listen}")
        desk = Desk(peer, share)
        self._listen(plan.console, ConsoleFactory(desk, self._reactor), "--console")
        control = self._controlPath()
        self._listen(f"unix:{control.replace(':', chr(92) + ':')}:mode=600",
                     ConsoleFactory(desk, self._reactor, operator=True), "the control socket")
        if plan.metrics is not None:
            self._ports.append(
                _raiseNow(
                    serverFromString(self._reactor, plan.metrics).listen(metricsSite(peer.commons.tally, desk.gauges)),
                    f"--metrics {plan.metrics}",
                )
            )
        self._writeRuntime(control)
        share.start()
        keepForGood()
        self._log.info(
            "superpeer {version}: peer {peer} of network {network}, links on port {port}, console at {console}",
            version=__version__, peer=idText(identity.peerId), network=network.title, port=peer.links.port,
            console=self._consoleAddress(),
        )

    def _sources(self, identity: Identity, network: Network, storage: DiskStorage, rng: random.Random) -> list[Source]:
        """The ways to find others."""
        plan = self._plan
        given = {"peer": plan.peers}
        if plan.invitation is not None and plan.invitation.peerId != identity.peerId:
            given["join"] = plan.invitation.addresses
        surroundings = DiscoverySurroundings(
            self._reactor, rng, identity.peerId, storage, given=given, resolver=self._reactor.nameResolver, reactor=self._reactor,
            network=lambda: self.peer.commons.network if self.peer is not None else network,
        )
        return buildSources(surroundings, plan.discovery)

    def _takeLock(self) -> None:
        self._lock = os.open(self._plan.data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise StartFailed(
                f"another peer is running on the data folder {self._plan.data}; give this one another with --data"
            ) from problem

    def _chooseNetwork(self, saved: Network | None, identity: Identity, rng: random.Random) -> Network:
        plan = self._plan
        joining = plan.invitation.network if plan.invitation is not None else None
        wanted = plan.networkName
        if joining is not None and wanted is not None and wanted != joining.title:
            raise UsageError(f"--join is for network {joining.title}, --network says {wanted}")
        dialect = dialectOf(plan.stem or "")
        there = saved if saved is not None else joining
        if there is not None and plan.stem is not None and there.dialect != dialect:
            raise UsageError(
                f"network {there.title} indexes words as {there.dialect or 'they are'}, which cannot be changed: leave --stem away"
            )
        if saved is not None:
            if joining is not None and joining.id != saved.id:
                raise UsageError(
                    f"the data folder {plan.data} belongs to network {saved.title}, the invitation is for"
                    f" {joining.title}: give another folder with --data"
                )
            if wanted is not None and wanted != saved.title:
                raise UsageError(
                    f"the data folder {plan.data} belongs to network {saved.title}, not {wanted}:"
                    " give another folder with --data"
                )
            if joining is not None and joining.generation > saved.generation:
                return attrs.evolve(saved, key=joining.key, generation=joining.generation, previousKey=saved.key)
            return saved
        if joining is not None:
            return joining
        if wanted is not None and wanted.startswith(OPEN_PREFIX):
            return Network.open(wanted, dialect)
        return Network.found(wanted or f"net-{shortText(identity.peerId)}", identity.publicKey, rng, dialect)

    def _listen(self, endpoint: str, factory: ConsoleFactory, what: str) -> None:
        port = _raiseNow(serverFromString(self._reactor, endpoint).listen(factory), f"{what} {endpoint}")
        self._consoles.append(factory)
        self._ports.append(port)

    def _controlPath(self) -> str:
        path = str(self._plan.data.resolve() / "control.sock")
        if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
            self._socketFolder = tempfile.mkdtemp(prefix="superpeer-")
            path = os.path.join(self._socketFolder, "control.sock")
        # A socket that a killed peer left behind; the lock says that no living one uses it.
        Path(path).unlink(missing_ok=True)
        return path

    def _consoleAddress(self) -> str:
        host: Any = self._ports[0].getHost()
        if hasattr(host, "port"):
            return f"[{host.host}]:{host.port}" if ":" in host.host else f"{host.host}:{host.port}"
        name = host.name
        return "unix:" + (name.decode() if isinstance(name, bytes) else str(name))

    def _writeRuntime(self, control: str) -> None:
        assert self.peer is not None
        runtime = {
            "peer": idText(self.peer.peerId),
            "pid": os.getpid(),
            "console": self._consoleAddress(),
            "control": control,
            "port": self.peer.links.port,
            "version": __version__,
        }
        writePrivately(self._plan.data / "runtime.json", json.dumps(runtime).encode("ascii") + b"\n")

    # --- stopping ----------------------------------------------------------------------------------------------------

    def stopService(self) -> Deferred[None]:
        """
        @return: fires when the goodbyes are said and everything is closed.
        """
        stopping = maybeDeferred(super().stopService)
        if self._share is not None:
            share = self._share
            stopping.addCallback(lambda ignored: share.stop())
        for factory in self._consoles:
            stopping.addCallback(_then(factory.closeAll))
        stopping.addCallback(
            lambda ignored: DeferredList([maybeDeferred(port.stopListening) for port in self._ports])
        )
        if self.peer is not None:
            peer = self.peer
            stopping.addCallback(lambda ignored: peer.stop())
        stopping.addErrback(self._stopFailed)
        stopping.addCallback(lambda ignored: self._release())
        return cast("Deferred[None]", stopping)

    def _stopFailed(self, reason: Failure) -> None:
        self._log.failure("the peer did not stop in an orderly way", failure=reason)

    def _release(self) -> None:
        if self._policies is not None:
            self._policies.close()
            self._policies = None
        if self._storage is not None:
            self._storage.close()
            self._storage = None
        if self._socketFolder is not None:
            Path(self._socketFolder, "control.sock").unlink(missing_ok=True)
            os.rmdir(self._socketFolder)
            self._socketFolder = None
        if self._lock is not None:
            if self.peer is not None:
                (self._plan.data / "runtime.json").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None


def _then(what: Callable[[], Any]) -> Callable[[object], Any]:
    """A callback that does not look at the result before it."""
    return lambda ignored: what()


def _raiseNow(started: Deferred[Any], what: str) -> Any:
    """
    The result of a Deferred that must have fired: everything that a peer listens on is local.

    @raise StartFailed: it failed.
    """
    results: list[Any] = []
    started.addBoth(results.append)
    if not results:
        raise StartFailed(f"{what} cannot be opened at once")
    if isinstance(results[0], Failure):
        problem = results[0].value
        reason = getattr(problem, "socketError", None) or problem
        raise StartFailed(f"{what}: {getattr(reason, 'strerror', None) or reason}") from problem
    return results[0]


def _capacity(uptime: float) -> Capacity:
    """What this machine has free: a claim that is only a hint to others."""
    room = headRoom()
    return Capacity(memory=room.memory or 0, descriptors=room.descriptors or 0, uptime=int(uptime))


