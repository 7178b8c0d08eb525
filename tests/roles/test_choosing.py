"""Whom a super-peer nominates where most peers cannot be dialled."""

from overlay.lab.world import World

BEHIND = 24
"""Peers that cannot be dialled: more than are tried for one seat."""


def test_theFittestCannotBeDialled() -> None:
    """Those that do not answer make room for the next, so the only one that can be dialled is found, though one would choose it last."""
    world = World(4)
    first = world.add("first")
    for number in range(BEHIND):
        world.add(f"behind{number}", [first], dialable=False)
        world.run(1)
    world.run(30)
    able = world.add("able", [first])
    assert world.until(lambda: able.isSuper, 120)
    world.run(1)
    history = first.peer.election.caller.history
    assert [one["outcome"] for one in history][-1] == "filled" and history[-1]["willing"] == BEHIND + 1
    assert not any(peer.isSuper for peer in world.peers.values() if not peer.dialable)
