"""
A peer's part in elections: asks the policy about once a second, and acts on what it says.

L{overlay.roles.life} is the life between the two roles, L{overlay.roles.reign} what is done while it serves, L{overlay.roles.caller}
calls seats, L{overlay.roles.elector} votes, L{overlay.roles.heirs} provides for the death of a home; this module joins them to the
rooms of the peer.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from twisted.internet.interfaces import IDelayedCall

from overlay.commons import Commons, Component, Receivers
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId, shortText
from overlay.questions import Deed, Load, Standing
from overlay.roles.caller import Caller, votersFirst
from overlay.roles.elector import Elector
from overlay.roles.explanation import explainRole
from overlay.roles.heirs import HeirKeeper, Summoner
from overlay.roles.mandate import GENESIS, checkMandate
from overlay.roles.observations import Observations
from overlay.roles.reachability import Reachability
from overlay.roles.reign import Reign
from overlay.roles.role import Role
from overlay.roles.verifier import GRACE, Verifier
from overlay.wire.messages import (
    MandateAnswer,
    MandateGiven,
    Qualified,
    SeatCalled,
    Summons,
    SummonsAnswer,
    Transferred,
    TransferWanted,
    VoteAnswer,
    VoteWanted,
)
from overlay.wire.statements import Mandate, Signed

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.bootstrap import Bootstrap
    from overlay.membership.membership import Membership
    from overlay.membership.neighbours import Neighbours
    from overlay.roles.homes import Homes
    from overlay.roles.hosting import Hosting

TICK = 1.0
CALM = 15.0
"""Seconds between two looks, of a peer that serves or has no home, and of a leaf whose homes are well: the loss of the last is told."""
WELL_LOOKS = 4
"""Looks of such a leaf after which the policy is asked again whether to serve."""
REJUDGE = 10.0
"""Seconds between two looks at those who are not recognised, and C{REJUDGE_ALL} at all whom this peer knows."""
REJUDGE_ALL = 60.0
LEAF_REJUDGE = 300.0
"""Of a leaf, to which only expired mandates matter."""
_TABLE = "role"
_MANDATE = b"mandate"


class Election(Component):
    """
    @cvar makeElector: its elector; a subclass may have another.
    @ivar verifier: whose mandates hold.
    @ivar elector: votes for others' seats.
    @ivar caller: seats that this peer calls.
    @ivar reign: what this peer does as a super-peer.
    """

    __slots__ = (
        "_caller", "_elector", "_neighbours", "_petitioned", "_reign", "_rejudged", "_rejudgedAll", "_seatsChanged", "_timer",
        "_wellFor", "bootstrap", "homes", "hosting", "membership", "observations", "reachability", "role", "summoner",
        "verifier",
    )

    makeElector: type[Elector] = Elector

    def __init__(
        self,
        commons: Commons,
        membership: "Membership",
        neighbours: "Neighbours",
        homes: "Homes",
        hosting: "Hosting",
        bootstrap: "Bootstrap",
    ) -> None:
        super().__init__(commons)
        self.membership = membership
        self.homes = homes
        self.hosting = hosting
        self.bootstrap = bootstrap
        self._neighbours = neighbours
        self.observations = Observations(commons, membership)
        self.reachability = Reachability(commons, membership, self)
        self.verifier = Verifier(commons, membership)
        # Most peers never vote, nor call a seat, nor serve.
        self._elector: Elector | None = None
        self._caller: Caller | None = None
        self._reign: Reign | None = None
        self.summoner = Summoner(commons, membership, homes, self.observations, self._inherit)
        self.role = Role(commons, membership, neighbours, homes, hosting, self.verifier, self)
        self._seatsChanged = commons.seconds()
        self._rejudged = self._rejudgedAll = commons.seconds()
        self._timer: IDelayedCall | None = None
        self._petitioned = float("-inf")
        self._wellFor = WELL_LOOKS - 1
        membership.mandates = self.verifier

    @classmethod
    def handlers(cls) -> Receivers:
        return {
            SeatCalled: cls._seatCalled,
            Qualified: cls._qualified,
            VoteWanted: lambda part, link, message: part.elector.voteWanted(link, message),
            VoteAnswer: lambda part, link, message: part.caller.voteAnswered(link, message),
            MandateGiven: cls._mandateGiven,
            MandateAnswer: lambda part, link, message: part.caller.mandateAnswered(link, message),
            Summons: lambda part, link, message: part.summoner.summoned(link, message),
            SummonsAnswer: lambda part, link, message: part.summoner.answered(link, message),
            TransferWanted: lambda part, link, message: part.observations.transferWanted(link, message),
            Transferred: lambda part, link, message: part.observations.transferCame(link, message),
        }

    def start(self) -> None:
        self._resume()
        self._timer = self.commons.clock.callLater(0.0, self._tick)

    def stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._caller is not None:
            self._caller.stop()
        self.role.stop()

    def needs(self, link: "Link") -> bool:
        peer = link.peerId
        calls, votes, reign = self._caller, self._elector, self._reign
        return (
            (reign is not None and peer in reign.petitions) or (calls is not None and calls.needs(peer))
            or (votes is not None and votes.needs(peer))
        )

    def linkLost(self, link: "Link", code: str, orderly: bool) -> None:
        if self._reign is not None:
            self._reign.petitions.pop(link.peerId, None)
        self._lookSoon()

    def advertChanged(self, link: "Link") -> None:
        self._lookSoon()

    def _lookSoon(self) -> None:
        """The last home may be gone, with its link or without."""
        timer = self._timer
        if timer is not None and timer.active() and not self.homes.links() and timer.getTime() > self.commons.seconds() + TICK:
            timer.reset(TICK)

    # --- the role ----------------------------------------------------------------------------------------------------

    @property
    def elector(self) -> Elector:
        if self._elector is None:
            self._elector = self.makeElector(self.commons, self.membership, self.observations, self.verifier.voters)
        return self._elector

    @property
    def caller(self) -> Caller:
        if self._caller is None:
            self._caller = Caller(
                self.commons, self.membership, self.observations, self._electors, self.hosting.leaves, self._seatClosed, self._crowned
            )
        return self._caller

    @property
    def reign(self) -> Reign:
        if self._reign is None:
            self._reign = Reign(self, self._neighbours)
        return self._reign

    @property
    def heirKeeper(self) -> HeirKeeper:
        """Names this peer's heirs while it serves."""
        return self.reign.heirKeeper

    @property
    def state(self) -> str:
        return self.role.state

    @property
    def mandate(self) -> Mandate | None:
        return self.verifier.own

    def standing(self) -> Standing:
        """This peer's circumstances, as the policy is told of them."""
        membership = self.membership
        return Standing(
            peerId=self.commons.peerId,
            dialable=self.reachability.dialable,
            uptime=membership.uptime(),
            capacity=membership.capacity(membership.uptime()),
            liveSuperPeers=len(membership.superPeerView()),
            reversals=self.role.reversals,
            servedBefore=self.role.servedBefore,
            alone=self.bootstrap.alone,
            headRoom=self.reign.headRoom if membership.serving else self.commons.surroundings.headRoom(),
            serving=membership.serving,
        )

    @property
    def nextLook(self) -> float:
        """Seconds until this peer asks its policy again whether it may serve."""
        if self._timer is None or not self._timer.active():
            return 0.0
        calm = self.bootstrap.since is None and self.state == "leaf"
        later = CALM * ((-self._wellFor - 1) % WELL_LOOKS) if calm else 0.0
        return max(0.0, self._timer.getTime() - self.commons.seconds()) + later

    def observers(self) -> "Sequence[Link]":
        """Super-peers that may be asked whether they can dial this peer."""
        return self._neighbours.linked() if self.membership.serving else self.homes.links()

    def _electors(self) -> dict[bytes, int]:
        return votersFirst(self.verifier.voters(), self.verifier.serving())

    def load(self, standing: Standing | None = None) -> Load:
        """What this peer carries, as the policy is told of it."""
        return Load(
            peerId=self.commons.peerId,
            registrations=self.hosting.count,
            serving=self.role.servingFor,
            others=tuple([known.advert.load for known in self.membership.superPeerView()]),
            sinceChange=self.commons.seconds() - self._seatsChanged,
            mandated=self.verifier.own is not None,
            standing=standing,
            vain=self.reign.vain,
        )

    def mayServe(self) -> bool:
        """Whether the policy, the settings and earlier failures let this peer serve."""
        if self.commons.settings.role == "leaf" or self.role.barredFor > 0:
            return False
        return bool(self.commons.policies.election.mayServe(self.standing()))

    def _resume(self) -> None:
        """A peer that was a super-peer when it last stopped goes on: it holds what its leaves registered."""
        if not self.role.servedBefore or not self.mayServe():
            return
        mandate: Mandate | None = None
        stored = self.commons.softTable(_TABLE).get(_MANDATE)
        if stored:
            try:
                kept = msgspec.msgpack.decode(stored, type=Mandate)
                checkMandate(
                    self.commons.scheme, self.commons.network.id, kept, self.commons.peerId, self.commons.now()
                )
                mandate = kept
            except (SuperpeerError, msgspec.DecodeError):
                mandate = None
        self.role.life.resume(mandate)

    def _keepMandate(self, mandate: Mandate) -> None:
        self.commons.softTable(_TABLE).put(_MANDATE, msgspec.msgpack.encode(mandate))

    def _inherit(self, heirs: Signed) -> bool:
        if not self.mayServe():
            return False
        self.role.life.summoned(heirs)
        self.commons.tally.count("elections", "inherited")
        return self.membership.serving

    # --- about once a second -----------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.reachability.look()
        seconds = self.commons.seconds()
        serving = self.membership.serving
        if seconds - self._rejudgedAll >= (REJUDGE_ALL if serving else LEAF_REJUDGE):
            self._rejudgedAll = self._rejudged = seconds
            self.membership.rejudge()
        elif seconds - self._rejudged >= REJUDGE and serving:
            self._rejudged = seconds
            self.membership.rejudge(whole=False)
        if self.membership.serving:
            self._serve()
        else:
            self._seek()
        calm = not self.membership.serving and bool(self.homes.links())
        self._timer = self.commons.clock.callLater(CALM if calm else TICK, self._tick)

    def _seek(self) -> None:
        """Not a super-peer: see whether one can be reached, and whether to serve if not."""
        life = self.role.life
        if self.bootstrap.since is None and self.state == "leaf":
            # All is well, and so it was a moment ago: the policy is asked now and then all the same.
            self.homes.introduce()
            self._wellFor += 1
            if self._wellFor % WELL_LOOKS:
                return
        if not self.mayServe():
            life.reached()
            if self.bootstrap.since is not None:
                self.summoner.tick()
            return
        patience = self.commons.policies.election.patience(self.standing())
        if patience.score <= 0:
            life.unreachable()
            life.patienceEnded()
            return
        if self.bootstrap.since is None:
            life.reached()
            self._petition()
            return
        life.unreachable()
        if self.bootstrap.without >= patience.score:
            life.patienceEnded()
        else:
            self.summoner.tick()

    def _petition(self) -> None:
        """C{--role super}: ask a home now and then to call a seat for this peer."""
        seconds = self.commons.seconds()
        home = self.homes.preferred()
        if self.commons.settings.role == "super" and home is not None and seconds - self._petitioned >= GRACE:
            self._petitioned = seconds
            home.send(self._qualification(0))

    def _serve(self) -> None:
        self.reign.tick()

    # --- messages ----------------------------------------------------------------------------------------------------

    def _qualification(self, counter: int) -> Qualified:
        membership = self.membership
        willing = not membership.serving and self.mayServe()
        return Qualified(counter, willing, membership.ownAddresses(), membership.capacity(membership.uptime()))

    def _seatCalled(self, link: "Link", message: SeatCalled) -> None:
        link.send(self._qualification(message.counter))

    def _qualified(self, link: "Link", message: Qualified) -> None:
        if message.counter != 0:
            self.caller.qualified(link, message)
        elif message.willing and self.membership.serving:
            self.reign.petitioned(link.peerId, message)

    def _mandateGiven(self, link: "Link", message: MandateGiven) -> None:
        """A seat is offered to this peer."""
        commons = self.commons
        mandate = message.mandate
        try:
            appointed = not mandate.votes and len(self.verifier.voters()) < GENESIS
            nomination = self.role.nominationFor(mandate, link.peerId)
            if not appointed:
                checkMandate(commons.scheme, commons.network.id, mandate, commons.peerId, commons.now())
        except SuperpeerError as problem:
            commons.log.warn("{peer} gave a mandate that does not hold: {problem}", peer=shortText(link.peerId), problem=problem)
            commons.report(link.peerId, Deed.BAD_MANDATE)
            return
        if self.membership.serving or not self.mayServe():
            link.send(MandateAnswer(nomination.counter, False, "unwilling"))
            return
        if appointed:
            self.role.life.unreachable()
            self.role.life.patienceEnded()
        else:
            self._keepMandate(mandate)
            self.role.life.mandateGiven(mandate)
        self._seatsChanged = commons.seconds()
        link.send(MandateAnswer(nomination.counter, self.membership.serving))

    def _crowned(self, purpose: str, mandate: Mandate) -> None:
        if mandate.votes:
            self._keepMandate(mandate)
            self.role.life.mandateGiven(mandate)

    def _seatClosed(self, purpose: str, candidate: bytes, outcome: str) -> None:
        if purpose != "renewal":
            self._seatsChanged = self.commons.seconds()
        self.reign.seatClosed(purpose, PeerId(candidate), outcome)

    # --- for people --------------------------------------------------------------------------------------------------

    def explain(self) -> dict[str, Any]:
        """Why this peer is or is not a super-peer: each question to the policy, with values and thresholds."""
        return explainRole(self)
