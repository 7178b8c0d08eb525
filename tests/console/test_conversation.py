"""The line protocol: any lines, in any chunks, at a desk whose searches the test plays."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from overlay.console.commands import COMMANDS, LINE_MOST, CommandError, ExplainCommand, SearchCommand, parseLine
from overlay.console.desk import IDesk
from overlay.console.server import PENDING_MOST, STALLED, ConsoleFactory, ConsoleProtocol
from overlay.console.session import RUNNING_MOST
from overlay.errors import UsageError
from overlay.identity.ids import PeerId
from overlay.search.outcome import FoundHit, Outcome
from overlay.wire.query import Receipt

REPLY = re.compile(rb"\d{3} [^\r\n]*\r\n")
ROW = re.compile(rb"q\d+ [^\r\n]*\r\n")
words = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=12)


def hitOf(number: int, name: str = "one file.txt") -> FoundHit:
    return FoundHit(bytes([number]) * 32, number, "text/plain", 0, (PeerId(b"o" * 20),), f"share/{name}", name, 1.5, "a snippet")


class Handle:
    """One search at the desk; the test ends it."""

    def __init__(self, text: str, want: int, onHits: Any, **options: Any) -> None:
        self.text, self.want, self.onHits, self.options = text, want, onHits, options
        self.finished: Deferred[Outcome] = Deferred()

    def end(self, *hits: FoundHit, status: str = "complete", **more: Any) -> None:
        self.finished.callback(Outcome(list(hits), Receipt(answeredBy=b"s" * 8, sent=1, answered=1), status, **more))

    def cancel(self) -> None:
        self.end(status="cancelled")

    def marks(self, passage: str) -> list[tuple[int, int]]:
        return [(0, 1)]


@implementer(IDesk)
class PlayedDesk:
    """@ivar searches: the handles given out, in order."""

    peerId = b"p" * 20
    version = "test"

    def __init__(self) -> None:
        self.searches: list[Handle] = []

    def search(self, text: str, want: int, timeout: float | None, onHits: Any, **options: Any) -> Handle:
        self.searches.append(Handle(text, want, onHits, **options))
        return self.searches[-1]

    def routers(self) -> list[str]:
        return ["flood", "tree"]

    def status(self) -> dict:
        return {"role": "leaf", "homes": [{"peer": "x", "state": "y"}], "left out": [], "problems": [None, True]}

    def peers(self) -> list:
        return []

    share = stats = network = status  # type: ignore[assignment]

    def explain(self, topic: str, argument: str) -> dict:
        if argument == "fails":
            raise ZeroDivisionError
        raise UsageError(f"nothing about {argument}\r\n250 forged")

    def invite(self, address: str) -> str:
        return "superpeer1:x"

    def rotate(self) -> None:
        pass

    def expel(self, prefix: str) -> str:
        return prefix

    block = unblock = expel

    def blocked(self) -> list:
        return ["one"]


def connect(operator: bool = False) -> tuple[ConsoleProtocol, StringTransport, PlayedDesk, Clock]:
    desk, clock, transport = PlayedDesk(), Clock(), StringTransport()
    protocol: Any = ConsoleFactory(desk, clock, operator).buildProtocol(None)
    transport.abortConnection = transport.loseConnection  # type: ignore[method-assign]
    protocol.makeConnection(transport)
    assert REPLY.fullmatch(transport.value()) and transport.value().startswith(b"200 superpeer/1 ")
    transport.clear()
    return protocol, transport, desk, clock


def said(transport: StringTransport) -> list[str]:
    lines = transport.value().decode().split("\r\n")
    transport.clear()
    return lines[:-1]


# --- commands -------------------------------------------------------------------------------------------------------


@given(
    words | words.map("limit=3 {}".format) | words.map("-- {}".format) | st.just("E=mc2"), st.integers(1, 1000),
    st.none() | st.floats(0.05, 120.0),
    st.sampled_from([("rank", "score"), ("arrival", "score"), ("rank", "newest"), ("rank", "size"), ("rank", "name")]),
    st.sampled_from(["all", "any"]), st.lists(st.sampled_from(["pdf", "text/", "image/png"]), unique=True).map(tuple),
    st.sampled_from(["", "flood", "my-router2"]), st.integers(0, 64),
)
def test_searchRoundTrip(
    text: str, limit: int, timeout: float | None, order: tuple[str, str], match: str, types: tuple[str, ...], router: str, ttl: int
) -> None:
    """What is rendered is parsed to the same."""
    command = SearchCommand(text, limit, timeout, order[0], match, order[1], types, router, ttl)
    assert parseLine(command.render()) == parseLine("search" + command.render()[6:]) == command


@pytest.mark.parametrize("verb", sorted(set(COMMANDS) - {"SEARCH", "MODE"}))
@given(word=words)
def test_everyVerbRoundTrip(verb: str, word: str) -> None:
    """Each verb, with a word after it or without: what is taken is rendered to a line that means the same."""
    for line in (verb, f"{verb} {word}", f"{verb} peer {word}"):
        try:
            command = parseLine(line, operator=True)
        except CommandError as problem:
            assert problem.code == 501
        else:
            assert parseLine(command.render(), operator=True) == command


@given(st.text(max_size=60), st.booleans())
def test_anyLine(line: str, operator: bool) -> None:
    """A line is a command, or refused with a code of its own."""
    try:
        parseLine(line, operator)
    except CommandError as problem:
        assert problem.code in (500, 501, 503)


@pytest.mark.parametrize(
    ("line", "code", "word"),
    [
        ("SEARCH", 501, "SEARCH"), ("SEARCH limt=5 x", 501, "limt=5"), ("SEARCH limit=0 x", 501, "limit=0"),
        ("SEARCH limit=5", 501, "SEARCH"),
        ("SEARCH limit=5 limit=6 x", 501, "limit=6"), ("SEARCH timeout=nan x", 501, "timeout=nan"), ("SEARCH order=up x", 501, "order=up"),
        ("MODE XML", 501, "XML"), ("EXPLAIN rule", 501, "rule"), ("EXPLAIN peer", 501, "peer"), ("EXPLAIN role x", 501, "x"),
        ("EXPLAIN tree x", 501, "x"),
        ("EXPLAIN join x", 501, "x"),
        ("STATUS now", 501, "now"), ("SERCH x", 500, "SERCH"), ("ROTATE", 503, "ROTATE"),
    ],
)
def test_wrongLines(line: str, code: int, word: str) -> None:
    """Each is refused with the word that is wrong."""
    with pytest.raises(CommandError) as caught:
        parseLine(line)
    assert (caught.value.code, caught.value.word) == (code, word)


def test_explain() -> None:
    """Without a topic it is the role."""
    assert parseLine("EXPLAIN") == ExplainCommand("role", "") and parseLine("explain PEER abcdef") == ExplainCommand("peer", "abcdef")


# --- any bytes ------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=8))
def test_anyBytes(data: bytes, cuts: list[int]) -> None:
    """Whatever comes in, in whatever chunks, what goes out is lines of the protocol, and nothing is raised or kept."""
    protocol, transport, desk, clock = connect()
    ends = sorted(min(cut, len(data)) for cut in cuts)
    for start, end in zip([0, *ends], [*ends, len(data)], strict=True):
        protocol.dataReceived(data[start:end])
    for handle in desk.searches:
        handle.end()
    clock.advance(1.0)
    out = transport.value()
    assert b"".join(re.findall(rb"[^\r\n]*\r\n", out)) == out
    for line in re.findall(rb"[^\r\n]*\r\n", out):
        assert re.match(rb"(\d{3}|q\d+|-|\.| ) ?|\r\n", line)
    assert len(protocol._buffer) <= LINE_MOST + 1


@given(st.lists(st.sampled_from(["PING", "SEARCH a b", "STATUS", "BOGUS", "MODE JSON", "CANCEL q1", ""]), max_size=8), st.data())
def test_chunksDoNotMatter(lines: list[str], data: st.DataObject) -> None:
    """The same bytes in other chunks get the same answers."""
    stream = "".join(line + data.draw(st.sampled_from(["\n", "\r\n"])) for line in lines).encode()
    whole, inWhole, _, _ = connect()
    whole.dataReceived(stream)
    parts, inParts, _, _ = connect()
    for number in range(len(stream)):
        parts.dataReceived(stream[number : number + 1])
    assert inWhole.value() == inParts.value()


@pytest.mark.parametrize("verb", ["GET", "POST", "OPTIONS", "CONNECT"])
def test_http(verb: str) -> None:
    """A browser is told, and let go, before it can say anything that would be taken for a verb."""
    protocol, transport, desk, _clock = connect()
    protocol.dataReceived(f"{verb} / HTTP/1.1\r\nSEARCH x\r\n\r\nSEARCH y\r\n".encode())
    assert said(transport) == ["500 this is no web server"] and transport.disconnecting and desk.searches == []


def test_longLines() -> None:
    """A line of exactly the limit is taken; a longer one ends the connection, whether or not its end ever comes."""
    protocol, transport, desk, _clock = connect()
    protocol.dataReceived(b"SEARCH " + b"x" * (LINE_MOST - 7) + b"\r\n")
    assert len(desk.searches) == 1 and said(transport) == ["150 q1 asking"]
    protocol.dataReceived(b"x" * (LINE_MOST + 2))
    assert said(transport)[0].startswith("502 ") and transport.disconnecting


def test_notUtf8() -> None:
    """Other bytes are refused, and the connection goes on."""
    protocol, transport, _desk, _clock = connect()
    protocol.dataReceived(b"SEARCH \xff\xfe\nPING\n")
    lines = said(transport)
    assert lines[0].startswith("501 ") and lines[1].startswith("2") and not transport.disconnecting


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("match=most x", "match=most"), ("sort=oldest x", "sort=oldest"), ("type= x", "type="), ("type=pdf,,text/ x", "type=pdf,,text/"),
        ("type=" + ",".join(f"t{one}" for one in range(9)) + " x", "type=" + ",".join(f"t{one}" for one in range(9))),
        ("ttl=0 x", "ttl=0"), ("ttl=65 x", "ttl=65"), ("router=a:b x", "router=a:b"), ("limit=0 x", "limit=0"),
        ("timeout=x x", "timeout=x"),
        ("order=rank order=rank x", "order=rank"), ("type=pdf type=pdf x", "type=pdf"), ("colour=red x", "colour=red"),
        ("order=arrival sort=newest x", "sort=newest"),
    ],
)
def test_wrongOptionsOfASearch(line: str, word: str) -> None:
    """Each names the word that is wrong, and no search begins."""
    protocol, transport, desk, _clock = connect()
    protocol.dataReceived(b"MODE JSON\nSEARCH " + line.encode() + b"\n")
    reply = json.loads(said(transport)[-1])
    assert (reply["code"], reply["word"]) == (501, word) and desk.searches == []


def test_unknownRouter() -> None:
    """The mistake is told, and what there is, before anybody is asked."""
    protocol, transport, desk, _clock = connect()
    protocol.dataReceived(b"SEARCH router=nope x\n")
    reply = said(transport)[-1]
    assert reply.startswith("501 ") and "there is no router 'nope'; there are: flood, tree" in reply and desk.searches == []


def test_optionsOfASearch() -> None:
    """The desk is asked for what the line says."""
    protocol, _transport, desk, _clock = connect()
    protocol.dataReceived(b"SEARCH match=any sort=newest type=PDF,text/ ttl=2 router=flood limit=5 how do filters work?\n")
    protocol.dataReceived(b"SEARCH ttl=all x\n")
    first, second = desk.searches
    assert (first.text, first.want) == ("how do filters work?", 5)
    assert first.options == {"match": "any", "sort": "newest", "types": ("pdf", "text/"), "ttl": 2, "router": "flood"}
    assert second.options == {"match": "all", "sort": "score", "types": (), "ttl": 0, "router": ""}


def test_whyNothing() -> None:
    """A search that finds nothing says why, in fields without spaces, and as values in JSON; one with hits does not."""
    why = {"unknown": ["blo om"], "known": {"a": 3, "b": 0}, "unfiltered": 2, "excluded": {'-"x y"': 2, "type:pdf": 1}}
    protocol, transport, desk, _clock = connect()
    protocol.dataReceived(b"SEARCH x\n")
    desk.searches[0].end(why=why, left=("the", "of"))
    protocol.dataReceived(b"MODE JSON\nSEARCH x\nSEARCH x\n")
    desk.searches[1].end(why=why)
    desk.searches[2].end(hitOf(1), why=why)
    lines = said(transport)
    assert lines[1].endswith(
        " ranking=estimated left=the,of unknown=blo%20om known=a=3,b=0 unfiltered=2 excluded=-%22x%20y%22=2,type:pdf=1"
    )
    assert {key: json.loads(lines[-3])[key] for key in why} == why
    assert json.loads(lines[-2])["marks"] == [[0, 1]] and not set(why) & set(json.loads(lines[-1]))


def test_theWordThatIsWrong() -> None:
    """A mistake in the query says where it is."""
    protocol, transport, desk, _clock = connect()
    protocol.dataReceived(b"SEARCH x\n")
    desk.searches[0].end(status="failed", code="query", text="no field", word="colour:red", at=6)
    assert said(transport)[-1] == "501 q1 no field word=colour:red at=6"


def test_rowsAtOnceAreMarkedToo() -> None:
    """Rows that come while the search begins have their marks."""
    protocol, transport, desk, _clock = connect()
    begin = desk.search

    def atOnce(text: str, want: int, timeout: float | None, onHits: Any, **options: Any) -> Handle:
        onHits([hitOf(1)])
        return begin(text, want, timeout, onHits, **options)

    desk.search = atOnce  # type: ignore[method-assign]
    protocol.dataReceived(b"MODE JSON\nSEARCH order=arrival x\n")
    assert json.loads(said(transport)[-1])["marks"] == [[0, 1]]


# --- searches -------------------------------------------------------------------------------------------------------


def test_severalSearchesAtOnce() -> None:
    """Rows and endings bear the name of their search, in whatever order the searches end."""
    protocol, transport, desk, _clock = connect()
    protocol.dataReceived(b"SEARCH one\nSEARCH order=arrival two\n")
    assert said(transport) == ["150 q1 asking", "150 q2 asking"]
    desk.searches[1].onHits([hitOf(2)])
    assert [line.split()[0] for line in said(transport)] == ["q2"]
    desk.searches[1].end(hitOf(2))
    desk.searches[0].end(hitOf(1), held=3)
    lines = said(transport)
    assert [line.split()[:2] for line in lines][::2] == [["250", "q2"], ["252", "q1"]]
    assert lines[1].startswith("q1 1.500 " + "01" * 32) and lines[1].endswith("share/one%20file.txt")
    assert "held=3" in lines[2] and "hits=1 asked=1 answered=1 lost=0" in lines[2]


def test_more() -> None:
    """MORE shows the next rows, and none twice."""
    protocol, transport, desk, _clock = connect()
    protocol.dataReceived(b"SEARCH limit=2 x\n")
    desk.searches[0].end(*(hitOf(number) for number in (1, 2, 3)))
    assert "held=1" in said(transport)[-1]
    protocol.dataReceived(b"MORE q1\n")
    assert desk.searches[1].want == 4
    desk.searches[1].end(*(hitOf(number) for number in (1, 2, 3)))
    lines = said(transport)
    assert [line[:4] for line in lines] == ["150 ", "q1 1", "250 "] and "03" * 32 in lines[1]
    protocol.dataReceived(b"MORE q7\n")
    assert said(transport)[0].startswith("505 ")


def test_cancel() -> None:
    """A cancelled search ends with its own code, once; then there is nothing to cancel."""
    protocol, transport, _desk, _clock = connect()
    protocol.dataReceived(b"SEARCH x\nMORE q1\nCANCEL q1\nCANCEL q1\n")
    assert [line[:3] for line in said(transport)] == ["150", "505", "253", "505"]


@pytest.mark.parametrize(
    ("more", "start"),
    [
        ({"status": "failed", "code": "query", "text": "too broad", "word": "a*"}, "501 q1 too broad"),
        ({"status": "refused", "code": "rate", "text": "later", "retry": 2.2}, "401 q1 rate: later"),
        ({"status": "incomplete", "missing": 2}, "251 q1 hits=0 asked=3 answered=1 lost=0 missing=2"),
    ],
)
def test_endings(more: dict, start: str) -> None:
    """Each way to end has its code, and says what is wrong."""
    protocol, transport, desk, _clock = connect()
    protocol.dataReceived(b"SEARCH x\n")
    desk.searches[0].end(**more)
    assert said(transport)[-1].startswith(start)


def test_halfClose() -> None:
    """Input that has ended, even in the middle of a line, is answered to the end; then the connection is closed."""
    protocol, transport, desk, clock = connect()
    protocol.dataReceived(b"SEARCH x\nPING")
    protocol.readConnectionLost()
    assert next(line[:3] for line in said(transport)) == "150" and not transport.disconnecting
    desk.searches[0].end(hitOf(1))
    clock.advance(0.1)
    assert [line[:3] for line in said(transport)][-1] == "250" and transport.disconnecting


def test_tooMuchAtOnceWaits() -> None:
    """Lines beyond what may run wait their turn, and the other side with them; none is lost."""
    protocol, transport, desk, clock = connect()
    protocol.dataReceived(b"SEARCH x\n" * (3 * RUNNING_MOST))
    assert len(desk.searches) == RUNNING_MOST and transport.producerState == "paused"
    for number in range(3 * RUNNING_MOST):
        desk.searches[number].end()
        clock.advance(0.01)
    assert len(desk.searches) == 3 * RUNNING_MOST and transport.producerState == "producing"
    assert sum(line.startswith("250 ") for line in said(transport)) == 3 * RUNNING_MOST


def test_vanishedReader() -> None:
    """The searches of a connection that is gone are ended."""
    protocol, _transport, desk, clock = connect()
    protocol.dataReceived(b"SEARCH x\n")
    protocol.connectionLost()
    assert desk.searches[0].finished.called and clock.getDelayedCalls() == []


def test_slowReader() -> None:
    """Replies wait for a slow reader, up to a bound and for a time; then it is cut."""
    protocol, transport, desk, clock = connect()
    protocol.dataReceived(b"SEARCH order=arrival limit=1000 x\n")
    protocol.pauseProducing()
    transport.clear()
    desk.searches[0].onHits([hitOf(1, "long" * 200)])
    assert transport.value() == b""
    protocol.resumeProducing()
    assert len(said(transport)) == 1
    protocol.pauseProducing()
    clock.advance(STALLED - 1.0)
    assert not transport.disconnecting
    clock.advance(2.0)
    assert transport.disconnecting
    other, full, desk, clock = connect()
    other.pauseProducing()
    row = b"x" * 100_000
    for _ in range(PENDING_MOST // len(row) + 1):
        assert not full.disconnecting
        other._reply(row)
    assert full.disconnecting and other._pending == []
    other.connectionLost()


# --- replies --------------------------------------------------------------------------------------------------------


@given(words, words)
def test_jsonMode(name: str, text: str) -> None:
    """In JSON every line is one object, whatever a file is called."""
    protocol, transport, desk, _clock = connect()
    protocol.dataReceived(b"MODE JSON\nSEARCH x\nSTATUS\nEXPLAIN peer abcdef\nBOGUS\n")
    desk.searches[0].end(hitOf(1, f"{name}\r\n250 {text}"))
    objects = [json.loads(line) for line in said(transport)]
    assert [one.get("code") for one in objects[:2]] == [202, 150]
    (row,) = [one for one in objects if "content" in one]
    assert row["name"] == f"{name}\r\n250 {text}" and row["search"] == "q1"


@given(words)
def test_namesCannotForgeLines(name: str) -> None:
    """In text a row is one line of fields without spaces, whatever a file is called."""
    protocol, transport, desk, _clock = connect()
    protocol.dataReceived(b"SEARCH x\n")
    desk.searches[0].end(hitOf(1, f"{name}\r\n250 q1\u2028 \x1b[2J"))
    _asking, row, end = said(transport)
    assert ROW.fullmatch(row.encode() + b"\r\n") and len(row.split(" ")) == 7 and row.isprintable() and end.startswith("250 q1 ")


def test_listings() -> None:
    """Every listing begins with its code and ends with a dot, in whose lines no value can put a line of its own."""
    protocol, transport, _desk, _clock = connect(operator=True)
    for line in ("STATUS", "PEERS", "SHARE", "STATS", "NETWORK", "HELP", "HELP query", "CAPABILITIES", "BLOCKED"):
        protocol.dataReceived(line.encode() + b"\n")
        lines = said(transport)
        assert lines[0][:1] == "2" and lines[-1] == ".", line
    for line in ("INVITE", "ROTATE", "EXPEL abcdef", "BLOCK abcdef", "UNBLOCK abcdef", "PING"):
        protocol.dataReceived(line.encode() + b"\n")
        lines = said(transport)
        assert len(lines) >= 1 and lines[0][:1] == "2", line
    protocol.dataReceived(b"EXPLAIN peer abcdef\nQUIT\nPING\n")
    refused, bye = said(transport)
    assert refused.startswith("504 nothing about abcdef") and bye[:1] == "2" and transport.disconnecting


def test_aDeskThatFails(loggedFailures: Any) -> None:
    """A fault of the program is logged and said; the connection goes on."""
    protocol, transport, _desk, _clock = connect()
    protocol.dataReceived(b"EXPLAIN peer fails\nPING\n")
    lines = said(transport)
    assert lines[0].startswith("402 ") and lines[1][:1] == "2"
    assert len(loggedFailures.flush(ZeroDivisionError)) == 1


def test_tooManyConnections() -> None:
    """The one beyond the limit is told when to come again."""
    desk, clock = PlayedDesk(), Clock()
    factory = ConsoleFactory(desk, clock)
    transports = []
    for _ in range(65):
        protocol: Any = factory.buildProtocol(None)
        transports.append(StringTransport())
        protocol.makeConnection(transports[-1])
    assert transports[-1].value().startswith(b"400 too many connections") and transports[-1].disconnecting
    ended = factory.closeAll()
    assert all(transport.disconnecting for transport in transports)
    for protocol in list(factory.protocols):
        protocol.connectionLost()
    assert ended.called and clock.getDelayedCalls() == []


def test_quitWaits() -> None:
    """The rows of what was asked for before come first, and nothing that is asked for after; then the connection is closed."""
    protocol, transport, desk, clock = connect()
    protocol.dataReceived(b"SEARCH x\nSEARCH y\nQUIT\nPING\nSEARCH z\n")
    assert said(transport) == ["150 q1 asking", "150 q2 asking"] and len(desk.searches) == 2 and not transport.disconnecting
    desk.searches[0].end(hitOf(1))
    clock.advance(0)
    lines = said(transport)
    assert [line[:3] for line in lines] == ["q1 ", "250"] and not transport.disconnecting
    protocol.dataReceived(b"CANCEL q2\n")
    clock.advance(0)
    assert [line[:3] for line in said(transport)][-2:] == ["253", "205"] and transport.disconnecting


def test_quitAndGone() -> None:
    """Whoever closes the connection after that ends its searches all the same."""
    protocol, _transport, desk, _clock = connect()
    protocol.dataReceived(b"SEARCH x\nQUIT\n")
    protocol.connectionLost()
    assert desk.searches[0].finished.called
