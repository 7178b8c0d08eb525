"""What this machine and this process have left; the daemon gives it to the peer."""

import os
import resource
from pathlib import Path

from overlay.questions import HeadRoom

MEMORY = Path("/proc/meminfo")
OPEN = (Path("/proc/self/fd"), Path("/dev/fd"))
"""Where the system lists what this process has open."""


def headRoom() -> HeadRoom:
    """As it is now; None for what this system does not tell."""
    return HeadRoom(_memory(), _descriptors())


def _memory() -> int | None:
    """Bytes that may be had without swapping, the file cache included (Linux); elsewhere the pages that nobody uses."""
    try:
        for line in MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return max(0, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError):
        return None


def _descriptors() -> int | None:
    """Files and connections that may still be opened, by the soft limit."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return None
    for folder in OPEN:
        try:
            return max(0, most - len(os.listdir(folder)))
        except OSError:
            continue
    return None
