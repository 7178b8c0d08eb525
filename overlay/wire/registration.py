"""The messages by which a leaf registers its records at its homes."""

from typing import Annotated, ClassVar

import msgspec

from overlay.identity.ids import ID_BYTES
from overlay.wire import limits
from overlay.wire.message import Adverts_, Code, Message, Priority, Real, RecordId, Text
from overlay.wire.statements import Count, Digest, Id, Key, Signature, Signed


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
    @ivar refused: records that it did not take: id and code; after an offer, with the last batch of the first difference, also some
        that it had refused before.
    @ivar code: empty, or why the whole batch was not taken: C{store-full}, C{base} (send all), C{digest} (send all), C{rate}.
    @ivar retry: seconds.
    @ivar wanted: ids of records that it has refused for want of room, and has room for now: to be sent in full with the next difference.
    """

    sequence: Count
    part: Count
    refused: Annotated[list[tuple[RecordId, Code]], msgspec.Meta(max_length=limits.BATCH_RECORDS)] = []
    code: Code = ""
    retry: Real = 0.0
    wanted: Annotated[list[RecordId], msgspec.Meta(max_length=limits.BATCH_RECORDS)] = []


class Unregister(Message, frozen=True, array_like=True, tag=24, gc=False):
    """The leaf leaves this home: drop its registration (C{forget}), or keep it for the lease."""

    forget: bool


class MoveTo(Message, frozen=True, array_like=True, tag=25, gc=False):
    """
    A home hands a leaf over.

    @ivar adverts: where to register instead.
    @ivar code: C{resigning}, C{balance}.
    @ivar within: seconds until this home will be gone or drop the leaf.
    @ivar holder: id of the one of them that holds the leaf's registration already; empty if none does.
    """

    adverts: Adverts_
    code: Code
    within: Real
    holder: Annotated[bytes, msgspec.Meta(max_length=ID_BYTES)] = b""


class HandOver(Message, frozen=True, array_like=True, tag=26, gc=False):
    """
    A super-peer that resigns gives the registration of one of its leaves, in batches, to another. Only to those whose hello has the
    feature C{hand-over}.

    @ivar key: public key of the owner.
    @ivar sequence: of the registration; the giver holds it whole.
    @ivar part: 0, 1, 2 ...; 0 begins again.
    @ivar last: whether it is the last.
    @ivar digest: of the whole registration.
    @ivar homes: the owner's signed L{HomeList}, which names the giver; in part 0.
    """

    priority: ClassVar[Priority] = Priority.REGISTRATION

    key: Key
    sequence: Count
    part: Count
    last: bool
    digest: Digest
    additions: Annotated[list[RecordBody], msgspec.Meta(max_length=limits.BATCH_RECORDS)] = []
    homes: Signed | None = None


class HandOverAnswer(Message, frozen=True, array_like=True, tag=27, gc=False):
    """
    A batch of a registration that is handed over is stored, or why it was not.

    @ivar code: empty if it is stored; C{held} if this very registration was there before, so that no more need come; else why not.
    @ivar retry: seconds, if the whole may be tried again.
    """

    owner: Id
    part: Count
    code: Code = ""
    retry: Real = 0.0
