"""Elects the most capable: by what was observed of them, with a count of super-peers that follows the load."""

import math
from functools import lru_cache

from zope.interface import implementer

from overlay.interfaces import IElection
from overlay.policy import PolicyPlugin
from overlay.questions import Candidate, Claim, Criterion, Load, Standing
from overlay.verdict import Reason, Verdict

GENESIS = 3
"""Below so many settled mandates super-peers may appoint themselves."""
STEADY = 600.0
"""Seconds after which a session counts half of an endless one: those that have lasted go on lasting (Stutzbach and Rejaie 2006)."""
SWIFT = 0.1
"""Round-trip time in seconds that counts half."""
BROAD = 1_000_000.0
"""Bytes per second that count half; what was never measured counts as much."""
SESSIONS = 3
"""Earlier sessions from which on their mean length says something."""


def _known(value: float | None, digits: int | None = None) -> float | str:
    """A value for people."""
    if value is None:
        return "unknown"
    return value if digits is None else round(value, digits or None)


@lru_cache(maxsize=64)
def _room(name: Criterion, value: int | None, threshold: int, unit: str) -> Reason:
    """One object for all peers of whom the same is known, or nothing."""
    return Reason(name, _known(value), threshold, value is None or value >= threshold, unit, ">=")


@lru_cache(maxsize=256)
def _verdict(means: tuple[Reason, ...], reversals: int, known: int) -> Verdict:
    """Likewise: thousands of leaves ask, and remember the answer."""
    return Verdict.allOf(*means, Reason("promotions reversed", reversals), Reason("super-peers known", known))


_REACHABLE = {
    value: Reason(Criterion.REACHABLE, _known(value), True, value is not False, "", "=") for value in (None, True, False)
}
_MANDATED = Verdict.yes(Reason("mandate", "holds"))
_HEIR = Verdict.yes(Reason("mandate", "heir"))


@implementer(IElection)
class Fittest:
    """
    @ivar wanted: registrations that one super-peer aims at.
    """

    __slots__ = (
        "_callAt", "_descriptors", "_least", "_memory", "_patience", "_pause", "_refuseAt", "_resignBelow", "_rtt", "_seen",
        "_session", "_settle", "_spare", "_throughput", "_trust", "wanted",
    )

    def __init__(
        self,
        wanted: int = 100,
        high: float = 1.25,
        low: float = 0.75,
        most: float = 2.0,
        least: int = 2,
        patience: float = 60.0,
        settle: float = 120.0,
        pause: float = 5.0,
        trust: float = 0.3,
        rtt: float = 2.0,
        memory: int = 67_108_864,
        descriptors: int = 256,
        spare: float = 0.1,
        seen: float = 1.0,
        session: float = 60.0,
        throughput: float = 10_000.0,
    ) -> None:
        """
        @param wanted: registrations that a super-peer aims at.
        @param high: times C{wanted}; from there on it calls for another.
        @param low: times C{wanted}; below, it resigns if the others have room.
        @param most: times C{wanted}; from there on it refuses, as long as another has room or may be elected.
        @param least: super-peers that there should be as soon as there are two leaves, so that each has a second home.
        @param patience: seconds without any super-peer before an ordinary peer serves.
        @param settle: seconds that a super-peer serves before it thinks of resigning.
        @param pause: seconds between two seats that one super-peer calls.
        @param trust: lowest reputation of a candidate, 0 to 1.
        @param rtt: longest round-trip time of a candidate, seconds.
        @param memory: least bytes free, where they are known; for one that serves already half as many.
        @param descriptors: least files and connections that may still be opened, where known; for one that serves already an eighth.
        @param spare: part of the super-peers that may be there beyond what the load asks for, 0 to 1.
        @param seen: seconds since which a candidate has been known at least.
        @param session: least mean length, in seconds, of a candidate's earlier sessions, where three of them were seen.
        @param throughput: least bytes per second of a candidate, where they were measured.
        """
        if not (0 < low < high < most and wanted >= 1 and least >= 1):
            raise ValueError("0 < low < high < most, wanted >= 1 and least >= 1 must hold")
        self.wanted = wanted
        self._callAt = wanted * high
        self._resignBelow = wanted * low
        self._refuseAt = wanted * most
        self._least = least
        self._patience = patience
        self._settle = settle
        self._pause = pause
        self._trust = trust
        self._rtt = rtt
        self._memory = memory
        self._descriptors = descriptors
        self._spare = spare
        self._seen = seen
        self._session = session
        self._throughput = throughput

    def mayServe(self, standing: Standing) -> Verdict:
        if standing.alone:
            return Verdict.yes(Reason("alone: there is nobody else to serve", True))
        return _verdict(self._means(standing), standing.reversals, standing.liveSuperPeers)

    def _means(self, standing: Standing) -> tuple[Reason, ...]:
        """What a super-peer needs of its own; what cannot be measured speaks against nobody."""
        return (_REACHABLE[standing.dialable], *self._machine(standing))

    def _machine(self, standing: Standing) -> tuple[Reason, ...]:
        # Who serves has what it needs open already, and must not come and go with every file.
        memory, descriptors = (self._memory // 2, self._descriptors // 8) if standing.serving else (self._memory, self._descriptors)
        room = standing.headRoom
        return (
            _room(Criterion.MEMORY, room.memory, memory, "bytes"),
            _room(Criterion.DESCRIPTORS, room.descriptors, descriptors, ""),
        )

    def patience(self, standing: Standing) -> Verdict:
        if standing.alone:
            return Verdict.yes(Reason("alone: there is nobody to wait for", True), score=0.0)
        if standing.servedBefore:
            return Verdict.yes(Reason("served when it last stopped", True), score=1.0)
        # Half as long again for the least capable, and a part by the id, so that equals do not wake together.
        uptime = standing.uptime / (standing.uptime + STEADY)
        memory = standing.capacity.memory / (standing.capacity.memory + 16 * self._memory)
        spread = standing.peerId[0] / 256 if standing.peerId else 0.0
        weakness = 1.0 - (uptime + memory) / 2
        seconds = self._patience * (1.0 + 0.3 * weakness + 0.2 * spread)
        return Verdict.yes(
            Reason("uptime", round(standing.uptime, 1), unit="s"),
            Reason("memory free", standing.capacity.memory, unit="bytes"),
            Reason("wait of the most capable", self._patience, unit="s"),
            score=seconds,
        )

    def admits(self, load: Load) -> Verdict:
        """
        Up to the limit; beyond it where whoever is refused would be without a home for good, as nobody else has room and nobody else can be
        had. It might even be the one that could serve, and only who is registered is asked to. Then the machine is the limit.
        """
        within = Reason.atMost("registrations", load.registrations, self._refuseAt - 1)
        if within.holds:
            return Verdict.allOf(within)
        beyond = (
            Reason.atMost("other super-peers with room", len([one for one in load.others if one < self._refuseAt]), 0),
            Reason.atLeast("seats called in vain", load.vain, 1),
            *(self._machine(load.standing) if load.standing is not None else ()),
        )
        if all(one.holds for one in beyond):
            return Verdict.yes(Reason("registrations", load.registrations), *beyond)
        return Verdict.no(within, *beyond)

    def _room(self, load: Load) -> int:
        return sum([self.wanted - other for other in load.others if other < self.wanted])

    @staticmethod
    def _total(load: Load) -> int:
        """Registrations at all super-peers."""
        return load.registrations + sum(load.others)

    @staticmethod
    def _above(load: Load) -> int:
        """Super-peers that carry more."""
        return len([other for other in load.others if other > load.registrations])

    def shouldCall(self, load: Load) -> Verdict:
        pause = Reason.atLeast("since the last seat", round(load.sinceChange, 1), self._pause, "s")
        serving = len(load.others) + 1
        if serving < self._least:
            return Verdict.allOf(
                pause,
                Reason.atMost("super-peers", serving, self._least - 1),
                Reason.atLeast("registrations", load.registrations, 2),
            )
        wanting = self._total(load) // self.wanted - serving
        if wanting > 0:
            # So many seats are wanted in the whole network: those who carry most call one each, so not everybody does.
            return Verdict.allOf(
                pause,
                Reason("super-peers that are wanted beside those there are", wanting),
                Reason.atMost("super-peers that carry more", self._above(load), wanting - 1),
            )
        return Verdict.allOf(
            pause,
            Reason.atLeast("registrations", load.registrations, self._callAt),
            Reason.atMost("room at the others", self._room(load), max(0, load.registrations - self.wanted)),
        )

    def fitness(self, candidate: Candidate) -> Verdict:
        rtt, rate = candidate.rtt, candidate.throughput
        few = candidate.earlier < SESSIONS
        reasons = (
            Reason.must(Criterion.REACHABLE, candidate.dialable),
            Reason.atLeast(Criterion.REPUTATION, round(candidate.trust, 3), self._trust, "0 to 1"),
            Reason(Criterion.RTT, _known(rtt, 4), self._rtt, rtt is not None and rtt <= self._rtt, "s", "<="),
            # Who was linked before this peer started has been seen for as long.
            Reason.atLeast(Criterion.FIRST_SEEN, round(max(candidate.first, candidate.known, candidate.linked), 1), self._seen, "s"),
            Reason(Criterion.SESSION, round(candidate.known, 1), unit="s"),
            Reason(
                Criterion.EARLIER, "too few" if few else round(candidate.lasted, 1), self._session,
                few or candidate.lasted >= self._session, "s", ">=",
            ),
            Reason(
                Criterion.THROUGHPUT, _known(rate, 0), self._throughput, rate is None or rate >= self._throughput, "bytes/s", ">="
            ),
        )
        # A part of what its sessions last speaks for the present one too, however young that is.
        lasts = candidate.known + 0.25 * candidate.lasted
        steady = lasts / (lasts + STEADY)
        swift = SWIFT / (SWIFT + rtt) if rtt is not None else 0.0
        broad = 0.5 if rate is None else rate / (rate + BROAD)
        score = candidate.trust * (0.4 * steady + 0.1 * swift + 0.5 * broad)
        return Verdict.allOf(*reasons, score=round(score, 4))

    def vote(self, candidate: Candidate) -> Verdict:
        rtt = candidate.rtt
        return Verdict.allOf(
            Reason.must(Criterion.REACHABLE, candidate.dialable),
            Reason.atLeast(Criterion.REPUTATION, round(candidate.trust, 3), self._trust, "0 to 1"),
            Reason(Criterion.RTT, _known(rtt, 4), self._rtt, rtt is None or rtt <= self._rtt, "s", "<="),
        )

    def shouldResign(self, load: Load) -> Verdict:
        short = [one for one in self._means(load.standing) if not one.holds] if load.standing is not None else []
        if short and load.others:
            return Verdict.yes(*short, Reason.atLeast("other super-peers", len(load.others), 1))
        serving = len(load.others) + 1
        # One more than the load asks for is no surplus yet: the next arrivals would want it back.
        surplus = serving - math.ceil(self._total(load) / self.wanted) - math.floor(self._spare * serving)
        below = len([other for other in load.others if other < load.registrations])
        return Verdict.allOf(
            Reason.atMost("registrations", load.registrations, self._resignBelow),
            Reason.atLeast("super-peers beyond those the load asks for", surplus, 1),
            Reason.atMost("super-peers that carry less", below, max(0, surplus - 1)),
            Reason.atLeast("room at the others", self._room(load), load.registrations),
            Reason.atLeast("other super-peers", len(load.others), self._least),
            Reason.atLeast("serving for", round(load.serving, 1), self._settle, "s"),
            Reason.atLeast("since the last seat", round(load.sinceChange, 1), self._settle, "s"),
        )

    def recognises(self, claim: Claim) -> Verdict:
        if claim.mandated or claim.heir:
            return _MANDATED if claim.mandated else _HEIR
        return Verdict.allOf(
            Reason("mandate", claim.problem or "none"),
            Reason.atMost("live mandates", claim.liveMandates, GENESIS - 1),
        )


fittest = PolicyPlugin(
    "election", "fittest", "overlay.plugins.fittest:Fittest", "The most capable serve, as many as the load asks for.",
    stateless=True,
)
