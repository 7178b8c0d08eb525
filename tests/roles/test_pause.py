"""Who is not heard of for a while keeps its place: nothing is registered anew, nobody is elected, nothing is lost."""

import pytest

from overlay.identity.ids import PeerId
from overlay.wire.message import Message
from overlay.wire.messages import SeatCalled
from overlay.wire.registration import Register, RegisterOffer
from tests.roles.test_election import network


@pytest.mark.parametrize(
    ("role", "seconds", "after"), [("home", 10.0, 0.0), ("home", 10.0, 4.0), ("home", 10.0, 8.0), ("home", 10.0, 12.0), ("leaf", 5.0, 0.0)]
)
def test_nothingComesOfAPause(role: str, seconds: float, after: float) -> None:
    """
    A super-peer, or a leaf, from which nothing comes for a while is found afterwards as before, and has the same links. What was sent
    meanwhile comes late, as TCP has it: after up to as long again. Leaves give signs every 15 s; whatever was due in the pause comes late
    as well.
    """
    world = network()
    world.run(after)
    paused = world.superPeers()[1] if role == "home" else world.leaves()[0]
    others = [one for one in world.peers.values() if one is not paused]
    said: list[Message] = []

    def hear(sender: PeerId, receiver: PeerId, message: Message) -> None:
        if isinstance(message, Register | RegisterOffer | SeatCalled):
            said.append(message)

    world.net.watcher = hear
    links = {one.name: {link.peerId: link for link in one.peer.links} for one in world.peers.values()}
    serving = world.superPeers()
    world.net.partition([one.peerId for one in others], [paused.peerId])
    world.run(seconds)
    world.net.heal()
    world.run(10.0)
    assert said == [] and world.superPeers() == serving and world.registered()
    for name, before in links.items():
        now = {link.peerId: link for link in world.peers[name].peer.links}
        # Links that nobody needs end as ever.
        assert all(now[peer] is before[peer] for peer in now.keys() & before.keys())
        assert paused.peerId not in before or paused.peerId in now
    assert not any(link.silent for one in world.peers.values() for link in one.peer.links)
    outcome = others[0].search("dawn", want=100)
    assert outcome.status == "complete" and len(outcome.hits) == len(world.peers)
