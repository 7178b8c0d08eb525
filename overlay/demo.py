"""C{superpeer demo}: a real network on this machine, searched, broken and searched again, with every step checked."""

import hashlib
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from overlay.console.render import table
from overlay.errors import SuperpeerError
from overlay.lab.dealing import dealt, filesOf
from overlay.lab.processes import NotReady, PeerProcess, stopAll, waitFor
from overlay.lab.talk import everything, speak
from overlay.lab.wires import NoWires, Wires
from overlay.share.exclusion import Exclusion

NAMES = [f"peer-{number}" for number in range(12)]
WANTED = 4
"""Registrations that a super-peer aims at here, so that one is not enough for a dozen peers."""
LEAST_SUPER_PEERS = 3
EXCLUDED = ("__pycache__", "*.pyc", "site-packages", "dist-packages", "test", "tests", "idlelib")
QUERIES = ("socket timeout", '"regular expression"', "name:parser ext:py", "xml OR json -pickle", "size:>100k type:python")
JOIN_WITHIN = 60.0
REPAIR_WITHIN = 60.0
PORT = 7116


@attrs.define
class Step:
    """One line of the table at the end."""

    name: str
    held: bool
    said: str
    seconds: float


class Demo:
    """
    @ivar steps: what has been done, and whether it held.
    @ivar seconds: since the demonstration began.
    @ivar wires: between the peers' network namespaces; None if all are on the loopback interface.
    """

    def __init__(self, tree: Path, folder: Path, default: bool, seconds: Callable[[], float]) -> None:
        self._tree = tree
        self._folder = folder
        self._default = default
        self._exclusion = Exclusion(EXCLUDED if default else ())
        self.seconds = seconds
        self._last = seconds()
        self.peers: list[PeerProcess] = []
        self.expected: dict[str, set[str]] = {}
        self.steps: list[Step] = []
        self.wires: Wires | None = None
        self._where = ""

    def say(self, text: str) -> None:
        """Progress."""
        print(f"[{self.seconds():5.1f} s] {text}", flush=True)

    def _step(self, name: str, held: bool, said: str) -> None:
        now = self.seconds()
        self.steps.append(Step(name, held, said, now - self._last))
        self._last = now
        self.say(f"{'ok' if held else 'FAILED'}: {name}: {said}")

    # --- what is shared ----------------------------------------------------------------------------------------------

    def expect(self, groups: list[list[Path]]) -> None:
        """Hash every file here, apart from what the peers do."""
        for peer, group in zip(self.peers, groups, strict=True):
            self.expected[peer.name] = {
                hashlib.sha256(path.read_bytes()).hexdigest() for folder in group for path in filesOf(folder, self._exclusion)
            }

    # --- the steps ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """
        All of them.

        @raise NotReady: one took too long.
        """
        groups = dealt(self._tree, len(NAMES), self._folder / "loose", self._exclusion)
        self._layWires()
        self._launch(groups)
        self.expect(groups)
        files = sum(map(len, self.expected.values()))
        self._join(files)
        self._elected()
        self._searches()
        self._complete("all is found", self.peers)
        if self.wires is not None:
            self._cutCable(self.wires)
            self._halves(self.wires)
        victim = self._kill()
        living = [one for one in self.peers if one is not victim]
        self._complete("all of the living is found from the second homes", living)
        self._repair(living)
        self._complete("all of the living is found after the repair", living, whole=True)

    def _launch(self, groups: list[list[Path]]) -> None:
        options = ["--election", f"fittest:wanted={WANTED}"]
        for pattern in EXCLUDED if self._default else ():
            options += ["--exclude", pattern]
        founder = self._start(NAMES[0], groups[0], options)
        founder.ready()
        at = f" {self.wires.address(NAMES[0])}:{PORT}" if self.wires is not None else ""
        invitation = founder.operate("INVITE" + at)
        for name, group in zip(NAMES[1:], groups[1:], strict=True):
            self._start(name, group, [*options, "--join", invitation])
        for peer in self.peers:
            peer.ready(JOIN_WITHIN)
        self._step("start", True, f"{len(NAMES)} twistd superpeer processes {self._where}, sharing {self._tree}")

    def _layWires(self) -> None:
        """Give each peer a network namespace of its own, if this machine allows it."""
        wires = Wires(self._folder / "wires", NAMES)
        try:
            wires.lay()
        except NoWires as problem:
            self._where = "on 127.0.0.1"
            self.say(f"{problem}. So all peers are on 127.0.0.1, and no cable is cut.")
            return
        self.wires = wires
        self._where = "in network namespaces of their own, 10.1.0.2 and on"

    def _start(self, name: str, group: list[Path], options: list[str]) -> PeerProcess:
        folder = self._folder / name
        if self.wires is None:
            peer = PeerProcess(name, folder, group, options)
        else:
            peer = PeerProcess(
                name, folder, group, options, listen=f"tcp:{PORT}", console=f"unix:{folder / 'console'}", wrap=self.wires.enter(name)
            )
        self.peers.append(peer)
        peer.start()
        return peer

    def _settled(self, peers: list[PeerProcess]) -> list[dict[str, Any]] | None:
        """The peers' states once every leaf has two homes that hold all it shares; None before."""
        states = [one.status() for one in peers]
        serving = [one for one in states if one["role"] == "super"]
        indexed = sum(one["records shared"] for one in states)
        ready = 0
        for state in states:
            homes = [home for home in state["homes"] if home["state"] == "registered" and home["records"] == "all"]
            ready += state["share"] == "complete" and (state["role"] == "super" or len(homes) >= 2)
        self.progress = f"{indexed} records indexed, {ready} of {len(states)} peers settled, {len(serving)} super-peers"
        return states if ready == len(states) and len(serving) >= LEAST_SUPER_PEERS else None

    def _waitSettled(self, what: str, peers: list[PeerProcess], seconds: float) -> list[dict[str, Any]]:
        said: list[Any] = [self.seconds(), ""]

        def look() -> list[dict[str, Any]] | None:
            found = self._settled(peers)
            if self.seconds() - said[0] > 2.0 and self.progress != said[1]:
                said[:] = [self.seconds(), self.progress]
                self.say(f"  {self.progress}")
            return found

        states: list[dict[str, Any]] = waitFor(what, look, seconds, 0.5)
        return states

    def _join(self, files: int) -> None:
        self.say(f"waiting until all have joined and {files} files are indexed and registered at two homes each")
        states = self._waitSettled("the joining of all peers", self.peers, JOIN_WITHIN + files / 100)
        shared = sum(one["records shared"] for one in states)
        self._step("join", True, f"{len(states)} peers in one network, {shared} records shared")

    def _superPeers(self, peers: list[PeerProcess]) -> dict[str, dict[str, Any]]:
        """What each super-peer says of its role, by name."""
        return {one.name: one.ask("EXPLAIN role") for one in peers if one.status()["role"] == "super"}

    def _elected(self) -> None:
        roles = self._superPeers(self.peers)
        ids = {one.peerId[:8]: one.name for one in self.peers}
        for name, role in roles.items():
            print(f"    {name}: {role['state']}, {_named(role['because'], ids)}")
            for question in role["questions"][:1]:
                for reason in question["reasons"]:
                    if reason["threshold"] is not None:
                        said = (reason["name"] + ":", reason["value"], reason["relation"], reason["threshold"], reason["unit"])
                        print("        " + " ".join(map(str, said)).rstrip())
        print("    how the electing super-peers saw the candidates:")
        for name, role in roles.items():
            for seat in role["seats"]:
                if seat["outcome"] == "filled" and seat["fitness"]:
                    measured = ", ".join(f"{one['name']} {one['value']} {one['unit']}".strip() for one in seat["fitness"]["reasons"])
                    print(
                        f"        {name}, seat {seat['seat']}: {ids.get(seat['candidate'], seat['candidate'])}, fitness"
                        f" {seat['fitness']['score']} ({measured}); votes {len(seat['votes'])} of {len(seat['electors'])}"
                    )
        self._step("election", len(roles) >= LEAST_SUPER_PEERS, f"{len(roles)} super-peers: {', '.join(roles)}")

    def _searches(self) -> None:
        """Through the line protocol, as with netcat."""
        leaf = self._leaf()
        queries = QUERIES if self._default else self._ownQueries()
        held = True
        for query in queries:
            lines = speak(leaf.console, f"SEARCH limit=3 {query}")
            print(f"    > SEARCH limit=3 {query}")
            for line in lines[1:]:
                print(f"    < {line if len(line) < 150 else line[:147] + '...'}")
            held = held and lines[-1][:3] in ("250", "252")
        self._step("searches", held, f"{len(queries)} searches at {leaf.name}, each with its receipt")

    def _ownQueries(self) -> list[str]:
        """Words of names that are there, since the tree is the user's own."""
        rows, _ = self._leaf().search(f"owner:{self.peers[0].peerId[:8]}", 5)
        stems = [Path(row["name"]).stem for row in rows]
        words = ["".join(one if one.isalnum() else " " for one in stem).split() for stem in stems]
        return list(dict.fromkeys(f"name:{one[0]}" for one in words if one))[:3] or ["size:>0"]

    def _leaf(self, peers: list[PeerProcess] | None = None) -> PeerProcess:
        """One of these, or of all, that runs and does not serve."""
        return next(one for one in peers or self.peers if one.running and one.status()["role"] == "leaf")

    def _complete(self, name: str, peers: list[PeerProcess], whole: bool = False, seconds: int = 20) -> None:
        """Search for everything of every peer in C{peers}, from one of them, and compare with what is on disk."""
        leaf = self._leaf(peers)
        files = sum(len(self.expected[one.name]) for one in peers)
        missing: list[str] = []
        found = 0
        codes: dict[int, int] = {}
        for peer in peers:
            want = self.expected[peer.name]
            if not want:
                continue
            seen = everything(leaf.console, f"owner:{peer.peerId[:12]}", codes, seconds)
            found += len(want & seen)
            if want - seen:
                missing.append(f"{len(want - seen)} of {peer.name}")
        receipts = ", ".join(f"{count} receipts {code}" for code, count in sorted(codes.items()))
        held = not missing and (not whole or set(codes) <= {250, 252})
        said = f"{found} of {files} contents ({receipts})"
        self._step(name, held, said + (f", missing: {', '.join(missing)}" if missing else ""))

    def _cutCable(self, wires: Wires) -> None:
        victim = self._busiest()
        short = victim.peerId[:8]
        leaves = [one for one in self.peers if short in [home["peer"] for home in one.status()["homes"]]]
        wires.cut(victim.name)
        _, end = self._leaf(leaves).search("size:>0", 1, 3.0)
        said = " ".join(f"{key}={end[key]}" for key in ("asked", "answered", "lost", "time"))
        self._step("cut", end["code"] == 251, f"the cable of {victim.name}, a super-peer; the receipt of a search at once: {said}")
        self._complete("all of its leaves is found from their second homes", leaves, seconds=3)
        self._mended(wires)

    def _halves(self, wires: Wires) -> None:
        serving = [one for one in self.peers if one.status()["role"] == "super"]
        ordinary = [one for one in self.peers if one not in serving]
        halves = [*serving[::2], *ordinary[::2]], [*serving[1::2], *ordinary[1::2]]
        wires.part([one.name for one in halves[0]])
        said = " | ".join(" ".join(one.name for one in half) for half in halves)
        self._step("part", True, f"no packet goes between {said}")
        for number, half in enumerate(halves, 1):
            self._apart(half)
            self._complete(f"half {number} finds all of its own", half, whole=True)
        self._mended(wires)

    def _apart(self, peers: list[PeerProcess]) -> None:
        """Wait until these have noticed that the others are gone: each leaf has a home among them, and no search waits for anybody else."""
        ids = {one.peerId[:8] for one in peers}
        self.say("waiting until those who are gone are given up")

        def look() -> bool:
            for state in (one.status() for one in peers):
                homes = [home for home in state["homes"] if home["records"] == "all"]
                if (state["role"] == "leaf" and not homes) or any(home["peer"] not in ids for home in state["homes"]):
                    return False
            return self._leaf(peers).search("size:>0", 1, 3.0)[1]["code"] in (250, 252)

        waitFor("that those who are gone are given up", look, REPAIR_WITHIN, 0.5)

    def _mended(self, wires: Wires) -> None:
        wires.mend()
        self.say("mended; waiting until all are one network again")

        def look() -> bool:
            leaf = self._leaf()
            # TCP may take seconds until it tries a link again over which nothing went.
            answered = leaf.search("size:>0", 1, 3.0)[1]["code"] in (250, 252)
            return answered and all(leaf.search(f"owner:{one.peerId[:12]}", 1, 3.0)[0] for one in self.peers if self.expected[one.name])

        waitFor("that all are found again", look, REPAIR_WITHIN, 0.5)
        self._complete("mended: all is found", self.peers, whole=True)

    def _busiest(self) -> PeerProcess:
        """The super-peer that has most registrations, and is not the one that is asked."""
        searching = self._leaf()
        states = {one.name: one.status() for one in self.peers}
        loaded = [one for one in self.peers if states[one.name]["role"] == "super" and one is not searching]
        return max(loaded, key=lambda one: int(states[one.name]["leaves"]))

    def _kill(self) -> PeerProcess:
        victim = self._busiest()
        leaves = victim.status()["leaves"]
        self._before = set(self._superPeers(self.peers)) - {victim.name}
        victim.kill()
        self._step("kill", leaves > 0, f"{victim.name}, a super-peer with {leaves} registrations, was sent SIGKILL")
        return victim

    def _repair(self, living: list[PeerProcess]) -> None:
        self.say("waiting until every leaf has two homes again")
        self._waitSettled("the repair", living, REPAIR_WITHIN)
        roles = self._superPeers(living)
        new = [name for name in roles if name not in self._before]
        if new:
            for name in new:
                print(f"    {name} was elected: {roles[name]['because']}")
        said = f"new super-peers: {', '.join(new)}" if new else f"no election was needed, {len(roles)} super-peers are enough"
        self._step("repair", len(roles) >= LEAST_SUPER_PEERS, said)


def _named(text: str, ids: dict[str, str]) -> str:
    for short, name in ids.items():
        text = text.replace(short, f"{name} ({short})")
    return text


def main(share: str | None, keep: bool, seconds: Callable[[], float]) -> int:
    """
    @param share: the tree to share; the standard library of this Python if None.
    @param keep: leave the network running until Ctrl-C.
    @param seconds: since the start.
    @return: exit status: 0 only if every step held.
    """
    tree = Path(share).expanduser().resolve() if share else Path(sysconfig.get_path("stdlib"))
    if not tree.is_dir():
        print(f"superpeer demo: {tree} is not a folder", file=sys.stderr)
        return 2
    # SIGTERM ends it as Ctrl-C does: nothing may be left behind.
    before = signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="superpeer-demo-"))
    demo = Demo(tree, folder, share is None, seconds)
    status = 1
    try:
        try:
            demo.run()
        except (SuperpeerError, OSError) as problem:
            demo.steps.append(Step("all steps", False, str(problem).splitlines()[0], 0.0))
            print(f"FAILED: {problem}", flush=True)
            if isinstance(problem, NotReady):
                for peer in demo.peers:
                    print(f"--- {peer.name}\n{peer.tail(5)}")
        status = 0 if demo.steps and all(step.held for step in demo.steps) else 1
        _summary(demo)
        if keep:
            _keep(demo, demo.say)
    except KeyboardInterrupt:
        print("\nending", flush=True)
        status = status if keep and demo.steps else 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stopAll(demo.peers)
        if demo.wires is not None:
            demo.wires.close()
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, before)
    return status


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _summary(demo: Demo) -> None:
    print()
    table(
        ("step", "held", "seconds", "what"),
        [(step.name, "yes" if step.held else "NO", f"{step.seconds:.1f}", step.said) for step in demo.steps],
    )
    held = all(step.held for step in demo.steps)
    print(f"\n{'every step held' if held else 'NOT every step held'}, {demo.seconds():.1f} s")


def _keep(demo: Demo, say: Callable[[str], None]) -> None:
    peer = next(one for one in demo.peers if one.running)
    host, _, port = peer.console.rpartition(":")
    where = f"{host} {port}" if host != "unix" else f"-U {port}"
    print("\nThe network goes on. Try, in another terminal:")
    print(f"    printf 'SEARCH socket timeout\\r\\n' | nc -N {where}")
    print(f"    nc {where}        and type HELP")
    for one in demo.peers:
        if one.running:
            print(f"    {one.name}: console {one.console}, {one.status()['role']}")
    print("Ctrl-C ends it.", flush=True)
    while True:
        time.sleep(1)
