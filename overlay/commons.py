"""
What all rooms of one peer share: who it is, its clock, its randomness, its storage, its policies, its links.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from overlay.identity.identity import Identity
from overlay.identity.ids import PeerId
from overlay.identity.network import Network
from overlay.identity.signing import ISignatureScheme
from overlay.index.dialect import Analysis, analysisOf
from overlay.questions import Deed, HeadRoom, Work
from overlay.settings import Settings
from overlay.storage import IStorage, ITable
from overlay.tally import Tally
from overlay.verdict import Verdict
from overlay.wire.message import Message

if TYPE_CHECKING:
    from overlay.link.channel import INetwork
    from overlay.link.link import Link
    from overlay.link.links import Links
    from overlay.link.turn import Turn
    from overlay.policies import Policies


_LOG = Logger(namespace="superpeer")


@attrs.frozen(slots=True)
class Surroundings:
    """
    What a peer gets from outside; nothing of it is ever imported.

    @ivar clock: monotonic time; its C{seconds()} never jumps.
    @ivar wall: wall time in seconds since the epoch; it may be set at any moment, so it is read once.
    @ivar random: for every choice.
    @ivar network: dials and listens.
    @ivar scheme: makes and checks signatures.
    @ivar headRoom: gives what the machine has left.
    @ivar turn: of the links' reactor; None where messages come one at a time.
    """

    clock: IReactorTime
    wall: Callable[[], float]
    random: random.Random
    network: "INetwork"
    scheme: ISignatureScheme
    headRoom: Callable[[], HeadRoom] = HeadRoom
    turn: "Turn | None" = None


@attrs.define(slots=True, eq=False)
class Commons:
    """
    @ivar links: set once while the peer is wired.
    @ivar now: gives network time, the median clock of the linked peers, in seconds since the epoch: only for what is signed and shown.
        Membership sets it.
    @ivar boot: larger at each start of this peer.
    @ivar seconds: gives monotonic time.
    @ivar anchor: what the wall clock said when monotonic time was 0, seconds since the epoch.
    """

    identity: Identity
    network: Network
    settings: Settings
    storage: IStorage
    surroundings: Surroundings
    policies: "Policies"
    boot: int
    tally: Tally = attrs.field(factory=Tally)
    log: Logger = _LOG
    now: Callable[[], float] = attrs.field(default=None)
    links: "Links" = attrs.field(default=None)

    anchor: float = attrs.field(default=0.0, init=False)
    # The clock's own: nothing is asked for more often.
    seconds: Callable[[], float] = attrs.field(default=None, init=False)
    # Most owners block nobody, and an empty set is larger than many a room.
    _blocked: set[bytes] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.seconds = self.surroundings.clock.seconds
        self.anchor = self.surroundings.wall() - self.seconds()
        if self.now is None:
            self.now = self.ownTime

    @property
    def clock(self) -> IReactorTime:
        return self.surroundings.clock

    @property
    def random(self) -> random.Random:
        return self.surroundings.random

    @property
    def scheme(self) -> ISignatureScheme:
        return self.surroundings.scheme

    @property
    def peerId(self) -> PeerId:
        return self.identity.peerId

    @property
    def analysis(self) -> Analysis:
        """How this network makes terms of text."""
        return analysisOf(self.network.dialect)

    def ownTime(self) -> float:
        """
        What this machine's wall clock said at the start, carried on by monotonic time, in seconds since the epoch: a step of the
        clock while the peer runs changes nothing here.
        """
        return self.anchor + self.seconds()

    def atEnd(self, act: Callable[[], None]) -> None:
        """Call C{act} when all messages that have come with the one that is under way now have been looked at."""
        turn = self.surroundings.turn
        if turn is None:
            self.clock.callLater(0.0, act)
        else:
            turn.atEnd(act)

    def softTable(self, name: str, remember: bool = True) -> ITable:
        """A durable table of what this peer can do without when the disk is full; see L{overlay.storage.SoftTable}."""
        return self.storage.softTable(name, self.log, remember)

    @property
    def blocked(self) -> set[bytes]:
        """Ids that this peer's owner has blocked."""
        if self._blocked is None:
            self._blocked = set()
        return self._blocked

    def isRefused(self, peer: bytes) -> bool:
        """Whether nothing is to be had to do with this peer: blocked here, or expelled from the network."""
        return peer in self.network.expelled or (self._blocked is not None and peer in self._blocked)

    @property
    def refused(self) -> frozenset[bytes]:
        """All those of whom that is so."""
        return self.network.expelled.union(self._blocked) if self._blocked else self.network.expelled

    def report(self, peer: PeerId, deed: Deed, weight: float = 1.0) -> None:
        """Tell the reputation what a peer did."""
        self.tally.count("deeds", deed.name.lower())
        self.policies.reputation.observed(peer, deed, weight)

    def trust(self, peer: PeerId) -> float:
        """0 to 1."""
        score: float = self.policies.reputation.trust(peer).score
        return score if 0.0 <= score <= 1.0 else min(1.0, max(0.0, score))

    def admit(self, peer: PeerId, work: Work, cost: float = 1.0) -> Verdict:
        """Ask the rate limit whether work may be done for a peer; a refusal is counted."""
        verdict = self.policies.rateLimit.ask(peer, work, cost, self.trust(peer))
        if not verdict:
            self.tally.count("refusals", str(work))
        return verdict


Receive = Callable[[Any, "Link", Any], None]
"""Takes a message: called with the part of the peer, the link that the message came by, and the message."""
Receivers = dict[type[Message], Receive]


class Component:
    """
    One part of a peer. L{overlay.peer.Peer} starts the parts in order, tells each of links, and hands a message to
    the one part that has its class in C{handlers}.
    """

    __slots__ = ("commons",)

    def __init__(self, commons: Commons) -> None:
        self.commons = commons

    @classmethod
    def handlers(cls) -> Receivers:
        """The messages that parts of this class take, and what takes them: of the class, so that thousands of peers share it."""
        return {}

    def start(self) -> None:
        """The peer starts; links may be dialled from now on."""

    def stop(self) -> "Deferred[None] | None":
        """The peer stops: end timers, say farewells."""

    def linkMade(self, link: "Link") -> None:
        """A link has passed its hello and is in the set of links."""

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        """A link has ended: with a goodbye (C{orderly}) or not."""

    def linkClear(self, link: "Link") -> None:
        """A link that was congested takes messages again."""

    def needs(self, link: "Link") -> bool:
        """Whether this part has a use for a link; one that no part needs is ended after a while by whoever dialled it."""
        return False

    def silenceChanged(self, link: "Link") -> None:
        """The other end of a link has fallen silent (C{link.silent}), or speaks again; a link that ends while it is silent is only lost."""

    def neighboursChanged(self) -> None:
        """A neighbour was gained or lost, or this peer begins or ceases to serve."""

    def treeChanged(self) -> None:
        """This peer's parent, its children, the other links that carry queries, or whether the tree is settled here have changed."""

    def advertChanged(self, link: "Link") -> None:
        """The peer at the other end of C{link} has shown a newer advert (its role or addresses may have changed)."""
