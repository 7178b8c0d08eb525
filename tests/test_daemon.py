"""The whole daemon in this process: options, service, share, console, command, metrics."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from overlay.cli import main
from overlay.console.client import Client, NotConnected, Refused
from overlay.daemon import StartFailed, SuperpeerService
from overlay.errors import UsageError
from overlay.identity.invitation import Invitation
from overlay.index.dialect import analysisOf
from overlay.lab.dealing import filesOf
from overlay.lab.talk import everything, speak
from overlay.share.exclusion import Exclusion
from overlay.tap import Options, makeService
from overlay.wire.address import parseAddress
from tests.eventually import pause, within


async def eventually(holds: Callable[[], Any], seconds: float = 15.0) -> Any:
    """The first true value of C{holds}."""
    end = time.monotonic() + seconds
    while True:
        value = holds()
        if value:
            return value
        assert time.monotonic() < end, "it did not happen in time"
        await pause(0.05)


@pytest.fixture(autouse=True)
def ownEnvironment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No setting of whoever runs the tests gets in, and the reactor's clock is put back."""
    for name in [one for one in os.environ if one.startswith("SUPERPEER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    before = reactor.seconds  # type: ignore[attr-defined]
    yield
    reactor.seconds = before  # type: ignore[attr-defined]


def planned(*words: str) -> Options:
    options = Options()
    options.parseOptions(list(words))
    return options


def service(folder: Path, name: str, files: dict[str, str], *more: str) -> SuperpeerService:
    """A peer that is not started yet."""
    share = folder / f"{name}-share"
    share.mkdir()
    for file, text in files.items():
        (share / file).write_text(text)
    options = planned(
        "--data", str(folder / name), "--listen", "tcp:0:interface=127.0.0.1", "--console", "tcp:0:interface=127.0.0.1",
        "--share", str(share), *more,
    )
    return SuperpeerService(reactor, options.plan)


def runtime(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / name / "runtime.json").read_text())


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Deferred[tuple[int, str, str]]:
    """The superpeer command in a thread: status, output, error output."""

    def inThread() -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main(list(words))
        except SystemExit as problem:
            status = int(problem.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return deferToThread(inThread)


@within(120)
async def test_twoPeersAndTheCommand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two daemons, joined by an invitation; every command of the user, in text and in JSON."""
    first = service(tmp_path, "first", {"one.txt": "dawn chorus of birds", "page.html": "<p>dawn <b>page</b></p>", "x.bin": "\0\1"})
    first.startService()
    d1 = str(tmp_path / "first")
    console = runtime(tmp_path, "first")["console"]
    status, invitation, _ = await run(capsys, "invite", "--data", d1)
    assert status == 0 and invitation.startswith("superpeer1:")
    # It listens at one address only, so nobody is sent to another.
    assert {parseAddress(one)[0] for one in Invitation.parse(invitation.strip()).addresses} == {"127.0.0.1"}
    second = service(tmp_path, "second", {"two.txt": "dawn patrol"}, "--join", invitation.strip())
    second.startService()
    d2 = str(tmp_path / "second")
    assert first.peer is not None and second.peer is not None
    await eventually(lambda: first.peer.registry.totals().records == 4)
    status, out, err = await run(capsys, "search", "--data", d2, "dawn")
    assert status == 0 and len(out.splitlines()) == 3 and "3 hits, 1 of 1 super-peers answered" in err
    status, out, err = await run(capsys, "search", "--console", console, "--json", "--explain", "dawn", "-chorus")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and {row["name"] for row in rows[:-1]} == {"page.html", "two.txt"}
    assert rows[-1]["code"] == 250 and rows[-1]["explanation"]["status"] == "complete"
    because = rows[-1]["explanation"]["estimated because"]
    assert isinstance(because, list) and (not because or rows[-1]["ranking"] == "estimated")
    status, out, _ = await run(capsys, "search", "--data", d1, "--explain", "patrol")
    assert status == 0 and "dawn patrol" in out
    assert (await run(capsys, "search", "--data", d1, "nothing-like-it"))[0] == 1
    status, _, err = await run(capsys, "search", "--data", d1, "colour:red")
    assert status == 2 and "no field colour" in err
    status, _, err = await run(capsys, "search", "--data", d1, "dawn", "absentee", "type:pdf")
    assert status == 1 and err.splitlines()[:-1] == ["no record has the word 'absentee'"]
    status, _, err = await run(capsys, "search", "--data", d1, "dawn", "--type", "pdf")
    assert status == 1 and "type:pdf leaves out all 3 of 3 records that match otherwise" in err
    status, _, err = await run(capsys, "search", "--data", d1, "dawn", "patrol", "page")
    assert status == 1 and "no record has all of the words" in err and "stand together" not in err
    status, _, err = await run(capsys, "search", "--data", d1, "patrol-dawn")
    assert status == 1 and "words that stand together" in err
    # Whoever answers at the usual port is not the peer that was meant.
    status, _, err = await run(capsys, "search", "--data", str(tmp_path / "nobody"), "dawn")
    assert status == 3 and "no peer runs on the data folder" in err and "nobody" in err
    with monkeypatch.context() as patched:
        patched.delenv("SUPERPEER_CONSOLE", raising=False)
        patched.setenv("SUPERPEER_DATA", str(tmp_path / "nobody"))
        status, _, err = await run(capsys, "status")
        assert status == 3 and "no peer runs on the data folder" in err
        patched.setenv("SUPERPEER_DATA", d1)
        assert (await run(capsys, "search", "dawn"))[0] == 0
    status, out, _ = await run(capsys, "search", "--data", d1, "--match", "any", "--sort", "name", "--json", "where is the patrol page?")
    assert status == 0 and [json.loads(line)["name"] for line in out.splitlines()[:-1]] == ["page.html", "two.txt"]
    for words in (["--sort", "oldest"], ["--type", "a b"], ["--ttl", "x"]):
        assert (await run(capsys, "search", "--data", d1, "dawn", *words))[0] == 2
    monkeypatch.setattr("overlay.console.render.isTerminal", lambda stream: True)
    status, out, _ = await run(capsys, "search", "--data", d1, "chorus")
    assert status == 0 and "dawn chorus of birds" in out
    status, _, err = await run(capsys, "search", "--data", d1, "dawn", "colour:red")
    assert status == 2 and err.splitlines()[-2:] == ["    dawn colour:red", "         ^^^^^^^^^^"]
    monkeypatch.undo()
    for words, part in (
        (["status"], "role: super"), (["peers"], "leaf"), (["share"], "files: 3"), (["stats"], "uptime_seconds"),
        (["network"], "kind: closed"), (["explain", "role"], "may it serve? yes"), (["explain", "search"], "query: "),
        (["explain", "policies"], "election"), (["explain", "peer", runtime(tmp_path, "second")["peer"][:8]], "plugin: beta"),
        (["block"], ""),
    ):
        status, out, err = await run(capsys, *words, "--data", d1)
        assert (status, part in out) == (0, True), (words, out, err)
        status, out, _ = await run(capsys, *words, "--data", d1, "--json")
        assert status == 0
        json.loads(out)
    status, _, err = await run(capsys, "explain", "peer", "zzzzzz", "--data", d1)
    assert status == 2 and "no known peer" in err
    assert (await run(capsys, "explain", "search", "99", "--data", d1))[0] == 2
    assert (await run(capsys, "explain", "search", "x", "--data", d1))[0] == 2
    assert (await run(capsys, "network", "rotate", "--data", d2))[0] == 2
    assert (await run(capsys, "network", "expel", "--data", d1))[0] == 2
    assert (await run(capsys, "invite", "example.org:7000", "--data", d1))[0] == 0
    assert (await run(capsys, "invite", "a b", "--data", d1))[0] == 2
    assert (await run(capsys, "network", "rotate", "--data", d1))[0] == 0
    await eventually(lambda: second.peer.commons.network.generation == 1)
    peer = runtime(tmp_path, "second")["peer"]
    assert (await run(capsys, "block", peer, "--data", d1))[0] == 0
    await eventually(lambda: len(first.peer.links) == 0)
    status, out, _ = await run(capsys, "block", "--data", d1)
    assert peer in out
    assert (await run(capsys, "unblock", peer[:8], "--data", d1))[0] == 0
    await eventually(second.peer.homes.links, 60)
    assert (await run(capsys, "network", "expel", peer, "--data", d1))[0] == 0
    assert (await run(capsys, "network", "expel", runtime(tmp_path, "first")["peer"], "--data", d1))[0] == 2
    await eventually(lambda: len(first.peer.links) == 0)
    await second.stopService()
    await first.stopService()
    assert not (tmp_path / "first" / "runtime.json").exists()
    assert (await run(capsys, "status", "--data", d1, "--console", console))[0] == 3
    assert (await run(capsys, "invite", "--data", d1))[0] == 3


@within(60)
async def test_changesAndWhatIsSkipped(tmp_path: Path) -> None:
    """Files that appear, change, move and vanish are followed; what cannot be shared is counted with examples."""
    peer = service(tmp_path, "one", {"one.txt": "dawn", "id_rsa": "secret", ".hidden": "secret", "left.bak": "x"}, "--exclude", "*.bak")
    share = tmp_path / "one-share"
    (share / "away").symlink_to("/etc/passwd")
    (share / "here").symlink_to(share / "one.txt")
    os.mkfifo(share / "pipe")
    (share / "broken.pdf").write_bytes(b"%PDF-1.4 nonsense")
    peer.startService()
    assert peer.peer is not None
    own, registry = peer.peer.own, peer.peer.registry
    await eventually(lambda: own.count == 3)
    report = peer._share.report() if peer._share is not None else {}
    assert {reason: one["count"] for reason, one in report["skipped"].items()} == {
        "excluded": 1, "extraction failed": 1, "hidden": 1, "key file": 1, "link out of the share": 1, "not a file": 1
    }
    (share / "deep").mkdir()
    (share / "deep" / "two.md").write_text("# late riser")
    await eventually(lambda: own.get("one-share/deep/two.md") is not None, 5)
    (share / "deep").rename(share / "moved")
    await eventually(lambda: own.get("one-share/moved/two.md") and not own.get("one-share/deep/two.md"), 5)
    (share / "one.txt").write_text("changed altogether")
    await eventually(lambda: b"altogether" in own.get("one-share/one.txt").text, 5)
    (share / "moved" / "two.md").unlink()
    await eventually(lambda: own.get("one-share/moved/two.md") is None, 5)
    await eventually(lambda: registry.totals().records == 3, 5)
    await peer.stopService()


@within(60)
async def test_aRestartReadsNothingAgain(tmp_path: Path) -> None:
    """Unchanged files are not read again; what vanished meanwhile is gone."""
    one = service(tmp_path, "one", {"one.txt": "dawn", "two.txt": "dusk"})
    plan = one._plan
    one.startService()
    await eventually(lambda: one.peer is not None and one.peer.own.count == 2)
    await one.stopService()
    (tmp_path / "one-share" / "two.txt").unlink()
    again = SuperpeerService(reactor, plan)
    again.startService()
    await eventually(lambda: again.peer is not None and again.peer.own.count == 1)
    assert again._share is not None and again._share.report()["read"] == 0
    assert [hit["name"] for hit in (await deferToThread(_rows, runtime(tmp_path, "one")["console"], "dawn"))] == ["one.txt"]
    await again.stopService()


def _rows(console: str, text: str) -> list[dict[str, Any]]:
    with Client(console) as client:
        return list(client.search("limit=10", text))[:-1]


@within(60)
async def test_aNetworkWithStems(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The founder chooses stems once; whoever joins by invitation has them too, and needs a stemmer."""
    pytest.importorskip("Stemmer")
    first = service(tmp_path, "first", {"running.txt": "the runners ran to their connections"}, "--stem", "english")
    first.startService()
    d1, d2 = str(tmp_path / "first"), str(tmp_path / "second")
    _, invitation, _ = await run(capsys, "invite", "--data", d1)
    second = service(tmp_path, "second", {"two.txt": "d\u00e9j\u00e0 vu connected"}, "--join", invitation.strip())
    second.startService()
    assert first.peer is not None and second.peer is not None and second.peer.commons.network.dialect == "stem:english"
    await eventually(lambda: first.peer.registry.totals().records == 2)
    status, out, _ = await run(capsys, "search", "--data", d2, "--json", "connection")
    rows = [json.loads(line) for line in out.splitlines()][:-1]
    assert status == 0 and {row["snippet"][start:end] for row in rows for start, end in row["marks"]} == {"connections", "connected"}
    asked = (["deja"], 1), (['"connection"'], 0), (['"connections"'], 1), (["name:runs"], 1), (["--match", "any", "vu ran"], 2)
    for words, hits in asked:
        _, out, _ = await run(capsys, "search", "--data", d1, "--json", *words)
        assert len(out.splitlines()) == hits + 1, words
    _, out, _ = await run(capsys, "network", "--data", d2)
    assert "words: stem:english" in out
    await second.stopService()
    again = planned("--data", d2, "--console", "tcp:0:interface=127.0.0.1", "--listen", "tcp:0:interface=127.0.0.1", "--stem", "dutch")
    with pytest.raises(UsageError, match="cannot be changed"):
        SuperpeerService(reactor, again.plan).startService()
    monkeypatch.setitem(sys.modules, "Stemmer", None)
    analysisOf.cache_clear()
    with pytest.raises(UsageError, match="pip install"):
        SuperpeerService(reactor, second._plan).startService()
    monkeypatch.undo()
    await first.stopService()


@within(60)
async def test_theLineProtocolOnASocket(tmp_path: Path) -> None:
    """What netcat would see: half-close, HTTP, lines too long, several searches, MORE, CANCEL, MODE."""
    peer = service(tmp_path, "one", {f"file{number}.txt": f"dawn {number}" for number in range(30)})
    peer.startService()
    console = runtime(tmp_path, "one")["console"]
    await eventually(lambda: peer.peer is not None and peer.peer.registry.totals().records == 30)

    def say(*lines: str) -> Deferred[list[str]]:
        return deferToThread(speak, console, *lines)

    lines = await say("SEARCH limit=10 dawn", "search LIMIT=4 order=arrival dawn")
    assert sum(line.startswith("q1 ") for line in lines) == 10 and sum(line.startswith("q2 ") for line in lines) == 4
    assert any(line.startswith("252 q1 hits=10 asked=1 answered=1 lost=0 held=20 ") for line in lines)
    codes: dict[int, int] = {}
    assert len(await deferToThread(everything, console, "dawn", codes)) == 30 and codes == {250: 1}
    assert (await say("GET / HTTP/1.1", "Host: x"))[0].startswith("500 ")
    assert (await say("x" * 5000, "PING"))[-1].startswith("502 ")
    said = await say("PING", "MODE JSON", "PING", "MODE TEXT", "HELP", "HELP QUERY", "CAPABILITIES", "QUIT", "PING")
    assert said[0] == "202 pong" and json.loads(said[2]) == {"code": 202, "text": "pong"} and said[-1] == "205 goodbye"
    said = await say("SEARCH", "SEARCH limt=3 x", "SEARCH limit=0 x", "MORE", "MORE q7", "CANCEL q7", "EXPLAIN nothing", "INVITE", "")
    assert [line[:3] for line in said] == ["501"] * 4 + ["505", "505", "501", "503"]
    assert (await say("SEARCH limit=1 limit=2 x"))[0] == "501 limit is given twice word=limit=2"
    assert "did you mean 'limit'" in (await say("SEARCH limt=3 x"))[0]
    control = runtime(tmp_path, "one")["control"]
    assert (await deferToThread(lambda: Client("unix:" + control).request("BLOCKED")))["listing"] == []
    assert (os.stat(control).st_mode & 0o777) == 0o600
    await peer.stopService()


@within(30)
async def test_startsThatFail(tmp_path: Path) -> None:
    """A folder in use, a port in use, and the state of another network are said in one line, and nothing stays open."""
    one = service(tmp_path, "one", {})
    one.startService()
    with pytest.raises(StartFailed, match="another peer is running"):
        SuperpeerService(reactor, one._plan).startService()
    port = runtime(tmp_path, "one")["port"]
    busy = planned(
        "--data", str(tmp_path / "busy"), "--listen", f"tcp:{port}:interface=127.0.0.1",
        "--console", "tcp:0:interface=127.0.0.1",
    )
    with pytest.raises(StartFailed, match=str(port)):
        SuperpeerService(reactor, busy.plan).startService()
    other = planned("--data", str(tmp_path / "one"), "--network", "open:club")
    await one.stopService()
    with pytest.raises(UsageError, match="belongs to network"):
        SuperpeerService(reactor, other.plan).startService()
    (tmp_path / "one" / "identity.key").write_text("garbage")
    with pytest.raises(Exception, match=r"identity\.key"):
        SuperpeerService(reactor, one._plan).startService()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--share", "/nowhere"], "/nowhere"), (["--console", "tcp:7117"], "open to other machines"),
        (["--console", "tcp:7117:interface=0.0.0.0"], "open to other machines"), (["--listen", "x"], "endpoint"),
        (["--role", "king"], "king"), (["--log-format", "xml"], "xml"), (["--shore", "x"], "did you mean"),
        (["extra"], "extra"), (["--store", "lmdb:sync=x"], "sync"), (["--homes", "0"], "homes"), (["--peer", "a b"], "a b"),
        (["--join", "x"], "invitation"), (["--join", ""], "invitation"), (["--network", "with space"], "network"),
        (["--stem", "klingon"], "there are no stems of"),
        (["--plugin-dir", "/nowhere"], "/nowhere"),
    ],
)
def test_wrongOptions(words: list[str], named: str) -> None:
    """Each names what is wrong."""
    try:
        options = planned(*words)
    except SystemExit as problem:
        assert named in str(problem)
    else:
        with pytest.raises(UsageError, match=named):
            SuperpeerService(reactor, options.plan).startService()


def test_helpAndVersion(capsys: pytest.CaptureFixture[str]) -> None:
    """Help lists every option, and --help-plugins every plugin with its file."""
    assert "--text-limit" in str(Options())
    for words, part in ((["--help-plugins"], "beta"), (["--version"], "superpeer 0")):
        with pytest.raises(SystemExit) as ended:
            planned(*words)
        assert ended.value.code == 0 and part in capsys.readouterr().out
    assert isinstance(makeService(planned("--console", "unix:/tmp/x.sock")), SuperpeerService)


def test_commandWithoutAPeer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a peer: 3. Plugins are listed all the same. Wrong usage: 2."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("SUPERPEER_CONSOLE", nobody)
    assert main(["status"]) == 3 and "is 'twistd superpeer' running" in capsys.readouterr().err
    monkeypatch.setenv("SUPERPEER_CONSOLE", f"tcp:{nobody.split(':')[1]}:interface=127.0.0.1")
    assert main(["peers"]) == 3
    assert main(["plugins"]) == 0 and "reputation\tbeta" in capsys.readouterr().out
    assert main(["plugins", "--json"]) == 0 and json.loads(capsys.readouterr().out)["plugins"]
    (tmp_path / "broken.py").write_text("nonsense(")
    assert main(["plugins", "--plugin-dir", str(tmp_path)]) == 0 and "broken.py" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["nonsense"])
    assert ended.value.code == 2
    with pytest.raises(NotConnected):
        Client("unix:/nowhere.sock")
    assert str(Refused({"text": "no"})) == "no"


def test_demoExpectsWhatIsShared(tmp_path: Path) -> None:
    """The demonstration's own list of files leaves out what peers leave out."""
    for name in ("a.txt", ".b", "id_rsa", "c.pyc"):
        (tmp_path / name).write_text("x")
    assert [one.name for one in filesOf(tmp_path, Exclusion(["*.pyc"]))] == ["a.txt"]
