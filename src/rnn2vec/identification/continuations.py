"""Continuations: with what a string that was asked may go on."""

from __future__ import annotations

import numpy as np

from rnn2vec.randomness import generator

COUNT = 32
STEPS = 8


def continuations(questions: np.ndarray, seed: int = 0) -> np.ndarray:
    """Parts of questions, half of them beginnings.

    Args:
        questions: ``[R, T]`` tokens or ``[R, T, X]`` numbers.
        seed: of which parts.

    Returns:
        ``[K, S]`` or ``[K, S, X]``: at most :data:`COUNT` of at most :data:`STEPS` steps, no two alike.
    """
    random = generator(seed, "continuations")
    steps = min(STEPS, questions.shape[1])
    rows = random.integers(0, len(questions), COUNT)
    starts = random.integers(0, questions.shape[1] - steps + 1, COUNT) * (np.arange(COUNT) % 2)
    return np.unique(questions[rows[:, None], starts[:, None] + np.arange(steps)], axis=0)
