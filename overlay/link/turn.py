"""The end of a turn of the reactor: what many links have to do then costs one call of the reactor's."""

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger


class Turn:
    """Of all channels of one peer."""

    _log = Logger(namespace="superpeer.link")

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._acts: list[Callable[[], None]] = []

    def atEnd(self, act: Callable[[], None]) -> None:
        """Call C{act} once what is under way now is over, in the order of asking; what is asked for meanwhile comes a turn later."""
        if not self._acts:
            self._reactor.callLater(0, self._end)
        self._acts.append(act)

    def _end(self) -> None:
        acts, self._acts = self._acts, []
        for act in acts:
            try:
                act()
            except Exception:
                # As the reactor does it: what goes wrong on one link is not to hold up the others.
                self._log.failure("a link could not be served")
