"""How many rows a search would show, where its router wants to end it with enough of them."""

from collections.abc import Iterable

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.index.record import openHead
from overlay.wire.query import Hit


class Distinct:
    """
    Contents, each once, that somebody shares whose reputation here is not poor: at least C{Settings.trustedFrom}, as for records whose
    signatures a home checks by samples only. So nobody ends another's search by flooding it with rows of new identities that have been
    found to lie.
    """

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._contents: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._contents)

    def take(self, hits: Iterable[Hit]) -> None:
        """Some hits, which were checked."""
        least = self._commons.settings.trustedFrom
        for hit in hits:
            head = openHead(hit.head)
            if head.content not in self._contents and self._commons.trust(PeerId(head.owner)) >= least:
                self._contents.add(head.content)
