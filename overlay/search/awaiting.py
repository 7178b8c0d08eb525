"""What waits until everybody who prunes by a summary knows its newest version."""

from collections import deque
from collections.abc import Callable

import attrs

Act = Callable[[], None]
EACH_MOST = 64
"""Of one link so many wait: to acknowledge a version acknowledges those before it."""


@attrs.define(slots=True, eq=False)
class _Entry:
    version: int
    act: Act
    of: object


class Awaiting:
    """
    However long that takes: what is still on its way is not known, and who cannot be told any more is not waited for by
    C{isKnown}.

    @param isKnown: whether everybody knows a version.
    """

    __slots__ = ("_each", "_entries", "_isKnown")

    def __init__(self, isKnown: Callable[[int], bool]) -> None:
        self._isKnown = isKnown
        self._entries: deque[_Entry] = deque()
        self._each: dict[object, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, version: int, act: Act, of: object = None) -> None:
        """
        Call C{act} once C{version} is known; at once if it is.

        @param of: on whose account; what waits longest and what came last is done in any case.
        """
        if not self._entries and self._isKnown(version):
            act()
            return
        if of is not None and self._each.get(of, 0) >= EACH_MOST:
            self._entries.remove(next(one for one in reversed(self._entries) if one.of is of))
        else:
            self._each[of] = self._each.get(of, 0) + 1
        self._entries.append(_Entry(version, act, of))

    def look(self) -> None:
        """Something may be known now."""
        while self._entries and self._isKnown(self._entries[0].version):
            entry = self._entries.popleft()
            self._each[entry.of] -= 1
            if not self._each[entry.of]:
                del self._each[entry.of]
            entry.act()

    def drop(self, of: object) -> None:
        """What waits on somebody's account does not matter any more."""
        if self._each.pop(of, 0):
            self._entries = deque(one for one in self._entries if one.of is not of)

    def stop(self) -> None:
        """Nobody is told of what still waits."""
        self._entries.clear()
        self._each.clear()
