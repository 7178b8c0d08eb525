"""The identity of a peer and the file that keeps it."""

import os
import random
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import Damaged, UsageError
from overlay.identity.identity import Identity, loadIdentity, writePrivately
from overlay.identity.ids import PeerId, checkPrefix, findByPrefix, idText, parseId, peerIdOf, shortText
from overlay.identity.signing import KEY_BYTES, SIGNATURE_BYTES, Ed25519

SCHEME = Ed25519()
ids = st.binary(min_size=20, max_size=20)


def test_aKnownSeed() -> None:
    """The first test vector of RFC 8032, section 7.1, and the peer id that follows from its public key."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    identity = Identity.fromSeed(seed, SCHEME)
    assert identity.publicKey.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert identity.signer.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821")
    assert idText(identity.peerId) == "eh7ddx5bksrgcytl7bkai36se4nxx3kl"
    assert seed.hex() not in repr(identity) and repr(seed) not in repr(identity)


def test_keptInAFile(tmp_path: Path) -> None:
    """The first start writes the file, for its owner alone; later ones read it."""
    path = tmp_path / "state" / "identity"
    first = loadIdentity(path, random.Random(1), SCHEME)
    assert loadIdentity(path, random.Random(2), SCHEME).seed == first.seed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["identity"]


@pytest.mark.parametrize(
    "content",
    [b"", b"superpeer identity 2\n" + b"00" * 32, b"superpeer identity 1\n" + b"00" * 31, b"superpeer identity 1\nxx", b"\xff" * 90],
)
def test_damagedFile(tmp_path: Path, content: bytes) -> None:
    """A file that is no identity is named, and is never written over."""
    path = tmp_path / "identity"
    path.write_bytes(content)
    with pytest.raises(Damaged, match="identity"):
        loadIdentity(path, random.Random(1), SCHEME)
    assert path.read_bytes() == content


def test_writeThatFailsLeavesTheOldFile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the new file cannot be put in place the old one stays, and nothing is left beside it."""
    path = tmp_path / "kept"
    writePrivately(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        writePrivately(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["kept"]


@given(st.binary(max_size=200), st.integers(0, 8 * SIGNATURE_BYTES - 1))
def test_signatures(message: bytes, bit: int) -> None:
    """A signature holds for its message and key; with one bit changed it does not."""
    one, other = (Identity.fromSeed(bytes([number]) * 32, SCHEME) for number in (1, 2))
    signature = one.signer.sign(message)
    assert SCHEME.verify(one.publicKey, signature, message)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not SCHEME.verify(one.publicKey, bytes(changed), message)
    assert not SCHEME.verify(other.publicKey, signature, message)
    assert not SCHEME.verify(one.publicKey, signature, message + b"x")


@given(st.binary(max_size=KEY_BYTES + 4), st.binary(max_size=SIGNATURE_BYTES + 4))
def test_verifyNeverRaises(key: bytes, signature: bytes) -> None:
    """Whatever the bytes, the answer is no."""
    assert SCHEME.verify(key, signature, b"message") is False


@given(ids)
def test_idsAsText(peer: bytes) -> None:
    """32 characters of lower-case base32, and back, in any case."""
    text = idText(peer)
    assert len(text) == 32 and text.startswith(shortText(peer)) and len(shortText(peer)) == 8
    assert parseId(text) == parseId(text.upper()) == parseId(f" {text}\n") == peer
    assert findByPrefix(text[:6].upper(), [peer]) == peer


@pytest.mark.parametrize("text", ["", "abc", "a" * 31, "a" * 33, "1" * 32, "é" * 32])
def test_noId(text: str) -> None:
    """Anything else is not one."""
    with pytest.raises(UsageError, match="is not a peer id"):
        parseId(text)
    if not 6 <= len(text) <= 32 or set(text) - set("a"):
        with pytest.raises(UsageError, match="prefix"):
            checkPrefix(text)


def test_prefixes() -> None:
    """A prefix has to name one peer; none and several are said apart."""
    alike = [PeerId(bytes(4) + bytes([number]) * 16) for number in (1, 2, 2)]
    with pytest.raises(UsageError, match="aaaaaa fits 2 peers"):
        findByPrefix("aaaaaa", alike)
    with pytest.raises(UsageError, match="no known peer"):
        findByPrefix("bbbbbb", alike)
    assert findByPrefix(idText(alike[0])[:12], alike) == alike[0]


def test_peerIdIsTheHashOfTheKey() -> None:
    """SHA-256, its first 20 bytes."""
    assert peerIdOf(b"\0" * 32).hex() == "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"[:40]
