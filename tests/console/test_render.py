"""What the command shows."""

import pytest

from overlay.console.render import caret, explainJoin, marked, nothing


def test_matchesAreBold() -> None:
    """The marks of a passage, whatever is in it, are bold and nothing else is."""
    text = marked("a \x1b[2J bloom filter", [[7, 12]])
    assert text.plain == "a  [2J bloom filter"
    (span,) = text.spans
    assert (span.start, span.end, str(span.style)) == (7, 12, "not dim bold")


@pytest.mark.parametrize(
    ("text", "at", "word", "line"),
    [
        ("bloom colour:red x", 6, "colour:red", "          ^^^^^^^^^^"),
        ("\u65e5\u672c a*", 3, "a*", "         ^^"),
        ("(a", 0, "(", "    ^"),
        ("a", 0, "", "    ^"),
    ],
)
def test_pointsAtTheWord(text: str, at: int, word: str, line: str) -> None:
    """The line below has its arrows below the word, also where letters are wide."""
    assert caret(text, at, word).splitlines() == [f"    {text}", line]


@pytest.mark.parametrize(
    ("end", "lines"),
    [
        ({}, []),
        ({"unknown": ["blooom"], "known": {"a": 2}}, ["no record has the word 'blooom'"]),
        ({"code": 251, "unknown": ["blooom"]}, ["no record that was reached has the word 'blooom'"]),
        ({"known": {"a": 2}}, ["no record has all of it as it is asked for; words by themselves are in so many: a (2)"]),
        ({"known": {"a": 2, "b": 3}}, [
            "no record has all of the words as they are asked for; words by themselves are in so many: a (2), b (3)",
        ]),
        ({"code": 250, "pruned": 2}, ["no record has all of it as it is asked for"]),
        ({"code": 251, "beyond": 2}, ["no record that was reached has all of it as it is asked for"]),
        ({"code": 253}, []),
        ({"code": 250, "pruned": 2, "unfiltered": 4, "excluded": {"ext:zip": 4}}, [
            "ext:zip leaves out all 4 of 4 records that match otherwise",
        ]),
        ({"known": {"a": 2, "b": 3}, "unfiltered": 4, "excluded": {"type:pdf": 4, "-x": 1}}, [
            "type:pdf leaves out all 4 of 4 records that match otherwise", "-x leaves out 1 of 4 records that match otherwise",
        ]),
    ],
)
def test_whyNothing(end: dict, lines: list[str]) -> None:
    """A sentence for each reason."""
    assert nothing(end) == lines
    where = ["words that stand together, as in quotes or around a hyphen, are found in names and in the first 4 KiB of a text"]
    assert nothing(end, True) == (lines + where if "words by themselves" in "".join(lines) else lines)


def test_whatWasTried(capsys: pytest.CaptureFixture[str]) -> None:
    """Each source with what it found, each address with what it answered; nothing that a remote party said moves the cursor."""
    row = {
        "address": "192.0.2.1:7", "name": "seed.example", "expected": "anybody", "tries": 3, "answer": "refuses\x1b[2J", "ago": 1.5,
        "again in": 4.0,
    }
    explainJoin({
        "joined": False, "because": "nobody", "unreached": 12.5, "sources": [
            {"source": "peer", "problem": "", "found": 1, "asked again in": 2.0, "addresses": [row]},
            {"source": "dns:name=x", "problem": "x has no address", "found": 0, "asked again in": None, "addresses": []},
        ],
    })
    assert capsys.readouterr().out.splitlines() == [
        "joined: no, for 12.5 s: nobody", "", "peer: 1 found, asked again in 2.0 s",
        "192.0.2.1:7\tseed.example\tanybody\t3\trefuses [2J\t1.5\t4.0", "", "dns:name=x: 0 found", "  x has no address",
    ]
