"""One link: a channel that has passed, or is passing, its hello; keep-alive and round-trip time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from zope.interface import implementer

from overlay.errors import NotReached, TurnedAway
from overlay.identity.ids import PeerId, shortText
from overlay.link.channel import IChannel, IChannelUser
from overlay.link.counted import RECEIVED, SENT
from overlay.link.life import ILinkActs, LinkLife, linkLifeOf
from overlay.link.overchannel import OverChannel
from overlay.link.pace import Pace, patience, smoothed
from overlay.questions import Deed
from overlay.wire import limits
from overlay.wire.message import Message
from overlay.wire.messages import Goodbye, Hello, Ping, Pong
from overlay.wire.statements import Advert, Signed

if TYPE_CHECKING:
    from overlay.link.links import Links

BEAT = 0
"""The token of a ping that only says that its sender is there, and wants no answer."""
MEASURE_EVERY = 60.0
"""Seconds after which the round-trip time is measured again; of a slow link at each sign of life."""
_PINGS = SENT[Ping]
_OF_LINKS = frozenset((Goodbye, Hello, Ping, Pong))
"""What a link itself is told; all else is for its peer."""
PINGS_HELD = 64
"""Pings of the other side between two signs of life that are answered; a flood of them ends the link."""


@implementer(IChannelUser, ILinkActs)
class Link(OverChannel):
    """
    @ivar peerId: of the other end, proved.
    @ivar key: its public key.
    @ivar boot: the boot number in its hello.
    @ivar purpose: C{link} or C{probe}.
    @ivar rtt: smoothed round-trip time in seconds; None until measured.
    @ivar deviation: its mean deviation in seconds.
    @ivar silent: whether nothing has come for longer than is usual for a living peer, although it was asked.
    @ivar heard: monotonic time at which the last message came; of a machine that has just slept, later than that.
    @ivar isSuper: whether the other end says that it serves.
    @ivar next: monotonic time before which L{tick} has nothing to do.
    @ivar since: monotonic time at which it was made.
    @ivar clockOffset: the network time that the other knows minus L{Commons.ownTime}, in seconds; None until known.
    @ivar listening: port at which the other end listens; 0 if it does not.
    @ivar advert: its last advert that was verified.
    """

    __slots__ = (
        "_code", "_goodbye", "_life", "_links", "_made", "_measureAt", "_open", "_orderly", "_pinged", "_pings", "_resting", "_said",
        "_token", "_unknown", "advert", "advertSigned", "agent", "boot", "clockOffset", "closed", "deviation", "features",
        "generation", "heard", "isSuper", "key", "listening", "next", "peerId", "purpose", "rtt", "silent", "since", "version",
    )

    def __init__(self, links: "Links", channel: IChannel, purpose: str) -> None:
        self._links = links
        super().__init__(channel)
        self.peerId: PeerId = channel.remoteId
        self.key: bytes = channel.remoteKey
        self.purpose = purpose
        self.boot = 0
        self.version = 0
        self.generation = 0
        self.agent = ""
        self.features: frozenset[str] = frozenset()
        self.rtt: float | None = None
        self.deviation = 0.0
        self.silent = False
        self.next = 0.0
        self.since: float = links.commons.seconds()
        self.clockOffset: float | None = None
        self.listening = 0
        self.advert: Advert | None = None
        self.advertSigned: Signed | None = None
        self.isSuper = False
        self.closed = False
        self._made: Deferred[Link] | None = Deferred()
        self.heard = self.since
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
    def isOpen(self) -> bool:
        return self._open and not self.closed

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

    def begin(self) -> None:
        """Take the channel over."""
        if self._life is not None:
            if self.dialled:
                self._life.dialled()
            else:
                self._life.answered()
        self._channel.setUser(self)

    # --- out ---------------------------------------------------------------------------------------------------------

    def send(self, message: Message, *more: Message) -> bool:
        """
        Queue messages, one after the other, up to the first that is shed.

        @return: false if one was shed (those before it are not counted as sent then), or the link has ended.
        """
        if self.closed:
            return False
        commons = self._links.commons
        self._said = commons.seconds()
        # Nearly always it is one, which is passed on faster by itself.
        if not (self._channel.send(message, *more) if more else self._channel.send(message)):
            return False
        counts, key = commons.tally.counts, SENT[type(message)]
        counts[key] = counts.get(key, 0) + 1
        if more:
            for one in more:
                key = SENT[type(one)]
                counts[key] = counts.get(key, 0) + 1
        return True

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
        self.heard = self._links.commons.seconds()
        self._channel.resumeReading()

    def showed(self, advert: Advert, signed: Signed) -> None:
        """The other end has a newer advert; with another role it is a link of another kind."""
        self.advert, self.advertSigned, self.isSuper = advert, signed, advert.role == "super"
        self.next = 0.0

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
            at, refusal = self.dialledAddress or self.address, self._goodbye
            if refusal is None:
                made.errback(NotReached(f"{at}: {code}"))
            else:
                said = f": {refusal.text}" if refusal.text else ""
                made.errback(TurnedAway(f"{at}: {code}{said}", refusal.code, refusal.retry))

    # --- in ----------------------------------------------------------------------------------------------------------

    def messageReceived(self, message: Message) -> None:
        if self.closed:
            return
        commons = self._links.commons
        self.heard = commons.seconds()
        if self.silent:
            self._speaks()
        kind = type(message)
        counts, key = commons.tally.counts, RECEIVED[kind]
        counts[key] = counts.get(key, 0) + 1
        if self._open and kind not in _OF_LINKS:
            self._links.received(self, message)
        elif self._open and isinstance(message, Ping):
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

    def tick(self, seconds: float, now: float, late: bool, pace: Pace) -> None:
        """
        Look whether the other end is still there, and say that this one is.

        @param seconds: monotonic time, and C{now}: network time.
        @param late: this machine itself has slept, so silence proves nothing yet.
        """
        self._pings = 0
        if self._resting:
            self.heard = seconds
        silence = seconds - self.heard
        if late:
            self.heard = seconds - self._links.commons.settings.beats.keepAlive
            self._ping(seconds, now)
        elif silence >= pace.dead:
            self.abort("dead")
            return
        elif self._pinged is None and (seconds >= self._measureAt or silence >= pace.ask):
            # What was asked once need not be asked again: a channel loses nothing as long as it lasts.
            self._ping(seconds, now)
        elif seconds - self._said >= pace.beat:
            # Half of what a ping and its answer cost.
            self._sign(BEAT, seconds, now)
        bears = patience(pace, self.rtt, self.deviation)
        if silence >= bears and not self.silent and not late:
            self.silent = True
            self._links.silenceChanged(self)
        # Whoever is silent is looked at until it is given up.
        next = self.heard + (pace.dead if self.silent else bears)
        if self._pinged is None:
            next = min(next, self._measureAt, self.heard + pace.ask)
        beat = self._said + pace.beat
        self.next = beat if beat < next else next

    def _speaks(self) -> None:
        self.silent = False
        self._links.silenceChanged(self)

    def bears(self) -> float:
        """Seconds of silence after which the other end is suspected."""
        return patience(self._links.paceOf(self), self.rtt, self.deviation)

    def ask(self) -> None:
        """Ask for a sign of life now, unless that was done already."""
        if self._pinged is None:
            commons = self._links.commons
            self._ping(commons.seconds(), commons.now())

    def giveSign(self) -> None:
        """A sign of life that wants no answer."""
        commons = self._links.commons
        self._sign(BEAT, commons.seconds(), commons.now())

    def _ping(self, seconds: float, now: float) -> None:
        self._token += 1
        self._pinged = seconds
        self._sign(self._token, seconds, now)

    def _sign(self, token: int, seconds: float, now: float) -> None:
        """Far more of these are sent than of all others together."""
        if not self.closed:
            self._said = seconds
            if self._channel.send(Ping(token, now)):
                counts = self._links.commons.tally.counts
                counts[_PINGS] = counts.get(_PINGS, 0) + 1

    def _ponged(self, message: Pong) -> None:
        if self._pinged is None or message.token != self._token:
            return
        commons = self._links.commons
        seconds = commons.seconds()
        rtt = max(0.0, seconds - self._pinged)
        self._pinged = None
        self.measure(rtt, message.wall, commons.anchor + seconds)
        pace = self._links.paceOf(self)
        slow = patience(pace, self.rtt, self.deviation) > pace.suspect
        self._measureAt = seconds + (pace.beat if slow else MEASURE_EVERY)

    def measure(self, rtt: float, wall: float, ownTime: float) -> None:
        """Take a round-trip time, and with it the other's clock."""
        self.rtt, self.deviation = smoothed(rtt, self.rtt, self.deviation)
        self.clockOffset = wall + rtt / 2 - ownTime
