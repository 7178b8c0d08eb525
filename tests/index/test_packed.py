"""Rows that pass from the table to the link as they lie."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from overlay.index.packed import Answer, PackedRow, PackedRows, nameOf, pack, unpack
from overlay.index.store import StoredRecord
from overlay.wire.codec import decode, encode
from overlay.wire.query import Hit, Hits

_TEXTS = st.one_of(st.binary(max_size=300), st.text("ab ", max_size=300).map(str.encode), st.integers(190, 300).map(lambda n: b"x" * n))


@given(
    st.one_of(st.binary(max_size=300), st.just(b"h" * 70_000)), st.sampled_from([64, 0, 63, 300]), st.sampled_from([32, 0, 31]), _TEXTS,
    st.binary(max_size=20), st.floats(-1e9, 1e9),
)
def test_encodedAsAHit(head: bytes, signature: int, key: int, text: bytes, parts: bytes, score: float) -> None:
    """Whatever the sizes of its parts, a row is encoded as the hit with the same fields is."""
    record = StoredRecord(b"r" * 16, head, b"s" * signature, b"k" * key, text, b"terms")
    packed = pack(b"o" * 20, record)
    row = PackedRow(packed, -score, parts, 0, 1, Answer(BitMap(), lambda text: " ".join(text.split())[:200]))
    hit = Hit(row.head, row.signature, row.key, row.snippet, score or 0.0, parts)
    assert (row.owner, row.recordId) == (b"o" * 20, b"r" * 16)
    assert row.encoded() == msgspec.msgpack.encode(hit)
    assert unpack(packed) == record


@given(st.binary(max_size=300), _TEXTS, st.binary(max_size=20), st.floats(-1e9, 1e9))
def test_rowsOfVersionsBefore(head: bytes, text: bytes, parts: bytes, score: float) -> None:
    """A row that does not say how much of it goes out is read and encoded like any."""
    record = StoredRecord(b"r" * 16, head, b"s" * 64, b"k" * 32, text, b"terms")
    older = msgspec.msgpack.encode((head, record.signature, record.key, text, record.terms, b"o" * 20 + record.recordId))
    newer = pack(b"o" * 20, record)
    assert unpack(older) == unpack(newer) == record and nameOf(older) == nameOf(newer)
    answer = Answer(BitMap(), lambda text: " ".join(text.split())[:200])
    assert len({PackedRow(packed, -score, parts, 0, 1, answer).encoded() for packed in (older, newer)}) == 1


@given(st.lists(st.tuples(_TEXTS, st.booleans(), st.binary(max_size=20), st.floats(-1e9, 1e9)), max_size=60))
def test_manyTogether(some: list[tuple[bytes, bool, bytes, float]]) -> None:
    """Rows in columns go out as the same hits one by one do, whichever version stored them, and are the same rows to who looks at them."""
    answer = Answer(BitMap(range(len(some))), lambda text: " ".join(text.split())[:200])
    table = []
    for number, (text, older, parts, score) in enumerate(some):
        record = StoredRecord(number.to_bytes(16, "big"), b"head", b"s" * 64, b"k" * 32, text, b"terms")
        name = b"o" * 20 + record.recordId
        fields = (record.head, record.signature, record.key, text, record.terms, name)
        table.append((msgspec.msgpack.encode(fields) if older else pack(b"o" * 20, record), -score, parts, number + 7, number))
    each = [PackedRow(*one, answer) for one in table]
    rows = PackedRows(*(list(zip(*table, strict=True)) or [()] * 5), answer)
    assert rows.genuine and (len(rows), list(rows), rows[1:3]) == (len(each), each, each[1:3])
    hits = encode(Hits(b"i" * 16, 3, rows))  # type: ignore[arg-type]
    assert hits == encode(Hits(b"i" * 16, 3, each))  # type: ignore[arg-type]
    if len(some) <= 50:
        message, _ = decode(hits)
        assert isinstance(message, Hits) and [one.parts for one in message.hits] == [one.parts for one in each]
    if each:
        answer.genuine.discard(len(each) - 1)
        assert not rows.genuine
