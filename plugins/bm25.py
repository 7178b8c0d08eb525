"""
Ranks by how well records fit the words, and if so wished a little by who has them.

The score of a row is its BM25 (see C{overlay.index.bm25}) times 1 + C{trust} x (t - 0.5) + C{availability} x (1 - 1/n), where t is the
trust in its best owner, 0 to 1, and n the number of its owners. Both parts are 0 unless they are given.
"""

import attrs
from zope.interface import implementer

from overlay.interfaces import IRanking
from overlay.policy import PolicyPlugin
from overlay.questions import Formula, RowView
from overlay.verdict import Reason, Verdict


@implementer(IRanking)
@attrs.frozen
class BM25:
    """
    @ivar k1: how much more further occurrences of a word count, 0.01 to 100.
    @ivar b: how much longer records are marked down, 0.01 to 1.
    @ivar trust: the most that a row may gain or lose by trust in its owners is half of this part of its score, 0 to 1.
    @ivar availability: the most that it may gain by the number of its owners, likewise.
    """

    k1: float = 1.2
    b: float = 0.75
    trust: float = 0.0
    availability: float = 0.0

    def __attrs_post_init__(self) -> None:
        for name, low, high in (("k1", 0.01, 100.0), ("b", 0.01, 1.0), ("trust", 0.0, 1.0), ("availability", 0.0, 1.0)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is a number from {low:g} to {high:g}")

    def formula(self) -> Formula:
        return Formula("bm25", self.k1, self.b)

    def score(self, row: RowView) -> Verdict:
        trust = self.trust * (row.trust - 0.5)
        availability = self.availability * (1 - 1 / row.owners)
        reasons = [Reason("fit of the words (BM25)", row.score)]
        if self.trust:
            reasons.append(Reason(f"times 1 + {self.trust:g} x (trust - 0.5), trust in the best owner", row.trust))
        if self.availability:
            reasons.append(Reason(f"times 1 + {self.availability:g} x (1 - 1 / owners), owners", row.owners))
        return Verdict.yes(*reasons, score=row.score * (1 + trust + availability))


bm25 = PolicyPlugin(
    "ranking", "bm25", "overlay.plugins.bm25:BM25", "The fit of the words; if wished, trust and the number of owners count a little.",
    stateless=True,
)
