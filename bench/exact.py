"""BM25 as it is in the books, over the words of all records, to judge by: counts and lengths are not rounded."""

import math
from collections import Counter
from collections.abc import Sequence

from bench.corpus import NAME_WORDS, Corpus, word
from overlay.index.bm25 import K1, NAME_WEIGHT, B


class Exact:
    """
    @param postings: documents by word, for the words that are asked for.
    """

    def __init__(self, corpus: Corpus, words: Sequence[str]) -> None:
        wanted = frozenset(words)
        known = {}
        self._corpus = corpus
        self.postings: dict[str, dict[int, int]] = {one: {} for one in wanted}
        self.lengths: list[int] = []
        self.length = 0
        for document in range(len(corpus.starts)):
            ranks = corpus.ranks(document)
            names = dict.fromkeys(ranks[:NAME_WORDS])
            # The other words of the location: "notes", a number, "txt".
            words_ = len(ranks) - NAME_WORDS + len(names) + 3
            self.lengths.append(words_)
            self.length += words_
            counts = Counter(ranks[NAME_WORDS:])
            for rank in names:
                counts[rank] += NAME_WEIGHT
            for rank, count in counts.items():
                term = known.get(rank)
                if term is None:
                    term = known[rank] = word(rank)
                if term in wanted:
                    self.postings[term][document] = count

    def scores(self, terms: Sequence[str]) -> dict[int, float]:
        """The score of each document that has all of them."""
        rarest = min(terms, key=lambda one: len(self.postings[one]))
        average = self.length / len(self.lengths)
        documents = len(self.lengths)
        found: dict[int, float] = {}
        for document in self.postings[rarest]:
            score = 0.0
            for term in terms:
                count = self.postings[term].get(document)
                if count is None:
                    break
                frequency = len(self.postings[term])
                weight = math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))
                score += weight * count * (K1 + 1) / (count + K1 * (1 - B + B * self.lengths[document] / average))
            else:
                found[document] = score
        return found
