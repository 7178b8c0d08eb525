"""Hypothesis strategies for whatever the protocol's types allow."""

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from overlay.wire.messages import MESSAGES

SHORT = 24
"""Most items or characters that a strategy makes, however many the type would allow."""


def strategyOf(kind: Any) -> st.SearchStrategy:
    """Values of one annotated type, within its bounds; both ends of the bounds are likely."""
    meta: dict[str, Any] = {}
    while get_origin(kind) is Annotated:
        kind, *notes = get_args(kind)
        for note in notes:
            for name in ("ge", "gt", "le", "min_length", "max_length"):
                value = getattr(note, name)
                if value is not None:
                    meta[name] = value
    origin = get_origin(kind)
    least = meta.get("min_length", 0)
    most = max(least, min(meta.get("max_length", SHORT), SHORT))
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(meta.get("ge", -(2**63)), meta.get("le", 2**64 - 1))
    if kind is float:
        lowest = meta.get("ge", meta.get("gt"))
        return st.floats(lowest, meta.get("le"), allow_nan=False, exclude_min="gt" in meta)
    if kind is str:
        return st.text(min_size=least, max_size=most)
    if kind is bytes:
        return st.binary(min_size=least, max_size=most)
    if origin is list:
        return st.lists(strategyOf(get_args(kind)[0]), min_size=least, max_size=min(most, 3))
    if origin is tuple:
        return st.tuples(*map(strategyOf, get_args(kind)))
    if origin is dict:
        return st.dictionaries(*map(strategyOf, get_args(kind)), max_size=3)
    if origin in (Union, UnionType):
        return st.one_of(*(st.none() if one is NoneType else strategyOf(one) for one in get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        return st.tuples(*(strategyOf(field.type) for field in fields)).map(lambda values: kind(*values))
    raise TypeError(f"no strategy for {kind!r}")


EACH = {kind: strategyOf(kind) for kind in MESSAGES.values()}
"""Messages of each kind."""
messages = st.one_of(*EACH.values())
"""Any message of the protocol."""
