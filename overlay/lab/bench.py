"""The command C{superpeer bench}: what other programs are to judge this one by."""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO

from overlay.console.render import isTerminal
from overlay.errors import SuperpeerError, UsageError
from overlay.garbage import collectSeldom
from overlay.index.dialect import analysisOf, dialectOf
from overlay.lab.collection import readDocuments, readQueries
from overlay.lab.retrieval import Ranked, Retrieval, lines
from overlay.policy import nearest
from overlay.wire import limits

EXACT, ESTIMATED, WRONG = 0, 1, 2
NAMED = 5
"""Queries that are named where something is amiss with them."""
MOST = 500
"""Super-peers; they all ask one another."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))


def bench(words: Sequence[str]) -> int:
    """
    @return: the exit status: 0 done, 1 the order of some query is an estimate, 2 wrong usage or input.
    """
    known = ("retrieval",)
    if not words or words[0] in ("-h", "--help"):
        print("superpeer bench retrieval --documents FILE --queries FILE --run FILE [--help]\n")
        print("retrieval   documents are shared in a network in the lab, queries are searched, and what is found is written as a TREC run")
        return EXACT
    try:
        if words[0] not in known:
            raise UsageError(f"there is no benchmark {words[0]!r}{nearest(words[0], known)}; there is: retrieval")
        return _retrieval(_parser().parse_args(list(words[1:])))
    except SuperpeerError as problem:
        print(f"superpeer bench: {problem}", file=sys.stderr)
        return WRONG


def _number(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError as problem:
            raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from problem
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be from {low} to {high}, not {value}")
        return value

    return number


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="superpeer bench retrieval", allow_abbrev=False,
        description="The documents are shared by their owners in a network of super-peers in the lab; each query is searched for any of its"
        " words; what is found is written as a TREC run (qid Q0 docid rank score tag), to be scored against published judgements.",
        epilog="Exit status: 0 done, 1 the order of some query is an estimate, 2 wrong usage or input.",
    )
    parser.add_argument(
        "--documents", required=True, type=Path, metavar="FILE",
        help="a JSON object in each line: id, text, and if there are any owner and title",
    )
    parser.add_argument("--queries", required=True, type=Path, metavar="FILE", help="a JSON object in each line: id and text")
    parser.add_argument("--run", required=True, type=Path, metavar="FILE", help="where the run is written")
    parser.add_argument("--super-peers", type=_number(1, MOST), default=10, metavar="N", help="[default: 10]")
    parser.add_argument(
        "--limit", type=_number(1, limits.WANT), default=limits.WANT, metavar="N", help=f"rows for a query [default: {limits.WANT}]"
    )
    parser.add_argument("--stem", default="", metavar="LANGUAGE", help="search by the stems of words, as in english")
    parser.add_argument("--stop-words", default="", metavar="LANGUAGE", help="leave out the words that say least, as in english")
    parser.add_argument("--tag", default="superpeer", metavar="NAME", help="last field of each line of the run [default: superpeer]")
    parser.add_argument("--json", action="store_true", help="say in JSON how it went")
    return parser


def _retrieval(args: argparse.Namespace) -> int:
    if len(args.tag.split()) != 1:
        raise UsageError("--tag takes one word")
    dialect = dialectOf(args.stem, args.stop_words)
    analysisOf(dialect)
    began = time.perf_counter(), time.process_time()
    documents, queries = readDocuments(args.documents), readQueries(args.queries)
    collectSeldom()
    said: dict[str, Any] = {
        "documents": len(documents), "owners": len({one.owner for one in documents}), "super-peers": args.super_peers,
        "queries": len(queries), "rows": 0, "estimated": [], "empty": [], "shortened": [],
    }
    with _output(args.run) as out, _progress() as progress:
        retrieval = Retrieval(documents, args.super_peers, dialect, progress)
        said["leaves"], said["cut"] = retrieval.leaves, retrieval.cut
        for ranked in retrieval.run(queries, args.limit):
            out.writelines(f"{line}\n" for line in lines(ranked, args.tag))
            _note(said, ranked)
    said["wall_seconds"], said["cpu_seconds"] = round(time.perf_counter() - began[0], 1), round(time.process_time() - began[1], 1)
    if args.json:
        print(json.dumps(said, ensure_ascii=False))
    else:
        for line in _summary(said, args.run):
            print(line)
    return ESTIMATED if said["estimated"] else EXACT


def _note(said: dict[str, Any], ranked: Ranked) -> None:
    said["rows"] += len(ranked.rows)
    if not ranked.exact:
        said["estimated"].append(ranked.query.id)
    if not ranked.rows:
        said["empty"].append(ranked.query.id)
    if ranked.left:
        said["shortened"].append(ranked.query.id)


def _summary(said: dict[str, Any], run: Path) -> Iterator[str]:
    yield (
        f"{said['documents']:,} documents at {said['leaves']:,} peers and {said['super-peers']} super-peers;"
        f" {said['queries']:,} queries, {said['rows']:,} rows in {run}; {said['wall_seconds']:.1f} s"
    )
    exact = said["queries"] - len(said["estimated"])
    yield f"in the order of one index: {exact:,} of {said['queries']:,} queries"
    for name, meaning in (
        ("estimated", "the order is an estimate"), ("empty", "nothing was found"),
        ("shortened", f"words were left out, as a query has room for {limits.QUERY_TERMS} in {limits.EXPRESSION:,} characters"),
    ):
        ids = said[name]
        if ids:
            yield f"{meaning}: {', '.join(ids[:NAMED])}{f' and {len(ids) - NAMED:,} more' if len(ids) > NAMED else ''}"
    if said["cut"]:
        yield f"documents of which only the {limits.TERMS:,} most frequent words are in the index: {said['cut']:,}"


@contextlib.contextmanager
def _output(path: Path) -> Iterator[TextIO]:
    """
    A file that is there once all of it is written; before that it has another name.

    @raise UsageError: it cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8") as out:
                yield out
            return
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    except OSError as problem:
        raise UsageError(f"--run {path} cannot be written: {problem.strerror or problem}") from problem
    try:
        with os.fdopen(number, "w", encoding="utf-8") as out:
            yield out
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A line on the terminal that says how far it is."""
    if not isTerminal(sys.stderr):
        yield lambda what, done, whole: None
        return

    def progress(what: str, done: int, whole: int) -> None:
        sys.stderr.write(f"\r\x1b[K{what}: {done:,} of {whole:,}")
        sys.stderr.flush()

    try:
        yield progress
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
