"""What a super-peer tells its parent in the spanning tree of its branch: everything first, then differences, in numbered versions."""

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING

from pyroaring import BitMap

from overlay.identity.ids import PeerId
from overlay.index.bloom import packed
from overlay.index.census import Numbers
from overlay.index.union import Union
from overlay.wire.summary import Doubt, SummaryGiven

if TYPE_CHECKING:
    from overlay.link.link import Link

CHUNK = 12_000
"""Positions in one message."""
_NONE = BitMap()


def _chunks(positions: BitMap) -> Iterator[BitMap]:
    for start in range(0, len(positions), CHUNK):
        yield positions[start : start + CHUNK]


class Giving:
    """
    @ivar target: who is told; None if there is no parent.
    @ivar unwanted: whether the target prunes nothing.
    @ivar version: of what was told last, or is being told.
    @ivar received: the version that everybody above has.
    @ivar acknowledged: the version that everybody has who might prune by an older one.
    """

    def __init__(self, union: Union, doubts: "Callable[[], tuple[tuple[Doubt, ...], int]]", numbers: Callable[[], Numbers]) -> None:
        self._union = union
        self._doubts = doubts
        self._numbers = numbers
        self.target: PeerId | None = None
        self.unwanted = False
        self.version = 0
        self.received = 0
        self.acknowledged = 0
        self._held = 0
        self._more = 0
        self._awaited = 0
        self._parts: Iterator[SummaryGiven] | None = None
        self._told: tuple[Numbers, tuple[Doubt, ...], int] | None = None

    def turn(self, target: PeerId | None) -> None:
        """Somebody else is told from now on, or nobody."""
        self.target = target
        self.unwanted = False
        self.again()

    def again(self) -> None:
        """The target is told everything once more."""
        self._held = 0
        self._parts = None

    def next(self) -> int:
        """A version for a message that tells nothing new."""
        self.version += 1
        return self.version

    @property
    def needed(self) -> int:
        """The version whose acknowledgement says that everybody above knows all that there is now."""
        told = self._told is not None and self._told == (self._numbers(), *self._doubts())
        return self._more if self._held and told and not self._union.more else self.version + 1

    @property
    def neededForLess(self) -> int:
        """The same, and that they have also forgotten all that is gone."""
        return self.version + 1 if self._union.changed or not self._held else self.version

    def awaited(self, version: int) -> None:
        """Somebody waits for a version: there will be one, even if what it was to tell is taken back before."""
        self._awaited = max(self._awaited, version)

    @property
    def underWay(self) -> bool:
        """Whether a part of what is being told has not been sent yet."""
        return self._parts is not None

    def due(self) -> bool:
        """Whether there is something to tell."""
        if self.target is None or self.unwanted or self._parts is not None:
            return False
        return (
            not self._held or self._union.changed or self._awaited > self.version
            or self._told != (self._numbers(), *self._doubts())
        )

    def begin(self) -> None:
        """Number what has changed, so that L{pump} can send it."""
        union = self._union
        if not self._held:
            gained, lost, names, gone = union.positions(), _NONE, union.names(), []
        else:
            gained, lost = union.gained, union.lost
            names, gone = list(union.namesGained), list(union.namesLost)
        base = self._held
        self.version += 1
        numbers, (doubts, doubtful) = self._numbers(), self._doubts()
        if union.more or not base or self._awaited == self.version or self._told != (numbers, doubts, doubtful):
            self._more = self.version
        union.forget()
        self._told = (numbers, doubts, doubtful)
        self._held = self.version
        self._parts = self._made(base, gained, lost, names, gone, numbers, doubts, doubtful)

    def _made(
        self, base: int, gained: BitMap, lost: BitMap, names: list[bytes], gone: list[bytes], numbers: Numbers,
        doubts: tuple[Doubt, ...], doubtful: int,
    ) -> Iterator[SummaryGiven]:
        chunks = list(zip_longest(_chunks(gained), _chunks(lost), fillvalue=_NONE)) or [(_NONE, _NONE)]
        for part, (came, went) in enumerate(chunks):
            if part < len(chunks) - 1:
                yield SummaryGiven(self.version, base, part, False, packed(came), packed(went))
            else:
                yield SummaryGiven(
                    self.version, base, part, True, packed(came), packed(went), b"".join(names), b"".join(gone),
                    numbers.documents, numbers.length, numbers.balance, list(doubts), doubtful,
                )

    def pump(self, link: "Link | None") -> None:
        """
        Send as much as the link takes. A link that takes not even a difference is given up: its other end must not go on with what is
        out of date while it hears of this one.
        """
        while self._parts is not None and link is not None and not link.congested:
            part = next(self._parts, None)
            if part is None:
                self._parts = None
            elif not link.send(part):
                self._parts = None
                link.close("overflow", "a summary could not be sent")
