"""One home of this peer, as a state machine that decides nothing: from the dial to the last acknowledgement."""

from typing import Protocol

from automat import TypeMachineBuilder
from zope.interface import Interface


class IHomeActs(Interface):
    """What the machine has done."""

    def offer() -> None:
        """Ask to be registered."""

    def sendDifference() -> None:
        """Send what the home lacks."""

    def settle() -> None:
        """The home has everything."""

    def pause(retry: float) -> None:
        """Come back after C{retry} seconds."""

    def leave(code: str) -> None:
        """This home is none any more."""


class HomeLife(Protocol):
    """The inputs."""

    def linked(self) -> None:
        """There is a link to it."""

    def accepted(self) -> None:
        """It takes us, and has said what it holds."""

    def stored(self) -> None:
        """It holds all that was sent."""

    def changed(self) -> None:
        """We share something else now."""

    def mismatched(self) -> None:
        """It holds something else than we thought."""

    def deferred(self, retry: float) -> None:
        """It cannot take more at the moment."""

    def resumed(self) -> None:
        """It may be asked again."""

    def gone(self, code: str) -> None:
        """The link has ended, or it refuses us, or sends us away."""


_builder = TypeMachineBuilder(HomeLife, IHomeActs)
dialling = _builder.state("dialling")
offered = _builder.state("offered")
registering = _builder.state("registering")
registered = _builder.state("registered")
deferring = _builder.state("deferred")
over = _builder.state("over")


@dialling.upon(HomeLife.linked).to(offered)
def _offer(life: HomeLife, acts: IHomeActs) -> None:
    acts.offer()


@offered.upon(HomeLife.accepted).to(registering)
def _register(life: HomeLife, acts: IHomeActs) -> None:
    acts.sendDifference()


@registering.upon(HomeLife.stored).to(registered)
def _settle(life: HomeLife, acts: IHomeActs) -> None:
    acts.settle()


@registered.upon(HomeLife.changed).to(registering)
def _sendMore(life: HomeLife, acts: IHomeActs) -> None:
    acts.sendDifference()


def _offerAgain(life: HomeLife, acts: IHomeActs) -> None:
    acts.offer()


registering.upon(HomeLife.mismatched).to(offered)(_offerAgain)
registered.upon(HomeLife.mismatched).to(offered)(_offerAgain)
deferring.upon(HomeLife.resumed).to(offered)(_offerAgain)


def _pause(life: HomeLife, acts: IHomeActs, retry: float) -> None:
    acts.pause(retry)


offered.upon(HomeLife.deferred).to(deferring)(_pause)
registering.upon(HomeLife.deferred).to(deferring)(_pause)


def _leave(life: HomeLife, acts: IHomeActs, code: str) -> None:
    acts.leave(code)


_HANDLED = {
    dialling: (HomeLife.linked,),
    offered: (HomeLife.accepted, HomeLife.deferred),
    registering: (HomeLife.stored, HomeLife.mismatched, HomeLife.deferred),
    registered: (HomeLife.changed, HomeLife.mismatched),
    deferring: (HomeLife.resumed,),
    over: (),
}
_INPUTS = (
    HomeLife.linked, HomeLife.accepted, HomeLife.stored, HomeLife.changed, HomeLife.mismatched, HomeLife.deferred,
    HomeLife.resumed, HomeLife.gone,
)
for _state, _named in _HANDLED.items():
    if _state is not over:
        _state.upon(HomeLife.gone).to(over)(_leave)
    for _input in _INPUTS:
        if _input not in _named and (_state is over or _input is not HomeLife.gone):
            _state.upon(_input).loop().returns(None)

HomeMachine = _builder.build()
"""Makes the L{HomeLife} of one home."""


def homeLifeOf(acts: IHomeActs) -> HomeLife:
    """A home that is being dialled."""
    return HomeMachine(acts)
