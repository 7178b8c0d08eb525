"""What is known of another peer."""

import msgspec

from overlay.identity.ids import PeerId
from overlay.wire.statements import Advert, Signed


class Known(msgspec.Struct, eq=False, gc=False):
    """
    One peer as its newest advert describes it.

    @ivar heard: monotonic time at which something new was heard of it.
    @ivar source: network group of whoever first told of it (see L{overlay.wire.address.networkGroup}); empty if that is not known.
    @ivar mandated: whether its mandate holds; C{heir} whether it serves as an heir.
    @ivar recognised: whether the policy takes it for a super-peer.
    @ivar problem: what is wrong with its mandate, or empty.
    """

    peerId: PeerId
    signed: Signed
    advert: Advert
    heard: float
    alive: bool = True
    mandated: bool = False
    heir: bool = False
    recognised: bool = False
    problem: str = ""
    source: str = ""

    def differs(self, advert: Advert) -> bool:
        """Whether another advert of this peer says more than how loaded and how old it is: only that is worth passing on at once."""
        now = self.advert
        return (now.role, now.addresses, now.mandate, now.heirs) != (advert.role, advert.addresses, advert.mandate, advert.heirs)
