"""Graphs of neighbours, as lists of edges between numbers from 0."""

import random
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from overlay.lab.experiment import Impossible

Edge = tuple[int, int]
_TRIES = 100


def regular(nodes: int, degree: int, rng: random.Random) -> list[Edge]:
    """
    A random graph in which every node has the same number of neighbours, connected if such a graph can be.

    Pairs of stubs at random, as in the configuration model (Bollobas, 1980); loops and double edges are exchanged with random other
    pairs until there are none.

    @raise Impossible: there is no such graph.
    """
    if degree >= nodes:
        raise Impossible(f"--degree must be less than --super-peers ({nodes}), not {degree}")
    if nodes * degree % 2:
        raise Impossible(f"--degree times --super-peers must be even: {degree} * {nodes} is odd")
    if degree > nodes // 2:
        # Of a dense graph, what is not there is the sparse one.
        absent = set(_paired(nodes, nodes - 1 - degree, rng))
        return [(one, other) for one in range(nodes) for other in range(one + 1, nodes) if (one, other) not in absent]
    if degree == 2:
        # Pairing would make several rings.
        ring = list(range(nodes))
        rng.shuffle(ring)
        return sorted(_edge(one, other) for one, other in zip(ring, ring[1:] + ring[:1], strict=True))
    for _ in range(_TRIES):
        edges = _paired(nodes, degree, rng)
        if degree < 2 or len(distances(neighboursOf(nodes, edges), 0)) == nodes:
            break
    return edges


def _paired(nodes: int, degree: int, rng: random.Random) -> list[Edge]:
    pairs = None
    while pairs is None:
        pairs = _tryPairing(nodes, degree, rng)
    return pairs


def _tryPairing(nodes: int, degree: int, rng: random.Random) -> list[Edge] | None:
    """None if the exchanges do not come to an end: a small graph may have none left that helps."""
    stubs = [node for node in range(nodes) for _ in range(degree)]
    rng.shuffle(stubs)
    pairs = [_edge(one, other) for one, other in zip(stubs[::2], stubs[1::2], strict=True)]
    seen: set[Edge] = set()
    bad: list[int] = []
    for number, pair in enumerate(pairs):
        if pair[0] == pair[1] or pair in seen:
            bad.append(number)
        else:
            seen.add(pair)
    broken = set(bad)
    left = 100 * (len(bad) + len(pairs))
    while bad:
        left -= 1
        if left < 0:
            return None
        number = bad[-1]
        other = rng.randrange(len(pairs))
        if other in broken:
            continue
        (a, b), (c, d) = pairs[number], pairs[other]
        if rng.random() < 0.5:
            c, d = d, c
        one, two = _edge(a, c), _edge(b, d)
        if a == c or b == d or one == two or one in seen or two in seen:
            continue
        seen.discard(pairs[other])
        seen.update((one, two))
        pairs[number], pairs[other] = one, two
        bad.pop()
        broken.discard(number)
    return sorted(pairs)


def _edge(one: int, other: int) -> Edge:
    return (one, other) if one <= other else (other, one)


def readEdges(path: Path) -> tuple[list[str], list[Edge]]:
    """
    An edge list: two names a line, and C{#} begins a comment. An edge that comes twice counts once.

    @return: the names, in the order in which they come, and the edges between their numbers.
    @raise Impossible: the file cannot be read, or a line is no edge; the message names the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as problem:
        raise Impossible(f"--graph {path} cannot be read ({problem.strerror})") from problem
    except UnicodeDecodeError as problem:
        raise Impossible(f"--graph {path} is no text") from problem
    numbers: dict[str, int] = {}
    edges: dict[Edge, None] = {}
    for at, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[0] == words[1]:
            raise Impossible(f"--graph {path}, line {at}: an edge is two different names, not {line.strip()[:80]!r}")
        one, other = (numbers.setdefault(word, len(numbers)) for word in words)
        edges[_edge(one, other)] = None
    if not edges:
        raise Impossible(f"--graph {path} has no edges")
    return list(numbers), list(edges)


def neighboursOf(nodes: int, edges: Sequence[Edge]) -> list[list[int]]:
    """The neighbours of each node."""
    found: list[list[int]] = [[] for _ in range(nodes)]
    for one, other in edges:
        found[one].append(other)
        found[other].append(one)
    return found


def distances(neighbours: Sequence[Sequence[int]], start: int) -> dict[int, int]:
    """Hops from C{start} to each node that can be reached."""
    found = {start: 0}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for other in neighbours[node]:
            if other not in found:
                found[other] = found[node] + 1
                waiting.append(other)
    return found
