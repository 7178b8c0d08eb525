"""The view of super-peers: kept up piece by piece, it is what it would be if it were made anew."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.lab.experiment import Measured
from overlay.lab.living import Overlay
from overlay.membership.known import Known
from overlay.membership.view import PATCHED

COUNT = 14
_STEPS = st.lists(
    st.tuples(st.sampled_from(["dies", "lives", "goes", "comes", "blocked", "looks", "looks"]), st.integers(0, COUNT - 2)), max_size=60
)


@pytest.fixture(scope="module")
def overlay() -> Overlay:
    return Overlay(Measured(), 1, "none", (0.01, 0.03), COUNT, 4, "flood")


@settings(max_examples=60, deadline=None)
@given(_STEPS)
def test_asIfMadeAnew(overlay: Overlay, steps: list[tuple[str, int]]) -> None:
    """Whoever dies, lives again, is forgotten, is met, is blocked or let in again, however many between two looks."""
    peer = overlay.serving[0].peer
    membership = peer.membership
    others = sorted((one for one in overlay.serving[1:]), key=lambda one: one.peerId)
    peer.commons.blocked.clear()
    membership.refusalsChanged()
    for one in others:
        membership.take(one.peer.membership.ownSigned())
        membership.revived(one.peerId)

    def anew() -> list[Known]:
        found = [membership.get(one.peerId) for one in others if one.peerId not in peer.commons.blocked]
        return [one for one in found if one is not None and one.alive and one.recognised]

    before = membership.superPeerView()
    assert list(before) == anew() and len(before) == COUNT - 1
    for what, number in steps:
        other = others[number]
        if what == "dies":
            membership.markDead(other.peerId, False)
        elif what == "lives":
            membership.revived(other.peerId)
        elif what == "goes":
            membership._forget(other.peerId)
        elif what == "comes":
            membership.take(other.peer.membership.ownSigned())
        elif what == "blocked":
            peer.commons.blocked.symmetric_difference_update([other.peerId])
            membership.refusalsChanged()
        else:
            expected = anew()
            view = membership.superPeerView()
            assert list(view) == expected and (view == before or view is not before)
            assert membership.superPeerView() is view
            before = view
    assert list(membership.superPeerView()) == anew()


def test_manyAtOnce(overlay: Overlay) -> None:
    """More than are patched."""
    membership = overlay.serving[1].peer.membership
    membership.superPeerView()
    others = [one.peerId for one in membership.superPeers()]
    assert len(others) > PATCHED
    for one in others[: PATCHED + 1]:
        membership.markDead(one, False)
    assert [one.peerId for one in membership.superPeers()] == others[PATCHED + 1 :]


def test_theBlockedStayOut(overlay: Overlay) -> None:
    """Somebody who is blocked is found to live, and is in nobody's view all the same."""
    peer = overlay.serving[3].peer
    blocked, *others = peer.membership.superPeers()
    peer.commons.blocked.add(blocked.peerId)
    peer.membership.refusalsChanged()
    assert peer.membership.superPeers() == others
    peer.membership.markDead(blocked.peerId, False)
    peer.membership.revived(blocked.peerId)
    assert blocked.alive and peer.membership.superPeers() == others
