"""What peers of a population that has been here for long know of one another: on their disks, as after a restart."""

from collections.abc import Mapping

import msgspec

from overlay.identity.ids import PeerId
from overlay.lab.world import EPOCH
from overlay.membership.met import Seen
from overlay.storage import MemoryStorage, MemoryTable

FIRST_BOOT = 1
"""The boot number of a first start, which is the session that everybody is in at the beginning."""


class PastTable(MemoryTable):
    """
    The table of who was met, and when: all that were here together have met. Only what comes to be known later takes memory.
    """

    def __init__(self, born: float, births: Mapping[PeerId, float]) -> None:
        """
        @param born: virtual time at which this peer's session began, negative.
        @param births: the same of all that were here at the beginning.
        """
        super().__init__()
        self._born = born
        self._births = births

    def get(self, key: bytes) -> bytes | None:
        value = super().get(key)
        if value is not None:
            return value
        other = self._births.get(PeerId(key))
        return None if other is None else _row(int(EPOCH + max(self._born, other)))


def _row(since: int) -> bytes:
    return msgspec.msgpack.encode(Seen(FIRST_BOOT, since))


class PastStorage(MemoryStorage):
    """The disk of one who was here before the beginning."""

    def __init__(self, born: float, births: Mapping[PeerId, float]) -> None:
        super().__init__()
        self._added("met", PastTable(born, births))
