"""Who gets what a branch of a search finds."""

from collections.abc import Sequence

from zope.interface import Interface, implementer

from overlay.wire.query import Hit, Receipt


class IAsker(Interface):
    """Who gets what a branch finds."""

    def hitsFound(hits: Sequence[Hit]) -> None:
        """Some hits."""

    def branchEnded(status: str, receipt: Receipt) -> None:
        """The end, C{answered}, C{cancelled} or C{enough}; the last call."""


@implementer(IAsker)
class Nobody:
    """Where the asker has gone."""

    def hitsFound(self, hits: Sequence[Hit]) -> None:
        """Nobody listens."""

    def branchEnded(self, status: str, receipt: Receipt) -> None:
        """Nobody waits."""


NOBODY = Nobody()
