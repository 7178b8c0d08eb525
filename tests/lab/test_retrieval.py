"""A test collection ranked by a network, against one naive index of all documents."""

import json
import math
import random
from collections import Counter
from pathlib import Path

import pytest

from overlay.cli import main
from overlay.index.analysis import words
from overlay.index.bm25 import TITLE_WEIGHT, classLength, lengthClass, level
from overlay.index.dialect import analysisOf
from overlay.lab import retrieval
from overlay.lab.collection import Asked, Written, readDocuments, readQueries, written
from overlay.lab.retrieval import Retrieval, documentOf, lines, locationOf, sharesOf

VOCABULARY = [
    *(f"word{letter}" for letter in "abcdefghijklmnopqrst"),
    *("running", "runs", "filters", "filter", "or", "not", "the", "type", "1970"),
]
QUERIES = [
    "worda wordb OR wordc", 'The "filter" of type:wordd -worde, NOT wordf?', "running filters: the runs", "wordt",
    "the the the 1970 word* (wordq", " ".join(VOCABULARY), "nothing has this",
]


def collection(seed: int, number: int) -> list[Written]:
    """Documents of unlike length, some alike but for their ids, some without text, title or owner."""
    rng = random.Random(seed)
    weights = [1 / (1 + rank) for rank in range(len(VOCABULARY))]
    made = []
    for at in range(number):
        text = " ".join(rng.choices(VOCABULARY, weights, k=rng.choice([0, 1, 5, 20, 60, 200])))
        title = " ".join(rng.choices(VOCABULARY, k=rng.choice([0, 2, 4])))
        id = f"doc {at}.pdf" if at % 7 == 0 else f"wordb-{at}"
        made.append(Written(id, rng.choice(["ann", "bob", "c\u00e9line d", ""]), title, text))
    return [*made, *(Written(id, owner, made[3].title, made[3].text) for id, owner in (("again", "ann"), ("once more", "bob")))]


def naively(documents: list[Written], query: str, dialect: str) -> dict[str, float]:
    """BM25 of each document that has any of the words, in one index of all; a word that is said twice counts twice."""
    how = analysisOf(dialect)
    counts = {one.id: Counter(how.words(f"{one.title}\n{one.text}")) for one in documents}
    titles = {one.id: set(how.words(one.title)) for one in documents}
    average = sum(sum(one.values()) for one in counts.values()) / len(documents)
    scores: dict[str, float] = {}
    for term, times in Counter(how.words(query)).items():
        having = [id for id, one in counts.items() if one[term]]
        weight = math.log(1 + (len(documents) - len(having) + 0.5) / (len(having) + 0.5))
        for id in having:
            often = level(counts[id][term] + (TITLE_WEIGHT if term in titles[id] else 0))
            length = classLength(lengthClass(sum(counts[id].values())))
            scores[id] = scores.get(id, 0.0) + times * weight * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * length / average))
    return scores


@pytest.mark.parametrize(
    ("superPeers", "dialect", "seed"), [(1, "", 1), (3, "stem:english+stop:english", 2), (10, "", 3)]
)
def test_asOneIndex(superPeers: int, dialect: str, seed: int) -> None:
    """Whatever the number of super-peers: every document that has a word of the query, in the order and with the scores of one index."""
    documents = collection(seed, 60)
    contents = {one.id: documentOf(place, one, analysisOf(dialect)).content for place, one in enumerate(documents)}
    network = Retrieval(documents, superPeers, dialect)
    assert len(network.world.superPeers()) == superPeers and network.cut == 0
    for number, ranked in enumerate(network.run([Asked(str(at), text) for at, text in enumerate(QUERIES)])):
        expected = naively(documents, QUERIES[number], dialect)
        assert ranked.exact and not ranked.left
        assert [id for id, _ in ranked.rows] == sorted(expected, key=lambda id: (-round(expected[id], 9), contents[id]))
        assert [score for _, score in ranked.rows] == pytest.approx([expected[id] for id, _ in ranked.rows], abs=1e-6)
    some = network.ask(Asked("few", QUERIES[0]), 5)
    expected = naively(documents, QUERIES[0], dialect)
    assert [id for id, _ in some.rows] == sorted(expected, key=lambda id: (-round(expected[id], 9), contents[id]))[:5]


def write(path: Path, rows: list[object]) -> Path:
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows), "utf-8")
    return path


def test_theCommand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run has the same bytes with one super-peer and with four; every line has six fields, ranks from 1, and falling scores."""
    documents = [
        {"id": one.id, "owner": one.owner or None, "title": one.title, "text": one.text} for one in collection(4, 40)
    ]
    long = " ".join(f"w{number}" for number in range(70)) + " worda"
    queries = [{"id": at, "text": text} for at, text in enumerate([*QUERIES, "?", long])]
    given = ["--documents", str(write(tmp_path / "d", documents)), "--queries", str(write(tmp_path / "q", queries))]
    runs = []
    for serving in ("1", "4"):
        out = tmp_path / f"run{serving}"
        status = main(["bench", "retrieval", *given, "--super-peers", serving, "--run", str(out), "--json", "--tag", "mine"])
        said = json.loads(capsys.readouterr().out)
        assert (status, said["estimated"], said["empty"], said["shortened"]) == (0, [], ["6", "7", "8"], ["8"])
        assert said["documents"] == 42 and not list(tmp_path.glob(".run*"))
        runs.append(out.read_text())
        assert said["rows"] == len(runs[-1].splitlines())
    assert runs[0] == runs[1]
    rows = [line.split() for line in runs[0].splitlines()]
    assert all(len(row) == 6 and row[1] == "Q0" and row[5] == "mine" for row in rows)
    assert {row[2] for row in rows} <= {written(str(one["id"])) for one in documents}
    for query in dict.fromkeys(row[0] for row in rows):
        its = [row for row in rows if row[0] == query]
        assert [row[3] for row in its] == [str(1 + at) for at in range(len(its))]
        assert [float(row[4]) for row in its] == sorted((float(row[4]) for row in its), reverse=True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is no JSON"), ("[]", "is no JSON object"), ('"x"', "is no JSON object"), ('{"text": "x"}', "'id' is missing"),
        ('{"id": "", "text": ""}', "'id' is empty"), ('{"id": "b"}', "'text' is missing"),
        ('{"id": "b", "text": null}', "'text' must be a string, not null"),
        ('{"id": "b", "text": ["x"]}', "'text' must be a string, not an array"),
        ('{"id": 1.5, "text": ""}', "'id' must be a string, not a number"),
        ('{"id": true, "text": ""}', "'id' must be a string, not true or false"),
        ('{"id": "b", "text": "", "title": 7}', "'title' must be a string"),
        ('{"id": "b", "text": "", "owner": {}}', "'owner' must be a string, not an object"),
        ('{"id": "a", "text": ""}', "'a' of line 1"),
        ('{"id": "\\ud800", "text": ""}', "cannot be written"), ("[" * 100_000, "nested too deep"),
    ],
)
def test_badLines(tmp_path: Path, line: str, said: str) -> None:
    """A mistake is told with its file, its line, and its field."""
    path = write(tmp_path / "d.jsonl", [{"id": "a", "text": "fine"}, "", line])
    with pytest.raises(Exception, match=r"d\.jsonl, line 3: ") as problem:
        readDocuments(path)
    assert said in str(problem.value) and "\n" not in str(problem.value)


def test_badFiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be done is said in one line before any work begins; nothing is written."""
    documents = write(tmp_path / "d", [{"id": "a", "text": "fine"}])
    queries = write(tmp_path / "q", [{"id": "a", "text": "fine"}])
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "latin").write_bytes(b'{"id": "\xe9", "text": ""}\n')
    for name, value, said in (
        ("--documents", "gone", "cannot be read"), ("--queries", "empty", "has no lines"),
        ("--documents", "latin", "line 1: is not UTF-8 (byte 9"), ("--run", "no/such/folder", "cannot be written"),
        ("--super-peers", "0", "--super-peers: must be from 1"), ("--limit", "x", "--limit"), ("--tag", "a b", "--tag"),
        ("--stem", "klingon", "no stems of 'klingon'"), ("--stop-words", "englisch", "english"),
    ):
        given = {"--documents": str(documents), "--queries": str(queries), "--run": str(tmp_path / "run")}
        given[name] = str(tmp_path / value) if name in given else value
        assert main(["bench", "retrieval", *(part for pair in given.items() for part in pair)]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1 and error.startswith("superpeer bench: ")
    assert main(["bench", "retreival"]) == 2 and "retrieval" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_idsAndWords(tmp_path: Path) -> None:
    """An id comes back as it was, unless white space would part it; no location has words; a number will do for an id."""
    for id in ("a%20b", "d/1", "caf\u00e9", "\u65e5\u672c", "'", "MED-10"):
        assert written(id) == id
    assert (written("a b%"), written("x\u3000y"), written("a\tb")) == ("a%20b%25", "x%E3%80%80y", "a%09b")
    assert len({locationOf(number) for number in range(1000)}) == 1000
    assert not any(words(locationOf(number)) for number in range(1000))
    (tmp_path / "q").write_bytes(b'\xef\xbb\xbf{"id": 12, "text": "x"}\r\n\r\n{"id": "b", "text": ""}')
    assert readQueries(tmp_path / "q") == [Asked("12", "x"), Asked("b", "")]
    assert [*lines(retrieval.Ranked(Asked("1", ""), [("d", 0.1 + 0.2)], True), "t")] == ["1 Q0 d 1 0.30000000000000004 t"]


def test_whoSharesWhat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each owner's documents are together; of those without an owner each is somewhere; many owners live together."""
    documents = [Written(str(at), f"o{at % 3}" if at % 2 else "", "", "") for at in range(400)]
    shares = sharesOf(documents)
    assert sorted(place for one in shares for place in one) == list(range(400))
    for owner in ("o0", "o1", "o2"):
        assert sum(any(documents[place].owner == owner for place in one) for one in shares) == 1
    assert len(shares) == 3 + 25
    monkeypatch.setattr(retrieval, "LEAVES", 5)
    assert sorted(place for one in sharesOf(documents) for place in one) == list(range(400)) and len(sharesOf(documents)) == 5
