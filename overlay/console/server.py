"""The line protocol on sockets."""

from typing import Any, cast

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from overlay.console.commands import LINE_MOST
from overlay.console.desk import IDesk
from overlay.console.replies import TextReplies
from overlay.console.session import RUNNING_MOST, Session

MOST = 64
"""Connections at once."""
PENDING_MOST = 4 * 1024 * 1024
"""Bytes of replies that wait for a reader; beyond that it is too slow and is closed."""
STALLED = 60.0
"""Seconds after which a reader that takes nothing is closed."""


@implementer(IHalfCloseableProtocol, IPushProducer)
class ConsoleProtocol(LineOnlyReceiver):
    """One connection. Lines wait while too much is outstanding; replies wait, within bounds, while the reader is slow."""

    delimiter = b"\n"
    # With the carriage return of a line that is exactly as long as allowed.
    MAX_LENGTH = LINE_MOST + 1
    _log = Logger(namespace="superpeer.console")

    def __init__(self, factory: "ConsoleFactory") -> None:
        self.factory = factory
        self._session = Session(factory.desk, self._reply, self._finish, factory.operator, self._searchEnded)
        self._pending: list[bytes] = []
        self._size = 0
        self._lines: list[bytes] = []
        self._blocked = False
        self._inputEnded = False
        self._finishing = False
        self._stall: IDelayedCall | None = None

    def connectionMade(self) -> None:
        transport = cast(Any, self.transport)
        self.factory.protocols.add(self)
        transport.registerProducer(self, True)
        if len(self.factory.protocols) > MOST:
            self._reply(TextReplies().line(400, "too many connections", retry=10))
            self._finish()
            return
        self._session.begin()

    def connectionLost(self, reason: Failure = Failure(Exception("lost"))) -> None:  # noqa: B008
        self.factory.lost(self)
        self._stopStall()
        self._pending.clear()
        self._session.stop()

    # --- in ----------------------------------------------------------------------------------------------------------

    def lineReceived(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        if len(line) > LINE_MOST:
            self._session.lineTooLong()
            return
        self._lines.append(line)
        self._obeySome()

    def lineLengthExceeded(self, line: bytes) -> None:
        if not self._finishing:
            self._session.lineTooLong()

    def _obeySome(self) -> None:
        """Obey as many lines as may be outstanding; the rest waits, and with it the other side."""
        while self._lines and not self._session.ended and not self._blocked and self._session.outstanding < RUNNING_MOST:
            self._session.lineReceived(self._lines.pop(0))
        transport = cast(Any, self.transport)
        if self._session.ended:
            self._lines.clear()
        if len(self._lines) > RUNNING_MOST and not self._inputEnded:
            transport.pauseProducing()
        elif not self._lines and not self._inputEnded and not self._finishing:
            transport.resumeProducing()
        self._endIfDone()

    def _searchEnded(self) -> None:
        if self in self.factory.protocols:
            self.factory.reactor.callLater(0, self._obeySomeIfThere)

    def _obeySomeIfThere(self) -> None:
        if self in self.factory.protocols:
            self._obeySome()

    def readConnectionLost(self) -> None:
        """The other side has ended its input; it still gets every answer."""
        self._inputEnded = True
        rest = self._buffer
        self._buffer = b""
        if rest.strip() and not self._finishing:
            self.lineReceived(rest)
        self._endIfDone()

    def writeConnectionLost(self) -> None:
        """The other side reads no more."""
        cast(Any, self.transport).abortConnection()

    def _endIfDone(self) -> None:
        if self._inputEnded and not self._lines and not self._session.outstanding:
            self._finish()

    # --- out ---------------------------------------------------------------------------------------------------------

    def _reply(self, data: bytes) -> None:
        if not self._blocked:
            cast(Any, self.transport).write(data)
            return
        self._pending.append(data)
        self._size += len(data)
        if self._size > PENDING_MOST:
            self._giveUp()

    def _giveUp(self) -> None:
        self._log.info("a console connection is closed: its reader is too slow")
        self._pending.clear()
        self._size = 0
        cast(Any, self.transport).abortConnection()

    def pauseProducing(self) -> None:
        """The reader is slow."""
        self._blocked = True
        self._stopStall()
        self._stall = self.factory.reactor.callLater(STALLED, self._giveUp)

    def resumeProducing(self) -> None:
        """It reads again."""
        self._blocked = False
        self._stopStall()
        pending, self._pending = self._pending, []
        self._size = 0
        if pending:
            cast(Any, self.transport).write(b"".join(pending))
        if not self._blocked and self._finishing:
            self._close()
        else:
            self._obeySome()

    def stopProducing(self) -> None:
        """The connection is gone."""
        self._blocked = True

    def _stopStall(self) -> None:
        if self._stall is not None and self._stall.active():
            self._stall.cancel()
        self._stall = None

    def _finish(self) -> None:
        self._finishing = True
        if not self._blocked:
            self._close()

    def _close(self) -> None:
        transport = cast(Any, self.transport)
        transport.unregisterProducer()
        transport.loseConnection()

    def end(self) -> None:
        """The peer stops."""
        if not self._finishing:
            self._reply(TextReplies().line(400, "this peer stops"))
            self._finish()


class ConsoleFactory(ServerFactory):
    """
    @ivar operator: whether the operator's verbs are allowed here.
    @ivar protocols: the connections.
    """

    noisy = False

    def __init__(self, desk: IDesk, reactor: Any, operator: bool = False) -> None:
        self.desk = desk
        self.reactor = reactor
        self.operator = operator
        self.protocols: set[ConsoleProtocol] = set()
        self._waiting: list[Deferred[None]] = []

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return ConsoleProtocol(self)

    def lost(self, protocol: ConsoleProtocol) -> None:
        """A connection has ended."""
        self.protocols.discard(protocol)
        if not self.protocols:
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                one.callback(None)

    def closeAll(self) -> Deferred[Any]:
        """
        @return: fires when every connection is closed, within two seconds.
        """
        if not self.protocols:
            return succeed(None)
        gone: Deferred[None] = Deferred()
        self._waiting.append(gone)
        for one in list(self.protocols):
            one.end()
        late = self.reactor.callLater(2.0, self._abortAll)

        def done(ignored: object) -> None:
            if late.active():
                late.cancel()

        return DeferredList([gone.addCallback(done)])

    def _abortAll(self) -> None:
        for one in list(self.protocols):
            cast(Any, one.transport).abortConnection()
