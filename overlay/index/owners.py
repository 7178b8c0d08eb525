"""What a home knows of those who register at it, beside what its store has."""

import attrs

from overlay.index.refusals import Refusals
from overlay.storage import ITable


@attrs.define(slots=True)
class Coming:
    """
    A difference of which not all parts have come.

    @ivar freed: whether it has made room, or has taken something off what was refused.
    """

    base: int
    next: int = 0
    freed: bool = False


class Owners:
    """
    What there is to know of those who register here, beside what the store has.

    @ivar attached: who is linked.
    @ivar leases: of all others, until when they may come back, in monotonic time.
    @ivar restored: who was on disk, and has not come back yet.
    @ivar changed: whose registration has changed since a census was asked for.
    @ivar coming: of which differences parts are still to come.
    @ivar suspect: who has sent a forgery.
    @ivar refusals: which records were not taken.
    @ivar untold: who has come back, and has not been told of its refusals since.
    """

    __slots__ = ("attached", "changed", "coming", "leases", "refusals", "restored", "suspect", "untold")

    def __init__(self, refused: ITable) -> None:
        """
        @param refused: where it is kept what was not taken.
        """
        self.attached: dict[bytes, None] = {}
        self.leases: dict[bytes, float] = {}
        self.restored: dict[bytes, None] = {}
        self.changed: dict[bytes, None] = {}
        self.coming: dict[bytes, Coming] = {}
        self.suspect: dict[bytes, None] = {}
        self.untold: dict[bytes, None] = {}
        self.refusals = Refusals(refused)

    def forget(self, owner: bytes) -> None:
        """An owner's registration goes."""
        self.changed[owner] = None
        for known in (self.restored, self.attached, self.leases, self.coming, self.suspect, self.untold):
            known.pop(owner, None)
