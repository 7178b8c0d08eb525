"""Peers at ports of this machine, as the daemon makes them, but for what is measured."""

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import attrs
from twisted.internet import reactor as _reactor

from bench.corpus import NETWORK, NOW, SCHEME
from overlay.commons import Surroundings
from overlay.identity.identity import Identity
from overlay.link.tls import TlsNetwork
from overlay.link.turn import Turn
from overlay.peer import Peer
from overlay.policies import Policies
from overlay.policy import PolicyPlugin, PolicySurroundings, findPlugins
from overlay.settings import Settings
from overlay.storage import MemoryStorage

reactor: Any = _reactor
P = TypeVar("P", bound=Peer)


async def startPeer(
    kind: type[P], number: int, listen: str, settings: Settings, specs: Mapping[str, str], store: Any = None,
    plugins: Sequence[PolicyPlugin] = (),
) -> P:
    """
    Make one, and have it listen.

    @param number: makes it another one than all others.
    @param listen: an endpoint; empty for none.
    @param store: instead of the one that C{specs} name.
    """
    rng = random.Random(f"peer {number}")
    identity = Identity.generate(rng, SCHEME)
    storage = MemoryStorage()
    began = time.monotonic()
    turn = Turn(reactor)
    surroundings = Surroundings(
        reactor, lambda: NOW + 1 + time.monotonic() - began, rng, TlsNetwork(reactor, identity, listen, turn), SCHEME, turn=turn
    )
    policies = Policies.build(PolicySurroundings(reactor, rng, identity.peerId, storage), specs, findPlugins().joined(plugins))
    if store is not None:
        policies = attrs.evolve(policies, store=store)
    peer = kind(identity, NETWORK, surroundings, settings, policies, storage)
    await peer.start()
    return peer
