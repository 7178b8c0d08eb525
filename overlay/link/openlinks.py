"""The open links of one peer: at most one to each other peer."""

from collections.abc import Iterable, Iterator

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.identity.network import Network
from overlay.link.link import Link


class OpenLinks:
    """
    In the order in which they were made; what belongs to nobody any more is ended here.

    @ivar changes: how often one was made or has ended.
    """

    __slots__ = ("_links", "changes", "commons")

    def __init__(self, commons: Commons) -> None:
        self.commons = commons
        self.changes = 0
        self._links: dict[bytes, Link] = {}

    def __iter__(self) -> Iterator[Link]:
        return iter(list(self._links.values()))

    def __len__(self) -> int:
        return len(self._links)

    def __contains__(self, peer: object) -> bool:
        return peer in self._links

    def get(self, peer: bytes) -> Link | None:
        """The link to a peer, or None."""
        return self._links.get(peer)

    def several(self, peers: Iterable[bytes]) -> "list[Link]":
        """The links to some, without those to whom there is none."""
        return [link for link in map(self._links.get, peers) if link is not None]

    def adoptNetwork(self, network: Network) -> None:
        """The network has a new key, or fewer members."""
        self.commons.network = network
        self.refuseBlocked()

    def refuseBlocked(self) -> None:
        """End the links to whoever is blocked or expelled now."""
        for link in list(self._links.values()):
            if self.commons.isRefused(link.peerId):
                link.close("blocked", "this peer is blocked here", -1.0)

    def drop(self, peer: PeerId, code: str) -> None:
        """End the link to a peer, if there is one."""
        link = self._links.get(peer)
        if link is not None:
            link.close(code)
