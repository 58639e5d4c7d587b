"""The C allocator told to give large blocks back.

glibc learns from each large block that is freed to keep the next ones, in a heap for each thread: workers that read
answers of 10 MB in turn would each keep as much for the rest of the run.
"""

from __future__ import annotations

import ctypes
import sys

LARGE = 2**18
"""Bytes from which a block is mapped by itself, and unmapped when it is freed."""

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of malloc.h
ARENAS = 2


def give_back_large_blocks() -> None:
    """Set glibc's bounds for good; other C libraries do so by themselves, or have no such bounds."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, LARGE)
    mallopt(M_ARENA_MAX, ARENAS)
