"""Real C{twistd} processes on loopback: made, watched and ended here, and only those."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from overlay.lab.processes import PeerProcess, stopAll

Start = Callable[..., PeerProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts peers: name, files of the share by name, and what L{PeerProcess} takes; all are ended after the test."""
    started: list[PeerProcess] = []

    def begin(name: str, files: dict[str, str] | None = None, *options: str, ready: bool = True, **more: Any) -> PeerProcess:
        shares = []
        if files is not None:
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
