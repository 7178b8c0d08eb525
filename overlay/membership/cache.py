"""The peer cache: super-peers that are remembered over a restart, to begin with."""

import msgspec

from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.membership.known import Known
from overlay.wire.statements import Advert, Signed, contentOf, pack

MOST = 1000
"""Super-peers remembered."""


class PeerCache:
    """Adverts as they were when they were news: what they say of addresses is what counts."""

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._table = commons.softTable("peers")

    def __contains__(self, peer: bytes) -> bool:
        return self._table.get(peer) is not None

    def put(self, known: Known) -> None:
        """Remember a super-peer; another makes room."""
        if self._table.get(known.peerId) is None and self._table.count() >= MOST:
            # A random one: ids are cheap to make, so no place among them is safer than another.
            self._table.remove(self._commons.random.choice(list(self._table.keys())))
        self._table.put(known.peerId, pack(known.signed))

    def adverts(self) -> list[Signed]:
        """All that are remembered; they may have expired."""
        return [signed for _, value in self._table.items() if (signed := _decode(value)) is not None]

    def addresses(self, peer: bytes) -> list[str]:
        """Where one of them was; none of one that is not remembered."""
        value = self._table.get(peer)
        signed = _decode(value) if value is not None else None
        try:
            return list(contentOf(signed, Advert).addresses) if signed is not None else []
        except SuperpeerError:
            return []


def _decode(value: bytes) -> Signed | None:
    try:
        return msgspec.msgpack.decode(value, type=Signed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
