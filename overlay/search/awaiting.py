"""What waits until everybody who prunes by a summary knows its newest version."""

from collections import deque
from collections.abc import Callable

import attrs

Act = Callable[[], None]


@attrs.define(slots=True, eq=False)
class _Entry:
    version: int
    act: Act


class Awaiting:
    """
    However long that takes: what is still on its way is not known, and who cannot be told any more is not waited for by
    C{isKnown}.

    @param isKnown: whether everybody knows a version.
    """

    def __init__(self, isKnown: Callable[[int], bool]) -> None:
        self._isKnown = isKnown
        self._entries: deque[_Entry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, version: int, act: Act) -> None:
        """Call C{act} once C{version} is known; at once if it is."""
        if not self._entries and self._isKnown(version):
            act()
        else:
            self._entries.append(_Entry(version, act))

    def look(self) -> None:
        """Something may be known now."""
        while self._entries and self._isKnown(self._entries[0].version):
            self._entries.popleft().act()

    def stop(self) -> None:
        """Nobody is told of what still waits."""
        self._entries.clear()
