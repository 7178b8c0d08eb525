"""What outlives a restart of whom one knows: who was met, and where the super-peers were."""

from typing import Any

import attrs
import pytest

from overlay.commons import Component
from overlay.lab.world import World
from overlay.membership import cache, met
from overlay.membership.bootstrap import UNUSED
from overlay.membership.cache import PeerCache
from overlay.membership.known import Known
from overlay.membership.met import Met
from overlay.storage import MemoryStorage
from overlay.wire.statements import Advert, Capacity, Heir, HeirList, seal
from tests.index.material import NETWORK, NOW, identity
from tests.index.surroundings import commonsOf


def advertOf(number: int, **changes: Any) -> Advert:
    fields = {
        "network": NETWORK.id, "owner": identity(number).peerId, "sequence": 1, "issued": int(NOW), "expires": int(NOW) + 3600,
        "role": "super", "addresses": [f"10.0.0.{number}:7116"], "capacity": Capacity(), "load": 3, "agent": "a", "mandate": None,
        "heirs": None,
    }
    return Advert(**{**fields, **changes})


def knownOf(number: int, **changes: Any) -> Known:
    advert = advertOf(number, **changes)
    return Known(identity(number).peerId, seal(identity(number), advert), advert, 0.0)


def test_howLongSomebodyIsUp() -> None:
    """Since the first link in its present session, over restarts of one's own; a restart of the other begins anew."""
    storage = MemoryStorage()
    commons = commonsOf(identity(1), storage)
    here = Met(commons)
    peer = identity(2).peerId
    assert peer not in here and here.upFor(peer) == 0
    here.note(peer, 4)
    commons.clock.advance(50)  # type: ignore[attr-defined]
    here.note(peer, 4)
    assert peer in here and here.upFor(peer) == 50
    again = commonsOf(identity(1), storage)
    again.clock.advance(80)  # type: ignore[attr-defined]
    assert Met(again).upFor(peer) == 80
    Met(again).note(peer, 5)
    assert Met(again).upFor(peer) == 0
    # A clock that was set back makes nobody younger than nothing.
    assert Met(commonsOf(identity(1), storage)).upFor(peer) == 0


def test_rowsOfEarlierVersions() -> None:
    """Whoever they say was met still counts as known; for how long is not known."""
    storage = MemoryStorage()
    old, broken = identity(2).peerId, identity(3).peerId
    storage.table("membership").put(b"met" + old, b"")
    storage.table("met").put(broken, b"\xc1 no row")
    here = Met(commonsOf(identity(1), storage))
    assert old in here and broken in here and identity(4).peerId not in here
    assert here.upFor(old) == here.upFor(broken) == 0
    here.note(broken, 1)
    assert storage.table("met").get(broken) != b"\xc1 no row"


def test_whoWasMetLongestAgoMakesRoom(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is bounded."""
    monkeypatch.setattr(met, "MOST", 20)
    commons = commonsOf(identity(1))
    here = Met(commons)
    peers = [identity(number).peerId for number in range(2, 42)]
    for peer in peers:
        here.note(peer, 1)
        commons.clock.advance(10)  # type: ignore[attr-defined]
    kept = [peer for peer in peers if peer in here]
    assert len(kept) <= 20 and kept == peers[-len(kept) :] and len(kept) > 15


def cacheOf(storage: MemoryStorage, *linked: int) -> PeerCache:
    commons = commonsOf(identity(1), storage)
    commons.links = {identity(number).peerId for number in linked}  # type: ignore[assignment]
    return PeerCache(commons)


def test_theCache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where super-peers were; bounded, the newest of each, and broken rows are passed over."""
    monkeypatch.setattr(cache, "MOST", 3)
    monkeypatch.setattr(cache, "SHARE", 1)
    storage = MemoryStorage()
    kept = cacheOf(storage)
    for number in (2, 3, 4):
        kept.put(knownOf(number))
    kept.put(knownOf(4, addresses=["10.9.9.9:1", "10.9.9.9:2"], sequence=2))
    assert len(kept.adverts()) == 3 and kept.addresses(identity(4).peerId) == ["10.9.9.9:1", "10.9.9.9:2"]
    kept.put(knownOf(5))
    again = cacheOf(storage)
    assert len(again.adverts()) == 3 and identity(5).peerId in again
    assert again.addresses(identity(5).peerId) == ["10.0.0.5:7116"] and again.addresses(identity(9).peerId) == []
    storage.table("peers").put(identity(5).peerId, b"\xc1")
    assert len(again.adverts()) == 2 and again.addresses(identity(5).peerId) == []
    storage.table("peers").put(identity(5).peerId, b"\x93\xc4\x01x\xc4\x01x\xc4\x01x")
    assert again.addresses(identity(5).peerId) == []


HEIRS = seal(identity(2), HeirList(NETWORK.id, identity(2).peerId, int(NOW), int(NOW) + 9, [Heir(identity(3).peerId, [])]))


@pytest.mark.parametrize(("changes", "differs"), [
    ({}, False), ({"load": 99}, False), ({"sequence": 8, "issued": int(NOW) + 5, "expires": int(NOW) + 9999}, False),
    ({"capacity": Capacity(uptime=77)}, False), ({"role": "leaf"}, True), ({"addresses": []}, True), ({"addresses": ["10.0.0.2:1"]}, True),
    ({"heirs": HEIRS}, True),
])
def test_whatIsNews(changes: dict[str, Any], differs: bool) -> None:
    """Another role, address or ground to serve is passed on at once; how loaded or old somebody is waits until it is compared."""
    assert knownOf(2).differs(advertOf(2, **changes)) == differs
    assert knownOf(2, **changes).differs(advertOf(2)) == differs


def test_howLoadIsTold() -> None:
    """Linked super-peers hear of a change of load within seconds, leaves do not; a change of anything else all hear of."""
    world = World(9, codec="none", specs={"election": "fittest:wanted=5"})
    first = world.add()
    for _ in range(13):
        world.add(bootstrap=[first])
    world.run(200)
    one = world.superPeers()[0]
    linked = [other for other in world.peers.values() if one.peerId in other.peer.links]
    leaves = [other for other in linked if not other.isSuper]
    others = [other for other in linked if other.isSuper]
    assert leaves and others

    def said(by: Any) -> int:
        known = by.peer.membership.get(one.peerId)
        return int(known.advert.load)

    for other in leaves:
        # They do not ask meanwhile.
        other.peer.membership.gossip.stop()
    before = {other.name: said(other) for other in leaves}
    one.peer.membership.loadOf = lambda: 40
    one.peer.membership.loadChanged()
    world.run(1.5)
    assert [said(other) for other in others] == [40] * len(others)
    assert {other.name: said(other) for other in leaves} == before
    # Hardly more than that waits for a minute.
    one.peer.membership.loadOf = lambda: 42
    one.peer.membership.loadChanged()
    world.run(1.5)
    assert [said(other) for other in others] == [40] * len(others)
    one.peer.membership.announce()
    world.run(1)
    assert {said(other) for other in linked} == {42}


def test_linksThatNobodyNeedsEnd() -> None:
    """What was dialled to find the network has ended after a minute or little more, and what is in use has not."""
    world = World(10, codec="none", specs={"election": "fittest:wanted=6"})
    first = world.add(documents=[world.document("s/a.txt", "dawn")])
    for number in range(1, 16):
        known = list(world.peers.values())[:: max(1, number // 4)]
        world.add(bootstrap=known[:6], documents=[world.document(f"s/{number}.txt", f"dawn {number}")])
    world.run(10)
    assert any(len(one.peer.links) > one.peer.homes.wanted for one in world.leaves())
    world.run(600)
    assert first.running and len(world.superPeers()) > 3
    for one in world.peers.values():
        for link in one.peer.links:
            other = next(two for two in world.peers.values() if two.peerId == link.peerId)
            young = world.time.seconds() - link.since < 120
            assert any(part.needs(link) for part in one.peer.components) or not link.dialled or young
            back = other.peer.links.get(one.peerId)
            assert back is not None and (link.dialled or back.dialled)
    for leaf in world.leaves():
        homes = {view.peerId for view in leaf.peer.homes.views()}
        assert len(homes) == 2 and {link.peerId for link in leaf.peer.links if link.dialled} <= homes
        assert len(leaf.search("dawn", want=100).hits) == 16


def test_aLinkThatIsNeededAgain() -> None:
    """The time begins anew when a part has had a use for it in between, and only who dialled ends it."""
    world = World(1, codec="none")
    peer = world.add(start=True).peer
    closed: list[str] = []

    class Part(Component):
        needed = True

        def needs(self, link: Any) -> bool:
            return self.needed

    @attrs.define(eq=False)
    class Link:
        dialled: bool

        def close(self, code: str, text: str) -> None:
            closed.append(code)

    class Links(list[Link]):
        observer = peer

    part = Part(peer.commons)
    peer.components = (part,)
    bootstrap: Any = peer.bootstrap
    bootstrap.commons.links = Links([Link(True), Link(False)])
    for at in range(0, 300, 5):
        part.needed = at == 15
        bootstrap._endUnused(float(at))
        if closed:
            break
    assert closed == ["idle"] and at == 20 + UNUSED + 5
