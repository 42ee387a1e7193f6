"""How long threads wait awake for each other.

OpenMP's threads, which are torch's, by default spin for milliseconds wherever one waits for another: next to any other
load each of them keeps a core from the thread that it waits for. OpenMP reads how long from the environment when torch
is loaded, so this module is imported before.
"""

import os

SPINNING = {"GOMP_SPINCOUNT": "500", "KMP_BLOCKTIME": "1"}
"""Rounds (GNU; tens of microseconds, about what it takes to wake a thread) or milliseconds (LLVM, Intel) awake."""

if not os.environ.keys() & {"OMP_WAIT_POLICY", *SPINNING}:
    os.environ.update(SPINNING)
