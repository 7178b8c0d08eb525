"""
Peer ids: the first 20 bytes of SHA-256 of a public key.

Inside the program a peer id is C{bytes}; people see 32 characters of lower-case base32, or a prefix of at least 6.
"""

import base64
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import NewType

from overlay.errors import UsageError

PeerId = NewType("PeerId", bytes)

ID_BYTES = 20
TEXT_LENGTH = 32
SHORTEST_PREFIX = 6
SHOWN = 8
_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz234567")


@lru_cache(16_384)
def peerIdOf(publicKey: bytes) -> PeerId:
    """
    @param publicKey: the 32 raw bytes of an Ed25519 public key.
    """
    return PeerId(hashlib.sha256(publicKey).digest()[:ID_BYTES])


def idText(peerId: bytes) -> str:
    """The id as people write it: 32 characters of lower-case base32."""
    return base64.b32encode(peerId).decode("ascii").lower()


def shortText(peerId: bytes) -> str:
    """The first 8 characters of L{idText}, as tables and rows show it."""
    return idText(peerId)[:SHOWN]


def parseId(text: str) -> PeerId:
    """
    @raise UsageError: C{text} is not a whole peer id.
    """
    text = text.strip().lower()
    if len(text) != TEXT_LENGTH or not set(text) <= _ALPHABET:
        raise UsageError(f"{text!r} is not a peer id (32 characters, a-z and 2-7)")
    return PeerId(base64.b32decode(text.upper()))


def checkPrefix(text: str) -> str:
    """
    @return: the prefix in lower case.
    @raise UsageError: it is too short, too long, or has other characters than a peer id has.
    """
    text = text.strip().lower()
    if not SHORTEST_PREFIX <= len(text) <= TEXT_LENGTH or not set(text) <= _ALPHABET:
        raise UsageError(f"{text!r} is not a prefix of a peer id (at least 6 characters, a-z and 2-7)")
    return text


def findByPrefix(prefix: str, known: Iterable[bytes]) -> PeerId:
    """
    The one id among C{known} that begins with C{prefix}.

    @raise UsageError: none does, or several do.
    """
    prefix = checkPrefix(prefix)
    found = sorted({one for one in known if idText(one).startswith(prefix)})
    if not found:
        raise UsageError(f"no known peer has an id that begins with {prefix}")
    if len(found) > 1:
        raise UsageError(f"{prefix} fits {len(found)} peers: " + ", ".join(idText(one) for one in found[:4]))
    return PeerId(found[0])
