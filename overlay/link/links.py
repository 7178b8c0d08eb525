"""The set of all links of one peer: dialling, accepting, keep-alive, duplicates, and the end of them all."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from overlay.commons import Commons
from overlay.errors import NotReached
from overlay.identity.ids import shortText
from overlay.link.acquaintances import NOBODY, Acquaintances
from overlay.link.channel import IChannel, IListening
from overlay.link.deadlines import Deadlines
from overlay.link.greeting import Greeting
from overlay.link.keepalive import KeepAlive
from overlay.link.link import Link
from overlay.link.openlinks import OpenLinks
from overlay.link.pace import Pace
from overlay.link.room import BEGINNING, FULL, FULL_RETRY, NAMED, hasRoom
from overlay.link.sightings import Sightings
from overlay.questions import Deed
from overlay.wire.address import formatAddress
from overlay.wire.message import Message
from overlay.wire.messages import Goodbye, Hello, NetworkChanged
from overlay.wire.statements import Signed

if TYPE_CHECKING:
    from overlay.peer import Peer

FAREWELL = 2.0
"""Seconds that the goodbyes may take at the end; a channel that is not closed then is cut."""
KEPT_LONG = 60.0
"""Seconds from which a link that ended in an orderly way speaks for the other end."""


def unasked(peer: bytes, nonce: bytes) -> None:
    """Whoever dials us was not asked to."""


class Links(OpenLinks):
    """
    @ivar observer: hears of links made, lost and clear, of those who show that they are there, and of messages.
    @ivar acquaintances: what is known of other peers.
    @ivar networkChange: the founder's last change, sent to whoever has an older key.
    @ivar wasDialled: whether another peer has reached our listening port in this run.
    @ivar dialledAt: monotonic time at which one did so last.
    @ivar probed: called with the id of a peer that dials us because we asked it to, and the number that we gave it.
    @ivar twin: what is known of another machine that has our identity; empty if none was met.
    """

    __slots__ = (
        "_channels", "_deadlines", "_dialling", "_empty", "_greeting", "_keepAlive", "_listening", "_nonce", "_reached", "_running",
        "_seen", "_serving", "_spares", "_young", "acquaintances", "dialledAt", "networkChange", "observer", "probed", "twin",
        "wasDialled",
    )

    def __init__(self, commons: Commons) -> None:
        super().__init__(commons)
        self.observer: Peer
        self.acquaintances: Acquaintances = NOBODY
        self.networkChange: Signed | None = None
        self.wasDialled = False
        self.dialledAt = 0.0
        self.probed: Callable[[bytes, bytes], None] = unasked
        self._nonce = b""
        self._serving = False
        self.twin = ""
        self._greeting = Greeting(commons)
        self._spares: dict[bytes, Link] = {}
        self._channels: list[Link] = []
        self._young = 0
        self._deadlines = Deadlines(commons)
        self._dialling: dict[bytes | str, list[Deferred[Link]]] = {}
        self._reached = Sightings()
        self._seen = Sightings()
        self._listening: IListening | None = None
        self._keepAlive = KeepAlive(self)
        self._empty: Deferred[None] | None = None
        self._running = False

    @property
    def serving(self) -> bool:
        """Whether this peer is a super-peer; membership sets it."""
        return self._serving

    @serving.setter
    def serving(self, value: bool) -> None:
        if value != self._serving:
            self._serving = value
            for link in self._links.values():
                link.next = 0.0
            self._keepAlive.soon()

    # --- addresses -------------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """At which we listen; 0 if we do not."""
        return self._listening.port if self._listening is not None else 0

    @property
    def host(self) -> str:
        """The address at which we listen; empty if that is each of this machine's, or none."""
        return self._listening.host if self._listening is not None else ""

    def observedAddresses(self) -> list[str]:
        """C{HOST:PORT} at which others reached us, then at which they see us; most often first."""
        reached = self._reached.most(4)
        if not self.port:
            return []
        seen = [formatAddress(host, self.port) for host in self._seen.most(4)]
        return list(dict.fromkeys(reached + seen))

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> Deferred[None]:
        """
        @return: fires once we listen, fails if we cannot.
        """
        self._running = True
        return self.commons.surroundings.network.listen(self._accept).addCallback(self._nowListening)

    def _nowListening(self, listening: IListening) -> None:
        self._listening = listening
        self._keepAlive.start()

    def stop(self) -> Deferred[None]:
        """
        Say goodbye to all.

        @return: fires when every link is closed, within about two seconds.
        """
        self._running = False
        self._keepAlive.stop()
        listening, self._listening = self._listening, None
        for link in list(self._channels):
            link.close("leaving", "this peer stops")
        self._deadlines.stop()
        stopped: Deferred[None] = listening.stop() if listening is not None else succeed(None)
        return stopped.addCallback(lambda ignored: self._farewell())

    def _farewell(self) -> Deferred[None]:
        if not self._channels:
            return succeed(None)
        empty = self._empty = Deferred()
        cut = self.commons.clock.callLater(FAREWELL, self._cut)

        def done(ignored: None) -> None:
            if cut.active():
                cut.cancel()

        return empty.addCallback(done)

    def _cut(self) -> None:
        for link in list(self._channels):
            link.abort("leaving")

    def gone(self, link: Link) -> None:
        """The channel of a link, open or not, is no more."""
        if link in self._channels:
            self._channels.remove(link)
        if not self._channels and self._empty is not None:
            empty, self._empty = self._empty, None
            empty.callback(None)

    # --- making links ------------------------------------------------------------------------------------------------

    def dial(self, address: str, expected: bytes | None = None) -> Deferred[Link]:
        """
        @param expected: id of the peer that must answer; an existing link to it is given at once.
        @return: fires with an open link; fails with a L{SuperpeerError} that says why not.
        """
        if expected is not None:
            link = self._links.get(expected)
            if link is not None:
                return succeed(link)
        waiting: Deferred[Link] = Deferred()
        key = expected if expected is not None else address
        queue = self._dialling.get(key)
        if queue is not None:
            queue.append(waiting)
            return waiting
        self._dialling[key] = [waiting]
        self._connect(address, expected, "link").addBoth(self._dialled, key)
        return waiting

    def _dialled(self, result: "Link | Failure", key: bytes | str) -> None:
        queue = self._dialling.pop(key, [])
        if not self._dialling:
            # One that was never filled is small.
            self._dialling = {}
        for waiting in queue:
            if isinstance(result, Failure):
                # A link to the same peer may have come from the other side meanwhile.
                link = self._links.get(key) if isinstance(key, bytes) else None
                if link is not None:
                    waiting.callback(link)
                else:
                    waiting.errback(result)
            else:
                waiting.callback(result)

    def probe(self, address: str, expected: bytes, nonce: bytes = b"") -> Deferred[float]:
        """
        Dial a peer only to see that it answers with its identity.

        @param nonce: to be said in the hello, if it asked for the probe.
        @return: fires with the seconds that dial and hello took; fails with a L{SuperpeerError}.
        """
        start = self.commons.seconds()
        return self._connect(address, expected, "probe", nonce).addCallback(lambda link: self.commons.seconds() - start)

    def _connect(self, address: str, expected: bytes | None, purpose: str, nonce: bytes = b"") -> Deferred[Link]:
        if not self._running:
            return fail(NotReached("this peer is stopping"))
        if expected is not None and self.commons.isRefused(expected):
            return fail(NotReached("this peer is blocked here"))
        dialling = self.commons.surroundings.network.dial(address, expected, self.commons.settings.dialTimeout)

        def connected(channel: IChannel) -> Deferred[Link]:
            if not self._running:
                channel.abort()
                raise NotReached("this peer is stopping")
            return self._begin(channel, purpose, nonce)

        return dialling.addCallback(connected)

    def _accept(self, channel: IChannel) -> None:
        if not self._running or self._young >= BEGINNING:
            self.commons.tally.count("refusals", "link-beginning")
            channel.abort()
            return
        self._begin(channel, "link").addErrback(lambda failure: None)

    def _begin(self, channel: IChannel, purpose: str, nonce: bytes = b"") -> Deferred[Link]:
        link = Link(self, channel, purpose)
        self._channels.append(link)
        self._young += 1
        self._deadlines.set(link, "hello-timeout")
        made = link.made().addBoth(self._grown, link)
        # A dialler says hello within this call.
        self._nonce = nonce
        link.begin()
        self._nonce = b""
        return made

    def _grown(self, result: "Link | Failure", link: Link) -> "Link | Failure":
        self._young -= 1
        self._deadlines.lift(link)
        return result

    # --- what a link asks and tells ----------------------------------------------------------------------------------

    def hello(self, link: Link) -> Hello:
        """Our hello for a link."""
        return self._greeting.make(link, self.port, self.acquaintances.ownSigned(), self._nonce)

    def judge(self, link: Link, hello: Hello) -> Goodbye | None:
        """Accept a hello, or say why not."""
        refusal = self._greeting.judge(link, hello, self.acquaintances.knewBefore(link.peerId))
        if refusal is None and hello.purpose == "link" and link.peerId not in self._links and not hasRoom(len(self._links), link.isSuper):
            refusal = Goodbye(FULL, "this peer has as many links as it can", FULL_RETRY, self.acquaintances.sample(NAMED))
        if refusal is not None:
            if refusal.code == "self" and hello.boot != self.commons.boot:
                self.twin = f"another machine at {link.address} has the identity of this peer"
                self.commons.log.error("{twin}: give one of them a new data folder", twin=self.twin)
            self.commons.log.debug(
                "refused {who}: {code}", who=self._greeting.describe(link), code=refusal.code
            )
            return refusal
        if not link.dialled:
            self.wasDialled, self.dialledAt = True, self.commons.seconds()
            if hello.nonce:
                self.probed(link.peerId, hello.nonce)
            # Of one address that we named ourselves nothing new is told.
            if hello.reachedAt and not (hello.nonce and self.observedAddresses() == [hello.reachedAt]):
                self._reached.note(hello.reachedAt)
        if hello.seen:
            self._seen.note(hello.seen)
        return None

    def opened(self, link: Link) -> None:
        """A link has passed its hello."""
        if link.purpose == "probe":
            self._settle(link)
            if link.dialled:
                link.close("probe")
            else:
                self.observer.dialledBy(link.peerId)
                self._deadlines.set(link, "probe")
            return
        held = self._links.get(link.peerId)
        if held is not None and not self._settleDuplicate(held, link):
            return
        self._enter(link)

    def _settleDuplicate(self, held: Link, link: Link) -> bool:
        """
        Two links to one peer: the newer boot stays; of two between the same boots the lower id alone closes one, but who dials anew has
        lost one that is silent here.

        @return: whether C{link} takes the place of C{held}.
        """
        if link.boot > held.boot or (link.boot == held.boot and held.silent and not link.dialled):
            held.close("replaced", "the same peer has linked anew")
            return True
        self._settle(held, link)
        if link.boot < held.boot:
            link.close("stale", "a newer start of the same peer is linked")
        elif self.commons.peerId < link.peerId:
            link.close("duplicate", "there is a link already")
        else:
            # The other side decides which of the two it closes; until then nothing is read from the second.
            old = self._spares.pop(link.peerId, None)
            if old is not None:
                old.close("duplicate")
            self._spares[link.peerId] = link
            link.pauseReading()
        return False

    def _settle(self, link: Link, asker: Link | None = None) -> None:
        """Tell whoever dialled C{asker} that C{link} is what it gets."""
        (asker or link).settle(link)

    def _enter(self, link: Link) -> None:
        self._links[link.peerId] = link
        self.changes += 1
        self._keepAlive.soon()
        self.commons.tally.count("links", "made")
        if link.generation < self.commons.network.generation and self.networkChange is not None:
            link.send(NetworkChanged(self.networkChange))
        self.observer.linkMade(link)
        self._settle(link)

    def ended(self, link: Link, code: str, orderly: bool) -> None:
        """An open link has ended."""
        self._deadlines.lift(link)
        peer = link.peerId
        if self._spares.get(peer) is link:
            del self._spares[peer]
            return
        if self._links.get(peer) is not link:
            return
        del self._links[peer]
        self.changes += 1
        commons = self.commons
        commons.tally.count("links", "lost" if not orderly else "closed")
        if not orderly:
            commons.report(peer, Deed.LINK_LOST)
        elif commons.seconds() - link.since >= KEPT_LONG:
            commons.report(peer, Deed.LINK_KEPT)
        commons.log.debug("link to {peer} ended ({code})", peer=shortText(peer), code=code)
        self.observer.linkLost(link, code, orderly)
        spare = self._spares.pop(peer, None)
        if spare is not None and spare.isOpen:
            self._enter(spare)
            spare.resumeReading()

    def paceOf(self, link: Link) -> Pace:
        """How often signs of life go over a link, by the roles of both ends."""
        return self._keepAlive.paceOf(link)

    def silenceChanged(self, link: Link) -> None:
        """The other end of a link has fallen silent, or speaks again."""
        if self._links.get(link.peerId) is link:
            self.observer.silenceChanged(link)

    def received(self, link: Link, message: Message) -> None:
        """A message for the rooms of the peer."""
        if self._links.get(link.peerId) is link:
            self.observer.messageReceived(link, message)

    def goodbyeReceived(self, link: Link, message: Goodbye) -> None:
        """The other side ends or refuses a link; who it names instead is worth knowing."""
        if message.code != "probe":
            self.commons.log.debug(
                "{peer} said goodbye: {code} {text}", peer=shortText(link.peerId), code=message.code, text=message.text
            )
        # Of those who dial here only members are listened to.
        if link.dialled or link.isOpen:
            for signed in message.adverts:
                self.acquaintances.take(signed, link)

    def clear(self, link: Link) -> None:
        """A congested link takes messages again."""
        if self._links.get(link.peerId) is link:
            self.observer.linkClear(link)
