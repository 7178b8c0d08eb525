"""
Who belongs: what the founder changes for all (the network key, who is expelled), and whom this peer's owner blocks.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from overlay.commons import Commons, Component, Receivers
from overlay.errors import Damaged, Forged, SuperpeerError, UsageError
from overlay.identity.ids import ID_BYTES, PeerId, idText
from overlay.identity.network import NETWORK_KEY_BYTES, Network
from overlay.questions import Deed
from overlay.storage import IStorage
from overlay.wire.messages import NetworkChanged
from overlay.wire.statements import NetworkChange, Signed, seal, unseal

if TYPE_CHECKING:
    from overlay.link.link import Link
    from overlay.membership.membership import Membership

_TABLE = "network"
_NETWORK = b"network"
_CHANGE = b"change"


class _Kept(msgspec.Struct, array_like=True):
    """A network as it is stored; new fields go at the end."""

    name: str
    key: bytes
    founder: bytes
    generation: int
    previousKey: bytes
    expelled: list[bytes]
    dialect: str = ""


def saveNetwork(storage: IStorage, network: Network) -> None:
    storage.table(_TABLE).put(_NETWORK, _encoded(network))


@lru_cache(maxsize=4)
def _encoded(network: Network) -> bytes:
    """The same bytes for all the peers of a process."""
    return msgspec.msgpack.encode(
        _Kept(
            network.name, network.key, network.founder, network.generation, network.previousKey, sorted(network.expelled),
            network.dialect,
        )
    )


def savedNetwork(storage: IStorage) -> Network | None:
    """
    The network that this storage belongs to, or None if it is new.

    @raise Damaged: what is stored is no network.
    """
    stored = storage.table(_TABLE).get(_NETWORK)
    if stored is None:
        return None
    try:
        kept = msgspec.msgpack.decode(stored, type=_Kept)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Damaged(f"the stored network ({problem})") from problem
    return Network(
        kept.name, kept.key, kept.founder, kept.generation, kept.previousKey, frozenset(kept.expelled), kept.dialect
    )


class Governance(Component):
    """
    Applies and passes on the founder's changes, and keeps the block list.

    A change is signed by the founder, has the next generation, and travels over links that are already authenticated, so the new
    key reaches every member that is not expelled and nobody else.
    """

    __slots__ = ("_blocks", "_membership", "change")

    def __init__(self, commons: Commons, membership: "Membership") -> None:
        super().__init__(commons)
        self._membership = membership
        self._blocks = commons.storage.table("blocked")
        if self._blocks.count():
            commons.blocked.update(self._blocks.keys())
        stored = commons.storage.table(_TABLE).get(_CHANGE)
        self.change: Signed | None = msgspec.msgpack.decode(stored, type=Signed) if stored else None

    @classmethod
    def handlers(cls) -> Receivers:
        return {NetworkChanged: cls._changeReceived}

    def start(self) -> None:
        self.commons.links.networkChange = self.change

    @property
    def isFounder(self) -> bool:
        return bool(self.commons.network.founder) and self.commons.network.founder == self.commons.identity.publicKey

    def rotate(self) -> None:
        """
        Give the network a new key.

        @raise UsageError: this peer is not the founder, or the network is open.
        """
        self._issue(self.commons.random.randbytes(NETWORK_KEY_BYTES), self.commons.network.expelled)

    def expel(self, peer: PeerId) -> None:
        """
        Put a peer out, for everybody; the key changes too, so that it cannot come back under another identity.

        @raise UsageError: this peer is not the founder, or is asked to expel itself.
        """
        if peer == self.commons.peerId:
            raise UsageError("the founder cannot expel itself")
        self._issue(self.commons.random.randbytes(NETWORK_KEY_BYTES), self.commons.network.expelled | {peer})

    def block(self, peer: PeerId) -> None:
        """Have nothing to do with a peer: no links, and its records are not shown."""
        if peer == self.commons.peerId:
            raise UsageError("a peer cannot block itself")
        self._blocks.put(peer, b"")
        self.commons.blocked.add(peer)
        self._membership.refusalsChanged()
        self.commons.links.refuseBlocked()

    def unblock(self, peer: PeerId) -> None:
        self._blocks.remove(peer)
        self.commons.blocked.discard(peer)
        self._membership.refusalsChanged()

    def _issue(self, key: bytes, expelled: frozenset[bytes]) -> None:
        network = self.commons.network
        if network.isOpen:
            raise UsageError("an open network has no key and no founder")
        if not self.isFounder:
            raise UsageError("only the peer that founded the network can do this")
        statement = NetworkChange(
            network.id, network.generation + 1, key, sorted(expelled), int(self.commons.now())
        )
        self._apply(seal(self.commons.identity, statement), statement, None)

    def _changeReceived(self, link: "Link", message: NetworkChanged) -> None:
        commons = self.commons
        try:
            if not commons.network.founder or message.change.key != commons.network.founder:
                raise Forged("a change of the network that its founder did not sign")
            statement = unseal(commons.scheme, message.change, NetworkChange, commons.network.id)
        except SuperpeerError as problem:
            commons.log.warn("{peer} sent a bad network change: {problem}", peer=idText(link.peerId), problem=problem)
            commons.report(link.peerId, Deed.FORGED_STATEMENT)
            return
        if statement.generation <= commons.network.generation:
            return
        if any(len(one) != ID_BYTES for one in statement.expelled):
            return
        self._apply(message.change, statement, link)

    def _apply(self, change: Signed, statement: NetworkChange, source: "Link | None") -> None:
        commons = self.commons
        network = commons.network.rotated(
            statement.networkKey, statement.generation, frozenset(statement.expelled)
        )
        commons.storage.table(_TABLE).put(_CHANGE, msgspec.msgpack.encode(change))
        saveNetwork(commons.storage, network)
        self.change = commons.links.networkChange = change
        # Before links to the expelled end, and others hear of that.
        self._membership.refusalsChanged()
        commons.links.adoptNetwork(network)
        for link in list(commons.links):
            if link is not source:
                link.send(NetworkChanged(change))
        commons.log.info(
            "the network key is now generation {generation}, {expelled} expelled",
            generation=statement.generation, expelled=len(statement.expelled),
        )
