"""Under which keys of the tally the messages of all links are counted."""

from overlay.wire.message import Message


class Counted(dict[type[Message], tuple[str, ...]]):
    """The keys of one direction, by kind of message: one tuple for all the peers of a process."""

    def __init__(self, direction: str) -> None:
        super().__init__()
        self._direction = direction

    def __missing__(self, kind: type[Message]) -> tuple[str, ...]:
        key = self[kind] = ("messages", kind.__name__.lower(), self._direction)
        return key


SENT, RECEIVED = Counted("out"), Counted("in")
