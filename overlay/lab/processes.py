"""Real peers for the demonstration and the tests: C{twistd superpeer} processes on this machine, which are started and ended here."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from overlay.console.client import Client, NotConnected
from overlay.errors import SuperpeerError

PAUSE = 0.1
STARTS_WITHIN = 120.0
"""Seconds; one that has ended is told at once, so only on a very busy machine does any of it pass."""


class NotReady(SuperpeerError):
    """A process did not do in time what was waited for."""


def twistd() -> str:
    """
    The C{twistd} of this Python.

    @raise NotReady: there is none.
    """
    beside = Path(sys.executable).with_name("twistd")
    found = str(beside) if beside.exists() else shutil.which("twistd")
    if found is None:
        raise NotReady("there is no twistd beside this Python")
    return found


def waitFor(what: str, holds: Callable[[], Any], seconds: float, pause: float = PAUSE) -> Any:
    """
    @return: the first true value of C{holds}.
    @raise NotReady: it stayed false for C{seconds}.
    """
    end = time.monotonic() + seconds
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > end:
            raise NotReady(f"{what} did not happen within {seconds:g} s")
        time.sleep(pause)


class PeerProcess:
    """
    One peer in a process of its own.

    @ivar folder: where its state, its share and its log lie.
    """

    def __init__(
        self, name: str, folder: Path, shares: Sequence[Path] = (), options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None, listen: str = "tcp:0:interface=127.0.0.1",
        console: str = "tcp:0:interface=127.0.0.1", wrap: Sequence[str] = (), data: Path | None = None,
    ) -> None:
        """
        @param data: where its state lies, if not in C{folder}.
        @param wrap: a command that the peer is run by, as C{ip netns exec NAME}.
        """
        self.name = name
        self.folder = folder
        self.data = data or folder / "data"
        self.log = folder / "log"
        self.shares = list(shares)
        self.options = list(options)
        self._environment = {
            key: value for key, value in os.environ.items() if not key.startswith("SUPERPEER_")
        } | dict(environment or {})
        self._listen = listen
        self._console = console
        self._wrap = list(wrap)
        self._client: Client | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """How it is started."""
        shares = [word for one in self.shares for word in ("--share", str(one))]
        return [
            *self._wrap, sys.executable, twistd(), "-n", "--pidfile=", "superpeer", "--data", str(self.data),
            "--listen", self._listen, "--console", self._console, *shares, *self.options,
        ]

    def start(self) -> None:
        """Start it, or start it again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.data / "runtime.json").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=self.folder,
                env=self._environment,
            )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def runtime(self) -> dict[str, Any]:
        """What it wrote down about itself; empty until it is up."""
        try:
            found: dict[str, Any] = json.loads((self.data / "runtime.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def ready(self, seconds: float = STARTS_WITHIN) -> dict[str, Any]:
        """
        Wait until it is up.

        @raise NotReady: it ended, or took too long.
        """

        def look() -> dict[str, Any]:
            if not self.running:
                raise NotReady(f"{self.name} has ended:\n{self.tail()}")
            return self.runtime()

        found: dict[str, Any] = waitFor(f"the start of {self.name}", look, seconds, 0.05)
        # Others remember where it was, so it comes back to the same port.
        self._listen = self._listen.replace("tcp:0:", f"tcp:{found['port']}:")
        return found

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    @property
    def console(self) -> str:
        """C{HOST:PORT} of its console."""
        return str(self.runtime()["console"])

    @property
    def peerId(self) -> str:
        return str(self.runtime()["peer"])

    def ask(self, line: str) -> Any:
        """
        One request over a connection that is kept.

        @return: the listing, or the whole reply if there is none.
        """
        if self._client is None:
            self._client = Client(self.console)
        try:
            reply = self._client.request(line)
        except NotConnected:
            self._client.close()
            self._client = None
            raise
        return reply.get("listing", reply)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("STATUS")
        return found

    def operate(self, line: str) -> str:
        """One request of the operator."""
        with Client("unix:" + str(self.runtime()["control"])) as client:
            return str(client.request(line).get("text", ""))

    def search(self, text: str, limit: int = 1000, timeout: float = 20.0) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """
        @return: all rows, continued with MORE until there are no more, and the last reply.
        """
        rows: list[dict[str, Any]] = []
        with Client(self.console) as client:
            for reply in client.search(f"limit={limit} timeout={timeout:g}", text):
                rows.append(reply)
        end = rows.pop()
        return rows, end

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL, 10.0)

    def stop(self, seconds: float = 10.0) -> int:
        """
        SIGTERM, and SIGKILL if that does not help.

        @return: its exit status.
        """
        return self._end(signal.SIGTERM, seconds)

    def _end(self, number: int, seconds: float) -> int:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def stopAll(peers: Sequence[PeerProcess]) -> None:
    """End several at once."""
    for one in peers:
        if one.running and one.process is not None:
            one.process.terminate()
    for one in peers:
        one.stop(8.0)
