"""Token buckets, one for each peer and kind of work, computed from the clock at each question: no timers."""

from collections.abc import Sequence

import attrs
from zope.interface import implementer

from overlay.identity.ids import PeerId
from overlay.interfaces import IRateLimit
from overlay.policy import PolicyPlugin, PolicySurroundings
from overlay.questions import Work
from overlay.verdict import Reason, Verdict

REMEMBERED = 10_000
"""Peers whose buckets are kept; a full bucket need not be."""
ABUSE = 50
"""Refusals within L{WINDOW} seconds from which a peer is refused for longer."""
WINDOW = 60.0
LONGEST_BAN = 3600.0


@attrs.define(slots=True)
class _Bucket:
    """
    @ivar level: tokens left at C{when}.
    @ivar trust: reputation at the last question, by which it is refilled.
    """

    level: float
    when: float
    trust: float


@attrs.define(slots=True)
class _Record:
    """What one peer has done to its limits."""

    buckets: dict[Work, _Bucket] = attrs.field(factory=dict)
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
        rates = {
            Work.QUERY: query, Work.REGISTER: register, Work.MEMBERSHIP: membership,
            Work.ELECTION: election, Work.LINK: link,
        }
        if burst <= 0 or ban < 0 or any(rate <= 0 for rate in rates.values()):
            raise ValueError("rates and burst must be more than 0, and ban not less")
        self._clock = surroundings.clock
        self._rates = rates
        self._burst = burst
        self._ban = ban
        self._records: dict[PeerId, _Record] = {}

    def _level(self, work: Work, bucket: _Bucket, now: float) -> float:
        rate = self._rates[work] * (0.25 + 0.75 * bucket.trust)
        return min(self._rates[work] * self._burst, bucket.level + rate * max(0.0, now - bucket.when))

    def ask(self, peer: PeerId, work: Work, cost: float, trust: float) -> Verdict:
        now = self._clock.seconds()
        record = self._records.get(peer)
        if record is None:
            self._sweep(now)
            record = self._records[peer] = _Record()
        size = self._rates[work] * self._burst
        bucket = record.buckets.get(work)
        if bucket is None:
            bucket = record.buckets[work] = _Bucket(size, now, trust)
        level = self._level(work, bucket, now)
        bucket.level, bucket.when, bucket.trust = level, now, min(1.0, max(0.0, trust))
        if now < record.bannedUntil:
            return Verdict(
                "refuse", (Reason("banned for abuse", record.bans),), wait=record.bannedUntil - now
            )
        # What costs more than a full bucket passes when the bucket is full; it then has to be paid off.
        if level >= min(cost, size):
            bucket.level = level - cost
            return Verdict("admit", (Reason.atLeast(f"{work} budget", round(level, 2), min(cost, size)),))
        rate = self._rates[work] * (0.25 + 0.75 * bucket.trust)
        wait = (min(cost, size) - level) / rate
        self._refused(record, now)
        return Verdict(
            "refuse", (Reason.atLeast(f"{work} budget", round(level, 2), min(cost, size)),),
            wait=max(wait, record.bannedUntil - now),
        )

    def _refused(self, record: _Record, now: float) -> None:
        if now - record.since > WINDOW:
            record.refusals, record.since = 0, now
        record.refusals += 1
        if record.refusals >= ABUSE:
            record.bannedUntil = now + min(LONGEST_BAN, self._ban * 2**record.bans)
            record.bans += 1
            record.refusals = 0

    def _sweep(self, now: float) -> None:
        """Only for memory: the buckets of peers that were long away are full again."""
        if len(self._records) < REMEMBERED:
            return
        quiet = 4 * self._burst + WINDOW
        for peer, record in list(self._records.items()):
            last = max((one.when for one in record.buckets.values()), default=0.0)
            if now - last > quiet and now >= record.bannedUntil:
                del self._records[peer]
        while len(self._records) >= REMEMBERED:
            del self._records[next(iter(self._records))]

    def budget(self, peer: PeerId) -> Sequence[Reason]:
        now = self._clock.seconds()
        record = self._records.get(peer) or _Record()
        rows = []
        for work, rate in self._rates.items():
            size = rate * self._burst
            bucket = record.buckets.get(work)
            left = size if bucket is None else self._level(work, bucket, now)
            rows.append(Reason(str(work), round(left, 2), round(size, 2), left > 0, "units", ""))
        if now < record.bannedUntil:
            rows.append(Reason("banned for abuse", round(record.bannedUntil - now, 1), 0, False, "s", "<="))
        return rows


tokens = PolicyPlugin(
    "rate-limit", "tokens", "overlay.plugins.tokens:Tokens", "A token bucket per peer and kind of work, refilled by trust."
)
