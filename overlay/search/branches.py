"""
What a super-peer knows of its branch of the spanning tree: of what it holds itself, and of what each of its children has told.
"""

from collections.abc import Callable
from typing import Any

from pyroaring import BitMap

from overlay.identity.ids import PeerId, shortText
from overlay.index.bloom import FIELD, positionOf, provesEmpty
from overlay.index.census import MODULUS, Numbers
from overlay.index.registry import Registry
from overlay.index.union import Union
from overlay.search.held import OWN_FULL, Held, nameOf
from overlay.search.receipts import Proof
from overlay.search.wanted import Wanted
from overlay.wire import limits
from overlay.wire.summary import Doubt, SummaryGiven

_OWN = b""
_SAID = {
    "full": "its filter is {value:.0%} full", "counting": "it is still counting what it holds",
    "unreadable": "what it holds could not be read", "open": "nothing is known of what lies behind it",
}


def described(doubt: Doubt) -> str:
    """For people."""
    said = _SAID.get(doubt.code, doubt.code).format(value=doubt.value)
    return f"the summary of {shortText(doubt.name)} proves nothing: {said}"


class Branches:
    """
    @ivar union: of all that counts: this super-peer and the children that are used.
    @ivar held: what each child has told, and C{used}: those of whom it counts.
    @ivar children: in the tree, and C{loose}: neighbours that queries are passed on to although they are neither children nor parent.
    """

    def __init__(self, peerId: PeerId, registry: Registry, isSilent: Callable[[PeerId], bool], changed: Callable[[], None]) -> None:
        """
        @param isSilent: whether a child has not been heard of for long.
        @param changed: called when something else is held.
        """
        self._peerId = peerId
        self._registry = registry
        self._isSilent = isSilent
        self._changed = changed
        self._stuffed = False
        self.union = Union()
        self.held: dict[PeerId, Held] = {}
        self.used: dict[PeerId, None] = {}
        self.children: tuple[PeerId, ...] = ()
        self.loose: tuple[PeerId, ...] = ()

    def begin(self) -> None:
        """Count what is held."""
        self.union.name(_OWN, [nameOf(self._peerId)])
        self.union.put(_OWN, self._registry.summarise(self._ownChanged).positions)

    def grow(self, children: tuple[PeerId, ...], loose: tuple[PeerId, ...]) -> None:
        """The tree is another one."""
        self.children, self.loose = children, loose
        for peer in list(self.used):
            if peer not in children:
                self._unuse(peer)
        for peer in children:
            self._use(peer)

    def listen(self) -> None:
        """See who has fallen silent, and who speaks again."""
        for peer in list(self.used):
            if self._isSilent(peer):
                self._unuse(peer)
        for peer in self.children:
            self._use(peer)

    def _ownChanged(self, came: BitMap, went: BitMap) -> None:
        summary = self._registry.summary
        if summary is None:
            return
        stuffed = len(summary.positions) > OWN_FULL * FIELD
        if stuffed == self._stuffed:
            self.union.change(_OWN, came, went)
        else:
            self._stuffed = stuffed
            self.union.put(_OWN, None if stuffed else summary.positions)
        self._changed()

    def doubts(self) -> tuple[tuple[Doubt, ...], int]:
        """Why super-peers of this branch prove nothing, as far as there is room; and how many they are."""
        summary = self._registry.summary
        if summary is None:
            return (), 0
        own = nameOf(self._peerId)
        found: list[Doubt] = []
        count = 0
        if self._stuffed:
            found.append(Doubt(own, "full", round(len(summary.positions) / FIELD, 2)))
        elif not summary.whole:
            found.append(Doubt(own, "unreadable" if summary.problem else "counting"))
        for peer in self.children:
            held = self.held.get(peer)
            if peer in self.used and held is not None:
                if held.stuffed:
                    found.append(Doubt(nameOf(peer), "full", round(held.fill, 2)))
                else:
                    found += held.doubts
                    count += held.doubtful - len(held.doubts)
            else:
                found.append(Doubt(nameOf(peer), "open"))
        found += [Doubt(nameOf(peer), "open") for peer in self.loose]
        return tuple(found[: limits.DOUBTS]), count + len(found)

    def numbers(self) -> Numbers:
        """Of the branch, as it is now."""
        every = [self._registry.numbers(), *(self.held[peer].numbers for peer in self.used)]
        return Numbers(
            sum(one.documents for one in every), sum(one.length for one in every), sum(one.balance for one in every) % MODULUS
        )

    def _use(self, peer: PeerId) -> None:
        """What a child has told counts, if it has told everything and is there."""
        held = self.held.get(peer)
        if held is not None and held.version and peer not in self.used and peer in self.children and not self._isSilent(peer):
            self.used[peer] = None
            self.union.put(peer, None if held.stuffed else held.positions)
            self.union.name(peer, held.names)

    def _unuse(self, peer: PeerId) -> None:
        if peer in self.used:
            del self.used[peer]
            self.union.drop(peer)

    def forget(self, peer: PeerId) -> None:
        """Nothing is held of a child any more."""
        self._unuse(peer)
        self.held.pop(peer, None)

    def take(self, peer: PeerId, message: SummaryGiven) -> bool:
        """
        Take one part of what a child tells.

        @return: whether it was the last, and all is there.
        @raise OutOfStep: it does not fit what has come before.
        @raise overlay.errors.Malformed: it holds no positions.
        """
        if message.base == 0 and message.part == 0:
            self.forget(peer)
        held = self.held.get(peer)
        if held is None:
            held = self.held[peer] = Held()
        before = held.stuffed
        difference = held.take(message)
        if difference is None:
            return False
        if peer not in self.used:
            self._use(peer)
            return True
        if held.stuffed != before:
            self.union.put(peer, None if held.stuffed else held.positions)
        elif not held.stuffed:
            self.union.change(peer, difference.gained, difference.lost)
        self.union.name(peer, difference.namesGained, difference.namesLost)
        return True

    def look(self, peer: PeerId, wanted: Wanted) -> "Proof | str":
        """
        Ask the summary of a child.

        @return: the proof that the branch of a child holds nothing that matches; else why its summary proves nothing at all, or empty if
            it just may hold something.
        """
        if peer not in self.used:
            return ""
        held = self.held[peer]
        if self._isSilent(peer):
            return f"the summary of {shortText(peer)} proves nothing: it has not been heard of lately"
        if held.stuffed:
            return described(Doubt(nameOf(peer), "full", held.fill))
        if held.doubtful:
            return described(held.doubts[0]) if held.doubts else "many prove nothing"

        def has(term: str) -> bool:
            return positionOf(term) in held.positions

        if not provesEmpty(wanted.expression, has):
            return ""
        unknown = tuple(term for term in wanted.terms if term.endswith("*") or has(term))
        # As they are now: a super-peer that comes to the branch while the search runs was proved nothing of.
        return Proof(tuple(held.names), held.numbers, unknown)

    def describe(self) -> dict[str, Any]:
        """For people."""
        doubts, doubtful = self.doubts()
        return {
            "branches": [
                {
                    "child": shortText(peer), "super-peers": len(held.names), "records": held.numbers.documents,
                    "terms": len(held.positions), "full": round(held.fill, 4), "used": peer in self.used,
                }
                for peer, held in sorted(self.held.items())
            ],
            "in doubt": [described(one) for one in doubts], "doubtful": doubtful,
        }
