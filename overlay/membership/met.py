"""Evidence of how long others have been here: when each linked peer was first met in its present session, kept over restarts."""

import msgspec

from overlay.commons import Commons
from overlay.identity.ids import PeerId

MOST = 20_000
"""Peers of whom that is kept; those met longest ago make room."""


class Seen(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    As it is stored; new fields go at the end.

    @ivar boot: of the session.
    @ivar since: network time of the first meeting in it, seconds since the epoch.
    """

    boot: int
    since: int


class Met:
    """Of one peer."""

    __slots__ = ("_commons", "_old", "_table")

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._table = commons.softTable("met")
        # Written by earlier versions: ids alone, of everybody heard of.
        self._old = commons.softTable("membership")

    def __contains__(self, peer: bytes) -> bool:
        return self._table.get(peer) is not None or self._old.get(b"met" + peer) is not None

    def note(self, peer: PeerId, boot: int) -> None:
        """A link to a peer was made."""
        seen = self._seen(peer)
        if seen is not None and seen.boot == boot:
            return
        if seen is None and self._table.count() >= MOST:
            rows = [(_decode(value), key) for key, value in self._table.items()]
            rows.sort(key=lambda row: (row[0].since if row[0] is not None else 0, row[1]))
            self._table.removeMany([key for _, key in rows[: MOST // 10]])
        self._table.put(peer, msgspec.msgpack.encode(Seen(boot, int(self._commons.now()))))

    def upFor(self, peer: bytes) -> float:
        """Seconds for which a peer is known to have been up; 0 for one that was never met."""
        seen = self._seen(peer)
        return max(0.0, self._commons.now() - seen.since) if seen is not None else 0.0

    def _seen(self, peer: bytes) -> Seen | None:
        value = self._table.get(peer)
        return _decode(value) if value is not None else None


def _decode(value: bytes) -> Seen | None:
    try:
        return msgspec.msgpack.decode(value, type=Seen)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
