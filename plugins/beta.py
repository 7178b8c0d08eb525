"""Beta reputation (Josang and Ismail 2002) with exponential forgetting; evidence outlives disconnects and restarts."""

from functools import cache

import msgspec
from zope.interface import implementer

from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId
from overlay.interfaces import IReputation
from overlay.policy import PolicyPlugin, PolicySurroundings
from overlay.questions import Deed
from overlay.verdict import Reason, Verdict

WEIGHTS: dict[Deed, tuple[float, float]] = {
    Deed.REGISTERED: (0.5, 0.0),
    Deed.RENEWED: (0.1, 0.0),
    Deed.ANSWERED: (0.2, 0.0),
    Deed.LINK_KEPT: (0.5, 0.0),
    Deed.VOTED: (0.2, 0.0),
    Deed.LATE: (0.0, 0.2),
    # Laptops are closed and networks fail: no one should be punished for that.
    Deed.LINK_LOST: (0.0, 0.05),
    Deed.OVER_BUDGET: (0.0, 0.5),
    Deed.GARBAGE: (0.0, 2.0),
    Deed.BAD_MANDATE: (0.0, 3.0),
    Deed.FORGED_STATEMENT: (0.0, 4.0),
    Deed.FORGED_RECORD: (0.0, 4.0),
    Deed.FORGED_HIT: (0.0, 4.0),
    Deed.DOUBLE_VOTE: (0.0, 4.0),
    Deed.CONTENT_MISMATCH: (0.0, 1.0),
    Deed.STALE_RECORD: (0.0, 1.0),
}
"""For each deed, the good and the bad evidence of one."""
_TITLES = {name: str(deed) for name, deed in Deed.__members__.items()}
REMEMBERED = 10_000
STEADY = 1e-6
"""Part of a half-life within which a score does not change by as much as anybody would notice: less than a millionth of it."""
SAVE_EVERY = 60.0
"""Seconds between two savings; what was seen since the last one may be lost with a killed process."""


class _Kept(msgspec.Struct, array_like=True):
    """Evidence as it is stored, decayed to the moment of saving; new fields go at the end."""

    good: float
    bad: float
    deeds: dict[str, int]


class _Evidence(msgspec.Struct, eq=False, gc=False):
    """
    @ivar good: decayed to C{when}; likewise C{bad}.
    @ivar deeds: how often each was seen, undecayed.
    @ivar verdict: what was said of it last; None if there is more evidence since.
    """

    good: float
    bad: float
    when: float
    deeds: dict[str, int]
    verdict: Verdict | None = None


@cache
def _unknown(score: float) -> Verdict:
    """One verdict for all peers of whom nothing is known."""
    return Verdict.yes(Reason("evidence", "none"), score=score)


@implementer(IReputation)
class Beta:
    """
    The expected value of a Beta distribution, E = (r + 2u) / (r + s + 2), where r and s are good and bad evidence that loses
    half of its weight in a half-life, and u is the score of a peer of which nothing is known.
    """

    __slots__ = ("_changed", "_clock", "_evidence", "_halfLife", "_nothing", "_saved", "_table", "_unknown")

    def __init__(self, surroundings: PolicySurroundings, half_life: float = 604_800.0, unknown: float = 0.5) -> None:
        """
        @param half_life: seconds of this peer's running time.
        @param unknown: score of a peer without evidence, 0 to 1, both excluded.
        """
        if half_life <= 0 or not 0 < unknown < 1:
            raise ValueError("half_life must be more than 0, and unknown between 0 and 1")
        self._clock = surroundings.clock
        self._table = surroundings.storage.table("reputation")
        self._halfLife = half_life
        self._unknown = unknown
        self._nothing = _unknown(unknown)
        now = self._clock.seconds()
        self._saved = now
        self._changed: dict[PeerId, None] = {}
        self._evidence: dict[PeerId, _Evidence] = {}
        for peer, value in self._table.items():
            try:
                kept = msgspec.msgpack.decode(value, type=_Kept)
            except msgspec.DecodeError:
                continue
            self._evidence[PeerId(peer)] = _Evidence(kept.good, kept.bad, now, kept.deeds)

    def _decay(self, evidence: _Evidence, now: float) -> None:
        factor = 0.5 ** ((now - evidence.when) / self._halfLife)
        evidence.good *= factor
        evidence.bad *= factor
        evidence.when = now
        evidence.verdict = None

    def observed(self, peer: PeerId, deed: Deed, weight: float) -> None:
        good, bad = WEIGHTS.get(deed, (0.0, 0.0))
        now = self._clock.seconds()
        evidence = self._evidence.get(peer)
        if evidence is None:
            self._makeRoom()
            evidence = self._evidence[peer] = _Evidence(0.0, 0.0, now, {})
        self._decay(evidence, now)
        evidence.good += good * weight
        evidence.bad += bad * weight
        evidence.deeds[deed.name] = evidence.deeds.get(deed.name, 0) + 1
        self._changed[peer] = None
        if now - self._saved >= SAVE_EVERY or bad * weight >= 2.0:
            self._save()

    def _makeRoom(self) -> None:
        """Those of whom least is known go first."""
        if len(self._evidence) < REMEMBERED:
            return
        least = sorted(self._evidence, key=lambda peer: self._evidence[peer].good + self._evidence[peer].bad)
        going = least[: REMEMBERED // 10]
        for peer in going:
            del self._evidence[peer]
            self._changed.pop(peer, None)
        self._table.removeMany(going)

    def trust(self, peer: PeerId) -> Verdict:
        evidence = self._evidence.get(peer)
        if evidence is None:
            return self._nothing
        now = self._clock.seconds()
        if evidence.verdict is not None and now - evidence.when < self._halfLife * STEADY:
            return evidence.verdict
        self._decay(evidence, now)
        prior = 2 * self._unknown
        score = (evidence.good + prior) / (evidence.good + evidence.bad + 2)
        reasons = [
            Reason("good evidence", round(evidence.good, 3)),
            Reason("bad evidence", round(evidence.bad, 3)),
            *(Reason(_TITLES[name], count) for name, count in sorted(evidence.deeds.items()) if name in _TITLES),
        ]
        verdict = evidence.verdict = Verdict.yes(*reasons, score=score)
        return verdict

    def _save(self) -> None:
        now = self._clock.seconds()
        self._saved = now
        rows = []
        for peer in sorted(self._changed):
            evidence = self._evidence[peer]
            self._decay(evidence, now)
            rows.append((peer, msgspec.msgpack.encode(_Kept(evidence.good, evidence.bad, evidence.deeds))))
        self._changed.clear()
        try:
            self._table.putMany(rows)
        except SuperpeerError:
            # A full disk: the evidence stays in memory, and is saved again when it changes.
            return

    def close(self) -> None:
        """Write down what was not saved yet."""
        self._save()


beta = PolicyPlugin(
    "reputation", "beta", "overlay.plugins.beta:Beta", "Beta reputation with exponential forgetting, kept over restarts."
)
