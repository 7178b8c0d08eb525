"""
Heirs: the dialable leaves that a home names, in order, and how leaves that have lost every home summon one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId
from overlay.questions import Deed, Work
from overlay.roles.observations import DialBack, Observations
from overlay.wire import limits
from overlay.wire.messages import HeirsNamed, Summons, SummonsAnswer
from overlay.wire.statements import Advert, Heir, HeirList, Signed, seal, unseal

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership
    from overlay.membership.neighbours import Neighbours
    from overlay.roles.homes import Homes
    from overlay.roles.hosting import Hosting

LIFE = 24 * 3600.0
"""Seconds for which heirs are named: they are needed most after a long silence."""
RENEW = 3600.0
"""Seconds after which the list is signed again though nobody changed."""
GATHER = 60.0
"""
Seconds between two lists while more than half of the heirs that were named last are still there, and there are not twice as many.
"""
LOOK_EVERY = 5
"""Ticks between two looks while there are enough."""
FAR_HEIRS = 2
"""Of the heirs so many are another home's, so that the heirs of homes that die together find one another."""
OTHERS_MOST = 64
SUMMON_EVERY = 10.0
"""Seconds between two rounds of summoning."""


def checkHeirs(commons: Commons, signed: Signed) -> HeirList:
    """
    @raise SuperpeerError: it is not a list of heirs that its home signed, or is past its expiry.
    """
    heirs = unseal(commons.scheme, signed, HeirList, commons.network.id)
    if signed.signer != heirs.home:
        raise SuperpeerError("the heirs are not named by their home")
    now = commons.now()
    if not heirs.issued - limits.CLOCK_SLACK <= now < heirs.expires:
        raise SuperpeerError("the list of heirs is not of this time")
    return heirs


def isHeir(commons: Commons, advert: Advert) -> bool:
    """Whether the advert's owner serves as an heir whose home named it."""
    if advert.heirs is None:
        return False
    try:
        heirs = checkHeirs(commons, advert.heirs)
    except SuperpeerError:
        return False
    return any(one.peerId == advert.owner for one in heirs.heirs)


class HeirKeeper:
    """The home's side: keeps a signed list of heirs and sees that each leaf has it."""

    def __init__(
        self, commons: Commons, membership: "Membership", hosting: "Hosting", observations: Observations, neighbours: "Neighbours"
    ) -> None:
        self._commons = commons
        self._membership = membership
        self._neighbours = neighbours
        self._others: dict[bytes, list[Heir]] = {}
        self._hosting = hosting
        self._observations = observations
        self._named: tuple[Heir, ...] = ()
        self._ticks = 0
        self._signed: Signed | None = None
        self._signedAt = 0.0
        self._told: dict[bytes, Signed] = {}

    def end(self) -> None:
        """This peer serves no longer."""
        self._named, self._signed = (), None
        self._told.clear()
        self._others.clear()

    def heard(self, heirs: HeirList) -> None:
        """Another home has told its heirs."""
        self._others.pop(heirs.home, None)
        self._others[heirs.home] = heirs.heirs
        while len(self._others) > OTHERS_MOST:
            del self._others[next(iter(self._others))]

    def tick(self) -> None:
        """Dial one more leaf back, choose again, and tell whoever has not heard."""
        self._ticks += 1
        if len(self._named) >= limits.HEIRS and self._ticks % LOOK_EVERY:
            return
        leaves = [link for link in self._hosting.leaves() if link.advert is not None]
        unknown = [
            link for link in leaves
            if self._observations.last(link.peerId) is None and link.advert is not None and link.advert.addresses
        ] if len(self._named) < limits.HEIRS else []
        if unknown:
            link = self._commons.random.choice(unknown)
            assert link.advert is not None
            self._observations.dialBack(link.peerId, link.advert.addresses)
        self._choose(leaves)
        if self._signed is None:
            return
        listeners = [*leaves, *self._neighbours.linked()]
        self._told = {link.peerId: self._told[link.peerId] for link in listeners if link.peerId in self._told}
        for link in listeners:
            if self._told.get(link.peerId) is not self._signed and link.send(HeirsNamed(self._signed)):
                self._told[link.peerId] = self._signed

    def _choose(self, leaves: "list[Link]") -> None:
        commons = self._commons
        here = {link.peerId: link for link in leaves}
        # Those named already stay as long as they are here: a list that changes with each measurement is no list.
        kept = [one for one in self._named if one.peerId in here]
        far = self._far(here)
        for _, one in self._able(here) if len(kept) + len(far) < limits.HEIRS else ():
            peer = PeerId(one)
            advert = here[peer].advert
            if len(kept) + len(far) < limits.HEIRS and all(other.peerId != peer for other in kept) and advert is not None:
                kept.append(Heir(peer, list(advert.addresses)))
        if kept:
            kept = [*kept[: limits.HEIRS - len(far)], *far]
        seconds = commons.seconds()
        since = seconds - self._signedAt
        if not kept or (tuple(kept) == self._named and since < RENEW):
            return
        # Everybody is told of each change, so what can wait is joined with what comes after it.
        left = sum(one in kept for one in self._named)
        if self._named and since < GATHER and 2 * left > len(self._named) and len(kept) < 2 * len(self._named):
            return
        self._named, self._signedAt = tuple(kept), seconds
        now = int(commons.now())
        self._signed = seal(
            commons.identity, HeirList(commons.network.id, commons.peerId, now, now + int(LIFE), kept)
        )


    def _able(self, here: "dict[PeerId, Link]") -> list[tuple[float, bytes]]:
        """Leaves that may be named, the fittest first."""
        able: list[tuple[float, bytes]] = []
        for link in here.values():
            assert link.advert is not None
            peer = link.peerId
            seen = self._observations.last(peer)
            if (seen is None or seen.rtt is None) and not any(one.peerId == peer for one in self._named):
                continue
            verdict = self._commons.policies.election.fitness(
                self._observations.candidate(peer, link, link.advert.capacity)
            )
            able.append((-verdict.score, peer))
        return sorted(able)

    def _far(self, here: "dict[PeerId, Link]") -> list[Heir]:
        """Some heirs of other homes that are no leaves here; those named already as long as their homes name them."""
        there: dict[bytes, Heir] = {}
        for home in sorted(self._others):
            # Each home's first own one: those after it may be another's.
            first = next((one for one in self._others[home] if one.peerId not in here), None)
            if first is not None and first.peerId != self._commons.peerId and not self._serves(first):
                there.setdefault(first.peerId, first)
        named = [there[one.peerId] for one in self._named if one.peerId in there]
        new = [one for one in there.values() if one not in named]
        self._commons.random.shuffle(new)
        return [*named, *new][:FAR_HEIRS]

    def _serves(self, heir: Heir) -> bool:
        """Whether it is a super-peer by now, which may die with the others."""
        known = self._membership.get(heir.peerId)
        return known is not None and known.alive and known.advert.role == "super"


def _unreached(failure: Failure) -> None:
    """An heir that does not answer is no news."""
    failure.trap(SuperpeerError)


@attrs.define(slots=True, eq=False, weakref_slot=False)
class Summoner:
    """
    The leaf's side, and the heir's.

    @ivar inherit: called with the list when this peer has to serve; tells whether it does.
    """

    commons: Commons
    membership: "Membership"
    homes: "Homes"
    observations: Observations
    inherit: Callable[[Signed], bool]
    _last: float = attrs.field(default=float("-inf"))
    _summoning: bool = attrs.field(default=False)

    def tick(self) -> None:
        """No home can be reached: summon an heir, unless that was tried a moment ago."""
        seconds = self.commons.seconds()
        if self._summoning or seconds - self._last < SUMMON_EVERY:
            return
        lists: list[tuple[Signed, HeirList]] = []
        for signed in list(self.homes.heirs.byHome.values()):
            try:
                lists.append((signed, checkHeirs(self.commons, signed)))
            except SuperpeerError:
                continue
        self._last = seconds
        if lists:
            self._summoning = True
            self._next([(signed, heir) for signed, whole in lists for heir in whole.heirs])

    def meet(self) -> None:
        """
        This peer serves: look among the heirs that it was told as a leaf for those that have taken another dead home's place, or for a
        leaf that knows one.
        """
        for signed in list(self.homes.heirs.byHome.values()):
            try:
                heirs = checkHeirs(self.commons, signed)
            except SuperpeerError:
                continue
            for heir in heirs.heirs:
                if heir.addresses and heir.peerId != self.commons.peerId and self.commons.links.get(PeerId(heir.peerId)) is None:
                    self.commons.links.dial(heir.addresses[0], PeerId(heir.peerId)).addErrback(_unreached)

    def _next(self, left: list[tuple[Signed, Heir]]) -> None:
        if not left or self.membership.serving or self.homes.links():
            self._summoning = False
            return
        signed, heir = left.pop(0)
        if heir.peerId == self.commons.peerId:
            self._consider(signed, lambda serving, code: self._next([] if serving else left))
            return
        if self.commons.isRefused(heir.peerId) or not heir.addresses:
            self._next(left)
            return
        dialling: Deferred[Link] = self.commons.links.dial(heir.addresses[0], PeerId(heir.peerId))
        dialling.addCallbacks(lambda link: self._ask(link, signed, left), lambda failure: self._next(left))

    def _ask(self, link: object, signed: Signed, left: list[tuple[Signed, Heir]]) -> None:
        link.send(Summons(signed))  # type: ignore[attr-defined]
        # The heir has to find its home dead before it answers.
        self.commons.clock.callLater(2 * self.commons.settings.dialTimeout, self._next, left)

    def summoned(self, link: "Link", message: Summons) -> None:
        """A leaf asks this peer to serve in its home's place."""
        if not self.commons.admit(link.peerId, Work.ELECTION):
            link.send(SummonsAnswer(False, "rate"))
            return

        def answer(serving: bool, code: str) -> None:
            link.send(SummonsAnswer(serving, code, [] if serving else self.membership.sample(4)))

        if self.membership.serving:
            answer(True, "")
            return
        try:
            checkHeirs(self.commons, message.heirs)
        except SuperpeerError as problem:
            self.commons.report(link.peerId, Deed.FORGED_STATEMENT)
            answer(False, problem.code)
            return
        self._consider(message.heirs, answer)

    def _consider(self, signed: Signed, answer: Callable[[bool, str], None]) -> None:
        """Serve if the list names this peer and its home is dead."""
        heirs = checkHeirs(self.commons, signed)
        if all(one.peerId != self.commons.peerId for one in heirs.heirs):
            answer(False, "not-named")
            return
        home = PeerId(heirs.home)
        if self.commons.links.get(home) is not None:
            answer(False, "home-alive")
            return

        def dialled(seen: DialBack) -> None:
            if seen.rtt is not None:
                answer(False, "home-alive")
            elif self.membership.serving or self.inherit(signed):
                answer(True, "")
            else:
                answer(False, "unwilling")

        self.observations.dialBack(home, self.membership.addresses(home)).addCallback(dialled)

    def answered(self, link: "Link", message: SummonsAnswer) -> None:
        """An heir has answered; whom it names instead may be a home as well."""
        for signed in message.adverts:
            self.membership.take(signed, link)
