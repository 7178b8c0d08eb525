"""Peers that register too much, ask too much, send garbage or spread false news."""

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.interfaces import IDelayedCall

from overlay.commons import Commons, Component
from overlay.index.document import Document
from overlay.index.own import OwnRegistration
from overlay.peer import Peer
from overlay.wire import limits
from overlay.wire.messages import AdvertIds, Hello
from overlay.wire.query import Query

RATE = 100
"""Queries that a flooder sends to each of its homes in a virtual second."""
GARBAGE_EVERY = 30.0
"""Virtual seconds between two pieces of garbage."""
DEATHS_EVERY = 5.0
"""Virtual seconds between two obituaries of everybody."""
_COPIES = 2**40
"""From here on a flooder numbers its copies, so that its own searches keep theirs."""
_COMMON = (
    "a about after all and any as at be bloom book but by can could dawn day did do filter find first for from get give go good had has"
    " have he her him his how i if in into is it its just know like look make man many may me more my new no not now of on one only or"
    " other our out over paper people right say see she so some such take than that the their them then there these they thing think"
    " this time to two up use want was way we well were what when which who will with word work would year you your"
)
DICTIONARY = (*_COMMON.split(), *("item" + str(number).translate(str.maketrans("0123456789", "abcdefghij")) for number in range(1000)))
"""What a stuffer thinks people search for: common words, and what the experiments of the lab call their items."""


class StuffingRegistration(OwnRegistration):
    """
    Puts a whole dictionary into each record.

    @cvar words: of the dictionary; the first that a record has room for.
    """

    words: Sequence[str] = DICTIONARY

    def update(self, changed: Sequence[Document], removed: Sequence[str]) -> None:
        super().update([self._stuffed(one) for one in changed], removed)

    def _stuffed(self, document: Document) -> Document:
        terms = dict(document.terms)
        for word in self.words[: limits.TERMS - len(terms)]:
            terms.setdefault(word, 1)
        return attrs.evolve(document, terms=tuple(terms.items()), length=sum(terms.values()))


class Stuffer(Peer):
    """Registers records that match whatever is searched for."""

    makeOwn = StuffingRegistration

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What keeps an honest share small is its owner's own setting.
        self.commons.settings = attrs.evolve(self.commons.settings, termLimit=limits.TERMS)


class Routine(Component):
    """
    Does something again and again.

    @cvar every: virtual seconds between two times.
    """

    every = 1.0

    def __init__(self, commons: Commons, peer: Peer) -> None:
        super().__init__(commons)
        self.peer = peer
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        self._timer = self.commons.clock.callLater(self.every, self._tick)

    def stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _tick(self) -> None:
        self._timer = self.commons.clock.callLater(self.every, self._tick)
        self.act()

    def act(self) -> None:
        """What is done."""
        raise NotImplementedError


class RoutinePeer(Peer):
    """
    A peer that does something beside all that it has to do.

    @cvar makeRoutine: what.
    """

    makeRoutine: type[Routine]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.components = (*self.components, self.makeRoutine(self.commons, self))


class Flooding(Routine):
    """Queries, L{RATE} a second, to each home."""

    every = 0.1
    _sent = _COPIES

    def act(self) -> None:
        for link in self.peer.homes.links():
            for _ in range(round(RATE * self.every)):
                self._sent += 1
                link.send(Query(self.commons.random.randbytes(16), self._sent, "flood", limits.ANALYSIS, 1, 0, 1.0))


class Flooder(RoutinePeer):
    """Asks its homes for more than any user could."""

    makeRoutine = Flooding


class Littering(Routine):
    """Something that breaks the protocol, to a random one of those linked."""

    every = GARBAGE_EVERY

    def act(self) -> None:
        links = sorted(self.commons.links, key=lambda link: link.peerId)
        if not links:
            return
        link = self.commons.random.choice(links)
        # Drawn in any case: what follows is the same whatever the codec.
        garbage = b"\xc1" + self.commons.random.randbytes(40)
        # The network of the lab alone can send what is no message, and only if it speaks in bytes.
        if self.commons.surroundings.network.net.codec == "full":  # type: ignore[attr-defined]
            link._channel.sendBytes(garbage)  # type: ignore[attr-defined]
        else:
            again: Hello = self.commons.links.hello(link)
            link.send(again)


class Litterer(RoutinePeer):
    """Sends garbage now and then: bytes that are no message, or with the codec C{none} a second hello."""

    makeRoutine = Littering


class Burying(Routine):
    """Says of every super-peer that it knows, to each of those linked, that it is dead."""

    every = DEATHS_EVERY

    def act(self) -> None:
        everybody: list[bytes] = [known.peerId for known in self.peer.membership.superPeers()]
        for link in self.commons.links:
            if link.isSuper:
                link.send(AdvertIds([], everybody[: limits.ADVERT_IDS_PER_MESSAGE]))


class Gravedigger(RoutinePeer):
    """Spreads false news of deaths."""

    makeRoutine = Burying
