"""A socket with TLS inside."""

import hashlib
import hmac
import socket
import struct
import weakref
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from overlay.link.secured import SecuredSocket
from overlay.link.tls import keyOf, makeContext
from tests.link.fakes import identityOf

DIALLER, LISTENER = identityOf(1), identityOf(2)


def pair(opened: Callable[[], None] = lambda: None, dialler: SSL.Context | None = None) -> tuple[SecuredSocket, SecuredSocket]:
    """Two ends, before their handshake."""
    one, other = socket.socketpair()
    for end in (one, other):
        end.setblocking(False)
    return (
        SecuredSocket(dialler or makeContext(DIALLER), one, True, opened),
        SecuredSocket(makeContext(LISTENER), other, False, opened),
    )


def read(end: SecuredSocket) -> bytes | None:
    """What has come; None if that is nothing."""
    try:
        return end.recv(65536)
    except BlockingIOError:
        return None


def shakeHands(one: SecuredSocket, other: SecuredSocket) -> None:
    one.begin()
    for _ in range(3):
        assert read(other) is None and read(one) is None


@pytest.fixture
def ends() -> Iterator[tuple[SecuredSocket, SecuredSocket]]:
    one, other = pair()
    shakeHands(one, other)
    yield one, other
    one.close()
    other.close()


def test_bothKnowEachOtherOnce() -> None:
    """Each end is told once that the handshake is over, and then knows the other's key; before that nothing can be read."""
    told: list[str] = []
    one, other = pair(lambda: told.append("opened"))
    assert read(other) is None and told == []
    shakeHands(one, other)
    assert told == ["opened", "opened"]
    assert keyOf(one.get_peer_certificate()) == LISTENER.publicKey and keyOf(other.get_peer_certificate()) == DIALLER.publicKey
    one.close()
    other.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=5))
def test_whatIsSentComes(sizes: list[int]) -> None:
    """Whatever is sent comes in order and whole, and a slow reader makes the writer wait: no byte is sent twice or left out."""
    one, other = pair()
    shakeHands(one, other)
    sent = b"".join(bytes((number + 1,)) * size for number, size in enumerate(sizes))
    came, at = b"", 0
    while len(came) < len(sent):
        try:
            at += one.send(memoryview(sent)[at:])
        except BlockingIOError:
            assert at < len(sent)
        came += read(other) or b""
    assert came == sent and read(other) is None
    one.close()
    other.close()


def test_afterAFullNetworkItGoesOn(ends: tuple[SecuredSocket, SecuredSocket]) -> None:
    """What the network does not take is said, and taken later, even with more behind it: all of one call, of which a part may have gone."""
    one, other = ends
    sent, data = 0, bytes(range(256)) * 16_000
    while sent < len(data):
        try:
            sent += one.send(data[sent : sent + 65536])
        except BlockingIOError:
            break
    assert 0 < sent < len(data) and sent % 65536 == 0
    with pytest.raises(BlockingIOError):
        one.send(data[sent:])
    more = data[sent:] + b"more"
    came = b""
    while more or len(came) < len(data) + 4:
        came += read(other) or b""
        if more:
            try:
                more = more[one.send(more) :]
            except BlockingIOError:
                continue
    assert came == data + b"more"


def test_theEndIsTold(ends: tuple[SecuredSocket, SecuredSocket]) -> None:
    """Whoever says no more can still read; the other end reads all that was said, then the end."""
    one, other = ends
    one.send(b"goodbye")
    one.shutdown(socket.SHUT_WR)
    assert read(other) == b"goodbye" and read(other) == b""
    other.send(b"so long")
    assert read(one) == b"so long"


def test_withoutAnEndItIsLost(ends: tuple[SecuredSocket, SecuredSocket]) -> None:
    """A connection that ends without TLS saying so is no orderly end, and what TLS finds wrong is not the reason."""
    one, other = ends
    one.close()
    with pytest.raises(ConnectionResetError):
        other.recv(65536)
    assert other.problem is None


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", bytes(100)])
def test_noTls(first: bytes) -> None:
    """What is no TLS is a problem that is kept, for whoever wants to say what came."""
    bare, other = socket.socketpair()
    other.setblocking(False)
    listener = SecuredSocket(makeContext(LISTENER), other, False, lambda: pytest.fail("this was no handshake"))
    bare.send(first)
    with pytest.raises(ConnectionAbortedError):
        listener.recv(65536)
    assert isinstance(listener.problem, SSL.Error) and listener.problem.args
    bare.close()
    listener.close()


def record(secret: bytes, number: int, inner: bytes) -> bytes:
    """A record as the dialler's TLS would send it; the last byte of C{inner} is the kind (RFC 8446, sections 5.2 and 7)."""

    def expand(label: bytes, size: int) -> bytes:
        label = b"tls13 " + label
        return hmac.new(secret, struct.pack("!HB", size, len(label)) + label + b"\0\1", hashlib.sha384).digest()[:size]

    nonce = bytes(one ^ other for one, other in zip(expand(b"iv", 12), number.to_bytes(12, "big"), strict=True))
    head = b"\x17\x03\x03" + struct.pack("!H", len(inner) + 16)
    return head + AESGCM(expand(b"key", 32)).encrypt(nonce, inner, head)


def updated(secret: bytes) -> bytes:
    """The secret after a change of keys."""
    label = b"tls13 traffic upd"
    return hmac.new(secret, struct.pack("!HB", 48, len(label)) + label + b"\0\1", hashlib.sha384).digest()


def spoken() -> tuple[SecuredSocket, SecuredSocket, bytes]:
    """Two ends after their handshake, and the secret of what the dialler sends."""
    secrets: dict[bytes, bytes] = {}
    context = makeContext(DIALLER)
    context.set_keylog_callback(lambda connection, line: secrets.update({line.split()[0]: bytes.fromhex(line.split()[2].decode())}))
    one, other = pair(dialler=context)
    shakeHands(one, other)
    assert one.get_cipher_name() == "TLS_AES_256_GCM_SHA384"
    return one, other, secrets[b"CLIENT_TRAFFIC_SECRET_0"]


def test_changesOfKeysHoldUpNobody() -> None:
    """Of any number of records that are no data one is read at a time: between them there is time for all else, and data comes after."""
    one, other, secret = spoken()
    bare: socket.socket = one._bare
    for _ in range(20):
        bare.send(record(secret, 0, b"\x18\0\0\1\0\x16"))
        secret = updated(secret)
    bare.send(record(secret, 0, b"data\x17"))
    for _ in range(20):
        assert read(other) is None
    assert read(other) == b"data"
    other.send(b"answer")
    assert read(one) == b"answer"
    one.close()
    other.close()


def test_whatWasWrongIsKeptThoughDataCameBeforeIt() -> None:
    """What came before the end is read, then the end as it was: garbage is a problem, a connection that was cut is none."""
    for garbage in (b"\x17\x03\x03\0\x20" + bytes(32), b""):
        one, other, _ = spoken()
        one.send(b"data")
        one._bare.send(garbage)
        if not garbage:
            one.close()
        assert read(other) == b"data"
        for _ in range(2):
            with pytest.raises(ConnectionAbortedError if garbage else ConnectionResetError):
                other.recv(65536)
        assert (other.problem is not None) is bool(garbage) and (not garbage or other.problem.args[0])  # type: ignore[union-attr]
        one.close()
        other.close()


def test_whatIsGoneTakesNothing() -> None:
    """Of a connection that the other end has cut nothing is said but that, and nothing of it is said of another connection."""
    (one, other, _), (third, fourth, _) = spoken(), spoken()
    one.close()
    with pytest.raises(ConnectionResetError, match="EPIPE"):
        other.send(b"x")
    third.close()
    with pytest.raises(ConnectionResetError, match="EOF"):
        fourth.recv(65536)
    with pytest.raises(ConnectionError):
        other.send(b"x")
    assert other.problem is None and fourth.problem is None
    other.close()
    fourth.close()


@pytest.mark.parametrize("early", [False, True])
def test_nothingIsLeftOfWhatHasEnded(early: bool) -> None:
    """Of a connection that was no TLS, or none any more, nothing waits for the collector of unreachable objects."""
    bare: socket.socket
    if early:
        bare, other = socket.socketpair()
        other.setblocking(False)
        end = SecuredSocket(makeContext(LISTENER), other, False, lambda: None)
    else:
        one, end, _ = spoken()
        one.send(b"data")
        bare = one._bare
    bare.send(b"GET / HTTP/1.1\r\n\r\n")
    said: list[bytes] = []
    for _ in range(2):
        try:
            said.append(end.recv(65536))
        except ConnectionAbortedError:
            said.append(b"ended")
    assert said == [b"ended" if early else b"data", b"ended"] and end.problem is not None
    bare.close()
    end.close()
    left = weakref.ref(end)
    del end
    assert left() is None
