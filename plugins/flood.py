"""Asks every neighbour: the baseline, and the proof that a search is complete."""

from zope.interface import implementer

from overlay.interfaces import IRouter
from overlay.policy import PolicyPlugin
from overlay.questions import Progress, Route
from overlay.verdict import Reason


@implementer(IRouter)
class Flood:
    """
    On a connected graph of n super-peers and m neighbour links a search takes 2m - n + 1 copies: each peer asks all its neighbours but
    the one that it was asked by.
    """

    def next(self, progress: Progress) -> Route:
        asked = progress.asked
        ask = tuple([one.peerId for one in progress.neighbours if one.peerId not in asked])
        return Route(ask, reasons=(Reason("neighbours not yet asked", len(ask)),))


flood = PolicyPlugin("router", "flood", "overlay.plugins.flood:Flood", "Asks every neighbour.", stateless=True)
