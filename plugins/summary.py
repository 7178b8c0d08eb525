"""Asks along the spanning tree, but for branches that are proved to hold nothing."""

from zope.interface import implementer

from overlay.interfaces import IRouter
from overlay.policy import PolicyPlugin
from overlay.questions import Progress, Route
from overlay.verdict import Reason


@implementer(IRouter)
class Summary:
    """
    The same hits as C{flood} brings, for few messages: of the super-peers below only those are asked in whose branch somebody may hold what
    is searched for, as the summaries of their terms have it.

    @cvar summaries: this router wants them.
    """

    summaries = True

    def next(self, progress: Progress) -> Route:
        able = [one for one in progress.neighbours if one.tree and one.peerId not in progress.asked]
        ask = tuple(one.peerId for one in able if one.mayMatch)
        pruned = tuple(one.peerId for one in able if not one.mayMatch)
        reasons = [Reason("neighbours that may lead to matches", len(ask)), Reason("branches proved empty", len(pruned))]
        reasons += [Reason(one.doubt, True) for one in able if one.doubt]
        return Route(ask, pruned, reasons=tuple(reasons), upward=True)


summary = PolicyPlugin(
    "router", "summary", "overlay.plugins.summary:Summary",
    "Asks along the spanning tree, but for branches that summaries of their terms prove empty.",
    stateless=True,
)
