"""Whom a super-peer nominates: of those who can be dialled the fittest, as they show themselves."""

import random
from typing import Any

import pytest

from overlay.lab.world import LabPeer, World
from overlay.roles.observations import SHORTEST, Shown
from overlay.wire import limits
from overlay.wire.messages import Transferred, TransferWanted
from overlay.wire.statements import Capacity

BEHIND = 24
"""Peers that cannot be dialled: more than are tried for one seat."""
PIECE = limits.TRANSFER_PIECE


def test_theFittestCannotBeDialled() -> None:
    """Those that do not answer make room for the next, so the only one that can be dialled is found, though one would choose it last."""
    world = World(4)
    first = world.add("first")
    for number in range(BEHIND):
        world.add(f"behind{number}", [first], dialable=False)
        world.run(1)
    world.run(30)
    able = world.add("able", [first])
    assert world.until(lambda: able.isSuper, 150)
    world.run(1)
    assert first.peer.election.caller.history[-1]["outcome"] == "filled"
    assert not any(peer.isSuper for peer in world.peers.values() if not peer.dialable)


def network(uploads: list[float], claims: list[float]) -> tuple[World, LabPeer, list[LabPeer]]:
    """A super-peer whose leaves can send so many bytes a second, and say that they can send so many."""
    world = World(6)
    first = world.add("first")
    leaves = []
    for at, (upload, claim) in enumerate(zip(uploads, claims, strict=True)):
        leaf = world.add(f"leaf{at}", [first])
        leaf.host.upload = upload
        leaf.peer.membership.capacity = lambda uptime, claim=claim: Capacity(int(claim), 1 << 30, 4096, int(uptime))  # type: ignore[misc]
        leaves.append(leaf)
    return world, first, leaves


@pytest.mark.parametrize("seed", [1, 2])
def test_theFastestIsChosen(seed: int) -> None:
    """Of leaves that are alike in all else the one that sends fastest, though others claim more than they show."""
    uploads = [1e4, 3e4, 1e5, 3e5, 1e7]
    random.Random(seed).shuffle(uploads)
    world, first, leaves = network(uploads, [1e9 / one for one in uploads])
    assert world.until(lambda: any(one.isSuper for one in leaves), 150)
    assert [one.host.upload for one in leaves if one.isSuper] == [1e7]
    rates = [first.peer.election.observations.throughput(one.peerId) for one in leaves]
    for upload, rate in zip(uploads, rates, strict=True):
        # Other messages share the uplink.
        assert rate is not None and rate < 1.1 * upload and (upload < 1e5 or rate > 0.5 * upload)


def test_thoseThatClaimMostAreLookedAtFirst() -> None:
    """Where there are more than can be dialled at once."""
    world, first, leaves = network([1e5] * 9 + [1e7], [1e5] * 9 + [1e7])
    assert world.until(lambda: any(one.isSuper for one in leaves), 150)
    assert leaves[-1].isSuper and sum(one.isSuper for one in leaves) == 1
    looked = [one for one in leaves if first.peer.election.observations.throughput(one.peerId) is not None]
    assert 1 < len(looked) <= 5


@pytest.mark.parametrize(("pieces", "until", "rate"), [
    ([], 2.0, 0.0), ([1.0], 2.0, 0.0), ([1.0, 2.0], 2.0, PIECE), ([1.0, 2.0], 3.0, PIECE / 2),
    ([1.0 + 0.1 * at for at in range(limits.TRANSFER_PIECES)], 9.0, 10 * PIECE),
    ([1.0] * limits.TRANSFER_PIECES, 9.0, (limits.TRANSFER_PIECES - 1) * PIECE / SHORTEST),
])
def test_howFast(pieces: list[float], until: float, rate: float) -> None:
    """From the first piece to the last, or, while some are missing, until now; one piece too many was not asked for."""
    shown = Shown(0.5)
    assert all(shown.take(when, PIECE) for when in pieces)
    assert shown.seen(until) == pytest.approx(rate)
    while shown.pieces < limits.TRANSFER_PIECES:
        shown.take(until, PIECE)
    assert not shown.take(until, PIECE)


def test_unaskedPieces() -> None:
    """What nobody asked for is counted, and costs its sender trust; a peer that is asked too often does not answer."""
    world, first, (leaf,) = network([1e7], [1e7])
    world.run(5)
    link: Any = leaf.peer.links.get(first.peerId)
    before = first.peer.commons.trust(leaf.peerId)
    for _ in range(3):
        link.send(Transferred(b"x" * 100))
    world.run(1)
    assert first.peer.commons.tally.get("drops", "unasked") == 3 and first.peer.commons.trust(leaf.peerId) < before
    back: Any = first.peer.links.get(leaf.peerId)
    for _ in range(20):
        back.send(TransferWanted(1))
    world.run(1)
    assert leaf.peer.commons.tally.get("drops", "rate") > 0
