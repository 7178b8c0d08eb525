"""What routers are told of each neighbour."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from overlay.identity.ids import PeerId
from overlay.questions import NeighbourView
from overlay.search.receipts import Proof

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.neighbours import Neighbours
    from overlay.membership.tree import Tree

KEPT = 256
"""Views that are kept; some are of such as have gone."""


class Views:
    """Of one super-peer: they are made once, since hardly anything in them changes between two queries."""

    __slots__ = ("_found", "_last", "_neighbours", "_tree", "_views")

    def __init__(self, neighbours: "Neighbours", tree: "Tree") -> None:
        self._neighbours = neighbours
        self._tree = tree
        self._views: dict[PeerId, NeighbourView] = {}
        self._last: tuple[Sequence[Link], list[tuple[bool, bool]], list[float | None], PeerId | None] | None = None
        self._found: tuple[Sequence[NeighbourView], Mapping[PeerId, bool]] = ((), {})

    def of(
        self, origin: PeerId | None, proofs: Mapping[PeerId, Proof], look: Callable[[PeerId], Proof | str]
    ) -> tuple[Sequence[NeighbourView], Mapping[PeerId, bool]]:
        """
        Those of all neighbours now, as one query finds them, and of each neighbour whether it may hold a match; not to be altered.

        @param origin: who is left out, since the query came from there.
        @param proofs: what summaries have said of the query so far.
        @param look: gives what the summary of a child says of it: a proof, or why it proves nothing.
        """
        views, links = self._views, self._neighbours.linked()
        carries = self._tree.carries(links)
        circumstances = links, carries, [link.rtt for link in links], origin
        if not proofs and circumstances == self._last:
            return self._found
        # What a summary says is of one query alone.
        plain = not proofs and not any(below for _, below in carries)
        found: list[NeighbourView] = []
        for link, (tree, below) in zip(links, carries, strict=True):
            peer = link.peerId
            if peer == origin:
                continue
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
        self._last, self._found = circumstances if plain else None, (found, {one.peerId: one.mayMatch for one in found})
        return self._found
