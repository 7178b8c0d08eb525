"""
Short documents as people share them, and queries for them: a name of two words and a summary of one line, some twelve terms each.

Words follow the law of Zipf and Mandelbrot: of rank r with a probability like (r + 10) ** -1.33. So the commonest is in a third of all
documents, and a million documents have 600,000 different ones.
"""

import hashlib
import random
from array import array
from collections.abc import Iterator

from overlay.identity.identity import Identity
from overlay.identity.network import Network
from overlay.identity.signing import Ed25519
from overlay.index.analysis import countTerms
from overlay.index.document import Document
from overlay.index.record import makeRecord
from overlay.index.store import StoredRecord

OWNERS = 1000
NOW = 1_700_000_000
NAME_WORDS = 2
_OFFSET = 10
_POWER = 0.33
_LARGEST = 2**31
_SYLLABLES = [consonant + vowel for vowel in "aeiou" for consonant in "bcdfghjklmnprstvwzxq"]
SCHEME = Ed25519()
FOUNDER = Identity.generate(random.Random("founder"), SCHEME)
NETWORK = Network("bench", hashlib.sha256(b"bench").digest(), FOUNDER.publicKey)


def word(rank: int) -> str:
    """The word of a rank, from 0; of two syllables or more."""
    rank += len(_SYLLABLES)
    found = ""
    while True:
        found = _SYLLABLES[rank % len(_SYLLABLES)] + found
        rank = rank // len(_SYLLABLES) - 1
        if rank < 0:
            return found


def rankOf(chance: float) -> int:
    """
    @param chance: more than 0, at most 1.
    """
    return min(_LARGEST, int(_OFFSET * (chance ** (-1 / _POWER) - 1)))


class Corpus:
    """
    Always the same for the same numbers.

    @ivar owners: who shares, each as much as the others.
    @ivar tokens: ranks of the words of all documents made so far, those of the name first.
    @ivar starts: where in C{tokens} each begins.
    """

    def __init__(self, documents: int, owners: int = OWNERS, seed: int = 1) -> None:
        self.documents = documents
        self.owners = owners
        self.seed = seed
        self.tokens = array("I")
        self.starts = array("Q")

    def __iter__(self) -> Iterator[tuple[Identity, list[StoredRecord]]]:
        """Each owner with its records."""
        for number in range(self.owners):
            count = self.documents * (number + 1) // self.owners - self.documents * number // self.owners
            yield self.owner(number), list(self.records(number, count))

    def owner(self, number: int) -> Identity:
        return Identity.generate(random.Random(f"{self.seed} {number}"), SCHEME)

    def records(self, number: int, count: int, keep: bool = True) -> Iterator[StoredRecord]:
        """
        Records of one owner.

        @param keep: whether they are among C{tokens}.
        """
        owner = self.owner(number)
        rng = random.Random(f"documents {self.seed} {number}")
        for at in range(count):
            ranks = [rankOf(1.0 - rng.random()) for _ in range(NAME_WORDS + rng.randint(6, 10))]
            if keep:
                self.starts.append(len(self.tokens))
                self.tokens.extend(ranks)
            words = list(map(word, ranks))
            name, text = "-".join(words[:NAME_WORDS]), " ".join(words[NAME_WORDS:])
            terms, length = countTerms(text, 512)
            document = Document(
                f"notes/{at}/{name}.txt", f"{name}.txt", rng.randint(100, 10**6), NOW - rng.randint(0, 10**8), "text/plain",
                hashlib.sha256(f"{number} {at} {text}".encode()).digest(), text, terms, length,
            )
            yield makeRecord(owner, NETWORK, document, 1, NOW, NOW + 7 * 86400)

    def ranks(self, document: int) -> array:
        """The words of one document."""
        end = self.starts[document + 1] if document + 1 < len(self.starts) else len(self.tokens)
        return self.tokens[self.starts[document] : end]

    def queries(self, count: int, terms: int, rng: random.Random) -> list[tuple[str, ...]]:
        """Words drawn from documents that have been made: each query has at least one match."""
        found: list[tuple[str, ...]] = []
        while len(found) < count:
            ranks = list(dict.fromkeys(self.ranks(rng.randrange(len(self.starts)))))
            if len(ranks) >= terms:
                found.append(tuple(map(word, rng.sample(ranks, terms))))
        return found
