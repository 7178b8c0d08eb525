"""
Content to text: for the child process, which may die of it. Imports nothing heavy unless it is needed.
"""

import mimetypes
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from overlay.share import titles

if TYPE_CHECKING:
    from pypdf import PdfReader

VERSION = 2
"""Of the extraction: files that were read by another one are read again."""
READ_MOST = 8 * 1024 * 1024
"""Bytes of a file, and characters of what is extracted, that are looked at for text."""
PAGES_MOST = 1000
_TEXT_TYPES = frozenset(
    {
        "application/json", "application/xml", "application/javascript", "application/x-sh", "application/toml",
        "application/yaml", "application/sql", "application/x-tex", "application/rtf", "application/x-python",
        "application/xhtml+xml", "application/x-httpd-php", "application/x-perl", "application/x-ruby", "image/svg+xml",
    }
)
_MORE_TYPES = {
    ".md": "text/markdown", ".markdown": "text/markdown", ".rst": "text/x-rst", ".toml": "application/toml",
    ".yaml": "application/yaml", ".yml": "application/yaml", ".json": "application/json", ".jsonl": "application/json",
    ".rs": "text/x-rust", ".go": "text/x-go", ".ts": "text/x-typescript", ".tsx": "text/x-typescript",
    ".jsx": "text/javascript", ".mjs": "text/javascript", ".java": "text/x-java", ".kt": "text/x-kotlin",
    ".c": "text/x-c", ".h": "text/x-c", ".cc": "text/x-c++", ".cpp": "text/x-c++", ".hpp": "text/x-c++",
    ".hs": "text/x-haskell", ".ml": "text/x-ocaml", ".scala": "text/x-scala", ".swift": "text/x-swift",
    ".rb": "text/x-ruby", ".pl": "text/x-perl", ".php": "text/x-php", ".lua": "text/x-lua", ".r": "text/x-r",
    ".jl": "text/x-julia", ".sh": "application/x-sh", ".bash": "application/x-sh", ".sql": "application/sql",
    ".ini": "text/plain", ".cfg": "text/plain", ".conf": "text/plain", ".log": "text/plain", ".tex": "application/x-tex",
    ".bib": "text/x-bibtex", ".org": "text/x-org", ".tsv": "text/tab-separated-values", ".ipynb": "application/json",
    ".pyi": "text/x-python", ".pyx": "text/x-python", ".diff": "text/x-diff", ".patch": "text/x-diff", ".srt": "text/plain",
    ".epub": "application/epub+zip", ".el": "text/x-lisp", ".lisp": "text/x-lisp", ".clj": "text/x-clojure",
}


def mediaTypeOf(name: str) -> str:
    """By the name alone, in lower case; C{application/octet-stream} if it says nothing."""
    suffix = Path(name).suffix.lower()
    if suffix in _MORE_TYPES:
        return _MORE_TYPES[suffix]
    guessed, encoding = mimetypes.guess_type(name, strict=False)
    if encoding is not None:
        return {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}.get(
            encoding, "application/octet-stream"
        )
    return (guessed or "application/octet-stream").lower()


def decodeText(data: bytes) -> str | None:
    """The text of some bytes; None if they do not look like text."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:8192]:
        return None
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as problem:
        # Cut in the middle of a character, or not UTF-8 at all.
        if problem.start >= len(data) - 4:
            return data[: problem.start].decode("utf-8")
    text = data.decode("latin-1")
    sample = text[:8192]
    printable = sum(one.isprintable() or one in "\t\n\r\f" for one in sample)
    return text if printable >= 0.95 * len(sample) else None


class _Page(HTMLParser):
    """The words of an HTML page that a reader sees, and its title."""

    _SILENT = frozenset({"script", "style", "template", "noscript", "svg"})
    _BREAKS = frozenset({"p", "div", "br", "li", "td", "th", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "title", "pre", "option"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.title = ""
        self._silent = 0
        self._titled = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        # A drawing may have titles of its own.
        self._titled = tag == "title" and not self._silent and not self.title.strip()
        if tag in self._SILENT:
            self._silent += 1
        elif tag in self._BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._titled = False
        if tag in self._SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in self._BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)
            if self._titled and len(self.title) < titles.READ_MOST:
                self.title += data


@attrs.frozen(slots=True)
class Extracted:
    """
    @ivar text: of the whole file, its title among it; empty if there is none.
    @ivar title: what the file calls itself, in one line; empty if it does not say.
    """

    text: str = ""
    title: str = ""


def htmlText(markup: str) -> Extracted:
    """What a reader sees of a page."""
    page = _Page()
    page.feed(markup)
    page.close()
    return Extracted(re.sub(r"[ \t\r\f]*\n\s*", "\n", "".join(page.parts)).strip(), titles.tidy(page.title))


def pdfText(path: str) -> Extracted:
    """
    The text of a PDF, page by page, and its title if it tells one.

    @raise Exception: whatever pypdf raises at a file that it cannot read.
    """
    import logging

    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    parts: list[str] = []
    size = 0
    with open(path, "rb") as stream:
        reader = PdfReader(stream, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            return Extracted()
        title = _pdfTitle(reader)
        for number, page in enumerate(reader.pages):
            if number >= PAGES_MOST or size > READ_MOST:
                break
            text = page.extract_text() or ""
            size += len(text)
            parts.append(text)
    return Extracted("\n".join([title, *parts] if title and not titles.isSaid(title, parts[:1]) else parts), title)


def _pdfTitle(reader: "PdfReader") -> str:
    """Of the document's own information, which is often in disorder, or what some program has put there."""
    try:
        found = reader.metadata.title if reader.metadata is not None else None
    except Exception:  # whatever pypdf raises at a broken one: there are pages to read all the same
        return ""
    return titles.meant(found) if isinstance(found, str) else ""


def textOf(path: str, mediaType: str, data: bytes) -> Extracted:
    """
    @param data: the first L{READ_MOST} bytes of the file.
    @return: empty if there is no text.
    @raise Exception: the file is broken in a way that its format's reader does not bear.
    """
    if mediaType == "application/pdf":
        return pdfText(path)
    if not (mediaType.startswith("text/") or mediaType in _TEXT_TYPES or mediaType == "application/octet-stream"):
        return Extracted()
    text = decodeText(data)
    if text is None:
        return Extracted()
    if mediaType in ("text/html", "application/xhtml+xml"):
        return htmlText(text)
    return Extracted(text, titles.titleOf(mediaType, text))
