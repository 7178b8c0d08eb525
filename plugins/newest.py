"""Ranks by the time of change alone."""

from zope.interface import implementer

from overlay.interfaces import IRanking
from overlay.policy import PolicyPlugin
from overlay.questions import Formula, RowView
from overlay.verdict import Reason, Verdict


@implementer(IRanking)
class Newest:
    """What was changed last comes first, as its owners say."""

    def formula(self) -> Formula:
        return Formula("newest")

    def score(self, row: RowView) -> Verdict:
        return Verdict.yes(Reason("changed", row.modified, unit="seconds since 1970"), score=float(row.modified))


newest = PolicyPlugin("ranking", "newest", "overlay.plugins.newest:Newest", "What was changed last comes first.")
