"""The summary of a registry: never less than is held, and no more."""

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap
from twisted.internet.task import Clock

from overlay.errors import Damaged
from overlay.identity.ids import PeerId
from overlay.index import summary as summaryModule
from overlay.index.own import OwnRegistration
from overlay.index.registry import Registry
from overlay.index.summary import OwnSummary, positionsOf
from overlay.plugins.memory import MemoryStore
from tests.index.material import document, identity
from tests.index.surroundings import commonsOf, deliver

HOME, OWNERS = identity(9), [identity(1), identity(2), identity(3)]


def held(store: MemoryStore) -> set[int]:
    """Positions of all that is held."""
    records = [store.get(owner, one) for owner in store.owners() for one in store.recordIds(owner)]
    return {position for one in records if one is not None for position in positionsOf(one.head, one.terms)}


class Following:
    """A home, its owners, and what somebody knows who is told of the changes."""

    def __init__(self, known: int = 0) -> None:
        self.clock = Clock()
        self.store = MemoryStore()
        self.registry = Registry(commonsOf(HOME, clock=self.clock), self.store)
        self.owners = [OwnRegistration(commonsOf(one, clock=self.clock)) for one in OWNERS]
        self.told = BitMap()

    def changed(self, came: BitMap, went: BitMap) -> None:
        assert not came & self.told and went <= self.told | came
        self.told |= came
        self.told -= went

    def share(self, owner: int, words: list[int], removed: list[int]) -> None:
        own = self.owners[owner]
        changed = [document(f"s/{one}.txt", f"word{one} common{one % 3} v{own.sequence}") for one in words]
        own.update(changed, [f"s/{one}.txt" for one in removed])
        base = self.registry.usable(OWNERS[owner].peerId, own.sequence, own.digest)
        assert not deliver(own, self.registry, OWNERS[owner], base)[-1].code


numbers = st.lists(st.integers(0, 6), max_size=4)
steps = st.lists(st.tuples(st.integers(0, 2), numbers, numbers, st.sampled_from(["share", "drop", "turn", "everything"])), max_size=8)


@given(steps, steps)
def test_neverLessAndNoMore(before: list, after: list) -> None:
    """Whatever was there before, comes, changes and goes, also while what was there is still being counted."""
    at = Following()
    with_ = summaryModule.AT_ONCE
    summaryModule.AT_ONCE = 2
    try:
        for owner, words, removed, _ in before:
            at.share(owner, words, removed)
        summary = at.registry.summarise(at.changed)
        for owner, words, removed, kind in after:
            if kind == "drop":
                at.registry.drop(OWNERS[owner].peerId)
            elif kind == "turn":
                at.clock.advance(0)
            else:
                if kind == "everything":
                    at.registry.drop(OWNERS[owner].peerId)
                at.share(owner, words, removed)
            if summary.whole:
                assert set(summary.positions) == held(at.store)
        while not summary.whole:
            at.clock.advance(0)
        assert set(summary.positions) == held(at.store) == set(at.told)
    finally:
        summaryModule.AT_ONCE = with_


def test_aStoreThatFails() -> None:
    """What could not be stored is not in the summary; a store that cannot be read has one that says so and is never whole."""
    at = Following()
    summary = at.registry.summarise(at.changed)
    real = at.store.apply

    def broken(change: object) -> None:
        raise Damaged("the disk")

    at.store.apply = broken  # type: ignore[assignment,method-assign]
    at.owners[0].update([document("s/a.txt", "dawn")], [])
    assert deliver(at.owners[0], at.registry, OWNERS[0], 0)[-1].code
    assert not summary.positions
    at.store.apply = real  # type: ignore[method-assign]
    assert not deliver(at.owners[0], at.registry, OWNERS[0], 0)[-1].code
    assert set(summary.positions) == held(at.store) != set()

    def unreadable(owner: PeerId, recordId: bytes) -> None:
        raise Damaged("the disk")

    at.store.get = unreadable  # type: ignore[assignment,method-assign]
    again = OwnSummary(at.store, at.clock, lambda came, went: None)
    again.begin()
    at.clock.advance(1)
    assert not again.whole and "could not be read" in again.problem
    # What is taken away but cannot be read is held to be there.
    at.registry.drop(OWNERS[0].peerId)
    assert summary.positions
