"""
Whether others can dial this peer: it asks a super-peer, which dials it with a number that only the two know. So nobody need be believed who
says yes, and more than one is asked before a no is. With the answer comes what the other has seen of this peer.
"""

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from twisted.internet.interfaces import IDelayedCall

from overlay.commons import Commons, Component, Receivers
from overlay.identity.ids import PeerId
from overlay.link.links import unasked
from overlay.questions import Work
from overlay.roles.observations import DialBack
from overlay.wire.messages import DialBackAnswer, DialBackWanted, Impression

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership
    from overlay.roles.election import Election

FEATURE = "dial-back"
"""Of a hello: the sender dials back whoever asks for it."""
FIRST = 10.0
"""Seconds from the start to the first look, and up to C{SPREAD} more, so that those who start together do not ask together."""
SPREAD = 90.0
SOON = 15.0
"""Seconds within which it asks when it is time, for the same reason."""
EVERY = 300.0
"""Seconds between two looks."""
AGAIN = 5.0
"""Seconds until another is asked, after somebody has not reached this peer, or has not answered."""
PATIENCE = 30.0
"""Seconds for an answer: the other may try several addresses."""
PAUSE = 20.0
"""Seconds between two times that one peer is dialled because it asks."""
_NOBODY: Any = MappingProxyType({})
DOUBTED = 2
"""Others that have to say that they cannot reach this peer, if there are so many; of one that serves, one more."""


class Reachability(Component):
    """
    @ivar found: whether this peer was reached; None if nobody has tried.
    """

    __slots__ = (
        "_against", "_asked", "_deadline", "_election", "_membership", "_next", "_nonce", "_observer",
        "_said", "_soon", "_wanting", "found",
    )

    def __init__(self, commons: Commons, membership: "Membership", election: "Election") -> None:
        super().__init__(commons)
        self._membership = membership
        self._election = election
        self.found: bool | None = None
        self._next = commons.seconds() + FIRST + SPREAD * commons.peerId[0] / 256
        self._nonce = b""
        self._asked: PeerId | None = None
        self._deadline = 0.0
        self._soon: IDelayedCall | None = None
        # Who was dialled just now, and when.
        self._wanting: dict[bytes, float] = _NOBODY
        self._against: tuple[PeerId, ...] = ()
        self._observer: PeerId | None = None
        self._said = b""

    @classmethod
    def handlers(cls) -> Receivers:
        return {DialBackWanted: cls._wanted, DialBackAnswer: cls._answered}

    # --- for the policy and for people -------------------------------------------------------------------------------

    @property
    def dialable(self) -> bool | None:
        """Whether others can dial this peer; None if that is not known."""
        links = self.commons.links
        if not links.port:
            return False
        if self.found is None:
            return True if links.wasDialled else None
        if not self.found and self._membership.serving and self.commons.seconds() - links.dialledAt < EVERY:
            # Whoever says that it cannot be reached is refuted by those who come.
            return True
        return self.found

    @property
    def observer(self) -> PeerId | None:
        """Who looked last."""
        return self._observer

    @property
    def impression(self) -> Impression | None:
        """What that one has seen of this peer."""
        return msgspec.msgpack.decode(self._said, type=Impression) if self._said else None

    @property
    def nextLook(self) -> float:
        """Seconds until somebody is asked again."""
        when = self._soon.getTime() if self._soon is not None else self._deadline if self._asked else self._next
        return max(0.0, when - self.commons.seconds())

    # --- asking ------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Now and then: ask somebody, if it is time."""
        seconds = self.commons.seconds()
        if self._asked is not None:
            if seconds < self._deadline:
                return
            self._asked, self._next = None, seconds
        if seconds < self._next or self._soon is not None:
            return
        if self._against:
            # It would rather know.
            self._ask()
        else:
            self._soon = self.commons.clock.callLater(SOON * self.commons.random.random(), self._ask)

    def stop(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None

    def _ask(self) -> None:
        self._soon = None
        seconds = self.commons.seconds()
        addresses = self._membership.allAddresses()
        able = [link for link in self._election.observers() if FEATURE in link.features and not link.closed] if addresses else []
        fresh = [link for link in able if link.peerId not in self._against]
        if not able:
            self._next = seconds + AGAIN
            return
        link = self.commons.random.choice(fresh or able)
        self._nonce = self.commons.random.randbytes(16)
        self.commons.links.probed = self._probed
        self._asked, self._deadline = link.peerId, seconds + PATIENCE
        link.send(DialBackWanted(self._nonce, addresses[:4]))

    def _probed(self, peer: bytes, nonce: bytes) -> None:
        """Somebody has dialled this peer to see whether it is there."""
        if peer == self._asked and nonce == self._nonce:
            self._against = ()
            self._find(True)

    def _answered(self, link: "Link", message: DialBackAnswer) -> None:
        """Whoever was asked has looked."""
        if link.peerId != self._asked or message.nonce != self._nonce:
            self.commons.tally.count("drops", "unexpected")
            return
        seconds = self.commons.seconds()
        self._asked, self._nonce, self._deadline = None, b"", 0.0
        self.commons.links.probed = unasked
        if message.code:
            self._next = seconds + max(AGAIN, min(message.retry, EVERY))
            return
        self._observer = link.peerId
        self._said = msgspec.msgpack.encode(message.seen) if message.seen is not None else b""
        if message.address:
            # If it did dial, its number has come; what it only says counts for nothing.
            self._next = seconds + (EVERY if self.found else AGAIN)
            return
        self._against = tuple(dict.fromkeys((*self._against, link.peerId)))
        others = {one.peerId for one in self._election.observers() if FEATURE in one.features}
        needed = min(DOUBTED + self._membership.serving, len(others | set(self._against)))
        if len(self._against) >= needed:
            self._against = ()
            self._find(False)
            self._next = seconds + EVERY
        else:
            self._next = seconds + AGAIN

    def _find(self, found: bool) -> None:
        before, self.found = self.found, found
        if before is not found and not (before is None and found):
            self.commons.log.info("others {can} dial this peer", can="can" if found else "cannot")
        hidden = self.dialable is False
        if self._membership.hidden is not hidden:
            self._membership.hidden = hidden
            self._membership.refresh()

    # --- being asked -------------------------------------------------------------------------------------------------

    def _wanted(self, link: "Link", message: DialBackWanted) -> None:
        """Another peer asks to be dialled."""
        commons, peer = self.commons, link.peerId
        admitted = commons.admit(peer, Work.ELECTION)
        seconds = commons.seconds()
        self._wanting = {one: when for one, when in self._wanting.items() if seconds - when < PAUSE} or _NOBODY
        ago = seconds - self._wanting.get(peer, float("-inf"))
        if not admitted or ago < PAUSE:
            link.send(DialBackAnswer(message.nonce, "", "rate", max(admitted.wait, PAUSE - ago)))
            return
        self._wanting = {**self._wanting, peer: seconds}

        def dialled(seen: DialBack) -> None:
            link.send(DialBackAnswer(message.nonce, seen.address, seen=self._election.observations.impression(peer, link)))

        self._election.observations.dialBack(peer, message.addresses[:4], message.nonce).addCallback(dialled)
