"""What a terminal is told of a run."""

import io
import re
import time

from overlay.lab.experiment import Measured
from overlay.lab.progress import Progress


class Terminal(io.StringIO):
    """A stream that says that somebody looks at it, and may be gone."""

    def __init__(self, gone: bool = False) -> None:
        super().__init__()
        self.gone = gone

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.gone:
            raise OSError("the terminal is gone")
        return super().write(text)


def test_aTerminalIsTold() -> None:
    """One line, written anew, with virtual time and messages; in the end it is cleared away."""
    measured, terminal = Measured(), Terminal()
    world = measured.world(1)
    with Progress(measured, 7, terminal, 0.001) as progress:
        world.run(3725.0)
        assert re.fullmatch(r"seed 7: 1:02:05 of virtual time in \d+ s, 0 messages", progress.line())
        while "1:02:05" not in terminal.getvalue():
            time.sleep(0.001)
    lines = terminal.getvalue().split("\r\x1b[K")
    assert lines[0] == "" and lines[-1] == "" and "\n" not in terminal.getvalue()
    assert any("seed 7: 1:02:05" in line for line in lines)


def test_nobodyElseIs() -> None:
    """A file or a pipe gets nothing, and a terminal that is gone does no harm."""
    stream = io.StringIO()
    with Progress(Measured(), 1, stream, 0.001) as progress:
        assert progress.line() == "seed 1: 0:00 of virtual time in 0 s, 0 messages"
        time.sleep(0.01)
    assert stream.getvalue() == ""
    with Progress(Measured(), 1, Terminal(gone=True), 0.001):
        time.sleep(0.01)
