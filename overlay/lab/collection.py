"""A test collection as files have it: documents and queries, a JSON object in each line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from overlay.errors import UsageError
from overlay.index.record import isEncodable


@attrs.frozen(slots=True)
class Written:
    """
    One document.

    @ivar owner: who shares it; empty if its line names nobody.
    """

    id: str
    owner: str
    title: str
    text: str


@attrs.frozen(slots=True)
class Asked:
    """One query, in plain words."""

    id: str
    text: str


class Bad(UsageError):
    """A line of a file is not what it should be; the message names file, line and field."""


class _Line:
    """One line of a file, and its fields."""

    def __init__(self, path: Path, number: int, raw: bytes) -> None:
        self._where = f"{path}, line {number}"
        try:
            found = json.loads(raw.decode("utf-8"))
        except UnicodeDecodeError as problem:
            raise self.bad(f"is not UTF-8 (byte {problem.start + 1} of the line)") from problem
        except json.JSONDecodeError as problem:
            raise self.bad(f"is no JSON: {problem.msg} (column {problem.colno})") from problem
        except RecursionError as problem:
            raise self.bad("is no JSON object of strings: it is nested too deep") from problem
        if not isinstance(found, dict):
            raise self.bad("is no JSON object")
        self._fields: dict[str, Any] = found

    def bad(self, what: str) -> Bad:
        return Bad(f"{self._where}: {what}")

    def text(self, name: str, needed: bool) -> str:
        """
        @param needed: whether the field must be there; otherwise it may be missing, or null, and is empty then.
        """
        value = self._fields.get(name)
        if value is None and not needed:
            return ""
        if not isinstance(value, str):
            missing = name not in self._fields
            raise self.bad(f"the field {name!r} {'is missing' if missing else f'must be a string, not {_kindOf(value)}'}")
        return value

    def id(self) -> str:
        """A number will do."""
        value = self._fields.get("id")
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        found = self.text("id", True)
        if not found:
            raise self.bad("the field 'id' is empty")
        if not isEncodable(found) or "\0" in found:
            raise self.bad("the field 'id' holds a character that cannot be written")
        return found

    def owner(self) -> str:
        value = self._fields.get("owner")
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self.text("owner", False)


def _kindOf(value: object) -> str:
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "an array", dict: "an object"}
    return kinds[type(value)]


def _lines(path: Path) -> Iterator[tuple[str, _Line]]:
    """
    Id and fields of each line that is not blank.

    @raise Bad: a line is no object with an id, or the id was there before.
    """
    before: dict[str, int] = {}
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                if not raw.strip():
                    continue
                line = _Line(path, number, raw)
                key = written(line.id())
                if key in before:
                    raise line.bad(f"the field 'id' has the value {key!r} of line {before[key]}")
                before[key] = number
                yield key, line
    except OSError as problem:
        raise Bad(f"{path} cannot be read: {problem.strerror or problem}") from problem
    if not before:
        raise Bad(f"{path} has no lines")


def readDocuments(path: Path) -> list[Written]:
    """
    Documents with C{id}, C{text}, and if they have them C{title} and C{owner}.

    @raise Bad: the file cannot be read, or a line of it cannot be understood.
    """
    return [Written(key, line.owner(), line.text("title", False), line.text("text", True)) for key, line in _lines(path)]


def readQueries(path: Path) -> list[Asked]:
    """
    Queries with C{id} and C{text}.

    @raise Bad: as L{readDocuments}.
    """
    return [Asked(key, line.text("text", True)) for key, line in _lines(path)]


def written(id: str) -> str:
    """
    An id as a run file has it, whose fields are parted by white space: as it is, unless it has white space itself. Then that and C{%} are
    percent-encoded.
    """
    if not any(map(_parts, id)):
        return id
    return "".join("".join(f"%{byte:02X}" for byte in one.encode("utf-8")) if one == "%" or _parts(one) else one for one in id)


def _parts(one: str) -> bool:
    return one.isspace() or not (one.isprintable() or ord(one) > 0x9F)
