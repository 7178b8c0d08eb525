"""The end of a turn of the reactor: what many links have to do then costs one call of the reactor's."""

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

_ROUNDS = 2
"""So many, so that nobody who asks again and again keeps the reactor from all else."""


class Turn:
    """Of all channels of one peer."""

    _log = Logger(namespace="superpeer.link")

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._acts: list[Callable[[], None]] = []
        self._ending = False

    def atEnd(self, act: Callable[[], None]) -> None:
        """
        Call C{act} once what is under way now is over, in the order of asking. What is asked for meanwhile comes after all that: what
        questions are answered with is written in the same turn. What is asked for then comes a turn later.
        """
        if not self._acts and not self._ending:
            self._reactor.callLater(0, self._end)
        self._acts.append(act)

    def _end(self) -> None:
        self._ending = True
        for _ in range(_ROUNDS):
            acts, self._acts = self._acts, []
            for act in acts:
                try:
                    act()
                except Exception:
                    # As the reactor does it: what goes wrong on one link is not to hold up the others.
                    self._log.failure("a link could not be served")
        self._ending = False
        if self._acts:
            self._reactor.callLater(0, self._end)
