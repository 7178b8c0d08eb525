"""The identity of one peer: its secret seed, kept in a file of mode 0600, and what follows from it."""

import os
import random
from pathlib import Path

import attrs

from overlay.errors import Damaged
from overlay.identity.ids import PeerId, idText, peerIdOf
from overlay.identity.signing import ISignatureScheme, ISigner

SEED_BYTES = 32
_HEADER = b"superpeer identity 1\n"


@attrs.frozen
class Identity:
    """
    @ivar seed: the 32 secret bytes.
    @ivar peerId: 20 bytes, the hash of the public key.
    """

    seed: bytes = attrs.field(repr=False)
    signer: ISigner = attrs.field(repr=False)
    publicKey: bytes = attrs.field(repr=False)
    peerId: PeerId = attrs.field(repr=idText)

    @classmethod
    def fromSeed(cls, seed: bytes, scheme: ISignatureScheme) -> "Identity":
        signer = scheme.signer(seed)
        public = signer.publicKey()
        return cls(seed, signer, public, peerIdOf(public))

    @classmethod
    def generate(cls, rng: random.Random, scheme: ISignatureScheme) -> "Identity":
        return cls.fromSeed(rng.randbytes(SEED_BYTES), scheme)


def loadIdentity(path: Path, rng: random.Random, scheme: ISignatureScheme) -> Identity:
    """
    The identity kept at C{path}; made and written there first if the file is missing.

    @param rng: where a new seed comes from; outside the lab a C{random.SystemRandom}.
    @raise Damaged: the file is there and is not an identity.
    """
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        identity = Identity.generate(rng, scheme)
        writePrivately(path, _HEADER + identity.seed.hex().encode("ascii") + b"\n")
        return identity
    try:
        if not stored.startswith(_HEADER):
            raise ValueError("unknown header")
        seed = bytes.fromhex(stored[len(_HEADER) :].decode("ascii").strip())
        if len(seed) != SEED_BYTES:
            raise ValueError("wrong length")
    except ValueError as problem:
        raise Damaged(f"{path} ({problem})") from problem
    return Identity.fromSeed(seed, scheme)


def writePrivately(path: Path, content: bytes) -> None:
    """Put C{content} at C{path} in one step, readable by the owner alone: a crash leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
