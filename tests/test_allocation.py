"""Freed memory stays with the process where glibc manages it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource
import numpy as np
from rnn2vec.allocation import keep_freed_memory
kept = keep_freed_memory() if {keep} else None
def faults():
    for _ in range(20):
        np.ones(5 << 20)  # 40 MiB, more than glibc learns to keep by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
first = faults()
print(kept, faults() - first)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_is_used_again() -> None:
    counts = {}
    for keep in (False, True):
        said = subprocess.run([sys.executable, "-c", SCRIPT.format(keep=keep)], capture_output=True, text=True)
        kept, faults = said.stdout.split()
        if keep and kept == "False":
            pytest.skip("another allocator")
        counts[keep] = int(faults)
    assert counts[True] < 100 < counts[False]
