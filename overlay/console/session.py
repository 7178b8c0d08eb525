"""One conversation in the line protocol, without any socket: lines in, bytes out."""

from collections import OrderedDict
from collections.abc import Callable

import attrs
from twisted.logger import Logger

from overlay.console import commands
from overlay.console.commands import COMMANDS, Command, CommandError, SearchCommand, parseLine
from overlay.console.desk import IDesk
from overlay.console.replies import JsonReplies, TextReplies
from overlay.errors import SuperpeerError
from overlay.identity.ids import idText
from overlay.search.outcome import ORDERS, FoundHit, Outcome
from overlay.search.wording import MATCHES
from overlay.wire import limits

RUNNING_MOST = 16
"""Searches of one connection that may run at once."""
KEPT_MOST = 16
"""Searches that have ended and may be continued with MORE."""
_HTTP = ("GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "DELETE ", "PATCH ", "CONNECT ", "TRACE ", "PRI ")
QUERY_HELP = (
    "word word        both words, anywhere in text, name or location",
    "word OR word     either; OR in capitals; it parts all that is to its left from all to its right, filters too",
    "-word            without it",
    '"a phrase"       one after the other',
    "pre*             words that begin so, at least two characters",
    "(a OR b) c       c, and a or b",
    "name:word        in name or location only",
    "type:pdf         in the media type",
    "ext:py           the extension",
    "size:>1M         also <, >=, <=, 10k..2M; k M G are 1000s, Ki Mi Gi 1024s",
    "after:2024-05    changed since; before: likewise",
    "owner:PREFIX     of the owner's id",
    "Case, width and accents do not matter. A phrase is of exactly these words, also where the network finds words by their stems.",
)
SEARCH_HELP = (
    "limit=20            rows; MORE has the next",
    "timeout=10          seconds",
    "match=any           any of the words, the more the better: for whole questions; match=all is usual",
    "sort=newest         also size (the largest first), name, score",
    "type=pdf,text/      one of these in the media type",
    "order=arrival       rows as they come, with scores of the moment",
    "ttl=1               super-peers on the longest way, your own home included; all is usual",
    "router=NAME         the router that every super-peer on the way is asked to use, if it has it: flood and tree ask everybody,",
    "                    rings the nearest first and outward, until there are as many rows as are wanted",
    "--                  no more options, even if the query begins with a word like E=mc2",
)


@attrs.define(slots=True, eq=False)
class _Running:
    """
    One search, or the continuation of one.

    @ivar shown: contents of rows that were sent.
    @ivar early: rows that came before the search had a handle.
    """

    name: str
    command: SearchCommand
    handle: object = None
    shown: set[bytes] = attrs.field(factory=set)
    running: bool = True
    count: int = 0
    early: list[FoundHit] = attrs.field(factory=list)


class Session:
    """
    @ivar outstanding: searches that run; the connection stays open for them after the input has ended.
    @ivar ended: whether no further line is taken.
    """

    _log = Logger(namespace="superpeer.console")

    def __init__(
        self, desk: IDesk, write: Callable[[bytes], None], close: Callable[[], None], operator: bool = False,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        """
        @param write: takes the replies.
        @param close: ends the conversation once everything is written.
        @param settled: called when a search has ended.
        """
        self._desk = desk
        self._write = write
        self._close = close
        self._operator = operator
        self._settled = settled
        self._replies: TextReplies | JsonReplies = TextReplies()
        self._searches: OrderedDict[str, _Running] = OrderedDict()
        self._number = 0
        self._first = True
        self._quitting = False
        self.ended = False

    @property
    def outstanding(self) -> int:
        return sum(one.running for one in self._searches.values())

    def begin(self) -> None:
        """Greet."""
        self._say(200, f"superpeer/1 {idText(self._desk.peerId)} ready, HELP for help")

    def _say(self, code: int, text: str, **fields: object) -> None:
        self._write(self._replies.line(code, text, **fields))

    def lineTooLong(self) -> None:
        """A line of more octets than allowed; the conversation ends."""
        self._say(502, f"a line has at most {commands.LINE_MOST} octets")
        self._finish()

    def stop(self) -> None:
        """The other side is gone: end its searches."""
        self.ended = True
        for one in list(self._searches.values()):
            if one.running and one.handle is not None:
                one.handle.cancel()  # type: ignore[attr-defined]

    def _finish(self) -> None:
        self.ended = True
        for one in list(self._searches.values()):
            if one.running and one.handle is not None:
                one.handle.cancel()  # type: ignore[attr-defined]
        self._close()

    def lineReceived(self, line: bytes) -> None:
        """One request line, without its end."""
        if self.ended:
            return
        first, self._first = self._first, False
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            self._say(501, "a line is UTF-8")
            return
        if first and text.startswith(_HTTP):
            self._say(500, "this is no web server")
            self._finish()
            return
        if not text.strip():
            return
        try:
            command = parseLine(text, self._operator)
            if not self._quitting or command.verb == "CANCEL":
                self._obey(command)
        except CommandError as problem:
            self._say(problem.code, problem.text, word=problem.word)
        except SuperpeerError as problem:
            self._say(504, str(problem))
        except Exception:
            self._log.failure("the console failed at a line")
            self._say(402, "this peer failed at that; its log says why")

    def _obey(self, command: Command) -> None:
        method = getattr(self, "_do" + command.verb.capitalize())
        method(command)

    # --- listings ----------------------------------------------------------------------------------------------------

    def _doCapabilities(self, command: Command) -> None:
        verbs = [one.verb for one in COMMANDS.values() if self._operator or not one.operator]
        self._write(self._replies.lines(201, "capabilities follow", [
            "VERSION 1", f"IMPLEMENTATION superpeer/{self._desk.version}", "VERBS " + " ".join(verbs), "MODE JSON TEXT",
            "ORDER rank arrival", "MATCH " + " ".join(MATCHES), "SORT " + " ".join(ORDERS), f"TTL {limits.TTL_MOST}",
            f"LIMIT {limits.WANT}", f"TIMEOUT {limits.BUDGET:g}", f"SEARCHES {RUNNING_MOST}",
        ]))

    def _doHelp(self, command: commands.HelpCommand) -> None:
        if command.topic == "query":
            self._write(self._replies.lines(201, "the query language", QUERY_HELP))
            return
        if command.topic == "search":
            self._write(self._replies.lines(201, "options of SEARCH", SEARCH_HELP))
            return
        known = [one for one in COMMANDS.values() if self._operator or not one.operator]
        width = max(len(one.format) for one in known if one.verb != "SEARCH") + 2
        lines = [
            f"{one.format:<{width}}{one.help}" if len(one.format) < width else f"{one.format}  {one.help}" for one in known
        ]
        self._write(self._replies.lines(201, "help follows", lines))

    def _doMode(self, command: commands.ModeCommand) -> None:
        self._replies = JsonReplies() if command.mode == "JSON" else TextReplies()
        self._say(202, f"mode {command.mode}")

    def _doStatus(self, command: Command) -> None:
        self._write(self._replies.listing(201, "status follows", self._desk.status()))

    def _doPeers(self, command: Command) -> None:
        self._write(self._replies.listing(201, "peers follow", self._desk.peers()))

    def _doShare(self, command: Command) -> None:
        self._write(self._replies.listing(201, "share follows", self._desk.share()))

    def _doExplain(self, command: commands.ExplainCommand) -> None:
        self._write(self._replies.listing(201, "explanation follows", self._desk.explain(command.topic, command.argument)))

    def _doStats(self, command: Command) -> None:
        self._write(self._replies.listing(201, "counters follow", self._desk.stats()))

    def _doNetwork(self, command: Command) -> None:
        self._write(self._replies.listing(201, "network follows", self._desk.network()))

    def _doPing(self, command: Command) -> None:
        self._say(202, "pong")

    def _doQuit(self, command: Command) -> None:
        """Searches that run are waited for, at most as long as each may take: whoever pipes SEARCH and QUIT gets the rows."""
        self._quitting = True
        self._quit()

    def _quit(self) -> None:
        if self._quitting and not self.outstanding and not self.ended:
            self._say(205, "goodbye")
            self._finish()

    # --- the operator ------------------------------------------------------------------------------------------------

    def _doInvite(self, command: commands.InviteCommand) -> None:
        self._say(202, self._desk.invite(command.address))

    def _doRotate(self, command: Command) -> None:
        self._desk.rotate()
        self._say(202, "the network has a new key")

    def _doExpel(self, command: Command) -> None:
        self._say(202, f"expelled {self._desk.expel(command.prefix)}")  # type: ignore[attr-defined]

    def _doBlock(self, command: Command) -> None:
        self._say(202, f"blocked {self._desk.block(command.prefix)}")  # type: ignore[attr-defined]

    def _doUnblock(self, command: Command) -> None:
        self._say(202, f"unblocked {self._desk.unblock(command.prefix)}")  # type: ignore[attr-defined]

    def _doBlocked(self, command: Command) -> None:
        self._write(self._replies.listing(201, "blocked peers follow", self._desk.blocked()))

    # --- searches ----------------------------------------------------------------------------------------------------

    def _doSearch(self, command: SearchCommand) -> None:
        if self.outstanding >= RUNNING_MOST:
            self._say(403, f"{RUNNING_MOST} searches run already", retry=1)
            return
        router, routers = command.router, self._desk.routers()
        if router and router not in routers:
            raise CommandError(501, f"there is no router {router!r}; there are: {', '.join(routers)}", f"router={router}")
        self._number += 1
        one = self._searches[f"q{self._number}"] = _Running(f"q{self._number}", command)
        while len(self._searches) > KEPT_MOST + RUNNING_MOST:
            old = next((name for name, kept in self._searches.items() if not kept.running), None)
            if old is None:
                break
            del self._searches[old]
        self._launch(one, command.limit)

    def _launch(self, one: _Running, want: int) -> None:
        self._say(150, f"{one.name} asking")
        arrival = one.command.order == "arrival"
        one.running = True
        one.count = 0
        one.handle = self._desk.search(
            one.command.text, want, one.command.timeout, (lambda hits: self._stream(one, hits)) if arrival else None,
            match=one.command.match, types=one.command.types, sort=one.command.sort, ttl=one.command.ttl, router=one.command.router,
        )
        early, one.early = one.early, []
        self._stream(one, early)
        one.handle.finished.addCallback(lambda outcome: self._ended(one, outcome))

    def _stream(self, one: _Running, hits: list[FoundHit]) -> None:
        if one.handle is None:
            one.early += hits
            return
        for hit in hits:
            if one.count >= one.command.limit:
                return
            if hit.content not in one.shown:
                self._row(one, hit)

    def _row(self, one: _Running, hit: FoundHit) -> None:
        one.shown.add(hit.content)
        one.count += 1
        self._write(self._replies.row(one.name, hit, one.handle.marks if one.handle is not None else None))  # type: ignore[attr-defined]

    def _ended(self, one: _Running, outcome: Outcome) -> None:
        one.running = False
        if not self.ended:
            for hit in outcome.hits:
                if hit.content not in one.shown and one.count < one.command.limit:
                    self._row(one, hit)
            self._sayOutcome(one, outcome)
        one.handle = None
        self._quit()
        self._settled()

    def _sayOutcome(self, one: _Running, outcome: Outcome) -> None:
        if outcome.status == "failed" and outcome.code == "query":
            self._say(501, f"{one.name} {outcome.text}", word=outcome.word, at=outcome.at if outcome.at >= 0 else None)
            return
        if outcome.status in ("failed", "refused"):
            retry = max(1, round(outcome.retry + 0.5)) if outcome.retry else None
            self._say(401, f"{one.name} {outcome.code}: {outcome.text}", retry=retry)
            return
        unshown = sum(hit.content not in one.shown for hit in outcome.hits)
        held = outcome.held + unshown
        code = {"cancelled": 253, "incomplete": 251}.get(outcome.status, 252 if held else 250)
        self._say(
            code, one.name, hits=one.count, asked=outcome.asked, answered=outcome.answered, lost=outcome.lost,
            missing=outcome.missing or None, pruned=outcome.pruned or None, beyond=outcome.receipt.notReached or None,
            held=held or None, unasked=outcome.unasked or None,
            part=round(outcome.unaskedPart, 3) if outcome.unasked else None, time=f"{outcome.elapsed:.3f}", ranking=outcome.ranking,
            left=list(outcome.left) or None, **{key: value or None for key, value in outcome.why.items() if not one.shown},
        )

    def _named(self, name: str) -> _Running:
        one = self._searches.get(name)
        if one is None:
            raise CommandError(505, "there is no search of that name here", name)
        return one

    def _doMore(self, command: commands.MoreCommand) -> None:
        one = self._named(command.name)
        if one.running:
            raise CommandError(505, "that search still runs", command.name)
        if len(one.shown) >= limits.WANT:
            raise CommandError(505, f"a search shows at most {limits.WANT} rows: make it narrower", command.name)
        self._launch(one, min(limits.WANT, len(one.shown) + one.command.limit))

    def _doCancel(self, command: commands.CancelCommand) -> None:
        one = self._named(command.name)
        if not one.running or one.handle is None:
            raise CommandError(505, "that search has ended", command.name)
        one.handle.cancel()  # type: ignore[attr-defined]
