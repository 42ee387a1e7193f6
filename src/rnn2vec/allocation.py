"""Memory that is freed and asked for again at every step of a training stays with the process."""

from __future__ import annotations

import ctypes
import functools
import sys

_TRIM, _MAP = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's mallopt."""
MAPPED = 256 << 20
"""Bytes from which on an allocation is still mapped from the system anew."""
KEPT = 256 << 20
"""Bytes that stay with the process when they are free."""


@functools.cache
def keep_freed_memory() -> bool:
    """Let glibc keep what is freed, up to :data:`KEPT`.

    By default it maps large tensors anew, and the system clears each of their pages: a step of pretraining (preset
    ``laptop``, non-interactive) took 80 to 95 ms in place of 65, unless a whole zoo had been read into memory before.

    Returns:
        Whether that was possible; elsewhere than on Linux with glibc nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        change = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(change(_MAP, MAPPED)) and bool(change(_TRIM, KEPT))
