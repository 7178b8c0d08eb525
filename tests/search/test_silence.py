"""Searches beside super-peers that say nothing: they are named, and not waited for."""

from typing import Any

import pytest

from overlay.identity.ids import shortText
from overlay.lab.world import LabPeer, World
from overlay.search.outcome import Outcome
from overlay.search.receipts import NAME_BYTES, Account, namesOf
from overlay.search.underway import UnderWay
from overlay.settings import Settings
from tests.search.test_searches import superNetwork


class Link:
    """What L{UnderWay} sees of one."""

    def __init__(self, number: int) -> None:
        self.peerId = bytes([number]) * 20
        self.silent = False


class Copy:
    def __init__(self, number: int) -> None:
        self.link = Link(number)

    @property
    def name(self) -> bytes:
        return self.link.peerId[:NAME_BYTES]


def test_whoIsSilentIsLostUntilItSpeaks() -> None:
    """It is counted and named at once; if it answers after all, or only speaks again, it is as if it had never been silent."""
    account = Account()
    under = UnderWay(account)
    copies: list[Any] = [Copy(number) for number in range(4)]
    copies[0].link.silent = True
    under.sent(copies[:1])
    under.sent(copies[1:])
    copies[1].link.silent = copies[2].link.silent = True
    for copy in copies[1:3]:
        under.silenceChanged(copy)
        under.silenceChanged(copy)
    assert (account.lost, list(under.waited), list(under)) == (3, copies[3:], [copies[3], *copies[:3]])
    assert account.receipt().silent == b"".join(one.name for one in copies[:3])
    assert under.ended(copies[0], True) and not under.ended(copies[0], True)
    copies[1].link.silent = False
    under.silenceChanged(copies[1])
    assert (account.lost, list(under.waited), list(account.silent)) == (1, [copies[3], copies[1]], [copies[2].name])
    # Of one whose link dies the branch says itself that it is lost.
    assert under.ended(copies[2], False) and account.lost == 0 and list(account.silent) == [copies[2].name]
    account.answeredBy[copies[2].name] = None
    assert account.receipt().silent == b""


def nobodyElse(outcome: Outcome, peers: list[LabPeer]) -> None:
    """All others are found, and the silent one is accounted for."""
    silent = peers[-1]
    assert {hit.owners[0] for hit in outcome.hits} >= {one.peerId for one in peers[:-1]}
    assert (outcome.status, outcome.missing, outcome.answered) == ("incomplete", 1, len(peers) - 1)
    assert namesOf(outcome.receipt.silent) == [silent.peerId[:NAME_BYTES]] and outcome.ranking == "estimated"
    receipt = outcome.receipt
    assert receipt.sent == receipt.answered + receipt.duplicate + receipt.refused + receipt.lost and receipt.lost >= 1


@pytest.mark.parametrize("router", ["flood", "tree", "summary"])
def test_beside_one_that_vanishes(router: str) -> None:
    """A search that is under way when a neighbour falls silent ends when that is noticed, the next ones at once; in the end it is gone."""
    world = superNetwork(5)
    peers = sorted(world.superPeers(), key=lambda one: one.peerId)
    peers[-1].crash()
    outcome = peers[0].search("dawn", want=100, router=router)
    assert 2.0 < outcome.elapsed < 6.5
    nobodyElse(outcome, peers)
    for searcher in peers[:2]:
        outcome = searcher.search("dawn", want=100, router=router)
        assert outcome.elapsed < 1.0
        nobodyElse(outcome, peers)
    assert peers[1].peer.searches.explainLast()[0]["silent super-peers"] == [shortText(peers[-1].peerId)]
    world.run(60)
    assert peers[0].search("dawn", want=100, router=router).status == "complete"


def test_itsAnswerCountsAsLongAsOthersAreWaitedFor() -> None:
    """Whoever speaks again before the search is over is found, and is not named any more."""
    world = superNetwork(4)
    peers = sorted(world.superPeers(), key=lambda one: one.peerId)
    searcher, slow, silent = peers[0], peers[1], peers[3]
    for one in peers[:3]:
        world.net.cut(one.peerId, silent.peerId)
    world.run(6.5)
    link = searcher.peer.links.get(silent.peerId)
    assert link is not None and link.silent
    for one in peers[:3]:
        world.net.mend(one.peerId, silent.peerId)
    # It speaks again within a few seconds, as TCP has it.
    slow.host.slowness = 2.5
    outcome = searcher.search("dawn", want=100, router="flood", timeout=60.0)
    assert (outcome.answered, outcome.missing, outcome.receipt.silent) == (4, 0, b"")
    assert {hit.owners[0] for hit in outcome.hits} == {one.peerId for one in peers}


@pytest.mark.parametrize("wait", [0.0, 12.0])
def test_aLeafAsksItsOtherHomeAtOnce(wait: float) -> None:
    """Whose home is silent has its answer as soon as ever; before that is noticed, after a moment."""
    world = World(3, Settings(role="auto"), specs={"election": "fittest:wanted=1,least=50,settle=100000"})
    first = world.add("p0", documents=[world.document("s/p0.txt", "dawn")])
    world.run(5)
    leaf = world.add("leaf", [first], [world.document("s/leaf.txt", "dawn")], dialable=False)
    other = world.add("p1", [first], [world.document("s/p1.txt", "dawn")])
    other.peer.commons.storage.table("role").put(b"role", b"super")
    other.crash()
    other.restart()
    world.run(90)
    assert len(leaf.peer.homes.links()) == 2
    preferred = leaf.peer.homes.preferred()
    assert preferred is not None
    next(one for one in (first, other) if one.peerId == preferred.peerId).crash()
    world.run(wait)
    assert preferred.silent == (wait > 10)
    outcome = leaf.search("dawn")
    assert {hit.owners[0] for hit in outcome.hits} >= {leaf.peerId} and outcome.elapsed < (0.5 if wait else 8.5)


def test_farFromOneThatVanishes() -> None:
    """Whoever is no neighbour of a silent super-peer dials it, and does not wait for that for long."""
    world = superNetwork(12, 12, 3)
    peers = sorted(world.superPeers(), key=lambda one: one.peerId)
    searcher = peers[0]
    gone = next(one for one in peers[1:] if searcher.peer.links.get(one.peerId) is None)
    gone.crash()
    world.run(7.0)
    outcome = searcher.search("dawn", want=100)
    assert outcome.elapsed < 2.5 and (outcome.status, outcome.missing, outcome.answered) == ("incomplete", 1, 11)
    assert namesOf(outcome.receipt.silent) == [gone.peerId[:NAME_BYTES]]
