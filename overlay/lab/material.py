"""What the leaves of an experiment share, and what is searched for among it."""

import bisect
import hashlib
import itertools
import random
from collections.abc import Sequence
from typing import Self

import attrs

from overlay.index.document import Document
from overlay.lab.world import World
from overlay.wire import limits

KINDS = {"items": limits.WANT, "everything": 20, "rare": 20, "popular": 50}
"""
What may be searched for, and how many rows are wanted: an item, common or rare; a word that every record has; an item with one owner; a
topic of which many own something different.
"""
TOPICS = 5
EVERYTHING = "thing"


def word(item: int, stem: str = "item") -> str:
    """The one word of an item's text; letters only, so that it is one term."""
    return stem + "".join(chr(ord("a") + int(digit)) for digit in str(item))


@attrs.frozen
class Question:
    """
    @ivar kind: one of L{KINDS}.
    @ivar word: what is searched for.
    @ivar want: how many rows.
    @ivar rare: whether it has one owner only.
    @ivar owners: numbers of the leaves that share what has the word.
    """

    kind: str
    word: str
    want: int
    rare: bool
    owners: Sequence[int]


@attrs.frozen
class Material:
    """
    @ivar leaves: how many there are.
    @ivar items: of each item, the numbers of the leaves that own it: the most popular first, the rare ones last.
    @ivar common: how many items are not rare.
    @ivar topics: of each topic, who owns something of it.
    @ivar everywhere: whether all records have a word in common.
    """

    leaves: int
    items: Sequence[Sequence[int]]
    common: int
    topics: Sequence[Sequence[int]]
    everywhere: bool
    _weights: Sequence[float]
    _owned: Sequence[Sequence[tuple[str, int]]]

    @classmethod
    def drawn(
        cls, kinds: Sequence[str], leaves: int, items: int, rare: float, owners: float, popular: float, rng: random.Random
    ) -> Self:
        """
        @param rare: part of the items that has one owner; of each other there are at least two, if there are two leaves.
        @param owners: part of the leaves that owns the first item.
        @param popular: part of the leaves that owns something of a topic; there are topics only if they are searched for.
        """
        common = items - round(rare * items)
        ofItems = []
        for item in range(items):
            count = 1 if item >= common else max(2, round(owners * leaves / (item + 1)))
            ofItems.append(rng.sample(range(leaves), min(count, leaves)))
        topics = [rng.sample(range(leaves), max(1, round(popular * leaves))) for _ in range(TOPICS * ("popular" in kinds))]
        owned: list[list[tuple[str, int]]] = [[] for _ in range(leaves)]
        for stem, all_ in (("item", ofItems), ("topic", topics)):
            for number, ofOne in enumerate(all_):
                for leaf in ofOne:
                    owned[leaf].append((stem, number))
        weights = list(itertools.accumulate(1 / rank for rank in range(1, common + 1)))
        return cls(leaves, ofItems, common, topics, "everything" in kinds, weights, owned)

    def documents(self, world: World, leaf: int) -> list[Document]:
        """What a leaf shares: an item is the same wherever it is, what belongs to a topic differs from leaf to leaf."""
        found = []
        for stem, number in self._owned[leaf]:
            text = f"{word(number, stem)} {EVERYTHING}" if self.everywhere else word(number, stem)
            document = world.document(f"share/{stem}{number}.txt", text)
            if stem == "topic":
                document = attrs.evolve(document, content=hashlib.sha256(b"%d of %d" % (number, leaf)).digest())
            found.append(document)
        return found

    def question(self, kind: str, number: int, rng: random.Random) -> Question:
        """
        The next of a kind.

        @param number: how many there were before; of items every other is rare.
        """
        want = KINDS[kind]
        if kind == "everything":
            return Question(kind, EVERYTHING, want, False, [leaf for leaf in range(self.leaves) if self._owned[leaf]])
        if kind == "popular":
            topic = rng.randrange(len(self.topics))
            return Question(kind, word(topic, "topic"), want, False, self.topics[topic])
        rare = kind == "rare" or self.common == 0 or (self.common < len(self.items) and number % 2 == 1)
        if rare:
            item = rng.randrange(self.common, len(self.items))
        else:
            item = bisect.bisect_left(self._weights, rng.random() * self._weights[-1])
        return Question(kind, word(item), want, rare, self.items[item])
