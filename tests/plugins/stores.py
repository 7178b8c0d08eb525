"""Both index stores for one set of tests."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from overlay.identity.ids import PeerId
from overlay.plugins.lmdbstore import LmdbStore
from overlay.plugins.memory import MemoryStore
from overlay.policy import PolicySurroundings
from overlay.storage import DiskStorage, MemoryStorage

Opener = Callable[[], Any]


def surroundings(folder: Path | None) -> PolicySurroundings:
    storage = MemoryStorage() if folder is None else DiskStorage(folder)
    return PolicySurroundings(Clock(), random.Random(1), PeerId(bytes(20)), storage)


def lmdbStore(folder: Path, **arguments: Any) -> LmdbStore:
    """The store in a folder; its tables are closed at once, since it uses only the folder."""
    around = surroundings(folder)
    try:
        return LmdbStore(around, **arguments)
    finally:
        around.storage.close()


def openers(folder: Path) -> dict[str, Opener]:
    """How each kind is opened; the same folder again gives what was stored there."""
    return {
        "memory": MemoryStore,
        "lmdb": lambda: lmdbStore(folder),
        "lmdb-full": lambda: lmdbStore(folder, sync="full"),
        "lmdb-no-folder": lambda: LmdbStore(surroundings(None)),
    }
