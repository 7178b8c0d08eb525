"""The copies of queries that this peer has sent and waits for: each ends exactly once."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
from zope.interface import Interface

from overlay.commons import Commons
from overlay.link.counted import SENT
from overlay.search.wanted import Wanted
from overlay.wire import limits
from overlay.wire.query import Cancel, Done, Hit, Hits, Query, Receipt

if TYPE_CHECKING:
    from overlay.link.link import Link


class IReceiver(Interface):
    """Who waits for a copy."""

    def hitsCame(copy: "Copy", hits: "list[Hit]") -> None:
        """Some answers."""

    def copyEnded(copy: "Copy", done: "Done | None") -> None:
        """The end: with a C{Done}, or None if the link died. The last call for this copy."""

    def silenceChanged(copy: "Copy") -> None:
        """Its peer has fallen silent (C{copy.link.silent}), or speaks again: it may answer yet, but need not be waited for."""


class Copy(msgspec.Struct, eq=False):
    """
    One copy on its way.

    @ivar hits: that have come for it.
    @ivar dropped: how many of them were too many, and C{bound}: the best score of those.
    """

    number: int
    link: "Link"
    id: bytes
    receiver: object
    want: int
    hits: int = 0
    dropped: int = 0
    bound: float = 0.0

    def drop(self, hits: Sequence[Hit]) -> None:
        """Some hits are not passed on."""
        self.dropped += len(hits)
        self.bound = max([self.bound, *(hit.score for hit in hits)])

    def accounted(self, done: Done) -> Done | None:
        """The end of it with what was dropped; None if there is no account that this would go into."""
        if not self.dropped:
            return done
        receipt = done.receipt
        if receipt is None or not receipt.answeredBy:
            return None
        # What does not arrive is not ranked.
        receipt = msgspec.structs.replace(
            receipt, heldMore=receipt.heldMore + self.dropped, bound=max(receipt.bound, self.bound), ranked=0
        )
        return msgspec.structs.replace(done, receipt=receipt, ranking=done.ranking and "estimated")


def mostHits(want: int) -> int:
    """How many hits are taken for one copy."""
    return 20 * want + 1000


def isFurther(hops: int, than: int | None) -> bool:
    """
    Whether a copy goes further than another.

    @param hops: that it may go; 0 is all.
    @param than: of the other; None if there is no other.
    """
    return than is None or (than != limits.TTL_ALL and (hops == limits.TTL_ALL or hops > than))


class Copies:
    """All copies of one peer."""

    __slots__ = ("_commons", "_copies", "_next")

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._next = 0
        # By number, then by peer: those that went out at once have one number.
        self._copies: dict[int, dict[bytes, Copy]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._copies.values()))

    def _all(self) -> Iterator[Copy]:
        return chain.from_iterable([list(some.values()) for some in self._copies.values()])

    def _take(self, number: int, peer: bytes) -> Copy | None:
        """Wait for it no longer."""
        some = self._copies.get(number)
        copy = some.pop(peer, None) if some is not None else None
        if not some:
            self._copies.pop(number, None)
        return copy

    def _awaited(self, link: "Link", message: Hits | Done) -> Copy | None:
        """What a message answers; None if nobody waits for that."""
        some = self._copies.get(message.copy)
        copy = some.get(link.peerId) if some is not None else None
        return copy if copy is not None and copy.link is link and copy.id == message.id else None

    def underWay(self, link: "Link") -> bool:
        """Whether a copy went over this link whose answer is still to come."""
        return any(one.link is link for one in self._all())

    def send(
        self, link: "Link", receiver: object, id: bytes, wanted: Wanted, ttl: int, budget: float, direct: bool = False,
        router: str = "",
    ) -> Copy | None:
        """
        Send one copy.

        @return: None if the link takes no more.
        """
        sent = self.sendAll([link], receiver, id, wanted, ttl, budget, direct, router)
        return sent[0] if sent else None

    def sendAll(
        self, links: "Sequence[Link]", receiver: object, id: bytes, wanted: Wanted, ttl: int, budget: float,
        direct: bool = False, router: str = "",
    ) -> list[Copy]:
        """
        Send one copy over each of several links, all with one number: so the message is encoded once.

        @return: a copy for each link that has taken it, in their order.
        """
        message = wanted.query(id, self._next + 1, ttl, budget, direct, router)
        number = self._next = self._next + 1
        want, seconds = wanted.want, self._commons.seconds()
        copies = [Copy(number, link, id, receiver, want) for link in links if link.sendOne(message, seconds)]
        if copies:
            self._copies[number] = {copy.link.peerId: copy for copy in copies}
            self._commons.tally.add(SENT[Query], len(copies))
        return copies

    def refine(
        self, link: "Link", receiver: object, id: bytes, wanted: Wanted, budget: float, **more: object
    ) -> Copy | None:
        """
        Ask one that has answered once more.

        @param more: fields of L{Refine}.
        @return: None if the link takes no more.
        """
        self._next += 1
        message = wanted.refine(id, self._next, budget, **more)
        if not link.send(message):
            return None
        copy = Copy(message.copy, link, message.id, receiver, message.want)
        self._copies[copy.number] = {link.peerId: copy}
        return copy

    def drop(self, copy: Copy, tell: bool = True) -> None:
        """Wait no longer for a copy; what still comes is left out."""
        if self._take(copy.number, copy.link.peerId) is not None and tell:
            copy.link.send(Cancel(copy.id, copy.number))

    def hitsReceived(self, link: "Link", message: Hits) -> None:
        copy = self._awaited(link, message)
        if copy is None:
            self._commons.tally.count("drops", "late-hits")
            return
        copy.hits += len(message.hits)
        if copy.hits > mostHits(copy.want):
            self._commons.tally.count("drops", "too-many-hits")
            copy.drop(message.hits)
            return
        copy.receiver.hitsCame(copy, message.hits)  # type: ignore[attr-defined]

    def doneReceived(self, link: "Link", message: Done) -> None:
        copy = self._awaited(link, message)
        if copy is None:
            self._commons.tally.count("drops", "late-done")
            return
        self._take(message.copy, link.peerId)
        copy.receiver.copyEnded(copy, copy.accounted(message))  # type: ignore[attr-defined]

    def linkLost(self, link: "Link") -> None:
        """Every copy on the link has ended."""
        gone = [copy for copy in self._all() if copy.link is link]
        for copy in gone:
            self._take(copy.number, link.peerId)
        for copy in gone:
            copy.receiver.copyEnded(copy, None)  # type: ignore[attr-defined]

    def silenceChanged(self, link: "Link") -> None:
        """The other end of a link has fallen silent, or speaks again."""
        for copy in [one for one in self._all() if one.link is link]:
            copy.receiver.silenceChanged(copy)  # type: ignore[attr-defined]


EMPTY = Receipt()
