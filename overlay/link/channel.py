"""
The network as peers see it: authenticated, encrypted channels that carry messages.

The TLS links and the lab both provide these interfaces; everything above is the same code in both.
"""

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from overlay.wire.message import Message

SLOW = "the other side does not read"
"""Why a channel ends whose other end does not even take what may not be shed."""


class IChannelUser(Interface):
    """Who holds one end of a channel."""

    def messageReceived(message: Message) -> None:
        """One message has come, whole and well-formed."""

    def unknownReceived(tag: int) -> None:
        """A message of a number that this version does not know has come and was skipped."""

    def channelBroken(reason: Exception) -> None:
        """What came was not according to the protocol (a L{overlay.errors.SuperpeerError}); the channel closes by itself."""

    def channelLost(reason: str) -> None:
        """The channel has ended, by either side; the last call. C{reason} is L{SLOW}, or a sentence."""

    def messageDropped(reason: str) -> None:
        """A message was shed instead of queued: C{slow-search}, C{slow-registration}, C{slow-control} or C{too-large}."""

    def channelCongested() -> None:
        """More is queued than the other side takes; producers should wait."""

    def channelClear() -> None:
        """What was queued has gone out; producers may go on."""


class IChannel(Interface):
    """One end of one connection whose other end is known by its key."""

    remoteKey = Attribute("public key of the other end, 32 bytes, proved")
    remoteId = Attribute("its peer id")
    dialled = Attribute("whether this end dialled")
    binding = Attribute("32 bytes that both ends of this channel share and no other channel has")
    remoteAddress = Attribute("HOST:PORT of the other end as seen from here")
    dialledAddress = Attribute("the address that was dialled; empty at the listening end")
    congested = Attribute("whether more is queued than should be")
    bytesSent = Attribute("so far")
    bytesReceived = Attribute("so far")
    fieldsSkipped = Attribute("unknown fields of newer versions that were skipped")

    def setUser(user: IChannelUser) -> None:
        """Who gets what comes in; nothing is delivered before this is called, and nothing is lost."""

    def send(message: Message, *more: Message) -> bool:
        """
        Queue messages by the priorities of their classes, up to the first that is shed. False: one was, since its queue is full, or the
        channel has ended.
        """

    def allow(size: int) -> None:
        """From now on accept messages of up to C{size} bytes (before the hello it is small)."""

    def pauseReading() -> None:
        """Take nothing more from the other side until L{resumeReading}; the other side is slowed."""

    def resumeReading() -> None:
        """Undo L{pauseReading}."""

    def close() -> None:
        """Send what is queued, then end; within a few seconds in any case."""

    def abort() -> None:
        """End at once, without sending what is queued."""


class IListening(Interface):
    """A listening address."""

    port = Attribute("the port number, 0 if there is none")
    host = Attribute("the address; empty if it is each of this machine's, or there is none")

    def stop() -> Deferred:
        """Stop listening; channels that were accepted stay."""


class INetwork(Interface):
    """Dials and listens for one peer."""

    def listen(accept: object) -> Deferred:
        """
        @param accept: called with each new L{IChannel}, once its other end is authenticated.
        @return: fires with an L{IListening}.
        """

    def dial(address: str, expected: bytes | None, timeout: float) -> Deferred:
        """
        @param address: C{HOST:PORT}; IPv6 in brackets.
        @param expected: peer id that must answer; None to take whoever does.
        @param timeout: seconds.
        @return: fires with an L{IChannel}, or fails with L{overlay.errors.NotReached}, whose text says why.
        """
