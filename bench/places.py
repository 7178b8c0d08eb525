"""Stores and registries as a peer has them, without the peer."""

import random
from collections.abc import Sequence
from pathlib import Path

from twisted.internet.task import Clock

from bench.corpus import FOUNDER, NETWORK, NOW, SCHEME
from overlay.commons import Commons, Surroundings
from overlay.identity.identity import Identity
from overlay.index.record import EMPTY_DIGEST, addDigest
from overlay.index.registry import Registry
from overlay.index.store import StoredRecord
from overlay.plugins.lmdbstore import LmdbStore
from overlay.policies import Policies
from overlay.policy import PolicySurroundings
from overlay.settings import Settings
from overlay.storage import DiskStorage, MemoryStorage
from overlay.wire.registration import RecordBody, Register

SPECS = {"store": "memory"}


def storeIn(folder: Path) -> LmdbStore:
    """The default store in a data folder."""
    storage = DiskStorage(folder)
    try:
        return LmdbStore(PolicySurroundings(Clock(), random.Random(1), FOUNDER.peerId, storage))
    finally:
        # The store uses only the folder.
        storage.close()


def registryOf(store: LmdbStore) -> Registry:
    """A guard over a store whose owners are all linked."""
    clock = Clock()
    storage = MemoryStorage()
    surroundings = Surroundings(clock, lambda: NOW + 1.0, random.Random(1), None, SCHEME)  # type: ignore[arg-type]
    policies = Policies.build(PolicySurroundings(clock, random.Random(1), FOUNDER.peerId, storage), SPECS)
    registry = Registry(Commons(FOUNDER, NETWORK, Settings(), storage, surroundings, policies, 1), store)
    for owner in store.owners():
        registry.attach(owner)
    return registry


def batchOf(owner: Identity, records: Sequence[StoredRecord]) -> Register:
    """All of an owner's records in one message."""
    digest = addDigest(EMPTY_DIGEST, *(one.head for one in records))
    bodies = [RecordBody(one.head, one.signature, one.text, one.terms) for one in records]
    return Register(0, 1, 0, True, digest, bodies)
