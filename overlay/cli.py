"""The C{superpeer} command: a client of the line protocol and nothing more."""

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from overlay import __version__
from overlay.console import render
from overlay.console.client import DEFAULT, Client, NotConnected, Refused
from overlay.errors import BadQuery, SuperpeerError, UsageError
from overlay.options import defaultData

HITS, NOTHING, WRONG, UNREACHED = 0, 1, 2, 3
INTERRUPTED = 130
EXPLAINED = 20
"""Rows of a search whose scores C{--explain} takes apart."""


def _parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="superpeer", description="Search a network of elected super-peers. Start a peer with: twistd -n superpeer --share DIR",
        epilog="Exit status: 0 done (for a search: hits), 1 no hits, 2 wrong usage or an error, 3 no peer to talk to.",
    )
    whole.add_argument("--version", action="version", version=f"superpeer {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--console", metavar="HOST:PORT|unix:PATH", help="where the peer's console is [default: $SUPERPEER_CONSOLE, or what --data says]"
    )
    common.add_argument("--data", metavar="DIR", help="the peer's data folder [default: $SUPERPEER_DATA, or the usual one]")
    common.add_argument("--json", action="store_true", help="answer in JSON")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, explanation: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=explanation, description=explanation, parents=[common])

    search = add("search", "Search the network.")
    search.add_argument("words", nargs="+", metavar="QUERY", help="words; see HELP QUERY at the console")
    search.add_argument("--limit", type=int, default=20, metavar="N", help="rows [default: 20]")
    search.add_argument("--timeout", type=float, metavar="SECONDS", help="how long it may take")
    search.add_argument("--match", metavar="all|any", help="any: the more of the words the better, for whole questions [default: all]")
    search.add_argument("--sort", metavar="score|newest|size|name", help="order of the rows [default: score]")
    search.add_argument("--type", metavar="PART,...", help="one of these in the media type, as in pdf,text/")
    search.add_argument("--ttl", metavar="N|all", help="super-peers on the longest way, your own home included [default: all]")
    search.add_argument("--router", metavar="NAME", help="the router that super-peers are asked to use")
    search.add_argument("--explain", action="store_true", help="show passages, how the search went, and every part of the scores")
    add("status", "How this peer is.")
    add("peers", "Whom this peer knows.")
    add("share", "What this peer shares, and what not.")
    add("stats", "Counters of this peer.")
    explain = add(
        "explain",
        "Why: explain role, explain join, explain tree, explain peer PREFIX, explain search [N], explain hit [N], explain policies.",
    )
    explain.add_argument("topic", choices=("role", "join", "tree", "peer", "search", "hit", "policies"))
    explain.add_argument("argument", nargs="?", default="", help="whose id begins so; 1 for the last search; a row by number or hash")
    plugins = add("plugins", "Every plugin of every point, with its arguments, its help and its file; needs no running peer.")
    plugins.add_argument("--plugin-dir", action="append", default=[], metavar="DIR", help="a folder with plugin files of your own")
    invite = add("invite", "Print the string by which others join: twistd superpeer --join STRING.")
    invite.add_argument("address", nargs="?", default="", metavar="HOST:PORT", help="[default: the advertised or observed address]")
    network = add("network", "The network; 'network rotate' gives it a new key, 'network expel PREFIX' puts a peer out (founder only).")
    network.add_argument("action", nargs="?", default="show", choices=("show", "rotate", "expel"))
    network.add_argument("prefix", nargs="?", default="", help="of the id of the peer to expel")
    block = add("block", "Have nothing to do with a peer; without a prefix, list whom this peer blocks.")
    block.add_argument("prefix", nargs="?", default="")
    unblock = add("unblock", "Undo block.")
    unblock.add_argument("prefix")
    demo = commands.add_parser(
        "demo", help="Start a real network on this machine, search it, and break it.",
        description="Start a network of a dozen peers on this machine, search it, cut cables, kill a super-peer, and search it again.",
    )
    demo.add_argument("--share", metavar="DIR", help="what to share [default: the standard library of this Python]")
    demo.add_argument("--keep", action="store_true", help="leave the network running until Ctrl-C")
    commands.add_parser(
        "lab", help="Measure networks of thousands of real peers under virtual time; without a name, list the experiments.",
        add_help=False,
    )
    commands.add_parser(
        "bench", help="Let other programs judge this one: 'bench retrieval' ranks a test collection and writes a TREC run.", add_help=False,
    )
    return whole


def _data(args: argparse.Namespace) -> Path:
    if args.data:
        return Path(args.data).expanduser()
    given = os.environ.get("SUPERPEER_DATA")
    return Path(given).expanduser() if given else defaultData(os.environ)


def _runtime(args: argparse.Namespace) -> dict[str, Any]:
    """What a running peer wrote down about itself; empty if there is none."""
    try:
        found = json.loads((_data(args) / "runtime.json").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _connect(args: argparse.Namespace, operator: bool = False) -> Client:
    given = args.console
    if given is None and not args.data:
        given = os.environ.get("SUPERPEER_CONSOLE")
    if given and not operator:
        return Client(_consoleAddress(given))
    found = _runtime(args).get("control" if operator else "console")
    if found:
        return Client(f"unix:{found}" if operator else str(found))
    if operator or args.data or os.environ.get("SUPERPEER_DATA"):
        # Whoever else answers at the usual port is not the peer that was meant.
        raise NotConnected(f"no peer runs on the data folder {_data(args)} (choose another with --data)")
    return Client(DEFAULT)


def _consoleAddress(text: str) -> str:
    """An address as a user writes it, or the endpoint that a daemon was given."""
    if not text.startswith("tcp:"):
        return text
    port, host = text.split(":")[1], "127.0.0.1"
    for part in text.split(":")[2:]:
        if part.startswith("interface="):
            host = part.removeprefix("interface=")
    return f"{host}:{port}"


def _show(args: argparse.Namespace, value: Any, plainly: Any = render.listing) -> int:
    if args.json:
        print(json.dumps(value, indent=None if not render.isTerminal(sys.stdout) else 2, ensure_ascii=False))
    else:
        plainly(value)
    return HITS


def _search(args: argparse.Namespace) -> int:
    from overlay.console.commands import ENOUGH, looksLikeOption

    options = [f"limit={args.limit}"]
    for name in ("timeout", "match", "sort", "type", "ttl", "router"):
        value = getattr(args, name)
        if value is not None:
            if len(str(value).split()) != 1:
                raise UsageError(f"--{name} takes one word")
            options.append(f"{name}={value}")
    query = " ".join(" ".join(args.words).split())
    first = query.split(" ", 1)[0]
    if first == ENOUGH or looksLikeOption(first):
        options.append(ENOUGH)
    rows: list[dict[str, Any]] = []
    end: dict[str, Any] = {}
    with _connect(args) as client, _progress(args) as progress:
        try:
            for reply in client.search(" ".join(options), query):
                if "code" in reply:
                    end = reply
                else:
                    rows.append(reply)
                    progress(len(rows))
        except KeyboardInterrupt:
            client.send("CANCEL q1")
            raise
        except Refused as problem:
            problem.query = query
            raise
        explanation = None
        if args.explain:
            explanation = client.request("EXPLAIN search")["listing"]
            numbers = range(1, min(len(rows), EXPLAINED) + 1)
            explanation["hits"] = {str(number): client.request(f"EXPLAIN hit {number}")["listing"] for number in numbers}
    if args.json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        print(json.dumps(end if explanation is None else {**end, "explanation": explanation}, ensure_ascii=False))
    else:
        render.hits(rows, args.explain)
        if explanation is not None:
            render.listing(explanation)
        for line in [] if rows else render.nothing(end, _hasPhrase(query)):
            print(line, file=sys.stderr)
        print(_summary(end), file=sys.stderr)
    return HITS if rows else NOTHING


def _hasPhrase(query: str) -> bool:
    """Whether words are to stand together: those between quotes, and the parts of one like C{snail-mailbox}."""
    from overlay.index.expression import Phrase, positive
    from overlay.search.language import parseQuery

    try:
        return any(isinstance(one, Phrase) for one in positive(parseQuery(query)))
    except BadQuery:
        return False


def _summary(end: dict[str, Any]) -> str:
    hits = end.get("hits", 0)
    answered = f"{end.get('answered', 0)} of {end.get('asked', 0)} super-peers answered, {end.get('time', '?')} s"
    said = f"{hits} hit{'' if hits == 1 else 's'}, {answered}"
    if end.get("pruned"):
        said += f"; {end['pruned']} hold nothing that matches, by their summaries"
    if end.get("beyond"):
        said += "; others were beyond the ttl"
    if end.get("unasked"):
        part = f"{100 * end.get('part', 0):.0f} % of the network"
        said += f"; that was enough: {end['unasked']} others ({part}) were not asked (--limit asks on)"
    if end.get("held"):
        said += f"; {end['held']} more (--limit)"
    if end.get("code") == 251:
        said += "; not everybody answered, so there may be more"
    if end.get("left"):
        said += f"; too many words, left out: {', '.join(end['left'])}"
    return said


@contextlib.contextmanager
def _progress(args: argparse.Namespace) -> Any:
    """A line on the terminal while a search runs."""
    if args.json or not render.isTerminal(sys.stderr):
        yield lambda count: None
        return
    sys.stderr.write("searching ...")
    sys.stderr.flush()
    try:
        yield lambda count: None
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _plugins(args: argparse.Namespace) -> int:
    from overlay.policy import addPluginFolder, findPlugins, isDefault

    for folder in args.plugin_dir or filter(None, os.environ.get("SUPERPEER_PLUGIN_DIR", "").split(os.pathsep)):
        addPluginFolder(Path(folder).expanduser())
    catalogue = findPlugins()
    rows = [
        {
            "point": one.point, "name": one.name, "default": isDefault(one.point, one.name),
            "arguments": one.argFormat, "help": one.help, "file": one.file,
        }
        for one in catalogue.plugins
    ]
    if args.json:
        print(json.dumps({"plugins": rows, "problems": list(catalogue.problems)}, ensure_ascii=False))
    else:
        columns = ("point", "name", "arguments", "help", "file")
        render.table(columns, [[row[one] for one in columns] for row in rows])
        for problem in catalogue.problems:
            print(f"not usable: {problem}", file=sys.stderr)
    return HITS


def _explain(args: argparse.Namespace) -> int:
    with _connect(args) as client:
        said = client.request(f"EXPLAIN {args.topic} {args.argument}".rstrip())["listing"]
    return _show(args, said, {"role": render.explainRole, "join": render.explainJoin}.get(args.topic, render.listing))


def _operate(args: argparse.Namespace, line: str) -> int:
    with _connect(args, operator=True) as client:
        reply = client.request(line.strip())
    value = reply.get("listing", reply.get("text"))
    if args.json:
        print(json.dumps(value, ensure_ascii=False))
    elif isinstance(value, str):
        print(value)
    else:
        render.listing(value)
    return HITS


def _list(args: argparse.Namespace) -> int:
    with _connect(args) as client:
        said = client.request(args.command.upper())["listing"]
    return _show(args, said, render.peers if args.command == "peers" else render.listing)


def _network(args: argparse.Namespace) -> int:
    if args.action == "show":
        return _list(args)
    if args.action == "expel" and not args.prefix:
        raise UsageError("network expel needs a prefix of a peer's id")
    return _operate(args, f"{args.action.upper()} {args.prefix}")


def _run(args: argparse.Namespace) -> int:
    command = args.command
    if command == "search":
        return _search(args)
    if command == "plugins":
        return _plugins(args)
    if command == "explain":
        return _explain(args)
    if command == "network":
        return _network(args)
    if command == "invite":
        return _operate(args, f"INVITE {args.address}")
    if command == "block":
        return _operate(args, f"BLOCK {args.prefix}" if args.prefix else "BLOCKED")
    if command == "unblock":
        return _operate(args, f"UNBLOCK {args.prefix}")
    if command == "demo":
        from overlay.demo import main as demo

        started = time.monotonic()
        return demo(args.share, args.keep, lambda: time.monotonic() - started)
    return _list(args)


def _asWord(word: str) -> str:
    """C{-not} is a word of a query, which must not be taken for an option; the space says so to argparse."""
    return " " + word if word.startswith("-") and not word.startswith("--") and word != "-h" and len(word) > 1 else word


def main(argv: Sequence[str] | None = None) -> int:
    """
    @return: the exit status.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["search"]:
        words = [_asWord(one) for one in words]
    try:
        if words[:1] == ["lab"]:
            # A world of its own, with options that each experiment declares.
            from overlay.lab.command import lab
            from overlay.lab.interruption import Interruption

            return lab(words[1:], Interruption(last=True))
        if words[:1] == ["bench"]:
            from overlay.lab.bench import bench

            return bench(words[1:])
        return _run(_parser().parse_args(words))
    except NotConnected as problem:
        return _fail(problem, UNREACHED)
    except Refused as problem:
        word = problem.reply.get("word")
        retry = problem.reply.get("retry")
        said = str(problem) + (f" (at {word!r})" if word and str(word) not in str(problem) else "")
        if problem.query and "at" in problem.reply and render.isTerminal(sys.stderr):
            said += "\n" + render.caret(problem.query, int(problem.reply["at"]), str(word or ""))
        return _fail(said + (f"; try again in {retry} s" if retry else ""), WRONG)
    except (SuperpeerError, ValueError) as problem:
        return _fail(problem, WRONG)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has gone; nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return HITS


def _fail(problem: object, status: int) -> int:
    print(f"superpeer: {problem}", file=sys.stderr)
    return status


def run() -> NoReturn:
    """For C{python -m}."""
    sys.exit(main())


if __name__ == "__main__":
    run()
