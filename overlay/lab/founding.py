"""
A network that has been running for long, made at one moment: super-peers with mandates that their electors really signed, which know one
another. What they hold is on their disks before they start, so each begins as it would after a restart.
"""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from overlay.lab.world import EPOCH, World
from overlay.roles.mandate import GENESIS, electorateOf, majorityOf
from overlay.wire.statements import Mandate, Nomination, Signed, Vote, seal

if TYPE_CHECKING:
    from overlay.lab.population import Member, Population


def superPeersFor(peers: int, homes: int, wanted: int) -> int:
    """
    How many serve in a settled network: n peers of which each leaf registers k times, and w registrations a super-peer, so that
    s = (n - s) k / w, which is n k / (w + k).
    """
    return max(1, min(peers, round(peers * homes / (wanted + homes))))


def found(world: World, population: "Population", members: "Sequence[Member]", count: int) -> "list[Member]":
    """
    Make so many of the members super-peers, and start them: the most capable among those that can be dialled and have been here for long.

    @return: those.
    """
    able = [one for one in members if one.peer.dialable] or list(members)
    chosen = sorted(able, key=lambda one: (one.rank * min(0.0, one.born), one.number))[:count]
    rng = random.Random(f"{world.seed} founding")
    if len(chosen) > GENESIS:
        for member in chosen:
            _elect(world, member, chosen, rng)
    for member in chosen:
        member.peer.storage.table("role").put(b"role", b"super")
        others = [one.peer.address for one in chosen if one is not member]
        population.enterServing(member, rng.sample(others, min(8, len(others))))
    for member in chosen:
        for other in chosen:
            if other is not member:
                member.peer.peer.membership.take(other.peer.peer.membership.ownSigned())
    # Who was judged before the others were known is judged again.
    for member in chosen:
        member.peer.peer.membership.rejudge()
    return chosen


def _elect(world: World, member: "Member", voters: "Sequence[Member]", rng: random.Random) -> None:
    """A mandate of which some part is over, as if this member had renewed its own seat."""
    network = world.network.id
    life = int(world.settings.mandate)
    now = int(EPOCH)
    issued = now - int(0.5 * life * rng.random())
    peerId = member.peerId
    electorate = electorateOf(network, peerId, 1, issued, peerId, [one.peerId for one in voters])
    nomination = Nomination(
        network, peerId, 1, "none", peerId, [member.peer.address], list(electorate), issued, issued + life
    )
    signed = seal(member.peer.identity, nomination)
    byId = {one.peerId: one for one in voters}
    votes: list[Signed] = []
    for elector in electorate[: majorityOf(electorate)]:
        vote = Vote(network, elector, signed.digest, peerId, 1, peerId, issued, issued + life)
        votes.append(seal(byId[elector].peer.identity, vote))
    mandate = Mandate(signed, votes)
    member.peer.storage.table("role").put(b"mandate", msgspec.msgpack.encode(mandate))
    member.peer.storage.table("seats").put(b"last", (1).to_bytes(8, "big") + b"filled")

