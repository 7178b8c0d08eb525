"""One link: a channel that has passed, or is passing, its hello; keep-alive and round-trip time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from overlay.errors import NotReached, TurnedAway
from overlay.identity.ids import PeerId, shortText
from overlay.link.channel import IChannel, IChannelUser
from overlay.link.counted import RECEIVED, SENT
from overlay.link.life import ILinkActs, LinkLife, linkLifeOf
from overlay.questions import Deed
from overlay.wire import limits
from overlay.wire.message import Message
from overlay.wire.messages import Goodbye, Hello, Ping, Pong
from overlay.wire.statements import Advert, Signed

if TYPE_CHECKING:
    from overlay.link.links import Links

BEAT = 0
"""The token of a ping that only says that its sender is there, and wants no answer."""
LEAF_SLOWER = 3
"""Leaves give a sign of life so many times less often."""
EARLY = 0.9
"""A sign is given at the look that is nearest to its time, and not at the one after."""
MEASURE_EVERY = 60.0
"""Seconds after which the round-trip time is measured again."""
PINGS_HELD = 64
"""Pings of the other side within one keep-alive interval that are answered; a flood of them ends the link."""


@implementer(IChannelUser, ILinkActs)
class Link:
    """
    @ivar peerId: of the other end, proved.
    @ivar key: its public key.
    @ivar boot: the boot number in its hello.
    @ivar purpose: C{link} or C{probe}.
    @ivar rtt: smoothed round-trip time in seconds; None until measured.
    @ivar since: monotonic time at which it was made.
    @ivar clockOffset: the network time that the other knows minus L{Commons.ownTime}, in seconds; None until known.
    @ivar listening: port at which the other end listens; 0 if it does not.
    @ivar advert: its last advert that was verified.
    @ivar timer: ends it if it is not open, or not done with, in time.
    """

    __slots__ = (
        "_channel", "_code", "_goodbye", "_heard", "_life", "_links", "_made", "_measureAt", "_open", "_orderly", "_pinged",
        "_pings", "_resting", "_said", "_token", "_unknown", "advert", "advertSigned", "agent", "boot", "clockOffset",
        "closed", "features", "generation", "key", "listening", "peerId", "purpose", "rtt", "since", "timer", "version",
    )

    def __init__(self, links: "Links", channel: IChannel, purpose: str) -> None:
        self._links = links
        self._channel = channel
        self.peerId: PeerId = channel.remoteId
        self.key: bytes = channel.remoteKey
        self.purpose = purpose
        self.boot = 0
        self.version = 0
        self.generation = 0
        self.agent = ""
        self.features: frozenset[str] = frozenset()
        self.rtt: float | None = None
        self.since: float = links.commons.seconds()
        self.clockOffset: float | None = None
        self.listening = 0
        self.advert: Advert | None = None
        self.advertSigned: Signed | None = None
        self.closed = False
        self.timer: IDelayedCall | None = None
        self._made: Deferred[Link] | None = Deferred()
        self._heard = self.since
        self._said = self.since
        self._measureAt = 0.0
        self._pinged: float | None = None
        self._token = 0
        self._pings = 0
        self._unknown = 0
        self._open = False
        self._code = ""
        self._orderly = False
        self._goodbye: Goodbye | None = None
        self._resting = False
        self._life: LinkLife | None = linkLifeOf(self)

    def __repr__(self) -> str:
        return f"<Link {shortText(self.peerId)} {self.address}>"

    @property
    def dialled(self) -> bool:
        return self._channel.dialled

    @property
    def address(self) -> str:
        return self._channel.remoteAddress

    @property
    def dialledAddress(self) -> str:
        return self._channel.dialledAddress

    @property
    def binding(self) -> bytes:
        return self._channel.binding

    @property
    def bytesSent(self) -> int:
        return self._channel.bytesSent

    @property
    def bytesReceived(self) -> int:
        return self._channel.bytesReceived

    @property
    def congested(self) -> bool:
        return self._channel.congested

    @property
    def isOpen(self) -> bool:
        return self._open and not self.closed

    @property
    def heard(self) -> float:
        """Monotonic time at which the last message came; of a machine that has just slept, later than that."""
        return self._heard

    @property
    def isSuper(self) -> bool:
        return self.advert is not None and self.advert.role == "super"

    def made(self) -> "Deferred[Link]":
        """
        Asked once, before L{begin}.

        @return: fires with this link, or the one that serves in its place, once it is open; fails if it never is.
        """
        assert self._made is not None
        return self._made

    def settle(self, link: "Link") -> None:
        """Whoever dialled this link gets C{link}."""
        made, self._made = self._made, None
        if made is not None:
            made.callback(link)

    def endTimer(self) -> None:
        """It need not be ended by the clock any more."""
        timer, self.timer = self.timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def begin(self) -> None:
        """Take the channel over."""
        if self._life is not None:
            if self.dialled:
                self._life.dialled()
            else:
                self._life.answered()
        self._channel.setUser(self)

    # --- out ---------------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> bool:
        """
        Queue a message.

        @return: false if it was shed, or the link has ended.
        """
        if self.closed:
            return False
        commons = self._links.commons
        self._said = commons.seconds()
        sent = self._channel.send(message)
        if sent:
            counts, key = commons.tally.counts, SENT[type(message)]
            counts[key] = counts.get(key, 0) + 1
        return sent

    def sendOne(self, message: Message, seconds: float) -> bool:
        """L{send} for whoever knows what time it is, and counts what was sent."""
        if self.closed:
            return False
        self._said = seconds
        return self._channel.send(message)

    def close(self, code: str, text: str = "", retry: float = 0.0, adverts: Sequence[Signed] = ()) -> None:
        """Say goodbye, then close."""
        if self.closed:
            return
        kept = list(adverts)[: limits.ADVERTS_PER_MESSAGE // 4]
        self._channel.send(Goodbye(code[:32], text[: limits.REASON_TEXT], retry, kept))
        self._code = self._code or code
        self._end(True)
        self._channel.close()

    def abort(self, code: str) -> None:
        """End at once, without a goodbye."""
        self._code = self._code or code
        self._end(False)
        self._channel.abort()

    def pauseReading(self) -> None:
        """Take nothing in for a while; meanwhile silence says nothing about the other end."""
        self._resting = True
        self._channel.pauseReading()

    def resumeReading(self) -> None:
        """Undo L{pauseReading}."""
        self._resting = False
        self._heard = self._links.commons.seconds()
        self._channel.resumeReading()

    def _end(self, orderly: bool) -> None:
        if not self.closed:
            self.closed = True
            self._orderly = orderly
            # The two know each other, and neither is wanted any more.
            life, self._life = self._life, None
            if life is not None:
                life.ended(self._code or "lost", orderly)
            else:
                self.lost(self._code or "lost", orderly)

    # --- what the machine has done -----------------------------------------------------------------------------------

    def sayHello(self) -> None:
        self.send(self._links.hello(self))

    def check(self, hello: Hello) -> None:
        refusal = self._links.judge(self, hello)
        life = self._life
        if life is None:
            return
        if refusal is None:
            life.accepted()
            return
        life.refused()
        self._links.commons.tally.count("refusals", "link-" + refusal.code)
        self._channel.send(refusal)
        self._code = refusal.code
        self._goodbye = refusal
        self._end(True)
        self._channel.close()

    def open(self) -> None:
        self._open = True
        self._channel.allow(limits.MESSAGE)
        self._links.opened(self)

    def lost(self, code: str, orderly: bool) -> None:
        if self._open:
            self._links.ended(self, code, orderly)
        made, self._made = self._made, None
        if made is not None:
            # Whoever says goodbye has shown its identity before, and lives.
            kind, said = (NotReached, "") if self._goodbye is None else (TurnedAway, self._goodbye.text)
            made.errback(kind(f"{self.dialledAddress or self.address}: {code}{': ' + said if said else ''}"))

    # --- in ----------------------------------------------------------------------------------------------------------

    def messageReceived(self, message: Message) -> None:
        if self.closed:
            return
        commons = self._links.commons
        self._heard = commons.seconds()
        counts, key = commons.tally.counts, RECEIVED[type(message)]
        counts[key] = counts.get(key, 0) + 1
        if self._open and isinstance(message, Ping):
            # Far more come of these than of all others together.
            self._pings += 1
            if self._pings > PINGS_HELD:
                self._breach("a flood of pings")
            elif message.token != BEAT:
                self.send(Pong(message.token, commons.now()))
        elif isinstance(message, Goodbye):
            self._goodbye = message
            self._code = message.code
            self._links.goodbyeReceived(self, message)
            self._end(True)
            self._channel.close()
        elif isinstance(message, Hello):
            if self._open:
                self._breach("a second hello")
            elif self._life is not None:
                self._life.helloReceived(message)
                if self._open:
                    # All that can still come to an open link is its end, and a peer has many links.
                    self._life = None
        elif not self._open:
            self._breach(f"{type(message).__name__} before the hello")
        elif isinstance(message, Pong):
            self._ponged(message)
        else:
            self._links.received(self, message)

    def unknownReceived(self, tag: int) -> None:
        self._links.commons.tally.count("drops", "unknown-message")
        self._unknown += 1
        if not self._open or self._unknown > limits.SKIPPED_UNKNOWN:
            self._breach(f"message {tag} is unknown")

    def channelBroken(self, reason: Exception) -> None:
        self._breach(str(reason), getattr(reason, "code", "malformed"))

    def _breach(self, text: str, code: str = "malformed") -> None:
        commons = self._links.commons
        commons.tally.count("drops", code)
        commons.report(self.peerId, Deed.GARBAGE)
        commons.log.info("{peer} broke the protocol: {text}", peer=shortText(self.peerId), text=text)
        self.close(code, text)

    def channelLost(self, reason: str) -> None:
        self._code = self._code or "lost"
        self._end(self._orderly)
        self._links.gone(self)

    def messageDropped(self, reason: str) -> None:
        self._links.commons.tally.count("drops", reason)

    def channelCongested(self) -> None:
        self._links.commons.tally.count("congested")

    def channelClear(self) -> None:
        if self.isOpen:
            self._links.clear(self)

    # --- keep-alive --------------------------------------------------------------------------------------------------

    def tick(self, seconds: float, late: bool, beat: float) -> None:
        """
        Look whether the other end is still there, and say that this one is.

        @param late: this machine itself has slept, so silence proves nothing yet.
        @param beat: seconds of saying nothing after which this end gives a sign of life.
        """
        self._pings = 0
        if self._resting:
            self._heard = seconds
        commons = self._links.commons
        settings = commons.settings
        silence = seconds - self._heard
        if late:
            self._heard = seconds - settings.keepAlive
            self._ping(seconds)
        elif silence >= settings.dead:
            self.abort("dead")
        elif (seconds >= self._measureAt or silence >= 2 * settings.keepAlive) and self._isDue(seconds, silence):
            self._ping(seconds)
        elif seconds - self._said >= beat:
            # A sign of life that wants no answer: half of what a ping and its answer cost.
            self.send(Ping(BEAT, commons.now()))

    def due(self, beat: float) -> float:
        """Monotonic time from which on L{tick} has something to do, unless something comes in meanwhile."""
        keepAlive = self._links.commons.settings.keepAlive
        if self._pinged is not None:
            return self._pinged + keepAlive
        return min(self._said + beat, self._heard + 2 * keepAlive, self._measureAt)

    def _isDue(self, seconds: float, silence: float) -> bool:
        """Whether the other end has to be asked now: it should have given a sign, a leaf somewhat later than a super-peer."""
        keepAlive = self._links.commons.settings.keepAlive
        if self._pinged is not None and seconds - self._pinged < keepAlive:
            return False
        return seconds >= self._measureAt or self.isSuper or silence >= (LEAF_SLOWER + 0.5) * keepAlive

    def _ping(self, seconds: float) -> None:
        self._token += 1
        self._pinged = seconds
        self.send(Ping(self._token, self._links.commons.now()))

    def _ponged(self, message: Pong) -> None:
        if self._pinged is None or message.token != self._token:
            return
        commons = self._links.commons
        rtt = max(0.0, commons.seconds() - self._pinged)
        self._pinged = None
        self._measureAt = commons.seconds() + MEASURE_EVERY
        self.measure(rtt, message.wall, commons.ownTime())

    def measure(self, rtt: float, wall: float, ownTime: float) -> None:
        """Take a round-trip time, smoothed as in RFC 6298, and with it the other's clock."""
        self.rtt = rtt if self.rtt is None else 0.875 * self.rtt + 0.125 * rtt
        self.clockOffset = wall + rtt / 2 - ownTime
