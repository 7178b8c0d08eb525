"""Text to terms."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.index.analysis import countTerms, isUnspaced, nameParts, nameWords, words
from overlay.wire import limits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Bloom filters, 1970!", ["bloom", "filters", "1970"]),
        ("foo_bar-baz/qux.txt", ["foo", "bar", "baz", "qux", "txt"]),
        ("Don't stop O\u2019Neil's", ["dont", "stop", "oneils"]),
        ("'quoted' dogs'", ["quoted", "dogs"]),
        ("\uff26\uff35\uff2c\uff2c Stra\u00dfe \ufb01le", ["full", "strasse", "file"]),
        ("cafe\u0301 caf\u00e9", ["cafe", "cafe"]),
        ("x\u0303y", ["xy"]),
        ("soft\u00adhyphen zero\u200dwidth", ["softhyphen", "zerowidth"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902", ["\u0939\u093f\u0928\u094d\u0926\u0940", "\u092e\u0947\u0902"]),
        ("\u65e5\u672c\u8a9eabc", ["\u65e5\u672c", "\u672c\u8a9e", "abc"]),
        ("x\u4e2dy \u5b57", ["x", "\u4e2d", "y", "\u5b57"]),
        ("\uc548\ub155 \uc138\uacc4", ["\uc548\ub155", "\uc138\uacc4"]),
        ("\u0301alone", ["alone"]),
        ("Na\u00efve r\u00e9sum\u00e9 \u00c5ngstr\u00f6m", ["naive", "resume", "angstrom"]),
        ("\u0141\u00f3d\u017a S\u00f8ren \u00c6sop \u0131\u015f\u0131k", ["lodz", "soren", "aesop", "isik"]),
        ("Vi\u1ec7t Nam", ["viet", "nam"]),
        ("\u0386\u03c1\u03b7\u03c2 \u03b1\u03c1\u03b7\u03c3", ["\u03b1\u03c1\u03b7\u03c3", "\u03b1\u03c1\u03b7\u03c3"]),
        ("\u0401\u043b\u043a\u0430 \u043c\u043e\u0439", ["\u0435\u043b\u043a\u0430", "\u043c\u043e\u0439"]),
        ("\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd", ["\u05e9\u05dc\u05d5\u05dd"]),
        ("\u0643\u064e\u062a\u064e\u0628\u064e", ["\u0643\u062a\u0628"]),
        ("\u304c\u304b \u304b\u3099\u304b", ["\u304c\u304b", "\u304c\u304b"]),
        ("\u30ab\u30bf\u30ab\u30ca", ["\u30ab\u30bf", "\u30bf\u30ab", "\u30ab\u30ca"]),
        ("\u0e20\u0e32\u0e29\u0e32 \u0e14\u0e35", ["\u0e20\u0e32", "\u0e32\u0e29", "\u0e29\u0e32", "\u0e14\u0e35"]),
        ("\u0e14\u0e35\u0e17\u0e35\u0e482024", ["\u0e14\u0e35\u0e17\u0e35\u0e48", "2024"]),
        ("\u0e9e\u0eb2\u0eaa\u0eb2", ["\u0e9e\u0eb2", "\u0eb2\u0eaa", "\u0eaa\u0eb2"]),
        ("\u1797\u17b6\u179f\u17b6", ["\u1797\u17b6\u179f\u17b6"]),
        ("\u1019\u103c\u1014\u103a\u1019\u102c", ["\u1019\u103c\u1014\u103a", "\u1014\u103a\u1019\u102c"]),
        ("a" * 100, ["a" * limits.TERM]),
        ("\u044f" * 100, ["\u044f" * (limits.TERM // 2)]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Each script is cut where its readers expect it."""
    assert words(text) == expected


@pytest.mark.parametrize(
    ("name", "whole", "parts"),
    [
        ("readHTMLFile2.pdf", ["readhtmlfile2", "read", "html", "file", "2", "pdf"], ["read", "html", "file", "2", "pdf"]),
        ("my_file-v1.txt", ["my", "file", "v1", "v", "1", "txt"], ["my", "file", "v", "1", "txt"]),
        ("Papers/Bloom 1970.pdf", ["papers", "bloom", "1970", "pdf"], ["papers", "bloom", "1970", "pdf"]),
        ("2ndDraft", ["2nddraft", "2", "nd", "draft"], ["2", "nd", "draft"]),
        ("\u00dcberFile\u2019s", ["uberfiles", "uber", "files"], ["uber", "files"]),
        ("\u65e5\u672cDoc", ["\u65e5\u672c", "doc"], ["\u65e5\u672c", "doc"]),
        ("O'Neil", ["oneil"], ["oneil"]),
        ("HttpServer_v2.py", ["httpserver", "http", "server", "v2", "v", "2", "py"], ["http", "server", "v", "2", "py"]),
        (
            "\u00c9tatCivil2\u041e\u0442\u0447\u0451\u0442",
            ["etatcivil2\u043e\u0442\u0447\u0435\u0442", "etat", "civil", "2", "\u043e\u0442\u0447\u0435\u0442"],
            ["etat", "civil", "2", "\u043e\u0442\u0447\u0435\u0442"],
        ),
        ("", [], []),
    ],
)
def test_names(name: str, whole: list[str], parts: list[str]) -> None:
    """Names are found whole, as a query's word has them, and by what they are made of."""
    assert (nameWords(name), nameParts(name)) == (whole, parts)


def test_countsTheMostFrequent() -> None:
    """Of too many terms those stay that occur most, then those that come first; the length is that of the whole."""
    assert countTerms("b a b c a b", 10) == ((("a", 2), ("b", 3), ("c", 1)), 6)
    assert countTerms("d b a b c a b", 3) == ((("a", 2), ("b", 3), ("d", 1)), 7)
    assert countTerms("", 3) == ((), 0)


def test_pairsAreKnown() -> None:
    """A term of a script without spaces is told from others."""
    assert isUnspaced("\u65e5\u672c") and isUnspaced("\uc548")
    assert isUnspaced("\u0e20\u0e32") and isUnspaced("\u1797\u17b6")
    assert not isUnspaced("bloom") and not isUnspaced("\u00e9")


@given(st.text())
def test_termsAreTheirOwnTerms(text: str) -> None:
    """Whatever the text: terms are folded, within the limit, and analysing them again gives the same, as a query's words need."""
    for term in words(text):
        assert 0 < len(term.encode("utf-8", "surrogatepass")) <= limits.TERM
        if not isUnspaced(term):
            assert words(term) == [term]


@given(st.text())
def test_formDoesNotMatter(text: str) -> None:
    """A text has the same terms however its accents are encoded."""
    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text))


@given(st.text())
def test_aQuerysWordsFindTheName(name: str) -> None:
    """Every word of a name, as a query would have it, is among the words that the name is found by."""
    assert set(words(name)) <= set(nameWords(name)) | set(words(" ".join(nameWords(name))))
