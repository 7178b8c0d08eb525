"""Direct questions to many super-peers, a few at a time, and more where few answer; those without a link are dialled first."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import implementer

from overlay.commons import Commons
from overlay.errors import SuperpeerError, TurnedAway
from overlay.identity.ids import PeerId
from overlay.questions import Deed
from overlay.search.copies import Copies, Copy, IReceiver
from overlay.wire import limits
from overlay.wire.query import Done, Hit, Receipt

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership


SLOW_DIAL = 2.0
"""Seconds after which a dial is not waited for: one that is answered at all mostly takes less, even if its first packet is lost."""
PATIENCE = 0.25
"""Seconds after which twice as many are asked at a time: where many have died without a sign, the living must not wait behind them."""
DOUBLINGS = 4
"""How often that happens at most."""
_SOON = 1e-9
"""Seconds: no clock reckons more exactly."""


@implementer(IReceiver)
class Round:
    """
    One question to each of some super-peers. Those that are silent, or that take long to be dialled, may answer as long as others are
    waited for.

    @param send: sends it over a link, with so many seconds for the answer; gives the copy, or None if the link takes no more.
    @param found: gets hits as they come.
    @param answered: gets the receipt of each that answers.
    @param ended: is called once, with those that stayed silent.
    @param ceasedAnswers: whether it is an answer, if with no receipt, that a peer serves no more.
    """

    def __init__(
        self, commons: Commons, membership: "Membership", copies: Copies, deadline: float,
        send: "Callable[[Link, Round, float], Copy | None]", found: Callable[[PeerId, list[Hit]], None],
        answered: Callable[[PeerId, Receipt], None], ended: Callable[[list[PeerId]], None],
        ceasedAnswers: bool = False,
    ) -> None:
        self._commons = commons
        self._membership = membership
        self._copies = copies
        self._deadline = deadline
        self._send = send
        self._found = found
        self._answered = answered
        self._ended = ended
        self._ceasedAnswers = ceasedAnswers
        self._left: list[PeerId] = []
        self._began = 0.0
        self._asking: dict[PeerId, Copy | None] = {}
        self._silent: list[PeerId] = []
        self._again: dict[PeerId, None] = {}
        # Of those that are asked: who is not waited for, and since when who is dialled.
        self._aside: dict[PeerId, None] = {}
        self._dials: dict[PeerId, float] = {}
        self._timer: IDelayedCall | None = None
        self._look: IDelayedCall | None = None
        self._over = False
        self._busy = False

    def begin(self, peers: Iterable[PeerId]) -> None:
        """Ask them."""
        self._left = list(peers)
        self._began = self._commons.seconds()
        if self._left:
            wait = max(0.0, self._deadline - self._began)
            self._timer = self._commons.clock.callLater(wait, self._timeOver)
        self._askMore()

    def _askMore(self) -> None:
        if self._busy:
            # Whoever cannot even be asked is noted below, where this goes on: hundreds of them must not be as many calls deep.
            return
        self._busy = True
        most = self._commons.settings.askAtOnce * 2 ** self._doublings()
        while self._left and len(self._asking) - len(self._aside) < most and not self._over:
            peer = self._left.pop(0)
            self._asking[peer] = None
            self._reach(peer)
        self._busy = False
        if not self._left and len(self._aside) >= len(self._asking):
            self._end()
        elif not self._over:
            self._lookLater()

    def _reach(self, peer: PeerId) -> None:
        if peer not in self._asking or self._over:
            return
        link = self._commons.links.get(peer)
        if link is not None:
            self._ask(link)
            return
        self._dials[peer] = self._commons.seconds()
        addresses = self._membership.addresses(peer)[:2]
        if addresses:
            self._dial(peer, addresses)
        else:
            # It cannot be dialled, and may live all the same.
            self._gone(peer)

    def _reachAgain(self, peer: PeerId) -> None:
        self._reach(peer)
        if not self._over:
            self._lookLater()

    def _doublings(self) -> int:
        return min(DOUBLINGS, int((self._commons.seconds() - self._began + _SOON) / PATIENCE))

    def _lookLater(self) -> None:
        """When more may be asked, or who is dialled is not waited for any more."""
        seconds = self._commons.seconds()
        times = [min(self._dials.values()) + SLOW_DIAL] if self._dials else []
        if self._left and self._doublings() < DOUBLINGS:
            times.append(self._began + (self._doublings() + 1) * PATIENCE)
        if not times:
            return
        if self._look is not None and self._look.active():
            if self._look.getTime() <= min(times):
                return
            self._look.cancel()
        self._look = self._commons.clock.callLater(max(0.0, min(times) - seconds), self._lookAgain)

    def _lookAgain(self) -> None:
        self._look = None
        seconds = self._commons.seconds()
        for peer in [one for one, since in self._dials.items() if seconds >= since + SLOW_DIAL - _SOON]:
            del self._dials[peer]
            self._aside[peer] = None
        self._askMore()

    def _dial(self, peer: PeerId, left: list[str]) -> None:
        if not left:
            self._membership.markDead(peer, True)
            self._gone(peer)
            return

        def failed(failure: Failure) -> None:
            failure.trap(SuperpeerError)
            if failure.check(TurnedAway):
                # It lives, and cannot be asked.
                self._gone(peer)
            elif peer in self._asking:
                self._dial(peer, left[1:])

        self._commons.links.dial(left[0], peer).addCallbacks(self._ask, failed)

    def _ask(self, link: "Link") -> None:
        if link.peerId not in self._asking or self._over:
            return
        self._dials.pop(link.peerId, None)
        self._aside.pop(link.peerId, None)
        budget = max(0.05, 0.9 * (self._deadline - self._commons.seconds()))
        copy = self._send(link, self, min(budget, limits.BUDGET))
        self._asking[link.peerId] = copy
        if copy is None:
            self._gone(link.peerId)
        elif link.silent:
            self.silenceChanged(copy)

    def silenceChanged(self, copy: Copy) -> None:
        peer = copy.link.peerId
        if self._over or self._asking.get(peer) is not copy:
            return
        if copy.link.silent:
            self._aside[peer] = None
        else:
            self._aside.pop(peer, None)
        self._askMore()

    def hitsCame(self, copy: Copy, hits: list[Hit]) -> None:
        if not self._over:
            self._found(copy.link.peerId, hits)

    def copyEnded(self, copy: Copy, done: Done | None) -> None:
        if self._over:
            return
        peer = copy.link.peerId
        if self._ceasedAnswers and done is not None and done.status == "refused" and done.code == "not-serving":
            # It has just ceased to be a super-peer, so it holds nothing: nobody is missing.
            self._forget(peer)
            self._askMore()
            return
        if done is None and peer in self._asking and peer not in self._again:
            # Of two that dial each other at one time, one link is ended again: the other is there now, or soon.
            self._again[peer] = None
            self._asking[peer] = None
            self._commons.clock.callLater(0.0, self._reachAgain, peer)
            return
        if done is None or done.status != "answered" or done.receipt is None:
            self._gone(peer)
            return
        self._commons.report(peer, Deed.ANSWERED)
        self._answered(peer, done.receipt)
        self._forget(peer)
        self._askMore()

    def _forget(self, peer: PeerId) -> bool:
        """
        @return: whether it was being asked.
        """
        self._aside.pop(peer, None)
        self._dials.pop(peer, None)
        return self._asking.pop(peer, False) is not False

    def _gone(self, peer: PeerId) -> None:
        if self._forget(peer):
            self._silent.append(peer)
            self._askMore()

    def _timeOver(self) -> None:
        for peer, copy in self._asking.items():
            if copy is not None and peer not in self._aside:
                self._commons.report(peer, Deed.LATE)
        self._end()

    def stop(self) -> None:
        """Ask no more and wait no longer; C{ended} is not called."""
        self._over = True
        for timer in (self._timer, self._look):
            if timer is not None and timer.active():
                timer.cancel()
        for copy in self._asking.values():
            if copy is not None:
                self._copies.drop(copy)
        # Who was asked is told, but a copy knows this round.
        self._asking = dict.fromkeys(self._asking)

    @property
    def silent(self) -> list[PeerId]:
        """Those that have not answered so far."""
        return [*self._silent, *self._asking, *self._left]

    def _end(self) -> None:
        if not self._over:
            self.stop()
            self._ended(self.silent)
