"""Evidence of how long others are here: when each linked peer was first met, and how long its sessions last, kept over restarts."""

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
    @ivar first: network time of the first meeting of all; 0 if that is C{since}.
    @ivar earlier: sessions before this one whose end was seen.
    @ivar lasted: seconds of those together.
    @ivar last: network time at which a link to the peer ended last; 0 if none did in this session.
    """

    boot: int
    since: int
    first: int = 0
    earlier: int = 0
    lasted: int = 0
    last: int = 0


class History(msgspec.Struct, frozen=True, gc=False):
    """
    Of one peer.

    @ivar first: seconds since it was met for the first time; 0 if it never was.
    @ivar earlier: sessions before the present one whose end was seen.
    @ivar lasted: their mean length in seconds; 0 without any.
    """

    first: float
    earlier: int
    lasted: float


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
        now = int(self._commons.now())
        if seen is None:
            self._put(peer, Seen(boot, now))
            return
        ended = seen.last > seen.since
        self._put(peer, Seen(
            boot, now, seen.first or seen.since, seen.earlier + ended, seen.lasted + (seen.last - seen.since if ended else 0)
        ))

    def left(self, peer: PeerId) -> None:
        """A link to a peer has ended; if it comes back with another start, that was the end of its session."""
        seen = self._seen(peer)
        if seen is not None:
            self._put(peer, msgspec.structs.replace(seen, last=int(self._commons.now())))

    def _put(self, peer: PeerId, seen: Seen) -> None:
        # Most are met once.
        plain = not (seen.first or seen.earlier or seen.last)
        self._table.put(peer, msgspec.msgpack.encode((seen.boot, seen.since) if plain else seen))

    def history(self, peer: bytes) -> History:
        """What is known of a peer's sessions."""
        seen = self._seen(peer)
        if seen is None:
            return History(0.0, 0, 0.0)
        first = max(0.0, self._commons.now() - (seen.first or seen.since))
        return History(first, seen.earlier, seen.lasted / seen.earlier if seen.earlier else 0.0)

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
