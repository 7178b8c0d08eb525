"""Where others say that they see this peer."""

from overlay.link.sightings import MOST, Sightings


def test_mostOften() -> None:
    """The most often told comes first, and what is no address is passed over."""
    seen = Sightings()
    for text in ("10.0.0.1:1", "10.0.0.2:1", "10.0.0.2:1", "no address at all:", ""):
        seen.note(text)
    assert seen.most(4) == ["10.0.0.2:1", "10.0.0.1:1"]


def test_aNewPlaceIsLearnt() -> None:
    """However many places were made up, one that is told again and again comes first in the end, and no more than so many are kept."""
    seen = Sightings()
    for number in range(3 * MOST):
        for _ in range(5):
            seen.note(f"10.1.0.{number}:1")
    assert len(seen.most(1000)) == MOST
    for _ in range(20):
        seen.note("10.2.0.1:1")
    assert seen.most(1) == ["10.2.0.1:1"]
