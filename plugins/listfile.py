"""A text file with addresses."""

import os
from collections.abc import Sequence
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from overlay.discovery import LEADS, Addresses, DiscoverySurroundings
from overlay.errors import UsageError
from overlay.identity.ids import parseId
from overlay.interfaces import IDiscovery
from overlay.policy import PolicyPlugin
from overlay.questions import Lead
from overlay.wire.address import formatAddress, parseAddress

LARGEST = 256 * 1024
"""Bytes of the file that are read."""
NAMED = 3
"""Bad lines that are named."""


def parseList(text: str) -> tuple[list[Lead], list[str]]:
    """
    Read C{HOST:PORT [ID]} lines; what follows a C{#} is a comment.

    @return: the leads, and a sentence for each line that is none.
    """
    leads, wrong = [], []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            if len(words) > 2:
                raise UsageError(f"{words[2]!r} is too much: a line is HOST:PORT and, if it is known, an id")
            address = formatAddress(*parseAddress(words[0]))
            leads.append(Lead(address, parseId(words[1]) if len(words) == 2 else None))
        except UsageError as problem:
            wrong.append(f"line {number}: {problem}")
    return leads, wrong


@implementer(IDiscovery)
class ListFile(Addresses):
    """Read again whenever it has changed; as long as it cannot be read, what it said last stands."""

    def __init__(self, surroundings: DiscoverySurroundings, file: str) -> None:
        """
        @param file: its path.
        """
        super().__init__(surroundings)
        self._path = Path(file).expanduser().absolute()
        self._log: Logger = surroundings.log
        self._leads: list[Lead] = []
        self._stamp: tuple[int, ...] | None = None
        if not self._path.is_file():
            what = "is not a file" if self._path.exists() else "is not there"
            raise UsageError(f"discovery list: the file {self._path} {what}")
        try:
            self._read()
        except OSError as problem:
            raise UsageError(f"discovery list: the file {self._path} cannot be read ({problem.strerror})") from problem

    def find(self) -> Sequence[Lead] | Deferred[list[Lead]]:
        try:
            self._read()
        except OSError as problem:
            self._stamp = None
            self.problem = f"{self._path} cannot be read ({problem.strerror}); what it said last stands"
        return self.spread(self._leads)

    def _read(self) -> None:
        with self._path.open("rb") as file:
            about = os.fstat(file.fileno())
            stamp = (about.st_ino, about.st_size, about.st_mtime_ns)
            if stamp == self._stamp:
                return
            content = file.read(LARGEST + 1)
        self._stamp = stamp
        leads, wrong = parseList(content[:LARGEST].decode("utf-8", "replace"))
        if len(content) > LARGEST or len(leads) > LEADS:
            wrong.append(f"it is too long: its first {min(len(leads), LEADS)} addresses are used")
        self._leads = leads[:LEADS]
        more = f"; and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        self.problem = f"{self._path}: {'; '.join(wrong[:NAMED])}{more}" if wrong else ""
        if wrong:
            self._log.warn("{problem}", problem=self.problem)


listed = PolicyPlugin("discovery", "list", ListFile, "A text file with an address a line; read again when it changes.")
