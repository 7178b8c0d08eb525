"""Peers that come, stay for a while, and go: who they are, what they can, what they share, and how they leave."""

import math
import random
from collections.abc import Callable, Iterator, Sequence

import attrs
from twisted.internet.interfaces import IDelayedCall

from overlay.identity.ids import PeerId
from overlay.index.own import rowOfHomes
from overlay.lab.founding import found, superPeersFor
from overlay.lab.past import PastStorage
from overlay.lab.roll import Roll
from overlay.lab.sessions import ISessions, Trace
from overlay.lab.shares import Shares
from overlay.lab.sides import isFar
from overlay.lab.world import LabPeer, World
from overlay.peer import Peer
from overlay.questions import HeadRoom
from overlay.wire.statements import Capacity

INTRODUCTIONS = 2
"""Addresses with which a peer begins."""
JOINING = 30.0
"""Virtual seconds over which the leaves of the beginning find their homes."""
MIB = 1024 * 1024


@attrs.frozen(kw_only=True)
class Plan:
    """
    Who is to live.

    @ivar peers: at the beginning, and on average.
    @ivar sessions: how long they stay.
    @ivar dialable: part of them that others can dial, 0 to 1.
    @ivar orderly: part of them that say goodbye when they leave; the links of the others are reset, or fall silent.
    @ivar vanish: part of the others whose machines vanish.
    @ivar returning: part of the arrivals that have been here before and come back with what they had on disk.
    @ivar slowest: bytes per second upward of the slowest peers; with C{fastest} the capacities are spread evenly by order of magnitude.
    @ivar limited: whether their uploads are limited to that, or only said to be.
    @ivar slow: part of the peers that take C{slowness} seconds for each message.
    @ivar wanted: registrations for which a super-peer is there at the beginning.
    @ivar founders: super-peers that are there at the beginning; None for as many as the load asks for.
    @ivar joining: virtual seconds over which the leaves of the beginning find their homes.
    @ivar apart: part of the peers that make up a second network of the same name: neither side knows anybody of the other.
    @ivar attackers: part of the peers that misbehave, 0 to 1.
    @ivar makeAttacker: how those are made.
    """

    peers: int
    sessions: "ISessions | Trace"
    shares: Shares
    dialable: float = 0.3
    orderly: float = 0.5
    vanish: float = 0.2
    returning: float = 0.0
    slowest: float = 10_000.0
    fastest: float = 10_000_000.0
    limited: bool = False
    slow: float = 0.0
    slowness: float = 0.05
    wanted: int = 100
    founders: int | None = None
    joining: float = JOINING
    apart: float = 0.0
    attackers: float = 0.0
    makeAttacker: type[Peer] | None = None


@attrs.define(eq=False, slots=True)
class Member:
    """
    One peer of a population, for one session.

    @ivar number: from 0, in the order of arrival; a peer that returns keeps its number.
    @ivar born: virtual time at which its session began; negative if that was before the experiment.
    @ivar dies: virtual time at which it will leave.
    @ivar rank: of its capacity among all, 0 to 1, 1 the most capable.
    @ivar owns: whether it shares anything.
    @ivar attacks: whether it misbehaves.
    @ivar slow: whether it takes its time.
    """

    number: int
    peer: LabPeer
    born: float
    dies: float
    rank: float
    owns: bool
    attacks: bool
    slow: bool
    leaving: IDelayedCall | None = None

    @property
    def peerId(self) -> PeerId:
        return self.peer.peerId


class Population:
    """
    @ivar members: those who live, by number.
    @ivar came: called with each member that is about to start.
    @ivar left: called with each member that has just gone, before anything of it is forgotten.
    @ivar arrivals: how many have come since the beginning; C{departures} likewise.
    @ivar expected: peers that there are on average, as arrivals see to it.
    @ivar apart: part of the peers that are on the smaller of two sides, neither of which tells newcomers of the other; 0 for one side.
    """

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.members: dict[int, Member] = {}
        self.came: list[Callable[[Member], None]] = []
        self.left: list[Callable[[Member], None]] = []
        self.arrivals = 0
        self.departures = 0
        self.expected = plan.peers
        self.apart = plan.apart
        self._stays = self._night = False
        self._asleep: dict[Member, float] = {}
        self._number = 0
        self._coming = random.Random(f"{world.seed} arrivals")
        self._known = random.Random(f"{world.seed} introductions")
        self._away: list[tuple[int, LabPeer]] = []
        self._byId: dict[PeerId, Member] = {}
        # Those that can be dialled.
        self._able: Roll[Member] = Roll()

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self.members.values()))

    def __len__(self) -> int:
        return len(self.members)

    @property
    def superPeers(self) -> list[Member]:
        """Those that serve now."""
        return [one for one in self if one.peer.isSuper]

    def of(self, peer: bytes) -> Member | None:
        """The living member with an id."""
        return self._byId.get(PeerId(peer))

    # --- the beginning -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """
        A population that has been here for long: ages and remaining lives as they are met at a random moment, super-peers that were elected
        and know one another, and leaves that look for their homes over the first half minute. With founders instead, however many the load
        asks for, nobody had a home before, and the other super-peers have to be elected.
        """
        members = list(self._first())
        if self.plan.apart:
            self._found([one for one in members if not self.isFar(one)])
            self._found([one for one in members if self.isFar(one)])
        else:
            self._found(members)
        self._awaitNext()

    def isFar(self, member: Member) -> bool:
        """Whether a member is on the smaller side, if there are two."""
        return isFar(member.number, self.apart)

    def _found(self, members: list[Member]) -> None:
        """A network of these."""
        births = {one.peerId: one.born for one in members}
        for member in members:
            member.peer.storage = PastStorage(member.born, births)
        founders = self.plan.founders
        count = founders or superPeersFor(len(members), self._homes, self.plan.wanted)
        serving = found(self.world, self, members, count)
        chosen = {one.number for one in serving}
        leaves = [member for member in members if member.number not in chosen]
        for member, homes in zip(leaves, self._shared(serving, len(leaves)), strict=True):
            if founders is None:
                # As after a restart: a leaf goes back to the homes that it had.
                member.peer.storage.table("own").put(*rowOfHomes([one.peerId for one in homes]))
            some = [one.peer.address for one in homes]
            self.world.time.callLater(self.plan.joining * self._known.random(), self._enter, member, some)

    def _shared(self, serving: Sequence[Member], leaves: int) -> Iterator[list[Member]]:
        """The homes of each leaf, at random, so that all super-peers have as many leaves."""
        count = min(self._homes, len(serving))
        drawn: list[Member] = []
        for _ in range(leaves):
            while len(drawn) < 4 * count + len(serving):
                drawn.extend(self._known.sample(serving, len(serving)))
            homes: list[Member] = []
            for one in drawn:
                if len(homes) < count and one not in homes:
                    homes.append(one)
            for one in homes:
                drawn.remove(one)
            yield homes

    def _first(self) -> Iterator[Member]:
        plan = self.plan
        if isinstance(plan.sessions, Trace):
            for born, dies in plan.sessions.sessions:
                if born > 0:
                    self.world.time.callLater(born, self._come, dies - born)
                elif dies > 0:
                    yield self._make(born, dies)
            return
        for number in range(plan.peers):
            age, left = plan.sessions.underWay(self._drawn(number, "session"))
            yield self._make(-age, left)

    def _drawn(self, number: int, what: str) -> random.Random:
        """Chance for one peer and one matter, whatever else has happened: so two policies are compared on the same peers."""
        return random.Random(f"{self.world.seed} {number} {what}")

    @property
    def _homes(self) -> int:
        return self.world.settings.homes

    # --- coming ------------------------------------------------------------------------------------------------------

    def _awaitNext(self) -> None:
        """Arrivals are a Poisson process whose rate keeps the number of peers."""
        sessions = self.plan.sessions
        if isinstance(sessions, Trace) or math.isinf(sessions.mean):
            return
        self.world.time.callLater(self._coming.expovariate(self.expected / sessions.mean), self._next)

    def _next(self) -> None:
        self._awaitNext()
        self._come()

    def _come(self, length: float | None = None) -> None:
        if not self._night:
            self.arrive(length=length)

    def arrive(self, dialable: bool | None = None, told: list[str] | None = None, length: float | None = None) -> Member:
        """
        One more peer comes.

        @param dialable: whether others can dial it; None to leave that to chance.
        @param told: the addresses with which it begins; None to leave that to chance.
        @param length: of its session, seconds; None to draw it from the plan.
        """
        if length is None:
            sessions = self.plan.sessions
            assert not isinstance(sessions, Trace)
            length = sessions.fresh(self._coming)
        return self._arriveFor(length, dialable, told)

    def stay(self, count: int) -> None:
        """Of a population that has not begun, but arrived: from now on so many come as leave, if there are C{count}."""
        began, self.expected = self._stays, count
        self._stays = True
        if not began:
            self._awaitNext()

    def arriveWithin(self, count: int, seconds: float) -> None:
        """So many come, spread over some seconds."""
        for _ in range(count):
            self.world.time.callLater(seconds * self._coming.random(), self.arrive)

    def _arriveFor(self, length: float, dialable: bool | None = None, told: list[str] | None = None) -> Member:
        now = self.world.time.seconds()
        self.arrivals += 1
        # Its own chance: who has gone may depend on the policies, and those who come must not.
        chance = self._drawn(self.arrivals, "return")
        if self._away and chance.random() < self.plan.returning:
            number, former = self._away.pop(chance.randrange(len(self._away)))
            member = self._make(now, now + length, number, former)
        else:
            member = self._make(now, now + length, dialable=dialable)
        self._enter(member, self._introductions(member) if told is None else told)
        return member

    def _introductions(self, member: Member) -> list[str]:
        """Whom a newcomer was told of, by somebody on its own side: living peers there that can be dialled, whatever their role."""
        far = self.isFar(member)
        able = self._able.draw(self._known, INTRODUCTIONS, (lambda one: self.isFar(one) == far) if self.apart else None)
        # Whom nobody is told of would found a network of its own; an invitation is none the less true if whom it names is not back yet.
        able = able or [one for one in self._asleep if one.peer.dialable and self.isFar(one) == far][:INTRODUCTIONS]
        return [one.peer.address for one in able]

    def _make(
        self, born: float, dies: float, number: int | None = None, former: LabPeer | None = None, dialable: bool | None = None
    ) -> Member:
        plan = self.plan
        if number is None:
            number, self._number = self._number, self._number + 1
        rng = self._drawn(number, "peer")
        rank, able, attacks = rng.random(), rng.random() < plan.dialable, rng.random() < plan.attackers
        makePeer = plan.makeAttacker if attacks and plan.makeAttacker is not None else None
        peer = former or self.world.add(f"peer{number}", dialable=able if dialable is None else dialable, start=False, makePeer=makePeer)
        self.world.peers[peer.name] = peer
        owns, slow = rng.random() < plan.shares.sharers, rng.random() < plan.slow
        return Member(number, peer, born, dies, rank, owns, attacks, slow)

    def bandwidth(self, member: Member) -> float:
        """Bytes per second that a peer can send."""
        return self.plan.slowest * (self.plan.fastest / self.plan.slowest) ** member.rank

    def capacity(self, member: Member) -> Callable[[float], Capacity]:
        """What a peer says that it has: its upload, and memory and connections that go with it."""
        bandwidth, room = self.bandwidth(member), self.headRoom(member)
        memory, descriptors = room.memory or 0, room.descriptors or 0

        def now(uptime: float) -> Capacity:
            return Capacity(int(bandwidth), memory, descriptors, int(self.world.time.seconds() - member.born))

        return now

    def headRoom(self, member: Member) -> HeadRoom:
        """What the machine of a peer has left: from 128 MiB and 512 descriptors to 16 and 8 times as many."""
        return HeadRoom(int(128 * MIB * (1 + 15 * member.rank)), int(512 * (1 + 7 * member.rank)))

    def _enter(self, member: Member, addresses: list[str]) -> None:
        now = self.world.time.seconds()
        if member.dies <= now:
            return
        peer = member.peer
        returns = bool(peer.storage.table("boot").count())
        peer.bootstrap = addresses
        room = self.headRoom(member)
        peer.headRoom = lambda: room
        self.members[member.number] = member
        self._byId[member.peerId] = member
        if peer.dialable:
            self._able.enter(member.number, member)
        for observer in self.came:
            observer(member)
        peer.start()
        if self.plan.limited:
            peer.host.upload = self.bandwidth(member)
        if member.slow:
            peer.host.slowness = self.plan.slowness
        peer.peer.membership.capacity = self.capacity(member)
        if member.owns and not returns:
            peer.share(*self.plan.shares.draw(member.number, self._drawn(member.number, "share")))
        if not math.isinf(member.dies):
            member.leaving = self.world.time.callLater(member.dies - now, self.leave, member)

    def enterServing(self, member: Member, others: list[str]) -> None:
        """For the beginning: one whose storage says that it was a super-peer."""
        self._enter(member, others)

    # --- going -------------------------------------------------------------------------------------------------------

    def leave(self, member: Member) -> None:
        """A session is over: with a goodbye, with links reset, or without a sign, by the plan's chances."""
        rng = self._drawn(member.number, f"leave {member.born!r}")
        if rng.random() < self.plan.orderly:
            self.end(member, "orderly")
        else:
            self.end(member, "silent" if rng.random() < self.plan.vanish else "reset")

    def end(self, member: Member, how: str) -> None:
        """
        A member goes now.

        @param how: C{orderly} (it says goodbye), C{reset} (its process dies) or C{silent} (its machine does).
        """
        if self.members.pop(member.number, None) is None:
            return
        if member.leaving is not None and member.leaving.active():
            member.leaving.cancel()
        self.departures += 1
        for observer in self.left:
            observer(member)
        del self._byId[member.peerId]
        self._able.leave(member.number)
        member.leaving = None
        if how == "orderly":
            member.peer.leave()
        elif how == "reset":
            member.peer.kill()
        else:
            member.peer.crash()
        del self.world.peers[member.peer.name]
        if self.plan.returning:
            self._away.append((member.number, member.peer))

    def sleep(self) -> None:
        """All go at this moment, each as it would at the end of its session; nobody comes until L{wake}."""
        now, away = self.world.time.seconds(), list(self._away)
        self._night, self._asleep = True, {member: member.dies - now for member in self}
        for member in self._asleep:
            self.leave(member)
        # Those come back by themselves.
        self._away = away

    def wake(self, within: float) -> None:
        """They come back over so many virtual seconds, with what is on their disks, for what C{_asleep} has of their sessions."""
        self._night = False
        for member in self._asleep:
            self.world.time.callLater(within * self._known.random(), self._comeBack, member)

    def _comeBack(self, member: Member) -> None:
        member.born = self.world.time.seconds()
        member.dies = member.born + self._asleep.pop(member)
        self.world.peers[member.peer.name] = member.peer
        self._enter(member, member.peer.bootstrap)
