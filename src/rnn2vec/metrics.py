"""How far two lists agree; NaN where there is nothing to explain."""

from __future__ import annotations

import numpy as np

from rnn2vec.errors import RNN2VecError


def r2(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Coefficient of determination, ``[N]`` against ``[N]``: 1 for the truth itself, 0 for its mean.

    NaN where the truth does not vary: no variance is left to be explained.

    Raises:
        RNN2VecError: if the two have not one shape.
    """
    predicted, truth = np.asarray(predicted, dtype=float), np.asarray(truth, dtype=float)
    if predicted.shape != truth.shape:
        raise RNN2VecError(f"a prediction has the shape of the truth, {truth.shape}; got {predicted.shape}")
    if not varies(truth):
        return float("nan")
    return float(1 - ((predicted - truth) ** 2).mean() / truth.var())


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's r of ``[N]`` and ``[N]``; NaN where one of the two does not vary."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return float(np.corrcoef(x, y)[0, 1]) if varies(x) and varies(y) else float("nan")


def share_right(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Share of ``[N]`` classes that are right; NaN of none."""
    return mean(predicted == truth)


def mean_error(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute error of ``[N]`` numbers; NaN of none."""
    return mean(np.abs(predicted - truth))


def angle_error(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of angles on the circle, in degrees from 0 to 180."""
    return np.abs((predicted - truth + 180.0) % 360.0 - 180.0)


def median_angle_error(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Median of :func:`angle_error`; NaN of none."""
    return float(np.median(angle_error(predicted, truth))) if len(truth) else float("nan")


def mean(values: np.ndarray) -> float:
    """Mean of ``[N]``; NaN of none."""
    return float(values.mean()) if len(values) else float("nan")


def varies(values: np.ndarray) -> bool:
    """Whether there are at least two numbers, and they differ by more than rounding."""
    values = np.asarray(values, dtype=float)
    return len(values) > 1 and bool(values.std() > 4 * np.finfo(float).eps * np.abs(values).max())
