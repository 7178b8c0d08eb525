"""The addresses that the user has given: those of the invitation, and those of C{--peer}."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from zope.interface import implementer

from overlay.discovery import Addresses, DiscoverySurroundings
from overlay.interfaces import IDiscovery
from overlay.policy import PolicyPlugin
from overlay.questions import Lead


@implementer(IDiscovery)
class Given(Addresses):
    """
    Addresses that never change. At each of them any peer of the network will do: the one that invited may have moved on, or have
    forwarded its port to another.
    """

    __slots__ = ("_addresses",)

    def __init__(self, surroundings: DiscoverySurroundings, option: str) -> None:
        super().__init__(surroundings)
        self._addresses = surroundings.given.get(option, ())

    def find(self) -> Sequence[Lead] | Deferred[list[Lead]]:
        return self.spread([Lead(one) for one in self._addresses])


def _join(surroundings: DiscoverySurroundings) -> Given:
    return Given(surroundings, "join")


def _peer(surroundings: DiscoverySurroundings) -> Given:
    return Given(surroundings, "peer")


join = PolicyPlugin("discovery", "join", _join, "The addresses in the invitation (--join).")
peer = PolicyPlugin("discovery", "peer", _peer, "The addresses that are given with --peer.")
