"""Large pages: only where there is much memory, and nothing in it is changed."""

import pytest

from overlay.lab import pages


@pytest.mark.parametrize("worth", [0, 1 << 50])
def test_whereItIsWorthIt(worth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "WORTH", worth)
    held = [[number] for number in range(300_000)]
    moved = pages.useLargePages()
    assert moved % (2 * 1024 * 1024) == 0 and (moved == 0 or not worth)
    assert [one for (one,) in held] == list(range(300_000))
