"""The home's side of registering: admits leaves, takes their batches a few at a time, and hands leaves over."""

from collections import deque
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IDelayedCall

from overlay.commons import Commons, Component, Receivers
from overlay.identity.ids import PeerId, peerIdOf
from overlay.index.indexed import sizeOf
from overlay.index.own import OwnRegistration
from overlay.index.registry import Registry
from overlay.questions import Deed, Load, Work
from overlay.roles.handingover import HandingOver
from overlay.roles.takingover import COST, TakingOver
from overlay.wire.registration import (
    HandOver,
    HandOverAnswer,
    MoveTo,
    Register,
    RegisterAnswer,
    Registered,
    RegisterOffer,
    Unregister,
)
from overlay.wire.statements import Signed

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

NAMED = 4
"""Super-peers with more room that are named to a leaf for which there is none."""
EXPIRE_EVERY = 10.0
"""Seconds between two looks for leases that are over."""
QUEUED_MOST = 16
"""Batches of one leaf that wait; a leaf keeps to a window, so more is abuse."""
_NOBODY: Any = MappingProxyType({})


def _atOnce(act: Callable[[], None]) -> None:
    act()


def _unmeasured(peer: bytes, bytes_: int) -> None:
    """Nobody asks for it."""


def _unloaded() -> Load:
    return Load(PeerId(b""), 0, 0.0, (), 0.0, False)


class Hosting(Component):
    """
    @ivar serving: whether this peer takes registrations of others.
    @ivar load: what it carries, as the policy is told; the election sets it.
    @ivar whenKnown: calls what it is given when everybody who has to know of what is held does; the summaries set it.
    @ivar measured: told of each batch that comes, from whom and how many bytes; the election sets it.
    @ivar leaving: the hand-over, of a super-peer that resigns.
    """

    __slots__ = (
        "_accepted", "_membership", "_own", "_ownSoon", "_queues", "_registry", "_taking", "_timer", "_working", "leaving", "load",
        "measured", "serving", "whenKnown",
    )

    def __init__(
        self, commons: Commons, membership: "Membership", registry: Registry, own: OwnRegistration
    ) -> None:
        super().__init__(commons)
        self._membership = membership
        self._registry = registry
        self._own = own
        self.serving = False
        self.load: Callable[[], Load] = _unloaded
        self.measured: Callable[[bytes, int], None] = _unmeasured
        self.whenKnown: Callable[[Callable[[], None]], None] = _atOnce
        # Written to only while this peer serves.
        self._accepted: dict[bytes, Link] = _NOBODY
        self._queues: dict[bytes, deque[tuple[Link, Register | HandOver]]] = _NOBODY
        self._taking: TakingOver | None = None
        self.leaving: HandingOver | None = None
        self._working: IDelayedCall | None = None
        self._timer: IDelayedCall | None = None
        self._ownSoon: IDelayedCall | None = None

    @classmethod
    def handlers(cls) -> Receivers:
        return {
            RegisterOffer: cls._offered, Register: cls._batchReceived, Unregister: cls._unregistered,
            HandOver: cls._givenReceived, HandOverAnswer: cls._givenAnswered,
        }

    def stop(self) -> None:
        for timer in (self._timer, self._working, self._ownSoon):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._working = self._ownSoon = None
        if self.leaving is not None:
            self.leaving.stop()

    # --- the role ----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """This peer serves: what it shares itself is a registration like any other."""
        if self.serving:
            return
        self.serving = True
        self._accepted, self._queues = {}, {}
        self._taking = TakingOver(self.commons, self._membership, self._registry)
        self._membership.loadOf = self._load
        if self._ownChanged not in self._own.observers:
            self._own.observers.append(self._ownChanged)
        self._registry.applyOwn(self._own)
        self._timer = self.commons.clock.callLater(EXPIRE_EVERY, self._expire)

    def end(self) -> None:
        """It serves no longer: whatever was not handed over is dropped."""
        self.serving = False
        self.stop()
        if self.leaving is not None:
            self.leaving.end()
        self._accepted = self._queues = _NOBODY
        self._taking = self.leaving = None
        for owner in [*self._registry.owners(), self.commons.peerId]:
            self._registry.drop(owner)

    def resign(self, code: str) -> HandingOver:
        """Take no more leaves, and give those that there are to others."""
        self.leaving = HandingOver(self.commons, self._membership, self._registry, self.leaves(), code)
        self.leaving.begin()
        return self.leaving

    def needs(self, link: "Link") -> bool:
        return self._accepted.get(link.peerId) is link or (self.leaving is not None and self.leaving.needs(link))

    @property
    def count(self) -> int:
        """Registrations of others whose owners have been here since the start, or are about to come."""
        return len(self._accepted) + (self._taking.count if self._taking is not None else 0)

    def _load(self) -> int:
        return self.count

    def leaves(self) -> "list[Link]":
        """The links of leaves that are registered here, by id."""
        links = self.commons.links
        return [self._accepted[one] for one in sorted(self._accepted) if links.get(PeerId(one)) is self._accepted[one]]

    def handOver(self, leaves: "Sequence[Link]", adverts: Sequence[Signed], code: str, within: float) -> None:
        """Ask leaves to register elsewhere."""
        for link in leaves:
            link.send(MoveTo(list(adverts)[:8], code, within))

    def _ownChanged(self) -> None:
        if self.serving and self._ownSoon is None:
            self._ownSoon = self.commons.clock.callLater(0.0, self._takeOwn)

    def _takeOwn(self) -> None:
        self._ownSoon = None
        if self.serving:
            self._registry.applyOwn(self._own)

    def _expire(self) -> None:
        self._timer = self.commons.clock.callLater(EXPIRE_EVERY, self._expire)
        for owner in self._registry.expire():
            self._accepted.pop(owner, None)
            if self._taking is not None:
                self._taking.expired(owner)
        self._membership.loadChanged()

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        if not self.serving:
            return
        self._queues.pop(link.peerId, None)
        if self._taking is not None:
            self._taking.linkLost(link)
        if self.leaving is not None:
            self.leaving.linkLost(link)
        if self._accepted.get(link.peerId) is link:
            del self._accepted[link.peerId]
            self._registry.release(link.peerId)
            self._membership.loadChanged()

    def linkClear(self, link: "Link") -> None:
        if self.leaving is not None:
            self.leaving.linkClear()

    # --- messages ----------------------------------------------------------------------------------------------------

    def _offered(self, link: "Link", message: RegisterOffer) -> None:
        commons = self.commons
        peer = link.peerId
        if not self.serving or (self.leaving is not None and peer not in self._accepted):
            elsewhere = self._membership.sample(8, frozenset({peer, commons.peerId}))
            link.send(RegisterAnswer(False, code="resigning" if self.serving else "not-serving", adverts=elsewhere))
            return
        admitted = commons.admit(peer, Work.REGISTER, 1.0)
        if not admitted:
            link.send(RegisterAnswer(False, code="rate", text="too many registrations", retry=admitted.wait))
            return
        held = self._registry.holding(peer)
        if held is None and peer not in self._accepted and not commons.policies.election.admits(self.load()):
            # To be sent from one that is full to another helps nobody.
            lighter = [one for one in self._membership.superPeers() if one.advert.load < self.count]
            lighter.sort(key=lambda known: (known.advert.load, known.peerId))
            link.send(RegisterAnswer(False, code="full", retry=30.0, adverts=[one.signed for one in lighter[:NAMED]]))
            return
        again = self._accepted.get(peer) is link
        self._accepted[peer] = link
        self._queues.pop(peer, None)
        if self._taking is not None:
            self._taking.came(peer)
        self._registry.attach(peer)
        settings = commons.settings
        link.send(
            RegisterAnswer(
                True, self._registry.usable(peer, message.sequence, message.digest),
                quotaRecords=settings.quotaRecords, quotaBytes=settings.quotaBytes,
            )
        )
        if not again:
            self._membership.loadChanged()

    def _batchReceived(self, link: "Link", message: Register) -> None:
        if self._accepted.get(link.peerId) is not link or not self.serving:
            self.commons.tally.count("drops", "not-registered")
            link.send(Registered(0, message.part, code="base"))
            return
        self._enqueue(link, message)

    def _enqueue(self, link: "Link", message: Register | HandOver) -> None:
        queue = self._queues.setdefault(link.peerId, deque())
        if len(queue) >= QUEUED_MOST:
            self.commons.tally.count("drops", "window")
            self.commons.report(link.peerId, Deed.OVER_BUDGET)
            return
        queue.append((link, message))
        self.measured(link.peerId, sum(map(sizeOf, message.additions)))
        self._workSoon()

    def _workSoon(self) -> None:
        if self._working is None and self._queues:
            self._working = self.commons.clock.callLater(0.0, self._work)

    def _work(self) -> None:
        """One batch in a turn, leaf after leaf, so that searches are not held up."""
        self._working = None
        if not self._queues:
            # Whoever waited has left meanwhile.
            return
        peer, queue = next(iter(self._queues.items()))
        del self._queues[peer]
        link, message = queue.popleft()
        if queue:
            self._queues[peer] = queue
        if isinstance(message, HandOver):
            self._takeOver(link, message)
        elif self._accepted.get(peer) is link:
            self._answer(link, message, self._take(link, message))
        self._workSoon()

    def _answer(self, link: "Link", message: Register, answer: Registered) -> None:
        """The last batch of a difference counts as held when no search will overlook it any more."""
        if message.last and not answer.code:
            self.whenKnown(lambda: self._send(link, answer))
        else:
            link.send(answer)

    @staticmethod
    def _send(link: "Link", answer: Registered | HandOverAnswer) -> None:
        link.send(answer)

    def _take(self, link: "Link", message: Register) -> Registered:
        commons = self.commons
        cost = (len(message.additions) + len(message.removals) + len(message.renewals)) / COST
        admitted = commons.admit(link.peerId, Work.REGISTER, cost)
        if not admitted:
            held = self._registry.holding(link.peerId)
            # The owner sends the whole difference again, so the rest of this one is not waited for.
            self._queues.pop(link.peerId, None)
            return Registered(held.sequence if held is not None else 0, message.part, code="rate", retry=admitted.wait)
        start = commons.seconds()
        first = self._registry.holding(link.peerId) is None
        answer = self._registry.apply(link.peerId, link.key, message)
        commons.tally.observe("register_seconds", commons.seconds() - start)
        if message.last and not answer.code:
            commons.report(link.peerId, Deed.REGISTERED if first else Deed.RENEWED)
        return answer

    def _unregistered(self, link: "Link", message: Unregister) -> None:
        if link.peerId not in self._accepted:
            if message.forget and self._taking is not None and self._registry.holding(link.peerId) is not None:
                # Its link was lost, and by now it has other homes.
                self._taking.came(link.peerId)
                self._registry.drop(link.peerId)
                self._membership.loadChanged()
            return
        del self._accepted[link.peerId]
        self._queues.pop(link.peerId, None)
        if message.forget:
            self._registry.drop(link.peerId)
        else:
            self._registry.release(link.peerId)
        self._membership.loadChanged()

    # --- hand-over ---------------------------------------------------------------------------------------------------

    def _givenReceived(self, link: "Link", message: HandOver) -> None:
        """A super-peer that resigns brings the registration of a leaf."""
        code = ""
        if self._taking is None or self.leaving is not None:
            code = "not-serving"
        elif not self._taking.isGiver(link.peerId):
            # Nothing of it waits here.
            code = "giver"
        if code:
            link.send(HandOverAnswer(peerIdOf(message.key), message.part, code))
        else:
            self._enqueue(link, message)

    def _takeOver(self, link: "Link", message: HandOver) -> None:
        if self._taking is None or link.closed:
            return
        answer = self._taking.take(link, message, bool(self.commons.policies.election.admits(self.load())))
        if message.last and not answer.code:
            self.whenKnown(lambda: self._send(link, answer))
        else:
            link.send(answer)
        self._membership.loadChanged()

    def _givenAnswered(self, link: "Link", message: HandOverAnswer) -> None:
        if self.leaving is not None:
            self.leaving.answered(link, message)
