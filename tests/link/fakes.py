"""Stand-ins for what a link needs around it, and channels joined in memory that a test may also speak to directly."""

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from overlay.commons import Commons, Surroundings
from overlay.errors import NotReached
from overlay.identity.identity import Identity
from overlay.identity.ids import PeerId
from overlay.identity.network import Network
from overlay.identity.signing import Ed25519, ISignatureScheme
from overlay.link.acquaintances import Nobody
from overlay.link.channel import IChannel, IChannelUser, INetwork
from overlay.link.link import Link
from overlay.link.links import Links
from overlay.questions import Deed
from overlay.settings import Settings
from overlay.storage import MemoryStorage
from overlay.verdict import Verdict
from overlay.wire.message import Message
from overlay.wire.statements import Advert, Capacity, Signed, seal

WALL = 1_800_000_000.0
SCHEME = Ed25519()


class Policies:
    """
    @ivar deeds: what was reported, in order.
    @ivar verdict: the answer of the rate limit.
    """

    def __init__(self) -> None:
        self.deeds: list[tuple[bytes, Deed]] = []
        self.verdict = Verdict("admit")
        self.reputation = self
        self.rateLimit = self

    def observed(self, peer: PeerId, deed: Deed, weight: float) -> None:
        self.deeds.append((peer, deed))

    def trust(self, peer: PeerId) -> Verdict:
        return Verdict.yes(score=0.5)

    def ask(self, peer: PeerId, work: Any, cost: float, trust: float) -> Verdict:
        return self.verdict


class Observer:
    """Writes down what the links tell: whole lists to compare with."""

    def __init__(self) -> None:
        self.events: list[tuple] = []
        self.messages: list[tuple[bytes, Message]] = []
        self.onMade: Callable[[Link], None] = lambda link: None
        self.onMessage: Callable[[Link, Message], None] = lambda link, message: None

    def linkMade(self, link: Link) -> None:
        self.events.append(("made", link.peerId))
        self.onMade(link)

    def linkLost(self, link: Link, code: str, orderly: bool) -> None:
        self.events.append(("lost", link.peerId, code, orderly))

    def linkClear(self, link: Link) -> None:
        self.events.append(("clear", link.peerId))

    def silenceChanged(self, link: Link) -> None:
        self.events.append(("silent" if link.silent else "speaks", link.peerId))

    def advertChanged(self, link: Link) -> None:
        self.events.append(("advert", link.peerId))

    def dialledBy(self, peer: PeerId) -> None:
        self.events.append(("dialled by", peer))

    def messageReceived(self, link: Link, message: Message) -> None:
        self.messages.append((link.peerId, message))
        self.onMessage(link, message)


def identityOf(number: int, scheme: ISignatureScheme = SCHEME) -> Identity:
    """One of a fixed series of identities."""
    return Identity.fromSeed(bytes([number]) * 32, scheme)


FOUNDER = identityOf(250)
CLOSED = Network("tests", b"k" * 32, FOUNDER.publicKey)


def advertOf(identity: Identity, network: Network, role: str = "leaf", sequence: int = 1) -> Signed:
    return seal(
        identity,
        Advert(
            network.id, identity.peerId, sequence, int(WALL), int(WALL) + 3600, role, ["10.0.0.1:7116"], Capacity(), 0, "test"
        ),
    )


class Known(Nobody):
    """Has an advert; a test may have it know more."""

    def __init__(self, ownSigned: Callable[[], Signed]) -> None:
        self.ownSigned = ownSigned  # type: ignore[method-assign]
        self.take: Any = super().take  # type: ignore[method-assign]
        self.knewBefore: Any = super().knewBefore  # type: ignore[method-assign]
        self.sample: Any = super().sample  # type: ignore[method-assign]


class Place:
    """One peer with nothing but its links."""

    def __init__(
        self,
        identity: Identity,
        network: INetwork,
        clock: IReactorTime,
        membership: Network = CLOSED,
        settings: Settings | None = None,
        boot: int = 1,
    ) -> None:
        self.identity = identity
        self.peerId = identity.peerId
        self.policies = Policies()
        self.observer = Observer()
        self.storage = MemoryStorage()
        self.wall = WALL
        surroundings = Surroundings(clock, lambda: self.wall, random.Random(1), network, SCHEME)
        self.commons = Commons(
            identity, membership, settings or Settings(), self.storage, surroundings, self.policies, boot  # type: ignore[arg-type]
        )
        self.links = self.commons.links = Links(self.commons)
        self.links.observer = self.observer  # type: ignore[assignment]
        self.role = "leaf"
        self.known = self.links.acquaintances = Known(lambda: advertOf(identity, self.commons.network, self.role))

    def drops(self) -> dict[str, int]:
        return {key[1]: value for key, value in self.commons.tally.counts.items() if key[0] == "drops"}

    def deeds(self) -> list[Deed]:
        return [deed for _, deed in self.policies.deeds]


@implementer(IChannel)
class Wire:
    """
    One end of a channel in memory, which the test itself may hold.

    @ivar sent: messages that this end's user has sent, in order.
    @ivar ended: C{closed} or C{aborted} once this end has ended itself.
    @ivar shed: whether sending sheds.
    """

    fieldsSkipped = 0

    def __init__(self, identity: Identity, dialled: bool, binding: bytes = b"b" * 32, address: str = "10.0.0.9:7116") -> None:
        self.remoteKey = identity.publicKey
        self.remoteId = identity.peerId
        self.dialled = dialled
        self.binding = binding
        self.remoteAddress = address
        self.dialledAddress = address if dialled else ""
        self.congested = False
        self.bytesSent = self.bytesReceived = 0
        self.sent: list[Message] = []
        self.user: IChannelUser | None = None
        self.allowed = 0
        self.paused = False
        self.ended = ""
        self.shed = ""

    def setUser(self, user: IChannelUser) -> None:
        self.user = user

    def send(self, message: Message) -> bool:
        if self.ended:
            return False
        if self.shed:
            assert self.user is not None
            self.user.messageDropped(self.shed)
            return False
        self.sent.append(message)
        return True

    def allow(self, size: int) -> None:
        self.allowed = size

    def pauseReading(self) -> None:
        self.paused = True

    def resumeReading(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"

    # What the test does at the other end.

    def receive(self, *messages: Message) -> None:
        """These come in."""
        for message in messages:
            assert self.user is not None
            self.user.messageReceived(message)

    def lose(self, reason: str = "lost") -> None:
        """The connection is gone."""
        self.ended = self.ended or "lost"
        user, self.user = self.user, None
        assert user is not None
        user.channelLost(reason)

    def kinds(self) -> list[type]:
        return [type(message) for message in self.sent]


class _Listening:
    port = 7116
    host = ""

    def stop(self) -> Deferred:
        return succeed(None)


@implementer(INetwork)
class Wires:
    """
    A network whose far ends the test plays.

    @ivar dials: what was dialled: address, expected id, and the Deferred that the test fires with a L{Wire}.
    """

    def __init__(self) -> None:
        self.dials: list[tuple[str, bytes | None, Deferred]] = []
        self.accept: Callable[[IChannel], None] = lambda channel: None
        self.problem: Exception | None = None

    def listen(self, accept: Callable[[IChannel], None]) -> Deferred:
        self.accept = accept
        return fail(self.problem) if self.problem else succeed(_Listening())

    def dial(self, address: str, expected: bytes | None, timeout: float) -> Deferred:
        made: Deferred = Deferred()
        self.dials.append((address, expected, made))
        return made


def notReached(text: str = "nobody there") -> NotReached:
    return NotReached(text)


def alone(number: int = 1, clock: Clock | None = None, **arguments: Any) -> tuple[Place, Wires, Clock]:
    """One place that has started, on a network that the test plays."""
    wires, clock = Wires(), clock or Clock()
    place = Place(identityOf(number), wires, clock, **arguments)
    place.links.start()
    return place, wires, clock
