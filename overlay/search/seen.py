"""Which queries have come to a super-peer, so that each is answered once."""

from twisted.internet.interfaces import IReactorTime

from overlay.search.copies import isFurther
from overlay.wire import limits

SEEN_MOST = 20_000
SEEN_FOR = 2 * limits.BUDGET
"""Seconds that a query is remembered: no copy of it can be under way for longer."""


class Seen:
    """Ids of queries, for a while."""

    __slots__ = ("_clock", "_queries")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # Of each when it came first, and the most hops that a copy has brought; 0 is all.
        self._queries: dict[bytes, tuple[float, int]] = {}

    def __contains__(self, id: bytes) -> bool:
        return id in self._queries

    def isNew(self, id: bytes, ttl: int) -> bool | None:
        """
        Note a copy of a query.

        @param ttl: hops that it may still go; 0 is all.
        @return: true for the first copy; false for one that brings more hops than all before; None for a duplicate.
        """
        seconds = self._clock.seconds()
        queries = self._queries
        while queries:
            oldest = next(iter(queries))
            if seconds - queries[oldest][0] < SEEN_FOR and len(queries) < SEEN_MOST:
                break
            del queries[oldest]
        seen = queries.get(id)
        if seen is None:
            queries[id] = seconds, ttl
            return True
        if not isFurther(ttl, seen[1]):
            return None
        queries[id] = seen[0], ttl
        return False
