"""How real processes find one another: by each source alone; and what one says that cannot."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from overlay.lab.processes import PeerProcess, twistd, waitFor
from tests.system.conftest import Start

pytestmark = pytest.mark.system

NETWORK = ("--network", "open:discovery")


def joins(peer: PeerProcess, source: str, other: PeerProcess, seconds: float = 30.0) -> None:
    """Wait until a peer has joined by an answer that this source of it led to; nothing else led anywhere."""

    def look() -> Any:
        said = peer.ask("EXPLAIN join")
        return said if said["joined"] and peer.status()["links"] else None

    said = waitFor(f"{peer.name} joining", look, seconds)
    rows = {row["source"]: [one["answer"] for one in row["addresses"]] for row in said["sources"] if row["source"] != "gossip"}
    assert set(rows) <= {source, "cache"}, rows
    assert f"{other.peerId[:8]} answers" in rows[source], rows


def test_eachSourceAlone(start: Start, tmp_path: Path) -> None:
    """An invitation, an address, a list file, a name with several addresses, and what is remembered: each alone leads to the network."""
    founder = start("founder", {"a.txt": "dawn"}, *NETWORK)
    port = founder.runtime()["port"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        (tmp_path / "seeds").write_text(f"# seeds\n127.0.0.1:{closed.getsockname()[1]}\n127.0.0.1:{port} {founder.peerId}\n")
        ways = {
            "join": ("--join", founder.operate("INVITE")),
            "peer": (*NETWORK, "--peer", f"localhost:{port}"),
            f"list:file={tmp_path / 'seeds'}": (*NETWORK, "--discovery", f"list:file={tmp_path / 'seeds'}"),
            f"dns:name=localhost,port={port}": (*NETWORK, "--discovery", f"dns:name=localhost,port={port}"),
        }
        peers = {source: start(source[:4], None, "--role", "leaf", *options, ready=False) for source, options in ways.items()}
        for source, peer in peers.items():
            peer.ready()
            joins(peer, source, founder)
    again = peers["peer"]
    again.stop()
    again.options = ["--role", "leaf"]
    again.start()
    again.ready()
    joins(again, "cache", founder)


def test_theLocalNetwork(start: Start) -> None:
    """Two peers of one network that were told nothing of each other find each other; one of another network stays alone."""
    pytest.importorskip("zeroconf", reason="the package zeroconf is not installed")
    mdns = ("--discovery", "mdns:interface=127.0.0.1")
    first = start("first", {"a.txt": "dawn"}, *NETWORK, *mdns)
    if _isDeaf(first):
        pytest.skip("multicast does not work on this machine's loopback interface")
    waitFor("the first serves", lambda: first.status()["role"] == "super", 20)
    second = start("second", None, *NETWORK, *mdns, "--role", "leaf")
    stranger = start("stranger", None, *mdns)
    joins(second, "mdns:interface=127.0.0.1", first)
    waitFor("the stranger serves", lambda: stranger.status()["role"] == "super", 20)
    assert stranger.status()["links"] == 0


def _isDeaf(peer: PeerProcess) -> bool:
    """Whether multicast cannot be used at all: sent by this process and heard by it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        group = socket.inet_aton("224.0.0.251") + socket.inet_aton("127.0.0.1")
        try:
            ear.bind(("", 0))
            ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            ear.settimeout(2)
            mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            mouth.sendto(b"hello", ("224.0.0.251", ear.getsockname()[1]))
            return ear.recv(64) != b"hello"
        except OSError:
            return True


def test_whatEachAnswered(start: Start) -> None:
    """A peer that cannot join says in its log and its status what it tried and what each answered: nobody, no peer, another network."""
    other = start("other", None, "--network", "open:another")
    with socket.socket() as closed, socket.socket() as talker:
        closed.bind(("127.0.0.1", 0))
        talker.bind(("127.0.0.1", 0))
        talker.listen()
        web = subprocess.Popen(
            [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={"PYTHONUNBUFFERED": "1"},
        )
        with web:
            try:
                assert web.stdout is not None
                webPort = int(web.stdout.readline().split(b" port ")[1].split()[0])
                places = [closed.getsockname()[1], webPort, other.runtime()["port"], talker.getsockname()[1]]
                lost = start(
                    "lost", None, *NETWORK, "--role", "leaf", "--discovery", "dns:name=nosuch.invalid",
                    *(word for port in places for word in ("--peer", f"127.0.0.1:{port}")),
                )
                waitFor("the log says so", lambda: "no super-peer of network open:discovery is reached" in lost.tail(50), 40)
                said = lost.ask("EXPLAIN join")
            finally:
                web.kill()
    answers = {one["address"]: one["answer"] for row in said["sources"] for one in row["addresses"] if row["source"] == "peer"}
    assert not said["joined"]
    assert answers[f"127.0.0.1:{places[0]}"] == "refuses the connection"
    assert "does not speak TLS as peers do (wrong version number)" in answers[f"127.0.0.1:{places[1]}"], answers
    assert answers[f"127.0.0.1:{places[2]}"] == "network: this peer is of another network"
    assert "TLS handshake takes too long" in answers[f"127.0.0.1:{places[3]}"]
    problems = " ".join(lost.status()["problems"])
    assert "nosuch.invalid has no address" in problems and "refuses the connection" in problems
    (line,) = [line for line in lost.tail(50).splitlines() if "no super-peer" in line]
    assert "refuses the connection" in line and "nosuch.invalid has no address" in line


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("list:file=/nowhere/seeds", "discovery list: the file /nowhere/seeds is not there"),
        ("dns", "discovery dns needs the argument name="),
    ],
)
def test_wrongUsage(spec: str, said: str, tmp_path: Path) -> None:
    """Only what the user got wrong keeps a peer from starting, and that is one line."""
    done = subprocess.run(
        [sys.executable, twistd(), "-n", "--pidfile=", "superpeer", "--data", str(tmp_path / "d"), "--listen", "tcp:0:interface=127.0.0.1",
         "--console", "tcp:0:interface=127.0.0.1", "--discovery", spec],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
    )
    assert done.returncode != 0
    (line,) = [line for line in (done.stdout + done.stderr).splitlines() if "superpeer: " in line and said in line]
    assert "Traceback" not in done.stderr, line
