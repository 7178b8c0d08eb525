"""How a peer finds its network: any one source is enough, none can do harm, and what was tried is told."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from zope.interface import implementer

from overlay.discovery import Discovery, DiscoverySurroundings, buildSources
from overlay.errors import NotReached, UsageError
from overlay.identity.network import Network
from overlay.interfaces import IDiscovery
from overlay.lab.world import LabPeer, World
from overlay.link.links import Links
from overlay.membership.attempts import describeAttempts, summaryOf
from overlay.membership.bootstrap import Bootstrap
from overlay.membership.targets import Targets
from overlay.policy import BadPlugin, PolicyPlugin
from overlay.questions import Announcement, Lead
from overlay.settings import Settings
from tests.conftest import LoggedFailures


@implementer(IDiscovery)
class Played(Discovery):
    """
    A discovery that the test plays.

    @cvar made: all, in the order of their making.
    """

    made: "list[Played]" = []

    def __init__(self, surroundings: DiscoverySurroundings) -> None:
        self.surroundings = surroundings
        self.found: Callable[[Any], None] = lambda leads: None
        self.announced: list[Announcement] = []
        self.asked: list[float] = []
        self.answer: Any = []
        self.stopped = 0
        Played.made.append(self)

    def start(self, found: Callable[[Sequence[Lead]], None]) -> None:
        self.found = found

    def find(self) -> Any:
        self.asked.append(self.surroundings.clock.seconds())
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def announce(self, announcement: Announcement) -> None:
        self.announced.append(announcement)

    def stop(self) -> Any:
        self.stopped += 1


@pytest.fixture
def world() -> World:
    Played.made.clear()
    return World(3, plugins=[PolicyPlugin("discovery", "played", Played, "Played by the test.")])


def joining(world: World, answer: Any = (), bootstrap: Sequence[LabPeer | str] = ()) -> tuple[LabPeer, Played]:
    """A peer that looks for others by a played discovery."""
    peer = world.add(bootstrap=bootstrap, start=False)
    peer.discovery = ("played",)
    init = Played.__init__

    def prepared(self: Played, surroundings: DiscoverySurroundings) -> None:
        init(self, surroundings)
        self.answer = answer

    world.catalogue = world.catalogue.joined(
        [PolicyPlugin("discovery", "played", type("P", (Played,), {"__init__": prepared}), "Played by the test.")]
    )
    peer.start()
    return peer, Played.made[-1]


def test_oneIsEnough(world: World) -> None:
    """A peer whose other sources find only the dead joins by the one address that is good, and says what all have answered."""
    first = world.add()
    world.run(1)
    peer, _ = joining(world, [Lead(first.address)], ["10.9.9.9:1", "10.9.9.8:1"])
    assert world.until(lambda: peer.peer.bootstrap.joined, 10) and not peer.isSuper
    said = describeAttempts(peer.peer.bootstrap)
    rows = {row["source"]: row for row in said["sources"]}
    assert said["joined"] and said["because"] == "a super-peer is reached" and said["unreached"] is None
    assert [(one["address"], one["answer"]) for one in rows["played"]["addresses"]] == [
        (first.address, f"{rows['played']['addresses'][0]['answer'].split()[0]} answers")
    ]
    assert {one["address"] for one in rows["peer"]["addresses"]} == {"10.9.9.9:1", "10.9.9.8:1"}
    assert {one["answer"] for one in rows["peer"]["addresses"]} <= {"refuses", "not tried", "being dialled"}


def test_whatIsFoundLater(world: World) -> None:
    """A discovery that calls with an address at some time leads there at once, also a peer that serves by then: islands meet."""
    first = world.add()
    peer, played = joining(world)
    assert world.until(lambda: peer.isSuper, 5)
    world.run(3)
    assert not peer.peer.links
    played.found([Lead(first.address, first.peerId)])
    assert world.until(lambda: first.peerId in peer.peer.links, 5)
    assert world.until(peer.peer.membership.superPeers, 5)


def test_whoIsKnownIsNotDialledAgain(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of which only the others' ids say whose it is is tried to meet islands, but not once a minute if a neighbour is there."""
    first = world.add()
    peer = world.add(bootstrap=[first.address], settings=Settings(role="super"))
    dialled: list[float] = []
    dial = Links.dial

    def counted(self: Links, address: str, peerId: Any = None, *more: Any) -> Any:
        if self is peer.peer.links and address == first.address and peerId is None:
            dialled.append(world.time.seconds())
        return dial(self, address, peerId, *more)

    monkeypatch.setattr(Links, "dial", counted)
    assert world.until(lambda: peer.peer.bootstrap.joined, 10)
    began = len(dialled)
    world.run(580)
    assert len(dialled) == began
    world.run(200)
    assert began < len(dialled) <= began + 2
    # Who has no link to it may reach it there again, and perhaps only there.
    bootstrap = peer.peer.bootstrap
    assert first.address not in [one.address for one in bootstrap._far(bootstrap.targets)]
    monkeypatch.setattr(Bootstrap, "_linked", lambda self: False)
    monkeypatch.setattr(type(peer.peer.links), "__iter__", lambda self: iter(()))
    assert first.address in [one.address for one in bootstrap._far(one for one in bootstrap.targets if one.peer is None)]


def test_whatIsFoundLaterByOneThatWaits(world: World) -> None:
    """A peer that has found nobody yet, but knows that somebody should be there, dials what is found at once."""
    first = world.add()
    world.run(1)
    peer, played = joining(world, (), ["10.9.9.9:1"])
    world.run(20)
    assert not peer.isSuper
    played.found([Lead(first.address)])
    assert world.until(lambda: peer.peer.bootstrap.joined, 1)


def test_aLeafThatKnowsNobodyYet(world: World) -> None:
    """Whoever is sent to a leaf that does not know a super-peer itself hears of one as soon as the leaf does."""
    leaf, played = joining(world, (), ["10.9.9.9:1"])
    newcomer = world.add(bootstrap=[leaf.address])
    world.run(6)
    assert leaf.peerId in newcomer.peer.links and not newcomer.peer.membership.superPeers()
    first = world.add()
    world.run(1)
    played.found([Lead(first.address)])
    assert world.until(lambda: newcomer.peer.bootstrap.joined, 6)
    assert first.peerId in newcomer.peer.links and not newcomer.isSuper


def refused(world: World, monkeypatch: pytest.MonkeyPatch) -> LabPeer:
    """A newcomer to a network whose only super-peer has no room for a link."""
    first = world.add()
    world.run(1)
    monkeypatch.setattr("overlay.link.room.MOST", 0)
    return world.add(bootstrap=[first.address])


def test_aNetworkThatHasNoRoomYet(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is refused by a super-peer that is full knows that the network lives: it waits as it is asked to, until there is room."""
    newcomer = refused(world, monkeypatch)
    world.run(200)
    # The first wait is asked for, and those after it are.
    assert not newcomer.isSuper and not newcomer.peer.bootstrap.joined
    (target,) = newcomer.peer.bootstrap.targets
    assert 6 <= target.tries <= 200 / 24 and "as many links as it can" in target.answer
    assert newcomer.peer.bootstrap.without <= 36
    monkeypatch.setattr("overlay.link.room.MOST", 10)
    assert world.until(lambda: bool(newcomer.peer.homes.links()), 80) and not newcomer.isSuper


def test_oneThatIsFullForEver(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may say that it is full: after ten minutes a peer serves all the same."""
    newcomer = refused(world, monkeypatch)
    world.run(600)
    assert not newcomer.isSuper
    assert world.until(lambda: newcomer.isSuper, 100)


def test_aHomeThatHasNoRoomForLinks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again after a while; it is neither taken for dead nor dialled once more to see whether it is."""
    first = world.add()
    leaf = world.add(bootstrap=[first.address])
    assert world.until(lambda: bool(leaf.peer.homes.links()), 30)
    probed: list[str] = []
    probe = Links.probe

    def recorded(links: Links, address: str, expected: bytes, nonce: bytes = b"") -> Deferred[float]:
        probed.append(address)
        return probe(links, address, expected, nonce)

    monkeypatch.setattr(Links, "probe", recorded)
    monkeypatch.setattr("overlay.link.room.MOST", 0)
    link = leaf.peer.links.get(first.peerId)
    assert link is not None
    link.abort("cut")
    world.run(8)
    known = leaf.peer.membership.get(first.peerId)
    assert known is not None and known.alive and leaf.peer.homes.homeless
    assert first.address not in probed
    monkeypatch.setattr("overlay.link.room.MOST", 10)
    assert world.until(lambda: not leaf.peer.homes.homeless, 45)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (OSError("no network"), "OSError: no network (the caller)"),
        (NotReached("there is nobody"), "there is nobody"),
        (None, "TypeError"),
        (["10.0.0.1:7116"], "is no Lead"),
        ([Lead("no address at all")], "is not HOST:PORT"),
    ],
)
def test_oneThatFails(world: World, answer: Any, said: str) -> None:
    """Whatever it raises or hands over is told, and the others go on; it is asked again after growing waits."""
    first = world.add()
    world.run(1)
    peer, played = joining(world, answer, ["10.9.9.9:1"])
    world.run(40)
    assert said in peer.peer.bootstrap.sources[-1].problem and not peer.peer.bootstrap.alone
    waits = [later - earlier for earlier, later in zip(played.asked, played.asked[1:], strict=False)]
    assert [round(wait / 2 ** (1 + at)) for at, wait in enumerate(waits[:4])] == [1] * 4
    played.answer = [Lead(first.address)]
    assert world.until(lambda: peer.peer.bootstrap.joined, 70) and not peer.peer.bootstrap.sources[-1].problem


def test_oneThatNeverAnswers(world: World) -> None:
    """It holds nobody up for long: it is given up after 20 seconds, and until then the peer does not think itself alone."""
    ended: list[object] = []
    peer, played = joining(world, Deferred(ended.append))
    world.run(10)
    assert not peer.isSuper and not peer.peer.bootstrap.alone and not ended
    played.answer = []
    world.run(11)
    assert ended and "within 20 s" in peer.peer.bootstrap.sources[-1].problem and not peer.isSuper
    assert world.until(lambda: peer.isSuper, 120)


def test_aPeerThatIsAlone(world: World) -> None:
    """Where nobody is found at once, and nobody could be, a peer serves at once; its own address in a list is nobody."""
    peer = world.add(start=False)
    address = peer.address
    world.peers.clear()
    peer, _ = joining(world, [Lead(address)])
    peer.stop()
    peer.address = address
    peer.start()
    assert world.until(lambda: peer.isSuper, 5)
    (row,) = [row for row in describeAttempts(peer.peer.bootstrap)["sources"] if row["source"] == "played"]
    assert [(one["answer"], one["tries"]) for one in row["addresses"]] == [("it is this peer itself", 1)]
    world.run(300)
    assert [one.tries for one in peer.peer.bootstrap.targets] == [1]


def test_whatIsTold(world: World) -> None:
    """A peer that cannot join says in the log, after ten seconds and then less and less often, what was tried and what each answered."""
    lines: list[str] = []
    peer = world.add(bootstrap=["10.9.9.9:1"], start=False)
    dead = world.add()
    dead.crash()
    peer.bootstrap.append(dead.address)
    peer.settings = type(peer.settings)(role="leaf")
    peer.start()

    class Log:
        def warn(self, text: str, **fields: Any) -> None:
            lines.append(f"{world.time.seconds():.0f} " + text.format(**fields))

        def debug(self, text: str, **fields: Any) -> None:
            """Not for people."""

        info = debug

    peer.peer.commons.log = Log()  # type: ignore[assignment]
    world.run(100)
    assert [line.split()[0] for line in lines] == ["10", "30", "90"]
    assert "no super-peer of network lab is reached for 10 s" in lines[0]
    assert "10.9.9.9:1: refuses" in lines[0] and f"{dead.address}: does not answer" in lines[0]
    assert "the next attempt is in" in lines[0] and "superpeer explain join" in lines[0]
    assert summaryOf(peer.peer.bootstrap) == describeAttempts(peer.peer.bootstrap)["because"]


def test_anotherNetwork(world: World) -> None:
    """What answers, but is of another network, is told apart from what does not answer."""
    other = world.add(start=False)
    network, world.network = world.network, Network.open("elsewhere")
    other.start()
    world.network = network
    peer = world.add(bootstrap=[other], settings=type(world.settings)(role="leaf"))
    world.run(5)
    assert f"{other.address}: network: this peer is of another network" in summaryOf(peer.peer.bootstrap)


def test_whatOthersMayBeTold(world: World) -> None:
    """A discovery is told once that this peer listens, and again when it serves; at the end it is ended once."""
    peer, played = joining(world)
    assert world.until(lambda: peer.isSuper, 5)
    world.run(20)
    host, port = peer.address.rsplit(":", 1)
    assert [(one.peerId, one.host, one.port, one.serving) for one in played.announced] == [
        (peer.peerId, host, int(port), False), (peer.peerId, host, int(port), True),
    ]
    peer.stop()
    assert played.stopped == 1


def test_leadsThatAreGivenUp() -> None:
    """What a source names no longer is forgotten, unless another source names it too; what is remembered gives way to what is given."""
    targets = Targets()
    assert targets.take("a", [Lead("h:1"), Lead("h:2", b"x" * 20)], True) == 2  # type: ignore[arg-type]
    assert targets.take("b", [Lead("h:2"), Lead("h:3")], True) == 1
    targets.take("a", [Lead("h:1")], True)
    assert {one.address: one.sources for one in targets} == {"h:1": ("a",), "h:2": ("b",), "h:3": ("b",)}
    targets.take("cache", [Lead("h:9", b"y" * 20)], False)  # type: ignore[arg-type]
    targets.take("b", [Lead("h:9")], True)
    assert [(one.address, one.peer, one.given) for one in targets] == [("h:1", None, True), ("h:9", None, True)]


def test_howTheyAreBuilt(world: World) -> None:
    """The three that are always there, unless they are named with other arguments, and those that are asked for; several of one kind."""
    peer, _ = joining(world)
    around = DiscoverySurroundings(
        world.time, world.random, peer.peerId, peer.storage, network=world.networkNow, given={"peer": ["h:1"], "join": ["h:2"]}
    )
    titles = [one.title for one in buildSources(around, ["played", "cache:most=0", "played"], world.catalogue)]
    assert titles == ["join", "peer", "played", "cache:most=0", "played"]
    for wrong in ("nosuch", "cache:most=-1", "list:file=/nowhere/at/all", "cache:size=3"):
        with pytest.raises(UsageError):
            buildSources(around, [wrong], world.catalogue)
    bad = PolicyPlugin("discovery", "bad", type("Bad", (), {}), "Has no method.")
    with pytest.raises(BadPlugin, match="discovery bad from the caller"):
        buildSources(around, ["bad"], world.catalogue.joined([bad]))


def test_theCacheAlone(world: World) -> None:
    """A peer that was given nothing finds its network by whom it remembers, unless it is told not to."""
    first = world.add()
    peer = world.add(bootstrap=[first])
    assert world.until(lambda: peer.peer.bootstrap.joined, 20)
    world.run(5)
    peer.stop()
    peer.bootstrap = []
    peer.start()
    assert world.until(lambda: peer.peer.bootstrap.joined, 10) and not peer.isSuper
    peer.stop()
    peer.discovery = ("cache:most=0",)
    peer.start()
    assert world.until(lambda: peer.isSuper, 5)


def test_aSuperPeerThatComesBackAlone(world: World) -> None:
    """A super-peer that serves again before the others are there seeks them on, though they do not know of it."""
    first = world.add()
    second = world.add(bootstrap=[first], settings=Settings(role="super"))
    assert world.until(lambda: second.isSuper and bool(second.peer.neighbours.linked()), 60)
    world.run(10)
    for one in (first, second):
        one.stop()
        one.bootstrap = []
    second.start()
    assert world.until(lambda: second.isSuper, 5)
    world.run(10)
    first.discovery = ("cache:most=0",)
    first.start()
    assert world.until(lambda: bool(second.peer.neighbours.linked()), 10)


def said(peer: LabPeer) -> tuple[str, int, int]:
    """How a search by a peer ends: with which status, how many answer, how many are missing."""
    outcome = peer.search("dawn", want=100, router="flood")
    return outcome.status, outcome.answered, outcome.missing


def two(world: World) -> tuple[LabPeer, LabPeer]:
    """Two super-peers, each of which has only the other."""
    first = world.add()
    second = world.add(bootstrap=[first], settings=Settings(role="super"))
    assert world.until(lambda: second.isSuper and bool(second.peer.neighbours.linked()), 60)
    world.run(10)
    assert said(first) == said(second) == ("complete", 2, 0)
    second.bootstrap = []
    return first, second


def test_whoRemembersOthersDoesNotSpeakForAll(world: World) -> None:
    """What a super-peer that has just come back finds by itself is not all that there is, until it has met the others that it remembers."""
    _, second = two(world)
    second.crash()
    world.run(30)
    second.restart()
    assert world.until(lambda: second.isSuper, 1)
    assert said(second) == ("incomplete", 1, 1)
    world.run(5)
    assert said(second) == ("complete", 2, 0)


def test_whoRemembersOnlyTheDead(world: World) -> None:
    """Once each that it remembers has been tried in vain, a super-peer is the only one."""
    first, second = two(world)
    for one in (second, first):
        one.crash()
    second.restart()
    assert world.until(lambda: second.isSuper, 1)
    assert said(second) == ("incomplete", 1, 1)
    assert world.until(lambda: all(one.tries for one in second.peer.bootstrap.targets), 10)
    assert said(second) == ("complete", 1, 0)
    # Whoever leaves is known to be gone: it need not be tried.
    first.restart()
    assert world.until(lambda: bool(second.peer.neighbours.linked()), 60)
    world.run(10)
    first.stop()
    assert all(said(second) == ("complete", 1, 0) for _ in range(40) if world.run(1.0) is None)


def test_whoFoundsANetworkSpeaksForAll(world: World) -> None:
    """Where there is nobody to be tried one peer is all that there is, from its first moment."""
    peer = world.add()
    assert world.until(lambda: peer.isSuper, 5)
    assert said(peer) == ("complete", 1, 0)
    peer.crash()
    peer.restart()
    assert world.until(lambda: peer.isSuper, 1)
    assert said(peer) == ("complete", 1, 0)


def test_aSuperPeerThatHasNotLookedYet(world: World) -> None:
    """Whoever was named an address, or asks a source that has not answered, may not be alone."""
    peer = world.add()
    assert world.until(lambda: peer.isSuper, 5)
    peer.crash()
    peer.bootstrap.append("10.9.9.9:1")
    peer.restart()
    assert world.until(lambda: peer.isSuper, 1)
    assert said(peer) == ("incomplete", 1, 1)
    world.run(3)
    assert said(peer) == ("complete", 1, 0)
    peer.crash()
    peer.bootstrap = []
    init = Played.__init__

    def slow(self: Played, surroundings: DiscoverySurroundings) -> None:
        init(self, surroundings)
        self.answer = Deferred(lambda ignored: None)

    world.catalogue = world.catalogue.joined(
        [PolicyPlugin("discovery", "played", type("P", (Played,), {"__init__": slow}), "Played by the test.")]
    )
    peer.discovery = ("played",)
    peer.restart()
    assert world.until(lambda: peer.isSuper, 1)
    world.run(15)
    assert said(peer) == ("incomplete", 1, 1)
    # A source that has failed is no reason to wait for ever.
    world.run(10)
    assert said(peer) == ("complete", 1, 0)


def test_aStopThatFails(world: World, loggedFailures: LoggedFailures) -> None:
    """A discovery that fails at its end keeps nobody from stopping."""
    peer, played = joining(world)
    world.run(3)
    played.stop = lambda: 1 / 0  # type: ignore[method-assign]
    peer.stop()
    assert not peer.running and not loggedFailures
