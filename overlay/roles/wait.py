"""Waits that double with each failure."""

import attrs


@attrs.define(slots=True, weakref_slot=False)
class Backoff:
    """
    Says when to try again. A failure doubles the wait; a success, or a change of what it depends on, begins anew.

    @ivar shortest: seconds.
    @ivar longest: seconds.
    """

    shortest: float
    longest: float
    _wait: float = attrs.field(default=0.0, init=False)
    _next: float = attrs.field(default=float("-inf"), init=False)
    _mark: object = attrs.field(default=None, init=False)

    def mayTry(self, seconds: float, mark: object) -> bool:
        """
        @param seconds: monotonic time.
        @param mark: what the outcome depends on; if it has changed, the wait is the shortest again.
        """
        if mark != self._mark:
            self._mark = mark
            if self._wait > self.shortest:
                self._next -= self._wait - self.shortest
                self._wait = self.shortest
        return seconds >= self._next

    def tried(self, seconds: float, success: bool) -> None:
        self._wait = self.shortest if success or not self._wait else min(self.longest, self._wait * 2)
        self._next = seconds + self._wait
