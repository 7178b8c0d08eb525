"""The verbs of the line protocol, one class each: parsed from a line, and rendered as one."""

import re
from collections.abc import Callable
from typing import Any, ClassVar, Self

import attrs

from overlay.policy import nearest
from overlay.search.outcome import ORDERS
from overlay.search.wording import MATCHES, isType
from overlay.wire import limits

LINE_MOST = 1024
"""Octets of a request line, without its end."""
TYPES_MOST = 8


class CommandError(Exception):
    """
    A line that is not according to the protocol.

    @ivar code: three digits.
    @ivar word: the word that is wrong, or empty.
    """

    def __init__(self, code: int, text: str, word: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.word = word


@attrs.frozen
class Command:
    """
    @cvar verb: as written.
    @cvar format: its form, for HELP.
    @cvar help: what it does.
    @cvar operator: whether only the peer's operator may say it.
    """

    verb: ClassVar[str] = ""
    format: ClassVar[str] = ""
    help: ClassVar[str] = ""
    operator: ClassVar[bool] = False

    @classmethod
    def fromRest(cls, rest: str) -> Self:
        """
        @raise CommandError: the words after the verb are wrong.
        """
        if rest:
            raise CommandError(501, f"{cls.verb} takes nothing after it", rest.split()[0])
        return cls()

    def render(self) -> str:
        """The line, without its end."""
        return self.verb


def _number(key: str, value: str, kind: type, low: float, high: float) -> Any:
    try:
        number = kind(value)
    except ValueError:
        number = None
    if number is None or not low <= number <= high:
        raise CommandError(501, f"{key} is a number from {low:g} to {high:g}", f"{key}={value}")
    return number


@attrs.frozen
class SearchCommand(Command):
    """
    @ivar timeout: seconds, or None for the peer's own.
    @ivar order: C{rank} or C{arrival}.
    @ivar match: C{all} words, or C{any}.
    @ivar sort: one of L{overlay.search.outcome.ORDERS}.
    @ivar types: parts of media types, one of which is to be there.
    @ivar router: name of the router that is preferred, or empty.
    @ivar ttl: super-peers on the longest way; 0 for all.
    """

    verb = "SEARCH"
    format = (
        "SEARCH [limit=N] [timeout=SECONDS] [match=all|any] [sort=score|newest|size|name] [type=PART,...] [order=rank|arrival]"
        " [ttl=N|all] [router=NAME] QUERY"
    )
    help = "Search the network; see HELP QUERY and HELP SEARCH."
    text: str
    limit: int = 20
    timeout: float | None = None
    order: str = "rank"
    match: str = "all"
    sort: str = "score"
    types: tuple[str, ...] = ()
    router: str = ""
    ttl: int = limits.TTL_ALL

    @classmethod
    def fromRest(cls, rest: str) -> Self:
        given: dict[str, Any] = {}
        while True:
            word, _, after = rest.partition(" ")
            if word == ENOUGH:
                rest = after.lstrip(" ")
                break
            if not looksLikeOption(word):
                break
            key, _, value = word.partition("=")
            key = key.lower()
            if key not in _OPTIONS:
                raise CommandError(501, f"SEARCH has no option {key}{nearest(key, _OPTIONS)}", word)
            field = "types" if key == "type" else key
            if field in given:
                raise CommandError(501, f"{key} is given twice", word)
            given[field] = _OPTIONS[key](key, value)
            rest = after.lstrip(" ")
        if not rest.strip():
            raise CommandError(501, "SEARCH needs something to search for", "SEARCH")
        if given.get("order") == "arrival" and given.get("sort", "score") != "score":
            raise CommandError(501, "rows that are sorted cannot come as they arrive", f"sort={given['sort']}")
        return cls(rest.strip(), **given)

    def render(self) -> str:
        parts = [self.verb]
        if self.limit != 20:
            parts.append(f"limit={self.limit}")
        if self.timeout is not None:
            parts.append(f"timeout={self.timeout!r}")
        if self.types:
            parts.append("type=" + ",".join(self.types))
        if self.ttl != limits.TTL_ALL:
            parts.append(f"ttl={self.ttl}")
        for key, usual in (("order", "rank"), ("match", "all"), ("sort", "score"), ("router", "")):
            value = getattr(self, key)
            if value != usual:
                parts.append(f"{key}={value}")
        first = self.text.split(" ", 1)[0]
        if first == ENOUGH or looksLikeOption(first):
            parts.append(ENOUGH)
        return " ".join([*parts, self.text])


def _oneOf(*known: str) -> Callable[[str, str], str]:
    def check(key: str, value: str) -> str:
        if value not in known:
            raise CommandError(501, f"{key} is {', '.join(known[:-1])} or {known[-1]}", f"{key}={value}")
        return value

    return check


def _types(key: str, value: str) -> tuple[str, ...]:
    parts = tuple(dict.fromkeys(value.lower().split(",")))
    if len(parts) > TYPES_MOST or not all(map(isType, parts)):
        raise CommandError(501, f"{key} is up to {TYPES_MOST} parts of media types, as in {key}=pdf,text/", f"{key}={value}")
    return parts


def _ttl(key: str, value: str) -> int:
    return limits.TTL_ALL if value == "all" else int(_number(key, value, int, 1, limits.TTL_MOST))


def _router(key: str, value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", value) is None:
        raise CommandError(501, f"{key} is the name of a router", f"{key}={value}")
    return value


ENOUGH = "--"
"""After it there are no options, whatever words look like."""


def looksLikeOption(word: str) -> bool:
    """Whether it is taken for an option where one may stand."""
    key, equals, _ = word.partition("=")
    return bool(equals) and key.isalpha() and key.isascii()


_OPTIONS: dict[str, Callable[[str, str], Any]] = {
    "limit": lambda key, value: _number(key, value, int, 1, limits.WANT),
    "timeout": lambda key, value: _number(key, value, float, 0.05, limits.BUDGET),
    "match": _oneOf(*MATCHES),
    "sort": _oneOf(*ORDERS),
    "type": _types,
    "order": _oneOf("rank", "arrival"),
    "ttl": _ttl,
    "router": _router,
}


@attrs.frozen
class _Named(Command):
    """A verb with the name of a search."""

    name: str = ""

    @classmethod
    def fromRest(cls, rest: str) -> Self:
        words = rest.split()
        if len(words) != 1:
            raise CommandError(501, f"{cls.verb} takes the name of a search, as in {cls.verb} q1", rest or cls.verb)
        return cls(words[0].lower())

    def render(self) -> str:
        return f"{self.verb} {self.name}"


@attrs.frozen
class MoreCommand(_Named):
    verb = "MORE"
    format = "MORE qN"
    help = "The next rows of a search that has ended."


@attrs.frozen
class CancelCommand(_Named):
    verb = "CANCEL"
    format = "CANCEL qN"
    help = "End a search that runs."


@attrs.frozen
class ModeCommand(Command):
    verb = "MODE"
    format = "MODE JSON|TEXT"
    help = "Reply in JSON, one object in each line, or in text."
    mode: str = "TEXT"

    @classmethod
    def fromRest(cls, rest: str) -> Self:
        if rest.upper() not in ("JSON", "TEXT"):
            raise CommandError(501, "MODE is JSON or TEXT", rest or "MODE")
        return cls(rest.upper())

    def render(self) -> str:
        return f"{self.verb} {self.mode}"


@attrs.frozen
class ExplainCommand(Command):
    verb = "EXPLAIN"
    format = "EXPLAIN role | join | tree | peer PREFIX | search [N] | hit [N] | policies"
    help = (
        "Why this peer is or is not a super-peer, how it looks for others, where it stands in the spanning tree, what it holds of one,"
        " how a search went, why a hit of the last is in its place."
    )
    topic: str = "role"
    argument: str = ""

    @classmethod
    def fromRest(cls, rest: str) -> Self:
        topic, _, argument = rest.partition(" ")
        topic = topic.lower() or "role"
        if topic not in _TOPICS:
            raise CommandError(501, f"EXPLAIN knows {', '.join(_TOPICS)}{nearest(topic, _TOPICS)}", topic)
        argument = argument.strip()
        if topic == "peer" and not argument:
            raise CommandError(501, "EXPLAIN peer needs a prefix of an id", "peer")
        if topic in ("role", "join", "tree", "policies") and argument:
            raise CommandError(501, f"EXPLAIN {topic} takes nothing after it", argument.split()[0])
        return cls(topic, argument)

    def render(self) -> str:
        return f"{self.verb} {self.topic} {self.argument}".rstrip()


_TOPICS = ("role", "join", "tree", "peer", "search", "hit", "policies")


@attrs.frozen
class HelpCommand(Command):
    verb = "HELP"
    format = "HELP [QUERY|SEARCH]"
    help = "This list, the query language, or the options of SEARCH."
    topic: str = ""

    @classmethod
    def fromRest(cls, rest: str) -> Self:
        return cls(rest.strip().lower())

    def render(self) -> str:
        return f"{self.verb} {self.topic}".rstrip()


@attrs.frozen
class _Prefixed(Command):
    """A verb with a prefix of a peer's id."""

    operator = True
    prefix: str = ""

    @classmethod
    def fromRest(cls, rest: str) -> Self:
        words = rest.split()
        if len(words) != 1:
            raise CommandError(501, f"{cls.verb} takes a prefix of a peer's id", rest or cls.verb)
        return cls(words[0].lower())

    def render(self) -> str:
        return f"{self.verb} {self.prefix}"


@attrs.frozen
class InviteCommand(Command):
    verb = "INVITE"
    format = "INVITE [HOST:PORT]"
    help = "The string by which others join."
    operator = True
    address: str = ""

    @classmethod
    def fromRest(cls, rest: str) -> Self:
        if len(rest.split()) > 1:
            raise CommandError(501, "INVITE takes one address", rest.split()[1])
        return cls(rest)

    def render(self) -> str:
        return f"{self.verb} {self.address}".rstrip()


def _plain(name: str, explanation: str, onlyOperator: bool = False) -> type[Command]:
    """A verb that takes nothing."""
    kind = type(
        name.capitalize() + "Command", (Command,),
        {"verb": name, "format": name, "help": explanation, "operator": onlyOperator, "__doc__": explanation},
    )
    return attrs.frozen(kind)


def _prefixed(name: str, explanation: str) -> type[Command]:
    """A verb that takes a prefix of an id."""
    kind = type(
        name.capitalize() + "Command", (_Prefixed,),
        {"verb": name, "format": f"{name} PREFIX", "help": explanation, "__doc__": explanation},
    )
    return attrs.frozen(kind)


CapabilitiesCommand = _plain("CAPABILITIES", "What this console can do.")
StatusCommand = _plain("STATUS", "How this peer is.")
PeersCommand = _plain("PEERS", "Whom it knows.")
ShareCommand = _plain("SHARE", "What it shares, and what not.")
StatsCommand = _plain("STATS", "Counters.")
NetworkCommand = _plain("NETWORK", "The network that it belongs to.")
PingCommand = _plain("PING", "Are you there?")
QuitCommand = _plain("QUIT", "Close this connection, when the searches that run here have ended.")
RotateCommand = _plain("ROTATE", "Give the network a new key.", True)
BlockedCommand = _plain("BLOCKED", "Whom this peer blocks.", True)
ExpelCommand = _prefixed("EXPEL", "Put a peer out of the network.")
BlockCommand = _prefixed("BLOCK", "Have nothing to do with a peer.")
UnblockCommand = _prefixed("UNBLOCK", "Undo BLOCK.")

COMMANDS: dict[str, type[Command]] = {
    one.verb: one
    for one in (
        CapabilitiesCommand, HelpCommand, ModeCommand, SearchCommand, MoreCommand, CancelCommand, StatusCommand,
        PeersCommand, ShareCommand, ExplainCommand, StatsCommand, NetworkCommand, PingCommand, QuitCommand,
        InviteCommand, RotateCommand, ExpelCommand, BlockCommand, UnblockCommand, BlockedCommand,
    )
}
"""By verb."""


def parseLine(line: str, operator: bool = False) -> Command:
    """
    @param operator: whether the operator's verbs are allowed.
    @raise CommandError: the line is not a command.
    """
    verb, _, rest = line.strip().partition(" ")
    kind = COMMANDS.get(verb.upper())
    if kind is None:
        known = [one for one, command in COMMANDS.items() if operator or not command.operator]
        close = nearest(verb.upper(), known) if verb else ""
        raise CommandError(500, f"unknown verb{close if 'did you mean' in close else ''}; HELP lists them", verb)
    if kind.operator and not operator:
        raise CommandError(503, f"{kind.verb} is for the peer's operator: use the superpeer command", verb)
    return kind.fromRest(rest.strip())
