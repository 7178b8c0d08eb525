"""Asks along the spanning tree: each super-peer once."""

from zope.interface import implementer

from overlay.interfaces import IRouter
from overlay.policy import PolicyPlugin
from overlay.questions import Progress, Route
from overlay.verdict import Reason


@implementer(IRouter)
class Tree:
    """
    On n super-peers a search takes n - 1 copies, once the tree has settled. A link that has no place in the tree yet is asked over too, so
    that at worst this floods. What a break in the tree hides is made up for: by ids over silent links, and by the receipt.
    """

    def next(self, progress: Progress) -> Route:
        ask = tuple(one.peerId for one in progress.neighbours if one.tree and one.peerId not in progress.asked)
        silent = sum(not one.tree for one in progress.neighbours)
        if progress.asked and not progress.lost:
            # Links that have woken since are no reason to ask again. Where a neighbour is lost, whoever takes its place is asked.
            ask = ()
        return Route(
            ask, stop=False, reasons=(Reason("neighbours in the tree", len(ask)), Reason("silent links", silent)), announce=True,
            upward=True,
        )


tree = PolicyPlugin(
    "router", "tree", "overlay.plugins.tree:Tree", "Asks along one spanning tree that all searches share, and that heals.",
    stateless=True,
)
