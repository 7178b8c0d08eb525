"""What a hello says, and whether another's is accepted."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from overlay import __version__
from overlay.commons import Commons
from overlay.errors import SuperpeerError
from overlay.identity.ids import idText, shortText
from overlay.identity.network import checkMembership, proveMembership
from overlay.identity.work import findWork, workDone
from overlay.questions import Deed, Work
from overlay.wire import limits
from overlay.wire.address import parseAddress
from overlay.wire.messages import PROTOCOL, Goodbye, Hello
from overlay.wire.statements import Advert, Signed, unseal

if TYPE_CHECKING:
    from overlay.link.link import Link

OPEN_WORK = 16
"""Bits of work that an open network asks for by default."""
FEATURES: tuple[str, ...] = ("tree", "summary", "signs", "hand-over", "dial-back", "transfer")
AGENT = f"superpeer/{__version__}"
PURPOSES = ("link", "probe")
_COMMON = frozenset(FEATURES)
_SAME: dict[frozenset[str], frozenset[str]] = {}
"""Thousands of links in one process have the same features: each set once, at most as many as there are parts of L{FEATURES}."""


class Greeting:
    """Makes and judges hellos for one peer."""

    __slots__ = ("_commons", "_nonce")

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._nonce: bytes | None = None

    @property
    def workBits(self) -> int:
        """Proof of work asked of every peer."""
        wanted = self._commons.settings.workBits
        return wanted if wanted is not None else (OPEN_WORK if self._commons.network.isOpen else 0)

    def _work(self) -> bytes:
        commons = self._commons
        if self._nonce is None:
            table = commons.softTable("work")
            key = commons.network.id
            kept = table.get(key)
            public = commons.identity.publicKey
            if kept is None or workDone(public, key, kept) < self.workBits:
                kept = findWork(public, key, self.workBits)
                table.put(key, kept)
            self._nonce = kept
        return self._nonce

    def make(self, link: "Link", listening: int, advert: Signed | None, nonce: bytes = b"") -> Hello:
        """
        Our hello for one link. It proves the key of the other's generation, if that is older and was accepted.

        @param nonce: of a probe that the other has asked for.
        """
        commons = self._commons
        network = commons.network
        older = not link.dialled and link.generation == network.generation - 1
        key = network.previousKey if older else network.key
        proof = proveMembership(key, link.binding, link.dialled, commons.peerId, link.peerId)
        return Hello(
            PROTOCOL, list(FEATURES), network.id, network.generation - 1 if older else network.generation, proof,
            self._work(), commons.boot, link.purpose, listening, _hostOf(link.address), link.dialledAddress, limits.ANALYSIS,
            AGENT, commons.now(), None if link.purpose == "probe" else advert, network.dialect,
            nonce,
        )

    def judge(self, link: "Link", hello: Hello, knownBefore: bool) -> Goodbye | None:
        """
        Accept a hello, or say why not. The network comes first: a stranger learns nothing else.

        A refusal's text fits L{limits.REASON_TEXT}, whatever it quotes.

        @param knownBefore: whether the peer was a member earlier, and so may prove the key before the last rotation.
        """
        refusal = self._judge(link, hello, knownBefore) or self._take(link, hello)
        return None if refusal is None else replace(refusal, text=refusal.text[: limits.REASON_TEXT])

    def _judge(self, link: "Link", hello: Hello, knownBefore: bool) -> Goodbye | None:
        commons = self._commons
        network = commons.network
        if hello.network != network.id:
            return Goodbye("network", "this peer is of another network", -1.0)
        known = {network.generation: network.key}
        if network.previousKey and knownBefore:
            known[network.generation - 1] = network.previousKey
        if network.key:
            if hello.generation not in known:
                return Goodbye("generation", f"the network key here is generation {network.generation}", -1.0)
            key = known[hello.generation]
            if not checkMembership(hello.proof, key, link.binding, not link.dialled, link.peerId, commons.peerId):
                commons.report(link.peerId, Deed.GARBAGE)
                return Goodbye("network", "the proof of the network key does not hold", -1.0)
        if commons.isRefused(link.peerId):
            return Goodbye("blocked", "this peer is blocked here", -1.0)
        if link.peerId == commons.peerId:
            return Goodbye("self", "this is the same peer", -1.0)
        if hello.versions[0] > PROTOCOL[1] or hello.versions[1] < PROTOCOL[0]:
            return Goodbye(
                "version",
                f"no protocol version in common: here {PROTOCOL[0]} to {PROTOCOL[1]},"
                f" there {hello.versions[0]} to {hello.versions[1]}",
                -1.0,
            )
        if (hello.analysis, hello.dialect) != (limits.ANALYSIS, network.dialect):
            return Goodbye("analysis", _analysesDiffer(hello, network.dialect), -1.0)
        if workDone(link.key, network.id, hello.work) < self.workBits:
            return Goodbye("work", f"a proof of work of {self.workBits} bits is asked for", -1.0)
        if hello.purpose not in PURPOSES:
            return Goodbye("purpose", f"links for {hello.purpose!r} are not known here", -1.0)
        if not link.dialled:
            admitted = commons.admit(link.peerId, Work.LINK)
            if not admitted:
                return Goodbye("rate", "too many links in a short time", admitted.wait)
        return None

    def _take(self, link: "Link", hello: Hello) -> Goodbye | None:
        commons = self._commons
        if hello.purpose == "link":
            if hello.advert is None:
                return Goodbye("malformed", "a hello without an advert", -1.0)
            try:
                advert = unseal(commons.scheme, hello.advert, Advert, commons.network.id, link.peerId)
                if advert.owner != link.peerId:
                    return Goodbye("malformed", "the advert is another peer's", -1.0)
            except SuperpeerError as problem:
                commons.report(link.peerId, Deed.FORGED_STATEMENT)
                return Goodbye(problem.code, str(problem), -1.0)
            link.showed(advert, hello.advert)
        link.boot = hello.boot
        link.version = min(PROTOCOL[1], hello.versions[1])
        common = _COMMON.intersection(hello.features)
        link.features = _SAME.setdefault(common, common)
        link.generation = hello.generation
        # Most peers run the same program.
        link.agent = AGENT if hello.agent == AGENT else "".join(one for one in hello.agent if one.isprintable())
        link.listening = hello.listening
        link.clockOffset = hello.wall - commons.ownTime()
        if not link.dialled:
            link.purpose = hello.purpose
        return None

    def describe(self, link: "Link") -> str:
        """For the log."""
        return f"{shortText(link.peerId)} at {link.address} ({idText(link.peerId)})"


def _analysesDiffer(hello: Hello, dialect: str) -> str:
    if hello.analysis != limits.ANALYSIS:
        older = "there" if hello.analysis < limits.ANALYSIS else "here"
        return f"text analysis is version {limits.ANALYSIS} here, {hello.analysis} there: a newer superpeer is needed {older}"
    there = hello.dialect if hello.dialect.isprintable() else "?"
    return f"words are indexed as {dialect or 'they are'} here, as {there or 'they are'} there: join with an invitation, or the same --stem"


def _hostOf(address: str) -> str:
    try:
        return parseAddress(address)[0]
    except SuperpeerError:
        return ""
