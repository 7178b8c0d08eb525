"""Peers that break the rules by which super-peers come to be."""

from typing import TYPE_CHECKING

from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.membership.membership import Membership
from overlay.peer import Peer
from overlay.roles.election import Election
from overlay.roles.elector import Elector
from overlay.wire.messages import MandateGiven, VoteAnswer, VoteWanted
from overlay.wire.statements import Capacity, Nomination, Vote, seal, unseal

if TYPE_CHECKING:
    from overlay.link.link import Link

BOAST = Capacity(2**50, 2**50, 2**50, 2**40)
"""What a boaster says of itself."""


class UsurpingElection(Election):
    """Serves without a mandate as soon as it has a home, though nobody asked it to; and goes on for ever."""

    def _seek(self) -> None:
        if not self.homes.links():
            super()._seek()
            return
        self.role.life.unreachable()
        self.role.life.patienceEnded()

    def _serve(self) -> None:
        """It neither asks to be elected nor resigns."""


class Usurper(Peer):
    """Shows the role of a super-peer, and was never elected."""

    makeElection = UsurpingElection


class BoastingMembership(Membership):
    """Claims a machine and an uptime that nobody has."""

    def __init__(self, commons: Commons) -> None:
        super().__init__(commons)
        self.capacity = lambda uptime: BOAST


class Boaster(Peer):
    """Claims what would make it the best of all candidates."""

    makeMembership = BoastingMembership


class DesertingElection(Election):
    """Takes a seat that it is given, then breaks all links and steps down, without a word to anybody."""

    def _mandateGiven(self, link: "Link", message: MandateGiven) -> None:
        before = self.membership.serving
        super()._mandateGiven(link, message)
        if self.membership.serving and not before:
            self.commons.clock.callLater(1.0, self._desert)

    def _desert(self) -> None:
        for link in self.commons.links:
            link.abort("lost")
        self.role.life.resign("desertion")


class Deserter(Peer):
    """Wins elections and does not serve."""

    makeElection = DesertingElection


class SellingElector(Elector):
    """Votes for everybody, without a look: whoever calls, and whoever is the candidate."""

    def voteWanted(self, link: "Link", message: VoteWanted) -> None:
        commons = self._commons
        try:
            seat = unseal(commons.scheme, message.nomination, Nomination, commons.network.id)
        except SuperpeerError:
            return
        digest = message.nomination.digest
        vote = Vote(
            commons.network.id, commons.peerId, digest, seat.caller, seat.counter, seat.candidate, int(commons.now()), seat.expires
        )
        link.send(VoteAnswer(digest, seal(commons.identity, vote)))


class AbstainingElector(Elector):
    """Never answers a call to vote."""

    def voteWanted(self, link: "Link", message: VoteWanted) -> None:
        """Nothing."""


class SellingElection(Election):
    """Has an elector whose vote can be had by anybody."""

    makeElector = SellingElector


class AbstainingElection(Election):
    """Has an elector who does not vote."""

    makeElector = AbstainingElector


class VoteSeller(Peer):
    """Votes for whoever is proposed."""

    makeElection = SellingElection


class Abstainer(Peer):
    """Serves, and never votes."""

    makeElection = AbstainingElection
