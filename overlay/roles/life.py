"""
The life of a peer between its two roles, as a state machine that decides nothing and measures nothing.

It is told what happened and calls L{IRole}, which does what the new state needs.
"""

from typing import Protocol

from automat import TypeMachineBuilder
from zope.interface import Interface

from overlay.wire.statements import Mandate, Signed


class IRole(Interface):
    """What the machine has done."""

    def wait() -> None:
        """No super-peer can be reached: begin to wait."""

    def endWait() -> None:
        """One can be reached again, or there is nothing left to wait for."""

    def serve(mandate: Mandate | None, heirs: Signed | None) -> None:
        """Become a super-peer."""

    def carry(mandate: Mandate | None) -> None:
        """Go on as a super-peer with another mandate, or with none."""

    def handOver(code: str) -> None:
        """Ask the leaves to go to other homes; then say C{handedOver}."""

    def step() -> None:
        """Become a leaf."""


class Life(Protocol):
    """The inputs."""

    def unreachable(self) -> None:
        """No super-peer can be reached, and this peer may serve."""

    def reached(self) -> None:
        """A super-peer can be reached, or this peer may not serve."""

    def patienceEnded(self) -> None:
        """The wait is over."""

    def mandateGiven(self, mandate: Mandate) -> None:
        """A mandate that holds."""

    def resume(self, mandate: Mandate | None) -> None:
        """This peer was a super-peer when it last stopped; what is left of its mandate."""

    def summoned(self, heirs: Signed) -> None:
        """Leaves of a dead home ask its heir to serve."""

    def mandateLapsed(self) -> None:
        """The mandate has expired."""

    def resign(self, code: str) -> None:
        """Leave the role, in an orderly way."""

    def handedOver(self) -> None:
        """The leaves have gone, or had time enough."""


_builder = TypeMachineBuilder(Life, IRole)
ordinary = _builder.state("ordinary")
waiting = _builder.state("waiting")
appointed = _builder.state("self-appointed")
mandated = _builder.state("mandated")
resigning = _builder.state("resigning")


@ordinary.upon(Life.unreachable).to(waiting)
def _beginToWait(life: Life, role: IRole) -> None:
    role.wait()


@waiting.upon(Life.reached).to(ordinary)
def _stopWaiting(life: Life, role: IRole) -> None:
    role.endWait()


@waiting.upon(Life.patienceEnded).to(appointed)
def _appointOneself(life: Life, role: IRole) -> None:
    role.endWait()
    role.serve(None, None)


@ordinary.upon(Life.mandateGiven).to(mandated)
def _takeSeat(life: Life, role: IRole, mandate: Mandate) -> None:
    role.serve(mandate, None)


@waiting.upon(Life.mandateGiven).to(mandated)
def _takeSeatAtLast(life: Life, role: IRole, mandate: Mandate) -> None:
    role.endWait()
    role.serve(mandate, None)


@appointed.upon(Life.mandateGiven).to(mandated)
def _confirmed(life: Life, role: IRole, mandate: Mandate) -> None:
    role.carry(mandate)


@mandated.upon(Life.mandateGiven).to(mandated)
def _renewed(life: Life, role: IRole, mandate: Mandate) -> None:
    role.carry(mandate)


def _resumed(life: Life, role: IRole, mandate: Mandate | None) -> None:
    role.serve(mandate, None)
    if mandate is not None:
        life.mandateGiven(mandate)


ordinary.upon(Life.resume).to(appointed)(_resumed)


@ordinary.upon(Life.summoned).to(appointed)
def _inherit(life: Life, role: IRole, heirs: Signed) -> None:
    role.serve(None, heirs)


@waiting.upon(Life.summoned).to(appointed)
def _inheritAtLast(life: Life, role: IRole, heirs: Signed) -> None:
    role.endWait()
    role.serve(None, heirs)


@mandated.upon(Life.mandateLapsed).to(appointed)
def _lapse(life: Life, role: IRole) -> None:
    role.carry(None)


@appointed.upon(Life.resign).to(resigning)
def _resignUnasked(life: Life, role: IRole, code: str) -> None:
    role.handOver(code)


@mandated.upon(Life.resign).to(resigning)
def _resignSeat(life: Life, role: IRole, code: str) -> None:
    role.handOver(code)


@resigning.upon(Life.handedOver).to(ordinary)
def _stepDown(life: Life, role: IRole) -> None:
    role.step()


_INPUTS = (
    Life.unreachable, Life.reached, Life.patienceEnded, Life.mandateGiven, Life.resume, Life.summoned,
    Life.mandateLapsed, Life.resign, Life.handedOver,
)
_HANDLED = {
    ordinary: (Life.unreachable, Life.mandateGiven, Life.resume, Life.summoned),
    waiting: (Life.reached, Life.patienceEnded, Life.mandateGiven, Life.summoned),
    appointed: (Life.mandateGiven, Life.resign),
    mandated: (Life.mandateGiven, Life.mandateLapsed, Life.resign),
    resigning: (Life.handedOver,),
}
# Whatever is not named above changes nothing: what is told may be late.
for _state, _named in _HANDLED.items():
    for _input in _INPUTS:
        if _input not in _named:
            _state.upon(_input).loop().returns(None)

LifeMachine = _builder.build()
"""Makes the L{Life} of one peer: C{LifeMachine(role)}."""


def lifeOf(role: IRole) -> Life:
    """A life that begins as a leaf."""
    return LifeMachine(role)
