"""What a super-peer does about once a second: it has itself elected, names heirs, calls for others, moves leaves, and resigns."""

from typing import TYPE_CHECKING

import attrs

from overlay.identity.ids import PeerId
from overlay.questions import HeadRoom, Load
from overlay.roles.balance import Balance
from overlay.roles.heirs import SUMMON_EVERY, HeirKeeper
from overlay.roles.mandate import GENESIS
from overlay.roles.verifier import GRACE
from overlay.roles.wait import Backoff
from overlay.wire.messages import Qualified

if TYPE_CHECKING:
    from overlay.membership.neighbours import Neighbours
    from overlay.roles.election import Election

PETITIONS_MOST = 16
UNFIT = 30.0
"""Seconds for which it has to be unfit before it resigns."""
ROOM_EVERY = 10.0
"""Seconds between two looks at what the machine has left."""


class Reign:
    """
    Most peers never serve: it is made when one first does, and goes on when that one serves again.

    @ivar heirKeeper: names heirs.
    @ivar balance: moves leaves to others.
    @ivar petitions: of leaves that want a seat, by peer id.
    @ivar vain: seats in succession, called for growth, for which there was nobody who would do.
    """

    __slots__ = (
        "_growth", "_meeting", "_of", "_renewal", "_resignAt", "_room", "_roomAt", "_unelectedSince", "balance", "heirKeeper",
        "petitions", "vain",
    )

    def __init__(self, of: "Election", neighbours: "Neighbours") -> None:
        self._of = of
        self.heirKeeper = HeirKeeper(of.commons, of.membership, of.hosting, of.observations, neighbours)
        self.balance = Balance(of.commons, of.membership, of.hosting)
        self.petitions: dict[bytes, Qualified] = {}
        self.vain = 0
        self._growth = Backoff(5.0, 300.0)
        self._renewal = Backoff(2.0, 300.0)
        self._meeting = Backoff(SUMMON_EVERY, 600.0)
        self._resignAt: float | None = None
        self._unelectedSince: float | None = None
        self._room, self._roomAt = HeadRoom(), float("-inf")

    def begin(self) -> None:
        """This peer serves now."""
        of = self._of
        self.vain = 0
        of.homes.heard = self.heirKeeper.heard
        of.hosting.load = lambda: of.load(of.standing())
        of.hosting.measured = of.observations.transferred

    def end(self) -> None:
        """It serves no longer."""
        self.heirKeeper.end()

    def tick(self) -> None:
        """See what there is to be done."""
        of = self._of
        if of.role.resigning:
            return
        of.role.checkExpiry()
        load = of.load()
        seconds = of.commons.seconds()
        if of.verifier.own is None and self._meeting.mayTry(seconds, len(load.others)):
            # Not elected, so perhaps one of several that each took a dead home's place.
            self._meeting.tried(seconds, False)
            of.summoner.meet()
        self._seekMandate()
        self.heirKeeper.tick()
        if of.caller.busy:
            return
        election = of.commons.policies.election
        if self.petitions:
            peer, petition = self.petitions.popitem()
            of.caller.callFor(PeerId(peer), list(petition.addresses), petition.capacity, "petition")
        elif self._growth.mayTry(seconds, of.hosting.count) and election.shouldCall(load):
            of.caller.call()
        else:
            self._considerResigning(load)

    def _considerResigning(self, load: Load) -> None:
        of, seconds = self._of, self._of.commons.seconds()
        election = of.commons.policies.election
        standing = of.standing()
        if not election.shouldResign(attrs.evolve(load, standing=standing)):
            self._resignAt = None
            self.balance.tick(load)
            return
        unfit = not election.mayServe(standing)
        if self._resignAt is None:
            # Several find at once that there are too many; who waits longest stays.
            wait = UNFIT if unfit else of.commons.random.uniform(0, 6 * of.commons.settings.gossip)
            self._resignAt = seconds + wait
        elif seconds >= self._resignAt:
            self._resignAt = None
            of.role.life.resign("unfit" if unfit else "surplus")

    @property
    def headRoom(self) -> HeadRoom:
        """What the machine had left at the last look."""
        seconds = self._of.commons.seconds()
        if seconds - self._roomAt >= ROOM_EVERY:
            self._room, self._roomAt = self._of.commons.surroundings.headRoom(), seconds
        return self._room

    @property
    def nextRoom(self) -> float:
        """Seconds to the next look at that."""
        return max(0.0, self._roomAt + ROOM_EVERY - self._of.commons.seconds())

    def _seekMandate(self) -> None:
        """Be elected where there is somebody to vote; a mandate is renewed after half of its life."""
        of = self._of
        seconds = of.commons.seconds()
        membership, verifier = of.membership, of.verifier
        others = len(membership.superPeerView())
        wanted = others >= GENESIS - 1 and (verifier.own is None or of.role.mandateLeft < 0.5)
        unelected = verifier.own is None and verifier.settled(GRACE) >= GENESIS
        if not unelected:
            self._unelectedSince = None
        elif self._unelectedSince is None:
            self._unelectedSince = seconds
        elif seconds - self._unelectedSince > GRACE:
            self._unelectedSince = None
            of.role.reversed()
            of.role.life.resign("not-elected")
            return
        if wanted and not of.caller.busy and self._renewal.mayTry(seconds, others):
            of.caller.callFor(
                of.commons.peerId, membership.ownAddresses(), membership.capacity(membership.uptime()), "renewal"
            )

    def petitioned(self, peer: PeerId, petition: Qualified) -> None:
        """A leaf asks for a seat."""
        if len(self.petitions) < PETITIONS_MOST:
            self.petitions[peer] = petition

    def seatClosed(self, purpose: str, candidate: PeerId, outcome: str) -> None:
        """A seat that this peer called has ended."""
        backoff = self._renewal if purpose == "renewal" else self._growth
        backoff.tried(self._of.commons.seconds(), outcome == "filled")
        if purpose == "growth" and outcome == "none":
            self.vain += 1
        elif outcome == "filled" and purpose != "renewal":
            self.vain = 0
        if purpose != "renewal" and outcome == "filled":
            self.balance.filled(candidate, self._of.load())
