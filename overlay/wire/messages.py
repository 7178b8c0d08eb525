"""
Every message that peers exchange: one class each.

A message travels as a MessagePack array: its number, then its fields in the order below. New fields go at the end with a
default: an older peer skips and counts them. Numbers are never used again for something else. Here are the messages of links,
membership and election; those of L{overlay.wire.registration}, L{overlay.wire.query} and L{overlay.wire.summary} have rooms of their own.
"""

from typing import Annotated, ClassVar, cast

import msgspec

from overlay.wire import limits
from overlay.wire.message import Adverts_, Code, Message, Priority, QueryId, Real, Text
from overlay.wire.query import Cancel, Done, Hits, Query, Refine
from overlay.wire.registration import (
    HandOver,
    HandOverAnswer,
    MoveTo,
    Register,
    RegisterAnswer,
    Registered,
    RegisterOffer,
    Unregister,
)
from overlay.wire.statements import Addresses, AddressText, Capacity, Count, Digest, Id, Mandate, NetworkId, Signed
from overlay.wire.summary import SummaryAcknowledged, SummaryGiven

PROTOCOL = (1, 1)
"""The lowest and the highest protocol version that this program speaks."""


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
    @ivar dialect: what the network adds to the analysis.
    @ivar nonce: in a probe that the other has asked for, the number in its L{DialBackWanted}.
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
    dialect: Annotated[str, msgspec.Meta(max_length=limits.DIALECT)] = ""
    nonce: Annotated[bytes, msgspec.Meta(max_length=16)] = b""


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
    """
    Are you there? C{wall} is network time as the sender knows it. With the token 0 it only says that its sender is, and wants no answer.
    """

    token: Count
    wall: Real


class Pong(Message, frozen=True, array_like=True, tag=4, gc=False):
    """Yes; C{wall} is network time as the answerer knows it."""

    token: Count
    wall: Real


class NetworkChanged(Message, frozen=True, array_like=True, tag=5, gc=False):
    """A L{NetworkChange} of the founder, passed on to every member that is not expelled."""

    change: Signed


class SignWanted(Message, frozen=True, array_like=True, tag=6, gc=False):
    """
    One super-peer asks another about a third, of which it has had no sign of life for a while: only to those whose hello has the feature
    C{signs}, as are the next two.
    """

    peer: Id


class SignSeen(Message, frozen=True, array_like=True, tag=7, gc=False):
    """The answer, if there has been a sign: so many seconds ago."""

    peer: Id
    ago: Annotated[float, msgspec.Meta(ge=0.0, le=7200.0)]


class SignMissed(Message, frozen=True, array_like=True, tag=8, gc=False):
    """Whoever is asked about tells the suspect who misses it, so that it gives a sign of life there."""

    by: Id


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
    Send me these; with no ids, a random sample of up to C{sample} super-peers, without those that I C{have}. Whoever does not know of that
    field sends any.
    """

    ids: Annotated[list[Id], msgspec.Meta(max_length=limits.ADVERT_IDS_PER_MESSAGE)] = []
    sample: Count = 0
    have: Annotated[list[Id], msgspec.Meta(max_length=limits.ADVERT_IDS_PER_MESSAGE)] = []


class NeighbourWanted(Message, frozen=True, array_like=True, tag=13, gc=False):
    """One super-peer asks another to be neighbours."""


class NeighbourAnswer(Message, frozen=True, array_like=True, tag=14, gc=False):
    """
    Accepted or not; if not, others to try. Sent unasked with C{accepted} false, it ends being neighbours.
    """

    accepted: bool
    code: Code = ""
    adverts: Adverts_ = []


class Beacon(Message, frozen=True, array_like=True, tag=15, gc=False):
    """
    Where the sender stands in the spanning tree, and what it wants of this link. Only to neighbours whose hello has the feature C{tree}.

    @ivar pulse: signed L{Pulse} of the root that the sender follows; None if it follows none.
    @ivar hops: of the sender from that root.
    @ivar standing: C{parent}: the receiver is the sender's parent; C{awake}: the link is to carry queries; C{silent}: it need not, and
        carries none if the receiver says so too; C{backup}: likewise, but each end tells the other of the queries that it knows. Anything
        else is taken for C{awake}.
    """

    pulse: Signed | None
    hops: Annotated[int, msgspec.Meta(ge=0, le=limits.TREE_HOPS)]
    standing: Code


class QueryIds(Message, frozen=True, array_like=True, tag=18, gc=False):
    """
    Over a silent link of the spanning tree.

    @ivar have: queries that the sender has passed on.
    @ivar wanted: queries that the receiver has, and that have not reached the sender: to be sent if they still run.
    """

    have: Annotated[list[QueryId], msgspec.Meta(max_length=limits.QUERY_IDS)]
    wanted: Annotated[list[QueryId], msgspec.Meta(max_length=limits.QUERY_IDS)] = []


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


class DialBackWanted(Message, frozen=True, array_like=True, tag=49, gc=False):
    """Dial me, with this number in the hello, so that I know whether others can. Only to those whose hello has the feature C{dial-back}."""

    nonce: QueryId
    addresses: Addresses


class TransferWanted(Message, frozen=True, array_like=True, tag=51, gc=False):
    """Send me so many pieces, so that I see how fast you can. Only to those whose hello has the feature C{transfer}."""

    pieces: Annotated[int, msgspec.Meta(ge=1, le=limits.TRANSFER_PIECES)]


class Transferred(Message, frozen=True, array_like=True, tag=52, gc=False):
    """One of the pieces; what is in it does not matter."""

    priority: ClassVar[Priority] = Priority.REGISTRATION

    data: Annotated[bytes, msgspec.Meta(max_length=limits.TRANSFER_PIECE)]


class Impression(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    What one peer has seen of another. Times in whole seconds but for C{rtt}; what is not known is -1.

    @ivar linked: for which they have been linked.
    @ivar known: since they met in the other's present session.
    @ivar first: since they met for the first time.
    @ivar earlier: earlier sessions of the other that were seen to end.
    @ivar lasted: mean length of those.
    @ivar throughput: bytes per second that came from the other while it was busy.
    @ivar trust: 0 to 1.
    """

    linked: Count
    known: Count
    first: Count
    earlier: Count
    lasted: Count
    rtt: Real
    throughput: Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)]
    trust: Real


class DialBackAnswer(Message, frozen=True, array_like=True, tag=50, gc=False):
    """
    @ivar address: at which the peer was reached; empty if at none, or if there is a C{code}.
    @ivar code: why nothing was dialled, as C{rate}, with C{retry} in seconds.
    @ivar seen: what else the answerer has seen of the asker.
    """

    nonce: QueryId
    address: AddressText = ""
    code: Code = ""
    retry: Real = 0.0
    seen: Impression | None = None


MESSAGES: dict[int, type[Message]] = {
    cast(int, one.__struct_config__.tag): one
    for one in (
        Hello, Goodbye, Ping, Pong, NetworkChanged, SignWanted, SignSeen, SignMissed,
        Adverts, AdvertIds, AdvertsWanted, NeighbourWanted, NeighbourAnswer, Beacon, QueryIds,
        SummaryGiven, SummaryAcknowledged,
        RegisterOffer, RegisterAnswer, Register, Registered, Unregister, MoveTo, HandOver, HandOverAnswer,
        Query, Hits, Done, Cancel, Refine,
        SeatCalled, Qualified, VoteWanted, VoteAnswer, MandateGiven, MandateAnswer, HeirsNamed, Summons, SummonsAnswer,
        DialBackWanted, DialBackAnswer, TransferWanted, Transferred,
    )
}
"""By number."""
