"""What people read of an error."""

from overlay.errors import BadQuery, NotReached, SuperpeerError, TurnedAway, UsageError


def test_whatIsSaid() -> None:
    """The first paragraph of the class's docstring, then what happened; of what is a whole sentence by itself only that."""
    assert str(NotReached("10.0.0.1:7116: refuses")) == "No connection could be made: 10.0.0.1:7116: refuses"
    assert str(TurnedAway("a: full", "full", 30.0)) == "The other side answered, and would not have the link: a: full"
    assert str(SuperpeerError()) == "Something went wrong."
    assert str(UsageError("--peers must be at least 2")) == "--peers must be at least 2"
    assert str(BadQuery("a word is missing")) == "a word is missing"


def test_everyErrorHasItsSentence() -> None:
    """One line each, whatever else is documented of it."""
    kinds = [SuperpeerError]
    for kind in kinds:
        kinds += [one for one in kind.__subclasses__() if one.__module__.startswith("overlay.")]
    assert len(kinds) > 10
    for kind in kinds:
        said = (kind.__doc__ or "").strip().partition("\n\n")[0]
        assert said.endswith((".", ":")) and "@" not in said, kind
