"""What a user does with real processes: start, join, search, break, restart."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from overlay.lab.processes import NotReady, PeerProcess, twistd, waitFor
from overlay.lab.talk import speak
from tests.system.conftest import SmallDisk, Start

pytestmark = pytest.mark.system

FAST = ("--election", "fittest:wanted=4,patience=4,pause=1,settle=30")


def contents(peer: PeerProcess, query: str) -> set[str]:
    """Names of the files that a search finds."""
    return {row["name"] for row in peer.search(query)[0]}


def finds(peer: PeerProcess, query: str, names: set[str], seconds: float = 20.0) -> None:
    """Wait until a search finds just these."""
    seen: list[set[str]] = []

    def look() -> bool:
        try:
            seen[:] = [contents(peer, query)]
        except Exception:
            return False
        return seen[0] == names

    try:
        waitFor("the hits", look, seconds, 0.2)
    except NotReady:
        raise AssertionError(f"found {seen} instead of {names}; {peer.status()}\n{peer.tail()}") from None


def network(start: Start, leaves: int) -> list[PeerProcess]:
    """A founder and leaves, each with one file, all joined and registered."""
    founder = start("p0", {"p0.txt": "dawn zero"}, *FAST)
    invitation = founder.operate("INVITE")
    peers = [founder]
    for number in range(1, leaves + 1):
        peers.append(start(f"p{number}", {f"p{number}.txt": f"dawn {number}"}, *FAST, "--join", invitation, ready=False))
    for peer in peers:
        peer.ready()
    for peer in peers:
        finds(peer, "dawn", {f"p{number}.txt" for number in range(leaves + 1)}, 40)
    return peers


def test_aNetworkOfOne(start: Start) -> None:
    """One peer answers, by netcat's way of talking, with rows and a receipt."""
    peer = start("one", {"bloom.txt": "space time tradeoffs", "b.md": "# other"})
    finds(peer, "tradeoffs", {"bloom.txt"}, 5)
    lines = speak(peer.console, "SEARCH tradeoffs", "status", "NONSENSE", "QUIT")
    assert lines[0] == "150 q1 asking" and lines[1].startswith("q1 ") and " 1 " not in lines[0]
    assert any(line.startswith("250 q1 hits=1 asked=1 answered=1 lost=0 ") for line in lines)
    assert any(line.startswith("500 unknown verb") for line in lines) and "role: super" in lines


def test_joinSearchAndChange(start: Start) -> None:
    """Two peers find each other's files; what changes at one is found at the other within five seconds."""
    first = start("first", {"one.txt": "dawn chorus"})
    second = start("second", {"two.txt": "dawn patrol"}, "--join", first.operate("INVITE"))
    for peer in (first, second):
        finds(peer, "dawn", {"one.txt", "two.txt"})
    share = second.shares[0]
    (share / "three.txt").write_text("dawn treader")
    finds(first, "dawn", {"one.txt", "two.txt", "three.txt"}, 5)
    (share / "three.txt").rename(share / "four.txt")
    finds(first, "dawn", {"one.txt", "two.txt", "four.txt"}, 5)
    (share / "two.txt").unlink()
    (share / "below").mkdir()
    (share / "below" / "five.txt").write_text("dawn raid")
    finds(first, "dawn", {"one.txt", "four.txt", "five.txt"}, 5)
    shutil.rmtree(share / "below")
    finds(first, "dawn", {"one.txt", "four.txt"}, 5)


def test_homesAreKilled(start: Start) -> None:
    """SIGKILL of a home, then of all homes at once: the living share stays to be found."""
    peers = network(start, 5)
    serving = waitFor("two super-peers", lambda: [one for one in peers if one.status()["role"] == "super"][1:] and
                      [one for one in peers if one.status()["role"] == "super"], 40)
    leaves = [one for one in peers if one not in serving]

    def twoHomes() -> bool:
        return all(len([home for home in one.status()["homes"] if home["records"] == "all"]) == 2 for one in leaves)

    waitFor("two homes for each leaf", twoHomes, 40)
    victim = serving.pop(0)
    number = peers.index(victim)
    victim.kill()
    left = {f"p{at}.txt" for at in range(6) if at != number}
    assert contents(leaves[0], "dawn") >= left
    for one in serving:
        one.kill()
    dead = {peers.index(one) for one in (victim, *serving)}
    living = [one for at, one in enumerate(peers) if at not in dead]
    for one in living:
        finds(one, "dawn", {f"p{at}.txt" for at in range(6) if at not in dead}, 60)


def test_killedAndRestarted(start: Start) -> None:
    """After SIGKILL: the same identity, every acknowledged registration, and nothing is read again that has not changed."""
    first = start("first", {"one.txt": "dawn chorus"}, "--election", "fittest:least=1")
    second = start("second", {"two.txt": "dawn patrol"}, "--election", "fittest:least=1", "--join", first.operate("INVITE"))
    for peer in (first, second):
        finds(peer, "dawn", {"one.txt", "two.txt"})
    identity = first.peerId
    first.kill()
    second.kill()
    first.start()
    first.ready()
    assert first.peerId == identity
    finds(first, "dawn", {"one.txt", "two.txt"}, 5)
    assert first.ask("SHARE")["read"] == 0
    second.start()
    second.ready()
    finds(second, "dawn", {"one.txt", "two.txt"})


def test_strangersAreRefused(start: Start) -> None:
    """A closed network refuses who does not know its key; an open one of another name is another network."""
    first = start("first", {"one.txt": "dawn chorus"})
    address = f"127.0.0.1:{first.runtime()['port']}"
    stranger = start("stranger", {"two.txt": "dawn patrol"}, "--peer", address)
    opened = start("open", {"three.txt": "dawn raid"}, "--peer", address, "--network", "open:club")
    waitFor("the refusal", lambda: first.ask("STATS").get("refusals", {}).get("link-network", 0) >= 2, 20)
    assert first.status()["links"] == 0 and stranger.status()["links"] == 0 and opened.status()["links"] == 0
    assert contents(first, "dawn") == {"one.txt"}


def test_anOpenNetwork(start: Start) -> None:
    """Whoever knows the name of an open network and an address joins it."""
    first = start("first", {"one.txt": "dawn chorus"}, "--network", "open:club")
    address = f"127.0.0.1:{first.runtime()['port']}"
    second = start("second", {"two.txt": "dawn patrol"}, "--network", "open:club", "--peer", address)
    finds(second, "dawn", {"one.txt", "two.txt"})


def test_blockAndRotate(start: Start) -> None:
    """The founder rotates the key and everybody learns it; a blocked peer is cut off."""
    first = start("first", {"one.txt": "dawn chorus"})
    second = start("second", {"two.txt": "dawn patrol"}, "--join", first.operate("INVITE"))
    finds(second, "dawn", {"one.txt", "two.txt"})
    first.operate("ROTATE")
    waitFor("the new key", lambda: second.ask("NETWORK")["key generation"] == 1, 10)
    assert "first" not in second.operate("INVITE")
    first.operate(f"BLOCK {second.peerId[:8]}")
    finds(first, "dawn", {"one.txt"}, 10)
    waitFor("the end of the link", lambda: first.status()["links"] == 0, 10)


def test_ipv6AndNames(start: Start) -> None:
    """Peers are dialled by IPv6 address and by name too."""
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    first = start("first", {"one.txt": "dawn chorus"}, "--network", "open:six", listen="tcp6:0:interface=\\:\\:1")
    port = first.runtime()["port"]
    second = start("second", {"two.txt": "dawn patrol"}, "--network", "open:six", "--peer", f"[::1]:{port}")
    finds(second, "dawn", {"one.txt", "two.txt"})
    named = start("named", {"three.txt": "dawn raid"}, "--network", "open:six")
    third = start("third", {"four.txt": "dawn again"}, "--network", "open:six", "--peer", f"localhost:{named.runtime()['port']}")
    finds(third, "dawn", {"three.txt", "four.txt"})


POLICY = '''
from zope.interface import implementer
from overlay.interfaces import IReputation
from overlay.policy import PolicyPlugin
from overlay.verdict import Reason, Verdict


@implementer(IReputation)
class Mine:
    def __init__(self, trust: float = 0.5) -> None:
        self._trust = trust

    def observed(self, peer, deed, weight) -> None:
        if str(deed) == "never":
            raise RuntimeError

    def trust(self, peer) -> Verdict:
        {body}


mine = PolicyPlugin("reputation", "mine", Mine, "Trusts everybody alike.")
'''


def test_aPluginFromAFile(start: Start, tmp_path: Path) -> None:
    """A policy in one file is used; one that raises is named in the log, and the peer lives."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "mine.py").write_text(POLICY.replace("{body}", 'return Verdict.yes(Reason("mine", True), score=self._trust)'))
    first = start("first", {"one.txt": "dawn one"}, "--plugin-dir", str(folder), "--reputation", "mine:trust=0.9")
    (folder / "mine.py").write_text(POLICY.replace("{body}", "raise RuntimeError('broken policy')"))
    second = start(
        "second", {"two.txt": "dawn two"}, "--plugin-dir", str(folder), "--reputation", "mine", "--join", first.operate("INVITE")
    )
    finds(second, "dawn", {"one.txt", "two.txt"})
    said = first.ask(f"EXPLAIN peer {second.peerId[:8]}")["reputation"]
    assert said["plugin"] == "mine" and said["trust"] == 0.9
    waitFor("the failure in the log", lambda: "broken policy" in second.tail(100), 10)
    assert str(folder / "mine.py") in second.tail(100)


def test_netcat(start: Start) -> None:
    """Netcat with -N gets every row and the last line, though it ends its input at once; several searches may run."""
    nc = shutil.which("nc")
    if nc is None:
        pytest.skip("netcat is not installed")
    peer = start("one", {f"file{number}.txt": f"dawn {number}" for number in range(40)})
    finds(peer, "dawn", {f"file{number}.txt" for number in range(40)}, 10)
    host, port = peer.console.split(":")
    text = b"MODE JSON\r\nSEARCH limit=40 dawn\nSEARCH order=arrival limit=5 dawn\nMORE q9\nCANCEL q1\n"
    done = subprocess.run([nc, "-N", host, port], input=text, capture_output=True, timeout=30, check=False)
    if b"invalid option" in done.stderr:
        pytest.skip("this netcat has no -N")
    replies = [json.loads(line) for line in done.stdout.splitlines()[1:]]
    assert sum(reply.get("search") == "q1" for reply in replies) == 40
    assert sum(reply.get("search") == "q2" for reply in replies) == 5
    assert [reply["code"] for reply in replies if "code" in reply].count(505) == 2


def test_twoOnOneFolder(start: Start, tmp_path: Path) -> None:
    """A second peer on one data folder is told so, and ends with a status that is not 0."""
    first = start("first", {})
    second = PeerProcess("second", tmp_path / "second")
    second.data = first.data
    runtime = first.runtime()
    second.folder.mkdir()
    done = subprocess.run(second.command(), capture_output=True, text=True, timeout=30, check=False, cwd=second.folder)
    assert done.returncode != 0 and "another peer is running" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr and first.runtime() == runtime


def test_stops(start: Start) -> None:
    """SIGTERM ends a peer in an orderly way: it says goodbye, and leaves nothing behind but its state."""
    first = start("first", {"one.txt": "dawn"})
    second = start("second", {}, "--join", first.operate("INVITE"))
    waitFor("the link", lambda: first.status()["links"] == 1, 20)
    assert second.stop() in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
    waitFor("the goodbye", lambda: first.status()["links"] == 0, 3)
    assert not (second.data / "runtime.json").exists()
    assert first.ask("STATS")["links"].get("closed") == 1


def test_metrics(start: Start) -> None:
    """The page for Prometheus tells role, records, messages and durations."""
    from urllib.request import urlopen

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    peer = start("one", {"one.txt": "dawn"}, "--metrics", f"tcp:{port}:interface=127.0.0.1", "--log-format", "json")
    finds(peer, "dawn", {"one.txt"})
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        text = page.read().decode()
    for line in ("superpeer_role 1.0", "superpeer_records 1.0", "superpeer_queries_total", "superpeer_search_seconds_bucket"):
        assert line in text, text
    rows = [json.loads(line) for line in peer.log.read_text().splitlines() if line.startswith("{")]
    assert any("serving as a super-peer" in row["text"] for row in rows)


WRONG = [
    (["--share", "/nowhere/at/all"], "/nowhere/at/all"),
    (["--listen", "nonsense:1"], "nonsense"),
    (["--console", "tcp:7117"], "open to other machines"),
    (["--reputation", "beta:half_life=soon"], "half_life"),
    (["--election", "fitest"], "fitest"),
    (["--shares", "/tmp"], "did you mean 'share'"),
    (["--config", "/nowhere.toml"], "/nowhere.toml"),
    (["--join", "superpeer1:garbage"], "invitation"),
    (["--peer", "host:port:x:"], "host:port:x:"),
    (["--text-limit", "many"], "text-limit"),
    (["--homes", "99"], "homes"),
    (["stray"], "stray"),
]


@pytest.mark.parametrize(("options", "named"), WRONG, ids=[" ".join(one[0]) for one in WRONG])
def test_wrongOptions(options: list[str], named: str, tmp_path: Path) -> None:
    """One clear line that names what is wrong, an exit status that is not 0, no traceback."""
    done = subprocess.run(
        [sys.executable, twistd(), "-n", "--pidfile=", "superpeer", "--data", str(tmp_path / "data"), *options],
        capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith("SUPERPEER_")},
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1 and named in said and len(said.splitlines()) == 1


def test_portInUse(start: Start, tmp_path: Path) -> None:
    """A port in use is one line that names it."""
    first = start("first", {})
    port = first.runtime()["port"]
    second = PeerProcess("second", tmp_path / "second", listen=f"tcp:{port}:interface=127.0.0.1")
    second.folder.mkdir()
    done = subprocess.run(second.command(), capture_output=True, text=True, timeout=30, check=False, cwd=second.folder)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and str(port) in said and len(said.splitlines()) == 1


def test_damagedState(start: Start) -> None:
    """A damaged store is set aside and said so, and the peer goes on; its own share comes back by itself."""
    peer = start("one", {"one.txt": "dawn"})
    finds(peer, "dawn", {"one.txt"})
    peer.kill()
    for file in (peer.data / "registrations").iterdir():
        file.write_bytes(b"garbage" * 1000)
    peer.start()
    peer.ready()
    finds(peer, "dawn", {"one.txt"})
    assert any("damaged" in one for one in peer.status()["problems"])


def test_diskFull(start: Start, smallDisk: SmallDisk) -> None:
    """On a full disk a peer says so and answers from what it has; once there is room it stores what it could not, for good."""
    where = ("--data", str(smallDisk.inside / "data"))
    peer = start("one", {"old.txt": "dawn chorus"}, *where, data=smallDisk.outside / "data", wrap=smallDisk.enter)
    finds(peer, "dawn", {"old.txt"})
    filler = smallDisk.outside / "filler"
    with filler.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(4096))
    added = {f"new{number}.txt" for number in range(400)}
    for number, name in enumerate(sorted(added)):
        words = " ".join(f"word{number}x{word}" for word in range(150))
        (peer.shares[0] / name).write_text(f"dusk {words}")
    waitFor("the problem", lambda: "could not be stored" in json.dumps(peer.status()["problems"]), 20)
    finds(peer, "dawn", {"old.txt"})
    assert contents(peer, "dusk") < added
    filler.unlink()
    finds(peer, "dusk", added, 40)
    waitFor("the end of the problem", lambda: not peer.status()["problems"], 20)
    peer.kill()
    peer.start()
    peer.ready()
    finds(peer, "dusk", added, 10)


def test_clockSetAndMachineSuspended(start: Start, tmp_path: Path) -> None:
    """A peer's clock set a day forward or back, or a peer asleep for some seconds: no link ends, nothing expires, all is found."""
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
    if library is None:
        pytest.skip("libfaketime is not installed")
    clocks = [tmp_path / f"clock{number}" for number in range(3)]
    names = {f"p{number}.txt" for number in range(3)}
    peers: list[PeerProcess] = []
    for number, clock in enumerate(clocks):
        clock.write_text("+0\n")
        environment = {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        join = ["--join", peers[0].operate("INVITE")] if peers else []
        peers.append(
            start(f"p{number}", {f"p{number}.txt": f"dawn {number}"}, *FAST, *join, environment=environment)
        )
    for peer in peers:
        finds(peer, "dawn", names, 30)

    def state() -> list[tuple[str, int]]:
        return [(peer.status()["role"], peer.status()["links"]) for peer in peers]

    waitFor("two super-peers", lambda: [role for role, _ in state()].count("super") == 2, 30)
    waitFor("links", lambda: [links for _, links in state()] == [2, 2, 2], 30)
    before = state()
    ended = [peer.ask("STATS")["links"] for peer in peers]
    for number, offset in ((0, "+1d"), (1, "-1d"), (2, "+1d"), (0, "-1d")):
        clocks[number].write_text(f"{offset}\n")
        for _ in range(10):
            for peer in peers:
                rows, receipt = peer.search("dawn")
                assert {row["name"] for row in rows} == names, f"after {offset} at {number}, {peer.name}: {receipt}"
            time.sleep(0.2)
        assert state() == before, f"after {offset} at {number}"
    sleeper = peers[1].process
    assert sleeper is not None
    sleeper.send_signal(signal.SIGSTOP)
    time.sleep(7)
    sleeper.send_signal(signal.SIGCONT)
    for peer in peers:
        finds(peer, "dawn", names, 5)
    assert state() == before
    assert [peer.ask("STATS")["links"] for peer in peers] == ended
