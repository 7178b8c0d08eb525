"""Many rows narrowed: the best are the same as if each had been looked at, and the others are bounded."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from overlay.index import grades, posting, ranking, terms
from overlay.index.bm25 import termWeight
from overlay.index.having import Having
from overlay.index.postings import Entry, Postings
from overlay.index.ranking import Ranking
from overlay.index.scoring import Best, Statistics, Unit, covers, scorer
from overlay.index.summit import Summit
from overlay.questions import Formula

ROWS = 300
WANTED = 5
WORDS = ("common", "usual", "rare")


def indexed(rng: random.Random, named: float) -> Postings:
    """
    Records that all have three words.

    @param named: how many have each in their name.
    """
    postings = Postings()
    lengths = rng.choice([[9], [7, 8, 9, 10], [1, 8, 30, 400]])
    for row in range(ROWS):
        held = {
            word: (rng.choice([4, 4, 6]) if rng.random() < named else rng.choice([1] * 12 + [2, 2, 3, 9]), rng.random() < named)
            for word in WORDS
        }
        # Whatever is in the name counts more than once.
        held = {word: (level if level > 1 else 4, True) if isNamed else (level, False) for word, (level, isNamed) in held.items()}
        content = rng.randrange(ROWS // 2)
        entry = Entry(f"{row}", content, 1, 1, 10**9, "text/plain", "txt", rng.choice(lengths), held)
        postings.add(b"owner", row.to_bytes(16, "big"), entry, row)
    postings.shrink()
    return postings


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 0.3, 0.95]), st.integers(1, 3), st.booleans())
def test_theBestAreAtTheSummit(monkeypatch: pytest.MonkeyPatch, seed: int, named: float, words: int, all_: bool) -> None:
    """Whichever rows are looked at first, the best come out, in order; what covers the others scores less than the last of the best."""
    rng = random.Random(seed)
    wanted = rng.choice([WANTED, WANTED, 60])
    postings = indexed(rng, named)
    rows = postings.alive if all_ else BitMap(rng.sample(range(ROWS), 200))
    units = [
        Unit(found, termWeight(10**6, rng.choice([10, 10**3, 10**5])), place)
        for place, word in enumerate(WORDS[:words]) if (found := postings.terms.get(word)) is not None
    ]
    # Found out before, or only as far as it is asked.
    having = Having([rows]) if rng.random() < 0.5 else Having([rows, *(unit.posting.rows for unit in units)])
    with monkeypatch.context() as patched:
        for module, name in ((terms, "FEW"), (posting, "MAPPED"), (grades, "MAPPED"), (grades, "EACH")):
            patched.setattr(module, name, rng.choice([0, 1000]))
        patched.setattr(ranking, "NARROWED", 10**9)
        expected = Ranking(postings, units, 8.5, words, every=True).best(Having([rows]), len(rows))
        summit = Summit.of(postings, having, units, 8.5, words, Formula(), wanted)
    if summit is None:
        return
    best = summit.classes.best(wanted)
    assert best == expected[:wanted]
    looked = set(summit.classes.rows.tolist())
    for one in expected:
        assert one[2] in looked or any(covers(parts, one[3]) and score >= -one[0] for score, parts, _ in summit.unseen)
    assert all(score < -best[-1][0] for score, _, _ in summit.unseen)


def test_fewRowsAreLookedAt() -> None:
    """Where some rows have every word in their name, the rows that have none so are not looked at."""
    rng = random.Random(1)
    postings = indexed(rng, 0.3)
    units = [Unit(found, 2.0, place) for place, word in enumerate(WORDS[:2]) if (found := postings.terms.get(word)) is not None]
    summit = Summit.of(postings, Having([postings.alive]), units, 8.5, 2, Formula(), WANTED)
    assert summit is not None
    assert WANTED <= len(summit.classes.rows) < ROWS // 2


def test_unseenScoresAsItsPartsDo() -> None:
    """The bound of what is not looked at is the score of what covers it."""
    postings = indexed(random.Random(2), 0.3)
    frequencies = (300, 20)
    statistics = Statistics(1000, 8500, frequencies)
    units = [
        Unit(found, weight, place) for place, (word, weight) in enumerate(zip(WORDS[:2], statistics.weights, strict=True))
        if (found := postings.terms.get(word)) is not None
    ]
    summit = Summit.of(postings, Having([postings.alive]), units, statistics.average, 2, Formula(), WANTED)
    assert summit is not None and summit.unseen
    score = scorer(statistics)
    assert [bound for bound, _, _ in summit.unseen] == [score(parts) for _, parts, _ in summit.unseen]


def test_sameOrderWithoutArrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows by either sorter, to the last bit of the score."""
    postings = indexed(random.Random(3), 0.2)
    units = [Unit(found, 3.0, place) for place, word in enumerate(WORDS) if (found := postings.terms.get(word)) is not None]

    def best(handful: int) -> list[Best]:
        monkeypatch.setattr(ranking, "HANDFUL", handful)
        return Ranking(postings, units, 8.5, len(units)).best(Having([postings.alive]), ROWS)

    assert best(0) == best(10_000)
