"""How loads are kept even: the choice of homes, and leaves that are moved; and how often heirs are named."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from overlay.identity.ids import PeerId
from overlay.lab.world import World
from overlay.questions import Load
from overlay.roles.balance import AT_ONCE, EVERY, Balance
from overlay.roles.heirs import GATHER, LOOK_EVERY, RENEW, HeirKeeper
from overlay.roles.observations import DialBack
from overlay.settings import Settings
from overlay.verdict import Verdict
from overlay.wire import limits
from overlay.wire.registration import MoveTo
from overlay.wire.statements import Heir, HeirList, contentOf
from tests.index.material import identity
from tests.index.surroundings import commonsOf


def others(*loads: int) -> list[Any]:
    """Super-peers that carry so many registrations."""
    return [
        SimpleNamespace(peerId=PeerId(b"%020d" % at), advert=SimpleNamespace(load=load, addresses=["10.0.0.1:1"]), signed=f"advert {at}")
        for at, load in enumerate(loads)
    ]


def test_theLessLoadedOfTwo() -> None:
    """
    Of two at random the less loaded is chosen: the chance falls evenly with the load, so not all leaves choose the same one, and the most
    loaded is chosen by nobody who has a choice.
    """
    homes: Any = World(1, codec="none").add().peer.homes
    known = others(50, 10, 40, 20, 30)
    homes._membership = SimpleNamespace(superPeers=lambda: known)
    chosen = Counter(homes._choose(1, 1e9)[0].advert.load for _ in range(4000))
    for place, load in enumerate((10, 20, 30, 40)):
        assert chosen[load] / 4000 == pytest.approx(2 * (4 - place) / 20, abs=0.035)
    assert chosen[50] == 0
    assert sorted(one.advert.load for one in homes._choose(9, 1e9)) == [10, 20, 30, 40, 50]
    two = homes._choose(2, 1e9)
    assert len({one.peerId for one in two}) == 2
    # Those that are avoided for a while, or are homes already, are left alone.
    homes._avoid = {known[1].peerId: (2e9, 1.0)}
    homes._homes = {known[3].peerId: object()}
    assert sorted(one.advert.load for one in homes._choose(9, 1e9)) == [30, 40, 50]
    homes._homes = {}


class Moves:
    """A balance whose moves are only noted."""

    def __init__(self, leaves: int, *loads: int) -> None:
        self.commons = commonsOf(identity(1))
        self.known = others(*loads)
        self.moved: list[tuple[int, list[str], str]] = []
        links = [SimpleNamespace(peerId=PeerId(b"leaf%016d" % at)) for at in range(leaves)]
        membership: Any = SimpleNamespace(
            superPeers=lambda: self.known, get=lambda peer: next((one for one in self.known if one.peerId == peer), None)
        )
        hosting: Any = SimpleNamespace(
            leaves=lambda: links, handOver=lambda chosen, adverts, code, within: self.moved.append((len(chosen), adverts, code))
        )
        self.balance = Balance(self.commons, membership, hosting)

    def load(self, registrations: int) -> Load:
        return Load(self.commons.peerId, registrations, 1e3, tuple(one.advert.load for one in self.known), 1e3, True)


@pytest.mark.parametrize(("registrations", "other", "moved"), [
    (100, 0, 25), (100, 60, 10), (100, 62, 9), (100, 63, 0), (7, 0, 0), (8, 0, 2), (300, 0, AT_ONCE), (50, 90, 0)
])
def test_aQuarterOfTheDifference(registrations: int, other: int, moved: int) -> None:
    """Goes to another that carries far fewer, at most so many at a time; small differences stay."""
    moves = Moves(registrations, other)
    moves.balance.tick(moves.load(registrations))
    assert moves.moved == ([(moved, ["advert 0"], "balance")] if moved else [])


def test_movesTakeTheirTime() -> None:
    """What was moved has to show before more is."""
    moves = Moves(100, 10, 90)
    for _ in range(60):
        moves.balance.tick(moves.load(100))
        moves.commons.clock.advance(1.0)  # type: ignore[attr-defined]
    # One of the two is looked at, which is the less loaded.
    assert moves.moved == [(22, ["advert 0"], "balance")] * round(60 / EVERY)
    alone = Moves(100)
    alone.balance.tick(alone.load(100))
    assert alone.moved == []


def test_theNewOneGetsItsShare() -> None:
    """Who has just been elected gets what this one carries more than the mean; the next move waits."""
    moves = Moves(100, 100, 0)
    moves.balance.filled(moves.known[1].peerId, moves.load(100))
    assert moves.moved == [(33, ["advert 1"], "balance")]
    moves.balance.tick(moves.load(100))
    assert len(moves.moved) == 1
    # Nobody hands over leaves of which it has fewer than the others.
    few = Moves(20, 100, 0)
    few.balance.filled(few.known[1].peerId, few.load(20))
    assert few.moved == []


def test_whoIsThereAlreadyStays() -> None:
    """A leaf that is sent to a super-peer which is its home already leaves nobody: with two super-peers all leaves are at both."""
    world = World(3, codec="none", specs={"election": "fittest:wanted=4,low=0.1"})
    first = world.add()
    for _ in range(5):
        world.add(bootstrap=[first])
    world.run(90)
    home, other = world.superPeers()[:2]
    leaf = next(one for one in world.leaves() if {home.peerId, other.peerId} <= {view.peerId for view in one.peer.homes.views()})
    link = home.peer.links.get(leaf.peerId)
    assert link is not None
    before = leaf.peer.commons.tally.get("messages", "registeroffer", "out")
    for _ in range(3):
        link.send(MoveTo([other.peer.membership.ownSigned()], "balance", 5.0))
        world.run(30)
    assert [view.state for view in leaf.peer.homes.views()] == ["registered", "registered"]
    assert leaf.peer.commons.tally.get("messages", "registeroffer", "out") == before
    # A home that resigns is another matter.
    link.send(MoveTo([other.peer.membership.ownSigned()], "resigned", 5.0))
    world.run(1)
    assert leaf.peer.homes._leaving


def test_whoCannotBeReachedGetsNobody() -> None:
    """A leaf that is sent to a super-peer which does not answer has its two homes all the while."""
    world = World(4, codec="none", specs={"election": "fittest:wanted=4,low=0.1"})
    first = world.add()
    for _ in range(9):
        world.add(bootstrap=[first])
    leaf = world.add(bootstrap=[first], settings=Settings(role="leaf"))
    world.run(150)
    homes = {view.peerId for view in leaf.peer.homes.views()}
    silent = next(one for one in world.superPeers() if one.peerId not in homes)
    home = next(one for one in world.superPeers() if one.peerId in homes)
    link = home.peer.links.get(leaf.peerId)
    assert link is not None and len(homes) == 2
    silent.crash()

    def registered() -> set[PeerId]:
        return {PeerId(view.peerId) for view in leaf.peer.homes.views() if view.state == "registered"}

    link.send(MoveTo([silent.peer.membership.ownSigned()], "balance", 5.0))
    for _ in range(15):
        world.run(1)
        assert len(registered()) >= 2
    assert leaf.peer.homes._leaving == {} and len(registered()) == 2 and silent.peerId not in registered()
    # One that does answer gets it, as soon as it holds everything.
    home = next(one for one in world.superPeers() if one.peerId in registered())
    other = next(one for one in world.superPeers() if one.peerId not in registered())
    link = home.peer.links.get(leaf.peerId)
    assert link is not None
    link.send(MoveTo([other.peer.membership.ownSigned()], "balance", 5.0))
    world.run(3)
    assert other.peerId in registered() and home.peerId not in registered() and len(registered()) == 2


class Keeper:
    """An heir keeper over leaves that come and go, all as fit as each other."""

    def __init__(self, leaves: int) -> None:
        self.commons = commonsOf(identity(1))
        self.commons.policies.election = SimpleNamespace(fitness=lambda candidate: Verdict.yes(score=1.0))  # type: ignore[misc]
        self.told: list[int] = []
        self.here = [self._link(at) for at in range(leaves)]
        hosting: Any = SimpleNamespace(leaves=lambda: self.here)
        observations: Any = SimpleNamespace(
            last=lambda peer: DialBack("10.0.0.1:1", 0.01, 0.0), candidate=lambda *ignored: None, dialBack=lambda *ignored: None
        )
        neighbours: Any = SimpleNamespace(linked=lambda: [])
        self.serving: set[bytes] = set()
        membership: Any = SimpleNamespace(get=self._known)
        self.keeper = HeirKeeper(self.commons, membership, hosting, observations, neighbours)

    def _known(self, peer: bytes) -> Any:
        return SimpleNamespace(alive=True, advert=SimpleNamespace(role="super" if peer in self.serving else "leaf"))

    def _link(self, at: int) -> Any:
        advert = SimpleNamespace(addresses=[f"10.0.0.{at}:1"], capacity=None)

        def send(message: Any) -> bool:
            self.told.append(at)
            return True

        return SimpleNamespace(peerId=PeerId(b"leaf%016d" % at), advert=advert, send=send)

    def named(self, wait: float) -> list[int]:
        """Who is named after some seconds, by the addresses."""
        self.commons.clock.advance(wait)  # type: ignore[attr-defined]
        self.keeper.tick()
        assert self.keeper._signed is not None
        heirs = contentOf(self.keeper._signed, HeirList).heirs
        return [int(one.addresses[0].split(".")[3].split(":")[0]) for one in heirs]


def test_heirsAreNamedNowAndThen() -> None:
    """Each list goes to everybody, so small changes are joined: a new one comes after a while, or when half of those named are gone."""
    heirs = limits.HEIRS
    assert heirs >= 4
    keeper = Keeper(heirs + 4)
    first = keeper.named(0.0)
    assert len(first) == heirs and sorted(keeper.told) == list(range(heirs + 4))
    keeper.told.clear()
    gone = first[0]
    keeper.here = [one for one in keeper.here if one.peerId != PeerId(b"leaf%016d" % gone)]
    assert all(keeper.named(0.2) == first for _ in range(LOOK_EVERY)) and keeper.told == []
    keeper.named(GATHER)
    for _ in range(LOOK_EVERY):
        second = keeper.named(0.1)
    assert gone not in second and len(second) == heirs and set(second) > set(first) - {gone}
    assert sorted(keeper.told) == sorted(set(range(heirs + 4)) - {gone})
    # Half of them are gone: that cannot wait.
    keeper.told.clear()
    left = second[heirs // 2 + heirs % 2 :]
    keeper.here = [one for one in keeper.here if any(one.peerId == PeerId(b"leaf%016d" % at) for at in left)]
    for _ in range(LOOK_EVERY):
        third = keeper.named(0.2)
    assert set(third) == set(left) and sorted(keeper.told) == sorted(left)


def test_theFirstHeirsAreTold() -> None:
    """Where there were few, twice as many are told at once; and whoever serves by now is no heir, since it may die with the others."""
    keeper = Keeper(4)
    everybody = keeper.here
    far = PeerId(b"leaf%016d" % 99)
    home = PeerId(b"h" * 20)
    keeper.keeper.heard(HeirList(keeper.commons.network.id, home, 0, 1, [Heir(far, ["10.0.0.99:1"])]))
    keeper.here = everybody[:1]
    assert keeper.named(0.0) == [0, 99]
    keeper.here = everybody[:2]
    assert keeper.named(1.0) == [0, 99]
    keeper.here = everybody
    assert keeper.named(1.0) == [0, 1, 2, 3, 99]
    keeper.serving.add(far)
    keeper.here = everybody[1:3]
    assert [keeper.named(1.0) for _ in range(LOOK_EVERY)][-1] == [1, 2]


def test_heirsWithoutAChange() -> None:
    """The same list is signed again after an hour, and not told before."""
    keeper = Keeper(3)
    first = keeper.named(0.0)
    signed = keeper.keeper._signed
    for _ in range(10):
        assert keeper.named(2 * GATHER) == first
    assert keeper.keeper._signed is signed and len(keeper.told) == 3
    assert keeper.named(RENEW) == first and keeper.keeper._signed is not signed and len(keeper.told) == 6
