"""What is beaten by many others, against a comparison of each with each."""

from hypothesis import given
from hypothesis import strategies as st

from overlay.index.scoring import covers
from overlay.search import skyband
from overlay.search.skyband import Skyband


def beaten(records: list[tuple[bytes, bytes]], parts: bytes, content: bytes, want: int) -> bool:
    """As L{Skyband.isBeaten} says it, record by record."""
    above = [other for one, other in records if (covers(one, parts) if one != parts else other <= content)]
    if len(above) < want:
        return False
    return content in above or (parts, content) in records or len(set(above)) >= want


parts_ = st.binary(min_size=4, max_size=4).map(lambda one: bytes(byte % 3 for byte in one))


@given(st.lists(st.tuples(parts_, st.sampled_from("abcdefgh")), max_size=40), st.integers(1, 6))
def test_againstEachWithEach(records: list[tuple[bytes, str]], want: int) -> None:
    """Whatever came before: beaten is what C{want} others cover, with records of one content as one row; also what covers nothing."""
    band = Skyband(want)
    kept: list[tuple[bytes, bytes]] = []
    for parts, name in records:
        content = name.encode()
        said = band.isBeaten(parts, content)
        assert said == beaten(kept, parts, content, want)
        if not said:
            band.add(parts, content)
            kept.append((parts, content))


def test_manyKinds() -> None:
    """Of further kinds than are kept none beats others, and each may be beaten."""
    band = Skyband(1)
    assert not band.isBeaten(bytes((9, 9)), b"x")
    for number in range(skyband.KINDS_MOST):
        band.add(bytes((255 - number // 8, number % 8 + 1, number % 251)), number.to_bytes(2, "big"))
    band.add(bytes((0, 255, 255)), b"best")
    assert not band.isBeaten(bytes((0, 100, 0)), b"y") and band.isBeaten(bytes((255, 1, 0)), b"z")
