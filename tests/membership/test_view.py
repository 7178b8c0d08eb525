"""The living super-peers as one peer sees them: another view when one comes or goes, and only then."""

from collections import Counter

import msgspec
import pytest

from overlay.lab.world import LabPeer, World
from overlay.wire.statements import Advert, NetworkChange, seal
from tests.roles.test_election import network


def seen(by: LabPeer) -> set[bytes]:
    return {one.peerId for one in by.peer.membership.superPeerView()}


def first(world: World) -> tuple[LabPeer, LabPeer]:
    """Two super-peers."""
    one, other, *_ = world.superPeers()
    return one, other


def test_leavesChangeNothing() -> None:
    """Leaves come and go, and super-peers say how loaded they are: whoever serves is the same."""
    world = network()
    one, other = first(world)
    view = one.peer.membership.superPeerView()
    leaf = world.add("late", [one], dialable=False)
    assert world.until(lambda: leaf.peerId in one.peer.links, 10)
    assert one.peer.membership.get(leaf.peerId) is not None
    assert other.peerId in seen(one)
    leaf.kill()
    assert world.until(lambda: one.peer.membership.get(leaf.peerId) is None, 60)
    assert one.peer.membership.superPeerView() is view


def test_whoComesAndGoes() -> None:
    """One that dies is no longer among them, and one that lives after all is."""
    world = network()
    one, other = first(world)
    membership = one.peer.membership
    whole = seen(one)
    membership.markDead(other.peerId, False)
    assert seen(one) == whole - {other.peerId}
    membership.revived(other.peerId)
    assert seen(one) == whole
    membership.markDead(other.peerId, False)
    membership.take(other.peer.membership.ownSigned(), one.peer.links.get(other.peerId))
    assert seen(one) == whole
    membership._forget(other.peerId)
    assert seen(one) == whole - {other.peerId}


def test_whoShowsItselfAgain() -> None:
    """The very advert that is known already says that its owner lives, if the owner brings it itself, and else nothing."""
    world = network()
    one, other = first(world)
    membership = one.peer.membership
    whole = seen(one)
    known = membership.get(other.peerId)
    link = one.peer.links.get(other.peerId)
    elsewhere = next(link for link in one.peer.links if link.peerId != other.peerId)
    assert known is not None and link is not None
    membership.markDead(other.peerId, False)
    told: list[bytes] = []
    membership.changed.append(told.append)
    for source in (None, elsewhere):
        assert membership.take(known.signed, source) is known
        assert not known.alive and seen(one) == whole - {other.peerId} and not told
    assert membership.take(known.signed, link) is known
    assert known.alive and seen(one) == whole and told == [other.peerId]
    # Whoever lives is no news.
    membership.take(known.signed, link)
    assert told == [other.peerId]


def test_whoComesBackWithoutAMandate() -> None:
    """One that was dead, and serves no longer by right when it is back, is not among them."""
    world = network(peers=24, wanted=3)
    one, other = first(world)
    membership = one.peer.membership
    whole = seen(one)
    known = membership.get(other.peerId)
    assert known is not None and known.mandated and other.peerId in whole
    membership.markDead(other.peerId, False)
    assert other.peerId not in seen(one)
    advert = msgspec.structs.replace(known.advert, sequence=known.advert.sequence + 1, mandate=None, heirs=None)
    assert membership.take(seal(other.peer.commons.identity, advert)) is known
    assert known.alive and not known.recognised
    assert seen(one) == whole - {other.peerId}


class Nobodys:
    """Mandates that hold, or do not, as it is told; so few that whoever says so is recognised all the same."""

    holds = True

    def judge(self, advert: Advert) -> tuple[bool, bool, str]:
        return self.holds, False, ""

    def live(self) -> int:
        return 0


def test_whoGainsOrLosesAMandate() -> None:
    """It stays among them, but the view is another one."""
    world = network()
    one, other = first(world)
    membership = one.peer.membership
    known = membership.get(other.peerId)
    assert known is not None
    mandates = membership.mandates = Nobodys()
    membership._judge(known)
    view = membership.superPeerView()
    for holds in (False, True):
        mandates.holds = holds
        membership._judge(known)
        assert (known.mandated, known.recognised) == (holds, True)
        again = membership.superPeerView()
        assert again == view and again is not view
        membership._judge(known)
        assert membership.superPeerView() is again
        view = again


def test_theBlockedAreLeftOutAtOnce() -> None:
    """Whoever is blocked here is none of them, as long as it is."""
    world = network()
    one, other = first(world)
    whole = seen(one)
    one.peer.governance.block(other.peerId)
    assert seen(one) == whole - {other.peerId}
    one.peer.governance.unblock(other.peerId)
    assert seen(one) == whole


def test_theExpelledAreLeftOutAtOnce(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a link ends because its other end is expelled, that is none of them already."""
    world = network()
    one, other = first(world)
    whole = seen(one)
    found: list[set[bytes]] = []
    monkeypatch.setattr(type(one.peer), "linkLost", lambda peer, link, code, orderly: found.append(seen(one)))
    governance = one.peer.governance
    network_ = one.peer.commons.network
    statement = NetworkChange(network_.id, network_.generation + 1, b"k" * 32, [other.peerId], int(one.peer.commons.now()))
    governance._apply(seal(one.peer.commons.identity, statement), statement, None)
    assert found == [whole - {other.peerId}]


def test_samplesAreFair() -> None:
    """Each of those who may be shown is, as often as any other; whoever is to be left out is not."""
    world = network(peers=24, wanted=3)
    one = world.superPeers()[0]
    membership = one.peer.membership
    others = sorted(seen(one))
    assert len(others) >= 6
    left = frozenset({others[0], one.peerId, b"nobody" * 3})
    counts: Counter[bytes] = Counter()
    for _ in range(1000):
        shown = [signed.signer for signed in membership.sample(2, left)]
        assert len(set(shown)) == 2
        counts.update(shown)
    assert set(counts) == set(others[1:])
    expected = 2000 / (len(others) - 1)
    assert all(0.75 * expected < count < 1.25 * expected for count in counts.values()), counts
    # Where there are no more, all are shown.
    assert {signed.signer for signed in membership.sample(len(others), left)} == set(others[1:])
    assert [signed.signer for signed in membership.sample(1)] == [one.peerId]
