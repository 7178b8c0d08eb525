"""What every message is made of: its base class, its priority, and the types of its fields."""

from enum import IntEnum
from typing import Annotated, ClassVar

import msgspec

from overlay.wire import limits
from overlay.wire.statements import Signed


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
