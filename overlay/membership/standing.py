"""Where a super-peer stands in the spanning tree, for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from overlay.identity.ids import PeerId, idText, shortText
from overlay.membership.limbs import Serving

if TYPE_CHECKING:
    from overlay.membership.tree import Tree


def describe(tree: "Tree", serving: Serving, neighbours: Sequence[PeerId]) -> dict[str, Any]:
    """For C{EXPLAIN tree}."""
    label, seconds = serving.place.label, tree.commons.seconds()
    silent = [peer for peer in neighbours if not tree.isTree(peer)]
    return {
        "part": "root" if tree.root else ("branch" if tree.settled else "none yet: all links are awake"),
        "root": None if label is None else idText(label.root),
        "hops": None if label is None else label.hops,
        "last beacon": None if label is None else round(seconds - serving.heard, 1),
        "in this place for": round(seconds - serving.placed, 1),
        "parent": None if tree.parent is None else idText(tree.parent),
        "children": [idText(one) for one in tree.children],
        "awake besides": len(neighbours) - len(silent) - len(tree.children) - (tree.parent is not None),
        "silent": [shortText(one) for one in silent],
        "compared with": [shortText(one) for one, _ in tree.compared],
    }
