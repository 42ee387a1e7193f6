"""How sure a reader of z may be: probabilities whose confidence is right, and errors that are rarely exceeded."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, softmax

from rnn2vec.evaluation.readers import Reader
from rnn2vec.metrics import angle_error

COVERED = 0.9
"""The share of predictions of a number whose error is at most the one that is told."""
HOTTEST = 8.0
"""Logarithm of the highest temperature, at which all classes are equally likely."""
BINS = 10
"""Of confidences, for their error."""


def out_of_fold(
    reader: Reader, kind: str, z: np.ndarray, truth: np.ndarray, fold: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """What a reader says of rows that it was not fitted to.

    Args:
        reader: the reader.
        kind: of the property.
        z: representations ``[rows, Z]``.
        truth: values of the property ``[rows]``.
        fold: of each row ``[rows]``; the reader of a fold is fitted to all others.
        seed: of the reader.

    Returns:
        Values ``[rows]``, and scores ``[rows, classes]`` in the order of all classes (``-inf`` for one that the reader
        of the fold did not know; no columns for a number).
    """
    classes = np.unique(truth) if kind == "class" else truth[:0]
    values = np.empty(len(truth), dtype=truth.dtype if kind == "class" else float)
    scores = np.full((len(truth), len(classes)), -np.inf)
    for held in np.unique(fold):
        rows = fold == held
        fitted = reader.fit(kind, z[~rows], truth[~rows], seed)
        values[rows] = fitted(z[rows])
        if fitted.scores is not None:
            scores[np.ix_(rows, np.searchsorted(classes, fitted.classes))] = fitted.scores(z[rows])
    return values, scores


def temperature_of(scores: np.ndarray, truth: np.ndarray) -> float:
    """The temperature by which scores become probabilities that are right as often as they say (Guo et al. 2017).

    Of n rows, each counts 1 / (n + 2) against its own class, as Platt (1999) has it: n that are all right are no reason
    to be certain. A row of a class that the reader did not know counts for all others alike: whatever the reader says
    of it is wrong, as it will be of the next network of a new class.

    Args:
        scores: ``[rows, classes]``, of rows that the reader was not fitted to.
        truth: the class of each row as a column of scores, ``[rows]``.
    """
    if not len(truth) or scores.shape[1] < 2:
        return 1.0
    possible = np.isfinite(scores)
    known = np.flatnonzero(possible[np.arange(len(truth)), truth])
    doubt = 1.0 / (len(truth) + 2)
    wanted = possible / np.maximum(possible.sum(1, keepdims=True), 1)
    wanted[known] = possible[known] * doubt / np.maximum(possible[known].sum(1, keepdims=True) - 1, 1)
    wanted[known, truth[known]] = 1.0 - doubt

    def loss(log_temperature: float) -> float:
        said = log_softmax(scores / np.exp(log_temperature), axis=1)
        return -float((wanted * np.where(possible, said, 0.0)).sum(1).mean())

    from scipy.optimize import minimize_scalar  # a second, which few who import this need

    return float(np.exp(minimize_scalar(loss, bounds=(-6.0, HOTTEST), method="bounded").x))


def confidence_of(scores: np.ndarray, chosen: np.ndarray, temperature: float) -> np.ndarray:
    """The probability ``[rows]`` of the chosen classes, columns of scores ``[rows, classes]``."""
    return softmax(scores / temperature, axis=1)[np.arange(len(chosen)), chosen]


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error: how far confidences ``[N]`` are from the share that is right, over :data:`BINS` bins
    of confidence, weighted by their rows; NaN of none.
    """
    if not len(confidence):
        return float("nan")
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(confidence[bins == own].mean() - right[bins == own].mean()) * (bins == own).sum() for own in set(bins)]
    return float(sum(gaps) / len(confidence))


def error_covered(kind: str, found: np.ndarray, truth: np.ndarray) -> float:
    """The error that :data:`COVERED` of the predictions ``[rows]`` of a number or an angle do not exceed."""
    off = angle_error(found, truth) if kind == "angle" else np.abs(found - truth)
    return float(np.quantile(off, COVERED, method="higher"))
