"""Token buckets, one for each peer and kind of work, computed from the clock at each question: no timers."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TypeVar

import msgspec
from zope.interface import implementer

from overlay.identity.ids import PeerId
from overlay.interfaces import IRateLimit
from overlay.policy import PolicyPlugin, PolicySurroundings
from overlay.questions import Work
from overlay.verdict import Reason, Verdict

REMEMBERED = 10_000
"""Peers whose buckets of one kind are kept."""
SWEEP_EVERY = 60.0
"""Seconds after which the buckets that are full again are forgotten: they say no more than none would."""
ABUSE = 50
"""Refusals within L{WINDOW} seconds from which a peer is refused for longer."""
WINDOW = 60.0
LONGEST_BAN = 3600.0
_T = TypeVar("_T")


@cache
def _rates(query: float, register: float, membership: float, election: float, link: float) -> Mapping[Work, float]:
    """One map for all peers that limit alike."""
    return MappingProxyType({
        Work.QUERY: query, Work.REGISTER: register, Work.MEMBERSHIP: membership, Work.ELECTION: election, Work.LINK: link,
    })


class _Bucket(msgspec.Struct, eq=False, gc=False):
    """
    @ivar level: tokens left at C{when}.
    @ivar trust: reputation at the last question, by which it is refilled.
    """

    level: float
    when: float
    trust: float


class _Abuse(msgspec.Struct, eq=False, gc=False):
    """Refusals of one peer."""

    refusals: int = 0
    since: float = 0.0
    bannedUntil: float = 0.0
    bans: int = 0


@implementer(IRateLimit)
class Tokens:
    """
    A bucket of C{burst} tokens is refilled at C{rate} tokens a second, times a factor from 0.25 for no trust to 1 for full trust.
    Work of C{cost} takes that many. Who goes on asking after refusals is refused for longer, and twice as long each time.
    """

    __slots__ = ("_abuses", "_ban", "_buckets", "_burst", "_clock", "_rates", "_swept")

    def __init__(
        self,
        surroundings: PolicySurroundings,
        query: float = 50.0,
        register: float = 20.0,
        membership: float = 50.0,
        election: float = 5.0,
        link: float = 2.0,
        burst: float = 10.0,
        ban: float = 10.0,
    ) -> None:
        """
        @param query: searches a second; likewise for the other kinds of work, in units of each.
        @param register: batches of a thousand records a second.
        @param membership: messages about members a second.
        @param election: nominations and summons a second.
        @param link: hellos a second.
        @param burst: seconds of work that may come at once.
        @param ban: seconds of the first refusal for abuse.
        """
        rates = _rates(query, register, membership, election, link)
        if burst <= 0 or ban < 0 or any(rate <= 0 for rate in rates.values()):
            raise ValueError("rates and burst must be more than 0, and ban not less")
        self._clock = surroundings.clock
        self._rates = rates
        self._burst = burst
        self._ban = ban
        self._buckets: dict[Work, dict[PeerId, _Bucket]] = {}
        self._swept = self._clock.seconds()
        self._abuses: dict[PeerId, _Abuse] = {}

    def _level(self, work: Work, bucket: _Bucket, now: float) -> float:
        rate = self._rates[work]
        return min(rate * self._burst, bucket.level + rate * (0.25 + 0.75 * bucket.trust) * max(0.0, now - bucket.when))

    def ask(self, peer: PeerId, work: Work, cost: float, trust: float) -> Verdict:
        now = self._clock.seconds()
        if now - self._swept >= SWEEP_EVERY:
            self._sweepFull(now)
        buckets = self._buckets.get(work)
        if buckets is None:
            buckets = self._buckets[work] = {}
        full = self._rates[work]
        size = full * self._burst
        bucket = buckets.get(peer)
        if bucket is None:
            _sweep(buckets, lambda one: now - one.when > 4 * self._burst)
            bucket = buckets[peer] = _Bucket(size, now, trust)
        level = bucket.level
        if level < size and now > bucket.when:
            level += full * (0.25 + 0.75 * bucket.trust) * (now - bucket.when)
            if level > size:
                level = size
        bucket.level, bucket.when = level, now
        bucket.trust = trust if 0.0 <= trust <= 1.0 else min(1.0, max(0.0, trust))
        abuse = self._abuses.get(peer) if self._abuses else None
        if abuse is not None and now < abuse.bannedUntil:
            return Verdict("refuse", (Reason("banned for abuse", abuse.bans),), wait=abuse.bannedUntil - now)
        # What costs more than a full bucket passes when the bucket is full; it then has to be paid off.
        needed = cost if cost < size else size
        reasons = (Reason(_BUDGET[work], round(level, 2), needed, level >= needed, "", ">="),)
        if level >= needed:
            bucket.level = level - cost
            return Verdict("admit", reasons)
        wait = (needed - level) / (full * (0.25 + 0.75 * bucket.trust))
        banned = self._refused(peer, now)
        return Verdict("refuse", reasons, wait=max(wait, banned - now))

    def _sweepFull(self, now: float) -> None:
        self._swept = now
        for work, buckets in list(self._buckets.items()):
            size = self._rates[work] * self._burst
            kept = {peer: bucket for peer, bucket in buckets.items() if self._level(work, bucket, now) < size}
            if kept:
                self._buckets[work] = kept
            else:
                del self._buckets[work]

    def _refused(self, peer: PeerId, now: float) -> float:
        """
        One more refusal.

        @return: until when the peer is banned.
        """
        abuse = self._abuses.get(peer)
        if abuse is None:
            _sweep(self._abuses, lambda one: now - one.since > WINDOW and now >= one.bannedUntil)
            abuse = self._abuses[peer] = _Abuse()
        if now - abuse.since > WINDOW:
            abuse.refusals, abuse.since = 0, now
        abuse.refusals += 1
        if abuse.refusals >= ABUSE:
            abuse.bannedUntil = now + min(LONGEST_BAN, self._ban * 2**abuse.bans)
            abuse.bans += 1
            abuse.refusals = 0
        return abuse.bannedUntil

    def budget(self, peer: PeerId) -> Sequence[Reason]:
        now = self._clock.seconds()
        rows = []
        for work, rate in self._rates.items():
            size = rate * self._burst
            bucket = self._buckets.get(work, {}).get(peer)
            left = size if bucket is None else self._level(work, bucket, now)
            rows.append(Reason(str(work), round(left, 2), round(size, 2), left > 0, "units", ""))
        abuse = self._abuses.get(peer)
        if abuse is not None and now < abuse.bannedUntil:
            rows.append(Reason("banned for abuse", round(abuse.bannedUntil - now, 1), 0, False, "s", "<="))
        return rows


_BUDGET = {work: f"{work} budget" for work in Work}


def _sweep(table: dict[PeerId, _T], idle: Callable[[_T], bool]) -> None:
    """Only for memory: what is C{idle} says no more than nothing would; if all are busy, the oldest goes."""
    if len(table) < REMEMBERED:
        return
    for peer, one in list(table.items()):
        if idle(one):
            del table[peer]
    while len(table) >= REMEMBERED:
        del table[next(iter(table))]


tokens = PolicyPlugin(
    "rate-limit", "tokens", "overlay.plugins.tokens:Tokens", "A token bucket per peer and kind of work, refilled by trust."
)
