"""Every state machine takes every input in every state, and does what its table says."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.link.life import LinkLife, linkLifeOf
from overlay.roles.home import HomeLife, homeLifeOf
from overlay.roles.life import Life, lifeOf
from overlay.roles.seat import Seat, seatOf


class Acts:
    """Notes every act that it is told to do."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.done.append(name)


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "mandateGiven": ("mandate",), "resume": (None,), "summoned": ("heirs",), "resign": ("why",), "gone": ("lost",),
    "deferred": (5.0,), "helloReceived": ("hello",), "ended": ("lost", False),
}
MACHINES: dict[str, tuple[Callable[[Any], Any], type]] = {
    "life": (lifeOf, Life), "seat": (seatOf, Seat), "home": (homeLifeOf, HomeLife), "link": (linkLifeOf, LinkLife),
}


def inputsOf(protocol: type) -> list[str]:
    return sorted(name for name in vars(protocol) if not name.startswith("_"))


def say(machine: Any, name: str) -> None:
    getattr(machine, name)(*ARGUMENTS.get(name, ()))


@given(name=st.sampled_from(sorted(MACHINES)), data=st.data())
def test_anyInputInAnyState(name: str, data: st.DataObject) -> None:
    """No sequence of inputs is an error, however late or odd."""
    make, protocol = MACHINES[name]
    acts = Acts()
    machine = make(acts)
    for one in data.draw(st.lists(st.sampled_from(inputsOf(protocol)), max_size=60)):
        say(machine, one)
    if name == "life":
        serving = 0
        for act in acts.done:
            serving += {"serve": 1, "step": -1}.get(act, 0)
            assert serving in (0, 1), acts.done
        assert acts.done.count("wait") - acts.done.count("endWait") in (0, 1)
    if name == "seat":
        assert acts.done.count("askLeaves") <= acts.done.count("close") + 1
    if name == "link":
        assert acts.done.count("open") <= 1 and acts.done.count("lost") <= 1
    if name == "home":
        assert acts.done.count("leave") <= 1


@pytest.mark.parametrize(
    ("name", "inputs", "acts"),
    [
        ("life", ["unreachable", "patienceEnded", "mandateGiven", "mandateLapsed", "resign", "handedOver"],
         ["wait", "endWait", "serve", "carry", "carry", "handOver", "step"]),
        ("life", ["unreachable", "reached", "summoned", "mandateGiven", "mandateGiven"],
         ["wait", "endWait", "serve", "carry", "carry"]),
        ("life", ["resume", "unreachable", "patienceEnded", "resign", "mandateGiven", "handedOver", "handedOver"],
         ["serve", "handOver", "step"]),
        ("seat", ["call", "answersIn", "candidateChosen", "electorsReached", "won", "taken"],
         ["askLeaves", "chooseCandidate", "reachElectors", "nominate", "giveMandate", "close"]),
        ("seat", ["callFor", "call", "noCandidate", "call", "won"], ["chooseCandidate", "close", "askLeaves"]),
        ("home", ["linked", "accepted", "stored", "changed", "mismatched", "accepted", "deferred", "resumed", "gone", "linked"],
         ["offer", "sendDifference", "settle", "sendDifference", "offer", "sendDifference", "pause", "offer", "leave"]),
        ("link", ["dialled", "helloReceived", "accepted", "helloReceived", "ended", "ended"], ["sayHello", "check", "open", "lost"]),
        ("link", ["answered", "helloReceived", "accepted"], ["check", "sayHello", "open"]),
        ("link", ["answered", "helloReceived", "refused", "accepted", "ended"], ["check", "lost"]),
    ],
)
def test_theUsualWays(name: str, inputs: list[str], acts: list[str]) -> None:
    """The paths that the protocol is made for."""
    recorded = Acts()
    machine = MACHINES[name][0](recorded)
    for one in inputs:
        say(machine, one)
    assert recorded.done == acts
