"""Summaries joined: whoever is told of the differences holds what there is."""

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from overlay.index.union import Union

sources = st.sampled_from([b"", b"a", b"b"])
few = st.sets(st.integers(0, 7))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), sources, few, few),
        st.tuples(st.just("put"), sources, few),
        st.tuples(st.just("none"), sources),
        st.tuples(st.just("name"), sources, few, few),
        st.tuples(st.just("drop"), sources),
        st.tuples(st.just("tell")),
    ),
    max_size=30,
)


@given(steps)
def test_whatIsToldAddsUp(some: list) -> None:
    """Whatever sources gain, lose, replace, and whenever somebody is told: the differences add up to the whole."""
    union = Union()
    held: dict[bytes, BitMap] = {}
    names: dict[bytes, set[bytes]] = {}
    told: set[int] = set()
    toldNames: set[bytes] = set()
    for kind, *args in some:
        if kind == "change":
            key, came, went = args
            if key in held:
                came, went = BitMap(came) - held[key], BitMap(went) & held[key]
                held[key] |= came
                held[key] -= went
                union.change(key, came, went)
            else:
                union.change(key, BitMap(came), BitMap(went))
        elif kind == "put":
            held[args[0]] = BitMap(args[1])
            union.put(args[0], held[args[0]])
        elif kind == "none":
            held.pop(args[0], None)
            union.put(args[0], None)
        elif kind == "name":
            key, came, went = args[0], [bytes([one]) for one in args[1]], [bytes([one]) for one in args[2]]
            names[key] = (names.get(key, set()) | set(came)) - set(went)
            union.name(key, came, went)
        elif kind == "drop":
            held.pop(args[0], None)
            names.pop(args[0], None)
            union.drop(args[0])
        else:
            told = (told | set(union.gained)) - set(union.lost)
            toldNames = (toldNames | set(union.namesGained)) - set(union.namesLost)
            union.forget()
            assert not union.changed
        whole = set(BitMap.union(*held.values())) if held else set()
        wholeNames = set().union(*names.values())
        assert set(union.positions()) == whole and set(union.names()) == wholeNames
        assert (told | set(union.gained)) - set(union.lost) == whole
        assert (toldNames | set(union.namesGained)) - set(union.namesLost) == wholeNames
        assert not set(union.gained) & told and set(union.lost) <= told
        assert union.more == bool(whole - told or wholeNames - toldNames)
