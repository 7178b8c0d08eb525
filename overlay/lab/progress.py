"""How far a run has come, on a terminal."""

import threading
import time
from types import TracebackType
from typing import TextIO

from overlay.lab.experiment import Measured

EVERY = 1.0
"""Seconds between two looks."""
_CLEAR = "\r\x1b[K"


class Progress:
    """
    A context in which one line of a terminal, written anew about once a second, says how much virtual time has passed. Where there is no
    terminal nothing is written. It only reads, so the run is what it would be without.
    """

    def __init__(self, measured: Measured, seed: int, stream: TextIO, every: float = EVERY) -> None:
        self._measured = measured
        self._seed = seed
        self._stream = stream
        self._every = every
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Progress":
        if self._stream.isatty():
            self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def line(self) -> str:
        """As in C{seed 1: 12:30 of virtual time in 45 s, 1,234,567 messages}; times of the world that was made last."""
        passed = self._measured.worlds[-1].time.seconds() if self._measured.worlds else 0.0
        hours, minutes, seconds = int(passed) // 3600, int(passed) // 60 % 60, int(passed) % 60
        shown = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        spent = time.monotonic() - self._began
        return f"seed {self._seed}: {shown} of virtual time in {spent:,.0f} s, {self._measured.delivered:,} messages"

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            self._write(_CLEAR + self.line())
        self._write(_CLEAR)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # The terminal is gone; the report goes elsewhere.
            self._over.set()
