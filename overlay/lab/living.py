"""
Super-peers that find their neighbours themselves, gossip, and notice who has gone, but that nobody elects: all of them serve from the
start. So the overlay can be given a size, and some of it be replaced.
"""

import random

import attrs

from overlay.identity.signing import Ed25519
from overlay.lab.experiment import Measured
from overlay.lab.network import Latency
from overlay.lab.pinned import SPECS, SettledElection, TrustingMembership, everybody, introduce
from overlay.lab.world import LabPeer, World
from overlay.peer import Peer
from overlay.settings import Settings

SETTLING = 60.0
"""Virtual seconds in which the first super-peers find their neighbours."""
TOLD_OF = 4
"""Living super-peers that a newcomer is told of."""


class LivingPeer(Peer):
    """A peer that serves at once and for ever, and is the product in everything else."""

    makeMembership = TrustingMembership
    makeElection = SettledElection


class Overlay:
    """
    @ivar serving: the living super-peers.
    @ivar replaced: how many have died and been replaced.
    """

    def __init__(self, measured: Measured, seed: int, codec: str, latency: Latency, count: int, degree: int, router: str) -> None:
        self._settings = Settings(role="super", neighbours=degree, mostNeighbours=min(128, degree + degree // 2), lease=86400.0)
        scheme = Ed25519() if codec == "full" else None
        self.world: World = measured.world(
            seed, self._settings, scheme, codec, latency, {**SPECS, "router": router}, makePeer=LivingPeer, plugins=[everybody]
        )
        self._random = random.Random(f"{seed} overlay")
        self.replaced = 0
        # Nobody knows anybody yet, so each serves.
        self.serving = [self._add() for _ in range(count)]
        self.world.run(0.0)
        introduce(self.serving)
        self.world.run(SETTLING)

    def _add(self) -> LabPeer:
        """One that says at which address it is reached; else it would have to hear that from others, who cannot reach it yet."""
        new = self.world.add(start=False)
        new.settings = attrs.evolve(self._settings, advertise=(new.address,))
        new.start()
        return new

    @property
    def degree(self) -> float:
        """Neighbours of each, on average."""
        return sum(len(one.peer.neighbours.linked()) for one in self.serving) / len(self.serving)

    def replaceEach(self, seconds: float) -> None:
        """From now on, one after so many seconds dies as a process does, and another comes."""
        self._every = seconds
        self.world.time.callLater(seconds, self._replace)

    def _replace(self) -> None:
        self.world.time.callLater(self._every, self._replace)
        gone = self.serving.pop(self._random.randrange(len(self.serving)))
        gone.kill()
        del self.world.peers[gone.name]
        known = self._random.sample(self.serving, min(TOLD_OF, len(self.serving)))
        new = self._add()
        # Somebody who knew others would ask them to be elected.
        self.world.time.callLater(0.0, self._tell, new, known)
        self.serving.append(new)
        self.replaced += 1

    def _tell(self, new: LabPeer, known: list[LabPeer]) -> None:
        for one in known:
            new.peer.membership.take(one.peer.membership.ownSigned())
            new.peer.links.dial(one.address, one.peerId).addErrback(lambda failure: None)
