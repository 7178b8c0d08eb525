"""What lies beyond the ttl of a copy: who was not reached by one, was reached in another way or is missing from the search."""

from collections.abc import Sequence

import msgspec
import pytest

from overlay.lab.experiment import Measured
from overlay.lab.pinned import introduce, pinnedGraph, pinnedWorld
from overlay.lab.world import LabPeer, World
from overlay.search.outcome import Outcome
from overlay.search.receipts import NOBODY, Account, namesOf
from overlay.wire import limits
from overlay.wire.query import Query, Receipt

CHAIN = [(0, 1), (1, 2)]
TRIANGLE = [*CHAIN, (0, 2)]
CLIQUE = [(one, other) for one in range(8) for other in range(one)]


def network(count: int, edges: Sequence[tuple[int, int]], known: bool = False) -> tuple[World, list[LabPeer]]:
    """
    Super-peers, each of which shares one record with the word C{dawn}, the last one a rare one too.

    @param known: whether all know one another; else each knows its neighbours alone.
    """
    world = pinnedWorld(Measured(), 1, "full", (0.01, 0.03), router="summary")
    peers = pinnedGraph(world, count, edges, 0.03)
    if known:
        introduce(peers)
    for number, one in enumerate(peers):
        one.share(world.document(f"s/{number}.txt", f"dawn {number}"))
    peers[-1].share(world.document("s/rare.txt", "rare"))
    world.run(20)
    return world, peers


def asked(world: World, one: LabPeer, text: str, want: int = 20, ttl: int = limits.TTL_ALL) -> tuple[Outcome, int]:
    """The outcome by rings, and how many copies were sent for it."""
    before = world.net.sent.get(Query.__name__, 0)
    search = one.peer.searches.search(text, want, 10.0, "rings", None, ttl)
    ended: list[Outcome] = []
    search.finished.addCallback(ended.append)
    assert world.until(lambda: bool(ended), 20)
    return ended[0], world.net.sent.get(Query.__name__, 0) - before


@pytest.mark.parametrize("want", [1, 20, 1000])
@pytest.mark.parametrize("count", [3, 5])
def test_whoIsNotKnown(count: int, want: int) -> None:
    """Whom the searcher's super-peer does not know, but one of those that it asks does, is asked all the same."""
    world, peers = network(count, [(one, one + 1) for one in range(count - 1)])
    assert len(peers[0].peer.membership.superPeerView()) == 1
    outcome, _ = asked(world, peers[0], "rare", want)
    assert [hit.location for hit in outcome.hits] == ["s/rare.txt"]
    if want > 1:
        assert (outcome.status, outcome.ranking, outcome.answered, outcome.receipt.notReached) == ("complete", "exact", count, 0)


def test_enoughBesideWhoIsNotKnown() -> None:
    """Where there are rows enough nobody else is asked, and who is known to others alone counts as unasked."""
    world, peers = network(3, CHAIN)
    outcome, copies = asked(world, peers[0], "dawn", 2)
    assert (outcome.status, len(outcome.hits), outcome.ranking, copies) == ("enough", 2, "estimated", 1)
    assert outcome.unasked == 1 and 0.2 < outcome.unaskedPart <= 0.5


def test_whoWasReachedOtherwise() -> None:
    """Where each names others as beyond its copy, and all of these have answered, nobody is asked once more and nothing is beyond reach."""
    world, peers = network(8, CLIQUE, True)
    for want in (9, 1000):
        outcome, copies = asked(world, peers[0], "dawn", want)
        assert (outcome.status, outcome.ranking, outcome.answered, copies) == ("complete", "exact", 8, 7)
        assert outcome.receipt.notReached == 0


def test_withATtl() -> None:
    """What the ttl of the searcher kept out of reach is told; not that of a copy whose like has come by another way."""
    for edges, status in ((CHAIN, "incomplete"), (TRIANGLE, "complete")):
        world, peers = network(3, edges)
        outcome, _ = asked(world, peers[0], "dawn", ttl=2)
        assert (outcome.status, outcome.answered) == (status, 2 + (status == "complete"))
        assert outcome.receipt.notReached == (status == "incomplete")


def test_ofBefore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that count whom they do not reach and give no names are believed: everybody is asked, and then all is known."""
    told = Account.receipt
    monkeypatch.setattr(Account, "receipt", lambda account: msgspec.structs.replace(told(account), beyond=b""))
    world, peers = network(3, CHAIN)
    assert len(asked(world, peers[0], "rare")[0].hits) == 1
    outcome, _ = asked(world, peers[0], "dawn", 2)
    assert (outcome.status, outcome.unasked) == ("enough", 1)
    world, peers = network(8, CLIQUE, True)
    outcome, copies = asked(world, peers[0], "dawn")
    assert (outcome.status, outcome.ranking, outcome.answered, outcome.receipt.notReached) == ("complete", "exact", 8, 0) and copies > 7


def name(number: int) -> bytes:
    """Of a super-peer."""
    return number.to_bytes(8, "big")


def test_aCopyThatGoesFurther() -> None:
    """What it tells takes the place of what the one before told; what others told of the same stays."""
    account = Account()
    near = Receipt(answeredBy=name(1), notReached=2, beyond=name(2) + name(3))
    account.add(near)
    account.add(Receipt(answeredBy=name(4), notReached=1, beyond=name(3)))
    account.goBeyond(near)
    assert (account.unreached, account.outOfReach) == ({name(3)}, 1)
    account.add(Receipt(answeredBy=name(3)))
    assert (account.unreached, account.outOfReach, account.receipt().notReached) == (set(), 0, 0)
    account.add(Receipt(notReached=1))
    assert (account.unreached, account.receipt().beyond) == ({NOBODY}, NOBODY)


def test_manyBeyond() -> None:
    """A receipt names so many and no more, and says that there are others."""
    account = Account()
    account.leave([name(number) for number in range(1, limits.BEYOND_NAMES + 1)], limits.BEYOND_NAMES)
    assert NOBODY not in namesOf(account.receipt().beyond)
    account.leave([name(1000)], 1)
    names = namesOf(account.receipt().beyond)
    assert len(names) == len(set(names)) == limits.BEYOND_NAMES and NOBODY in names
