"""What files call themselves."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.index.record import openTerms, packTerms
from overlay.share import titles
from overlay.share.cache import Cache, Remembered
from overlay.share.child import digest
from overlay.share.extract import htmlText
from overlay.share.titles import meant, titleOf
from overlay.storage import MemoryStorage

BLOOM = "Space/time trade-offs in hash coding"


def title(path: Path) -> str:
    """As the child process tells it."""
    found: str = digest(str(path), path.name, 4096, 512, True)[8]
    return found


def pdf(path: Path, told: str | None, page: str = "") -> Path:
    """A PDF of one page, with or without a title."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    sheet = writer.add_blank_page(300, 300)
    font = DictionaryObject({NameObject(f"/{key}"): NameObject(f"/{value}") for key, value in
                             (("Type", "Font"), ("Subtype", "Type1"), ("BaseFont", "Helvetica"))})
    sheet[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F"): font})})
    stream = DecodedStreamObject()
    stream.set_data(f"BT /F 12 Tf 20 200 Td ({page}) Tj ET".encode())
    sheet[NameObject("/Contents")] = writer._add_object(stream)
    if told is not None:
        writer.add_metadata({"/Title": told})
    writer.write(str(path))
    return path


def test_files(tmp_path: Path) -> None:
    """HTML, PDF, Markdown, reStructuredText, TeX, Org and plain text are read for their titles."""
    files = {
        "a.html": f"<html><head><title>\n {BLOOM} </title></head><body><svg><title>drawn</title></svg><p>text</p></body>",
        "a.md": f"![logo](x.png)\n\n```\n# no heading\n```\n# [{BLOOM}](http://x) #\n\ntext\n# Later\n",
        "front.md": f'---\nauthor: x\ntitle: "{BLOOM}"\n---\n# Another\n',
        "under.md": f"{BLOOM}\n=====\n\ntext",
        "a.rst": f".. comment\n\n{'=' * 40}\n{BLOOM}\n{'=' * 40}\n\ntext\n\nPart\n----\n",
        "a.tex": "% \\title{wrong}\n\\documentclass{article}\n"
                 "\\title[short]{\\textbf{Space/time} trade-offs\\\\ in hash coding\\thanks{us}}",
        "a.org": f"#+TITLE: {BLOOM}\n* heading",
        "a.txt": f"{BLOOM}\n\nIn this paper trade-offs are analysed.\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        assert title(tmp_path / name) == BLOOM, name
    assert title(pdf(tmp_path / "a.pdf", BLOOM, "Page")) == BLOOM
    answer = digest(str(tmp_path / "a.pdf"), "a.pdf", 4096, 512, True)
    assert ("hash", 1) in answer[6] and ("page", 1) in answer[6] and answer[5].startswith(BLOOM)
    for told in (None, "", "Microsoft Word - draft3.docx", "paper-final.dvi", "untitled", "\x00", "2-1"):
        assert title(pdf(tmp_path / "b.pdf", told, "Page")) == ""


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/plain", "one line"), ("text/plain", "Dear Sir or Madam,\n\nI write"),
        ("text/plain", "A sentence ends with a dot.\n\nAnd goes on"),
        ("text/plain", "First line of a paragraph\nthat goes on\n"), ("text/plain", "2024-01-01 12:00 started\n\nstopped"),
        ("text/plain", "- an item\n\n- another"), ("text/plain", "Word\n\nmore"), ("text/plain", "name,size,date\n\n1,2,3"),
        ("text/plain", "http://example.org/a Page\n\nx"), ("text/plain", "lower case begins it\n\nx"), ("text/plain", ""),
        ("text/plain", " ".join(["Long"] * 16) + "\n\ntext"), ("text/x-python", "Some Heading\n\ntext"),
        ("text/markdown", "no heading\n### deep\n"),
        ("text/markdown", "```\n# code\n```\n"), ("text/markdown", "# " + "long " * 60), ("text/x-rst", "no\nheading\n--\n"),
        ("application/x-tex", "\\title{never closed"), ("application/x-tex", "\\titlepage"), ("application/json", "{}"),
    ],
)
def test_noTitle(kind: str, text: str) -> None:
    """What may be something else is no title."""
    assert titleOf(kind, text) == ""


@given(st.sampled_from(["text/plain", "text/markdown", "text/x-rst", "application/x-tex", "text/x-org"]), st.text(max_size=400))
def test_whateverComes(kind: str, text: str) -> None:
    """Any text: a title is one line of bounded length, whose words are words of the text, or there is none."""
    found = titleOf(kind, text)
    assert len(found) <= titles.LONGEST and found == " ".join(found.split())
    assert len(htmlText(text).title) <= titles.LONGEST and len(meant(text)) <= titles.LONGEST


def test_titleWordsStay(tmp_path: Path) -> None:
    """In a file with more different words than are kept, those of its title are among them, and counted as such."""
    path = tmp_path / "long.md"
    path.write_text("# Rare Heading\n\n" + " ".join(f"word{number} word{number}" for number in range(300)))
    answer = digest(str(path), path.name, 100, 50, True)
    assert len(answer[6]) == 50 and dict(answer[6])["rare"] == 1 and answer[7] == 602
    assert openTerms(packTerms(answer[6], answer[7], "", answer[8])).titles == {"rare", "heading"}


def test_readAgain() -> None:
    """What was read before titles were is not fresh, however the file is."""
    table = MemoryStorage().table("files")
    cache = Cache(table, 4096)
    now = cache.make(5, 7, "a/b.txt", "")
    assert cache.isFresh(now, 5, 7, "a/b.txt") and not cache.isFresh(now, 6, 7, "a/b.txt")
    table.put(b"old", msgspec.msgpack.encode([now.format, now.analysis, 4096, 5, 7, "a/b.txt", "", ""]))
    old = cache.get(b"old")
    assert isinstance(old, Remembered) and not cache.isFresh(old, 5, 7, "a/b.txt")
