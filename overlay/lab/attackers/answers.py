"""Super-peers that answer wrongly, and homes that do not keep what they are given."""

from typing import TYPE_CHECKING, Any

import attrs

from overlay.identity.ids import peerIdOf
from overlay.index.expression import Expression
from overlay.index.registry import Registry
from overlay.index.store import Found
from overlay.peer import Peer
from overlay.roles.hosting import Hosting
from overlay.search.receipts import NAME_BYTES
from overlay.search.searches import Searches
from overlay.wire.query import Done, Hit, Hits, Query, Receipt
from overlay.wire.registration import Register, Registered
from overlay.wire.statements import RecordHead, encodeBody

if TYPE_CHECKING:
    from overlay.link.link import Link

FORGED = 3
"""Hits that a forger makes up for each copy of a query."""
SCORE = 1000.0
"""Of a forged hit: better than any real one."""
INFLATED = 1000
"""So many times what it has is what an inflator says that it has."""


class ForgingSearches(Searches):
    """Answers each query with hits of its own making, in the names of others, beside the real ones."""

    def _queryReceived(self, link: "Link", query: Query) -> None:
        if self.membership.serving:
            forged = [self._forged(query) for _ in range(FORGED)]
            link.send(Hits(query.id, query.copy, forged))
        super()._queryReceived(link, query)

    def _forged(self, query: Query) -> Hit:
        commons = self.commons
        rng = commons.random
        key = rng.choice(sorted(link.key for link in commons.links))
        now = int(commons.now())
        name = f"{rng.getrandbits(32):08x}.txt"
        head = RecordHead(
            network=commons.network.id, owner=peerIdOf(key), number=1, issued=now, expires=now + 3600,
            content=rng.randbytes(32), name=name, location=f"forged/{name}", size=1, modified=now, mediaType="text/plain",
            textDigest=rng.randbytes(32), termsDigest=rng.randbytes(32),
        )
        return Hit(encodeBody(head), rng.randbytes(64), key, query.expression[:400], SCORE)


class Forger(Peer):
    """Answers queries with forged hits."""

    makeSearches = ForgingSearches


class SwallowingSearches(Searches):
    """Says that it has answered, but neither evaluates a query nor passes it on."""

    def _queryReceived(self, link: "Link", query: Query) -> None:
        if not self.membership.serving:
            super()._queryReceived(link, query)
            return
        link.send(Done(query.id, query.copy, "answered", Receipt(answeredBy=self.commons.peerId[:NAME_BYTES])))


class Swallower(Peer):
    """A black hole: what comes in is answered with nothing."""

    makeSearches = SwallowingSearches


class MuteSearches(Searches):
    """Takes queries and never answers."""

    def _queryReceived(self, link: "Link", query: Query) -> None:
        if not self.membership.serving:
            super()._queryReceived(link, query)


class Mute(Peer):
    """Keeps its links alive, and says nothing to queries."""

    makeSearches = MuteSearches


class InflatingRegistry(Registry):
    """Counts everything that it has many times."""

    def search(self, expression: Expression, want: int, *args: Any, **more: Any) -> Found:
        found = super().search(expression, want, *args, **more)
        return attrs.evolve(
            found, matched=found.matched * INFLATED, documents=found.documents * INFLATED, length=found.length * INFLATED,
            frequencies={term: count * INFLATED for term, count in found.frequencies.items()},
        )


class Inflator(Peer):
    """Lies about the counts in its receipts."""

    makeRegistry = InflatingRegistry


class DroppingHosting(Hosting):
    """Acknowledges every batch of a registration, and keeps none."""

    def _take(self, link: "Link", message: Register) -> Registered:
        return Registered(message.sequence if message.last else message.base, message.part)


class Dropper(Peer):
    """A home that keeps nothing."""

    makeHosting = DroppingHosting
