"""The messages of a search."""

from typing import Annotated, ClassVar, Protocol

import msgspec

from overlay.wire import limits
from overlay.wire.message import Code, Message, Priority, QueryId, Real, Text
from overlay.wire.statements import Count, Key, Signature

K1 = Annotated[float, msgspec.Meta(ge=0.01, le=100.0)]
B = Annotated[float, msgspec.Meta(ge=0.01, le=1.0)]


class Hit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One answer.

    @ivar head: encoded L{RecordHead}, as its owner signed it.
    @ivar key: the owner's public key.
    @ivar snippet: a passage of the text with matches.
    @ivar score: by the super-peer that evaluated it.
    @ivar parts: what it is scored by (see L{overlay.index.scoring}); empty if the order is not by BM25.
    """

    head: Annotated[bytes, msgspec.Meta(max_length=limits.HEAD)]
    signature: Signature
    key: Key
    snippet: Annotated[str, msgspec.Meta(max_length=400)]
    score: Real
    parts: Annotated[bytes, msgspec.Meta(max_length=limits.PARTS)] = b""


class EncodedHit(Protocol):
    """
    What goes in place of a L{Hit} where its bytes are there already; it has the fields of one as well. In place of a whole list of hits may
    go what gives such, and the bytes of all of them.
    """

    def encoded(self) -> bytes:
        """As a L{Hit} is encoded."""


class Query(Message, frozen=True, array_like=True, tag=30, gc=False):
    """
    @ivar id: 16 random bytes; one search keeps one id through the network.
    @ivar copy: number that this asker gives to this copy, on this link; echoed in what comes back.
    @ivar expression: the query language's text.
    @ivar analysis: version of the text analysis that the asker assumes.
    @ivar want: how many of the best hits.
    @ivar ttl: how many hops it may still go, 1 = evaluate and do not forward; 0 = all.
    @ivar budget: seconds within which the C{Done} must be back.
    @ivar direct: an ask: evaluate whatever was seen before, forward nothing.
    @ivar router: name of the router that the searcher prefers; empty for each super-peer's own.
    @ivar order: C{newest}, or empty for BM25.
    @ivar tuning: k1 and b of BM25; None for 1.2 and 0.75.
    """

    priority: ClassVar[Priority] = Priority.SEARCH

    id: QueryId
    copy: Count
    expression: Annotated[str, msgspec.Meta(max_length=limits.EXPRESSION)]
    analysis: Count
    want: Annotated[int, msgspec.Meta(ge=1, le=limits.WANT)]
    ttl: Annotated[int, msgspec.Meta(ge=0, le=limits.TTL_MOST)]
    budget: Annotated[float, msgspec.Meta(gt=0, le=limits.BUDGET)]
    direct: bool = False
    router: Code = ""
    order: Code = ""
    tuning: tuple[K1, B] | None = None


class Hits(Message, frozen=True, array_like=True, tag=31, gc=False):
    """Answers to copy C{copy} of query C{id}, as they come."""

    priority: ClassVar[Priority] = Priority.SEARCH

    id: QueryId
    copy: Count
    hits: Annotated[list[Hit], msgspec.Meta(max_length=limits.HITS_PER_MESSAGE)]

    def plain(self) -> "Hits":
        """The same as whoever it is sent to gets it: nothing in it belongs to the sender."""
        return Hits(
            self.id, self.copy,
            [
                one if type(one) is Hit else Hit(one.head, one.signature, one.key, one.snippet[:400], one.score, one.parts)
                for one in self.hits
            ],
        )


Part = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Name = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
FrontText = Annotated[bytes, msgspec.Meta(max_length=limits.FRONT)]


class Receipt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    The accounting of one branch. Counts are of copies, except C{answeredBy} and C{prunedNames}.

    @ivar answeredBy: first 8 bytes of the id of each super-peer that evaluated the query, joined.
    @ivar prunedNames: the same for those that a summary proved empty; C{documents}, C{length} and C{balance} count theirs as well.
    @ivar sent: copies sent: answered + duplicate + refused + lost + cancelled.
    @ivar lost: copies whose link died or whose budget ran out.
    @ivar notReached: copies not sent because the ttl was used up.
    @ivar matched: records that match at the super-peers named, each home counted.
    @ivar held: first 8 bytes of the key (see L{overlay.search.receipt}) of each hit held back, joined.
    @ivar heldMore: hits held back that C{held} had no room for.
    @ivar bound: no hit held back has a better score.
    @ivar documents: records in the indices that answered, each counted at one of its owner's homes.
    @ivar length: words in them.
    @ivar frequencies: for each query term, records that have it.
    @ivar unfiltered: where nothing matched, records that match but for the filters.
    @ivar excluded: of those, how many each filter leaves out, by its text.
    @ivar ranked: super-peers among those that answered whose numbers are those of their records, each counted once.
    @ivar balance: 0 if together they have counted each owner once (see L{overlay.index.census}).
    @ivar fronts: name of a super-peer, and what covers all records that it has held back (see L{overlay.index.scoring}); only of those
        that may hold one of the best.
    @ivar cancelled: copies for whose end nobody waited, since there were hits enough.
    @ivar unknown: by query term, how many of the records are of super-peers that were pruned although they may have it, so that
        C{frequencies} does not count them.
    @ivar doubled: how often a super-peer was named as pruned that was named before, so that its records count twice.
    @ivar silent: first 8 bytes of the id of each super-peer that was not waited for, since its neighbour has had no sign of life of it;
        these copies count as lost.
    @ivar plain: of the answer to a C{Refine} that counts anew: what a query would have been told now, C{documents}, C{length}, C{balance}
        and the frequencies in the order of the expression.
    @ivar beyond: first 8 bytes of the id of each super-peer that the copies of C{notReached} would have gone to, joined, but for those that
        this receipt names otherwise; a name of zeros stands for more. Empty with C{notReached} from a peer of before.
    """

    answeredBy: Annotated[bytes, msgspec.Meta(max_length=8 * limits.ANSWERED_NAMES)] = b""
    prunedNames: Annotated[bytes, msgspec.Meta(max_length=8 * limits.ANSWERED_NAMES)] = b""
    sent: Count = 0
    answered: Count = 0
    pruned: Count = 0
    duplicate: Count = 0
    refused: Count = 0
    lost: Count = 0
    notReached: Count = 0
    matched: Count = 0
    held: Annotated[bytes, msgspec.Meta(max_length=8 * limits.HELD_KEYS)] = b""
    heldMore: Count = 0
    bound: Real = 0.0
    documents: Count = 0
    length: Count = 0
    frequencies: Annotated[dict[str, Count], msgspec.Meta(max_length=limits.QUERY_TERMS)] = {}
    unfiltered: Count = 0
    excluded: Annotated[
        dict[Annotated[str, msgspec.Meta(max_length=2 * limits.EXPRESSION)], Count], msgspec.Meta(max_length=limits.QUERY_TERMS)
    ] = {}
    ranked: Count = 0
    balance: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    fronts: Annotated[list[tuple[Name, FrontText]], msgspec.Meta(max_length=limits.FRONTS)] = []
    cancelled: Count = 0
    unknown: Annotated[dict[str, Count], msgspec.Meta(max_length=limits.QUERY_TERMS)] = {}
    doubled: Count = 0
    silent: Annotated[bytes, msgspec.Meta(max_length=8 * limits.SILENT_NAMES)] = b""
    plain: Annotated[list[Count], msgspec.Meta(max_length=3 + limits.PARTS)] = []
    beyond: Annotated[bytes, msgspec.Meta(max_length=8 * limits.BEYOND_NAMES)] = b""


class Done(Message, frozen=True, array_like=True, tag=32, gc=False):
    """
    The end of one copy; exactly one comes back for each copy sent.

    @ivar status: C{answered}, C{duplicate}, C{refused} or C{cancelled}.
    @ivar code: of a refusal; C{query} for an expression that cannot be understood.
    @ivar retry: seconds until it would be admitted.
    @ivar missing: only from the searcher's own home: super-peers known to be alive that did not answer even when asked directly.
    @ivar ranking: likewise: C{exact} if the best hits by the receipt's numbers have all come, and these count every record once; else
        C{estimated}.
    @ivar unasked: likewise: super-peers known to be alive that have not answered, because there were hits enough before.
    @ivar unaskedPart: likewise: how much of the network those are, by the registrations that super-peers say they hold; 0 to 1.
    """

    # As the hits: it must not overtake them.
    priority: ClassVar[Priority] = Priority.SEARCH

    id: QueryId
    copy: Count
    status: Code
    receipt: Receipt | None = None
    code: Code = ""
    text: Text = ""
    retry: Real = 0.0
    missing: Count = 0
    ranking: Code = ""
    unasked: Count = 0
    unaskedPart: Part = 0.0


class Cancel(Message, frozen=True, array_like=True, tag=33, gc=False):
    """The asker wants no more of this copy; the C{Done} still comes."""

    id: QueryId
    copy: Count


class Refine(Message, frozen=True, array_like=True, tag=34, gc=False):
    """
    A direct question to a super-peer that has answered already; C{Hits} and C{Done} come back as for a query.

    @ivar want: how many of the best hits by the numbers given; 0 for the receipt alone.
    @ivar among: names of all super-peers that answered, joined: to count each owner at the first of its homes among these. Empty for
        all.
    @ivar documents: over all records, and likewise C{length} and C{frequencies}, these in the order of the expression.
    @ivar least: no hit with a lower score is wanted.
    """

    priority: ClassVar[Priority] = Priority.SEARCH

    id: QueryId
    copy: Count
    expression: Annotated[str, msgspec.Meta(max_length=limits.EXPRESSION)]
    analysis: Count
    want: Annotated[int, msgspec.Meta(ge=0, le=limits.WANT)]
    budget: Annotated[float, msgspec.Meta(gt=0, le=limits.BUDGET)]
    among: Annotated[bytes, msgspec.Meta(max_length=8 * limits.ANSWERED_NAMES)] = b""
    documents: Count = 0
    length: Count = 0
    frequencies: Annotated[list[Count], msgspec.Meta(max_length=limits.PARTS)] = []
    least: Real = 0.0
    k1: K1 = 1.2
    b: B = 0.75
