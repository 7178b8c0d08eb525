"""The console of a peer in the lab: the product's own desk and line protocol, spoken to without a socket."""

import json
from typing import Any, cast

from overlay.console.session import Session
from overlay.desk import Desk
from overlay.errors import SuperpeerError
from overlay.lab.folders import ReadFolders
from overlay.lab.world import LabPeer
from overlay.share.share import Share

LONGEST = 200.0
"""Virtual seconds within which every search has ended."""


class Refusal(SuperpeerError):
    """The console refused a request."""


class LabConsole:
    """
    One conversation with a peer in the lab, in which it is asked as L{overlay.lab.processes.PeerProcess} is. It ends with this run of
    the peer.
    """

    def __init__(self, peer: LabPeer, share: ReadFolders) -> None:
        """
        @param share: what the peer shares; it has been told of it already.
        """
        self._world = peer.world
        self._written: list[bytes] = []
        # Of the share a desk wants nothing but its report.
        desk = Desk(peer.peer, cast(Share, share))
        self._session = Session(desk, self._written.append, lambda: None, operator=True)
        self._session.begin()
        self.request("MODE JSON")

    def request(self, line: str) -> list[dict[str, Any]]:
        """
        One line, and time until all is said.

        @return: the replies.
        @raise Refusal: the last one's code is 4xx or 5xx.
        """
        self._written.clear()
        self._session.lineReceived(line.encode("utf-8"))
        self._world.until(lambda: not self._session.outstanding, LONGEST)
        replies = [json.loads(one) for one in b"".join(self._written).splitlines() if one.startswith(b"{")]
        if replies[-1].get("code", 402) >= 400:
            raise Refusal(f"{line[:80]!r} is answered with {replies[-1]}")
        return replies

    def ask(self, line: str) -> Any:
        """
        One request.

        @return: the listing, or the whole reply if there is none.
        """
        reply = self.request(line)[-1]
        return reply.get("listing", reply)

    def search(self, text: str, limit: int = 1000, timeout: float = 20.0) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """
        @return: the rows, and the last reply.
        """
        *rows, end = self.request(" ".join(f"SEARCH limit={limit} timeout={timeout:g} {text}".split()))[1:]
        return rows, end
