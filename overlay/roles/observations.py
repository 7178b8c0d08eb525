"""What this peer has seen of others that might serve: whether they could be dialled back, how fast, how long they have stayed."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.identity.ids import PeerId
from overlay.questions import Candidate, Deed, Work
from overlay.wire import limits
from overlay.wire.messages import Impression, Transferred, TransferWanted
from overlay.wire.statements import Capacity

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

KEPT = 4096
"""Most peers of whom a dial-back is remembered, and most of whom the throughput is."""
BUSY = 5.0
"""Seconds without a batch after which a peer was not busy."""
MEASURED = 0.1
"""Seconds of being busy from which on they are measured, if so many bytes have come: C{LEAST}."""
LEAST = 16 * 1024
_NOTHING: Any = MappingProxyType({})
TRANSFER = "transfer"
TRANSFER_COST = 5.0
SHORTEST = 0.001
"""Seconds for a transfer, at least: what is faster is as good as that."""
FRESH = 300.0
"""Seconds for which a dial-back counts."""


class DialBack(msgspec.Struct, frozen=True, gc=False):
    """
    @ivar address: that answered; empty if none did.
    @ivar rtt: seconds for the dial and the hello; None if none answered.
    @ivar when: monotonic time.
    """

    address: str
    rtt: float | None
    when: float


class Run(msgspec.Struct, gc=False):
    """
    A time in which a peer was busy sending.

    @ivar start: monotonic time of its first batch; of its C{last} likewise.
    @ivar bytes_: that came after the first.
    @ivar rate: bytes per second, of the last time that was long enough; None if none was.
    """

    start: float
    last: float
    bytes_: int = 0
    rate: float | None = None


class Shown(msgspec.Struct, gc=False):
    """
    How fast a peer sent when it was asked to.

    @ivar asked: monotonic time; C{first} that of the first piece, C{last} that of the last one.
    @ivar pieces: that have come.
    @ivar bytes_: that came after the first.
    """

    asked: float
    first: float = 0.0
    last: float = 0.0
    pieces: int = 0
    bytes_: int = 0

    def take(self, now: float, size: int) -> bool:
        """
        @return: whether this piece was asked for.
        """
        self.pieces += 1
        if self.pieces == 1:
            self.first = now
        else:
            self.bytes_ += size
        self.last = now
        return self.pieces <= limits.TRANSFER_PIECES

    def seen(self, now: float) -> float:
        """
        @return: bytes per second: between the first piece and the last, so that the way there and back does not count; while some are
            missing, until now.
        """
        whole = self.pieces >= limits.TRANSFER_PIECES
        since = self.first if self.pieces else self.asked
        return self.bytes_ / max(SHORTEST, (self.last if whole else now) - since)


class Observations:
    """Dial-backs of this peer, by peer id, and what it has measured of transfers."""

    __slots__ = ("_commons", "_known", "_membership", "_runs", "_shown")

    def __init__(self, commons: Commons, membership: "Membership") -> None:
        self._commons = commons
        self._membership = membership
        self._known: dict[bytes, DialBack] = {}
        # Most peers are sent nothing much.
        self._runs: dict[bytes, Run] = _NOTHING
        self._shown: dict[bytes, Shown] = _NOTHING

    def last(self, peer: bytes) -> DialBack | None:
        """The last dial-back of a peer, without its address, unless it is too long ago."""
        known = self._known.get(peer)
        if known is None or self._commons.seconds() - known.when > FRESH:
            return None
        return known

    def isSilent(self, peer: bytes) -> bool:
        """Whether it answered at no address a moment ago: where most cannot be dialled the same ones would be the fittest again."""
        last = self.last(peer)
        return last is not None and last.rtt is None

    def forget(self, peer: bytes) -> None:
        self._known.pop(peer, None)

    def transferred(self, peer: bytes, bytes_: int) -> None:
        """A batch of records has come from a peer, which goes on as soon as some are acknowledged."""
        seconds = self._commons.seconds()
        run = self._runs.get(peer)
        if run is None:
            self._runs = self._runs or {}
            while len(self._runs) >= KEPT:
                del self._runs[next(iter(self._runs))]
            self._runs[peer] = Run(seconds, seconds)
        elif seconds - run.last > BUSY:
            run.start = run.last = seconds
            run.bytes_ = 0
        else:
            run.last = seconds
            run.bytes_ += bytes_
            if run.bytes_ >= LEAST and seconds - run.start >= MEASURED:
                run.rate = run.bytes_ / (seconds - run.start)

    def throughput(self, peer: bytes) -> float | None:
        """Bytes per second that came from a peer when it was last busy, at least for as long as was measured; None if it never was."""
        shown = self._shown.get(peer)
        if shown is not None:
            return shown.seen(self._commons.seconds())
        run = self._runs.get(peer)
        return run.rate if run is not None else None

    # --- asking for it -----------------------------------------------------------------------------------------------

    def measure(self, peer: bytes) -> None:
        """Ask a linked peer to show how fast it can send, unless it did so a moment ago."""
        link, seconds = self._commons.links.get(PeerId(peer)), self._commons.seconds()
        shown = self._shown.get(peer)
        if link is None or TRANSFER not in link.features or (shown is not None and seconds - shown.asked < FRESH):
            return
        self._shown = self._shown or {}
        self._shown.pop(peer, None)
        while len(self._shown) >= KEPT:
            del self._shown[next(iter(self._shown))]
        self._shown[peer] = Shown(seconds)
        link.send(TransferWanted(limits.TRANSFER_PIECES))

    def transferWanted(self, link: "Link", message: TransferWanted) -> None:
        """A super-peer asks this peer to show it."""
        if not self._commons.admit(link.peerId, Work.ELECTION, TRANSFER_COST):
            self._commons.tally.count("drops", "rate")
            return
        piece = Transferred(self._commons.random.randbytes(limits.TRANSFER_PIECE))
        for _ in range(message.pieces):
            link.send(piece)

    def transferCame(self, link: "Link", message: Transferred) -> None:
        """A piece of what was asked for."""
        shown = self._shown.get(link.peerId)
        if shown is None or not shown.take(self._commons.seconds(), len(message.data)):
            self._commons.tally.count("drops", "unasked")
            self._commons.report(link.peerId, Deed.OVER_BUDGET)

    def dialBack(self, peer: bytes, addresses: Sequence[str], nonce: bytes = b"") -> "Deferred[DialBack]":
        """
        Dial a peer at each of its addresses until one answers with its identity.

        @param nonce: which that one has asked to be told. Many ask, and few of them will ever serve: of these nothing is remembered.
        @return: always fires with a L{DialBack}.
        """
        left = list(dict.fromkeys(addresses))[:4]
        if not left:
            return succeed(self._remember(peer, DialBack("", None, self._commons.seconds()), nonce))

        def attempt(failure: Failure | None = None) -> Any:
            if failure is not None:
                failure.trap(SuperpeerError)
            if not left:
                return self._remember(peer, DialBack("", None, self._commons.seconds()), nonce)
            address = left.pop(0)
            probing: Deferred[float] = self._commons.links.probe(address, PeerId(peer), nonce)
            answered: Deferred[DialBack] = probing.addCallback(
                lambda rtt: self._remember(peer, DialBack(address, rtt, self._commons.seconds()), nonce)
            )
            return answered.addErrback(attempt)

        started = attempt()
        assert isinstance(started, Deferred)
        return started

    def _remember(self, peer: bytes, dialBack: DialBack, nonce: bytes) -> DialBack:
        if nonce:
            return dialBack
        self._known.pop(peer, None)
        # At which address it was does not matter later.
        self._known[peer] = DialBack("", dialBack.rtt, dialBack.when)
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        return dialBack

    def candidate(self, peer: bytes, link: "Link | None", claims: Capacity) -> Candidate:
        """What a policy is told of a candidate: what was observed, and beside it what the candidate says of itself."""
        commons = self._commons
        dialBack = self.last(peer)
        rtt = link.rtt if link is not None and link.rtt is not None else (dialBack.rtt if dialBack else None)
        history = self._membership.met.history(peer)
        return Candidate(
            peerId=PeerId(peer),
            linked=commons.seconds() - link.since if link is not None else 0.0,
            known=self._membership.met.upFor(peer),
            rtt=rtt,
            dialable=dialBack is not None and dialBack.rtt is not None,
            trust=commons.trust(PeerId(peer)),
            claims=claims,
            first=history.first,
            earlier=history.earlier,
            lasted=history.lasted,
            throughput=self.throughput(peer),
        )

    def impression(self, peer: bytes, link: "Link | None") -> Impression:
        """The same for the peer itself."""
        one = self.candidate(peer, link, Capacity())
        return Impression(
            int(one.linked), int(one.known), int(one.first), one.earlier, int(one.lasted), -1.0 if one.rtt is None else one.rtt,
            -1 if one.throughput is None else int(one.throughput), one.trust,
        )
