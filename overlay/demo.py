"""C{superpeer demo}: a real network on this machine, searched, broken and searched again, with every step checked."""

import hashlib
import os
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
from overlay.errors import SuperpeerError, UsageError
from overlay.lab.processes import NotReady, PeerProcess, stopAll, waitFor
from overlay.lab.talk import everything, speak
from overlay.share.exclusion import Exclusion

PEERS = 12
WANTED = 4
"""Registrations that a super-peer aims at here, so that one is not enough for a dozen peers."""
LEAST_SUPER_PEERS = 3
EXCLUDED = ("__pycache__", "*.pyc", "site-packages", "dist-packages", "test", "tests", "idlelib")
QUERIES = ("socket timeout", '"regular expression"', "name:parser ext:py", "xml OR json -pickle", "size:>100k type:python")
JOIN_WITHIN = 60.0
REPAIR_WITHIN = 60.0


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
    """

    def __init__(self, tree: Path, folder: Path, default: bool) -> None:
        self._tree = tree
        self._folder = folder
        self._default = default
        self._started = time.monotonic()
        self._last = self._started
        self.peers: list[PeerProcess] = []
        self.expected: dict[str, set[str]] = {}
        self.steps: list[Step] = []

    def say(self, text: str) -> None:
        """Progress."""
        print(f"[{time.monotonic() - self._started:5.1f} s] {text}", flush=True)

    def _step(self, name: str, held: bool, said: str) -> None:
        now = time.monotonic()
        self.steps.append(Step(name, held, said, now - self._last))
        self._last = now
        self.say(f"{'ok' if held else 'FAILED'}: {name}: {said}")

    # --- what is shared ----------------------------------------------------------------------------------------------

    def split(self) -> list[list[Path]]:
        """The tree's sub-folders in groups of about as many files; loose files are linked into folders of their own."""
        exclusion = Exclusion(EXCLUDED if self._default else ())
        folders: list[tuple[int, Path]] = []
        loose: list[Path] = []
        for one in sorted(self._tree.iterdir()):
            if exclusion.reason(one.name, one.name, one.is_dir()) or one.is_symlink():
                continue
            if one.is_dir():
                folders.append((len(filesOf(one, exclusion)), one))
            elif one.is_file():
                loose.append(one)
        if not folders and not loose:
            raise UsageError(f"there is nothing to share in {self._tree}")
        groups: list[list[Path]] = [[] for _ in range(PEERS)]
        sizes = [0] * PEERS
        for count, path in sorted(folders, key=lambda one: (-one[0], one[1])):
            at = sizes.index(min(sizes))
            groups[at].append(path)
            sizes[at] += count
        for number, path in enumerate(loose):
            at = number % PEERS if max(sizes) == 0 else sizes.index(min(sizes))
            staged = self._folder / "loose" / f"loose{at}"
            staged.mkdir(parents=True, exist_ok=True)
            _place(path, staged / path.name)
            if staged not in groups[at]:
                groups[at].append(staged)
            sizes[at] += 1
        return groups

    def expect(self, groups: list[list[Path]]) -> None:
        """Hash every file here, apart from what the peers do."""
        exclusion = Exclusion(EXCLUDED if self._default else ())
        for peer, group in zip(self.peers, groups, strict=True):
            self.expected[peer.name] = {
                hashlib.sha256(path.read_bytes()).hexdigest() for folder in group for path in filesOf(folder, exclusion)
            }

    # --- the steps ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """
        All of them.

        @raise NotReady: one took too long.
        """
        groups = self.split()
        self._launch(groups)
        self.expect(groups)
        files = sum(map(len, self.expected.values()))
        self._join(files)
        self._elected()
        self._searches()
        self._complete("all is found", files, self.peers)
        victim = self._kill()
        living = [one for one in self.peers if one is not victim]
        left = sum(len(self.expected[one.name]) for one in living)
        self._complete("all of the living is found from the second homes", left, living)
        self._repair(living)
        self._complete("all of the living is found after the repair", left, living, whole=True)

    def _launch(self, groups: list[list[Path]]) -> None:
        options = ["--election", f"fittest:wanted={WANTED}"]
        for pattern in EXCLUDED if self._default else ():
            options += ["--exclude", pattern]
        founder = PeerProcess("peer-0", self._folder / "peer-0", groups[0], options)
        self.peers.append(founder)
        founder.start()
        founder.ready()
        invitation = founder.operate("INVITE")
        for number in range(1, PEERS):
            name = f"peer-{number}"
            peer = PeerProcess(name, self._folder / name, groups[number], [*options, "--join", invitation])
            self.peers.append(peer)
            peer.start()
        for peer in self.peers:
            peer.ready(JOIN_WITHIN)
        self._step("start", True, f"{PEERS} twistd superpeer processes on 127.0.0.1, sharing {self._tree}")

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
        said: list[Any] = [time.monotonic(), ""]

        def look() -> list[dict[str, Any]] | None:
            found = self._settled(peers)
            if time.monotonic() - said[0] > 2.0 and self.progress != said[1]:
                said[:] = [time.monotonic(), self.progress]
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
                    measured = ", ".join(
                        f"{one['name']} {one['value']} {one['unit']}".strip() for one in seat["fitness"]["reasons"]
                    )
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

    def _leaf(self) -> PeerProcess:
        return next(one for one in self.peers if one.running and one.status()["role"] == "leaf")

    def _complete(self, name: str, files: int, peers: list[PeerProcess], whole: bool = False) -> None:
        """Search for everything of every peer in C{peers}, from one of them, and compare with what is on disk."""
        leaf = self._leaf()
        missing: list[str] = []
        found = 0
        codes: dict[int, int] = {}
        for peer in peers:
            want = self.expected[peer.name]
            if not want:
                continue
            seen = everything(leaf.console, f"owner:{peer.peerId[:12]}", codes)
            found += len(want & seen)
            if want - seen:
                missing.append(f"{len(want - seen)} of {peer.name}")
        receipts = ", ".join(f"{count} receipts {code}" for code, count in sorted(codes.items()))
        held = not missing and (not whole or set(codes) <= {250, 252})
        said = f"{found} of {files} contents ({receipts})"
        self._step(name, held, said + (f", missing: {', '.join(missing)}" if missing else ""))

    def _kill(self) -> PeerProcess:
        searching = self._leaf()
        states = {one.name: one.status() for one in self.peers}
        loaded = [one for one in self.peers if states[one.name]["role"] == "super" and one is not searching]
        victim = max(loaded, key=lambda one: int(states[one.name]["leaves"]))
        leaves = states[victim.name]["leaves"]
        self._before = {name for name, state in states.items() if state["role"] == "super"} - {victim.name}
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


def filesOf(folder: Path, exclusion: Exclusion) -> list[Path]:
    """The files of a folder that are to be shared, found without the code that the peers use."""
    found = []
    for top, folders, files in os.walk(folder):
        inner = Path(top).relative_to(folder)
        folders[:] = [
            one for one in folders
            if not exclusion.reason(str(inner / one), one, True) and not os.path.islink(os.path.join(top, one))
        ]
        for one in files:
            path = Path(top, one)
            shared = path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
            if shared and not exclusion.reason(str(inner / one), one, False):
                found.append(path)
    return found


def _place(path: Path, where: Path) -> None:
    try:
        os.link(path, where)
    except OSError:
        shutil.copy2(path, where)


def _named(text: str, ids: dict[str, str]) -> str:
    for short, name in ids.items():
        text = text.replace(short, f"{name} ({short})")
    return text


def main(share: str | None, keep: bool) -> int:
    """
    @param share: the tree to share; the standard library of this Python if None.
    @param keep: leave the network running until Ctrl-C.
    @return: exit status: 0 only if every step held.
    """
    tree = Path(share).expanduser().resolve() if share else Path(sysconfig.get_path("stdlib"))
    if not tree.is_dir():
        print(f"superpeer demo: {tree} is not a folder", file=sys.stderr)
        return 2
    # SIGTERM ends it as Ctrl-C does: nothing may be left behind.
    before = signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="superpeer-demo-"))
    demo = Demo(tree, folder, share is None)
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
    print(f"\n{'every step held' if held else 'NOT every step held'}, {time.monotonic() - demo._started:.1f} s")


def _keep(demo: Demo, say: Callable[[str], None]) -> None:
    peer = next(one for one in demo.peers if one.running)
    host, _, port = peer.console.rpartition(":")
    print("\nThe network goes on. Try, in another terminal:")
    print(f"    printf 'SEARCH socket timeout\\r\\n' | nc -N {host} {port}")
    print(f"    nc {host} {port}        and type HELP")
    for one in demo.peers:
        if one.running:
            print(f"    {one.name}: console {one.console}, {one.status()['role']}")
    print("Ctrl-C ends it.", flush=True)
    while True:
        time.sleep(1)
