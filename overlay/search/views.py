"""What routers are told of each neighbour."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from overlay.identity.ids import PeerId
from overlay.questions import NeighbourView
from overlay.search.receipts import Proof

if TYPE_CHECKING:
    from overlay.membership.neighbours import Neighbours
    from overlay.membership.tree import Tree

KEPT = 256
"""Views that are kept; some are of such as have gone."""


class Views:
    """Of one super-peer: they are made once, since hardly anything in them changes between two queries."""

    __slots__ = ("_neighbours", "_tree", "_views")

    def __init__(self, neighbours: "Neighbours", tree: "Tree") -> None:
        self._neighbours = neighbours
        self._tree = tree
        self._views: dict[PeerId, NeighbourView] = {}

    def of(
        self, origin: PeerId | None, proofs: Mapping[PeerId, Proof], look: Callable[[PeerId], Proof | str]
    ) -> list[NeighbourView]:
        """
        Those of all neighbours now, as one query finds them.

        @param origin: who is left out, since the query came from there.
        @param proofs: what summaries have said of the query so far.
        @param look: gives what the summary of a child says of it: a proof, or why it proves nothing.
        """
        carries, views = self._tree.carries, self._views
        found: list[NeighbourView] = []
        for link in self._neighbours.linked():
            peer = link.peerId
            if peer == origin:
                continue
            tree, below = carries(peer)
            said: Proof | str = look(peer) if below else proofs.get(peer, "") if proofs else ""
            mayMatch = type(said) is not Proof
            view = views.get(peer)
            # What has not changed is the very same object.
            if (
                view is None or view.rtt is not link.rtt or view.tree is not tree or view.below is not below
                or view.mayMatch is not mayMatch or (mayMatch and view.doubt != said)
            ):
                if len(views) > KEPT:
                    views.clear()
                view = views[peer] = NeighbourView(peer, link.rtt, tree, below, mayMatch, said if isinstance(said, str) else "")
            found.append(view)
        return found
