"""The rows that several bitmaps have in common: how many they are is found out at once, which they are only if somebody asks."""

from collections.abc import Sequence

from pyroaring import BitMap


class Having:
    """Not to be used any more once one of the bitmaps changes."""

    __slots__ = ("_count", "_parts", "_rows")

    def __init__(self, parts: Sequence[BitMap]) -> None:
        """
        @param parts: at least one.
        """
        self._parts = sorted(parts, key=len) if len(parts) > 1 else parts
        self._rows: BitMap | None = parts[0] if len(parts) == 1 else None
        self._count: int | None = None

    def __len__(self) -> int:
        count = self._count
        if count is None:
            # To count costs a third of what it costs to make a bitmap.
            pair = self._rows is None and len(self._parts) == 2
            count = self._count = self._parts[0].intersection_cardinality(self._parts[1]) if pair else len(self.rows)
        return count

    @property
    def rows(self) -> BitMap:
        """All of them; not to be changed by the caller."""
        rows = self._rows
        if rows is None:
            rows = self._parts[0]
            for other in self._parts[1:]:
                rows = rows & other
            self._rows = rows
        return rows

    def among(self, some: BitMap, *within: BitMap) -> BitMap:
        """
        Those of some rows that are among them; a bitmap that the caller must not change.

        @param within: bitmaps that have all of C{some}.
        """
        if self._rows is not None:
            return some if any(one is self._rows for one in within) else some & self._rows
        for part in self._parts:
            if not any(one is part for one in within):
                some = some & part
        return some

    def meets(self, some: BitMap) -> bool:
        """Whether any of some rows is among them."""
        if self._rows is not None:
            return self._rows.intersect(some)
        return all(part.intersect(some) for part in self._parts) and bool(self.among(some))
