"""
The copy of all rows that searches read, and how it is made anew while it is in use: a copy that is mostly holes is replaced by another one,
into which some rows are copied with each change, so that no search waits until all are.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from overlay.plugins._flatrows import FlatRows

COPIED = 4096
"""Rows that are copied with one change: about as much work as the change itself."""
NEXT = "next.flat"


class RowsCopy:
    """
    If a method that writes raises anything, the copy is of no use any more.

    @param path: of the file with the rows; the one that is to replace it lies beside it.
    @param whole: gives all rows from a number on, packed, in their order, as they are when it is called.
    """

    def __init__(self, path: Path, whole: Callable[[int], Generator[tuple[int, bytes]]]) -> None:
        self._path = path
        self._whole = whole
        # The process may have stopped before it was whole.
        self._beside.unlink(missing_ok=True)
        self._rows = FlatRows(path)
        self._next: FlatRows | None = None
        # Rows below this number are in the next copy.
        self._reached = 0
        self.packed, self.beginnings = self._rows.packed, self._rows.beginnings

    @property
    def _beside(self) -> Path:
        return self._path.with_name(NEXT)

    @property
    def scattered(self) -> bool:
        """Whether more than half of the file is free places."""
        return self._rows.scattered

    def load(self) -> int:
        """As L{FlatRows.load}."""
        return self._rows.load()

    def save(self, stamp: int, sync: bool) -> None:
        """As L{FlatRows.save}."""
        self._rows.save(stamp, sync)

    def sync(self) -> None:
        """Have all rows on the disk itself."""
        self._rows.sync()

    def fill(self) -> None:
        """Begin anew, with all rows."""
        self._giveUpNext()
        self._rows.fill(self._whole(0))

    def change(self, put: Sequence[tuple[int, bytes]], gone: Iterable[int]) -> None:
        """
        As L{FlatRows.change}, after C{whole} has changed.
        """
        gone = list(gone)
        self._rows.change(put, gone)
        if self._next is not None:
            self._next.change([one for one in put if one[0] < self._reached], [row for row in gone if row < self._reached])
        elif self._rows.scattered:
            self._next, self._reached = FlatRows(self._beside), 0
        if self._next is not None:
            self._copyOn(self._next)

    def _copyOn(self, fresh: FlatRows) -> None:
        with closing(self._whole(self._reached)) as rows:
            some = list(islice(rows, COPIED))
        fresh.change(some, ())
        if len(some) == COPIED:
            self._reached = some[-1][0] + 1
            return
        self._rows.giveWayTo(fresh)
        self._rows, self._next = fresh, None
        self.packed, self.beginnings = fresh.packed, fresh.beginnings

    def _giveUpNext(self) -> None:
        fresh, self._next = self._next, None
        if fresh is not None:
            fresh.remove()

    def close(self) -> None:
        self._giveUpNext()
        self._rows.close()

    def remove(self) -> None:
        """Close it and give its room back."""
        self._giveUpNext()
        self._rows.remove()
