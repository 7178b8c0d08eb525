"""
What a link adds to a search, and the forwarding of a query to ten neighbours. The super-peer that is measured is a process of its own; the
other end asks over TLS, and looks at nothing of what comes but where each answer ends. Processor time of the super-peer alone counts.

Forwarding is compared with raw fan-out: the same bytes in the same frames, as many of them in one write, passed on without a look, by
Twisted's TLS as it comes (L{bench.raw}); and, to show the part of the links in it, by the links themselves. Forwarding is all that a
super-peer does to a query but searching what it holds: a first copy of each, which may not go on, has been answered before, so that what
is measured is the second, which may go on and so is forwarded only. (The words of the query were parsed with the first one.) What the
neighbours will answer is not counted on either side.
"""

import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater, react

from bench.corpus import Corpus
from bench.figure import Figure
from bench.noise import Noise
from bench.raw import RawEnd, connected
from bench.served import WANT, TappedChannel, channelOf, makePeer, serve
from overlay.lab.pinned import PinnedPeer
from overlay.link import tls
from overlay.link.tls import makeContext
from overlay.plugins.memory import MemoryStore
from overlay.wire.codec import encode
from overlay.wire.message import Message
from overlay.wire.query import Cancel, Query

reactor: Any = _reactor
QUERIES = 300
FORWARDED = 200
"""Queries that run at once at the most; one link may have 256."""
NEIGHBOURS = 10
_DONE = 32


class Driver:
    """Asks, and counts the ends of answers."""

    def __init__(self, pipe: "subprocess.Popen[bytes]") -> None:
        assert pipe.stdin is not None and pipe.stdout is not None
        self._to: IO[bytes] = pipe.stdin
        self._from: IO[bytes] = pipe.stdout
        self.began = self._read()
        self.id = bytes.fromhex(self.began["id"])
        self._next = 0
        self._ended = 0
        self._asked: Sequence[Message] = ()
        self._inFlight = 0
        self._send: Any = None
        self._waiting: Deferred[None] | None = None

    def _read(self) -> Any:
        return json.loads(self._from.readline())

    def tell(self, *words: str) -> Any:
        """One line to the process that is measured, and its answer."""
        self._to.write((" ".join(words) + "\n").encode())
        self._to.flush()
        return self._read()

    async def linked(self, number: int) -> PinnedPeer:
        """A peer with a link to it, which looks at nothing that comes but ends of answers."""
        peer = await makePeer(number, MemoryStore(), "")
        await peer.links.dial(f"127.0.0.1:{self.began['port']}", self.id)  # type: ignore[arg-type]
        await deferLater(reactor, 0.2)
        # Else the link would be ended as one that is not used: what comes by it is not looked at.
        peer.neighbours.pin(self.id)  # type: ignore[arg-type, attr-defined]
        channelOf(peer, self.id).tap = self._came
        return peer

    def _came(self, data: bytes) -> None:
        if data[1] == _DONE:
            self._ended += 1
            self._askMore()

    def _askMore(self) -> None:
        while self._next < len(self._asked) and self._next - self._ended < self._inFlight:
            self._next += 1
            self._send(self._asked[self._next - 1])
        if self._ended == len(self._asked) and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)

    async def ask(self, peer: PinnedPeer, messages: Sequence[Message], inFlight: int) -> float:
        """
        Send them all, C{inFlight} at once.

        @return: seconds of its processor time for each.
        """
        channel = channelOf(peer, self.id)
        self._asked = messages
        self._inFlight = inFlight
        self._next = self._ended = 0
        self._send = channel.send
        before = self.tell("cpu")
        self._waiting = waiting = Deferred()
        self._askMore()
        await waiting
        return (self.tell("cpu") - before) / len(messages)

    async def pass_(self, send: Callable[[Any], object], messages: Sequence[Any], sinks: Sequence[PinnedPeer | RawEnd]) -> float:
        """
        Send what is to go on to all C{sinks}, eight at a time, until it has come there.

        @return: as L{ask}.
        """
        came = 0

        def arrived(data: bytes) -> None:
            nonlocal came
            came += 1

        for one in sinks:
            if isinstance(one, RawEnd):
                one.received = arrived
            else:
                channelOf(one, self.id).tap = arrived
        before = self.tell("cpu")
        for at in range(0, len(messages), 8):
            for message in messages[at : at + 8]:
                send(message)
            expected = (at + len(messages[at : at + 8])) * len(sinks)
            while came < expected:
                await deferLater(reactor, 0.0005)
        return (self.tell("cpu") - before) / len(messages)


@contextmanager
def _started(*arguments: str) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.links", "serve", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _queriesOf(folder: Path, records: int) -> list[str]:
    corpus = Corpus(records)
    for name, into in (("tokens", corpus.tokens), ("starts", corpus.starts)):
        into.frombytes((folder / name).read_bytes())
    return [" ".join(one) for one in corpus.queries(QUERIES, 2, random.Random(9))]


def _query(text: str, rng: random.Random, copy: int, direct: bool) -> Query:
    return Query(rng.randbytes(16), copy, text, 2, WANT, 0, 100.0, direct)


async def _searched(noise: Noise, folder: Path, records: int, rounds: int) -> list[tuple]:
    """Searches over one link."""
    queries = _queriesOf(folder, records)
    rng = random.Random(3)
    many, one, direct = [], [], []
    with _started(str(folder), str(records)) as process:
        driver = Driver(process)
        peer = await driver.linked(1)
        copy = 0
        for turn in range(rounds + 1):
            noise.look()
            asked = []
            for text in (*queries, *queries):
                copy += 1
                asked.append(_query(text, rng, copy, True))
            costs = (
                driver.tell("direct"), await driver.ask(peer, asked[: len(queries)], 8), await driver.ask(peer, asked[len(queries) :], 1)
            )
            # The first turn reads from the disk.
            if turn:
                for cost, into in zip(costs, (direct, many, one), strict=True):
                    into.append(cost)
    ratio = statistics.median
    return [
        ("search over a TLS link, 8 in flight, against calling the store", ratio(map(_divided, direct, many)), 0.75),
        ("search over a TLS link, 1 in flight, against calling the store", ratio(map(_divided, direct, one)), 0.45),
        ("  us of a search: the store alone", 1e6 * ratio(direct)),
        ("  us with 8 in flight", 1e6 * ratio(many)),
        ("  us with 1 in flight", 1e6 * ratio(one)),
    ]


async def _forwarded(noise: Noise, queries: Sequence[str], rounds: int) -> list[tuple]:
    """Forwarding, in turns with raw fan-out."""
    rng = random.Random(3)
    forwarded, raw, bare = [], [], []
    with _started("", "0") as process:
        driver = Driver(process)
        peer = await driver.linked(1)
        sinks = [await driver.linked(2 + number) for number in range(NEIGHBOURS)]
        assert driver.tell("pin", *(sink.peerId.hex() for sink in sinks)) == NEIGHBOURS
        names = [one.peerId.hex() for one in (peer, *sinks)]
        channel = channelOf(peer, driver.id)
        port = driver.tell("raw")
        # They say nothing of themselves before the handshake is over, so one comes after the other.
        ends = []
        for _ in range(1 + NEIGHBOURS):
            ends.append(await connected(reactor, port, makeContext(peer.commons.identity)))
            await deferLater(reactor, 0.05)
        for turn in range(rounds + 1):
            noise.look()
            asked = [_query(queries[number], rng, 2 * number, False) for number in range(FORWARDED)]
            await driver.ask(peer, [msgspec.structs.replace(one, copy=one.copy + 1, ttl=1) for one in asked], 8)
            cost = await driver.pass_(channel.send, asked, sinks)
            for query in asked:
                channel.send(Cancel(query.id, query.copy))
            await deferLater(reactor, 0.5)
            least = await driver.pass_(ends[0].send, list(map(encode, asked)), ends[1:])
            driver.tell("tap", *names)
            linked = await driver.pass_(channel.send, asked, sinks)
            driver.tell("forward", names[0])
            if turn:
                for one, into in zip((cost, least, linked), (forwarded, raw, bare), strict=True):
                    into.append(one)
    ratio = statistics.median
    return [
        (f"forwarding a query to {NEIGHBOURS} neighbours, against raw fan-out", ratio(map(_divided, raw, forwarded)), 0.5),
        ("  the same, against raw fan-out over the links themselves", ratio(map(_divided, bare, forwarded))),
        ("  us of forwarding, 8 at a time", 1e6 * ratio(forwarded)),
        ("  us of raw fan-out", 1e6 * ratio(raw)),
        ("  us of raw fan-out over the links themselves", 1e6 * ratio(bare)),
    ]


async def drive(folder: Path, records: int, rounds: int) -> dict[str, Any]:
    """Searches over one link, then forwarding."""
    tls.TlsChannel = TappedChannel  # type: ignore[misc]
    noise = Noise()
    figures = await _searched(noise, folder, records, rounds)
    figures += await _forwarded(noise, _queriesOf(folder, records), rounds)
    return {"figures": figures, "noise": noise.said()}


def _divided(one: float, other: float) -> float:
    return one / other


def measureLinks(records: int, rounds: int, folder: str) -> tuple[list[Figure], str]:
    """
    @param folder: with a store that L{bench.store} has loaded.
    """
    with tempfile.TemporaryFile() as output:
        subprocess.run(
            [sys.executable, "-m", "bench.links", "drive", folder, str(records), str(rounds)], check=True, stdout=output,
            cwd=Path(__file__).parent.parent,
        )
        output.seek(0)
        found = json.loads(output.read())
    return [Figure(*one) for one in found["figures"]], found["noise"]


def main() -> None:
    """One end, in this process."""
    part, *arguments = sys.argv[1:]

    async def run() -> None:
        if part == "serve":
            folder = Path(arguments[0]) if arguments[0] else None
            await serve(folder, _queriesOf(folder, int(arguments[1])) if folder is not None else [])
        else:
            print(json.dumps(await drive(Path(arguments[0]), int(arguments[1]), int(arguments[2]))), flush=True)

    react(lambda ignored: ensureDeferred(run()))


if __name__ == "__main__":
    main()
