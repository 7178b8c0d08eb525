"""Registrations in memory alone: for the lab, and for peers that may forget everything when they stop."""

from zope.interface import implementer

from overlay.index.indexed import IndexedStore
from overlay.index.rowtable import MemoryRows
from overlay.interfaces import IIndexStore
from overlay.policy import PolicyPlugin


@implementer(IIndexStore)
class MemoryStore(IndexedStore):
    """Nothing outlives the process."""

    def __init__(self) -> None:
        super().__init__(MemoryRows())


memory = PolicyPlugin(
    "store", "memory", "overlay.plugins.memory:MemoryStore", "Registrations in memory; a restart forgets them."
)
