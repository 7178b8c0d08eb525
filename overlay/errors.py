"""
The exceptions of the project.

The first paragraph of the docstring of each class is the sentence that its reader sees; C{code} is what travels in a refusal or a goodbye.
"""

from typing import ClassVar


class SuperpeerError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"

    def __str__(self) -> str:
        said = super().__str__()
        meaning = (type(self).__doc__ or "").strip().partition("\n\n")[0]
        return f"{meaning.rstrip('.')}: {said}" if said else meaning


class Malformed(SuperpeerError):
    """The bytes or fields received break the protocol."""

    code = "malformed"


class TooLarge(Malformed):
    """Something received is larger than the protocol allows."""

    code = "too-large"


class Forged(SuperpeerError):
    """A signature, or what it signs, does not hold."""

    code = "forged"


class Expired(Forged):
    """A signed statement is past its expiry."""

    code = "expired"


class WrongNetwork(SuperpeerError):
    """The other side is of another network, or does not know this network's key."""

    code = "network"


class VersionMismatch(SuperpeerError):
    """The two sides have no protocol version in common."""

    code = "version"


class Blocked(SuperpeerError):
    """This peer is blocked or expelled here."""

    code = "blocked"


class NotReached(SuperpeerError):
    """No connection could be made."""

    code = "unreachable"


class TurnedAway(NotReached):
    """
    The other side answered, and would not have the link.

    @ivar reason: the code in its goodbye.
    @ivar retry: seconds after which it may be asked again; 0 if it did not say, below 0 for never.
    """

    def __init__(self, message: str, reason: str = "", retry: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry = retry


class UsageError(SuperpeerError):
    """What the user asked for cannot be done."""

    code = "usage"

    def __str__(self) -> str:
        """The message alone: it is a whole sentence for the user."""
        return Exception.__str__(self) or super().__str__()


class Damaged(SuperpeerError):
    """A stored file is damaged."""

    code = "damaged"


class StoreFull(SuperpeerError):
    """The store cannot take more; nothing of the change was kept."""

    code = "store-full"


class BadQuery(SuperpeerError):
    """
    The query cannot be understood.

    @ivar word: the word of the query that is at fault.
    @ivar at: where that begins in the query, in characters; -1 if the fault is nowhere in particular.
    """

    code = "query"

    def __init__(self, message: str, word: str = "", at: int = -1) -> None:
        super().__init__(message)
        self.word = word
        self.at = at

    def __str__(self) -> str:
        """The message alone: it is a whole sentence for the user."""
        return Exception.__str__(self)
