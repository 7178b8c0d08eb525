"""All attacks, by name."""

from collections.abc import Mapping

import attrs

from overlay.errors import UsageError
from overlay.lab.attackers.answers import INFLATED, Dropper, Forger, Inflator, Mute, Swallower
from overlay.lab.attackers.elections import Abstainer, Boaster, Deserter, Usurper, VoteSeller
from overlay.lab.attackers.leaves import (
    DEATHS_EVERY,
    DICTIONARY,
    GARBAGE_EVERY,
    RATE,
    Flooder,
    Gravedigger,
    Litterer,
    Stuffer,
)
from overlay.peer import Peer
from overlay.policy import nearest


@attrs.frozen
class Attack:
    """
    @ivar name: as users write it.
    @ivar help: what such a peer does, in one line.
    @ivar role: in which it matters: C{leaf}, C{super} or C{any}.
    @ivar peer: for C{World.add(makePeer=...)}.
    """

    name: str
    help: str
    role: str
    peer: type[Peer]


ATTACKS: Mapping[str, Attack] = {
    one.name: one
    for one in (
        Attack("forger", "adds hits with wrong signatures, in the names of others, to every answer", "super", Forger),
        Attack("swallower", "says that it has answered, but neither evaluates queries nor passes them on", "super", Swallower),
        Attack("mute", "takes queries and never answers", "super", Mute),
        Attack("inflator", f"multiplies the counts in its receipts by {INFLATED}", "super", Inflator),
        Attack("dropper", "acknowledges registrations and keeps nothing of them", "super", Dropper),
        Attack("stuffer", f"puts a dictionary of {len(DICTIONARY)} words into each of its records", "leaf", Stuffer),
        Attack("flooder", f"sends {RATE} queries a second to each of its homes", "leaf", Flooder),
        Attack("litterer", f"sends something that breaks the protocol every {GARBAGE_EVERY:.0f} s", "any", Litterer),
        Attack("gravedigger", f"says every {DEATHS_EVERY:.0f} s that all super-peers are dead", "any", Gravedigger),
        Attack("usurper", "shows the role of a super-peer without a mandate", "leaf", Usurper),
        Attack("boaster", "claims absurd capacity and uptime", "leaf", Boaster),
        Attack("deserter", "accepts a mandate and vanishes at once", "leaf", Deserter),
        Attack("vote-seller", "votes for everybody without dialling back", "super", VoteSeller),
        Attack("abstainer", "never votes", "super", Abstainer),
    )
}
"""By name."""


def attack(name: str) -> Attack:
    """
    An attack by its name.

    @raise UsageError: there is none; the message names those that there are.
    """
    found = ATTACKS.get(name)
    if found is None:
        raise UsageError(f"--attack {name}: there is no attack {name!r}{nearest(name, ATTACKS)}")
    return found
