"""How the C{superpeer} command shows what the peer says: tables on a terminal, plain lines elsewhere."""

import datetime
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from overlay.console.replies import clean, listingLines


def isTerminal(stream: TextIO) -> bool:
    return stream.isatty()


def _console() -> Any:
    from rich.console import Console

    return Console(no_color=bool(os.environ.get("NO_COLOR")), highlight=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """A table; tab-separated lines where nobody looks."""
    texts = [[clean("-" if one is None else str(one)) for one in row] for row in rows]
    if not isTerminal(sys.stdout):
        for row in texts:
            print("\t".join(row))
        return
    from rich.markup import escape
    from rich.table import Table

    made = Table(title=title or None, box=None, header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in texts:
        made.add_row(*map(escape, row))
    _console().print(made)


def size(count: int) -> str:
    """Bytes for people."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("not reached")


def hits(rows: Sequence[Mapping[str, Any]], explain: bool) -> None:
    """Rows of a search; on a terminal each with its passage, in which the matches are bold."""
    if isTerminal(sys.stdout):
        from rich.table import Table
        from rich.text import Text

        made = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("score", "size", "type", "changed", "owners", "location"):
            made.add_column(column, overflow="fold")
        for row in rows:
            where = Text(clean(row["location"]))
            if row["snippet"]:
                where.append_text(Text("\n")).append_text(marked(row["snippet"], row.get("marks", ())))
            made.add_row(
                f"{row['score']:.2f}", size(row["size"]), Text(clean(row["type"])),
                datetime.datetime.fromtimestamp(row["modified"], datetime.UTC).strftime("%Y-%m-%d"),
                ",".join(one[:8] for one in row["owners"]), where,
            )
        _console().print(made)
        return
    for row in rows:
        fields = [f"{row['score']:.3f}", row["content"], str(row["size"]), row["type"], ",".join(row["owners"]), row["location"]]
        if explain:
            fields.append(row["snippet"])
        print("\t".join(map(clean, fields)))


def marked(passage: str, marks: Iterable[Sequence[int]]) -> Any:
    """A passage with bold matches."""
    from rich.text import Text

    text = Text(clean(passage), style="dim")
    for start, end in marks:
        text.stylize("not dim bold", start, end)
    return text


def caret(text: str, at: int, word: str) -> str:
    """The text, and below it a line that points at the word."""
    def width(part: str) -> int:
        return sum(0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in part)

    return f"    {clean(text)}\n    {' ' * width(text[:at])}{'^' * max(1, width(word.splitlines()[0] if word else ''))}"


def nothing(end: Mapping[str, Any], phrase: bool = False) -> list[str]:
    """
    Why a search has found nothing, in sentences, as far as its last line says.

    @param phrase: whether words were to stand together.
    """
    # 251: somebody did not answer, or was out of reach of the ttl.
    record = "no record that was reached" if end.get("code") == 251 else "no record"
    said = [f"{record} has the word {word!r}" for word in end.get("unknown", ())]
    known: Mapping[str, int] = end.get("known", {})
    whole = end.get("unfiltered", 0)
    if not said and known and not whole:
        each = ", ".join(f"{word} ({count})" for word, count in known.items())
        what = "all of the words as they are asked for" if len(known) > 1 else "all of it as it is asked for"
        said.append(f"{record} has {what}; words by themselves are in so many: {each}")
        if phrase:
            said.append("words that stand together, as in quotes or around a hyphen, are found in names and in the first 4 KiB of a text")
    for one, count in end.get("excluded", {}).items():
        said.append(f"{one} leaves out {'all ' if count == whole else ''}{count} of {whole} records that match otherwise")
    if not said and end.get("code") in (250, 251):
        said.append(f"{record} has all of it as it is asked for")
    return said


def listing(value: Any) -> None:
    """Anything else."""
    for line in listingLines(value):
        print(line)


def peers(rows: Sequence[Mapping[str, Any]]) -> None:
    """Whom the peer knows."""
    columns = ("peer", "role", "alive", "linked", "state", "relation", "rtt", "load", "trust", "address")
    table(columns, [[_yesNo(row[one]) for one in columns] for row in rows])


def _yesNo(value: object) -> object:
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


def explainRole(said: Mapping[str, Any]) -> None:
    """Criterion by criterion, with value and threshold."""
    print(f"role: {said['role']} ({said['state']}), because {said['because']}")
    print(f"decided by the election plugin {said['plugin']}; setting: {said['setting']}")
    if said["barred"]:
        print(f"barred for {said['barred']} s after a promotion that did not last")
    if said["mandate"]:
        mandate = said["mandate"]
        print(
            f"mandate: seat {mandate['seat']} of {mandate['caller'][:8]}, votes of {', '.join(mandate['votes'])}"
            f" out of {', '.join(mandate['electorate'])}; {mandate['seconds left']} s left"
        )
    print("\nwhat is observed of it")
    for row in said["criteria"]:
        name, value, relation, threshold, unit, holds = _reason({"name": row["criterion"], **row})
        shown = [f"{name}:", value, relation, threshold, unit, f"({holds})" if holds else "", f"seen by {row['seen by'] or 'nobody yet'},"]
        print("  " + " ".join(str(one) for one in shown if one != "") + f" next look in {row['again']:.0f} s")
    for question in said["questions"]:
        extra = f", {question['score']:.1f} s" if question["question"].startswith("how long") else ""
        print(f"\n{question['question']}? {question['decision']}{extra}")
        reasons(question["reasons"])
    if said["observed"]:
        print("\nits leaves, as observed")
        for row in said["observed"]:
            print(f"  {row['peer']}: fitness {row['score']}, {'fit' if row['decision'] == 'yes' else 'not fit'}")
            reasons(row["reasons"], "    ")


def explainJoin(said: Mapping[str, Any]) -> None:
    """Source by source: what it found, and what each address answered."""
    waited = "" if said["unreached"] is None else f", for {said['unreached']} s"
    print(f"joined: {_yesNo(said['joined'])}{waited}: {clean(said['because'])}")
    columns = ("address", "name", "expected", "tries", "answer", "ago", "again in")
    for source in said["sources"]:
        again = f", asked again in {source['asked again in']} s" if source.get("asked again in") is not None else ""
        print(f"\n{clean(source['source'])}: {source['found']} found{again}")
        if source["problem"]:
            print(f"  {clean(source['problem'])}")
        if source["addresses"]:
            table(columns, [[row[one] for one in columns] for row in source["addresses"]])


def reasons(rows: Sequence[Mapping[str, Any]], indent: str = "  ") -> None:
    """Criteria of one verdict."""
    if isTerminal(sys.stdout):
        table(("criterion", "value", "", "threshold", "unit", "holds"), [_reason(row) for row in rows])
        return
    for row in rows:
        name, value, relation, threshold, unit, holds = _reason(row)
        print(indent + " ".join(str(one) for one in (f"{name}:", value, relation, threshold, unit, f"({holds})") if one not in ("", "()")))


def _reason(row: Mapping[str, Any]) -> tuple[object, ...]:
    relation = row["relation"] if row["threshold"] is not None else ""
    threshold = row["threshold"] if row["threshold"] is not None else ""
    holds = ("yes" if row["holds"] else "no") if row["threshold"] is not None else ""
    return row["name"], _yesNo(row["value"]), relation, _yesNo(threshold), row["unit"], holds
