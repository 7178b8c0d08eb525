"""
The new home's side of a hand-over: takes registrations that a resigning super-peer gives it, for leaves that have not come yet.

A leaf's own word always wins: what is held of an owner is never replaced by what another brings, and as soon as the leaf has linked it is
the leaf that says what holds. Until then what was brought is searched like any other registration, each record of it signed by its owner
and checked; if the leaf does not come within L{EXPECTED} seconds, it is dropped.
"""

from typing import TYPE_CHECKING

import attrs

from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId, peerIdOf, shortText
from overlay.index.homelist import openHomes
from overlay.index.registry import Registry
from overlay.questions import Deed, Work
from overlay.wire.registration import HandOver, HandOverAnswer, Register, Registered

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

EXPECTED = 30.0
"""Seconds for which a leaf is waited for whose registration was brought; and for the next part of one."""
MOST = 1000
"""Registrations of leaves that are waited for at a time, whatever the policy admits."""
ABSENT_FOR = 600.0
"""Seconds for which nothing is taken for a leaf that did not come, nor from a super-peer L{ABSENT_MOST} of whose leaves did not."""
ABSENT_MOST = 8
REMEMBERED = 4096
"""Most absences that are remembered."""
COST = 1000.0
"""Records that count as one unit of registering work."""


@attrs.define(slots=True)
class _Guest:
    """
    A leaf that is waited for.

    @ivar giver: who brings its registration, over C{link}.
    @ivar whole: whether all of it is here.
    """

    giver: PeerId
    link: "Link"
    whole: bool = False


class TakingOver:
    """Of a peer that serves."""

    __slots__ = ("_absences", "_commons", "_guests", "_membership", "_registry")

    def __init__(self, commons: Commons, membership: "Membership", registry: Registry) -> None:
        self._commons = commons
        self._membership = membership
        self._registry = registry
        self._guests: dict[bytes, _Guest] = {}
        # When a leaf, or a leaf of a giver, did not come; the latest last.
        self._absences: dict[bytes, list[float]] = {}

    @property
    def count(self) -> int:
        """Leaves that are waited for."""
        return len(self._guests)

    def came(self, owner: bytes) -> None:
        """The leaf is here: from now on it speaks for itself."""
        if self._guests.pop(owner, None) is not None:
            self._commons.tally.count("handovers", "came")

    def expired(self, owner: bytes) -> None:
        """The lease of a registration is over, and so it is dropped."""
        guest = self._guests.pop(owner, None)
        if guest is None:
            return
        commons = self._commons
        commons.tally.count("handovers", "absent")
        if guest.whole:
            commons.log.debug("{leaf} was handed over and has not come", leaf=shortText(owner))
            for peer in (owner, guest.giver):
                times = self._absences.pop(peer, [])
                self._absences[peer] = [*times, commons.seconds()][-ABSENT_MOST:]
            while len(self._absences) > REMEMBERED:
                del self._absences[next(iter(self._absences))]

    def linkLost(self, link: "Link") -> None:
        """What has not come whole from there never will."""
        for owner, guest in list(self._guests.items()):
            if guest.link is link and not guest.whole:
                self._forget(owner)

    def end(self) -> None:
        """This peer serves no longer."""
        self._guests.clear()

    def _forget(self, owner: bytes) -> None:
        del self._guests[owner]
        self._registry.drop(owner)

    def isGiver(self, peer: bytes) -> bool:
        """Whether a peer may hand over anything: it is a super-peer that this one recognises."""
        giver = self._membership.get(peer)
        return giver is not None and giver.recognised

    # --- one batch ---------------------------------------------------------------------------------------------------

    def take(self, link: "Link", message: HandOver, mayAdmit: bool) -> HandOverAnswer:
        """
        Take one batch, or say why not.

        @param mayAdmit: whether the policy admits one more registration.
        """
        owner = peerIdOf(message.key)
        code, retry = self._objection(link, owner, message, mayAdmit)
        if not code:
            code, retry = self._store(link, owner, message)
        if code not in ("", "held"):
            self._commons.tally.count("handovers", "refused")
        return HandOverAnswer(owner, message.part, code, retry)

    def _objection(self, link: "Link", owner: PeerId, message: HandOver, mayAdmit: bool) -> tuple[str, float]:
        """Why a batch is not taken, and the seconds until the whole may be tried again; empty if nothing speaks against it."""
        commons = self._commons
        if commons.trust(link.peerId) < commons.settings.trustedFrom:
            return "trust", 0.0
        if commons.isRefused(owner) or owner == commons.peerId:
            return "blocked", 0.0
        guest = self._guests.get(owner)
        if message.part:
            return ("", 0.0) if guest is not None and guest.link is link and not guest.whole else ("part", 0.0)
        if self._isAbsent(owner, 1) or self._isAbsent(link.peerId, ABSENT_MOST):
            return "absent", 0.0
        if guest is None or guest.link is not link:
            held = self._registry.holding(owner)
            if held is not None:
                return ("held" if (held.sequence, held.digest) == (message.sequence, message.digest) else "newer"), 0.0
            if not mayAdmit or len(self._guests) >= MOST:
                return "full", 0.0
        return self._mayBring(link, owner, message)

    def _mayBring(self, link: "Link", owner: PeerId, message: HandOver) -> tuple[str, float]:
        """Only a home of the leaf, by the leaf's own word, hands it over."""
        commons = self._commons
        admitted = commons.admit(link.peerId, Work.REGISTER, 1.0)
        if not admitted:
            return "rate", admitted.wait
        try:
            homes = openHomes(commons, owner, message.homes) if message.homes is not None else None
        except SuperpeerError:
            commons.report(link.peerId, Deed.FORGED_STATEMENT)
            return "forged", 0.0
        if homes is None or link.peerId not in homes.homes:
            commons.report(link.peerId, Deed.STALE_RECORD)
            return "homes", 0.0
        return "", 0.0

    def _isAbsent(self, peer: bytes, most: int) -> bool:
        seconds = self._commons.seconds()
        return sum(seconds - when < ABSENT_FOR for when in self._absences.get(peer, ())) >= most

    def _store(self, link: "Link", owner: PeerId, message: HandOver) -> tuple[str, float]:
        commons, registry = self._commons, self._registry
        admitted = commons.admit(link.peerId, Work.REGISTER, len(message.additions) / COST)
        if not admitted:
            if owner in self._guests:
                self._forget(owner)
            return "rate", admitted.wait
        guest = self._guests[owner] = _Guest(link.peerId, link)
        answer = registry.apply(owner, message.key, _asRegister(message), link.peerId)
        registry.expect(owner, EXPECTED)
        code = answer.code or self._wrong(link, answer)
        if code:
            self._forget(owner)
        elif message.last:
            guest.whole = True
            commons.tally.count("handovers", "taken")
        return code, answer.retry

    def _wrong(self, link: "Link", answer: Registered) -> str:
        """Whoever hands over what it should not have held itself hands over nothing."""
        codes = {code for _, code in answer.refused}
        if "expired" in codes:
            self._commons.report(link.peerId, Deed.STALE_RECORD)
        return next((code for code in ("forged", "malformed", "expired") if code in codes), "")


def _asRegister(message: HandOver) -> Register:
    return Register(
        0, message.sequence, message.part, message.last, message.digest, message.additions, homes=message.homes
    )
