"""What is observed of a peer: whether it can be dialled, how long it stays, how fast it sends, what its machine has left."""

import json
from typing import Any

import attrs
import pytest

from overlay.console import render
from overlay.lab.world import LabPeer, World
from overlay.membership.met import Met
from overlay.questions import Criterion, HeadRoom
from overlay.roles.observations import BUSY, Observations
from overlay.roles.reachability import EVERY, FIRST, PAUSE, SPREAD
from overlay.roles.reign import ROOM_EVERY, UNFIT
from overlay.settings import Settings
from overlay.storage import MemoryStorage
from overlay.wire.messages import DialBackAnswer, DialBackWanted
from tests.index.material import identity
from tests.index.surroundings import commonsOf
from tests.intercepting import intercept
from tests.roles.test_election import linkBetween, received
from tests.roles.test_handover import Told, network


def reachabilityOf(peer: LabPeer) -> Any:
    return peer.peer.election.reachability


def leafOf(world: World, **options: Any) -> LabPeer:
    """One more leaf, with its homes."""
    leaf = world.add("leaf", ["s0", "s1"], settings=Settings(role="leaf"), **options)
    assert world.until(lambda: len(leaf.peer.homes.links()) == 2, 30)
    return leaf


def test_whoCanBeDialled() -> None:
    """It knows after a while, since it was dialled with its own number, and says its addresses."""
    world = network(0, supers=3)
    leaf = leafOf(world)
    assert reachabilityOf(leaf).found is None
    world.run(FIRST + SPREAD + 40)
    assert reachabilityOf(leaf).dialable is True and reachabilityOf(leaf).found
    assert leaf.peer.membership.ownAdvert().addresses == [leaf.address]
    assert 0 < reachabilityOf(leaf).nextLook <= EVERY


def test_behindNAT() -> None:
    """It asks two before it believes that it cannot be dialled; then its advert names no address. And it looks again."""
    world = network(0, supers=3)
    leaf = leafOf(world, dialable=False)
    assert leaf.peer.membership.ownAdvert().addresses
    told = Told(world)
    world.run(FIRST + SPREAD + 80)
    asked = [receiver for sender, receiver, message in told.messages if isinstance(message, DialBackWanted) and sender == leaf.peerId]
    assert len(asked) == len(set(asked)) == 2
    assert reachabilityOf(leaf).dialable is False and leaf.peer.membership.ownAdvert().addresses == []
    home = next(one for one in world.superPeers() if one.peer.hosting.leaves())
    known = home.peer.membership.get(leaf.peerId)
    assert known is not None and known.advert.addresses == []
    assert not leaf.peer.election.mayServe()
    # The box is opened.
    leaf.host.dialable = True
    world.run(2 * EVERY)
    assert reachabilityOf(leaf).dialable is True and leaf.peer.membership.ownAdvert().addresses == [leaf.address]


def test_nobodyNeedBeBelieved() -> None:
    """Whoever says that it has dialled and has not is not believed, nor one alone that says it cannot; nor one that was not asked."""
    world = network(0, supers=3)
    leaf = leafOf(world, dialable=False)
    liar, other = (one for one in world.superPeers() if one.peer.links.get(leaf.peerId))
    intercept(other.peer, DialBackWanted, lambda link, message: None)
    said = iter([leaf.address, ""] * 50)
    intercept(liar.peer, DialBackWanted, lambda link, message: link.send(DialBackAnswer(message.nonce, next(said))))
    linkBetween(other, leaf).send(DialBackAnswer(b"n" * 16))
    world.run(300)
    assert reachabilityOf(leaf).found is None
    assert leaf.peer.commons.tally.get("drops", "unexpected") == 1


def test_askingTooOften() -> None:
    """One that asks again and again is dialled now and then."""
    world = network(0, supers=2)
    leaf = leafOf(world)
    home = world.superPeers()[0]
    world.run(FIRST + SPREAD + 80)
    answers = received(world, leaf, DialBackAnswer)
    for _ in range(3):
        linkBetween(leaf, home).send(DialBackWanted(b"m" * 16, [leaf.address]))
        world.run(1)
    assert [one.code for one in answers] == ["", "rate", "rate"] and 0 < answers[-1].retry <= PAUSE


def test_aSuperPeerIsRefutedByThoseWhoCome() -> None:
    """Its neighbours say that it cannot be dialled, and just now others have dialled it: they lie, and it stays."""
    world = network(2, supers=4)
    victim = world.superPeers()[0]
    for one in world.superPeers():
        if one is not victim:
            intercept(one.peer, DialBackWanted, lambda link, message: link.send(DialBackAnswer(message.nonce)))
    reachabilityOf(victim)._next = 0.0
    assert world.until(lambda: reachabilityOf(victim).found is False, 60)
    leaf = world.add("late", [victim])
    world.run(60)
    assert leaf.peer.links.get(victim.peerId) or victim.peer.links.dialledAt > 0
    assert victim.isSuper and reachabilityOf(victim).dialable


@pytest.mark.parametrize(
    ("room", "criterion"), [(HeadRoom(memory=10_000_000), Criterion.MEMORY), (HeadRoom(10**9, 5), Criterion.DESCRIPTORS)]
)
def test_shortOfRoom(room: HeadRoom, criterion: str) -> None:
    """Who is short for a moment goes on; who stays short resigns, hands its leaves over, and does not stand again."""
    world = network(4, supers=3)
    home = max(world.superPeers(), key=lambda one: len(one.peer.hosting.leaves()))
    plenty = HeadRoom(10**9, 1000)
    home.peer.commons.surroundings = _with(home, lambda: plenty)
    world.run(2 * ROOM_EVERY)
    home.peer.commons.surroundings = _with(home, lambda: room)
    world.run(ROOM_EVERY + 5)
    home.peer.commons.surroundings = _with(home, lambda: plenty)
    world.run(2 * UNFIT)
    assert home.isSuper
    home.peer.commons.surroundings = _with(home, lambda: room)
    assert world.until(lambda: not home.isSuper, UNFIT + ROOM_EVERY + 30)
    row = next(one for one in home.peer.election.explain()["criteria"] if one["criterion"] == criterion)
    assert not row["holds"] and row["value"] < row["threshold"] and row["seen by"] == "itself"
    world.run(200)
    assert not home.isSuper and world.registered()


def _with(peer: LabPeer, headRoom: Any) -> Any:
    return attrs.evolve(peer.peer.commons.surroundings, headRoom=headRoom)


@pytest.mark.parametrize("serving", [True, False])
def test_everyCriterionIsTold(serving: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """With its value, its threshold, who saw it, and when it is looked at next; the command shows each."""
    world = network(0, supers=3)
    leaf = leafOf(world)
    world.run(FIRST + SPREAD + 40)
    peer = world.superPeers()[1] if serving else leaf
    said = peer.peer.election.explain()
    json.dumps(said)
    rows = {row["criterion"]: row for row in said["criteria"]}
    assert list(rows) == [str(one) for one in Criterion]
    for name, row in rows.items():
        assert row["holds"] and row["again"] >= 0 and row["seen by"]
        assert row["threshold"] is not None or name == Criterion.SESSION
    assert rows[Criterion.REACHABLE]["value"] is True and 0 < rows[Criterion.RTT]["value"] < 1
    assert rows[Criterion.FIRST_SEEN]["value"] >= rows[Criterion.SESSION]["value"] > 0
    render.explainRole(said)
    shown = capsys.readouterr().out
    assert all(f"{name}:" in shown for name in Criterion) and shown.count("next look in") == len(Criterion)


def test_aStartIsUnknown() -> None:
    """Of what nobody has seen yet that is said."""
    world = World(1)
    alone = world.add("alone")
    world.run(5)
    rows = {row["criterion"]: row for row in alone.peer.election.explain()["criteria"]}
    assert {rows[name]["value"] for name in Criterion} == {"unknown"}


def test_throughput() -> None:
    """It is measured of batches that follow one another, and not of those with a rest between."""
    commons = commonsOf(identity(1))
    seen = Observations(commons, None)  # type: ignore[arg-type]
    peer = identity(2).peerId
    assert seen.throughput(peer) is None
    for wait, size in ((0.0, 500_000), (0.05, 50_000), (BUSY + 1, 50_000), (0.2, 1000)):
        commons.clock.advance(wait)  # type: ignore[attr-defined]
        seen.transferred(peer, size)
        assert seen.throughput(peer) is None
    commons.clock.advance(0.3)  # type: ignore[attr-defined]
    seen.transferred(peer, 49_000)
    assert seen.throughput(peer) == pytest.approx(100_000)
    commons.clock.advance(60)  # type: ignore[attr-defined]
    seen.transferred(peer, 10**6)
    assert seen.throughput(peer) == pytest.approx(100_000)


def test_aLargeRegistrationIsMeasured() -> None:
    """By its home, as fast as the leaf's line is, and the leaf hears of it."""
    world = network(0, supers=2)
    leaf = world.add("leaf", ["s0", "s1"], settings=Settings(role="leaf"))
    leaf.host.upload = 50_000.0
    leaf.share(*[world.document(f"s/{number}.txt", "dawn " * 150) for number in range(400)])
    world.run(FIRST + SPREAD + 80)
    row = next(one for one in leaf.peer.election.explain()["criteria"] if one["criterion"] == Criterion.THROUGHPUT)
    assert 10_000 < row["value"] < 60_000 and row["holds"]


def test_sessions() -> None:
    """Of a peer that comes and goes: since when it is known, how many sessions were seen to end, and how long they were."""
    storage = MemoryStorage()
    commons = commonsOf(identity(1), storage)
    met, peer = Met(commons), identity(2).peerId
    assert met.history(peer).first == 0
    for boot, length in ((1, 100), (2, 200), (3, 0)):
        met.note(peer, boot)
        commons.clock.advance(length)  # type: ignore[attr-defined]
        if length:
            met.left(peer)
            commons.clock.advance(10)  # type: ignore[attr-defined]
    found = Met(commonsOf(identity(1), storage, clock=commons.clock)).history(peer)  # type: ignore[arg-type]
    assert (found.first, found.earlier, found.lasted) == (320, 2, 150) and met.upFor(peer) == 0
    met.left(identity(3).peerId)
    assert identity(3).peerId not in met
