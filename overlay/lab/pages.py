"""
Large pages for the memory of a large population.

Ten thousand peers are a gigabyte of small objects that are touched in no order, so that much of the time goes into looking addresses up.
In pages of 2 MiB instead of 4 KiB that is about a fifth less. Where the system has no such pages, nothing changes.
"""

import ctypes
import re
from pathlib import Path

WORTH = 256 * 1024 * 1024
"""Bytes of memory below which it is not worth the while: small networks are soon over."""
_PAGE = 2 * 1024 * 1024
_HUGE, _COLLAPSE = 14, 25
"""MADV_HUGEPAGE and MADV_COLLAPSE, as Linux numbers them."""
_ANONYMOUS = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0 +(?:\[heap\])?$")


def useLargePages() -> int:
    """
    Ask the kernel to put what this process has allocated so far into large pages.

    @return: bytes of the regions for which it did.
    """
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
        advise = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return 0
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    moved = 0
    regions = [tuple(int(one, 16) for one in found.groups()) for found in map(_ANONYMOUS.match, lines) if found is not None]
    if sum(end - start for start, end in regions) < WORTH:
        return 0
    for start, end in regions:
        start, end = -(-start // _PAGE) * _PAGE, end // _PAGE * _PAGE
        if end > start and advise(start, end - start, _HUGE) == 0 and advise(start, end - start, _COLLAPSE) == 0:
            moved += end - start
    return moved
