"""
The hand-over of a super-peer that resigns: each leaf gets a new home, which is given the leaf's registration before the leaf is sent there.

What is given are the owner's signed records and its signed list of homes, so the new home need not believe anybody. A leaf whose new home
holds everything is told where (C{MoveTo} with a C{holder}), and sends nothing again. Where that does not work - nobody has room, the other
side is an older version, refuses or dies - the leaf is told to look for itself, as ever.
"""

from collections import Counter
from typing import TYPE_CHECKING

import attrs
import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId, shortText
from overlay.index.difference import Changes, Coming
from overlay.index.indexed import sizeOf
from overlay.index.registry import Registry
from overlay.index.store import Registration
from overlay.wire.registration import HandOver, HandOverAnswer, MoveTo
from overlay.wire.statements import Signed

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.known import Known
    from overlay.membership.membership import Membership

FEATURE = "hand-over"
"""Of a hello: the sender takes registrations that others hand over."""
HOMES = 8
"""Super-peers to which the leaves are given, at most."""
TRIED = 3
"""New homes that are tried for one leaf."""
WINDOW = 12
"""Batches on their way to one new home without an answer, and C{FLYING} bytes and the batch that exceeds them."""
FLYING = 512 * 1024
SILENT = 5.0
"""Seconds without any progress after which a leaf is sent on all the same."""
LONGEST = 60.0
"""Seconds for all of it."""
WITHIN = 15.0
"""Seconds that a leaf has to find its new home."""


@attrs.define(slots=True, eq=False)
class Course:
    """
    One leaf on its way.

    @ivar tried: new homes that were chosen for it.
    @ivar home: the one that is given its registration now; None between two.
    @ivar flying: bytes sent that were not answered; C{sent} whether all parts are.
    @ivar progress: monotonic time of the last answer.
    @ivar again: monotonic time at which its home takes it again; 0 if it does.
    """

    leaf: "Link"
    registration: Registration
    progress: float
    tried: list[PeerId] = attrs.field(factory=list)
    home: "Link | None" = None
    coming: Coming | None = None
    part: int = 0
    flying: int = 0
    sent: bool = False
    again: float = 0.0

    @property
    def owner(self) -> PeerId:
        return self.registration.owner

    def begin(self) -> None:
        """With the first part, at whatever home."""
        self.coming, self.part, self.flying, self.sent, self.again = None, 0, 0, False, 0.0


class HandingOver:
    """
    Made when a super-peer begins to resign.

    @ivar told: monotonic time at which the last leaf was told to go.
    """

    def __init__(self, commons: Commons, membership: "Membership", registry: Registry, leaves: "list[Link]", code: str) -> None:
        self._commons = commons
        self._membership = membership
        self._registry = registry
        self._code = code
        self._since = self.told = commons.seconds()
        self._courses: dict[bytes, Course] = {}
        self._ready: dict[bytes, Course] = {}
        self._homes: dict[bytes, Link] = {}
        self._given: dict[bytes, int] = {}
        self._soon: IDelayedCall | None = None
        self._ended = False
        others = commons.random.sample(leaves, len(leaves))
        for leaf in others:
            held = registry.holding(leaf.peerId)
            if held is not None and self._mayGive(held):
                self._courses[leaf.peerId] = Course(leaf, held, self._since)
            else:
                self._send(leaf)

    def _mayGive(self, held: Registration) -> bool:
        """Whether what is held is all that the leaf shares, and names this peer as a home: nobody takes anything else."""
        return bool(held.sequence and held.homesSigned) and self._commons.peerId in held.homes and not self._registry.refusals(held.owner)

    # --- for whoever resigns -----------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether every leaf has been told."""
        return not self._courses

    def needs(self, link: "Link") -> bool:
        return self._homes.get(link.peerId) is link and not self.over

    def begin(self) -> None:
        """Reach super-peers that may become new homes, and give them what there is."""
        if self.over:
            return
        able = self._membership.superPeers()
        linked = [one for one in able if self._commons.links.get(one.peerId) is not None]
        others = [one for one in able if one.peerId not in self._commons.links and one.advert.addresses]
        # Neighbours are reached already, and are super-peers like any.
        chosen = self._commons.random.sample(linked, min(HOMES, len(linked)))
        chosen += self._commons.random.sample(others, min(HOMES - len(chosen), len(others)))
        waiting = [self._reach(known) for known in chosen]
        left = [len(waiting)]

        def reached(ignored: object) -> None:
            left[0] -= 1
            if not left[0]:
                self._assign()

        for one in waiting:
            one.addCallback(reached)
        if not waiting:
            self._assign()

    def stop(self) -> None:
        """The peer stops."""
        self._ended = True
        if self._soon is not None and self._soon.active():
            self._soon.cancel()

    def end(self) -> None:
        """Whoever was not told yet is told now."""
        self.stop()
        for course in list(self._courses.values()):
            self._finish(course, None)

    def tick(self) -> None:
        """About once a second: nobody waits for a new home that does not answer."""
        seconds = self._commons.seconds()
        for course in list(self._courses.values()):
            if course.leaf.closed:
                self._finish(course, None)
            elif seconds - course.progress >= SILENT or seconds - self._since >= LONGEST:
                # Where all of it has been sent, all of it will be there.
                self._finish(course, course.home if course.sent else None)
            elif course.again and seconds >= course.again:
                course.again = 0.0
                self._ready[course.owner] = course
        self._pumpSoon()

    # --- new homes ---------------------------------------------------------------------------------------------------

    def _reach(self, known: "Known") -> "Deferred[None]":
        addresses = self._membership.addresses(known.peerId)[:1]
        dialling = self._commons.links.dial(addresses[0] if addresses else "", known.peerId)

        def reached(link: "Link") -> None:
            if FEATURE in link.features:
                self._homes[link.peerId] = link
                self._given[link.peerId] = 0

        def failed(failure: Failure) -> None:
            failure.trap(SuperpeerError)

        return dialling.addCallbacks(reached, failed)

    def _assign(self) -> None:
        for course in list(self._courses.values()):
            self._choose(course)

    def _choose(self, course: Course) -> None:
        """Of two at random the one that will carry less, as a leaf itself would choose."""
        able = [] if self._ended or len(course.tried) >= TRIED else [
            peer for peer in sorted(self._homes) if peer not in course.tried and peer not in course.registration.homes
        ]
        if not able:
            self._finish(course, None)
            return
        two = self._commons.random.sample(able, min(2, len(able)))
        best = PeerId(min(two, key=self._loadOf))
        course.tried.append(best)
        course.begin()
        course.home = self._homes[best]
        course.progress = self._commons.seconds()
        self._given[best] += 1
        self._ready[course.owner] = course
        self._pumpSoon()

    def _loadOf(self, peer: bytes) -> int:
        known = self._membership.get(peer)
        return self._given[peer] + (known.advert.load if known is not None else 0)

    def linkLost(self, link: "Link") -> None:
        """A new home is gone, or a leaf."""
        if self._homes.get(link.peerId) is link:
            del self._homes[link.peerId]
            for course in list(self._courses.values()):
                if course.home is link:
                    self._choose(course)
        leaving = self._courses.get(link.peerId)
        if leaving is not None and leaving.leaf is link:
            self._finish(leaving, None)

    # --- batches -----------------------------------------------------------------------------------------------------

    def linkClear(self) -> None:
        """A link takes messages again."""
        self._pumpSoon()

    def _pumpSoon(self) -> None:
        if self._soon is None and self._ready and not self._ended:
            self._soon = self._commons.clock.callLater(0.0, self._pump)

    def _pump(self) -> None:
        """One batch in a turn, so that searches are not held up."""
        self._soon = None
        batches, flying = Counter[bytes](), Counter[bytes]()
        for course in self._courses.values():
            if course.home is not None and course.owner not in self._ready:
                batches[course.home.peerId] += 1
                flying[course.home.peerId] += course.flying
        for owner, course in list(self._ready.items()):
            home = course.home
            if home is None or home.congested or batches[home.peerId] >= WINDOW or flying[home.peerId] >= FLYING:
                continue
            del self._ready[owner]
            self._sendPart(course, home)
            self._pumpSoon()
            return

    def _sendPart(self, course: Course, home: "Link") -> None:
        """The next part; the next after that follows its answer."""
        registry, registration = self._registry, course.registration
        if course.coming is None:
            course.coming = Coming()
            course.coming.add(Changes(registry.recordIds(course.owner), []))
        batch, last = course.coming.next(registration.sequence, lambda one: registry.read(course.owner, one))
        now = registry.holding(course.owner)
        if now is None or (now.sequence, now.digest) != (registration.sequence, registration.digest) or batch.removals:
            self._changed(course, now)
            return
        homes = msgspec.msgpack.decode(now.homesSigned, type=Signed) if not course.part else None
        course.sent = last
        course.flying = sum(map(sizeOf, batch.additions))
        message = HandOver(now.key, now.sequence, course.part, last, now.digest, batch.additions, homes)
        if not home.send(message):
            self._choose(course)

    def _changed(self, course: Course, now: Registration | None) -> None:
        """The leaf has shared something else meanwhile, and that is given."""
        if now is None or not self._mayGive(now):
            self._finish(course, None)
            return
        course.registration = now
        course.begin()
        self._ready[course.owner] = course
        self._pumpSoon()

    def answered(self, link: "Link", message: HandOverAnswer) -> None:
        """A new home has stored a batch, or not."""
        course = self._courses.get(message.owner)
        if course is None or course.home is not link or message.part != course.part:
            return
        if course.owner in self._ready:
            # It has begun again since.
            return
        course.progress = self._commons.seconds()
        course.flying = 0
        if message.code == "held" or (not message.code and course.sent):
            self._finish(course, link)
        elif not message.code:
            course.part += 1
            self._ready[course.owner] = course
        elif message.code == "rate" and 0 < message.retry < SILENT:
            course.begin()
            course.again = course.progress + message.retry
        else:
            self._commons.log.debug(
                "{home} does not take {leaf}: {code}", home=shortText(link.peerId), leaf=shortText(course.owner), code=message.code
            )
            if message.code in ("giver", "trust", "not-serving", "absent"):
                self._homes.pop(link.peerId, None)
            self._choose(course)
        self._pumpSoon()

    # --- leaves ------------------------------------------------------------------------------------------------------

    def _finish(self, course: Course, home: "Link | None") -> None:
        """Tell the leaf where to go."""
        del self._courses[course.owner]
        self._ready.pop(course.owner, None)
        self._commons.tally.count("handovers", "given" if home is not None else "left")
        self._send(course.leaf, home)
        self._pumpSoon()

    def _send(self, leaf: "Link", home: "Link | None" = None) -> None:
        if leaf.closed:
            return
        self.told = self._commons.seconds()
        known = self._membership.get(home.peerId) if home is not None else None
        without = frozenset({self._commons.peerId, *([known.peerId] if known is not None else [])})
        adverts = self._membership.sample(7, without)
        if known is not None:
            adverts = [known.signed, *adverts]
        leaf.send(MoveTo(adverts, self._code, WITHIN, known.peerId if known is not None else b""))
