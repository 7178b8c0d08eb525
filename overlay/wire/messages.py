"""
Every message that peers exchange: one class each.

A message travels as a MessagePack array: its number, then its fields in the order below. New fields go at the end with a
default: an older peer skips and counts them. Numbers are never used again for something else.
"""

from enum import IntEnum
from typing import Annotated, ClassVar, cast

import msgspec

from overlay.wire import limits
from overlay.wire.statements import (
    Addresses,
    AddressText,
    Capacity,
    Count,
    Digest,
    Id,
    Key,
    Mandate,
    NetworkId,
    Signature,
    Signed,
)

PROTOCOL = (1, 1)
"""The lowest and the highest protocol version that this program speaks."""


class Priority(IntEnum):
    """Control goes before queries, queries before registrations."""

    CONTROL = 0
    SEARCH = 1
    REGISTRATION = 2


Code = Annotated[str, msgspec.Meta(max_length=32)]
Text = Annotated[str, msgspec.Meta(max_length=limits.REASON_TEXT)]
QueryId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
RecordId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Real = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
"""A number that one can reckon with: neither infinite nor NaN."""
Adverts_ = Annotated[list[Signed], msgspec.Meta(max_length=limits.ADVERTS_PER_MESSAGE)]


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all messages."""

    priority: ClassVar[Priority] = Priority.CONTROL


# --- one link -------------------------------------------------------------------------------------------------------


class Hello(Message, frozen=True, array_like=True, tag=1, gc=False):
    """
    The first message each way; the dialler's comes first, and the listener answers only one that it accepts.

    @ivar versions: lowest and highest protocol version spoken.
    @ivar network: id of the network.
    @ivar generation: of the network's key.
    @ivar proof: see L{overlay.identity.network.proveMembership}; empty on an open network.
    @ivar work: nonce of the proof of work.
    @ivar boot: larger at each start of this peer.
    @ivar purpose: C{link}, or C{probe} for a dial-back that ends after the hello.
    @ivar listening: port it listens at, 0 if it does not.
    @ivar seen: the host at which the sender sees the receiver.
    @ivar reachedAt: the address that the sender dialled, empty for the listener.
    @ivar analysis: version of the text analysis.
    @ivar wall: network time as the sender knows it, seconds since the epoch.
    @ivar advert: its current advert; None in a probe.
    """

    versions: tuple[Count, Count]
    features: Annotated[list[Code], msgspec.Meta(max_length=limits.FEATURES)]
    network: NetworkId
    generation: Count
    proof: Annotated[bytes, msgspec.Meta(max_length=32)]
    work: Annotated[bytes, msgspec.Meta(max_length=8)]
    boot: Count
    purpose: Code
    listening: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    seen: AddressText
    reachedAt: AddressText
    analysis: Count
    agent: Annotated[str, msgspec.Meta(max_length=limits.AGENT)]
    wall: Real
    advert: Signed | None = None


class Goodbye(Message, frozen=True, array_like=True, tag=2, gc=False):
    """
    The last message: why the link ends. Also the refusal of a hello.

    @ivar code: see C{docs/protocol.md}.
    @ivar retry: seconds after which another try makes sense; negative if never.
    @ivar adverts: others who may serve instead.
    """

    code: Code
    text: Text = ""
    retry: Real = 0.0
    adverts: Adverts_ = []


class Ping(Message, frozen=True, array_like=True, tag=3, gc=False):
    """Are you there? C{wall} is network time as the sender knows it."""

    token: Count
    wall: Real


class Pong(Message, frozen=True, array_like=True, tag=4, gc=False):
    """Yes; C{wall} is network time as the answerer knows it."""

    token: Count
    wall: Real


class NetworkChanged(Message, frozen=True, array_like=True, tag=5, gc=False):
    """A L{NetworkChange} of the founder, passed on to every member that is not expelled."""

    change: Signed


# --- membership -----------------------------------------------------------------------------------------------------


class Adverts(Message, frozen=True, array_like=True, tag=10, gc=False):
    """Adverts in full: as an answer, or the sender's own when it has changed."""

    adverts: Adverts_


class AdvertIds(Message, frozen=True, array_like=True, tag=11, gc=False):
    """What the sender has: pairs of peer id and sequence, and (C{dead}) ids whose link it has just lost."""

    have: Annotated[list[tuple[Id, Count]], msgspec.Meta(max_length=limits.ADVERT_IDS_PER_MESSAGE)]
    dead: Annotated[list[Id], msgspec.Meta(max_length=limits.ADVERT_IDS_PER_MESSAGE)] = []


class AdvertsWanted(Message, frozen=True, array_like=True, tag=12, gc=False):
    """
    Send me these; with no ids, a random sample of up to C{sample} super-peers.
    """

    ids: Annotated[list[Id], msgspec.Meta(max_length=limits.ADVERT_IDS_PER_MESSAGE)] = []
    sample: Count = 0


class NeighbourWanted(Message, frozen=True, array_like=True, tag=13, gc=False):
    """One super-peer asks another to be neighbours."""


class NeighbourAnswer(Message, frozen=True, array_like=True, tag=14, gc=False):
    """
    Accepted or not; if not, others to try. Sent unasked with C{accepted} false, it ends being neighbours.
    """

    accepted: bool
    code: Code = ""
    adverts: Adverts_ = []


# --- registering ----------------------------------------------------------------------------------------------------


class RecordBody(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One record in full.

    @ivar head: encoded L{RecordHead}, as signed.
    @ivar text: UTF-8, whose SHA-256 the head names.
    @ivar terms: packed terms (see L{overlay.index.record}), whose SHA-256 the head names.
    """

    head: Annotated[bytes, msgspec.Meta(max_length=limits.HEAD)]
    signature: Signature
    text: Annotated[bytes, msgspec.Meta(max_length=limits.TEXT)]
    terms: Annotated[bytes, msgspec.Meta(max_length=limits.TERMS * (limits.TERM + 8))]


class RenewedHead(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A head signed anew for a later expiry; its text and terms are those that the home has."""

    head: Annotated[bytes, msgspec.Meta(max_length=limits.HEAD)]
    signature: Signature


class RegisterOffer(Message, frozen=True, array_like=True, tag=20, gc=False):
    """
    A leaf asks to be registered.

    @ivar sequence: of its registration now.
    @ivar digest: of the whole (see L{overlay.index.record}).
    @ivar records: how many.
    @ivar bytes_: of heads, texts and terms together.
    @ivar homes: signed L{HomeList}; None if not made yet.
    """

    sequence: Count
    digest: Digest
    records: Count
    bytes_: Count
    homes: Signed | None = None


class RegisterAnswer(Message, frozen=True, array_like=True, tag=21, gc=False):
    """
    Whether the home takes the leaf, and from which sequence on it wants the differences.

    @ivar sequence: what the home holds of this owner, 0 if nothing.
    @ivar code: why not.
    @ivar retry: seconds.
    @ivar quotaRecords: how many records of one owner it keeps.
    @ivar quotaBytes: how many bytes.
    @ivar adverts: other homes to try.
    """

    accepted: bool
    sequence: Count = 0
    code: Code = ""
    text: Text = ""
    retry: Real = 0.0
    quotaRecords: Count = 0
    quotaBytes: Count = 0
    adverts: Adverts_ = []


class Register(Message, frozen=True, array_like=True, tag=22, gc=False):
    """
    One batch of a registration or of a difference.

    @ivar base: the home's sequence that the difference starts from; 0 replaces all that the home has.
    @ivar sequence: what the home holds once the last batch is in.
    @ivar part: 0, 1, 2 ... within this difference.
    @ivar last: whether it is the last.
    @ivar digest: of the whole registration at C{sequence}.
    """

    priority: ClassVar[Priority] = Priority.REGISTRATION

    base: Count
    sequence: Count
    part: Count
    last: bool
    digest: Digest
    additions: Annotated[list[RecordBody], msgspec.Meta(max_length=limits.BATCH_RECORDS)] = []
    removals: Annotated[list[RecordId], msgspec.Meta(max_length=4096)] = []
    renewals: Annotated[list[RenewedHead], msgspec.Meta(max_length=limits.BATCH_RECORDS)] = []
    homes: Signed | None = None


class Registered(Message, frozen=True, array_like=True, tag=23, gc=False):
    """
    The home has stored a batch, durably.

    @ivar sequence: what it holds whole; the batch's own base until the last batch is in.
    @ivar part: the batch that this answers.
    @ivar refused: records that it did not take: id and code.
    @ivar code: empty, or why the whole batch was not taken: C{store-full}, C{base} (send all), C{digest} (send all), C{rate}.
    @ivar retry: seconds.
    """

    sequence: Count
    part: Count
    refused: Annotated[list[tuple[RecordId, Code]], msgspec.Meta(max_length=limits.BATCH_RECORDS)] = []
    code: Code = ""
    retry: Real = 0.0


class Unregister(Message, frozen=True, array_like=True, tag=24, gc=False):
    """The leaf leaves this home: drop its registration (C{forget}), or keep it for the lease."""

    forget: bool


class MoveTo(Message, frozen=True, array_like=True, tag=25, gc=False):
    """
    A home hands a leaf over.

    @ivar adverts: where to register instead.
    @ivar code: C{resigning}, C{balance}.
    @ivar within: seconds until this home will be gone or drop the leaf.
    """

    adverts: Adverts_
    code: Code
    within: Real


# --- search ---------------------------------------------------------------------------------------------------------


class Hit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One answer.

    @ivar head: encoded L{RecordHead}, as its owner signed it.
    @ivar key: the owner's public key.
    @ivar snippet: a passage of the text with matches.
    @ivar score: by the super-peer that evaluated it.
    """

    head: Annotated[bytes, msgspec.Meta(max_length=limits.HEAD)]
    signature: Signature
    key: Key
    snippet: Annotated[str, msgspec.Meta(max_length=400)]
    score: Real


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


class Hits(Message, frozen=True, array_like=True, tag=31, gc=False):
    """Answers to copy C{copy} of query C{id}, as they come."""

    priority: ClassVar[Priority] = Priority.SEARCH

    id: QueryId
    copy: Count
    hits: Annotated[list[Hit], msgspec.Meta(max_length=limits.HITS_PER_MESSAGE)]


class Receipt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    The accounting of one branch. Counts are of copies, except C{answeredBy} and C{prunedNames}.

    @ivar answeredBy: first 8 bytes of the id of each super-peer that evaluated the query, joined.
    @ivar prunedNames: the same for those that a summary proved empty.
    @ivar sent: copies sent; always answered + duplicate + refused + lost of them come back.
    @ivar lost: copies whose link died or whose budget ran out.
    @ivar notReached: copies not sent because the ttl was used up.
    @ivar matched: records that match at the super-peers named, each home counted.
    @ivar held: first 8 bytes of the key (see L{overlay.search.receipt}) of each hit held back, joined.
    @ivar heldMore: hits held back that C{held} had no room for.
    @ivar bound: no hit held back has a better score.
    @ivar documents: records in the indices that answered.
    @ivar length: words in them.
    @ivar frequencies: for each query term, records that have it.
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


class Done(Message, frozen=True, array_like=True, tag=32, gc=False):
    """
    The end of one copy; exactly one comes back for each copy sent.

    @ivar status: C{answered}, C{duplicate}, C{refused} or C{cancelled}.
    @ivar code: of a refusal; C{query} for an expression that cannot be understood.
    @ivar retry: seconds until it would be admitted.
    @ivar missing: only from the searcher's own home: super-peers known to be alive that did not answer even when asked directly.
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


class Cancel(Message, frozen=True, array_like=True, tag=33, gc=False):
    """The asker wants no more of this copy; the C{Done} still comes."""

    id: QueryId
    copy: Count


# --- election -------------------------------------------------------------------------------------------------------


class SeatCalled(Message, frozen=True, array_like=True, tag=40, gc=False):
    """The caller asks its leaves who would serve."""

    counter: Count


class Qualified(Message, frozen=True, array_like=True, tag=41, gc=False):
    """A leaf's answer: whether it would, where it can be dialled, what it claims."""

    counter: Count
    willing: bool
    addresses: Addresses
    capacity: Capacity


class VoteWanted(Message, frozen=True, array_like=True, tag=42, gc=False):
    """The caller asks an elector; C{nomination} is a signed L{Nomination}."""

    nomination: Signed


class VoteAnswer(Message, frozen=True, array_like=True, tag=43, gc=False):
    """
    @ivar nomination: digest of the nomination.
    @ivar vote: signed L{Vote}, or None.
    @ivar code: why not.
    """

    nomination: Digest
    vote: Signed | None = None
    code: Code = ""
    text: Text = ""


class MandateGiven(Message, frozen=True, array_like=True, tag=44, gc=False):
    """The caller hands the winner its mandate."""

    mandate: Mandate


class MandateAnswer(Message, frozen=True, array_like=True, tag=45, gc=False):
    """The winner takes the seat, or does not."""

    counter: Count
    accepted: bool
    code: Code = ""


class HeirsNamed(Message, frozen=True, array_like=True, tag=46, gc=False):
    """A home tells its leaves its heirs: a signed L{HeirList}."""

    heirs: Signed


class Summons(Message, frozen=True, array_like=True, tag=47, gc=False):
    """A leaf that lost every home asks an heir to serve."""

    heirs: Signed


class SummonsAnswer(Message, frozen=True, array_like=True, tag=48, gc=False):
    """
    @ivar serving: whether it serves now.
    @ivar code: why not: C{home-alive}, C{not-named}, C{expired}, C{unwilling}.
    @ivar adverts: super-peers it knows instead.
    """

    serving: bool
    code: Code = ""
    adverts: Adverts_ = []


MESSAGES: dict[int, type[Message]] = {
    cast(int, one.__struct_config__.tag): one
    for one in (
        Hello, Goodbye, Ping, Pong, NetworkChanged,
        Adverts, AdvertIds, AdvertsWanted, NeighbourWanted, NeighbourAnswer,
        RegisterOffer, RegisterAnswer, Register, Registered, Unregister, MoveTo,
        Query, Hits, Done, Cancel,
        SeatCalled, Qualified, VoteWanted, VoteAnswer, MandateGiven, MandateAnswer, HeirsNamed, Summons, SummonsAnswer,
    )
}
"""By number."""
