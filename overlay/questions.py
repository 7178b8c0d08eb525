"""
What the mechanism tells a policy when it asks: plain values, no live objects. Times are durations in seconds.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import attrs
import msgspec

from overlay.identity.ids import PeerId
from overlay.wire.statements import Capacity


class Deed(StrEnum):
    """What a peer was seen to do. The mechanism reports; a reputation decides what it weighs."""

    REGISTERED = "registered"
    RENEWED = "renewed"
    ANSWERED = "answered in time"
    LATE = "answered late or never"
    LINK_KEPT = "kept a link for a while"
    LINK_LOST = "vanished without a goodbye"
    GARBAGE = "sent garbage"
    FORGED_RECORD = "sent a forged record"
    FORGED_HIT = "answered with a forged hit"
    FORGED_STATEMENT = "sent a forged statement"
    BAD_MANDATE = "showed a mandate that does not hold"
    DOUBLE_VOTE = "signed two things for one seat"
    OVER_BUDGET = "exceeded its budget"
    CONTENT_MISMATCH = "shared content that does not match its hash"
    VOTED = "answered a call to vote"
    STALE_RECORD = "handed over what is out of date"


BAD_DEEDS = frozenset(
    {
        Deed.LATE, Deed.LINK_LOST, Deed.GARBAGE, Deed.FORGED_RECORD, Deed.FORGED_HIT, Deed.FORGED_STATEMENT,
        Deed.BAD_MANDATE, Deed.DOUBLE_VOTE, Deed.OVER_BUDGET, Deed.CONTENT_MISMATCH, Deed.STALE_RECORD,
    }
)


class Criterion(StrEnum):
    """
    What is observed of whoever serves or might. A policy that names a reason so has its threshold shown beside what was observed, in
    C{explain role}.
    """

    REACHABLE = "reachable"
    FIRST_SEEN = "first seen"
    SESSION = "present session"
    EARLIER = "earlier sessions"
    RTT = "round-trip time"
    THROUGHPUT = "throughput"
    DESCRIPTORS = "descriptors free"
    MEMORY = "memory free"
    REPUTATION = "reputation"


@attrs.frozen(slots=True)
class HeadRoom:
    """
    What this machine has left.

    @ivar memory: bytes that may still be had; None if that cannot be measured.
    @ivar descriptors: files and connections that this process may still open; None likewise.
    """

    memory: int | None = None
    descriptors: int | None = None


@attrs.frozen(slots=True)
class Standing:
    """
    This peer's own circumstances, for C{IElection.mayServe} and C{IElection.patience}.

    @ivar dialable: whether another peer that was asked to, or one of its own accord, has dialled this one; False if several could not;
        None if nobody has tried yet.
    @ivar uptime: seconds since start.
    @ivar liveSuperPeers: super-peers it knows to be alive.
    @ivar reversals: how often its promotions failed or were reversed lately.
    @ivar servedBefore: whether it was a super-peer when it last stopped.
    @ivar alone: whether it knows no address to try at all.
    @ivar headRoom: what its machine has left.
    @ivar serving: whether it serves now.
    """

    peerId: PeerId
    dialable: bool | None
    uptime: float
    capacity: Capacity
    liveSuperPeers: int
    reversals: int
    servedBefore: bool
    alone: bool
    headRoom: HeadRoom = HeadRoom()
    serving: bool = False


@attrs.frozen(slots=True)
class Load:
    """
    What a super-peer carries, for C{shouldCall}, C{admits} and C{shouldResign}.

    @ivar registrations: of others, counted now.
    @ivar serving: seconds since it took the role.
    @ivar others: for each other super-peer known to be alive, the registrations that it last stated.
    @ivar sinceChange: seconds since the last seat was filled or abandoned here.
    @ivar mandated: whether it holds a valid mandate.
    @ivar standing: its circumstances; only for C{admits} and C{shouldResign}.
    @ivar vain: seats in succession that were called here for one more, and for which none of the leaves would do.
    """

    peerId: PeerId
    registrations: int
    serving: float
    others: tuple[int, ...]
    sinceChange: float
    mandated: bool
    standing: Standing | None = None
    vain: int = 0


@attrs.frozen(slots=True)
class Candidate:
    """
    What has been observed of a leaf that is willing, for C{fitness} and C{vote}.

    @ivar linked: seconds it has been linked to the peer that asks; 0 if it is not.
    @ivar known: seconds since that peer first met it in its present session, over its own restarts too; 0 if it never did.
    @ivar rtt: round-trip time in seconds; None if not measured.
    @ivar dialable: whether the asking peer has dialled it back successfully.
    @ivar trust: reputation, 0 to 1.
    @ivar claims: what it says of itself.
    @ivar first: seconds since that peer first met it at all.
    @ivar earlier: its earlier sessions whose end that peer has seen.
    @ivar lasted: their mean length in seconds; 0 without any.
    @ivar throughput: bytes per second that came from it while it was busy; None if it never was.
    """

    peerId: PeerId
    linked: float
    known: float
    rtt: float | None
    dialable: bool
    trust: float
    claims: Capacity
    first: float = 0.0
    earlier: int = 0
    lasted: float = 0.0
    throughput: float | None = None


@attrs.frozen(slots=True)
class Claim:
    """
    A peer that says it is a super-peer, for C{IElection.recognises}.

    @ivar mandated: whether it shows a mandate that verifies.
    @ivar heir: whether it shows an heir list that verifies.
    @ivar problem: why its mandate does not verify, or empty.
    @ivar liveMandates: super-peers with verified mandates known to be alive.
    """

    peerId: PeerId
    mandated: bool
    heir: bool
    problem: str
    liveMandates: int


@attrs.frozen(slots=True)
class Formula:
    """
    How a searcher ranks.

    @ivar order: C{bm25}, or C{newest} for the time of change alone.
    @ivar k1: how much further occurrences of a word count, 0.01 to 100.
    @ivar b: how much longer records are marked down, 0.01 to 1.
    """

    order: str = "bm25"
    k1: float = 1.2
    b: float = 0.75


@attrs.frozen(slots=True)
class RowView:
    """
    One row that a search has found, for C{IRanking.score}.

    @ivar score: by the formula; for C{newest} the time of change.
    @ivar modified: seconds since the epoch.
    @ivar owners: how many share it; those that vanished count until their leases are over.
    @ivar trust: the reputation of the best owner, 0 to 1.
    """

    score: float
    size: int
    mediaType: str
    modified: int
    location: str
    owners: int
    trust: float


class Work(StrEnum):
    """What a rate limit is asked about."""

    QUERY = "query"
    REGISTER = "register"
    MEMBERSHIP = "membership"
    ELECTION = "election"
    LINK = "link"


class NeighbourView(msgspec.Struct, frozen=True):
    """
    One neighbour as a router sees it.

    @ivar rtt: seconds, or None.
    @ivar tree: whether the link to it belongs to the spanning tree, or may do so: it has not fallen silent.
    @ivar below: whether it is a child of this super-peer in that tree.
    @ivar mayMatch: whether it or somebody below it may hold what is searched for; false only if a summary proves the contrary.
    @ivar doubt: why its summary proves nothing about any search, in a sentence; empty if it may.
    """

    peerId: PeerId
    rtt: float | None
    tree: bool = True
    below: bool = False
    mayMatch: bool = True
    doubt: str = ""


class Progress(msgspec.Struct, frozen=True):
    """
    Where a query stands at one super-peer, for C{IRouter.next}.

    @ivar id: of the query.
    @ivar expression: the query language's text.
    @ivar origin: neighbour it came from; None if the searcher's own home asks.
    @ivar want: hits wanted.
    @ivar ttl: hops it may still go; 0 means all.
    @ivar elapsed: seconds since it came.
    @ivar budget: seconds left.
    @ivar neighbours: all that may be asked, without C{origin}.
    @ivar asked: those that nothing more is to be asked of: they were asked to go as far as the query may, or proved to hold nothing.
    @ivar answered: those whose answer is in.
    @ivar hits: passed upward so far.
    @ivar settled: whether this super-peer has its place in the spanning tree.
    @ivar hops: how far the furthest copy went that each was sent: 1 is the neighbour alone, 0 as far as the network goes.
    @ivar underWay: copies whose end is still to come.
    @ivar quiet: seconds since a copy was sent, or something came back.
    @ivar reached: super-peers that have evaluated the query, as far as answers are in; this one included.
    @ivar known: other super-peers that are known to be alive; of the searcher's own super-peer, as is the next.
    @ivar distinct: different contents among the hits, without those of owners whose reputation is poor; 0 unless the router has said how
        many are L{Route.enough}.
    @ivar lost: neighbours among those asked that are gone.
    @ivar unreached: where as many have answered as are C{known}, how many have not, of these and of those that others say lie beyond the
        hops of their copies; else 0. Who answers need not be known, and beyond somebody there may be one who is not.
    """

    id: bytes
    expression: str
    origin: PeerId | None
    want: int
    ttl: int
    elapsed: float
    budget: float
    neighbours: Sequence[NeighbourView]
    asked: frozenset[PeerId]
    answered: frozenset[PeerId]
    hits: int
    settled: bool = True
    hops: Mapping[PeerId, int] = {}
    underWay: int = 0
    quiet: float = 0.0
    reached: int = 0
    known: int = 0
    distinct: int = 0
    lost: int = 0
    unreached: int = 0


class Route(msgspec.Struct, frozen=True):
    """
    A router's answer.

    @ivar ask: neighbours to ask now; one that was asked before only if the copy goes further.
    @ivar pruned: neighbours that are left out, since a summary proves that nobody there holds anything; of one without such a proof
        nothing is said, so that it is asked directly.
    @ivar wait: seconds after which to ask the router again; 0 if it has no more to say until an answer comes.
    @ivar stop: true if no more neighbours will be asked for this query.
    @ivar announce: whether everybody is to be reached along the tree, so that ids of queries are compared over silent links.
    @ivar reasons: why, for C{EXPLAIN}.
    @ivar hops: how far these copies go: 1 is the neighbour alone; 0 as far as the query may, which is also the most.
    @ivar enough: the search ends, and what is under way is cancelled, as soon as L{Progress.distinct} is so many; 0 for never. Only the
        searcher's own super-peer ends a search so. Whoever names it for the first time is asked again at once, with what has been counted.
    @ivar then: name of a router that goes on with this query, which is asked at once; of the searcher's own super-peer only.
    @ivar upward: whether the way up to the parent in the spanning tree takes no hop: a search along the tree has to go up before it comes
        down, and what is at most so many hops from the root would be missed by a ttl that reaches everybody without the tree.
    """

    ask: Sequence[PeerId]
    pruned: Sequence[PeerId] = ()
    wait: float = 0.0
    stop: bool = True
    reasons: tuple = ()
    announce: bool = False
    hops: int = 0
    enough: int = 0
    then: str = ""
    upward: bool = False


@attrs.frozen(slots=True)
class Lead:
    """
    Where a peer of this network may be, as a discovery has found.

    @ivar address: C{HOST:PORT}, with an IPv6 host in brackets.
    @ivar peer: id of the peer that must answer there; None if anybody of the network will do.
    @ivar name: the name of which this is one address, or empty.
    """

    address: str
    peer: PeerId | None = None
    name: str = ""


@attrs.frozen(slots=True)
class Announcement:
    """
    What a discovery may tell others of this peer.

    @ivar port: at which it listens.
    @ivar host: the address at which it listens; C{0.0.0.0}, C{::} or empty: all of this machine's.
    @ivar addresses: C{HOST:PORT} at which others have reached it, or that its operator advertises.
    @ivar serving: whether it is a super-peer.
    """

    peerId: PeerId
    port: int
    host: str
    addresses: tuple[str, ...]
    serving: bool
