"""
Whom a caller nominates: of those who are willing, the fittest by what it has observed. Claims are no reason to be chosen, but one to be
looked at: of the fitter ones those that claim to send most are dialled first, and show how fast they are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.roles.observations import DialBack, Observations
from overlay.verdict import Verdict
from overlay.wire.statements import Capacity

if TYPE_CHECKING:
    from overlay.policies import Policies

AT_ONCE = 5
"""Candidates that are dialled back together; if none of them will do, the next, C{ROUNDS} times in all."""
ROUNDS = 4
MOMENT = 1.0
"""Seconds from the first answer on in which others answer too, and show how fast they are."""


class Choice:
    """One choice, which begins at once."""

    def __init__(
        self, commons: Commons, observations: Observations, answers: Mapping[bytes, tuple[list[str], Capacity]],
        able: Sequence[bytes], chosen: Callable[[bytes | None, Verdict | None], None],
    ) -> None:
        """
        @param answers: addresses and claims by peer.
        @param able: who of them may be chosen.
        @param chosen: called once with the fittest and the verdict about it, or with None and None if nobody will do.
        """
        self._commons = commons
        self._observations = observations
        self._answers = answers
        self._chosen: Callable[[bytes | None, Verdict | None], None] | None = chosen
        self._timer: IDelayedCall | None = None
        fittest = sorted(able, key=lambda one: (-self._fitness(one).score, one))[: AT_ONCE * ROUNDS]
        self._left = sorted(fittest, key=lambda one: -answers[one][1].bandwidth)
        self._dialled: list[bytes] = []
        self._silent = 0
        self._next()

    def stop(self) -> None:
        """Nobody asks any more."""
        self._chosen = None
        self._stopTimer()

    def _stopTimer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _fitness(self, peer: bytes) -> Verdict:
        candidate = self._observations.candidate(peer, self._commons.links.get(PeerId(peer)), self._answers[peer][1])
        policies: Policies = self._commons.policies
        verdict: Verdict = policies.election.fitness(candidate)
        return verdict

    def _next(self) -> None:
        """Dial some more."""
        if not self._left:
            self._end(None, None)
            return
        self._dialled, self._left = self._left[:AT_ONCE], self._left[AT_ONCE:]
        self._silent = len(self._dialled)
        for one in list(self._dialled):
            self._observations.dialBack(one, self._answers[one][0]).addCallback(self._answered, one, self._dialled)

    def _answered(self, dialBack: DialBack, peer: bytes, dialled: list[bytes]) -> None:
        """One has answered, or is given up."""
        if self._chosen is None or dialled is not self._dialled:
            return
        self._silent -= 1
        if dialBack.rtt is not None:
            self._observations.measure(peer)
            if self._timer is None:
                self._timer = self._commons.clock.callLater(MOMENT, self._look)
        if not self._silent and self._timer is None:
            self._look()

    def _look(self) -> None:
        """The moment is over."""
        self._timer = None
        judged = {one: self._fitness(one) for one in self._dialled}
        for peer in sorted(judged, key=lambda one: (-judged[one].score, one)):
            if judged[peer]:
                self._end(peer, judged[peer])
                return
        if not self._silent:
            self._next()

    def _end(self, peer: bytes | None, verdict: Verdict | None) -> None:
        chosen = self._chosen
        self.stop()
        if chosen is not None:
            chosen(peer, verdict)
