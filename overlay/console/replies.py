"""Replies of the line protocol as bytes, in text or in JSON."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from overlay.identity.ids import idText, shortText
from overlay.search.outcome import FoundHit

END = b"\r\n"
_SAFE = "/:@!$&'()*+,;=-._~"
_IN_FIELD = "/:@!$&'()*+;-._~<>"
Marker = Callable[[str], list[tuple[int, int]]]
"""Gives what of a passage matches."""


def clean(text: str) -> str:
    """One line, without control characters."""
    return "".join(one if one.isprintable() else " " for one in text)


def listingLines(value: Any, indent: str = "") -> list[str]:
    """A value as lines for people: C{name: value}, lists and tables below their name."""
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, one in value.items():
            if isinstance(one, Mapping | list | tuple) and one:
                lines.append(f"{indent}{key}:")
                lines.extend(listingLines(one, indent + "  "))
            else:
                lines.append(f"{indent}{key}: {_plain(one)}")
    elif isinstance(value, list | tuple):
        for one in value:
            if isinstance(one, Mapping):
                lines.append(indent + "- " + "  ".join(f"{key}={_inline(part)}" for key, part in one.items()))
            else:
                lines.append(f"{indent}- {_plain(one)}")
    else:
        lines.append(indent + _plain(value))
    return lines


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list | tuple):
        return "-" if not value else _inline(value)
    return clean(str(value))


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(one) for one in value) + "]"
    return _plain(value)


def _field(value: Any) -> str:
    """Several values of one field have commas between, and no spaces."""
    if isinstance(value, Mapping):
        return ",".join(f"{quote(str(key), _IN_FIELD)}={_plain(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ",".join(quote(str(one), _IN_FIELD) for one in value)
    return _plain(value)


class TextReplies:
    """As people read them."""

    def line(self, code: int, text: str, **fields: Any) -> bytes:
        """A status line."""
        parts = [str(code), clean(text), *(f"{key}={_field(value)}" for key, value in fields.items() if value not in ("", None))]
        return " ".join(part for part in parts if part).encode("utf-8", "replace") + END

    def row(self, name: str, hit: FoundHit, marker: Marker | None = None) -> bytes:
        """One row of a search."""
        parts = (
            name, f"{hit.score:.3f}", hit.content.hex(), str(hit.size), quote(hit.mediaType or "-", _SAFE),
            ",".join(shortText(one) for one in hit.owners), quote(hit.location, "/"),
        )
        return " ".join(parts).encode("ascii") + END

    def listing(self, code: int, text: str, value: Any) -> bytes:
        """A status line, dot-stuffed lines, and a line with a single dot."""
        return self.lines(code, text, listingLines(value))

    def lines(self, code: int, text: str, lines: Iterable[str]) -> bytes:
        stuffed = [("." + one if one.startswith(".") else one) for one in lines]
        return self.line(code, text) + b"".join(one.encode("utf-8", "replace") + END for one in (*stuffed, "."))


class JsonReplies:
    """As programs read them: the same content, one object in each line."""

    def _object(self, fields: Mapping[str, Any]) -> bytes:
        return json.dumps(fields, ensure_ascii=True, default=str).encode("ascii") + END

    def line(self, code: int, text: str, **fields: Any) -> bytes:
        return self._object(
            {"code": code, "text": text, **{key: value for key, value in fields.items() if value not in ("", None)}}
        )

    def row(self, name: str, hit: FoundHit, marker: Marker | None = None) -> bytes:
        return self._object(
            {
                "search": name, "score": round(hit.score, 6), "content": hit.content.hex(), "size": hit.size,
                "type": hit.mediaType, "owners": [idText(one) for one in hit.owners], "location": hit.location,
                "name": hit.name, "modified": hit.modified, "snippet": hit.snippet,
                "marks": marker(hit.snippet) if marker is not None and hit.snippet else [],
            }
        )

    def listing(self, code: int, text: str, value: Any) -> bytes:
        return self._object({"code": code, "text": text, "listing": value})

    def lines(self, code: int, text: str, lines: Iterable[str]) -> bytes:
        return self._object({"code": code, "text": text, "listing": list(lines)})
