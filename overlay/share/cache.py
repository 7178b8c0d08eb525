"""What was read of each file, so that a restart does not read it again."""

from collections.abc import Iterable

import msgspec

from overlay.index import analysis
from overlay.share import extract
from overlay.storage import ITable

_FORMAT = 1


class Remembered(msgspec.Struct, array_like=True, gc=False):
    """
    One file as it was when it was read; new fields go at the end.

    @ivar modified: in ns.
    @ivar textLimit: under which its text was kept.
    @ivar dialect: in which its terms were made.
    @ivar extraction: version of what made text of it.
    @ivar problem: why it has no text though it should, or empty.
    """

    format: int
    analysis: int
    textLimit: int
    size: int
    modified: int
    location: str
    problem: str = ""
    dialect: str = ""
    extraction: int = 1


_decoder = msgspec.msgpack.Decoder(Remembered)


class Cache:
    """By path."""

    def __init__(self, table: ITable, textLimit: int, dialect: str = "") -> None:
        self._table = table
        self._dialect = dialect
        self._textLimit = textLimit

    def get(self, path: bytes) -> Remembered | None:
        """Whatever is remembered of a path."""
        value = self._table.get(path)
        if value is None:
            return None
        try:
            return _decoder.decode(value)
        except msgspec.DecodeError:
            return None

    def isFresh(self, held: Remembered, size: int, modified: int, location: str) -> bool:
        """Whether a file is still as it was read."""
        return (
            held.format, held.analysis, held.textLimit, held.size, held.modified, held.location, held.dialect,
            held.extraction,
        ) == (
            _FORMAT, analysis.VERSION, self._textLimit, size, modified, location, self._dialect, extract.VERSION,
        )

    def make(self, size: int, modified: int, location: str, problem: str) -> Remembered:
        """What is to be remembered of a file that has been read now."""
        return Remembered(_FORMAT, analysis.VERSION, self._textLimit, size, modified, location, problem, self._dialect, extract.VERSION)

    def put(self, rows: Iterable[tuple[bytes, Remembered]]) -> None:
        """Remember several."""
        self._table.putMany([(path, msgspec.msgpack.encode(one)) for path, one in rows])

    def remove(self, paths: Iterable[bytes]) -> None:
        """Forget several."""
        self._table.removeMany(list(paths))

    def paths(self) -> list[bytes]:
        """All that are remembered, in order."""
        return list(self._table.keys())

    def below(self, path: bytes) -> list[bytes]:
        """Those that lie in a folder."""
        return [one for one in self.paths() if one.startswith(path + b"/")]
