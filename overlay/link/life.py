"""The life of one link as a state machine that decides nothing: who speaks first, and what ends it."""

from typing import Protocol

from automat import TypeMachineBuilder
from zope.interface import Interface

from overlay.wire.messages import Hello


class ILinkActs(Interface):
    """What the machine has done."""

    def sayHello() -> None:
        """Send our hello."""

    def check(hello: Hello) -> None:
        """Judge the other's hello; then C{accepted} or C{refused}."""

    def open() -> None:
        """The link is up: both have accepted."""

    def lost(code: str, orderly: bool) -> None:
        """The link has ended."""


class LinkLife(Protocol):
    """The inputs."""

    def dialled(self) -> None:
        """This end dialled, so it speaks first."""

    def answered(self) -> None:
        """This end listens."""

    def helloReceived(self, hello: Hello) -> None:
        """The other's hello has come."""

    def accepted(self) -> None:
        """It is good."""

    def refused(self) -> None:
        """It is not; the refusal is on its way."""

    def ended(self, code: str, orderly: bool) -> None:
        """The channel is gone, or about to be."""


_builder = TypeMachineBuilder(LinkLife, ILinkActs)
new = _builder.state("new")
saidHello = _builder.state("said hello")
listening = _builder.state("awaiting hello")
judgingDialled = _builder.state("judging the answer")
judgingListening = _builder.state("judging the caller")
up = _builder.state("open")
closing = _builder.state("refused")
over = _builder.state("ended")


@new.upon(LinkLife.dialled).to(saidHello)
def _dial(life: LinkLife, acts: ILinkActs) -> None:
    acts.sayHello()


new.upon(LinkLife.answered).to(listening).returns(None)


@saidHello.upon(LinkLife.helloReceived).to(judgingDialled)
def _judgeAnswer(life: LinkLife, acts: ILinkActs, hello: Hello) -> None:
    acts.check(hello)


@listening.upon(LinkLife.helloReceived).to(judgingListening)
def _judgeCaller(life: LinkLife, acts: ILinkActs, hello: Hello) -> None:
    acts.check(hello)


@judgingDialled.upon(LinkLife.accepted).to(up)
def _openDialled(life: LinkLife, acts: ILinkActs) -> None:
    acts.open()


@judgingListening.upon(LinkLife.accepted).to(up)
def _openListening(life: LinkLife, acts: ILinkActs) -> None:
    acts.sayHello()
    acts.open()


judgingDialled.upon(LinkLife.refused).to(closing).returns(None)
judgingListening.upon(LinkLife.refused).to(closing).returns(None)


def _finish(life: LinkLife, acts: ILinkActs, code: str, orderly: bool) -> None:
    acts.lost(code, orderly)


_INPUTS = (
    LinkLife.dialled, LinkLife.answered, LinkLife.helloReceived, LinkLife.accepted, LinkLife.refused, LinkLife.ended,
)
_HANDLED = {
    new: (LinkLife.dialled, LinkLife.answered),
    saidHello: (LinkLife.helloReceived,),
    listening: (LinkLife.helloReceived,),
    judgingDialled: (LinkLife.accepted, LinkLife.refused),
    judgingListening: (LinkLife.accepted, LinkLife.refused),
    up: (),
    closing: (),
    over: (LinkLife.ended,),
}
over.upon(LinkLife.ended).loop().returns(None)
for _state, _named in _HANDLED.items():
    if _state is not over:
        _state.upon(LinkLife.ended).to(over)(_finish)
    # Whatever is not named changes nothing here; what a second hello means is the link's to say.
    for _input in _INPUTS:
        if _input not in _named and _input is not LinkLife.ended:
            _state.upon(_input).loop().returns(None)

LinkMachine = _builder.build()
"""Makes the L{LinkLife} of one link."""


def linkLifeOf(acts: ILinkActs) -> LinkLife:
    """The life of a link whose channel has just been made."""
    return LinkMachine(acts)
