"""What a peer in the lab costs: processor time per message, bytes while idle, and the virtual clock beside bare ones."""

import gc
import heapq
import json
import os
import random
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.task import Clock

from bench.figure import Figure
from overlay.garbage import collectSeldom
from overlay.lab.graphs import regular
from overlay.lab.pinned import SETTINGS, SPECS, PinnedPeer, everybody, pinnedGraph
from overlay.lab.time import VirtualTime
from overlay.lab.world import LabPeer, World
from overlay.logs import keepNoLog
from overlay.settings import Beats, Settings
from overlay.wire import limits

GRAPH = 300
"""Super-peers of the graph on which messages are counted, each with L{DEGREE} neighbours."""
DEGREE = 6
FLOODS = 30
PINGED = 30.0
"""Virtual seconds of keep-alive."""
SUPERS = 100
HOMES = 8
LEAVES = 400
SETTLED = 180.0
"""Virtual seconds until a network is idle."""
IDLE = 60.0
"""Virtual seconds of idleness that are timed."""
PENDING = 10_000
EVENTS = 200_000
NEVER = "fittest:wanted=1000,settle=1000000"
"""Super-peers that neither resign nor call for others."""


def measureLab(rounds: int) -> list[Figure]:
    """Each measurement in a process of its own, so that none finds what another has left in memory."""
    figures: list[Figure] = []
    for name, (measure, repeated) in MEASURES.items():
        runs = [_apart(name) for _ in range(rounds if repeated else 1)]
        for number, (text, least, most) in enumerate(measure.figures):
            figures.append(Figure(text, statistics.median(run[number] for run in runs), least, most))
    return figures


def _apart(name: str) -> list[float]:
    shown = subprocess.run(
        [sys.executable, "-m", "bench.lab", name], check=True, stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent, env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    return json.loads(shown.stdout)


# --- processor time ----------------------------------------------------------------------------------------------------


def emptyEvents(number: int, pending: int = PENDING) -> float:
    """Events of a L{VirtualTime} per second of processor time that do nothing but set the next one, with so many pending."""
    clock = VirtualTime()
    _fill(clock, pending)
    start = time.process_time()
    while clock.calls < number:
        clock.advance(0.1)
    return clock.calls / (time.process_time() - start)


def _fill(clock: Any, pending: int) -> None:
    rng = random.Random(1)
    waits = [rng.random() for _ in range(997)]
    turn = count()

    def again() -> None:
        clock.callLater(waits[next(turn) % 997], again)

    for _ in range(pending):
        clock.callLater(rng.random(), again)


def bareHeap(number: int) -> float:
    """The same with nothing but L{heapq} and a call."""
    rng = random.Random(1)
    waits = [rng.random() for _ in range(997)]
    order = count()
    heap: list[tuple[float, int, Callable[[float], None]]] = []

    def again(now: float) -> None:
        turn = next(order)
        heapq.heappush(heap, (now + waits[turn % 997], turn, again))

    for _ in range(PENDING):
        heapq.heappush(heap, (rng.random(), next(order), again))
    start = time.process_time()
    for _ in range(number):
        when, _, call = heapq.heappop(heap)
        call(when)
    return number / (time.process_time() - start)


def twistedClock(number: int) -> float:
    """The same with Twisted's L{Clock}, which sorts all that is pending at every call."""
    clock = Clock()
    _fill(clock, PENDING)
    ran = 0
    start = time.process_time()
    while ran < number:
        clock.advance(max(0.0, clock.getDelayedCalls()[0].getTime() - clock.seconds()))
        ran += 1
    return number / (time.process_time() - start)


def clocks() -> list[float]:
    """Three clocks, the same events."""
    heap, ours, theirs = bareHeap(EVENTS), emptyEvents(EVENTS), twistedClock(300)
    return [ours, ours / heap, ours / theirs]


def _pinned(settings: Settings) -> tuple[World, list[LabPeer]]:
    world = World(
        1, settings, codec="none", latency=(0.01, 0.01), specs=SPECS, makePeer=PinnedPeer, plugins=[everybody]
    )
    peers = pinnedGraph(world, GRAPH, regular(GRAPH, DEGREE, random.Random(1)), 0.01)
    gc.collect()
    return world, peers


def floods() -> list[float]:
    """Queries through a whole graph, and all that comes back: Hits, Done."""
    world, peers = _pinned(SETTINGS)
    before = world.net.delivered
    start = time.process_time()
    for peer in peers[:FLOODS]:
        peer.search("dawn", timeout=limits.BUDGET)
    spent = time.process_time() - start
    rate = (world.net.delivered - before) / spent
    return [rate, rate / emptyEvents(EVENTS)]


def pings() -> list[float]:
    """Keep-alive between the same super-peers."""
    world, _ = _pinned(attrs.evolve(SETTINGS, beats=Beats(0.5)))
    before = world.net.delivered
    start = time.process_time()
    world.run(PINGED)
    spent = time.process_time() - start
    rate = (world.net.delivered - before) / spent
    return [rate, rate / emptyEvents(EVENTS)]


# --- idle peers --------------------------------------------------------------------------------------------------------


def memory() -> int:
    """Bytes of this process that are in memory; those of live objects alone while they are traced, which costs speed."""
    gc.collect()
    if tracemalloc.is_tracing():
        return tracemalloc.get_traced_memory()[0]
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _serving(world: World, number: int) -> None:
    """Add peers that were super-peers when they last stopped, and so are at once."""
    first: list[LabPeer] = []
    for _ in range(number):
        peer = world.add(bootstrap=first[:3], start=False)
        peer.storage.table("role").put(b"role", b"super")
        peer.start()
        first.append(peer)


def _leaves(world: World, number: int, documents: int) -> None:
    homes = list(world.peers.values())
    for one in range(number):
        shared = [
            world.document(f"share/{one}-{at}.txt", f"notes on dawn, volume {one} part {at}: the light of word{at} and word{one % 89}")
            for at in range(documents)
        ]
        world.add(bootstrap=[homes[one % HOMES]], documents=shared)


def _warm() -> None:
    """Import and cache what one small network needs, and keep no log."""
    keepNoLog()
    world = World(2, codec="none")
    _serving(world, 3)
    _leaves(world, 3, 1)
    world.run(30.0)


def idleSupers() -> list[float]:
    """A network of nothing but super-peers."""
    _warm()
    before = memory()
    start = time.process_time()
    world = World(1, codec="none", specs={"election": NEVER})
    _serving(world, SUPERS)
    made = time.process_time() - start
    world.run(SETTLED)
    grown = memory() - before
    assert len(world.superPeers()) == SUPERS
    neighbours = [len(peer.peer.neighbours.linked()) for peer in world.superPeers()]
    assert min(neighbours) >= 10, neighbours
    start = time.process_time()
    world.run(IDLE)
    spent = time.process_time() - start
    return [grown / SUPERS / 1000, 1000 * made / SUPERS, 1e6 * spent / IDLE / SUPERS]


def _idleLeaves(documents: int) -> list[float]:
    """Leaves of a few super-peers; what their homes hold of them counts as theirs."""
    _warm()
    world = World(1, codec="none", specs={"election": NEVER})
    _serving(world, HOMES)
    world.run(SETTLED)
    start = time.process_time()
    world.run(IDLE)
    without = time.process_time() - start
    before = memory()
    start = time.process_time()
    _leaves(world, LEAVES, documents)
    made = time.process_time() - start
    assert world.until(world.registered, 60.0)
    world.run(SETTLED)
    grown = memory() - before
    assert len(world.leaves()) == LEAVES and world.registered()
    start = time.process_time()
    world.run(IDLE)
    spent = time.process_time() - start - without
    return [grown / LEAVES / 1000, 1000 * made / LEAVES, 1e6 * spent / IDLE / LEAVES]


def bareLeaves() -> list[float]:
    """Leaves that share nothing."""
    return _idleLeaves(0)


def sharingLeaves() -> list[float]:
    """Leaves with five small documents each."""
    return _idleLeaves(5)


def superObjects() -> list[float]:
    """Live objects alone, without what the allocator keeps for later."""
    tracemalloc.start()
    return idleSupers()[:1]


def leafObjects() -> list[float]:
    """The same of leaves."""
    tracemalloc.start()
    return bareLeaves()[:1]


@attrs.frozen(slots=True)
class Measure:
    """
    @ivar run: gives one value for each of C{figures}: (name, least, most).
    """

    run: Callable[[], list[float]]
    figures: tuple[tuple[str, float | None, float | None], ...]


def _idle(kind: str, most: float) -> tuple[tuple[str, float | None, float | None], ...]:
    return (
        (f"KB of an idle {kind}, as the process grows", None, most),
        (f"ms to make and start a {kind}", None, None),
        (f"us of processor time per second of an idle {kind}", None, None),
    )


MEASURES: dict[str, tuple[Measure, bool]] = {
    "clocks": (Measure(clocks, (
        ("virtual events per CPU-second, 10,000 pending", None, None),
        ("  as a ratio to a bare heap", None, None),
        ("  as a ratio to Twisted's Clock", 10.0, None),
    )), True),
    "floods": (Measure(floods, (
        ("messages of a flood per CPU-second", 25_000.0, None),
        ("  as a ratio to empty events", None, None),
    )), True),
    "pings": (Measure(pings, (
        ("messages of keep-alive per CPU-second", 25_000.0, None),
        ("  as a ratio to empty events", None, None),
    )), True),
    "super-peers": (Measure(idleSupers, _idle("super-peer with 10 neighbours", 200.0)), False),
    "super-peer objects": (Measure(superObjects, (("KB of an idle super-peer, live objects", None, None),)), False),
    "leaves": (Measure(bareLeaves, _idle("leaf without a share", 40.0)), False),
    "leaf objects": (Measure(leafObjects, (("KB of an idle leaf without a share, live objects", None, None),)), False),
    "sharing": (Measure(sharingLeaves, _idle("leaf with 5 documents", 40.0)), False),
}
"""By name; and whether one run is not enough."""


def main() -> None:
    """Run one measurement as C{superpeer lab} would, and print its values."""
    collectSeldom()
    print(json.dumps(MEASURES[sys.argv[1]][0].run()))


if __name__ == "__main__":
    main()
