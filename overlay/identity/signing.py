"""
Signing and checking. The scheme is injected, so that a laboratory may put a cheap stand-in of the same size in its place.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from zope.interface import Interface, implementer

KEY_BYTES = 32
SIGNATURE_BYTES = 64


class ISigner(Interface):
    """One private key."""

    def publicKey() -> bytes:
        """The 32 bytes of the public key."""

    def sign(message: bytes) -> bytes:
        """A signature of 64 bytes."""


class ISignatureScheme(Interface):
    """How keys are made and signatures checked."""

    def signer(seed: bytes) -> ISigner:
        """
        @param seed: 32 secret bytes, which are the private key.
        """

    def verify(publicKey: bytes, signature: bytes, message: bytes) -> bool:
        """Whether C{signature} is C{publicKey}'s over C{message}. Never raises, whatever the bytes."""


@implementer(ISigner)
class _Ed25519Signer:
    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )

    def publicKey(self) -> bytes:
        return self._public

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


@implementer(ISignatureScheme)
class Ed25519:
    """RFC 8032 signatures, by the cryptography library."""

    def signer(self, seed: bytes) -> ISigner:
        return _Ed25519Signer(seed)

    def verify(self, publicKey: bytes, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(publicKey).verify(signature, message)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True
