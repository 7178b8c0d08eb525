"""Why a row of a search stands where it does: every part of its score."""

from collections.abc import Sequence
from typing import Any

import attrs

from overlay.errors import UsageError
from overlay.identity.ids import shortText
from overlay.index.bm25 import NAME_WEIGHT, classLength, saturation
from overlay.index.dialect import Analysis
from overlay.search.outcome import FoundHit, RankedRow
from overlay.search.receipts import statisticsOf
from overlay.search.wanted import Wanted
from overlay.verdict import Verdict
from overlay.wire.query import Receipt


@attrs.frozen(slots=True)
class Explained:
    """
    What is kept of one search.

    @ivar rows: in their final order, with the parts of the record that stands for each and the policy's verdict.
    @ivar policy: name of the ranking plugin.
    @ivar analysis: of the network.
    """

    wanted: Wanted
    receipt: Receipt
    ranking: str
    policy: str
    rows: Sequence[tuple[RankedRow, Verdict]]
    analysis: Analysis

    def row(self, argument: str) -> dict[str, Any]:
        """
        @param argument: number of a row, from 1, or the beginning of a content hash, 6 digits or more.
        @raise UsageError: there is no such row.
        """
        return self._explain(self._find(argument.strip().lower() or "1"))

    def _find(self, argument: str) -> int:
        if len(argument) >= 6:
            fitting = [at for at, (row, _) in enumerate(self.rows) if row.hit.content.hex().startswith(argument)]
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                raise UsageError(f"{argument!r} fits {len(fitting)} rows")
        if not self.rows:
            raise UsageError("the last search has found nothing")
        if not argument.isdecimal() or not 1 <= int(argument) <= len(self.rows):
            raise UsageError(f"{argument!r} is neither a row from 1 to {len(self.rows)} nor the beginning of a content hash")
        return int(argument) - 1

    def _explain(self, at: int) -> dict[str, Any]:
        row, verdict = self.rows[at]
        hit: FoundHit = row.hit
        whole: dict[str, Any] = {
            "row": at + 1, "location": hit.location, "content": hit.content.hex(), "owners": [shortText(one) for one in hit.owners],
            "score": hit.score, "ranking": self.ranking, "policy": self.policy,
        }
        formula = self.wanted.formula
        if formula.order == "bm25" and len(row.parts) > self.wanted.places and self.receipt.ranked:
            whole.update(self._terms(row))
        else:
            whole["by the formula"] = row.score
        whole["policy's parts"] = [one.asJSON() for one in verdict.reasons]
        return whole

    def _terms(self, row: RankedRow) -> dict[str, Any]:
        receipt, formula, names = self.receipt, self.wanted.formula, self.wanted.terms
        numbers = statisticsOf(receipt, names, self.wanted.times)
        words = classLength(row.parts[0])
        norm = 1 - formula.b + formula.b * words / numbers.average
        inName = self.analysis.nameWords(row.hit.location)
        terms = []
        told = zip(names, numbers.frequencies, numbers.weights, numbers.times, row.parts[1:], strict=False)
        for name, frequency, weight, times, level in told:
            named = any(one.startswith(name[:-1]) for one in inName) if name.endswith("*") else name in inName
            worth = saturation(level, words, numbers.average, formula.k1, formula.b) if level else 0.0
            terms.append(
                {
                    "term": name, "records with it": frequency, "times in the query": times, "weight": weight,
                    "occurrences": {"name": NAME_WEIGHT if named and level else 0, "title and text": max(0, level - NAME_WEIGHT * named)},
                    "together": level, "worth": worth, "score": weight * worth,
                }
            )
        return {
            "formula": "weight x together x (k1 + 1) / (together + k1 x length part), summed over the terms",
            "k1": formula.k1, "b": formula.b, "records": numbers.documents, "words of a record on average": numbers.average,
            "words": words, "length part": norm, "terms": terms, "BM25": row.score,
        }
