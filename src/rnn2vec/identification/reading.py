"""Reading: what a black box said, as numbers or classes, and the rounding and precision that show in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn2vec.errors import RNN2VecError

FEWEST = 8
"""Numbers by which rounding is recognised."""
DIGITS = 4
"""After the point, of numbers that are rounded so."""


def step_of(numbers: np.ndarray) -> float:
    """The step whose multiples numbers ``[K]`` are, from the first; or that of as many digits after the point as they
    have. 0 if there is none, or too few numbers to tell.
    """
    values = np.unique(numbers)
    if len(numbers) < FEWEST or len(values) < 3 or np.abs(values - values.round()).max() < 1e-6:
        return 0.0
    steps = np.diff(values)
    least = float(steps[steps > 1e-9].min(initial=np.inf))
    shares = (values - values[0]) / least
    if len(values) >= FEWEST and np.abs(shares - shares.round()).max() < 0.01:
        return least
    for digits in range(1, DIGITS + 1):
        shares = values * 10.0**digits
        if np.abs(shares - shares.round()).max() < 1e-3:  # as near as float32 comes
            return float(10.0**-digits)
    return 0.0


def precision_of(numbers: np.ndarray) -> str:
    """``bfloat16`` or ``float16``, if numbers ``[K]`` are all of this type; empty if not, or too few tell."""
    with np.errstate(over="ignore"):
        values = np.unique(numbers.astype(np.float32))
    if len(values) < FEWEST or not np.isin(numbers, values).all() or bool((values == values.round()).all()):
        return ""
    if not (values.view(np.uint32) & 0xFFFF).any():
        return "bfloat16"
    with np.errstate(over="ignore"):
        return "float16" if np.array_equal(values.astype(np.float16).astype(np.float32), values) else ""


def array_said(said: Any) -> np.ndarray:
    """A copy of what a box said, which it may overwrite, as an array of numbers.

    Raises:
        RNN2VecError: if it is none.
    """
    try:
        answer = np.array(np.asarray(said))
        if answer.dtype.kind not in "biuf":
            raise TypeError(f"an array of {answer.dtype}")
        return answer.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise RNN2VecError(f"a black box answers numbers; got {type(said).__name__} ({error})") from error


def numbers_said(said: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Finite numbers of a shape ``[T, Y]``, as float64; those of one output may be said as ``[T]``.

    Raises:
        RNN2VecError: if it said anything else.
    """
    answer = array_said(said)
    if shape[1:] == (1,) and answer.shape == shape[:1]:
        answer = answer[:, None]
    if answer.shape != shape:
        hint = ": ask for top1 or sampled, if these are classes" if answer.shape == shape[:1] else ""
        raise RNN2VecError(f"a black box answers numbers of the shape {list(shape)}; got {list(answer.shape)}{hint}")
    if not np.isfinite(answer).all():
        raise RNN2VecError("a black box answers finite numbers; got NaN or infinity")
    return answer


def classes_said(said: Any, steps: int, size: int) -> np.ndarray:
    """A class at each step, ``[T]``; of numbers ``[T, Y]`` the largest.

    Raises:
        RNN2VecError: if it said anything else.
    """
    answer = array_said(said)
    if answer.ndim == 2:
        return numbers_said(said, (steps, size)).argmax(1)
    answer = numbers_said(said, (steps,))
    if not bool(((answer == np.rint(answer)) & (answer >= 0) & (answer < size)).all()):
        raise RNN2VecError(f"classes are whole numbers in 0..{size - 1}; got others")
    return answer.astype(np.int64)
