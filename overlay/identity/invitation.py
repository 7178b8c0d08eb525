"""
An invitation: one string with the network's name and key, and the address and id of a peer to begin with.

Format: C{superpeer1:} and base64url (no padding) of a MessagePack array
C{[name, key, founder, generation, peer id, [address, ...], dialect]}, followed by 4 bytes of its SHA-256 so that a string that was cut is
noticed.
"""

import base64
import hashlib
from typing import Annotated

import attrs
import msgspec

from overlay.errors import UsageError
from overlay.identity.ids import ID_BYTES, PeerId
from overlay.identity.network import NETWORK_KEY_BYTES, Network
from overlay.identity.signing import KEY_BYTES
from overlay.wire.limits import DIALECT

PREFIX = "superpeer1:"
_CHECK_BYTES = 4


class _Wire(msgspec.Struct, array_like=True):
    name: str
    key: bytes
    founder: bytes
    generation: int
    peerId: bytes
    addresses: list[str]
    # Invitations of before end here.
    dialect: Annotated[str, msgspec.Meta(max_length=DIALECT)] = ""


@attrs.frozen
class Invitation:
    """
    @ivar addresses: C{HOST:PORT} strings at which the inviting peer may be dialled.
    @ivar peerId: who answers there.
    """

    network: Network
    peerId: PeerId
    addresses: tuple[str, ...]

    def render(self) -> str:
        network = self.network
        packed = msgspec.msgpack.encode(
            _Wire(
                network.name, network.key, network.founder, network.generation, self.peerId, list(self.addresses), network.dialect
            )
        )
        check = hashlib.sha256(packed).digest()[:_CHECK_BYTES]
        return PREFIX + base64.urlsafe_b64encode(packed + check).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Invitation":
        """
        @raise UsageError: the string is not an invitation, or was cut.
        """
        text = "".join(text.split())
        if not text.startswith(PREFIX):
            raise UsageError(f"an invitation begins with {PREFIX}")
        body = text[len(PREFIX) :]
        try:
            raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        except ValueError as problem:
            raise UsageError("this invitation is not whole: copy it again from its start to its end") from problem
        packed, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
        if hashlib.sha256(packed).digest()[:_CHECK_BYTES] != check:
            raise UsageError("this invitation is not whole: copy it again from its start to its end")
        try:
            wire = msgspec.msgpack.decode(packed, type=_Wire)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise UsageError("this invitation is of a kind that this version does not know") from problem
        founder = len(wire.founder) == (KEY_BYTES if wire.key else 0)
        if len(wire.peerId) != ID_BYTES or len(wire.key) not in (0, NETWORK_KEY_BYTES) or not founder or wire.generation < 0:
            raise UsageError("this invitation is of a kind that this version does not know")
        network = Network(wire.name, wire.key, wire.founder, wire.generation, dialect=wire.dialect)
        return cls(network, PeerId(wire.peerId), tuple(wire.addresses))
