"""Networks for real peers on one machine: a network namespace for each, joined by a router at which cables are cut and packets lost."""

import os
import shutil
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

from overlay.errors import SuperpeerError

NEEDED = ("unshare", "nsenter", "ip", "nft")
"""The commands of util-linux, iproute2 and nftables that are used."""
WAYS: tuple[tuple[str, ...], ...] = ((), ("--user", "--map-root-user"))
"""What C{unshare} is given besides: root needs nothing, others are root of a user namespace of their own where that is allowed."""
WITHIN = 30.0
_LAY = """
set -e
cd "$1"
hub=/proc/$$/ns/net
# cable FROM INTERFACE TO NETWORK: a cable from one namespace to another, which reaches everything else by it.
cable() {
    touch "$3"
    unshare --net="$3" ip link set lo up
    ip link add "$2" netns "$1" type veth peer name out netns "$3"
    nsenter --net="$1" sh -ec "ip address add $4.1/24 dev $2; ip link set dev $2 up"
    nsenter --net="$3" sh -ec "ip address add $4.2/24 dev out; ip link set dev out up; ip route add default via $4.1"
}
# masquerade ROUTER: what comes from behind it has its address; nobody can dial in.
masquerade() {
    nsenter --net="$1" sh -ec 'echo 1 > /proc/sys/net/ipv4/ip_forward
        nft "add table ip home; add chain ip home out { type nat hook postrouting priority 100; }"
        nft "add rule ip home out oifname out masquerade"'
}
echo 1 > /proc/sys/net/ipv4/ip_forward
nft 'add table inet wires; add chain inet wires cables { type filter hook forward priority 0; }'
"""


class NoWires(SuperpeerError):
    """Network namespaces cannot be had on this machine."""


class Wires:
    """
    One network: each place has an address in an IPv4 network of its own (10.N.0.0/24), and a cable to one router between all.

    The namespaces have no names outside, and end with the last process in them: nothing is left behind, however this one ends.
    """

    def __init__(self, folder: Path, places: Sequence[str], hidden: Collection[str] = ()) -> None:
        """
        @param folder: an empty folder, or one that is not there yet.
        @param hidden: those of the places that are behind a router of their own which masquerades: they dial, and cannot be dialled.
        """
        self._folder = folder.resolve()
        self._numbers = {place: number for number, place in enumerate(places, 1)}
        self._hidden = frozenset(hidden)
        self._holder: subprocess.Popen[str] | None = None
        self._way: tuple[str, ...] = ()

    def lay(self) -> None:
        """
        Make it.

        @raise NoWires: the machine does not allow it, or lacks a command; the message says which.
        """
        missing = [one for one in NEEDED if shutil.which(one, path=_path()) is None]
        if missing:
            raise NoWires(f"it has no {' and no '.join(missing)}")
        self._folder.mkdir(parents=True, exist_ok=True)
        said = ""
        for way in WAYS:
            said = self._tried(way)
            if self._holder is not None:
                return
        raise NoWires(f"nobody may make them, with nftables in them: {said}")

    def _tried(self, way: tuple[str, ...]) -> str:
        # The shell's namespace is the router's. It stays until its input ends, which it does when this process ends, too.
        holder = subprocess.Popen(
            ["unshare", *way, "--net", "--mount", "sh", "-c", self._script(), "sh", str(self._folder)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment(), start_new_session=True,
        )
        assert holder.stdout is not None and holder.stderr is not None
        if holder.stdout.readline().strip() == "ready":
            self._holder, self._way = holder, way
            return ""
        _, said = holder.communicate()
        return (said.strip().splitlines() or ["no reason was given"])[-1]

    def _script(self) -> str:
        lines = [_LAY]
        for place, number in self._numbers.items():
            if place in self._hidden:
                lines += [
                    f"cable $hub c{number} ./r{number} 10.{number}.0", f"cable ./r{number} home ./p{number} 192.168.{number}",
                    f"masquerade ./r{number}",
                ]
            else:
                lines.append(f"cable $hub c{number} ./p{number} 10.{number}.0")
        return "\n".join([*lines, "echo ready", "exec cat"])

    def close(self) -> None:
        """Take it away; the processes in it have been ended before. Nothing happens if there is none."""
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.communicate()

    # --- places ------------------------------------------------------------------------------------------------------

    def address(self, place: str) -> str:
        """Where others see that place; they can dial it there unless it is hidden."""
        return f"10.{self._numbers[place]}.0.2"

    def enter(self, place: str) -> tuple[str, ...]:
        """A command that runs another one at that place."""
        assert self._holder is not None
        # The files that stand for namespaces are mounted where only the holder sees them.
        return self._within(f"/proc/{self._holder.pid}/root{self._folder}/p{self._numbers[place]}")

    def _within(self, namespace: str) -> tuple[str, ...]:
        assert self._holder is not None
        user = ("--preserve-credentials", f"--user=/proc/{self._holder.pid}/ns/user") if self._way else ()
        return (shutil.which("nsenter", path=_path()) or "nsenter", *user, f"--net={namespace}")

    # --- faults ------------------------------------------------------------------------------------------------------

    def cut(self, *places: str) -> None:
        """Cut these cables, and mend everything else: packets vanish both ways, and nobody is told."""
        cables = self._cables(places)
        self._rule(f"iifname {cables} drop", f"oifname {cables} drop")

    def part(self, places: Collection[str]) -> None:
        """Part these places from all others, and mend everything else."""
        cables = self._cables(places)
        self._rule(f"iifname {cables} oifname != {cables} drop", f"iifname != {cables} oifname {cables} drop")

    def lose(self, percent: int) -> None:
        """Lose so many (1 to 99) of a hundred packets on the way through the router, and mend everything else."""
        self._rule(f"numgen random mod 100 < {percent} drop")

    def mend(self) -> None:
        """All is well again."""
        self._rule()

    def _cables(self, places: Collection[str]) -> str:
        return "{ " + ", ".join(f'"c{self._numbers[place]}"' for place in sorted(places)) + " }"

    def _rule(self, *rules: str) -> None:
        """These rules alone, all at once."""
        assert self._holder is not None
        chain = "inet wires cables"
        text = "\n".join([f"flush chain {chain}", *(f"add rule {chain} {rule}" for rule in rules)]) + "\n"
        subprocess.run(
            [*self._within(f"/proc/{self._holder.pid}/ns/net"), "nft", "-f", "-"], input=text, text=True, check=True, timeout=WITHIN,
            env=_environment(),
        )


def _path() -> str:
    # Not everybody has the folders in which the commands of the administrator lie.
    return os.pathsep.join(filter(None, (os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": _path()}
