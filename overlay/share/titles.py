"""What a text calls itself. A word of a title counts more than others, so what may be no title is none."""

import re
from collections.abc import Iterable

from overlay.index.analysis import words

LONGEST = 200
"""Characters of a title; a longer line is none."""
READ_MOST = 2000
"""Characters of a page's title that are looked at."""
WORDS_MOST = 30
_BEGINNING = 20_000
"""Characters of a text in which its title is looked for."""
_FENCE = re.compile(r"(```|~~~)")
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+.:_])\1{2,}$")
# What programs put there: names of files, of themselves, and of nothing.
_MEANINGLESS = re.compile(
    r"(?:untitled|unbenannt|title|(?:new )?document|microsoft (?:word|powerpoint|excel)\b.*|slide|page|no ?title|\(?anonymous\)?|none|null)"
    r"(?:[ _-]?\d+)?",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"\S*\.(?:docx?|pdf|dvi|tex|indd|qxd|p?ptx?|xlsx?|rtf|odt|ods|odp|wpd|pages|html?|ps|eps|txt|md|fm|book)", re.IGNORECASE
)
_LATEX = re.compile(r"\\title\s*(?:\[[^\]]*\]\s*)?\{")


def tidy(title: str) -> str:
    """On one line; empty if it has no letter, or is too long for a title."""
    line = " ".join(title.split())
    if not line or not any(map(str.isalpha, line)):
        return ""
    return line if len(line) <= LONGEST and len(words(line)) <= WORDS_MOST else ""


def meant(title: str) -> str:
    """One that a program may have put there: empty if it says nothing."""
    line = tidy(title.replace("\0", ""))
    if not line or _MEANINGLESS.fullmatch(line) or _FILE.fullmatch(line) or "\ufffd" in line:
        return ""
    return line


def isSaid(title: str, texts: Iterable[str]) -> bool:
    """Whether a text has all the words of a title."""
    said = {word for text in texts for word in words(text)}
    return said.issuperset(words(title))


def titleOf(mediaType: str, text: str) -> str:
    """
    The title of a plain text, by the rules of its kind; empty if there is none.
    """
    head = text[:_BEGINNING]
    if mediaType == "text/markdown":
        return _markdown(head)
    if mediaType == "text/x-rst":
        return _restructured(head)
    if mediaType == "application/x-tex":
        return _latex(head)
    if mediaType == "text/x-org":
        return _field(head, r"#\+title:")
    return _firstLine(head) if mediaType == "text/plain" else ""


def _field(head: str, name: str) -> str:
    found = re.search(rf"^{name}[ \t]*(.+)$", head, re.IGNORECASE | re.MULTILINE)
    return tidy(found.group(1)) if found is not None else ""


def _markdown(head: str) -> str:
    """The title of its front matter, or its first heading, before which there may be text that is none, such as pictures."""
    lines = head.splitlines()
    if lines and lines[0].strip() == "---" and "---" in (one.strip() for one in lines[1:]):
        end = next(at for at, one in enumerate(lines) if at and one.strip() == "---")
        found = _field("\n".join(lines[1:end]), "title:")
        if found:
            return found.strip("\"'")
        lines = lines[end + 1 :]
    fenced = False
    for at, line in enumerate(lines):
        if _FENCE.match(line.lstrip()):
            fenced = not fenced
        if fenced:
            continue
        heading = re.match(r" {0,3}#{1,2}[ \t]+(.*?)[ \t]*#*[ \t]*$", line)
        if heading is not None:
            return tidy(_plain(heading.group(1)))
        if line.strip() and at + 1 < len(lines) and re.fullmatch(r" {0,3}=+[ \t]*", lines[at + 1]):
            return tidy(_plain(line))
    return ""


def _plain(heading: str) -> str:
    """Without what links, pictures and emphasis are written with."""
    heading = re.sub(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", heading)
    heading = re.sub(r"\{#[^}]*\}$", "", heading)
    return re.sub(r"[*`]|<[^>]{1,200}>", "", heading)


def _restructured(head: str) -> str:
    """The first line that is underlined, and maybe overlined."""
    lines = head.splitlines()
    for at in range(len(lines) - 1):
        line = lines[at].rstrip()
        under = lines[at + 1].rstrip()
        if line.strip() and not _UNDERLINE.match(line) and _UNDERLINE.match(under) and len(under) >= len(line.strip()):
            return tidy(line.replace("``", "").replace("*", ""))
    return ""


def _latex(head: str) -> str:
    """What C{\\title} has in its braces, without commands."""
    head = re.sub(r"(?<!\\)%.*", "", head)
    found = _LATEX.search(head)
    if found is None:
        return ""
    depth, at = 1, found.end()
    while at < len(head) and depth and at - found.end() < READ_MOST:
        depth += {"{": 1, "}": -1}.get(head[at], 0) if head[at - 1] != "\\" else 0
        at += 1
    if depth:
        return ""
    inner = re.sub(r"\\thanks\s*\{[^{}]*\}", "", head[found.end() : at - 1])
    return tidy(re.sub(r"\\[a-zA-Z]+\*?|\\\\|[{}~$]", " ", inner))


def _firstLine(head: str) -> str:
    """Of a text without marks: the first line if it stands alone, is short, and is no sentence, list, table, code or log."""
    lines = head.lstrip("\ufeff").lstrip("\n\r").splitlines()
    if not lines:
        return ""
    line = lines[0].strip()
    alone = len(lines) > 2 and (not lines[1].strip() or _UNDERLINE.match(lines[1].strip()) is not None) and any(map(str.strip, lines[2:]))
    number = len(words(line))
    if not alone or not 2 <= number <= 15 or len(line) > 100:
        return ""
    if line[-1] in ".,;:{}[]()=|\\/>\"'!" or re.match(r"[-*#<>{\[(|/=%@$\d\"']", line) or not line[0].isupper() or "://" in line:
        return ""
    letters = sum(one.isalpha() or one.isspace() for one in line)
    return tidy(line) if letters >= 0.85 * len(line) else ""
