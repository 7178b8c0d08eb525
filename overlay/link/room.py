"""How many links one peer has, and what it says to whoever comes when there are as many."""

MOST = 1000
"""Links of one peer."""
BEGINNING = MOST // 4
"""Of links that are being made so many are made at a time; who comes then is cut off, as even a refusal takes a handshake."""
RESERVED = 8
"""Of so many links one is for super-peers alone."""
FULL = "full"
"""What a peer says that has as many."""
FULL_RETRY = 30.0
"""Seconds after which it may be asked again."""
NAMED = 2
"""Super-peers that it names instead. Refusals are many when they are needed, and an advert with a mandate takes a kilobyte."""


def hasRoom(links: int, isSuper: bool) -> bool:
    """
    Whether one more link can be taken: leaves leave some room to super-peers, which have to reach one another to vote.

    @param links: that there are.
    @param isSuper: whether the other end says that it is a super-peer.
    """
    return links < (MOST if isSuper else MOST - MOST // RESERVED)
