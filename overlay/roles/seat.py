"""
One seat after another, from the caller's side, as a state machine: ask who would serve, dial the best back, reach the electors, collect
their votes, hand the mandate over.

The machine decides nothing; L{overlay.roles.caller} acts.
"""

from typing import Protocol

from automat import TypeMachineBuilder
from zope.interface import Interface


class ICalling(Interface):
    """What the machine has done."""

    def askLeaves() -> None:
        """Ask the leaves who would serve; C{answersIn} after a while."""

    def chooseCandidate() -> None:
        """Dial the best back; then C{candidateChosen} or C{noCandidate}."""

    def reachElectors() -> None:
        """See to it that every elector is linked; then C{electorsReached}."""

    def nominate() -> None:
        """Sign the nomination and ask for votes; then C{won} or C{lost}."""

    def giveMandate() -> None:
        """Hand the mandate to the winner; then C{taken} or C{declined}."""

    def close(outcome: str) -> None:
        """The seat has ended: C{filled}, C{abandoned} (after a nomination) or C{none} (before it)."""


class Seat(Protocol):
    """The inputs."""

    def call(self) -> None:
        """Call a seat for the best of the leaves."""

    def callFor(self) -> None:
        """Call a seat for a candidate that is known already: a renewal, or one who asked for it."""

    def answersIn(self) -> None:
        """All leaves have answered, or had time enough."""

    def candidateChosen(self) -> None:
        """A candidate was dialled back and is fit."""

    def noCandidate(self) -> None:
        """Nobody is both willing and fit."""

    def electorsReached(self) -> None:
        """Every living elector is linked."""

    def won(self) -> None:
        """A majority has voted for the candidate."""

    def lost(self) -> None:
        """A majority cannot be had any more, or time is over."""

    def taken(self) -> None:
        """The winner serves."""

    def declined(self) -> None:
        """The winner does not, or did not answer in time."""


_builder = TypeMachineBuilder(Seat, ICalling)
idle = _builder.state("idle")
asking = _builder.state("asking")
choosing = _builder.state("choosing")
reaching = _builder.state("reaching")
voting = _builder.state("voting")
offering = _builder.state("offering")


@idle.upon(Seat.call).to(asking)
def _ask(seat: Seat, calling: ICalling) -> None:
    calling.askLeaves()


@idle.upon(Seat.callFor).to(choosing)
def _chooseKnown(seat: Seat, calling: ICalling) -> None:
    calling.chooseCandidate()


@asking.upon(Seat.answersIn).to(choosing)
def _choose(seat: Seat, calling: ICalling) -> None:
    calling.chooseCandidate()


@choosing.upon(Seat.candidateChosen).to(reaching)
def _reach(seat: Seat, calling: ICalling) -> None:
    calling.reachElectors()


@choosing.upon(Seat.noCandidate).to(idle)
def _giveUp(seat: Seat, calling: ICalling) -> None:
    calling.close("none")


@reaching.upon(Seat.electorsReached).to(voting)
def _nominate(seat: Seat, calling: ICalling) -> None:
    calling.nominate()


@voting.upon(Seat.won).to(offering)
def _offer(seat: Seat, calling: ICalling) -> None:
    calling.giveMandate()


@voting.upon(Seat.lost).to(idle)
def _abandon(seat: Seat, calling: ICalling) -> None:
    calling.close("abandoned")


@offering.upon(Seat.taken).to(idle)
def _filled(seat: Seat, calling: ICalling) -> None:
    calling.close("filled")


@offering.upon(Seat.declined).to(idle)
def _turnedDown(seat: Seat, calling: ICalling) -> None:
    calling.close("abandoned")


_HANDLED = {
    idle: (Seat.call, Seat.callFor),
    asking: (Seat.answersIn,),
    choosing: (Seat.candidateChosen, Seat.noCandidate),
    reaching: (Seat.electorsReached,),
    voting: (Seat.won, Seat.lost),
    offering: (Seat.taken, Seat.declined),
}
_INPUTS = tuple(one for named in _HANDLED.values() for one in named)
# Whatever is not named above changes nothing: answers may be late.
for _state, _named in _HANDLED.items():
    for _input in _INPUTS:
        if _input not in _named:
            _state.upon(_input).loop().returns(None)

SeatMachine = _builder.build()
"""Makes the L{Seat} of one caller."""


def seatOf(calling: ICalling) -> Seat:
    """A caller that has called nothing yet."""
    return SeatMachine(calling)
