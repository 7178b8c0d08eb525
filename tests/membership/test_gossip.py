"""What peers tell one another of super-peers: no more than helps, and nothing of a leaf is believed."""

import pytest

from overlay.identity.ids import PeerId
from overlay.lab.world import LabPeer, World
from overlay.membership.gossip import FEW, FEW_LINKS, GREETED, SAMPLE
from overlay.wire import limits
from overlay.wire.message import Message
from overlay.wire.messages import AdvertIds, Adverts, AdvertsWanted
from tests.roles.test_election import network


class Heard:
    """Messages that one peer was sent by another."""

    def __init__(self, world: World, sender: LabPeer, receiver: LabPeer) -> None:
        self.messages: list[Message] = []
        self._ends = sender.peerId, receiver.peerId
        world.net.watcher = self._hear

    def _hear(self, sender: PeerId, receiver: PeerId, message: Message) -> None:
        if (sender, receiver) == self._ends:
            self.messages.append(message)

    def owners(self) -> list[PeerId]:
        """Of all adverts, in order."""
        return [one.signer for message in self.messages if isinstance(message, Adverts) for one in message.adverts]


def pair(world: World) -> tuple[LabPeer, LabPeer]:
    """A leaf, and one of its homes."""
    leaf = world.leaves()[0]
    home = next(one for one in world.superPeers() if one.peerId in {link.peerId for link in leaf.peer.homes.links()})
    return leaf, home


def test_onlyWhatIsNotKnown() -> None:
    """Who asks for more super-peers names those that it knows, and is shown none of them; who knows all is sent nothing."""
    world = network()
    leaf, home = pair(world)
    link = leaf.peer.links.get(home.peerId)
    assert link is not None
    gossip, membership = leaf.peer.membership.gossip, leaf.peer.membership
    heard = Heard(world, home, leaf)
    gossip.askFor(link)
    world.run(1)
    assert heard.owners() == []
    gone = next(one.peerId for one in membership.superPeers() if one.peerId != home.peerId and one.peerId not in leaf.peer.links)
    membership._forget(gone)
    gossip.askFor(link)
    world.run(1)
    assert heard.owners() == [gone] and membership.get(gone) is not None
    # An older version does not say what it has.
    heard.messages.clear()
    link.send(AdvertsWanted(sample=SAMPLE))
    world.run(1)
    assert len(heard.owners()) >= 3


def test_whatALeafKnows() -> None:
    """Of the super-peers that a leaf names a home asks for those that it does not know."""
    world = network()
    leaf, home = pair(world)
    link = leaf.peer.links.get(home.peerId)
    assert link is not None
    membership = home.peer.membership
    gone = next(one.peerId for one in leaf.peer.membership.superPeers() if one.peerId != home.peerId)
    membership._forget(gone)
    asked = Heard(world, home, leaf)
    leaf.peer.membership.gossip.introduce(link)
    assert world.until(lambda: membership.get(gone) is not None, 2)
    assert AdvertsWanted([gone]) in asked.messages


def test_whatALeafBelievesAlive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is dialled because a leaf thinks that it lives; because a super-peer does, it is."""
    world = network()
    leaf, home = pair(world)
    other = next(one for one in world.superPeers() if one is not home)
    dead = next(one for one in world.superPeers() if one not in (home, other))
    doubted: list[bytes] = []
    gossip = home.peer.membership.gossip
    monkeypatch.setattr(type(gossip), "doubt", lambda of, peer: doubted.append(peer))
    known = home.peer.membership.get(dead.peerId)
    assert known is not None
    known.alive = False
    said = AdvertIds([(dead.peerId, known.advert.sequence)])
    for sender, expected in ((leaf, []), (other, [dead.peerId])):
        link = home.peer.links.get(sender.peerId)
        assert link is not None
        gossip.idsReceived(link, said)
        assert doubted == expected


def test_anObituaryIsNoOffer() -> None:
    """Who tells of a death is not shown all whom it has not named; who says what it knows is shown what it lacks."""
    world = network()
    one, other, *_ = world.superPeers()
    link = one.peer.links.get(other.peerId)
    assert link is not None
    heard = Heard(world, other, one)
    link.send(AdvertIds([], [b"gone" * 5]))
    world.run(0.5)
    assert heard.owners() == []
    own = one.peer.membership.ownAdvert()
    link.send(AdvertIds([(own.owner, own.sequence)]))
    world.run(0.5)
    assert {known.peerId for known in other.peer.membership.superPeers()} - {one.peerId} <= set(heard.owners())


def test_aNewcomerIsShownFew() -> None:
    """A leaf that comes is shown some super-peers to choose among, and not all."""
    world = network(peers=24, wanted=3)
    assert len(world.superPeers()) > GREETED + 1
    home = world.superPeers()[0]
    newcomer = world.add("late", [home], dialable=False, start=False)
    heard = Heard(world, home, newcomer)
    newcomer.start()
    assert world.until(lambda: bool(heard.owners()), 5)
    first = next(one for one in heard.messages if isinstance(one, Adverts))
    assert len(first.adverts) == GREETED


@pytest.mark.parametrize(("links", "told"), [(FEW_LINKS, True), (0, False)])
def test_aCrowdIsNotToldOfEach(links: int, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are few super-peers leaves are told of each at once, but not by one that has very many links."""
    monkeypatch.setattr("overlay.membership.gossip.FEW_LINKS", links)
    world = network()
    leaf, home = pair(world)
    membership = home.peer.membership
    assert len(membership.superPeerView()) <= FEW
    known = next(one for one in membership.superPeers() if one.peerId != home.peerId)
    heard = Heard(world, home, leaf)
    membership.gossip.learned(known, None)
    world.run(0.5)
    assert (known.peerId in heard.owners()) is told


def test_inTheEndAllAreCompared(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one message holds: some of them in each, none twice, and after some rounds every one has been among them."""
    world = network()
    one = world.superPeers()[0].peer
    known = {(known.peerId, known.advert.sequence) for known in one.membership.superPeers()}
    assert len(known) > 2
    monkeypatch.setattr(limits, "ADVERT_IDS_PER_MESSAGE", len(known))
    own = one.membership.ownAdvert()
    seen = set()
    for _ in range(20):
        first, *rest = one.membership.gossip._offer().have
        assert first == (own.owner, own.sequence) and len(set(rest)) == len(rest) == len(known) - 1
        seen.update(rest)
    assert seen == known
    monkeypatch.setattr(limits, "ADVERT_IDS_PER_MESSAGE", len(known) + 1)
    assert set(one.membership.gossip._offer().have[1:]) == known
