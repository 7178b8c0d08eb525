"""
A network: its name, its key if it is closed, and its founder.

An open network is written C{open:NAME}; whoever knows the name may join. A closed one, the default, also has a random
key of 32 bytes, of which every peer must prove knowledge.
"""

import hashlib
import hmac
import random
from functools import lru_cache
from typing import Self

import attrs

from overlay.errors import UsageError

NETWORK_KEY_BYTES = 32
NETWORK_ID_BYTES = 16
OPEN_PREFIX = "open:"
LONGEST_NAME = 64


def _checkName(instance: object, attribute: object, value: str) -> None:
    if not value or len(value.encode("utf-8")) > LONGEST_NAME or not value.isprintable() or " " in value:
        raise UsageError(f"a network's name has 1 to {LONGEST_NAME} printable bytes and no space: {value!r}")


@attrs.frozen
class Network:
    """
    @ivar name: without the C{open:}.
    @ivar key: 32 secret bytes; empty for an open network.
    @ivar founder: public key (32 bytes) of the founder, who may rotate the key and expel; empty if open.
    @ivar generation: how often the key has been rotated.
    @ivar previousKey: the key before the last rotation, or empty. Known members that were away may still prove it.
    @ivar expelled: ids of those whom the founder has put out.
    @ivar dialect: what its peers add to the analysis of text (see L{overlay.index.dialect}); chosen by the founder, for good.
    """

    name: str = attrs.field(validator=_checkName)
    key: bytes = attrs.field(default=b"", repr=False)
    founder: bytes = attrs.field(default=b"", repr=False)
    generation: int = 0
    previousKey: bytes = attrs.field(default=b"", repr=False)
    expelled: frozenset[bytes] = frozenset()
    dialect: str = ""

    @classmethod
    def found(cls, name: str, founder: bytes, rng: random.Random, dialect: str = "") -> Self:
        """A new closed network."""
        return cls(name, rng.randbytes(NETWORK_KEY_BYTES), founder, dialect=dialect)

    @classmethod
    def open(cls, name: str, dialect: str = "") -> Self:
        return cls(name.removeprefix(OPEN_PREFIX), dialect=dialect)

    @property
    def isOpen(self) -> bool:
        return not self.key

    @property
    def title(self) -> str:
        """The name as a user writes it."""
        return OPEN_PREFIX + self.name if self.isOpen else self.name

    @property
    def id(self) -> bytes:
        """16 bytes that signed statements name the network by; unchanged when the key is rotated."""
        return _networkId(self.isOpen, self.name, self.founder)

    def rotated(self, key: bytes, generation: int, expelled: frozenset[bytes]) -> "Network":
        """What the network is after its founder changed the key or expelled somebody."""
        if key == self.key:
            return attrs.evolve(self, generation=generation, expelled=expelled)
        return attrs.evolve(
            self, key=key, generation=generation, previousKey=self.key, expelled=expelled
        )


@lru_cache(64)
def _networkId(isOpen: bool, name: str, founder: bytes) -> bytes:
    kind = b"open" if isOpen else b"closed"
    whole = b"superpeer network\0" + kind + b"\0" + name.encode("utf-8") + b"\0" + founder
    return hashlib.sha256(whole).digest()[:NETWORK_ID_BYTES]


def proveMembership(key: bytes, channelBinding: bytes, dialled: bool, prover: bytes, other: bytes) -> bytes:
    """
    The MAC by which one end of a channel proves that it knows C{key}, without sending it.

    It covers the channel, the direction and both ids, so it can be neither replayed nor reflected.

    @param channelBinding: bytes that both ends of this one connection share, and no other connection has.
    @param dialled: whether the prover is the end that dialled.
    @param prover: peer id of the end that proves.
    @return: 32 bytes; empty for an empty key (an open network).
    """
    if not key:
        return b""
    direction = b"dialler" if dialled else b"listener"
    message = b"superpeer member\0" + direction + b"\0" + prover + other + channelBinding
    return hmac.digest(key, message, "sha256")


def checkMembership(
    proof: bytes, key: bytes, channelBinding: bytes, dialled: bool, prover: bytes, other: bytes
) -> bool:
    """Whether C{proof} is what L{proveMembership} gives for the same arguments."""
    return hmac.compare_digest(proof, proveMembership(key, channelBinding, dialled, prover, other))
