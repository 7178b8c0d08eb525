"""What links have to know of other peers; it is the membership that knows."""

from typing import TYPE_CHECKING, Protocol

from overlay.wire.statements import Signed

if TYPE_CHECKING:
    from overlay.link.link import Link


class Acquaintances(Protocol):
    """Of one peer."""

    def ownSigned(self) -> Signed | None:
        """Our current advert."""

    def knewBefore(self, peer: bytes) -> bool:
        """Whether a peer was a member before, and so may prove the previous network key."""

    def sample(self, count: int = 4) -> list[Signed]:
        """Adverts of others, to be put into refusals."""

    def take(self, signed: Signed, link: "Link | None" = None) -> object:
        """An advert that a goodbye names, and the link it came over."""


class Nobody:
    """Knows nobody, itself included."""

    def ownSigned(self) -> Signed | None:
        return None

    def knewBefore(self, peer: bytes) -> bool:
        return False

    def sample(self, count: int = 4) -> list[Signed]:
        return []

    def take(self, signed: Signed, link: "Link | None" = None) -> object:
        return None


NOBODY = Nobody()
