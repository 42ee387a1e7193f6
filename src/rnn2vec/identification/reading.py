"""Reading: what a black box said, as numbers or classes, and the rounding that shows in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn2vec.errors import RNN2VecError

FEWEST = 8
"""Different numbers by which rounding is recognised."""


def step_of(numbers: np.ndarray) -> float:
    """The step whose multiples numbers ``[K]`` are, from the first; 0 if there is none, or too few to tell."""
    values = np.unique(numbers)
    if len(values) < FEWEST:
        return 0.0
    steps = np.diff(values)
    least = float(steps[steps > 1e-9].min(initial=np.inf))
    shares = (values - values[0]) / least
    return least if np.abs(shares - shares.round()).max() < 0.01 else 0.0


def numbers_said(said: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Finite numbers of a shape, as float64.

    Raises:
        RNN2VecError: if it said anything else.
    """
    try:
        answer = np.asarray(said, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RNN2VecError(f"a black box answers numbers; got {type(said).__name__} ({error})") from error
    if answer.shape != shape:
        raise RNN2VecError(f"a black box answers numbers of the shape {list(shape)}; got {list(answer.shape)}")
    if not np.isfinite(answer).all():
        raise RNN2VecError("a black box answers finite numbers; got NaN or infinity")
    return answer


def classes_said(said: Any, steps: int, size: int) -> np.ndarray:
    """A class at each step, ``[T]``; of numbers ``[T, Y]`` the largest.

    Raises:
        RNN2VecError: if it said anything else.
    """
    answer = np.asarray(said)
    if answer.ndim == 2:
        return numbers_said(said, (steps, size)).argmax(1)
    answer = numbers_said(said, (steps,))
    if not bool(((answer == np.rint(answer)) & (answer >= 0) & (answer < size)).all()):
        raise RNN2VecError(f"classes are whole numbers in 0..{size - 1}; got others")
    return answer.astype(np.int64)
