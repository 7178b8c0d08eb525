"""What one search asks for, the same wherever it goes."""

from functools import cached_property, lru_cache
from typing import Self

import attrs

from overlay.index.bm25 import K1, B
from overlay.index.dialect import PLAIN, Analysis, analysisOf
from overlay.index.evaluation import positiveTerms, timesOf
from overlay.index.expression import Expression
from overlay.questions import Formula
from overlay.search.language import parseQuery
from overlay.wire import limits
from overlay.wire.query import Query, Refine


@attrs.frozen(slots=False)
class Wanted:
    """
    @ivar text: in the query language.
    @ivar want: how many of the best hits.
    """

    text: str
    expression: Expression
    want: int
    formula: Formula

    @classmethod
    def of(cls, text: str, want: int, formula: Formula, analysis: Analysis = PLAIN) -> Self:
        """
        @param analysis: of the network.
        @raise overlay.errors.BadQuery: the text is no query.
        """
        return cls(text, parseQuery(text, analysis), want, formula)

    @classmethod
    def ofQuery(cls, query: Query, analysis: Analysis = PLAIN) -> Self:
        """
        @raise overlay.errors.BadQuery: the text is no query.
        """
        order = "newest" if query.order == "newest" else "bm25"
        return cls._remembered(query.expression, query.want, order, query.tuning or (), analysis.dialect)

    @classmethod
    @lru_cache(maxsize=512)
    def _remembered(cls, text: str, want: int, order: str, tuning: tuple[float, ...], dialect: str) -> Self:
        """The same for each copy of a query, and for all who ask the same: nothing in it changes."""
        return cls.of(text, want, Formula(order, *tuning), analysisOf(dialect))

    @cached_property
    def terms(self) -> list[str]:
        """What scores, as receipts name it."""
        return positiveTerms(self.expression)

    @cached_property
    def times(self) -> tuple[int, ...]:
        """How often each of those is said."""
        return timesOf(self.expression)

    @property
    def places(self) -> int:
        """How many words and prefixes score."""
        return len(self.terms)

    def query(self, id: bytes, copy: int, ttl: int, budget: float, direct: bool, router: str) -> Query:
        """One copy of it."""
        formula = self.formula
        return Query(
            id, copy, self.text, limits.ANALYSIS, self.want, ttl, budget, direct, router,
            "" if formula.order == "bm25" else formula.order,
            None if (formula.k1, formula.b) == (K1, B) else (formula.k1, formula.b),
        )

    def refine(self, id: bytes, copy: int, budget: float, **more: object) -> Refine:
        """One more question to who has answered."""
        fields = {"want": self.want, "k1": self.formula.k1, "b": self.formula.b, **more}
        return Refine(id=id, copy=copy, expression=self.text, analysis=limits.ANALYSIS, budget=budget, **fields)  # type: ignore[arg-type]
