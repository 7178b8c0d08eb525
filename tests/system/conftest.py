"""Real C{twistd} processes on loopback: made, watched and ended here, and only those."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from overlay.lab.processes import PeerProcess, stopAll

Start = Callable[..., PeerProcess]


@attrs.frozen
class SmallDisk:
    """
    A file system of its own in a mount namespace of its own.

    @ivar inside: where it lies for what runs in the namespace.
    @ivar outside: the same for everybody else.
    @ivar enter: a command that runs another one in the namespace.
    """

    inside: Path
    outside: Path
    enter: tuple[str, ...]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """
    Starts peers: name, files of the share by name or a folder that has them, and what L{PeerProcess} takes; all are ended after the test.
    """
    started: list[PeerProcess] = []

    def begin(
        name: str, files: dict[str, str] | Path | None = None, *options: str, ready: bool = True, **more: Any
    ) -> PeerProcess:
        shares = []
        if isinstance(files, Path):
            shares.append(files)
        elif files is not None:
            share = tmp_path / f"{name}-share"
            share.mkdir(exist_ok=True)
            for file, text in files.items():
                (share / file).write_text(text)
            shares.append(share)
        peer = PeerProcess(name, tmp_path / name, shares, options, **more)
        started.append(peer)
        peer.start()
        if ready:
            peer.ready()
        return peer

    try:
        yield begin
    finally:
        stopAll(started)


@pytest.fixture
def smallDisk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A file system of 8 MiB; the process that holds its namespace is ended after the test."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=8m tmpfs '{disk}' && echo ready && exec sleep 600"
    try:
        holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
    except FileNotFoundError:
        pytest.skip("this machine has no unshare")
    with holder:
        try:
            assert holder.stdout is not None and holder.stderr is not None
            if holder.stdout.readline().strip() != "ready":
                pytest.skip(f"this machine lets nobody mount: {holder.stderr.read().strip()}")
            enter = ("nsenter", "--user", "--mount", "--preserve-credentials", "--target", str(holder.pid))
            yield SmallDisk(disk, Path(f"/proc/{holder.pid}/root{disk}"), enter)
        finally:
            holder.kill()
