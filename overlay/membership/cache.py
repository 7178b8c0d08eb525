"""The peer cache: super-peers that are remembered over a restart, to begin with."""

import msgspec

from overlay.commons import Commons
from overlay.membership.known import Known
from overlay.wire.statements import Signed, pack

MOST = 1000
"""Super-peers remembered."""


class PeerCache:
    """Adverts as they were when they were news: what they say of addresses is what counts."""

    def __init__(self, commons: Commons) -> None:
        self._table = commons.softTable("peers")

    def __contains__(self, peer: bytes) -> bool:
        return self._table.get(peer) is not None

    def put(self, known: Known) -> None:
        """Remember a super-peer; an earlier one makes room."""
        if self._table.get(known.peerId) is None and self._table.count() >= MOST:
            self._table.remove(next(iter(self._table.keys())))
        self._table.put(known.peerId, pack(known.signed))

    def adverts(self) -> list[Signed]:
        """All that are remembered; they may have expired."""
        found = []
        for _, value in self._table.items():
            try:
                found.append(msgspec.msgpack.decode(value, type=Signed))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return found
