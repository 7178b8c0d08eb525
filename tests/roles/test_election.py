"""Elections in whole networks: votes, forgeries, heirs, appointed super-peers, and what a peer says about its role."""

import json
from typing import Any

import msgspec
import pytest

from overlay.identity.identity import Identity
from overlay.identity.ids import shortText
from overlay.lab.world import LabPeer, World
from overlay.questions import Deed
from overlay.roles.mandate import electorateOf
from overlay.roles.verifier import SETTLING
from overlay.roles.wait import Backoff
from overlay.settings import Settings
from overlay.wire.message import Message
from overlay.wire.messages import (
    AdvertIds,
    Adverts,
    HeirsNamed,
    MandateAnswer,
    MandateGiven,
    NeighbourAnswer,
    Qualified,
    Summons,
    SummonsAnswer,
    VoteAnswer,
    VoteWanted,
)
from overlay.wire.statements import Advert, Capacity, HeirList, Mandate, Nomination, Vote, seal
from tests.intercepting import intercept


def network(peers: int = 12, seed: int = 3, wanted: int = 4, **options: Any) -> World:
    """A network with a few elected super-peers."""
    world = World(seed, specs={"election": f"fittest:wanted={wanted}"}, **options)
    first = world.add("p0", documents=[world.document("s/p0.txt", "dawn 0")])
    for number in range(1, peers):
        world.add(f"p{number}", [first], [world.document(f"s/p{number}.txt", f"dawn {number}")])
    assert world.until(lambda: len(world.superPeers()) >= 3 and world.registered(), 200)
    world.run(60)
    return world


def linkBetween(one: LabPeer, other: LabPeer) -> Any:
    """The link from one peer to another, made if need be."""
    link = one.peer.links.get(other.peerId)
    if link is None:
        one.peer.links.dial(other.address, other.peerId)
        one.world.run(2)
        link = one.peer.links.get(other.peerId)
    return link


def received(world: World, peer: LabPeer, kind: type) -> list[Any]:
    """Collects messages of one class that a peer gets from now on."""
    got: list[Any] = []
    intercept(peer.peer, kind, lambda link, message: got.append(message), passOn=True)
    return got


def nominationOf(world: World, caller: LabPeer, candidate: LabPeer, electors: list[LabPeer], **changes: Any) -> Any:
    now = int(caller.peer.commons.now())
    fields: dict[str, Any] = {
        "network": world.network.id, "caller": caller.peerId, "counter": 900, "lastOutcome": "none",
        "candidate": candidate.peerId, "addresses": [candidate.address], "electorate": [one.peerId for one in electors],
        "issued": now, "expires": now + 3600,
    }
    return seal(caller.identity, Nomination(**{**fields, **changes}))


def seatOf(world: World, counter: int, candidate: LabPeer) -> tuple[LabPeer, LabPeer, list[LabPeer]]:
    """A caller, the first of the electors of one of its seats, and all of them."""
    caller, *others = world.superPeers()
    now = int(caller.peer.commons.now())
    ids = electorateOf(world.network.id, caller.peerId, counter, now, candidate.peerId, [one.peerId for one in others])
    electors = [next(one for one in others if one.peerId == peer) for peer in ids]
    return caller, electors[0], electors


def test_elected() -> None:
    """Each super-peer has a mandate, and says who voted for it; a leaf says what it would take."""
    world = network()
    for one in world.superPeers():
        said = one.peer.election.explain()
        assert said["state"] == "mandated" and said["mandate"]["votes"]
        assert {question["question"] for question in said["questions"]} >= {"may it serve", "should it resign"}
        json.dumps(said)
    leaf = world.leaves()[0].peer.election.explain()
    assert leaf["role"] == "leaf" and leaf["questions"][0]["reasons"]
    assert any(one.peer.election.caller.history for one in world.superPeers())


@pytest.mark.no_cover
def test_mandatesAreRenewed() -> None:
    """A mandate is renewed before it ends, and the network goes on over many of their lives."""
    world = network(settings=Settings(mandate=200.0))
    world.run(600)
    for one in world.superPeers():
        assert one.peer.election.state == "mandated" and one.peer.election.role.mandateLeft > 0
    assert len(world.leaves()[0].search("dawn", want=50).hits) == 12


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "electorate"),
        ({"issued": 5, "expires": 3000}, "clock"),
        ({"expires": 2**39}, "expiry"),
        ({"electorate": []}, "elector"),
    ],
)
def test_votesThatAreRefused(changes: dict[str, Any], code: str) -> None:
    """A nomination with a chosen electorate, of another time, for too long, or for other electors gets no vote."""
    world = network(14)
    caller, elector = world.superPeers()[:2]
    if code == "electorate":
        # As if there were many more voters, who are all nearer.
        elector.peer.election.elector.voters = lambda: {bytes([number]) * 20: 1 for number in range(200)}
    answers = received(world, caller, VoteAnswer)
    signed = nominationOf(world, caller, world.leaves()[0], [elector], **changes)
    linkBetween(caller, elector).send(VoteWanted(signed))
    world.run(5)
    assert [(answer.vote, answer.code) for answer in answers] == [(None, code)]


def test_oneSeatOneVote() -> None:
    """The same nomination gets the same vote again, over restarts; another one for the seat voids both."""
    world = network(14)
    candidate, rival = world.leaves()[:2]
    caller, elector, electors = seatOf(world, 900, candidate)
    answers = received(world, caller, VoteAnswer)
    signed = nominationOf(world, caller, candidate, electors)
    for _ in range(2):
        linkBetween(caller, elector).send(VoteWanted(signed))
        world.run(8)
    assert answers[0].vote is not None and answers[0] == answers[1]
    elector.crash()
    elector.restart()
    world.run(30)
    linkBetween(caller, elector).send(VoteWanted(nominationOf(world, caller, rival, electors)))
    world.run(8)
    linkBetween(caller, elector).send(VoteWanted(signed))
    world.run(8)
    assert [answer.code for answer in answers[2:]] == ["double", "double"]
    trust = elector.peer.commons.policies.reputation.trust(caller.peerId)
    assert any(reason.name == str(Deed.DOUBLE_VOTE) for reason in trust.reasons)


def test_aMandateThatIsDatedBack() -> None:
    """
    A caller and an elector that nobody knows make a mandate that is older than those of all voters, and valid for a day: whoever has
    served for a while lets its holder serve, and takes no vote from it.
    """
    world = network(14)
    world.run(SETTLING)
    witness = world.superPeers()[0]
    before = witness.peer.election.verifier.voters()
    assert len(before) >= 3
    holder = world.add("holder", start=False)
    caller, elector = (Identity.generate(world.random, world.scheme) for _ in range(2))
    now = int(witness.peer.commons.now())
    signed = seal(caller, Nomination(
        world.network.id, caller.peerId, 1, "none", holder.peerId, [holder.address], [elector.peerId], now - 3500, now + 80_000
    ))
    vote = Vote(
        world.network.id, elector.peerId, signed.digest, caller.peerId, 1, holder.peerId, now - 3500, now + 80_000
    )
    shown = Advert(
        world.network.id, holder.peerId, 1, now, now + 7000, "super", [holder.address], Capacity(), 0, "a",
        Mandate(signed, [seal(elector, vote)]),
    )
    known = witness.peer.membership.take(seal(holder.identity, shown))
    assert known is not None and known.mandated and known.recognised and "passes over" in known.problem
    assert holder.peerId not in witness.peer.election.verifier.voters()
    # And it is no other once the voters have renewed theirs.
    world.run(3)
    witness.peer.membership.rejudge()
    assert witness.peer.election.verifier.voters().keys() == before.keys()


def test_anElectorThatNeverAnswers() -> None:
    """Where a seat has two electors and one of them is mute, the next seat is filled by the vote of the other."""
    world = World(2)
    first = world.add("p0")
    for number in range(1, 5):
        world.add(f"p{number}", [first], settings=Settings(role="super" if number < 3 else "auto"))
    assert world.until(lambda: len(world.superPeers()) == 3, 300)
    assert world.until(lambda: all(one.peer.election.state == "mandated" for one in world.superPeers()), 300)
    caller, mute, _ = world.superPeers()
    intercept(mute.peer, VoteWanted, lambda link, message: None)
    leaf = world.leaves()[0]
    outcomes = []
    for _ in range(2):
        seats = caller.peer.election.caller
        assert world.until(lambda: not seats.busy, 60)  # noqa: B023
        seats.callFor(leaf.peerId, [leaf.address], Capacity(), "petition")
        assert world.until(lambda: not seats.busy, 60)  # noqa: B023
        outcomes.append((seats.history[-1]["outcome"], seats.history[-1]["candidate"] == shortText(leaf.peerId)))
    assert outcomes == [("abandoned", True), ("filled", True)]
    assert leaf.peer.election.state == "mandated"
    world.run(10)
    for one in world.superPeers():
        assert one is leaf or leaf.peerId in one.peer.election.verifier.voters()


def test_whoTurnsAwayIsNotDead() -> None:
    """A super-peer that blocks another is passed over by it in a seat, and nobody is told that it is dead, then or after a search."""
    world = network(14)
    leaf = world.leaves()[0]
    caller, hard = world.superPeers()[:2]
    told: list[AdvertIds] = []

    def watch(sender: bytes, receiver: bytes, message: Message) -> None:
        if sender == caller.peerId and isinstance(message, AdvertIds) and hard.peerId in message.dead:
            told.append(message)

    world.net.watcher = watch
    linkBetween(leaf, caller)
    hard.peer.commons.blocked.add(caller.peerId)
    hard.peer.links.refuseBlocked()
    assert world.until(lambda: caller.peer.links.get(hard.peerId) is None, 1)
    assert caller.search("dawn", want=50).receipt.answered >= 1
    known = caller.peer.membership.get(hard.peerId)
    assert known is not None and known.alive
    seats = caller.peer.election.caller
    assert world.until(lambda: not seats.busy, 60)
    seats.callFor(leaf.peerId, [leaf.address], Capacity(), "petition")
    assert world.until(lambda: not seats.busy, 60)
    assert seats.history[-1]["outcome"] == "filled" and shortText(hard.peerId) not in seats.history[-1]["electors"]  # type: ignore[operator]
    world.run(20)
    assert told == []


def test_anElectorKeepsTheLinkToItsCaller() -> None:
    """As long as it dials a candidate back: the caller waits for its answer."""
    world = network(14)
    leaf = world.leaves()[0]
    caller, elector, electors = seatOf(world, 900, leaf)
    there = linkBetween(caller, elector)
    link = elector.peer.links.get(caller.peerId)
    assert link is not None and not elector.peer.election.needs(link)
    there.send(VoteWanted(nominationOf(world, caller, leaf, electors, addresses=["10.9.9.9:7116"])))
    assert world.until(lambda: elector.peer.election.needs(link), 1)
    world.run(40)
    assert not elector.peer.election.needs(link)


def test_damagedHeirs() -> None:
    """What cannot be read of the heirs that were kept over a restart is left out."""
    world = World(1)
    peer = world.add("p0", start=False)
    peer.storage.table("heirs").put(b"h" * 20, b"\xff\xfe")
    peer.start()
    world.run(1)
    assert peer.isSuper and peer.peer.homes.heirs.byHome == {} == dict(peer.storage.table("heirs").items())


def test_grindersAreBarred() -> None:
    """A caller whose seats were abandoned three times in a row gets no vote for an hour."""
    world = network(14)
    leaf = world.leaves()[0]
    caller, elector, everybody = seatOf(world, 901, leaf)
    answers = received(world, caller, VoteAnswer)
    for counter in (901, 902, 903):
        signed = nominationOf(world, caller, leaf, everybody, counter=counter, lastOutcome="abandoned")
        linkBetween(caller, elector).send(VoteWanted(signed))
        world.run(6)
    assert [answer.code for answer in answers] == ["", "", "barred"]
    old = nominationOf(world, caller, leaf, everybody, counter=7)
    linkBetween(caller, elector).send(VoteWanted(old))
    world.run(6)
    assert answers[-1].code == "counter"


def test_anUndialableCandidateGetsNoVote() -> None:
    """Each elector dials the candidate back itself."""
    world = network(14)
    hidden = world.add("hidden", ["p0"], dialable=False)
    world.run(30)
    caller, elector, electors = seatOf(world, 900, hidden)
    answers = received(world, caller, VoteAnswer)
    linkBetween(caller, elector).send(VoteWanted(nominationOf(world, caller, hidden, electors)))
    world.run(20)
    assert [answer.code for answer in answers] == ["unfit"] and not hidden.isSuper


def test_forgedNominationsAndMandates() -> None:
    """Forged nominations and mandates that do not hold are refused, and cost reputation."""
    world = network(14)
    caller, elector = world.superPeers()[:2]
    leaf = world.leaves()[0]
    answers = received(world, caller, VoteAnswer)
    signed = nominationOf(world, caller, leaf, [elector])
    linkBetween(caller, elector).send(VoteWanted(msgspec.structs.replace(signed, signature=b"x" * 64)))
    stolen = nominationOf(world, world.superPeers()[2], leaf, [elector])
    linkBetween(caller, elector).send(VoteWanted(stolen))
    world.run(3)
    assert [answer.code for answer in answers] == ["forged", "caller"]
    got = received(world, caller, MandateAnswer)
    linkBetween(caller, leaf).send(MandateGiven(Mandate(signed, [])))
    world.run(3)
    assert got == [] and not leaf.isSuper
    before = leaf.peer.commons.trust(caller.peerId)
    assert before < 0.5


def test_aSelfAppointedPeerIsNotRecognised() -> None:
    """Where there are mandates, one that appoints itself is no super-peer to others, with or without a forged mandate."""
    world = network(14)
    world.run(120)
    rogue, honest = world.leaves()[0], world.superPeers()[0]
    rogue.peer.election.role.life.unreachable()
    rogue.peer.election.role.life.patienceEnded()
    world.run(0.5)
    link = linkBetween(rogue, honest)
    link.send(Adverts([rogue.peer.membership.ownSigned()]))
    world.run(0.5)
    known = honest.peer.membership.get(rogue.peerId)
    assert known is not None and known.advert.role == "super" and not known.recognised
    own = rogue.peer.membership.ownAdvert()
    forged = Mandate(nominationOf(world, rogue, rogue, [honest]), [])
    advert: Advert = msgspec.structs.replace(own, sequence=own.sequence + 5, mandate=forged)
    link.send(Adverts([seal(rogue.identity, advert)]))
    world.run(0.5)
    known = honest.peer.membership.get(rogue.peerId)
    assert known is not None and known.advert.mandate == forged and not known.recognised and known.problem


def test_heirs() -> None:
    """Leaves are told the heirs of their homes; an heir serves only if its home is dead and leaves ask."""
    world = network(14)
    world.run(60)
    home = max(world.superPeers(), key=lambda one: one.peer.hosting.count)
    # Not one that was there once, and kept an old list.
    leaf = next(one for one in world.leaves() if home.peerId in {link.peerId for link in one.peer.homes.links()})
    signed = leaf.peer.homes.heirs.byHome[home.peerId]
    named = msgspec.msgpack.decode(signed.body, type=HeirList)
    heir = next(one for one in world.leaves() if one.peerId in {entry.peerId for entry in named.heirs})
    asker = next(one for one in world.leaves() if one is not heir)
    answers = received(world, asker, SummonsAnswer)
    linkBetween(asker, heir).send(Summons(signed))
    world.run(10)
    outsider = next(one for one in world.leaves() if one.peerId not in {entry.peerId for entry in named.heirs} and one is not asker)
    linkBetween(asker, outsider).send(Summons(signed))
    linkBetween(asker, outsider).send(Summons(msgspec.structs.replace(signed, signature=b"x" * 64)))
    world.run(10)
    assert [answer.code for answer in answers] == ["home-alive", "not-named", "forged"]


def test_everySuperPeerDies() -> None:
    """Heirs take the place of homes that died together, and are recognised as heirs until they are elected."""
    world = network(14, seed=6)
    world.run(120)
    for one in world.superPeers():
        one.crash()
    assert world.until(world.superPeers, 120)
    assert world.superPeers()[0].peer.election.state in ("heir", "self-appointed")
    world.run(120)
    living = [one for one in world.peers.values() if one.running]
    assert len(living[0].search("dawn", want=50).hits) == len(living)


def test_forgedHeirsAreNotKept() -> None:
    """A list of heirs that the home did not sign is left out, and costs reputation."""
    world = network(12)
    leaf = world.leaves()[0]
    home = next(one for one in world.superPeers() if one.peerId == leaf.peer.homes.links()[0].peerId)
    now = int(home.peer.commons.now())
    forged = seal(leaf.identity, HeirList(world.network.id, home.peerId, now, now + 100, []))
    kept = leaf.peer.homes.heirs.byHome.keys() | set()
    linkBetween(home, leaf).send(HeirsNamed(forged))
    world.run(0.2)
    # The home itself may name others meanwhile.
    assert leaf.peer.homes.heirs.byHome.keys() == kept and forged not in leaf.peer.homes.heirs.byHome.values()
    assert leaf.peer.commons.trust(home.peerId) < 0.5


def test_appointed() -> None:
    """With the plugin appointed those who are named serve, and nobody else, whatever the load."""
    world = World(2)
    first = world.add("boss", specs={"election": "appointed:me=yes"}, documents=[world.document("s/a.txt", "dawn")])
    from overlay.identity.ids import idText

    specs = {"election": f"appointed:peers={idText(first.peerId)}"}
    for number in range(8):
        world.add(f"p{number}", [first], [world.document(f"s/{number}.txt", f"dawn {number}")], specs=specs)
    world.run(60)
    assert world.superPeers() == [first]
    assert len(world.peers["p3"].search("dawn").hits) == 9
    first.crash()
    world.run(200)
    assert world.superPeers() == []
    first.restart()
    # Leaves try it again after a minute at the most, and a little.
    world.run(80)
    assert len(world.peers["p3"].search("dawn").hits) == 9


def test_roleSettings() -> None:
    """A peer of the role leaf never serves; one of the role super asks for a seat and gets it."""
    world = World(4)
    lone = world.add("lone", settings=Settings(role="leaf"))
    world.run(300)
    assert not lone.isSuper and lone.search("x").code == "not-joined"
    world = World(5)
    first = world.add("p0")
    eager = world.add("eager", [first], settings=Settings(role="super"))
    world.run(120)
    assert eager.isSuper


def test_surplusResigns() -> None:
    """When there are more super-peers than the load asks for, some hand their leaves over and resign."""
    world = network(14, seed=8)
    before = len(world.superPeers())
    for one in world.leaves()[3:]:
        one.stop()
    assert world.until(lambda: len(world.superPeers()) < before, 900)
    # What those who left had registered is served for its lease.
    world.run(400)
    living = [one for one in world.peers.values() if one.running]
    assert len(living[0].search("dawn", want=50).hits) == len(living)


def test_petitionsOfPeersThatMayNotServe() -> None:
    """An unsolicited offer of an unwilling peer is left out, and one to a leaf does nothing."""
    world = network(12)
    leaf, home = world.leaves()[0], world.superPeers()[0]
    capacity = leaf.peer.membership.capacity(0)
    linkBetween(leaf, home).send(Qualified(0, False, [], capacity))
    linkBetween(home, leaf).send(Qualified(0, True, [], capacity))
    linkBetween(home, leaf).send(NeighbourAnswer(True))
    world.run(5)
    assert not home.peer.election.reign.petitions and not leaf.peer.election.reign.petitions
    assert leaf.peer.neighbours.linked() == []


def test_backoff() -> None:
    """A failure doubles the wait, a success or a change of what it depends on begins anew."""
    wait = Backoff(2.0, 10.0)
    assert wait.mayTry(0, "a")
    wait.tried(0, False)
    assert not wait.mayTry(1.9, "a") and wait.mayTry(2.0, "a")
    wait.tried(2, False)
    assert not wait.mayTry(5.9, "a") and wait.mayTry(6, "a")
    for _ in range(4):
        wait.tried(10, False)
    assert not wait.mayTry(19, "a") and wait.mayTry(20, "a")
    assert wait.mayTry(12, "b")
    wait.tried(30, True)
    assert wait.mayTry(32, "b")
