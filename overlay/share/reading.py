"""The parent's side of the child process: keeps it busy while there is work, ends it when there is none, and replaces it when it dies."""

import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from overlay.index.document import Document
from overlay.share.scan import Entry

AHEAD = 16
"""Requests that the child has before it: enough to keep it busy."""
IDLE = 5.0
"""Seconds without work after which the child is ended."""
STALLED = 30.0
"""Seconds for one file, and one more for each L{PER_SECOND} bytes."""
PER_SECOND = 20_000_000
_ANSWER_MOST = 16 * 1024 * 1024


@attrs.define(slots=True, eq=False)
class Request:
    """
    One file to be read.

    @ivar path: as the operating system has it.
    @ivar extract: whether to extract text; not when an earlier attempt killed the child.
    @ivar done: called with the answer's fields, or with None if the child died of the file.
    """

    path: bytes
    name: str
    size: int
    done: "Callable[[tuple | None], None]"
    extract: bool = True
    number: int = 0


def documentOf(entry: Entry, answer: tuple) -> Document:
    """
    What is shared of a file.

    @param answer: problem, size, mtime in ns, SHA-256, media type, text, terms, number of words, title, as the child gives them.
    """
    _, size, modified, content, kind, text, terms, length, title = answer
    return Document(
        entry.location, entry.name, size, modified // 10**9, kind, content, text,
        tuple((term, count) for term, count in terms), length, title,
    )


class Reader(ProcessProtocol):
    """
    @ivar running: whether there is a child at the moment.
    @ivar deaths: how many children died of a file.
    """

    def __init__(self, reactor: Any, textLimit: int, termLimit: int, dialect: str = "") -> None:
        self._reactor = reactor
        self._dialect = dialect
        self._textLimit = textLimit
        self._termLimit = termLimit
        self._waiting: deque[Request] = deque()
        self._sent: deque[Request] = deque()
        self._buffer = bytearray()
        self._number = 0
        self._process: IProcessTransport | None = None
        self._timer: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None
        self._dismissed = False
        self.deaths = 0

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def waiting(self) -> int:
        """Files that are not read yet."""
        return len(self._waiting) + len(self._sent)

    def read(self, request: Request) -> None:
        """Have a file read."""
        self._waiting.append(request)
        self._feed()

    def stop(self) -> Deferred[None]:
        """
        End the child, if there is one; what waits is forgotten.

        @return: fires when it has gone.
        """
        self._waiting.clear()
        self._sent.clear()
        self._stopTimer()
        if self._process is None:
            return succeed(None)
        if self._stopped is None:
            self._stopped = Deferred()
            self._process.signalProcess("KILL")
        return self._stopped

    # --- the child ---------------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        if self._stopped is not None or self._dismissed:
            return
        if self._process is None and self._waiting:
            environment = dict(os.environ)
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
            self._buffer.clear()
            self._process = self._reactor.spawnProcess(
                self, sys.executable, [sys.executable, "-m", "overlay.share.child"], env=environment,
                childFDs={0: "w", 1: "r", 2: "r"},
            )
        while self._waiting and len(self._sent) < AHEAD and self._process is not None:
            request = self._waiting.popleft()
            self._number += 1
            request.number = self._number
            self._sent.append(request)
            encoded = msgspec.msgpack.encode(
                (request.number, request.path, request.name, self._textLimit, self._termLimit, request.extract, self._dialect)
            )
            self.transport.write(len(encoded).to_bytes(4, "big") + encoded)  # type: ignore[union-attr]
        self._watch()

    def _watch(self) -> None:
        """One timer: for the file that the child has before it, or for its idleness."""
        self._stopTimer()
        if self._sent:
            self._timer = self._reactor.callLater(STALLED + self._sent[0].size / PER_SECOND, self._kill)
        elif self._process is not None:
            self._timer = self._reactor.callLater(IDLE, self._dismiss)

    def _stopTimer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _kill(self) -> None:
        self._timer = None
        if self._process is not None:
            self._process.signalProcess("KILL")

    def _dismiss(self) -> None:
        self._timer = None
        if self._process is not None:
            # What comes now has to wait for the next child.
            self._dismissed = True
            self.transport.closeStdin()  # type: ignore[union-attr]

    def outReceived(self, data: bytes) -> None:
        self._buffer += data
        answered = False
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if length > _ANSWER_MOST:
                self._kill()
                return
            if len(self._buffer) < 4 + length:
                break
            fields = msgspec.msgpack.decode(bytes(self._buffer[4 : 4 + length]))
            del self._buffer[: 4 + length]
            if self._sent and self._sent[0].number == fields[0]:
                answered = True
                self._sent.popleft().done(tuple(fields[1:]))
        if answered:
            self._feed()

    def errReceived(self, data: bytes) -> None:
        """What libraries have to say about strangers' files is of no use."""

    def processEnded(self, reason: Failure) -> None:
        self._process = None
        self._dismissed = False
        self._stopTimer()
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped.callback(None)
            return
        sent, self._sent = list(self._sent), deque()
        if sent:
            # The first was being read when the child died; the others had not been touched.
            self.deaths += 1
            guilty, *others = sent
            self._waiting.extendleft(reversed(others))
            guilty.done(None)
        self._feed()
