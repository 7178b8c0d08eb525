"""
The child process that hashes files and extracts their text: C{python -m overlay.share.child}.

Requests come on standard input and answers go to standard output, each four bytes of length and a MessagePack array. A request is
C{[number, path, name, text limit, term limit, extract, dialect]}; an answer is C{[number, problem, size, mtime in ns, SHA-256, media
type, text, terms, length, title]}. What a broken file does to this process is not the peer's concern: the parent starts another.
"""

import contextlib
import hashlib
import os
import re
import resource
import stat
import sys
from typing import BinaryIO

import msgspec

from overlay.index.dialect import analysisOf
from overlay.share.extract import READ_MOST, Extracted, mediaTypeOf, textOf
from overlay.wire import limits

MEMORY = 1 << 30
"""Bytes of address space."""
_CHUNK = 1 << 20
_LAST_WORD = re.compile(r"\w+\Z")


class Failed(Exception):
    """A file cannot be shared, for the reason in the message."""


def _open(path: str) -> BinaryIO:
    """
    @raise Failed: it is no regular file any more, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as problem:
        raise Failed("unreadable" if isinstance(problem, PermissionError) else "vanished") from problem
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Failed("not a file")
    return os.fdopen(descriptor, "rb", buffering=0)


def digest(path: str, name: str, textLimit: int, termLimit: int, extract: bool, dialect: str = "") -> tuple:
    """
    @return: problem (empty, or why there is no text), size, mtime in ns, SHA-256, media type, text, terms, number of words, title.
    @raise Failed: the file cannot be read.
    """
    hashing = hashlib.sha256()
    beginning = bytearray()
    size = 0
    try:
        with _open(path) as stream:
            before = os.fstat(stream.fileno())
            while chunk := stream.read(_CHUNK):
                hashing.update(chunk)
                size += len(chunk)
                if len(beginning) < READ_MOST:
                    beginning += chunk[: READ_MOST - len(beginning)]
            after = os.fstat(stream.fileno())
    except OSError as problem:
        raise Failed("unreadable") from problem
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise Failed("changing")
    kind = mediaTypeOf(name)
    trouble, found = "", Extracted()
    if extract:
        try:
            found = textOf(path, kind, bytes(beginning))
        except Exception:  # a reader of somebody's format may raise anything, MemoryError among it
            trouble = "extraction failed"
    text = found.text[:READ_MOST]
    terms, length = analysisOf(dialect).countTerms(text, termLimit, found.title) if text else ((), 0)
    kept = _beginning(text, textLimit)
    return trouble, size, after.st_mtime_ns, hashing.digest(), kind, kept, terms, length, found.title if text else ""


def _beginning(text: str, size: int) -> str:
    """At most so many bytes of it, and no word that is cut off: it would be another one."""
    whole = text.encode("utf-8", "replace")
    kept = whole[:size].decode("utf-8", "ignore")
    if len(whole) > size and text[len(kept)].isalnum():
        short = _LAST_WORD.sub("", kept)
        # In scripts without spaces what looks like a word may be all there is.
        kept = short if len(kept) - len(short) < limits.TERM else kept
    return kept


def main() -> None:
    """Serve until standard input ends."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with contextlib.suppress(OSError):
        os.nice(10)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not get among the answers.
    os.dup2(2, 1)
    while len(header := requests.read(4)) == 4:
        number, path, name, textLimit, termLimit, extract, dialect = msgspec.msgpack.decode(
            requests.read(int.from_bytes(header, "big"))
        )
        try:
            answer = (number, *digest(os.fsdecode(path), name, textLimit, termLimit, extract, dialect))
        except Failed as problem:
            answer = (number, str(problem), -1, 0, b"", "", "", (), 0, "")
        encoded = msgspec.msgpack.encode(answer)
        answers.write(len(encoded).to_bytes(4, "big") + encoded)
        answers.flush()


if __name__ == "__main__":
    main()
