"""A client of the line protocol over a plain socket: what the C{superpeer} command is made of. Starts fast, so no Twisted."""

import json
import socket
from collections.abc import Iterator
from typing import Any

from overlay.errors import SuperpeerError
from overlay.wire.address import parseAddress

CONNECT_WITHIN = 5.0
DEFAULT = "127.0.0.1:7117"


class NotConnected(SuperpeerError):
    """There is no peer to talk to."""

    code = "not-connected"


class Refused(SuperpeerError):
    """
    The peer did not do it.

    @ivar reply: its whole answer.
    @ivar query: what was searched for, if it was a search.
    """

    code = "refused"

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__(reply.get("text", ""))
        self.reply = reply
        self.query = ""

    def __str__(self) -> str:
        return str(self.reply.get("text", "refused"))


class Client:
    """One connection, in JSON."""

    def __init__(self, address: str, timeout: float | None = 150.0) -> None:
        """
        @param address: C{HOST:PORT} or C{unix:PATH}.
        @raise NotConnected: nobody answers there, or somebody else.
        """
        try:
            if address.startswith("unix:"):
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._socket.settimeout(CONNECT_WITHIN)
                self._socket.connect(address.removeprefix("unix:"))
            else:
                self._socket = socket.create_connection(parseAddress(address, "the console address"), CONNECT_WITHIN)
            self._file = self._socket.makefile("rb")
            greeting = self._file.readline(4096)
        except OSError as problem:
            raise NotConnected(f"{address} ({problem.strerror or problem}); is 'twistd superpeer' running?") from problem
        if not greeting.startswith(b"200 superpeer/1 "):
            said = greeting.decode("utf-8", "replace").strip()
            raise NotConnected(f"{address} answered {said!r}" if said else f"{address} closed the connection")
        self._socket.settimeout(timeout)
        self.request("MODE JSON")

    def close(self) -> None:
        """End the connection."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()

    def send(self, line: str) -> None:
        """One request line."""
        self._socket.sendall(" ".join(line.splitlines()).encode("utf-8") + b"\r\n")

    def read(self) -> dict[str, Any]:
        """
        One reply.

        @raise NotConnected: the peer has gone.
        """
        try:
            line = self._file.readline()
        except OSError as problem:
            raise NotConnected(f"the peer does not answer ({problem})") from problem
        if not line:
            raise NotConnected("the peer has closed the connection")
        found: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {"code": int(line[:3]), "text": line[4:].decode().strip()}
        return found

    def request(self, line: str) -> dict[str, Any]:
        """
        @raise Refused: the reply's code is 4xx or 5xx.
        """
        self.send(line)
        reply = self.read()
        if int(reply["code"]) >= 400:
            raise Refused(reply)
        return reply

    def search(self, options: str, text: str) -> Iterator[dict[str, Any]]:
        """
        Rows as they come, then the line that ends the search.

        @raise Refused: the search failed.
        """
        self.request(" ".join(f"SEARCH {options} {text}".split()))
        while True:
            reply = self.read()
            yield reply
            if "code" in reply:
                if int(reply["code"]) >= 400:
                    raise Refused(reply)
                return
