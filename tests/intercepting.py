"""Messages taken from under the hands of a peer, by whoever wants to see them, or to answer in its place."""

from collections.abc import Callable
from typing import Any

from overlay.link.link import Link
from overlay.peer import Peer
from overlay.wire.message import Message


def intercept(peer: Peer, kind: type[Message], take: Callable[[Link, Any], object], passOn: bool = False) -> None:
    """
    Have C{take} get the messages of one kind that come to a peer.

    @param passOn: whether the part of the peer that they are for gets them as well.
    """
    number, receive = peer._receivers[kind]

    def taken(part: Any, link: Link, message: Any) -> None:
        take(link, message)
        if passOn:
            receive(part, link, message)

    peer._receivers = {**peer._receivers, kind: (number, taken)}
