"""Between whom a channel in memory is."""

import hashlib
from typing import TYPE_CHECKING

from overlay.identity.ids import PeerId

if TYPE_CHECKING:
    from overlay.lab.network import VirtualHost


class Ends:
    """As one of the two sees it; see L{overlay.link.channel.IChannel} for what it tells."""

    __slots__ = ("_host", "_number", "_remote")

    def __init__(self, host: "VirtualHost", remote: "VirtualHost", number: int) -> None:
        """
        @param number: by which both ends know that they are of one channel.
        """
        self._host = host
        self._remote = remote
        self._number = number

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._host.address} to {self._remote.address}>"

    @property
    def remoteKey(self) -> bytes:
        return self._remote.identity.publicKey

    @property
    def remoteId(self) -> PeerId:
        return self._remote.identity.peerId

    @property
    def remoteAddress(self) -> str:
        return self._remote.address

    @property
    def binding(self) -> bytes:
        # Asked for in the hellos only, so it is not kept.
        return hashlib.sha256(b"lab channel %d" % self._number).digest()
