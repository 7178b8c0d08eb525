"""Looks at a population now and then, and asks it, as a user would, for what its members share."""

import random
from collections.abc import Callable, Sequence

import attrs

from overlay.identity.ids import PeerId
from overlay.lab.experiment import Measured
from overlay.lab.population import Member, Population
from overlay.lab.shares import groupWord
from overlay.search.outcome import Outcome
from overlay.wire import limits

SETTLED_AFTER = 60.0
"""Seconds that an owner must have been alive to be counted: registered or not, so that nobody is left out by being orphaned."""
BUDGET = 10.0
"""Of a search, seconds."""
_SEARCHES = frozenset({"query", "hits", "done", "cancel"})


@attrs.define(slots=True)
class _Traffic:
    """Messages sent and received, and seconds lived, of all peers in one role."""

    messages: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return self.messages / self.seconds if self.seconds else 0.0


def recovery(recalls: Sequence[tuple[float, float]], since: float, bound: float, lasting: float = 20.0) -> float | None:
    """
    @param recalls: (virtual seconds, value).
    @param lasting: seconds for which recall has to stay there, so that a lucky search is not taken for the end.
    @return: seconds from C{since} to the first search from which on recall is at least C{bound}; None if that did not come about.
    """
    later = sorted(one for one in recalls if one[0] >= since)
    for at, (when, value) in enumerate(later):
        following = [one for one in later[at:] if one[0] <= when + lasting]
        if value >= bound and all(one[1] >= bound for one in following) and later[-1][0] >= when + lasting:
            return when - since
    return None


class Survey:
    """
    Writes the series C{recall}, C{leaves_fully_homed}, C{super_peers} and C{peers}, and keeps what is needed for their figures.

    @ivar counts: whether what is seen now counts for the figures: not while the network settles.
    @ivar recalls: (virtual seconds, value) of each search for recall that began since the last L{restart} and has ended.
    @ivar within: gives the part of the network to which a member belongs: who searches should find the owners of its own part. At first
        the parts are those that do not know of each other.
    @ivar looked: called at each look.
    @ivar searched: called of each search for recall that began since the last L{restart} and has ended: with the virtual time of its
        beginning, who searched, the owners that there were to be found, and those of them that were found.
    """

    def __init__(self, population: Population, measured: Measured, every: float) -> None:
        self.population = population
        self.measured = measured
        self.every = every
        self.counts = False
        self.recalls: list[tuple[float, float]] = []
        self.within: Callable[[Member], object] = population.isFar
        self.looked: list[Callable[[], None]] = []
        self.searched: list[Callable[[float, Member, set[PeerId], set[PeerId]], None]] = []
        self._world = population.world
        self._random = random.Random(f"{population.world.seed} survey")
        self._values: dict[str, list[float]] = {}
        self._traffic = {"leaf": _Traffic(), "super": _Traffic()}
        self._seen: dict[int, tuple[int, float, int]] = {}
        self._changes = 0
        self._lived = 0.0
        self._open = 0
        self._since = 0.0
        self._paused = False
        population.left.append(self._left)

    def start(self) -> None:
        """Look every so many virtual seconds from now on."""
        self._world.time.callLater(self.every, self._look)

    @property
    def idle(self) -> bool:
        """Whether no search is under way."""
        return self._open == 0

    # --- what is looked at -------------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._world.time.callLater(self.every, self._look)
        if self._paused:
            return
        serving = len(self.population.superPeers)
        self.note("peers", len(self.population))
        self.note("super_peers", serving)
        settled, homed = self._homed(serving)
        if settled:
            self.note("leaves_fully_homed", homed / settled)
        for observer in self.looked:
            observer()
        self.searchForRecall()

    def _homed(self, serving: int) -> tuple[int, int]:
        """Leaves that have been alive for a minute, and those of them that are registered at as many living super-peers as they want."""
        now = self._world.time.seconds()
        settled = homed = 0
        for member in self.population:
            peer = member.peer.peer
            if now - member.born < SETTLED_AFTER or member.peer.isSuper:
                continue
            settled += 1
            homed += len(self.homesOf(member)) >= min(peer.homes.wanted, serving)
        return settled, homed

    def homesOf(self, member: Member) -> list[Member]:
        """The living super-peers that hold everything of a leaf; itself, of a super-peer."""
        if member.peer.isSuper:
            return [member]
        found = []
        for peer in member.peer.peer.homes.complete():
            home = self.population.of(peer)
            if home is not None and home.peer.isSuper:
                found.append(home)
        return found

    def note(self, name: str, value: float) -> None:
        """One point of a series."""
        self.measured.sample(name, self._world.time.seconds(), value)
        if self.counts:
            self._values.setdefault(name, []).append(value)

    # --- recall ------------------------------------------------------------------------------------------------------

    def searchForRecall(self) -> None:
        """
        Somebody with a living home searches for the common word of the group of some owner; what counts is which of the owners of that
        group that have been alive for a minute are found.
        """
        now = self._world.time.seconds()
        able = [one for one in self.population if now - one.born >= SETTLED_AFTER and not one.attacks]
        start = self._random.randrange(len(able)) if able else 0
        searcher = next((one for one in able[start:] + able[:start] if self.homesOf(one)), None)
        if searcher is None:
            if any(one.owns for one in able):
                self._recalled(now, 0.0)
            return
        side = self.within(searcher)
        sought = [one for one in able if one.owns and self.within(one) == side]
        if not sought:
            return
        shares = self.population.plan.shares
        group = shares.groupOf(self._random.choice(sought).number)
        owners = {one.peerId for one in sought if shares.groupOf(one.number) == group}
        self._open += 1
        search = searcher.peer.peer.searches.search(groupWord(group), limits.WANT, BUDGET)
        search.finished.addCallback(self._found, searcher, owners, now)

    def _found(self, outcome: Outcome, searcher: Member, owners: set[PeerId], when: float) -> None:
        self._open -= 1
        # Whoever left while the search was under way was not hidden by the network.
        still = {one for one in owners if self.population.of(one) is not None}
        if not still or self.population.of(searcher.peerId) is None:
            return
        found = {owner for row in outcome.hits for owner in row.owners} & still
        if self._recalled(when, len(found) / len(still)):
            for observer in self.searched:
                observer(when, searcher, still, found)

    def _recalled(self, when: float, value: float) -> bool:
        """
        @return: whether it counts: what was under way when something happened is neither of before nor of after.
        """
        if when <= self._since:
            return False
        self.measured.sample("recall", when, value)
        self.recalls.append((when, value))
        if self.counts:
            self._values.setdefault("recall", []).append(value)
        return True

    # --- traffic and roles -------------------------------------------------------------------------------------------

    def _count(self, member: Member) -> None:
        """What a member has sent and received since the last look, counted for the role that it has now."""
        tally = member.peer.peer.commons.tally
        now = self._world.time.seconds()
        messages = sum(
            value for key, value in tally.counts.items() if key[0] == "messages" and key[1] not in _SEARCHES
        )
        changes = tally.get("elections", "served") + tally.get("elections", "resigned")
        before = self._seen.get(member.number, (0, max(0.0, member.born), 0))
        self._seen[member.number] = (messages, now, changes)
        if self.counts:
            traffic = self._traffic["super" if member.peer.isSuper else "leaf"]
            traffic.messages += messages - before[0]
            traffic.seconds += now - before[1]
            self._changes += changes - before[2]
            self._lived += now - before[1]

    def _left(self, member: Member) -> None:
        self._count(member)
        self._seen.pop(member.number, None)

    def finish(self) -> None:
        """Let the searches that are under way come to their end; meanwhile no others begin."""
        self._paused = True
        self._world.until(lambda: self.idle, 2 * BUDGET)
        self._paused = False

    def restart(self) -> None:
        """Forget what has counted so far: something is about to happen, and what is seen from now on is another matter."""
        for member in self.population:
            self._count(member)
        self._since = self._world.time.seconds()
        self._values.clear()
        self.recalls.clear()
        self._traffic = {"leaf": _Traffic(), "super": _Traffic()}
        self._changes, self._lived = 0, 0.0

    def recoveries(self, bounds: Sequence[float] = (0.99, 0.995, 1.0)) -> None:
        """Write how many seconds after the last L{restart} recall was back for good, as far as that can be told by now."""
        for bound in bounds:
            seconds = recovery(self.recalls, self._since, bound)
            if seconds is not None:
                self.measured.figure(f"seconds_to_{bound:g}", seconds)
            else:
                self.measured.figures.pop(f"seconds_to_{bound:g}", None)

    def roleChanges(self) -> tuple[int, float]:
        """Promotions and resignations that counted so far, and the seconds that all peers lived meanwhile."""
        for member in self.population:
            self._count(member)
        return self._changes, self._lived

    # --- figures -----------------------------------------------------------------------------------------------------

    def figures(self) -> None:
        """Write the figures of all that was seen while it counted."""
        changes, lived = self.roleChanges()
        measured = self.measured
        for name, values in self._values.items():
            measured.mean(name, values)
            measured.figure(f"{name}_min", min(values))
        for role, title in (("leaf", "leaf"), ("super", "super_peer")):
            measured.figure(f"messages_per_{title}_second", self._traffic[role].rate)
        if lived:
            measured.figure("role_changes_per_peer_hour", 3600 * changes / lived)
            measured.figure("messages_per_peer_second", sum(one.messages for one in self._traffic.values()) / lived)
