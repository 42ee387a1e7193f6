"""Twofold boxes: they answer as a known network, and the same question otherwise another time. That is no noise.

Such a box goes on from the question before, or several networks answer.
"""

from __future__ import annotations

import numpy as np

from rnn2vec.identification.continuations import shared_steps
from rnn2vec.identification.evidence import LEAST_STEPS, Evidence
from rnn2vec.identification.posterior import Told

EXACT, FAR = 3.0, 30.0
"""Standard deviations, of a box that is a network, within which its answers are, and beyond which they never are."""


def suspect(evidence: Evidence) -> tuple[Told, int] | None:
    """An answer that is exactly that of a network, and the network's row, where another answer is far from it. None if
    there is none.
    """
    told = [each for each in evidence.transcript if len(each.question) >= LEAST_STEPS]
    if len(told) < 2:
        return None
    off = np.stack([evidence.off(each.question, each.answer) for each in told])  # [K, N]
    exact = (off <= EXACT) & (off > FAR).any(0)
    if not exact.any():
        return None
    place, row = np.argwhere(exact)[0]
    return told[int(place)], int(row)


def is_twofold(evidence: Evidence, suspected: Told, row: int) -> bool:
    """Whether the first steps of a question, which were once answered as a network does, were answered otherwise."""
    for told in evidence.transcript:
        steps = shared_steps(suspected.question, told.question)
        if steps >= LEAST_STEPS and evidence.off(suspected.question[:steps], told.answer[:steps])[row] > FAR:
            return True
    return False
