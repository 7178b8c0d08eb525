"""
What makes up for a break in the spanning tree that nobody has noticed yet: each super-peer compares with a neighbour beyond a silent link
which queries have passed. One that is missed wakes the link.
"""

from typing import TYPE_CHECKING

import attrs
from twisted.internet.interfaces import IDelayedCall

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.questions import Work
from overlay.search.flood import Flood
from overlay.wire import limits
from overlay.wire.messages import QueryIds

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.tree import Tree

BATCH = 0.05
"""Seconds over which ids for one neighbour are gathered."""
ANSWER = 0.3
"""The same, for the neighbour that this peer has chosen: what that tells first need not be told back."""
MISSED = 0.1
"""Seconds after which a query that a neighbour has is missed, at least."""
UNMEASURED = 0.05
"""Seconds that a message and its answer are believed to take where nothing has been measured."""
MISSING_MOST = 4096
FORGET = 10.0
"""Seconds after which a query that was missed is given up."""
COST = 0.5
"""Of one message about queries, as the rate limit counts what concerns members."""


@attrs.define(slots=True, eq=False)
class _Due:
    """Ids that a neighbour is to be told of, C{when} in clock seconds."""

    when: float
    ids: dict[bytes, None] = attrs.field(factory=dict)


@attrs.define(slots=True, eq=False)
class _Missing:
    """
    A query that has not come.

    @ivar due: when it is missed, in clock seconds.
    @ivar asked: whether it has been asked for, and the link is awake for its sake.
    """

    peer: PeerId
    due: float
    asked: bool = False


class Announcing:
    """Of one super-peer; of others nothing is kept."""

    __slots__ = ("_commons", "_due", "_flood", "_missing", "_missingTimer", "_timer", "_tree")

    def __init__(self, commons: Commons, tree: "Tree", flood: Flood) -> None:
        self._commons = commons
        self._tree = tree
        self._flood = flood
        self._due: dict[PeerId, _Due] | None = None
        self._missing: dict[bytes, _Missing] | None = None
        self._timer: IDelayedCall | None = None
        self._missingTimer: IDelayedCall | None = None
        flood.announced = self._routed

    def stop(self) -> None:
        """No more is sent."""
        for timer in (self._timer, self._missingTimer):
            if timer is not None and timer.active():
                timer.cancel()
        self._due = self._missing = self._timer = self._missingTimer = None

    # --- telling -----------------------------------------------------------------------------------------------------

    def _routed(self, id: bytes, origin: bytes | None) -> None:
        """A query goes on from here along the tree."""
        missing = self._missing.pop(id, None) if self._missing else None
        if missing is not None and missing.asked and origin != missing.peer:
            # It was only slow. One that came because it was asked for was cut off, and those after it will be.
            self._tree.wake(missing.peer, False)
        seconds = self._commons.seconds()
        if self._due is None:
            self._due = {}
        for peer, chosen in self._tree.compared:
            due = self._due.get(peer)
            if due is None:
                due = self._due[peer] = _Due(seconds + (ANSWER if chosen else BATCH))
            if len(due.ids) < limits.QUERY_IDS:
                due.ids[id] = None
        self._flushLater()

    def _flushLater(self) -> None:
        if self._due and self._timer is None:
            due = min(one.when for one in self._due.values())
            self._timer = self._commons.clock.callLater(max(0.0, due - self._commons.seconds()), self._flush)

    def _flush(self) -> None:
        self._timer = None
        seconds = self._commons.seconds()
        compared = {peer for peer, _ in self._tree.compared}
        for peer, due in list((self._due or {}).items()):
            if due.when > seconds:
                continue
            del self._due[peer]  # type: ignore[union-attr]
            link = self._commons.links.get(peer)
            if link is not None and peer in compared and due.ids:
                link.send(QueryIds(list(due.ids)))
        self._flushLater()

    # --- hearing -----------------------------------------------------------------------------------------------------

    def received(self, link: "Link", message: QueryIds) -> None:
        """A neighbour compares."""
        if not self._commons.admit(link.peerId, Work.MEMBERSHIP, COST):
            self._commons.tally.count("drops", "rate")
            return
        if link.peerId not in {peer for peer, _ in self._tree.compared} and not message.wanted:
            self._commons.tally.count("drops", "query-ids")
            return
        due = self._due.get(link.peerId) if self._due else None
        if due is not None:
            for id in message.have:
                due.ids.pop(id, None)
        for id in message.wanted:
            self._flood.graft(id, link.peerId)
        if self._missing is None:
            self._missing = {}
        until = self._commons.seconds() + self._patience(link)
        for id in message.have:
            if id not in self._flood.seen and id not in self._missing and len(self._missing) < MISSING_MOST:
                self._missing[id] = _Missing(link.peerId, until)
        self._lookAt()

    def _patience(self, link: "Link") -> float:
        """
        A search that began beside the neighbour may have to go up to the root and down again before it comes here: that is no break.
        """
        label = self._tree.label
        rtt = UNMEASURED if link.rtt is None else link.rtt
        return max(MISSED, 2 * rtt * (0 if label is None else label.hops + 1))

    def _lookAt(self) -> None:
        if self._missingTimer is None and self._missing:
            due = min(one.due for one in self._missing.values())
            self._missingTimer = self._commons.clock.callLater(max(0.0, due - self._commons.seconds()), self._look)

    def _look(self) -> None:
        """Ask for what is missed, and wake the links beyond which it is."""
        self._missingTimer = None
        seconds = self._commons.seconds()
        wanted: dict[PeerId, list[bytes]] = {}
        for id, one in list((self._missing or {}).items()):
            if one.due > seconds:
                continue
            if one.asked:
                del self._missing[id]  # type: ignore[union-attr]
                continue
            one.asked, one.due = True, seconds + FORGET
            wanted.setdefault(one.peer, []).append(id)
        for peer, ids in wanted.items():
            link = self._commons.links.get(peer)
            if link is not None:
                self._commons.tally.count("tree", "woken")
                self._tree.wake(peer)
                link.send(QueryIds([], ids[: limits.QUERY_IDS]))
        self._lookAt()
