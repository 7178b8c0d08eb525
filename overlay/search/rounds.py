"""Direct questions to many super-peers, a few at a time, those without a link dialled first."""

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


@implementer(IReceiver)
class Round:
    """
    One question to each of some super-peers.

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
        self._asking: dict[PeerId, Copy | None] = {}
        self._silent: list[PeerId] = []
        self._timer: IDelayedCall | None = None
        self._over = False
        self._busy = False

    def begin(self, peers: Iterable[PeerId]) -> None:
        """Ask them."""
        self._left = list(peers)
        if self._left:
            wait = max(0.0, self._deadline - self._commons.seconds())
            self._timer = self._commons.clock.callLater(wait, self._timeOver)
        self._askMore()

    def _askMore(self) -> None:
        if self._busy:
            # Whoever cannot even be asked is noted below, where this goes on: hundreds of them must not be as many calls deep.
            return
        self._busy = True
        while self._left and len(self._asking) < self._commons.settings.askAtOnce and not self._over:
            peer = self._left.pop(0)
            self._asking[peer] = None
            link = self._commons.links.get(peer)
            if link is not None:
                self._ask(link)
            else:
                self._dial(peer, self._membership.addresses(peer)[:2])
        self._busy = False
        if not self._left and not self._asking:
            self._end()

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
        budget = max(0.05, 0.9 * (self._deadline - self._commons.seconds()))
        copy = self._send(link, self, min(budget, limits.BUDGET))
        self._asking[link.peerId] = copy
        if copy is None:
            self._gone(link.peerId)

    def hitsCame(self, copy: Copy, hits: list[Hit]) -> None:
        if not self._over:
            self._found(copy.link.peerId, hits)

    def copyEnded(self, copy: Copy, done: Done | None) -> None:
        if self._over:
            return
        peer = copy.link.peerId
        if self._ceasedAnswers and done is not None and done.status == "refused" and done.code == "not-serving":
            # It has just ceased to be a super-peer, so it holds nothing: nobody is missing.
            self._asking.pop(peer, None)
            self._askMore()
            return
        if done is None or done.status != "answered" or done.receipt is None:
            self._gone(peer)
            return
        self._commons.report(peer, Deed.ANSWERED)
        self._answered(peer, done.receipt)
        self._asking.pop(peer, None)
        self._askMore()

    def _gone(self, peer: PeerId) -> None:
        if self._asking.pop(peer, False) is not False:
            self._silent.append(peer)
            self._askMore()

    def _timeOver(self) -> None:
        for peer, copy in self._asking.items():
            if copy is not None:
                self._commons.report(peer, Deed.LATE)
        self._end()

    def stop(self) -> None:
        """Ask no more and wait no longer; C{ended} is not called."""
        self._over = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        for copy in self._asking.values():
            if copy is not None:
                self._copies.drop(copy)

    @property
    def silent(self) -> list[PeerId]:
        """Those that have not answered so far."""
        return [*self._silent, *self._asking, *self._left]

    def _end(self) -> None:
        if not self._over:
            self.stop()
            self._ended(self.silent)
