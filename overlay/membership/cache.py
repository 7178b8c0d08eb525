"""
The peer cache: super-peers that are remembered over a restart, with when and from whom each was learnt.

No network of addresses and no single peer that told of others fills more than a quarter of it, so that whoever floods it displaces
nobody but its own.
"""

from collections import Counter
from functools import lru_cache

import msgspec

from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId
from overlay.membership.known import Known
from overlay.storage import ITable
from overlay.wire.address import NAMES, networkGroup
from overlay.wire.statements import Advert, Signed, contentOf, pack

TABLE = "peers"
LEARNT = "peers-learnt"
MOST = 1000
"""Super-peers remembered."""
SHARE = 4
"""One network of addresses, or one source, has at most one in so many of the places."""


class Learnt(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    Of one super-peer, as it is stored; new fields go at the end.

    @ivar since: network time at which it was first heard of, seconds since the epoch; 0 if that is not known.
    @ivar source: id of the peer that told of it then; empty if that is not known.
    """

    since: int = 0
    source: bytes = b""


@lru_cache(1024)
def _row(since: int, source: bytes) -> bytes:
    """Those that are learnt together, as most are, have one row in common."""
    return msgspec.msgpack.encode(Learnt(since, source))


class _Places:
    """
    Where those that are remembered are from.

    @ivar held: of each the network of its address, and its source.
    @ivar counts: how many are of each network, and of each source.
    """

    __slots__ = ("counts", "held")

    def __init__(self) -> None:
        self.held: dict[bytes, tuple[str, bytes]] = {}
        self.counts: Counter[str | bytes] = Counter()

    def put(self, peer: bytes, place: tuple[str, bytes]) -> None:
        """One more."""
        self.held[peer] = place
        self.counts.update(place)

    def leave(self, peer: bytes) -> None:
        """One is forgotten; and so are networks and sources of which there is nobody left."""
        for one in self.held.pop(peer):
            self.counts[one] -= 1
            if not self.counts[one]:
                del self.counts[one]


class PeerCache:
    """Adverts as they were when they were news: what they say of addresses is what counts."""

    __slots__ = ("_commons", "_learnt", "_places", "_table")

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._table = commons.softTable(TABLE)
        self._learnt = commons.softTable(LEARNT)
        # Only there once there are so many that it matters.
        self._places: _Places | None = None

    def __contains__(self, peer: bytes) -> bool:
        return self._table.get(peer) is not None

    def put(self, known: Known, source: bytes = b"") -> None:
        """
        Remember a super-peer; another makes room.

        @param source: id of the peer that told of it.
        """
        peer = known.peerId
        if self._table.get(peer) is None:
            self._makeRoom(peer, (_groupOf(known.signed), source))
            self._learnt.put(peer, _row(int(self._commons.now()), source))
        self._table.put(peer, pack(known.signed))

    def learnt(self, peer: bytes) -> Learnt:
        """When one of them was first heard of, and from whom."""
        value = self._learnt.get(peer)
        try:
            return msgspec.msgpack.decode(value, type=Learnt) if value is not None else Learnt()
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Learnt()

    def adverts(self) -> list[Signed]:
        """All that are remembered; they may have expired."""
        return [signed for _, value in self._table.items() if (signed := _decode(value)) is not None]

    def addresses(self, peer: bytes) -> list[str]:
        """Where one of them was; none of one that is not remembered."""
        value = self._table.get(peer)
        signed = _decode(value) if value is not None else None
        return _addressesOf(signed) if signed is not None else []

    # --- whom it keeps -----------------------------------------------------------------------------------------------

    def _makeRoom(self, peer: bytes, place: tuple[str, bytes]) -> None:
        most = max(1, MOST // SHARE)
        if self._places is None:
            if self._table.count() < most:
                return
            self._places = _Places()
            for key, value in self._table.items():
                signed = _decode(value)
                self._places.put(key, (_groupOf(signed) if signed is not None else NAMES, self.learnt(key).source))
        held, counts = self._places.held, self._places.counts
        group, source = place
        if counts[group] >= most:
            self._letGo([one for one, other in held.items() if other[0] == group])
        elif source and counts[source] >= most:
            self._letGo([one for one, other in held.items() if other[1] == source])
        elif len(held) >= MOST:
            self._letGo(list(held))
        self._places.put(peer, place)

    def _letGo(self, peers: list[bytes]) -> None:
        """A random one: ids are cheap to make, so no place among them is safer than another. But whom this peer is linked to stays."""
        assert self._places is not None
        leaving = self._commons.random.choice([one for one in peers if one not in self._commons.links] or peers)
        self._places.leave(leaving)
        self._table.remove(leaving)
        self._learnt.remove(leaving)


def placesIn(table: ITable) -> list[tuple[PeerId, list[str]]]:
    """Of everybody in the table of a cache: where it was, as far as that can be read."""
    rows = [(PeerId(peer), _decode(value)) for peer, value in table.items()]
    return [(peer, _addressesOf(signed)) for peer, signed in rows if signed is not None]


def _addressesOf(signed: Signed) -> list[str]:
    try:
        return list(contentOf(signed, Advert).addresses)
    except SuperpeerError:
        return []


def _groupOf(signed: Signed) -> str:
    addresses = _addressesOf(signed)
    return networkGroup(addresses[0]) if addresses else NAMES


def _decode(value: bytes) -> Signed | None:
    try:
        return msgspec.msgpack.decode(value, type=Signed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
