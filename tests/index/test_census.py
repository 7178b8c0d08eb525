"""A census that is kept up, against one that is made anew."""

from hypothesis import given
from hypothesis import strategies as st

from overlay.identity.ids import PeerId
from overlay.index.census import Census, Tally
from overlay.index.store import Registration

HOME, OTHER = PeerId(b"h" * 20), PeerId(b"o" * 20)
OWNERS = [HOME, *(PeerId(bytes([number]) * 20) for number in range(3))]
_HOMES = st.sampled_from([(), (HOME,), (OTHER,), (HOME, OTHER), (OTHER, HOME)])
_CHANGES = st.lists(
    st.tuples(st.sampled_from(OWNERS), st.one_of(st.none(), st.tuples(st.integers(0, 2), _HOMES, st.booleans()))), max_size=12
)


@given(_CHANGES)
def test_keptUpAsMadeAnew(changes: list) -> None:
    """Whatever comes, changes and goes, the owners that do not count and the balance are those of what is held now."""
    tally = Tally(HOME)
    held: dict[PeerId, tuple[Registration, bool]] = {}
    for owner, what in changes:
        if what is None:
            held.pop(owner, None)
            tally.put(owner, None)
        else:
            digest, homes, restored = what
            one = Registration(owner, b"", 1, bytes([digest]) * 32, 1, 1, homes)
            held[owner] = (one, restored)
            tally.put(owner, one, restored)
        registrations = [one for one, _ in held.values()]
        assert tally.census() == Census.of(HOME, registrations, [owner for owner, (_, restored) in held.items() if restored])
