"""The addresses at which a peer tries to reach its network, and what each of them has answered."""

import random
from collections.abc import Iterable, Iterator

import attrs

from overlay.questions import Lead
from overlay.wire import limits

FIRST_WAIT = 1.0
LONGEST_WAIT = 30.0
"""Of what does not answer: so soon after a split is healed it is found."""
RETRY_MOST = 60.0
"""For so long, at most, whoever answers may ask to be left alone."""
BELIEVED = 600.0
"""Seconds for which whoever was reached at an address is taken to be there."""
MOST = 2 * limits.ADVERT_IDS_PER_MESSAGE
"""Addresses beside those that the user named."""
KNOWN = "gossip"
"""The source of addresses that are in adverts of super-peers."""


@attrs.define(slots=True, eq=False, weakref_slot=False)
class Target:
    """
    One address to try.

    @ivar peer: the id that is expected there, or None.
    @ivar name: the name of which this is one address, or empty.
    @ivar sources: titles of those that found it.
    @ivar given: whether the user named one of those.
    @ivar fresh: whether it was found while this peer was serving already, and has not been tried.
    @ivar itself: whether it is this peer's own address.
    @ivar found: who was there when it was reached last; None if it never was.
    @ivar next: monotonic time of the next attempt.
    @ivar tries: attempts that have ended.
    @ivar answer: how the last one ended, for people.
    @ivar answered: monotonic time of that.
    """

    address: str
    peer: bytes | None
    name: str
    sources: tuple[str, ...]
    given: bool
    fresh: bool = False
    itself: bool = False
    next: float = 0.0
    wait: float = FIRST_WAIT
    dialling: bool = False
    tries: int = 0
    answer: str = ""
    answered: float = 0.0
    found: bytes | None = None

    def leadsTo(self, seconds: float) -> bytes | None:
        """Who is there, as far as is known; who was found is believed for a while, as an address may come to be another's."""
        return self.peer if self.found is None or seconds - self.answered >= BELIEVED else self.found

    def failed(self, seconds: float, said: str, rng: random.Random, retry: float = 0.0) -> None:
        """
        An attempt was in vain: the next comes later than this one did.

        @param retry: seconds for which whoever answered asks to be left alone.
        """
        self._ended(seconds, said)
        self.found = None
        self.next = seconds + max(self.wait, min(retry, RETRY_MOST)) * rng.uniform(0.8, 1.2)
        self.wait = min(LONGEST_WAIT, 1.6 * self.wait)

    def reached(self, seconds: float, peer: bytes, said: str, pause: float) -> None:
        """An attempt led to a link with C{peer}; not again for C{pause} seconds."""
        self._ended(seconds, said)
        self.found = peer
        self.wait = FIRST_WAIT
        self.next = seconds + pause

    def _ended(self, seconds: float, said: str) -> None:
        self.dialling = False
        self.tries += 1
        self.answer, self.answered = said, seconds


class Targets:
    """Of one peer, by address, in the order in which they were found."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: dict[str, Target] = {}

    def __iter__(self) -> Iterator[Target]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    @property
    def others(self) -> bool:
        """Whether there is any address that is not this peer's own."""
        return any(not one.itself for one in self._all.values())

    def offer(self, source: str, lead: Lead, given: bool, fresh: bool = False) -> bool:
        """
        An address, of a source that goes on to know the others that it found.

        @return: whether it is new.
        """
        held = self._all.get(lead.address)
        if held is None:
            self._all[lead.address] = Target(lead.address, lead.peer, lead.name, (source,), given, fresh)
            return True
        if source not in held.sources:
            held.sources = (*held.sources, source)
        if given and (not held.given or lead.peer is not None):
            # What the user says now counts for more than what is remembered of somebody who was there once.
            held.given, held.peer = True, lead.peer
        return False

    def take(self, source: str, leads: Iterable[Lead], given: bool, fresh: bool = False) -> int:
        """
        All addresses that a source knows now; those that it knew before are given up.

        @return: how many are new.
        """
        leads = list(leads)
        now = {one.address for one in leads}
        for target in list(self._all.values()):
            if source in target.sources and target.address not in now and not target.dialling:
                target.sources = tuple(one for one in target.sources if one != source)
                if not target.sources:
                    del self._all[target.address]
        return sum(self.offer(source, one, given, fresh) for one in leads)

    def trim(self) -> None:
        """Forget what was found first, beyond the number that is kept; never what the user named."""
        while len(self._all) > MOST:
            old = next((one for one in self._all.values() if not one.given and not one.dialling), None)
            if old is None:
                return
            del self._all[old.address]

    def due(self, seconds: float, most: int, without: set[str], rng: random.Random) -> list[Target]:
        """
        Whom to dial now: what the user named comes first, then whoever has been tried least.

        @param most: dialled at a time.
        @param without: this peer's own addresses, which are tried only if the user named them.
        """
        busy = sum(one.dialling for one in self._all.values())
        ready = [one for one in self._all.values() if not one.dialling and not one.itself and one.next <= seconds]
        rng.shuffle(ready)
        ready.sort(key=lambda one: (not one.given, one.wait))
        return [one for one in ready[: max(0, most - busy)] if one.address not in without or one.given]

    def poke(self) -> None:
        """Any of them may be tried at once."""
        for one in self._all.values():
            one.next, one.wait = 0.0, FIRST_WAIT
            # Somebody else may be there now, or may only have said so.
            one.itself = False
