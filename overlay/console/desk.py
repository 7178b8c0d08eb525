"""What the console asks of a peer."""

from collections.abc import Sequence

from zope.interface import Attribute, Interface


class ISearchHandle(Interface):
    """One search that runs."""

    finished = Attribute("a Deferred that fires with an overlay.search.outcome.Outcome and never fails")

    def cancel() -> None:
        """End it now, with what has been found."""

    def marks(passage: str) -> "list[tuple[int, int]]":
        """What of a passage matches: beginnings and ends, in characters."""


class IDesk(Interface):
    """
    The desk of one peer. The calls answer at once, with values that can be written as JSON; mistakes of the user raise
    L{overlay.errors.SuperpeerError}.
    """

    peerId = Attribute("20 bytes")
    version = Attribute("of this program")

    def search(
        text: str, want: int, timeout: "float | None", onHits: object, match: str = "all", types: "Sequence[str]" = (),
        sort: str = "score", ttl: int = 0, router: str = "",
    ) -> ISearchHandle:
        """Begin a search; C{onHits} is called with rows as they come. The rest is as L{overlay.search.searches.Searches.search} has it."""

    def routers() -> "list[str]":
        """Names of the routers that a search may ask for."""

    def status() -> dict:
        """How this peer is, in a few lines."""

    def peers() -> list:
        """Whom it knows: a dictionary each."""

    def share() -> dict:
        """What it shares, and what not."""

    def explain(topic: str, argument: str) -> dict:
        """
        Why: C{role}, C{join}, C{tree}, C{peer} with a prefix of an id, C{search} with a number, C{hit} with a number or a
        content hash, C{policies}.
        """

    def stats() -> dict:
        """Counters."""

    def network() -> dict:
        """The network, without its secret."""

    def invite(address: str) -> str:
        """The invitation, which holds the network's key. For the operator alone, like all that follows."""

    def rotate() -> None:
        """A new network key."""

    def expel(prefix: str) -> str:
        """Put a peer out for everybody; gives its id."""

    def block(prefix: str) -> str:
        """Have nothing to do with a peer; gives its id."""

    def unblock(prefix: str) -> str:
        """Undo that; gives its id."""

    def blocked() -> list:
        """Ids of whom is blocked."""
