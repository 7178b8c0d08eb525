"""What one child in the spanning tree has told of its branch."""

from collections.abc import Iterable

import attrs
from pyroaring import BitMap

from overlay.index.bloom import FIELD, FULL, unpacked
from overlay.index.census import NAME_BYTES, Numbers
from overlay.search.receipts import namesOf
from overlay.wire import limits
from overlay.wire.summary import Doubt, SummaryGiven

OWN_FULL = 0.25
"""Part of the positions that one super-peer may set, about: far more than a million records do."""


class OutOfStep(Exception):
    """A difference that does not fit what is held."""


@attrs.define(slots=True, eq=False)
class Held:
    """
    A branch as the parent knows it.

    @ivar version: that is held whole; 0 if none is.
    @ivar names: of the super-peers that it speaks for.
    @ivar doubts: super-peers that may hold anything.
    @ivar doubtful: how many they are.
    @ivar stuffed: whether it is so full that it proves nothing: by itself, or for so few super-peers.
    """

    version: int = 0
    positions: BitMap = attrs.field(factory=BitMap)
    names: dict[bytes, None] = attrs.field(factory=dict)
    numbers: Numbers = attrs.field(factory=Numbers)
    doubts: tuple[Doubt, ...] = ()
    doubtful: int = 0
    stuffed: bool = False
    _coming: tuple[int, int] = (0, 0)
    _gained: BitMap = attrs.field(factory=BitMap)
    _lost: BitMap = attrs.field(factory=BitMap)
    _namesGained: dict[bytes, None] = attrs.field(factory=dict)
    _namesLost: dict[bytes, None] = attrs.field(factory=dict)

    @property
    def fill(self) -> float:
        """Part of the filter that is set, 0 to 1."""
        return len(self.positions) / FIELD

    def take(self, message: SummaryGiven) -> "Difference | None":
        """
        One part.

        @return: what the last part has brought about; None if it was not the last.
        @raise OutOfStep: it does not fit what has come before.
        @raise overlay.errors.Malformed: it holds no positions.
        """
        if message.part == 0:
            if message.base != self.version:
                raise OutOfStep
            self._coming = (message.version, 0)
            self._gained, self._lost = BitMap(), BitMap()
            self._namesGained, self._namesLost = {}, {}
        if self._coming != (message.version, message.part) or message.version <= self.version:
            raise OutOfStep
        self._coming = (message.version, message.part + 1)
        self._gained |= unpacked(message.gained)
        self._lost |= unpacked(message.lost)
        self._namesGained.update(dict.fromkeys(namesOf(message.namesGained)))
        self._namesLost.update(dict.fromkeys(namesOf(message.namesLost)))
        if len(self.names) + len(self._namesGained) > limits.ANSWERED_NAMES:
            raise OutOfStep
        return self._complete(message) if message.last else None

    def _complete(self, message: SummaryGiven) -> "Difference":
        gained, lost = self._gained - self.positions, self._lost & self.positions
        namesGained = [one for one in self._namesGained if one not in self.names]
        namesLost = [one for one in self._namesLost if one in self.names]
        self.positions |= gained
        self.positions -= lost
        self.names.update(dict.fromkeys(namesGained))
        for one in namesLost:
            del self.names[one]
        self.version = message.version
        count = len(self.names)
        # To be asked far more often than it changes.
        self.stuffed = self.fill > min(FULL, OWN_FULL * max(1, count))
        documents = min(message.documents, count * limits.INDEXED)
        self.numbers = Numbers(documents, min(message.length, documents * limits.WORDS), message.balance)
        self.doubts, self.doubtful = tuple(message.doubts), max(message.doubtful, len(message.doubts))
        self._coming = (0, 0)
        self._gained, self._lost, self._namesGained, self._namesLost = BitMap(), BitMap(), {}, {}
        return Difference(gained, lost, namesGained, namesLost)


@attrs.frozen(slots=True)
class Difference:
    """What has come to a branch and gone from it."""

    gained: BitMap
    lost: BitMap
    namesGained: Iterable[bytes]
    namesLost: Iterable[bytes]


def nameOf(peer: bytes) -> bytes:
    """By which a super-peer is named."""
    return peer[:NAME_BYTES]
