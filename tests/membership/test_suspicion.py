"""Suspicion before death: what a silent link means, what others know of it, and that nobody is talked to death."""

from typing import Any

import pytest

from overlay.desk import Desk
from overlay.identity.ids import PeerId, idText
from overlay.lab.experiment import Measured
from overlay.lab.living import Overlay
from overlay.lab.world import LabPeer
from overlay.link.link import Link
from overlay.membership.suspicion import ANSWER_WITHIN, ASKED, ONCE_IN
from overlay.peer import Peer
from overlay.wire.message import Message
from overlay.wire.messages import AdvertIds, Ping, SignMissed, SignSeen, SignWanted
from tests.intercepting import intercept


class Town:
    """
    Super-peers that all serve, and what they say to one another.

    @ivar said: sender, receiver, message.
    """

    def __init__(self, count: int = 6, degree: int = 10, seed: int = 1) -> None:
        self.overlay = Overlay(Measured(), seed, "none", (0.01, 0.03), count, degree, "flood")
        self.world = self.overlay.world
        self.peers = sorted(self.overlay.serving, key=lambda one: one.peerId)
        self.world.run(30.0)
        self.said: list[tuple[PeerId, PeerId, Message]] = []
        self.world.net.watcher = lambda sender, receiver, message: self.said.append((sender, receiver, message))

    def count(self, kind: type, receiver: LabPeer | None = None) -> int:
        return sum(isinstance(message, kind) and (receiver is None or to == receiver.peerId) for _, to, message in self.said)

    def deathsTold(self, of: LabPeer) -> set[PeerId]:
        """Who has told others that a peer is dead."""
        return {sender for sender, _, message in self.said if isinstance(message, AdvertIds) and of.peerId in message.dead}

    def link(self, one: LabPeer, other: LabPeer) -> Link:
        found = one.peer.links.get(other.peerId)
        assert found is not None
        return found

    def isolate(self, one: LabPeer) -> None:
        self.world.net.partition([other.peerId for other in self.peers if other is not one], [one.peerId])


def state(one: LabPeer, link: Link) -> str:
    return one.peer.suspicion.stateOf(link)


def test_aSilentPeerIsSuspectedThenDead() -> None:
    """
    A machine that vanishes is suspected within 6 s by all its neighbours, none of whom has a sign for the others; its links end 20 s after
    the last sign, and only then its death is told.
    """
    town = Town()
    gone, *others = town.peers
    gone.crash()
    town.world.run(6.3)
    links = [town.link(one, gone) for one in others]
    assert [state(one, link) for one, link in zip(others, links, strict=True)] == ["suspected"] * len(others)
    assert all(one.peer.suspicion.suspected == [gone.peerId] for one in others)
    assert town.count(SignWanted) == len(others) * ASKED and town.count(SignSeen) == 0
    desk = Desk(others[0].peer, None)  # type: ignore[arg-type]
    assert {row["peer"]: row["state"] for row in desk.peers()} == {
        idText(one.peerId): "suspected" if one is gone else "there" for one in town.peers if one is not others[0]
    }
    explained = desk.explain("peer", idText(gone.peerId))["link"]
    assert explained["silent for"] > explained["suspected after"] == 5.0 and explained["given up after"] == 20.0
    town.world.run(12.0)
    assert town.deathsTold(gone) == set() and all(one.peer.membership.get(gone.peerId).alive for one in others)  # type: ignore[union-attr]
    town.world.run(12.0)
    assert all(one.peer.links.get(gone.peerId) is None and one.peer.suspicion.suspected == [] for one in others)
    assert town.deathsTold(gone) and not any(one.peer.membership.get(gone.peerId).alive for one in others)  # type: ignore[union-attr]


def test_whoIsResetIsGoneAtOnce() -> None:
    """A process that dies has its links reset: everybody knows within a second."""
    town = Town()
    gone, *others = town.peers
    gone.kill()
    town.world.run(0.1)
    assert all(one.peer.links.get(gone.peerId) is None for one in others)


def test_aPauseOfTenSecondsIsSurvived() -> None:
    """Who stands still for ten seconds is suspected, and then goes on: no link is lost, nobody was called dead, no neighbour is another."""
    town = Town()
    paused, *others = town.peers
    neighbours = [[link.peerId for link in one.peer.neighbours.linked()] for one in town.peers]
    links = [town.link(one, paused) for one in others]
    town.isolate(paused)
    town.world.run(10.0)
    assert all(link.silent for link in links)
    town.world.net.heal()
    town.world.run(8.0)
    assert [town.link(one, paused) for one in others] == links and not any(link.silent for link in links)
    assert town.deathsTold(paused) == set() and all(one.peer.suspicion.suspected == [] for one in town.peers)
    assert [[link.peerId for link in one.peer.neighbours.linked()] for one in town.peers] == neighbours


@pytest.mark.parametrize("degree", [10, 2])
def test_onlyTheLinkIsCut(degree: int) -> None:
    """
    Between two super-peers nothing passes, but both live: others say so, whether they are linked to the suspect or have to dial it. The
    link ends in its time, and neither tells anybody that the other is dead.
    """
    town = Town(8, degree, 3)
    one = town.peers[0]
    other = next(peer for peer in town.peers if peer.peerId == one.peer.neighbours.linked()[0].peerId)
    town.world.net.cut(one.peerId, other.peerId)
    town.world.run(7.5)
    link = town.link(one, other)
    assert link.silent and state(one, link) == state(other, town.link(other, one)) == "vouched for"
    assert one.peer.suspicion.suspected == []
    town.world.run(30.0)
    assert one.peer.links.get(other.peerId) is None
    assert town.deathsTold(one) == town.deathsTold(other) == set()
    others = [peer for peer in town.peers if peer not in (one, other)]
    assert all(peer.peer.membership.get(other.peerId).alive for peer in others)  # type: ignore[union-attr]
    town.world.net.mend(one.peerId, other.peerId)
    town.world.run(60.0)
    assert one.peer.membership.get(other.peerId).alive and other.peer.membership.get(one.peerId).alive  # type: ignore[union-attr]


def test_theSuspectAnswersAtOnce() -> None:
    """Whoever is told that it is missed gives a sign of life where it is missed, once a second at most however often it is told so."""
    town = Town()
    asker, helper, suspect = town.peers[:3]

    def signs() -> int:
        return sum((sender, to) == (suspect.peerId, asker.peerId) and isinstance(said, Ping) for sender, to, said in town.said)

    for times in (20, 1):
        # It has just given the sign that it would give anyway.
        before = signs()
        assert town.world.until(lambda before=before: signs() > before, 5.0)  # type: ignore[misc]
        before = signs()
        for _ in range(times):
            town.link(helper, suspect).send(SignMissed(asker.peerId))
        town.world.run(0.1)
        assert signs() == before + 1
        town.world.run(ONCE_IN)


def test_whoHasNoLinkDialsWhoeverMissesIt() -> None:
    """A suspect without a link to whoever misses it shows itself there by dialling, once in a while at most."""
    town = Town(8, 2, 3)
    helper = town.peers[0]
    suspect = next(one for one in town.peers if one.peerId == helper.peer.neighbours.linked()[0].peerId)
    missing = next(one for one in town.peers if one is not suspect and suspect.peer.links.get(one.peerId) is None)
    dialled: list[PeerId] = []

    class Watched:
        def __init__(self, peer: Peer) -> None:
            self._peer = peer

        def __getattr__(self, name: str) -> Any:
            return getattr(self._peer, name)

        def dialledBy(self, peer: PeerId) -> None:
            dialled.append(peer)
            self._peer.dialledBy(peer)

    missing.peer.links.observer = Watched(missing.peer)  # type: ignore[assignment]
    for _ in range(5):
        town.link(helper, suspect).send(SignMissed(missing.peerId))
        town.world.run(0.9)
    assert dialled == [suspect.peerId] and missing.peer.suspicion.suspected == []


def test_aNewLinkTakesThePlaceOfASilentOne() -> None:
    """Where one end has lost a link and the other has not, whoever dials anew is not turned away for the sake of a link that is silent."""
    town = Town()
    asker, _, suspect = town.peers[:3]
    link = town.link(suspect, asker)
    # As if one end had not heard of the end.
    link._channel.vanish()  # type: ignore[attr-defined]
    link.channelLost("lost")
    town.world.run(20.0)
    assert not town.link(asker, suspect).silent and town.link(asker, suspect).since > link.since
    assert suspect.peer.links.get(asker.peerId) is not None and asker.peer.neighbours.isNeighbour(suspect.peerId)
    assert town.deathsTold(suspect) == set()


def forged(town: Town) -> tuple[LabPeer, LabPeer, LabPeer]:
    attacker, victim, target = town.peers[:3]
    town.said.clear()
    return attacker, victim, target


def test_nobodyIsTalkedToDeath() -> None:
    """Whatever is claimed of somebody, in any number: no link ends, nobody is suspected, no death is told, and little follows."""
    town = Town()
    attacker, victim, target = forged(town)
    links = [town.link(one, target) for one in town.peers if one is not target]
    for one in town.peers:
        if one is attacker:
            continue
        link = town.link(attacker, one)
        for _ in range(200):
            link.send(SignWanted(target.peerId))
            link.send(SignMissed(victim.peerId))
            link.send(SignSeen(target.peerId, 0.0))
            link.send(SignWanted(b"x" * 20))
    sent = 800 * (len(town.peers) - 1)
    town.world.run(5.0)
    assert town.deathsTold(target) == town.deathsTold(victim) == set()
    assert all(one.peer.suspicion.suspected == [] for one in town.peers)
    assert not any(link.closed or link.silent for link in links)
    caused = [row for row in town.said if row[0] != attacker.peerId and not isinstance(row[2], SignSeen)]
    # Signs of life, gossip and all: without the attack there are about as many.
    assert len(caused) < sent / 10
    # Of what is answered at all each answer goes to the attacker alone.
    assert {to for sender, to, said in town.said if isinstance(said, SignSeen) and sender != attacker.peerId} == {attacker.peerId}
    assert town.count(SignMissed, target) <= 5 * (ONCE_IN + 5.0) + sum(
        isinstance(message, SignMissed) and sender == attacker.peerId and to == target.peerId for sender, to, message in town.said
    )


def test_anAnswerThatNobodyAskedFor() -> None:
    """Who vouches for a peer without having been asked, or of long ago, or twice, changes nothing."""
    town = Town()
    gone, asker, *helpers = town.peers
    for one in helpers:
        # They keep to themselves what they know.
        intercept(one.peer, SignWanted, lambda link, message: None)
    gone.crash()
    town.world.run(6.5)
    asked = asker.peer.suspicion._suspects[gone.peerId].asked
    assert len(asked) == ASKED
    unasked = next(one for one in helpers if one.peerId not in asked)
    town.link(unasked, asker).send(SignSeen(gone.peerId, 0.0))
    first = next(one for one in helpers if one.peerId in asked)
    town.link(first, asker).send(SignSeen(gone.peerId, 100.0))
    town.link(first, asker).send(SignSeen(gone.peerId, 0.0))
    town.world.run(0.1)
    assert asker.peer.suspicion.suspected == [gone.peerId]
    assert asker.peer.commons.tally.get("drops", "sign") == 2


def test_whoAsksIsAnsweredOnceASignComes() -> None:
    """Where the link of whoever is asked is quiet as well, it asks the suspect itself, and passes on what comes."""
    town = Town(4)
    asker, helper, suspect = town.peers[:3]
    link = town.link(helper, suspect)
    link.heard -= 4.0
    town.link(asker, helper).send(SignWanted(suspect.peerId))
    got: list[Any] = []
    intercept(asker.peer, SignSeen, lambda link, message: got.append(message))
    town.world.run(0.05)
    assert got == []
    town.world.run(ANSWER_WITHIN)
    assert [(one.peer, one.ago <= ANSWER_WITHIN) for one in got] == [(suspect.peerId, True)]


def test_leavesHaveNoPart() -> None:
    """A peer that does not serve answers none of this, and keeps nothing."""
    town = Town(3)
    one, other, third = town.peers
    other.peer.membership.role = "leaf"
    town.said.clear()
    for message in (SignWanted(third.peerId), SignMissed(third.peerId), SignSeen(third.peerId, 0.0)):
        town.link(one, other).send(message)
    town.world.run(0.2)
    assert town.count(SignSeen, one) == 0 and len(other.peer.suspicion._inquiries) == 0
    assert other.peer.commons.tally.get("drops", "sign") == 3
