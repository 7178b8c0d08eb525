"""Finds the network: dials what the discoveries find and what is known from adverts, and never gives up."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from overlay.commons import Commons, Component
from overlay.discovery import LEADS, Source
from overlay.errors import SuperpeerError, TurnedAway
from overlay.identity.ids import shortText
from overlay.link.room import FULL
from overlay.membership.attempts import answerOf, summaryOf
from overlay.membership.targets import KNOWN, Target, Targets
from overlay.questions import Announcement, Lead

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

AT_ONCE = 4
"""Addresses that are dialled at a time."""
LOOK = 0.5
"""Seconds between two looks while no super-peer is reached."""
CALM = 15.0
"""Seconds between two looks of a peer that is well."""
AGAIN = 4.0
"""Seconds after which those who could name no super-peer are asked again."""
TOLD_WITHIN = 2.0
"""Seconds within which a super-peer that has just been linked has told of the others that it knows."""
UNUSED = 20.0
"""Seconds after which a link that this peer dialled and no part of it needs is ended."""
ISLANDS = 60.0
"""Seconds after which a super-peer tries one remembered address that it has no link to, so that islands meet."""
SOON = 2.0
"""The same, of an address that a discovery has just found."""
SAY_AFTER = 10.0
"""Seconds without any super-peer after which the log says what was tried; each further time after three times as many."""
SAY_EVERY = 3600.0
CROWDED = 600.0
"""Seconds for which it counts that whoever was reached has no link left: such a network lives, and is growing."""


class Bootstrap(Component):
    """
    @ivar since: monotonic time since when no super-peer has been reached; None while one is, or while this peer serves.
    @ivar problem: why the last attempt failed, for people.
    @ivar sources: the discoveries in use.
    @ivar targets: what they have found.
    """

    __slots__ = (
        "_announced", "_askAgain", "_full", "_islands", "_membership", "_sayAfter", "_stopped", "_timer", "_unused", "problem", "since",
        "sources", "targets",
    )

    def __init__(self, commons: Commons, membership: "Membership", sources: Sequence[Source]) -> None:
        super().__init__(commons)
        self._membership = membership
        self.sources = list(sources)
        self.targets = Targets()
        self._timer: IDelayedCall | None = None
        self._islands = 0.0
        self._askAgain = 0.0
        self._full = 0.0
        self.since: float | None = commons.seconds()
        self.problem = ""
        self._unused: dict[Link, float] = {}
        self._announced: Announcement | None = None
        self._sayAfter = SAY_AFTER
        self._stopped = False
        membership.unmet = self._unmet

    @property
    def alone(self) -> bool:
        """
        Whether there is no address to try, and nobody linked. A discovery that could not look says nothing of that.
        """
        return (
            not self.targets.others and all(one.knows for one in self.sources)
            and not len(self.commons.links) and not self._membership.superPeers()
        )

    @property
    def joined(self) -> bool:
        return self.since is None

    @property
    def without(self) -> float:
        """
        Seconds for which there has been no sign of a super-peer. One that has as many links as it can have is one: if everybody who comes
        to a crowded network took it for gone, there would be as many super-peers as newcomers. For C{CROWDED} seconds that is believed,
        as anybody may say it.
        """
        since = self.since
        return 0.0 if since is None else self.commons.seconds() - max(since, min(self._full, since + CROWDED))

    def _unmet(self) -> int:
        """
        How many others may serve of whom nothing is known here: while no super-peer has been linked for a moment, in which it tells of all
        others, each that is remembered or named and has not been tried in vain.
        """
        seconds, membership = self.commons.seconds(), self._membership
        linked = self.commons.links.several(one.peerId for one in membership.superPeerView())
        if any(seconds - link.since >= TOLD_WITHIN for link in linked):
            return 0
        own = membership.ownAddresses()
        # Whoever is known already is counted as such, alive or dead.
        untried = [
            one for one in self.targets
            if not one.tries and not one.itself and one.address not in own and (one.peer is None or membership.get(one.peer) is None)
        ]
        if linked:
            # At an address alone may be somebody who is known.
            return len({one.peer for one in untried if one.peer is not None})
        return len({one.peer or one.address for one in untried}) or int(any(one.answered is None for one in self.sources))

    @property
    def serving(self) -> bool:
        """Whether this peer is a super-peer itself, so that there is nobody whom it has to reach."""
        return self._membership.serving

    def start(self) -> None:
        seconds = self.commons.seconds()
        self.since = seconds
        self._announce()
        for source in self.sources:
            source.start(self._found)
            source.ask(self._took)
        self._islands = seconds + ISLANDS * self.commons.random.uniform(0.5, 1.5)
        self._timer = self.commons.clock.callLater(0.0, self._look)

    def stop(self) -> "Deferred[None] | None":
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        return DeferredList([one.stop() for one in self.sources]).addCallback(lambda ignored: None)

    def poke(self) -> None:
        """Try again now."""
        self.targets.poke()
        for source in self.sources:
            source.hurry()
        self._lookIn(0.0)

    def _lookIn(self, seconds: float) -> None:
        """The next look comes after so many seconds, unless it comes earlier anyway."""
        timer = self._timer
        if timer is not None and timer.active() and timer.getTime() > self.commons.seconds() + seconds:
            timer.reset(seconds)

    # --- what the discoveries find -----------------------------------------------------------------------------------

    def _took(self, source: Source, leads: list[Lead]) -> None:
        """All that one of them knows now."""
        self._news(self.targets.take(source.title, self._foreign(leads), source.given, self._fresh(source)), source)

    def _found(self, source: Source, leads: list[Lead]) -> None:
        """What one of them has just found."""
        held = sum(source.title in one.sources for one in self.targets)
        room = max(0, LEADS - held)
        fresh = self._fresh(source)
        count = sum(self.targets.offer(source.title, one, source.given, fresh) for one in list(self._foreign(leads))[:room])
        self._news(count, source)

    def _foreign(self, leads: list[Lead]) -> list[Lead]:
        return [one for one in leads if one.peer != self.commons.peerId]

    def _fresh(self, source: Source) -> bool:
        return source.given and self._membership.serving and source.answered is not None

    def _news(self, count: int, source: Source) -> None:
        if not count or self._stopped or not source.given:
            return
        if self.since is not None:
            self._lookIn(0.0)
        elif self._membership.serving:
            # A newcomer, or another part of this network that did not know of this one.
            self._islands = min(self._islands, self.commons.seconds() + SOON)
            self._lookIn(SOON)

    def _announce(self) -> None:
        links = self.commons.links
        if not links.port or not any(one.announces for one in self.sources):
            return
        now = Announcement(
            self.commons.peerId, links.port, links.host, tuple(self._membership.ownAddresses()), self._membership.serving
        )
        if now != self._announced:
            self._announced = now
            for source in self.sources:
                source.announce(now)

    # --- links -------------------------------------------------------------------------------------------------------

    def linkMade(self, link: "Link") -> None:
        if not link.isSuper and link.dialled:
            self._membership.gossip.askFor(link)
        self._see()

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        self._unused.pop(link, None)
        if not self._unused:
            # One that was never filled is small.
            self._unused = {}
        self._see()
        if self.since is not None:
            self.poke()

    def advertChanged(self, link: "Link") -> None:
        before = self.since
        self._see()
        if before is None and self.since is not None:
            self.poke()

    def _reached(self) -> bool:
        return self._membership.serving or self._linked()

    def _linked(self) -> bool:
        """Whether there is a link to a super-peer."""
        membership = self._membership
        for link in self.commons.links:
            known = membership.get(link.peerId)
            if known is not None and known.recognised and known.alive:
                return True
        return False

    def _see(self) -> None:
        if self._reached():
            if self.since is not None and self._sayAfter != SAY_AFTER:
                self.commons.log.info("a super-peer of the network is reached" if not self._membership.serving else "this peer serves now")
            self.since, self._sayAfter = None, SAY_AFTER
        elif self.since is None:
            self.since = self.commons.seconds()

    # --- from time to time -------------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._see()
        self._announce()
        seconds = self.commons.seconds()
        calm = self.since is None
        lonely = self.serving and not self._linked()
        if not calm:
            self._targetsFromMembership()
            for target in self.targets.due(seconds, AT_ONCE, set(self._membership.ownAddresses()), self.commons.random):
                self._dial(target)
            self._ask(seconds)
            self._askLeaves(seconds)
            self._say(seconds)
        elif lonely:
            self._seek(seconds)
            self._ask(seconds)
        elif self.serving and seconds >= self._islands:
            self._islands = seconds + ISLANDS * self.commons.random.uniform(0.5, 1.5)
            self._meetIslands()
            self._ask(seconds)
        if calm:
            self._endUnused(seconds)
        wait = CALM * (1 if self._membership.serving or self._unused else 2) if calm else LOOK
        if lonely:
            wait = min([wait, *(max(LOOK, one.next - seconds) for one in self._far(self.targets))])
        self._timer = self.commons.clock.callLater(wait, self._look)

    def _ask(self, seconds: float) -> None:
        for source in self.sources:
            if seconds >= source.next:
                source.ask(self._took)

    def _askLeaves(self, seconds: float) -> None:
        """Whoever was reached and serves nobody may have come only a moment before, and know a super-peer by now."""
        if seconds >= self._askAgain:
            self._askAgain = seconds + AGAIN
            for link in self.commons.links:
                if link.dialled and not link.isSuper:
                    self._membership.gossip.askFor(link)

    def _targetsFromMembership(self) -> None:
        for known in self._membership.superPeers()[:64]:
            for address in known.advert.addresses[:2]:
                self.targets.offer(KNOWN, Lead(address, known.peerId), False)
        self.targets.trim()

    def _dial(self, target: Target) -> None:
        target.dialling, target.fresh = True, False
        dialling = self.commons.links.dial(target.address, target.peer)
        dialling.addCallbacks(self._dialled, self._failed, callbackArgs=(target,), errbackArgs=(target,))

    def _dialled(self, link: "Link", target: Target) -> None:
        target.reached(self.commons.seconds(), link.peerId, f"{shortText(link.peerId)} answers", CALM)
        self.problem = ""
        self._see()

    def _failed(self, failure: Failure, target: Target) -> None:
        failure.trap(SuperpeerError)
        said = answerOf(failure.value, target.address)
        refusal = failure.value if isinstance(failure.value, TurnedAway) else None
        target.failed(self.commons.seconds(), said, self.commons.random, refusal.retry if refusal is not None else 0.0)
        if refusal is not None and refusal.reason == FULL:
            self._full = self.commons.seconds()
        if said.startswith("self"):
            target.itself, target.answer = True, "it is this peer itself"
            return
        self.problem = failure.getErrorMessage()
        if target.given:
            self.commons.log.debug("{address} was not reached: {problem}", address=target.address, problem=said)

    def _say(self, seconds: float) -> None:
        """Tell in the log, now and then, why no super-peer is reached."""
        if self.since is None or seconds - self.since < self._sayAfter or self.alone:
            return
        self._sayAfter = min(3 * self._sayAfter, self._sayAfter + SAY_EVERY)
        self.commons.log.warn(
            "no super-peer of network {network} is reached for {waited} s: {summary}",
            network=self.commons.network.title, waited=round(seconds - self.since), summary=summaryOf(self),
        )

    def _seek(self, seconds: float) -> None:
        """A super-peer that has no link to another seeks them as one does that has not joined: it may only have come back to its role."""
        due = [one for one in self._far(self.targets) if one.next <= seconds]
        # Each once before any again: until then it is not known whether there is nobody.
        due = [one for one in due if not one.tries] or due
        for target in self.commons.random.sample(due, min(AT_ONCE, len(due))) if due else ():
            self._dial(target)

    def _meetIslands(self) -> None:
        """Dial one place that was known once, or has just been found, and is no part of what is known now."""
        far = self._far(self.targets)
        fresh = [one for one in far if one.fresh]
        if fresh or far:
            self._dial(self.commons.random.choice(fresh or far))
        if len(fresh) > 1:
            self._islands = min(self._islands, self.commons.seconds() + SOON)

    def _far(self, targets: Iterable[Target]) -> list[Target]:
        """Those of them that are no part of what is known now."""
        seconds, own = self.commons.seconds(), self._membership.ownAddresses()
        near = {link.peerId for link in self.commons.links}
        near.update(one.peerId for one in self._membership.superPeers())
        # Whoever has no link to one that is known may reach it here again, and perhaps only here.
        linked = self._linked()
        return [
            one for one in targets
            if not one.dialling and not one.itself and (one.leadsTo(seconds) if linked else one.peer) not in near and one.address not in own
        ]

    def _endUnused(self, seconds: float) -> None:
        """What was dialled to find the network, or to ask something once, has done its work."""
        for link in self.commons.links:
            if not link.dialled or self.commons.links.observer.needs(link):
                self._unused.pop(link, None)
            elif seconds - self._unused.setdefault(link, seconds) > UNUSED:
                link.close("idle", "this link is not used")
