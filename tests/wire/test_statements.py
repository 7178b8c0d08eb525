"""Signed statements."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import Forged, Malformed
from overlay.wire.statements import (
    Advert,
    HeirList,
    HomeList,
    NetworkChange,
    Nomination,
    RecordHead,
    Signed,
    Statement,
    Vote,
    decodeBody,
    seal,
    signBody,
    unseal,
)
from tests.link.fakes import SCHEME, identityOf
from tests.wire.material import strategyOf

KINDS = (Advert, RecordHead, HomeList, HeirList, Nomination, Vote, NetworkChange)
ONE, OTHER = identityOf(1), identityOf(2)
HOMES = HomeList(b"n" * 16, ONE.peerId, 7, [OTHER.peerId])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_roundTrip(kind: type[Statement], data: st.DataObject) -> None:
    """What one peer seals another unseals, and the signer is known by it."""
    statement = data.draw(strategyOf(kind))
    signed = seal(ONE, statement)
    assert signed.signer == ONE.peerId
    assert unseal(SCHEME, signed, kind, statement.network, ONE.peerId) == statement
    assert decodeBody(signed.body, kind) == statement


@given(st.data())
def test_anyAlterationIsFound(data: st.DataObject) -> None:
    """A single bit changed anywhere in body, key or signature is enough."""
    signed = seal(ONE, HOMES)
    part = data.draw(st.sampled_from(["body", "key", "signature"]))
    changed = bytearray(getattr(signed, part))
    at = data.draw(st.integers(0, 8 * len(changed) - 1))
    changed[at // 8] ^= 1 << at % 8
    with pytest.raises(Forged):
        unseal(SCHEME, msgspec.structs.replace(signed, **{part: bytes(changed)}), HomeList, HOMES.network)


def test_otherSignerAndOtherNetwork() -> None:
    """A good signature of the wrong peer, or for another network, is no good."""
    with pytest.raises(Forged, match="another peer"):
        unseal(SCHEME, seal(OTHER, HOMES), HomeList, HOMES.network, ONE.peerId)
    with pytest.raises(Forged, match="another network"):
        unseal(SCHEME, seal(ONE, HOMES), HomeList, b"m" * 16)


def test_oneKindIsNeverTakenForAnother() -> None:
    """The domain of a signature is part of it, and the tag is part of the body."""
    signed = seal(ONE, HOMES)
    for kind in KINDS:
        if kind is not HomeList:
            with pytest.raises(Forged):
                unseal(SCHEME, signed, kind, HOMES.network)
            resigned = Signed(signed.body, ONE.publicKey, signBody(ONE, kind, signed.body))
            with pytest.raises(Malformed):
                unseal(SCHEME, resigned, kind, HOMES.network)


@given(st.binary(max_size=100))
def test_garbageBodies(body: bytes) -> None:
    """Bytes that are no statement are malformed, even when they are well signed."""
    with pytest.raises(Malformed):
        decodeBody(body, HomeList)
    signed = Signed(body, ONE.publicKey, signBody(ONE, HomeList, body))
    with pytest.raises(Malformed):
        unseal(SCHEME, signed, HomeList, HOMES.network)
