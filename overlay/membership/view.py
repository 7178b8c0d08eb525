"""The living super-peers as one peer sees them, which nearly everything that it does asks for."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from operator import attrgetter

from overlay.membership.known import Known

PATCHED = 8
"""Of more peers that come or go before somebody looks, the view is made anew."""
_idOf = attrgetter("peerId")


class View:
    """Those of all that are known that are alive, recognised, and not refused, by id."""

    __slots__ = ("_isRefused", "_known", "_serving", "_touched")

    def __init__(self, known: Mapping[bytes, Known], isRefused: Callable[[bytes], bool]) -> None:
        """
        @param known: all that are, by id; it changes.
        """
        self._known = known
        self._isRefused = isRefused
        # As somebody saw them last, and who may have come or gone since.
        self._serving: tuple[Known, ...] | None = None
        self._touched: tuple[bytes, ...] = ()

    def get(self) -> tuple[Known, ...]:
        """The very same object as long as nobody comes, goes, or gains or loses a mandate."""
        view = self._serving
        if view is None:
            refused = self._isRefused
            # An id tells one from all others, so nothing else is compared.
            serving = sorted([(peer, one) for peer, one in self._known.items() if one.alive and one.recognised])
            view = self._serving = tuple([one for peer, one in serving if not refused(peer)])
        elif self._touched:
            view = self._serving = self._patched(view)
        self._touched = ()
        return view

    def _patched(self, view: tuple[Known, ...]) -> tuple[Known, ...]:
        some = list(view)
        for peer in self._touched:
            at = bisect_left(some, peer, key=_idOf)
            known = self._known.get(peer)
            belongs = known is not None and known.alive and known.recognised and not self._isRefused(peer)
            there = at < len(some) and some[at].peerId == peer
            some[at : at + there] = [known] if known is not None and belongs else []
        return tuple(some)

    def touch(self, peer: bytes) -> None:
        """Somebody may have come, gone, or gained or lost a mandate."""
        if self._serving is None or len(self._touched) >= PATCHED:
            self.renew()
        elif peer not in self._touched:
            self._touched += (peer,)

    def renew(self) -> None:
        """Anybody may have."""
        self._serving, self._touched = None, ()
