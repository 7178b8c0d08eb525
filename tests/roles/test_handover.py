"""A super-peer that resigns gives its leaves new homes, and their registrations to those."""

from collections import Counter
from typing import Any

import msgspec
import pytest

from overlay.commons import Commons, Surroundings
from overlay.identity.identity import Identity
from overlay.identity.ids import PeerId, peerIdOf
from overlay.index.document import Document
from overlay.index.own import OwnRegistration
from overlay.lab.world import EPOCH, LabPeer, World
from overlay.link import greeting
from overlay.questions import Deed
from overlay.roles.takingover import ABSENT_FOR, EXPECTED, TakingOver
from overlay.settings import Settings
from overlay.storage import MemoryStorage
from overlay.wire.message import Message
from overlay.wire.messages import Adverts
from overlay.wire.registration import HandOver, HandOverAnswer, MoveTo, Register, RegisterAnswer
from overlay.wire.statements import HomeList, seal
from tests.roles.test_election import linkBetween, received

FEW = 8


def network(leaves: int = FEW, supers: int = 4, homes: int = 2, documents: int = 2, limit: str = "tokens", **options: Any) -> World:
    """So many leaves with all their homes, and super-peers that do not resign by themselves."""
    world = World(5, specs={"election": "fittest:wanted=100,settle=1000000,patience=1", "rate-limit": limit}, **options)
    first = world.add("s0", settings=Settings(role="super"))
    for number in range(1, supers):
        world.add(f"s{number}", [first], settings=Settings(role="super"))
    assert world.until(lambda: len(world.superPeers()) == supers, 200)
    for number in range(leaves):
        world.add(
            f"p{number}", [first], [world.document(f"s/{number}-{one}.txt", f"dawn {number} {one}") for one in range(documents)],
            settings=Settings(role="leaf", homes=homes), dialable=False,
        )
    assert world.until(world.registered, 120)
    world.run(20)
    assert len(world.superPeers()) == supers
    return world


def leavesOf(home: LabPeer) -> int:
    return len(home.peer.hosting.leaves())


def fullest(world: World) -> LabPeer:
    return max(world.superPeers(), key=leavesOf)


def resign(home: LabPeer) -> None:
    """As if there were too many, and never to serve again."""
    home.peer.election.role._barredUntil = float("inf")
    home.peer.election.role.life.resign("surplus")


class Told:
    """What is said in the whole network, and by whom."""

    def __init__(self, world: World) -> None:
        self.messages: list[tuple[bytes, bytes, Message]] = []
        world.net.watcher = lambda sender, receiver, message: self.messages.append((sender, receiver, message))

    def of(self, kind: type) -> list[Any]:
        return [message for _, _, message in self.messages if isinstance(message, kind)]


def test_fiftyLeaves() -> None:
    """
    Their records are found at every moment; each leaf ends at a new home that held everything when it came, so nobody sends a record
    again; and the loads stay even.
    """
    world = network(50)
    home = fullest(world)
    count, told = leavesOf(home), Told(world)
    resign(home)
    asker = next(one for one in world.leaves() if one.peerId not in {link.peerId for link in home.peer.hosting.leaves()})
    found, looks = [], 0
    while (home.isSuper or looks < 10) and looks < 30:
        found.append(len(asker.search("dawn", want=200).hits))
        world.run(0.5)
        looks += 1
    world.run(60)
    found.append(len(asker.search("dawn", want=200).hits))
    assert found == [100] * len(found)
    leaves = {peer.peerId for peer in world.leaves()}
    assert [message for sender, _, message in told.messages
            if sender in leaves - {home.peerId} and isinstance(message, Register) and message.additions] == []
    moved = told.of(MoveTo)
    assert count > 10 and len(moved) == count and all(one.holder for one in moved)
    assert [one.code for one in told.of(HandOverAnswer)] == [""] * count
    assert world.registered()
    loads = [leavesOf(one) for one in world.superPeers()]
    assert len(loads) == 3 and max(loads) < 1.5 * min(loads)


def test_batchesAreBounded() -> None:
    """A large registration goes in parts, each of which is answered before the next is sent."""
    world = network(2, supers=3, documents=450)
    home = fullest(world)
    owner, told = home.peer.hosting.leaves()[0].peerId, Told(world)
    resign(home)
    assert world.until(lambda: not home.isSuper, 30)
    course = [message for _, _, message in told.messages if isinstance(message, HandOver | HandOverAnswer)
              and (message.owner if isinstance(message, HandOverAnswer) else _ownerOf(message)) == owner]
    assert [(type(one), one.part) for one in course] == [(kind, part) for part in range(3) for kind in (HandOver, HandOverAnswer)]
    assert [one.last for one in course if isinstance(one, HandOver)] == [False, False, True]
    world.run(30)
    assert not any(one.additions for one in told.of(Register)) and world.registered()


def _ownerOf(message: HandOver) -> bytes:
    return peerIdOf(message.key)


@pytest.mark.parametrize("why", ["full", "old", "dies", "no other"])
def test_theOldWay(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody takes the registrations, or understands what they are, leaves find homes themselves, and nothing is lost."""
    if why == "old":
        monkeypatch.setattr(greeting, "_COMMON", frozenset({"tree", "summary"}))
    world = network(supers=2 if why == "no other" else 3, homes=1)
    home = fullest(world)
    others = [one for one in world.superPeers() if one is not home]
    if why == "full":
        monkeypatch.setattr(TakingOver, "_objection", lambda *ignored: ("full", 0.0))
    told = Told(world)
    resign(home)
    if why == "dies":
        assert world.until(lambda: told.of(HandOver), 5)
        others[0].crash()
    if why == "no other":
        others[0].crash()
        home.peer.election.role._barredUntil = 0.0
    assert world.until(lambda: not home.isSuper, 60)
    world.run(120)
    if why == "old":
        assert told.of(HandOver) == [] and all(not one.holder for one in told.of(MoveTo))
    if why == "full":
        assert all(not one.holder for one in told.of(MoveTo)) and told.of(HandOver)
    asker = next(one for one in world.superPeers())
    assert len(asker.search("dawn", want=100).hits) == 2 * FEW


def test_nobodyIsTakenMeanwhile() -> None:
    """A super-peer that resigns admits no other leaf, and takes over none."""
    world = network(3)
    home = fullest(world)
    resign(home)
    late = world.add("late", [home], settings=Settings(role="leaf"))
    answers = received(world, late, RegisterAnswer)
    giver = next(one for one in world.superPeers() if one is not home)
    world.run(2)
    linkBetween(giver, home)
    got = received(world, giver, HandOverAnswer)
    linkBetween(giver, home).send(messageOf(world, Identity.generate(world.random, world.scheme), giver))
    world.run(1)
    assert {one.code for one in answers if not one.accepted} <= {"resigning", "not-serving"}
    assert [one.code for one in got] == ["not-serving"] and world.until(lambda: not home.isSuper, 60)


# --- what a new home takes -------------------------------------------------------------------------------------------


def shareOf(world: World, owner: Identity, homes: list[bytes], *documents: Document) -> OwnRegistration:
    """What an owner in this world would have registered at some homes."""
    surroundings = Surroundings(
        world.time, lambda: EPOCH + world.time.seconds(), world.random, None, world.scheme  # type: ignore[arg-type]
    )
    own = OwnRegistration(Commons(owner, world.network, Settings(), MemoryStorage(), surroundings, None, 1))  # type: ignore[arg-type]
    own.update(list(documents), [])
    own.setHomes([PeerId(one) for one in homes])
    return own


def messageOf(world: World, owner: Identity, giver: LabPeer, **changes: Any) -> HandOver:
    """One registration in one part."""
    own = shareOf(world, owner, [giver.peerId], world.document("s/absent.txt", "dusk"))
    (batch,) = own.batches(0)
    fields: dict[str, Any] = {
        "key": owner.publicKey, "sequence": own.sequence, "part": 0, "last": True, "digest": own.digest,
        "additions": batch.additions, "homes": own.homesSigned(),
    }
    return HandOver(**{**fields, **changes})


def placed(world: World) -> tuple[LabPeer, LabPeer, Any, Identity]:
    """A giver, a taker, their link, and somebody who is not there."""
    giver, taker = world.superPeers()[:2]
    return giver, taker, linkBetween(giver, taker), Identity.generate(world.random, world.scheme)


def deedsOf(world: World, peer: LabPeer, giver: LabPeer) -> Counter[str]:
    trust = peer.peer.commons.policies.reputation.trust(giver.peerId)
    return Counter({one.name: one.value for one in trust.reasons})


def test_whoNeverComesIsDropped() -> None:
    """It is found as long as it is waited for, and not brought again soon."""
    world = network(2, supers=2)
    giver, taker, link, owner = placed(world)
    got = received(world, giver, HandOverAnswer)
    link.send(messageOf(world, owner, giver))
    world.run(2)
    assert [(one.owner, one.code) for one in got] == [(owner.peerId, "")]
    assert len(taker.search("dusk").hits) == 1 and taker.peer.hosting.count == leavesOf(taker) + 1
    world.run(EXPECTED + 12)
    assert taker.search("dusk").hits == [] and taker.peer.hosting.count == leavesOf(taker)
    link.send(messageOf(world, owner, giver))
    world.run(2)
    assert got[-1].code == "absent"
    world.run(ABSENT_FOR)
    linkBetween(giver, taker).send(messageOf(world, owner, giver))
    world.run(2)
    assert got[-1].code == ""


def test_forgedAndStale() -> None:
    """What is not signed by the owner, is past its expiry, or never was with the giver is refused, and the giver answers for it."""
    world = network(2, supers=2)
    giver, taker, link, owner = placed(world)
    got = received(world, giver, HandOverAnswer)
    good = messageOf(world, owner, giver)
    (body,) = good.additions
    forged = msgspec.structs.replace(body, signature=b"x" * 64)
    other = Identity.generate(world.random, world.scheme)
    elsewhere = seal(owner, HomeList(world.network.id, owner.peerId, 7, [taker.peerId]))
    notTheirs = seal(other, HomeList(world.network.id, owner.peerId, 7, [giver.peerId]))
    stated = (
        ({"additions": [forged]}, "forged", Deed.FORGED_RECORD),
        ({"homes": elsewhere}, "homes", Deed.STALE_RECORD),
        ({"homes": None}, "homes", Deed.STALE_RECORD),
        ({"homes": notTheirs}, "forged", Deed.FORGED_STATEMENT),
        ({"digest": b"d" * 32}, "digest", None),
        ({"part": 1}, "part", None),
    )
    for changes, code, deed in stated:
        taker.peer.commons.policies.reputation.policy._evidence.clear()
        link.send(msgspec.structs.replace(good, **changes))
        world.run(1)
        assert got[-1].code == code and taker.search("dusk").hits == []
        assert deed is None or deedsOf(world, taker, giver)[str(deed)] == 1
    taker.peer.commons.policies.reputation.policy._evidence.clear()
    late = messageOf(world, owner, giver)
    taker.peer.commons.now = lambda: giver.peer.commons.ownTime() + 8 * 86_400
    link.send(late)
    world.run(0.5)
    assert got[-1].code == "expired" and deedsOf(world, taker, giver)[str(Deed.STALE_RECORD)] == 1
    assert taker.peer.registry.holding(owner.peerId) is None


def test_onlySuperPeersHandOver() -> None:
    """Not a leaf, nor one of poor reputation, nor of somebody who is blocked."""
    world = network(2, supers=2)
    giver, taker, link, owner = placed(world)
    leaf = world.leaves()[0]
    got, there = received(world, leaf, HandOverAnswer), received(world, giver, HandOverAnswer)
    linkBetween(leaf, taker).send(messageOf(world, owner, leaf))
    taker.peer.commons.blocked.add(owner.peerId)
    link.send(messageOf(world, owner, giver))
    world.run(1)
    taker.peer.commons.blocked.clear()
    taker.peer.commons.report(giver.peerId, Deed.FORGED_HIT)
    link.send(messageOf(world, owner, giver))
    world.run(1)
    assert [one.code for one in got] == ["giver"] and [one.code for one in there] == ["blocked", "trust"]


def test_theLeafsOwnWordWins() -> None:
    """
    An older registration than the leaf's is brought for it, by a home that it once had: where the leaf is registered nothing changes, and
    where it is not, what was brought is gone as soon as the leaf links, whatever number it was given.
    """
    world = network(1, supers=3, homes=1)
    leaf = next(one for one in world.leaves() if one.name == "p0")
    home = next(one for one in world.superPeers() if leavesOf(one))
    giver, taker = (one for one in world.superPeers() if one is not home)
    old = shareOf(world, leaf.identity, [giver.peerId], world.document("s/withdrawn.txt", "dusk"))
    (batch,) = old.batches(0)

    def brought(sequence: int) -> HandOver:
        return HandOver(leaf.identity.publicKey, sequence, 0, True, old.digest, batch.additions, old.homesSigned())

    got = received(world, giver, HandOverAnswer)
    linkBetween(giver, home).send(brought(1000))
    world.run(1)
    assert got[-1].code == "newer" and home.search("dusk").hits == []
    for sequence in (1000, leaf.peer.own.sequence, 1):
        linkBetween(giver, taker).send(brought(sequence))
        world.run(1)
        assert got[-1].code == "" and len(taker.search("dusk").hits) == 1
        # The leaf comes: for it this is a home like any.
        leaf.peer.homes._begin(leaf.peer.membership.get(taker.peerId) or _shown(leaf, taker))
        world.run(3)
        assert taker.search("dusk").hits == [] and len(taker.search("dawn").hits) == 2
        leaf.peer.homes._leave(taker.peerId)
        world.run(2)
        taker.peer.registry.drop(leaf.peerId)


def _shown(leaf: LabPeer, taker: LabPeer) -> Any:
    link = linkBetween(leaf, taker)
    link.send(Adverts([]))
    return leaf.peer.membership.take(taker.peer.membership.ownSigned())


def test_rateOfTheNewHome() -> None:
    """A new home that cannot take so much at once gets the rest a little later."""
    world = network(12, supers=3, limit="tokens:register=1,burst=2")
    home = fullest(world)
    told = Told(world)
    resign(home)
    assert world.until(lambda: not home.isSuper, 60)
    codes = Counter(one.code for one in told.of(HandOverAnswer))
    moved = told.of(MoveTo)
    assert codes["rate"] > 0 and len(moved) == codes[""] and all(one.holder for one in moved)
