"""
The parameters of the mechanism, with units and ranges. What plugins weigh is theirs; what is here is timing and size.
All times are seconds.
"""

from collections.abc import Callable
from typing import Any

import attrs

from overlay.errors import UsageError


def _between(low: float, high: float) -> Callable[[Any, Any, Any], None]:
    def check(instance: object, attribute: Any, value: float) -> None:
        if not low <= value <= high:
            raise UsageError(f"{attribute.name} must be from {low:g} to {high:g}, not {value:g}")

    return check


def _times(name: str, factor: float) -> Any:
    """C{factor} times another one of the same object, unless it is given."""
    return attrs.field(default=attrs.Factory(lambda self: factor * getattr(self, name), takes_self=True), validator=_between(0.1, 7200))


@attrs.frozen(slots=True)
class Beats:
    """
    How often a peer gives a sign of life on a link over which it says nothing else, and how long it bears silence. What is not given
    follows from C{keepAlive}, in the proportions of the defaults.

    @ivar keepAlive: between super-peers, a sign each so often.
    @ivar suspect: silence after which one super-peer suspects another.
    @ivar home: a super-peer gives its leaves a sign so often.
    @ivar leaf: a leaf gives its homes a sign so often, if it is not asked before.
    @ivar suspectHome: on the links of leaves, silence after which a leaf suspects its home, and after which a home asks its leaf.
    @ivar dead: silence after which any link is given up. Whoever stands still for a shorter time than this less C{suspectHome} survives.
    """

    keepAlive: float = attrs.field(default=2.0, validator=_between(0.1, 3600))
    suspect: float = _times("keepAlive", 2.5)
    home: float = _times("keepAlive", 2.5)
    leaf: float = _times("home", 3.0)
    suspectHome: float = _times("home", 2.0)
    dead: float = _times("home", 4.0)

    def __attrs_post_init__(self) -> None:
        for shorter, longer, factor in (
            ("keepAlive", "suspect", 1), ("home", "suspectHome", 1), ("keepAlive", "dead", 2), ("home", "dead", 2), ("suspect", "dead", 1),
            ("suspectHome", "dead", 1),
        ):
            low, high = getattr(self, shorter), getattr(self, longer)
            if not factor * low < high:
                times = "twice " if factor == 2 else ""
                raise UsageError(f"{longer} must be more than {times}{shorter}: {high:g} s is not more than {factor * low:g} s")


@attrs.frozen(slots=True, kw_only=True)
class Settings:
    """
    @ivar role: C{auto}, C{leaf} (never serve) or C{super} (serve whenever the policy and the others allow).
    @ivar homes: super-peers that a leaf registers with.
    @ivar advertise: addresses to be dialled at, C{HOST:PORT}; empty to use what others observe.
    @ivar workBits: proof of work asked of others; None for 0 on closed networks and 16 on open ones.
    @ivar beats: signs of life, and what silence means.
    @ivar dialTimeout: for one attempt to dial, hello included.
    @ivar join: how long all attempts to bootstrap are given before a peer thinks of serving itself, once it has known others.
    @ivar lease: how long a registration outlives its link.
    @ivar neighbours: neighbours that a super-peer seeks.
    @ivar mostNeighbours: neighbours that it accepts.
    @ivar gossip: between two rounds of advert gossip.
    @ivar beacon: between two beacons of the root of the spanning tree; 0 for no tree.
    @ivar advert: between two adverts of one peer when nothing changed.
    @ivar mandate: how long a mandate lasts.
    @ivar searchTimeout: budget of a search that names none.
    @ivar askAtOnce: super-peers missing from a receipt that are asked directly at a time, as long as they answer at once.
    @ivar quotaRecords: records of one owner that a home keeps.
    @ivar quotaBytes: bytes of one owner that it keeps.
    @ivar textLimit: bytes of text in a record.
    @ivar termLimit: distinct terms in a record.
    @ivar sample: share of a trusted peer's records whose signature a home checks, 0 to 1.
    @ivar trustedFrom: reputation from which only a sample is checked, 0 to 1.
    @ivar recordLife: life of a signed head.
    """

    role: str = attrs.field(default="auto", validator=attrs.validators.in_(("auto", "leaf", "super")))
    homes: int = attrs.field(default=2, validator=_between(1, 8))
    advertise: tuple[str, ...] = ()
    workBits: int | None = None
    beats: Beats = attrs.field(factory=Beats)
    dialTimeout: float = attrs.field(default=5.0, validator=_between(0.1, 120))
    join: float = attrs.field(default=60.0, validator=_between(0, 3600))
    lease: float = attrs.field(default=300.0, validator=_between(1, 86400))
    neighbours: int = attrs.field(default=10, validator=_between(1, 64))
    mostNeighbours: int = attrs.field(default=16, validator=_between(1, 128))
    gossip: float = attrs.field(default=5.0, validator=_between(0.1, 600))
    beacon: float = attrs.field(default=10.0, validator=_between(0, 3600))
    advert: float = attrs.field(default=600.0, validator=_between(1, 7200))
    mandate: float = attrs.field(default=3600.0, validator=_between(1, 86400))
    searchTimeout: float = attrs.field(default=10.0, validator=_between(0.1, 120))
    askAtOnce: int = attrs.field(default=16, validator=_between(1, 64))
    quotaRecords: int = attrs.field(default=200_000, validator=_between(0, 10**9))
    quotaBytes: int = attrs.field(default=1 << 30, validator=_between(0, 1 << 50))
    textLimit: int = attrs.field(default=4096, validator=_between(0, 65536))
    termLimit: int = attrs.field(default=512, validator=_between(1, 4096))
    sample: float = attrs.field(default=0.1, validator=_between(0, 1))
    trustedFrom: float = attrs.field(default=0.4, validator=_between(0, 1))
    recordLife: float = attrs.field(default=7 * 86400.0, validator=_between(60, 30 * 86400))
