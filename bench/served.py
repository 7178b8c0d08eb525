"""The super-peer that is measured, which does what the process at the other end says."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver

from bench.corpus import NOW
from bench.peers import startPeer
from bench.places import storeIn
from bench.raw import FanOut, RawServer
from overlay.garbage import keepForGood
from overlay.index.store import Request
from overlay.lab.pinned import SETTINGS, PinnedPeer, everybody
from overlay.link import tls
from overlay.link.tls import makeContext
from overlay.link.transport import TlsChannel
from overlay.plugins.memory import MemoryStore
from overlay.search.language import parseQuery

reactor: Any = _reactor
SPECS = {
    "election": "everybody", "store": "memory", "router": "flood",
    "rate-limit": "tokens:query=1000000000,membership=1000000000,link=1000000",
}
WANT = 50


class TappedChannel(TlsChannel):
    """
    One whose messages may go elsewhere, undecoded.

    @ivar tap: gets them; None to treat them as any channel does.
    """

    tap: Callable[[bytes], object] | None = None

    def _deliverOne(self, data: bytes) -> None:
        if self.tap is not None:
            self.tap(data)
        else:
            super()._deliverOne(data)


async def makePeer(number: int, store: Any, listen: str) -> PinnedPeer:
    """A super-peer of its own at a port of this machine."""
    return await startPeer(PinnedPeer, number, listen, SETTINGS, SPECS, store, [everybody])


def channelOf(peer: Any, other: bytes) -> Any:
    """The TLS channel of a link."""
    return peer.links.get(other)._channel


class Served(LineReceiver):
    """Does what the other process says, a line at a time, and answers each line when it is done."""

    delimiter = b"\n"

    def __init__(self, peer: PinnedPeer, store: Any, queries: Sequence[str], ended: Deferred) -> None:
        self._peer = peer
        self._store = store
        self._expressions = [parseQuery(one) for one in queries]
        self._ended = ended
        self._raw: list[tuple[Any, list[bytes]]] = []

    def connectionMade(self) -> None:
        self._say({"port": self._peer.links.port, "id": self._peer.peerId.hex()})

    def _say(self, said: Any) -> None:
        self.sendLine(json.dumps(said).encode())

    def lineReceived(self, line: bytes) -> None:
        command, *words = line.decode().split()
        if command == "cpu":
            self._say(time.process_time())
        elif command == "direct":
            began = time.process_time()
            for expression in self._expressions:
                self._store.search(Request(expression, WANT, NOW + 1.0))
            self._say((time.process_time() - began) / len(self._expressions))
        elif command == "pin":
            for one in words:
                self._peer.neighbours.pin(bytes.fromhex(one))  # type: ignore[arg-type, attr-defined]
            self._say(len(self._peer.neighbours.linked()))
        elif command == "raw":
            RawServer(reactor).listen(makeContext(self._peer.commons.identity)).addCallback(lambda port: self._say(port.getHost().port))
        elif command == "tap":
            self._fanOut(*map(bytes.fromhex, words))
            self._say(True)
        elif command == "forward":
            channelOf(self._peer, bytes.fromhex(words[0])).tap = None
            self._say(True)

    def _fanOut(self, origin: bytes, *others: bytes) -> None:
        """From now on each message of C{origin} goes to the others as it is."""
        writes = [channelOf(self._peer, one)._write for one in others]
        channelOf(self._peer, origin).tap = FanOut(reactor, writes).take

    def connectionLost(self, reason: Any = None) -> None:
        self._ended.callback(None)


async def serve(folder: Path | None, queries: Sequence[str]) -> None:
    """Until the other process is gone."""
    store: Any = MemoryStore() if folder is None else storeIn(folder)
    if folder is not None:
        # As a home has it that has checked the signature of each record when it came.
        store._postings.genuine = store._postings.alive.copy()
    if folder is None:
        tls.TlsChannel = TappedChannel  # type: ignore[misc]
    peer = await makePeer(0, store, "tcp:0:interface=127.0.0.1")
    for owner in store.owners():
        peer.registry.attach(owner)
    # As the daemon does when it has started.
    keepForGood()
    ended: Deferred[None] = Deferred()
    StandardIO(Served(peer, store, queries, ended))
    await ended
