"""Registering at one home: the offer, the batches within a window, and what the home did not take."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
from zope.interface import implementer

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.index.own import OwnRegistration
from overlay.index.record import openHead, recordIdOf
from overlay.roles.home import IHomeActs, homeLifeOf
from overlay.wire.registration import Register, RegisterAnswer, Registered, RegisterOffer

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.roles.homes import Homes

WINDOW = 4
"""Batches on their way without an acknowledgement."""
FIRST_RETRY = 5.0
LONGEST_RETRY = 300.0
_NONE: Any = MappingProxyType({})


@attrs.frozen(slots=True)
class HomeView:
    """
    One home, for people and tests.

    @ivar state: C{dialling}, C{offered}, C{registering}, C{registered} or C{deferred}.
    @ivar sequence: of our registration that it holds.
    @ivar behind: whether we have something newer.
    @ivar refused: records that it did not take, with codes; of those that it refused before this link began, not more than it tells.
    @ivar rtt: seconds, or None.
    """

    peerId: PeerId
    state: str
    sequence: int
    behind: bool
    refused: dict[bytes, str]
    quotaRecords: int
    quotaBytes: int
    rtt: float | None
    reason: str


@implementer(IHomeActs)
class Home:
    """
    @ivar link: to it, once there is one.
    @ivar state: see L{HomeView}.
    @ivar accepted: whether it has taken us.
    @ivar lists: of homes, which it was told last: it holds the first of them, or the second.
    """

    __slots__ = (
        "_base", "_batches", "_commons", "_everything", "_flying", "_homes", "_homesTold", "_own", "_target", "_wait", "_wanted",
        "accepted", "life", "link", "lists", "nextTry", "peerId", "quotaBytes", "quotaRecords", "reason", "refused", "sequence", "state",
    )

    def __init__(
        self,
        commons: Commons,
        own: OwnRegistration,
        peerId: PeerId,
        homes: "Homes",
    ) -> None:
        self._commons = commons
        self._own = own
        self.peerId = peerId
        self._homes = homes
        self.link: Link | None = None
        self.state = "dialling"
        self.accepted = False
        self.lists: tuple[list[bytes], ...] = ()
        self.sequence = 0
        self.reason = ""
        self.refused: dict[bytes, str] = _NONE
        self.quotaRecords = 0
        self.quotaBytes = 0
        self.nextTry = 0.0
        self._wait = FIRST_RETRY
        self._base = 0
        self._everything = False
        self._batches: Iterator[Register] | None = None
        self._target = 0
        self._wanted: tuple[bytes, ...] = ()
        self._flying = 0
        self._homesTold: object = None
        self.life = homeLifeOf(self)

    def view(self) -> HomeView:
        """A snapshot."""
        behind = self.sequence != self._own.sequence or self.state != "registered"
        return HomeView(
            self.peerId, self.state, self.sequence, behind, dict(self.refused), self.quotaRecords, self.quotaBytes,
            self.link.rtt if self.link is not None else None, self.reason,
        )

    # --- what comes in -----------------------------------------------------------------------------------------------

    def linked(self, link: "Link") -> None:
        """There is a link to it now."""
        self.link = link
        self.life.linked()

    def answered(self, message: RegisterAnswer) -> None:
        """It takes us, or not."""
        if self.state != "offered":
            return
        if message.accepted:
            self.accepted = True
            self.quotaRecords, self.quotaBytes = message.quotaRecords, message.quotaBytes
            self.sequence = 0 if self._everything else message.sequence
            self._everything = False
            self.state = "registering"
            self.life.accepted()
        elif message.code == "rate":
            self.reason = message.code
            self.life.deferred(message.retry)
        else:
            self.reason = message.code
            self.life.gone(message.code or "refused")

    def acknowledged(self, message: Registered) -> None:
        """It has stored a batch, or not."""
        if self.state != "registering":
            return
        if message.refused:
            rows = [(bytes(recordId), code) for recordId, code in message.refused]
            self.refused = dict(list({**self.refused, **dict(rows)}.items())[-100_000:])
        late = [bytes(recordId) for recordId, code in message.refused if code == "expired"]
        if late:
            # Signed by a clock that was wrong, or kept for too long: they are signed anew, and sent as a change.
            self._own.renew(late)
        if message.code in ("base", "digest") or any(code == "unknown" for _, code in message.refused):
            self._everything = message.code != "base"
            self.sequence = message.sequence
            self.state = "offered"
            self.life.mismatched()
            return
        if message.code:
            self.reason = message.code
            self.life.deferred(message.retry)
            return
        self._flying -= 1
        self.sequence = message.sequence
        self._wanted += tuple(map(bytes, message.wanted))
        self.pump()

    def ownChanged(self) -> None:
        """We share something else now, or have other homes."""
        if self.state == "registered" and (
            self._wanted or self.sequence != self._own.sequence or self._homesTold is not self._own.homesSigned()
        ):
            self.state = "registering"
            self.life.changed()

    def resume(self) -> None:
        """The wait is over."""
        if self.state == "deferred":
            self.state = "offered"
            self.life.resumed()

    # --- what the machine has done -----------------------------------------------------------------------------------

    def offer(self) -> None:
        self.state = "offered"
        own = self._own
        self._batches = None
        self._wanted = ()
        self._send(RegisterOffer(own.sequence, own.digest, own.count, own.bytes_, own.homesSigned()))

    def sendDifference(self) -> None:
        own = self._own
        self._target = own.sequence
        self._flying = 0
        self._homesTold = own.homesSigned()
        if not self.sequence:
            self.refused = _NONE
        self._batches = own.batches(self.sequence, self._wanted)
        self._wanted = ()
        self.pump()

    def pump(self) -> None:
        """Send as many batches as the window and the link allow."""
        if self.state != "registering" or self._batches is None:
            return
        while self._flying < WINDOW and self.link is not None and not self.link.congested:
            batch = next(self._batches, None)
            if batch is None:
                break
            self._takeBack(batch)
            if batch.last:
                self.lists = (*self.lists[:1], self._own.homes)
            if not self._send(batch):
                self.life.deferred(FIRST_RETRY)
                return
            self._flying += 1
        if self._flying == 0 and self.sequence >= self._target:
            self.state = "registered"
            self.life.stored()

    def _takeBack(self, batch: Register) -> None:
        """Of what it has refused, it says anew what it does with that which is sent again; what is not shared any more it forgets."""
        if self.refused:
            heads = [*(one.head for one in batch.additions), *(one.head for one in batch.renewals)]
            sent = [recordIdOf(self._commons.peerId, openHead(head).location) for head in heads]
            for recordId in (*batch.removals, *sent):
                self.refused.pop(recordId, None)

    def settle(self) -> None:
        self._wait = FIRST_RETRY
        self.reason = ""
        self._batches = None
        self.lists = self.lists[-1:]
        self._homes.settled(self)
        self.ownChanged()

    def pause(self, retry: float) -> None:
        self.state = "deferred"
        self._batches = None
        wait = max(retry, self._wait) * self._commons.random.uniform(1.0, 1.2)
        self._wait = min(LONGEST_RETRY, 2 * self._wait)
        self.nextTry = self._commons.seconds() + wait

    def leave(self, code: str) -> None:
        self.state = "over"
        self.accepted = False
        self.reason = code
        self._batches = None
        self._homes.left(self, code)

    def _send(self, message: RegisterOffer | Register) -> bool:
        return self.link is not None and self.link.send(message)
