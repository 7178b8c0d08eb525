"""Proof of work: a nonce that gives hash(key, network, nonce) a number of leading zero bits, so identities cost something."""

import hashlib
from itertools import count

MOST_BITS = 40
NONCE_BYTES = 8


def workDone(publicKey: bytes, networkId: bytes, nonce: bytes) -> int:
    """How many leading zero bits the hash has."""
    if len(nonce) > NONCE_BYTES:
        return 0
    digest = hashlib.sha256(b"superpeer work\0" + publicKey + networkId + nonce).digest()
    value = int.from_bytes(digest, "big")
    return 256 - value.bit_length()


def findWork(publicKey: bytes, networkId: bytes, bits: int) -> bytes:
    """
    A nonce worth C{bits} bits; takes about 2**bits hashes (16 bits: some 0.1 s).

    @return: empty for C{bits} of 0.
    @raise ValueError: more than 40 bits are asked for.
    """
    if not 0 <= bits <= MOST_BITS:
        raise ValueError(f"proof of work has 0 to {MOST_BITS} bits, not {bits}")
    if bits == 0:
        return b""
    start = hashlib.sha256(b"superpeer work\0" + publicKey + networkId)
    for number in count():
        nonce = number.to_bytes(NONCE_BYTES, "big")
        attempt = start.copy()
        attempt.update(nonce)
        if int.from_bytes(attempt.digest(), "big") >> (256 - bits) == 0:
            return nonce
    raise AssertionError("count() is endless")
