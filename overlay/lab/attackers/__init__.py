"""
Attackers: peers that misbehave in one named way each, and are the product in everything else.

Each is a subclass of L{overlay.peer.Peer} that has another room, or one room more. C{world.add(makePeer=ATTACKS["forger"].peer)} puts one
into a world.
"""

from overlay.lab.attackers.table import ATTACKS, Attack, attack

__all__ = ["ATTACKS", "Attack", "attack"]
