"""
Owners that are not there: their homes hold what they registered, as homes do for a while when a leaf has left. Nothing is sent for
them, and they cost no more than their records, so that a network may hold the shares of many more leaves than it has to keep alive.
"""

from collections.abc import Sequence

import attrs

from overlay.commons import Commons, Surroundings
from overlay.identity.identity import Identity
from overlay.identity.ids import PeerId
from overlay.index.document import Document
from overlay.index.own import OwnRegistration
from overlay.lab.world import LabPeer, World
from overlay.storage import MemoryStorage


@attrs.frozen
class Away:
    """
    One owner.

    @ivar homes: that hold its registration.
    """

    peerId: PeerId
    homes: Sequence[LabPeer]


def leaveWith(world: World, homes: Sequence[LabPeer], documents: Sequence[Document]) -> Away:
    """
    Have some super-peers hold a registration, signed and checked like any other, whose owner has just left.
    """
    identity = Identity.generate(world.random, world.scheme)
    own = OwnRegistration(_commons(world, identity, homes[0]))
    own.setHomes([one.peerId for one in homes])
    own.update(list(documents), [])
    for home in homes:
        registry = home.peer.registry
        for batch in own.batches(0):
            taken = registry.apply(identity.peerId, identity.publicKey, batch)
            assert not taken.code and not taken.refused, taken
        registry.release(identity.peerId)
    return Away(identity.peerId, homes)


def _commons(world: World, identity: Identity, like: LabPeer) -> Commons:
    """What an owner needs to sign what it shares; it has no network, for it sends nothing."""
    other = like.peer.commons
    surroundings = Surroundings(world.time, other.surroundings.wall, world.random, like.host, world.scheme)
    return Commons(identity, world.network, like.settings, MemoryStorage(), surroundings, other.policies, 0)
