"""Signatures for the lab: as long as real ones and really checked, but made by a hash, so ten thousand peers can sign."""

import hashlib
import hmac

from zope.interface import implementer

from overlay.identity.signing import Ed25519, ISignatureScheme, ISigner

_REAL = Ed25519()


@implementer(ISigner)
class _StandInSigner:
    __slots__ = ("_public",)

    def __init__(self, seed: bytes) -> None:
        # The real key, so that a peer has the same id under both schemes.
        self._public = _REAL.signer(seed).publicKey()

    def publicKey(self) -> bytes:
        return self._public

    def sign(self, message: bytes) -> bytes:
        return _signature(self._public, message)


def _signature(publicKey: bytes, message: bytes) -> bytes:
    return hashlib.blake2b(message, key=publicKey).digest()


@implementer(ISignatureScheme)
class StandInScheme:
    """
    Whoever knows the public key could sign in its name; nobody in the lab does, except tests that forge on purpose.
    """

    def signer(self, seed: bytes) -> ISigner:
        return _StandInSigner(seed)

    def verify(self, publicKey: bytes, signature: bytes, message: bytes) -> bool:
        return len(publicKey) == 32 and hmac.compare_digest(signature, _signature(publicKey, message))
