"""What is to be read from a representation: the properties of a network, by family of tasks, and how to score them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnn2vec.families import family_of
from rnn2vec.families.family import Property
from rnn2vec.metrics import r2
from rnn2vec.zoo.store import Zoo

Prediction = dict[str, np.ndarray]
"""Predicted values of some rows by property, ``[rows]`` each; without those that there is nothing to fit to."""


def properties_of(zoo: Zoo) -> tuple[Property, ...]:
    """What is predicted for the networks of a zoo."""
    return family_of(zoo.family).properties


def shown_by(wanted: Property, zoo: Zoo) -> np.ndarray:
    """Which snapshots of a zoo show a property, ``[snapshots]``: what predictors are fitted to and scored on."""
    return learnt(zoo) if wanted.of_task else np.ones(len(zoo), dtype=bool)


def learnt(zoo: Zoo) -> np.ndarray:
    """Which snapshots have learnt their task, ``[snapshots]`` booleans."""
    return zoo.column("accuracy") >= zoo.task_set.learnt_accuracy


def angle_error(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of angles on the circle, in degrees from 0 to 180."""
    return np.abs((predicted - truth + 180.0) % 360.0 - 180.0)


def share_right(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Share of classes that are right; NaN of none."""
    return _mean(predicted == truth)


def median_angle_error(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Median of :func:`angle_error`; NaN of none."""
    return float(np.median(angle_error(predicted, truth))) if len(truth) else float("nan")


SCORES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "class": share_right,
    "number": r2,
    "angle": lambda predicted, truth: -median_angle_error(predicted, truth),
}
"""How good a prediction is, by kind of property, in the family's own metric: the more the better."""


def measure(zoo: Zoo, rows: np.ndarray, prediction: Prediction) -> dict[str, float]:
    """Compare a prediction for ``rows`` of a zoo with the truth.

    Returns:
        For a class: under its name, the share that is right. For a number: ``NAME_r2`` and ``NAME_error``, coefficient
        of determination and mean absolute error. For an angle: ``NAME_error``, the median error in degrees on the
        circle. Properties of the task are scored on the networks that have learnt it (their number is ``learnt``), the
        others on all. If the task is a combination of several classes, ``exact`` is the share with all of them right,
        and ``exact_all`` the same over all snapshots, untrained ones included. NaN: there was nothing to measure,
        nothing to fit to, or, for R2, no variance to explain.
    """
    able, right = learnt(zoo)[rows], np.ones(len(rows), dtype=bool)
    metrics: dict[str, float] = {}
    classes = [each.name for each in properties_of(zoo) if each.of_task and each.kind == "class"]
    for wanted in properties_of(zoo):
        scored = shown_by(wanted, zoo)[rows] & (wanted.name in prediction)
        truth = zoo.column(wanted.name)[rows]
        found = prediction.get(wanted.name, truth)
        if wanted.kind == "class":
            metrics[wanted.name] = share_right(found[scored], truth[scored])
        elif wanted.kind == "number":
            metrics[f"{wanted.name}_r2"] = r2(found[scored], truth[scored])
            metrics[f"{wanted.name}_error"] = _mean(np.abs(found - truth)[scored])
        else:
            metrics[f"{wanted.name}_error"] = median_angle_error(found[scored], truth[scored])
        if wanted.name in classes:
            right &= found == truth
    if classes:
        read = np.full(len(rows), all(name in prediction for name in classes))
        metrics |= {"exact": _mean(right[read & able]), "exact_all": _mean(right[read])}
    return metrics | {"learnt": int(able.sum())}


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
