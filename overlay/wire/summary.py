"""The messages by which super-peers tell each other what is in the branches of the spanning tree."""

from typing import Annotated

import msgspec

from overlay.wire import limits
from overlay.wire.message import Code, Message, Real
from overlay.wire.statements import Count

Name = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
Names = Annotated[bytes, msgspec.Meta(max_length=8 * limits.ANSWERED_NAMES)]
Positions = Annotated[bytes, msgspec.Meta(max_length=limits.POSITIONS)]


class Doubt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Why a super-peer of a branch may hold anything.

    @ivar name: the first 8 bytes of its id.
    @ivar code: C{full} (C{value} of its filter, 0 to 1, is set), C{counting} (it has just started), C{unreadable} (its store), or
        C{open} (nothing is known of what lies behind it).
    """

    name: Name
    code: Code
    value: Real = 0.0


class SummaryGiven(Message, frozen=True, array_like=True, tag=16, gc=False):
    """
    A super-peer tells its parent in the spanning tree what there is in its branch: itself and everybody below it.

    @ivar version: what the parent holds once the last part is in; larger with each change.
    @ivar base: the version that the difference starts from; 0 replaces everything.
    @ivar part: 0, 1, 2 ... within this difference.
    @ivar last: whether it is the last.
    @ivar gained: positions that have come (see L{overlay.index.bloom}), and C{lost} those that have gone.
    @ivar namesGained: first 8 bytes of the id of each super-peer that the branch speaks for from now on, joined, and C{namesLost} of those
        that it does not any more.
    @ivar documents: records in the branch, each counted at one of its owner's homes; only in the last part, and likewise what follows.
    @ivar length: words in them.
    @ivar balance: see L{overlay.index.census}.
    @ivar doubts: super-peers of the branch that it does not speak for, as far as there is room.
    @ivar doubtful: how many they are.
    @ivar ended: the receiver is not the sender's parent any more: it is to forget everything.
    """

    version: Count
    base: Count
    part: Count = 0
    last: bool = True
    gained: Positions = b""
    lost: Positions = b""
    namesGained: Names = b""
    namesLost: Names = b""
    documents: Count = 0
    length: Count = 0
    balance: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    doubts: Annotated[list[Doubt], msgspec.Meta(max_length=limits.DOUBTS)] = []
    doubtful: Count = 0
    ended: bool = False


class SummaryAcknowledged(Message, frozen=True, array_like=True, tag=17, gc=False):
    """
    Everybody who may prune by a branch knows what it held at C{version}.

    @ivar code: empty; or C{above}: the parent and everybody above it know, but somebody elsewhere may not, so that a second answer
        follows; or C{full}: the parent lacks something, and wants everything once more; or C{unwanted}: it prunes nothing, now.
    """

    version: Count
    code: Code = ""
