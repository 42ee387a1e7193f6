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


def words(letters: int, most: int) -> np.ndarray:
    """All words of one length, the longest of which there are no more than ``most``, and of one letter at least:
    ``[letters ** length, length]``.
    """
    length = max(1, int(np.log(most) / np.log(max(2, letters)) + 1e-9))
    return np.stack(np.unravel_index(np.arange(letters**length), (letters,) * length), 1)


def after(question: np.ndarray, further: np.ndarray) -> np.ndarray:
    """A question gone on with in several ways ``[K, S]`` or ``[K, S, X]``."""
    begun = np.broadcast_to(question, (len(further), *question.shape))
    return np.concatenate([begun, further.astype(question.dtype)], 1)


def shared_steps(a: np.ndarray, b: np.ndarray) -> int:
    """Steps that two questions begin with alike."""
    steps = min(len(a), len(b))
    same = (a[:steps] == b[:steps]).reshape(steps, int(np.prod(a.shape[1:]))).all(1)
    return steps if same.all() else int(same.argmin())
