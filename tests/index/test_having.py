"""What several bitmaps have in common."""

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from overlay.index.having import Having

_ROWS = st.sets(st.integers(0, 40))


@given(st.lists(_ROWS, min_size=1, max_size=4), _ROWS, st.booleans(), st.data())
def test_asAllTogether(sets: list[set[int]], some: set[int], asked: bool, data: st.DataObject) -> None:
    """How many, which, and which of some: as if they had been found out before, and nothing that was given is changed."""
    parts = [BitMap(one) for one in sets]
    having = Having(parts)
    common = set.intersection(*sets)
    if asked:
        assert set(having.rows) == common
    within = data.draw(st.lists(st.sampled_from(range(len(parts))), unique=True))
    for number in within:
        some = some & sets[number]
    assert having.meets(BitMap(some)) == bool(common & some)
    assert set(having.among(BitMap(some), *[parts[one] for one in within])) == common & some
    assert len(having) == len(having) == len(common)
    assert set(having.rows) == common and [set(one) for one in parts] == sets
