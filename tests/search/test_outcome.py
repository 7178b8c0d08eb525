"""What a search came to."""

from typing import Any

import pytest

from overlay.search.outcome import Outcome
from overlay.wire.query import Receipt


@pytest.mark.parametrize(
    ("receipt", "more", "said"),
    [
        ({}, {}, []),
        ({"lost": 1}, {}, ["somebody did not answer"]),
        ({}, {"missing": 1}, ["somebody did not answer"]),
        ({}, {"unasked": 2}, ["not everybody was asked"]),
        ({"notReached": 3, "balance": 5}, {}, ["not everybody was asked", "registrations differ between homes"]),
        ({"unknown": {"dawn": 3}}, {}, ["super-peers that have some of the words were left out"]),
        ({"ranked": 1}, {}, ["a super-peer could not rank all that it holds"]),
        ({"lost": 1, "balance": 5}, {"ranking": "exact"}, []),
        ({"answeredBy": b"", "lost": 1}, {}, []),
    ],
)
def test_whyTheOrderIsEstimated(receipt: dict[str, Any], more: dict[str, Any], said: list[str]) -> None:
    """As far as the receipt shows it; nothing if the order is exact, or nobody has answered."""
    outcome = Outcome([], Receipt(**{"answeredBy": b"a" * 8 + b"b" * 8, "ranked": 2, **receipt}), "complete", **more)
    assert len(outcome.doubts) == len(said)
    assert all(one.startswith(begin) for one, begin in zip(outcome.doubts, said, strict=True))
