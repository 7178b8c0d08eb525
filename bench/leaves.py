"""
What a super-peer needs for each of its leaves: real TLS links of leaves that have registered, share nothing and do nothing, to a super-peer
that is a process of its own. What counts is by how much that process grows between two numbers of leaves, as the system sees it.
"""

import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred
from twisted.internet.stdio import StandardIO
from twisted.internet.task import deferLater, react
from twisted.protocols.basic import LineReceiver

from bench.figure import Figure
from bench.peers import startPeer
from bench.places import storeIn
from bench.store import anonymous
from overlay.garbage import keepForGood
from overlay.logs import keepNoLog
from overlay.peer import Peer
from overlay.settings import Settings

reactor: Any = _reactor
FEW, MANY = 200, 800
"""Leaves between which the process grows; of its 1,000 links a peer keeps some for super-peers."""
AT_ONCE = 4
"""Leaves that dial at a time: each handshake takes milliseconds of both ends, which share a machine."""
IDLE = 15.0
"""Seconds of idleness before a look: each leaf has given a sign of life by then."""
LONGEST = 120.0
_SPECS = {"election": "fittest:wanted=1000,settle=1000000", "store": "memory"}


async def makePeer(number: int, role: str, listen: str, store: Any = None) -> Peer:
    """One that serves nobody else, or everybody."""
    return await startPeer(Peer, number, listen, Settings(role=role, homes=1), _SPECS, store)


class Watched(LineReceiver):
    """Answers each line with the bytes of its process, and the leaves that are registered."""

    delimiter = b"\n"

    def __init__(self, peer: Peer, ended: Deferred) -> None:
        self._peer = peer
        self._ended = ended

    def connectionMade(self) -> None:
        self._say([self._peer.links.port, self._peer.peerId.hex()])

    def _say(self, said: Any) -> None:
        self.sendLine(json.dumps(said).encode())

    def lineReceived(self, line: bytes) -> None:
        gc.collect()
        self._say([anonymous(), self._peer.hosting.count if self._peer.membership.serving else -1])

    def connectionLost(self, reason: Any = None) -> None:
        self._ended.callback(None)


async def serve() -> None:
    """Until the other process is gone."""
    with tempfile.TemporaryDirectory(prefix="superpeer-bench-") as folder:
        peer = await makePeer(0, "super", "tcp:0:interface=127.0.0.1", storeIn(Path(folder)))
        keepForGood()
        ended: Deferred[None] = Deferred()
        StandardIO(Watched(peer, ended))
        await ended


class _Home:
    """The other process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.port, name = self._read()
        self.id = bytes.fromhex(name)

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def look(self) -> tuple[int, int]:
        """Bytes, and registered leaves; -1 if it does not serve yet."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"look\n")
        self._process.stdin.flush()
        size, leaves = self._read()
        return size, leaves

    async def until(self, leaves: int) -> None:
        """Wait until so many are registered."""
        began = time.monotonic()
        while self.look()[1] < leaves:
            if time.monotonic() - began > LONGEST:
                raise RuntimeError(f"{self.look()[1]} of {leaves} leaves are registered")
            await deferLater(reactor, 0.5)


async def drive(few: int, many: int) -> float:
    """
    @return: bytes for each leaf.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.leaves", "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent
    )
    try:
        home = _Home(process)
        await home.until(0)
        leaves: list[Peer] = []
        seen = []
        for count in (few, many):
            while len(leaves) < count:
                some = [await makePeer(1 + len(leaves) + number, "leaf", "") for number in range(min(AT_ONCE, count - len(leaves)))]
                leaves += some
                # One that does not get through tries again by itself.
                await DeferredList([one.links.dial(f"127.0.0.1:{home.port}", home.id) for one in some], consumeErrors=True)
            await home.until(count)
            await deferLater(reactor, IDLE)
            seen.append(home.look())
        return (seen[1][0] - seen[0][0]) / (seen[1][1] - seen[0][1])
    finally:
        process.kill()
        process.wait()


def measureLeaves(rounds: int) -> list[Figure]:
    """In processes of their own."""
    sizes = [_apart(FEW, MANY) for _ in range(rounds)]
    return [Figure("KiB of memory for each TLS leaf", statistics.median(sizes) / 1024, most=40.0)]


def _apart(*arguments: int) -> float:
    shown = subprocess.run(
        [sys.executable, "-m", "bench.leaves", "drive", *map(str, arguments)], check=True, stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    return float(shown.stdout)


def main(part: str, arguments: Sequence[str]) -> None:
    """One end, in this process."""
    keepNoLog()

    async def run() -> None:
        if part == "serve":
            await serve()
        else:
            print(await drive(*map(int, arguments)), flush=True)

    react(lambda ignored: ensureDeferred(run()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
