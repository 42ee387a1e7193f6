"""What is to be read from a representation: the properties of a network, by family of tasks, and how to score them."""

from __future__ import annotations

import dataclasses

import numpy as np

from rnn2vec.zoo.store import Zoo


@dataclasses.dataclass(frozen=True)
class Property:
    """A property of a network that a predictor reads from z.

    Attributes:
        name: a column of the zoo's table, and what the metrics are called after.
        kind: ``class`` (one of the values that occur), ``number``, or ``angle`` in degrees.
        of_task: whether it is a property of the task; only networks that have learnt their task can show it.
    """

    name: str
    kind: str
    of_task: bool = False


PROPERTIES: dict[str, tuple[Property, ...]] = {
    "formal-languages": (
        Property("mb", "class", of_task=True),
        Property("mc", "class", of_task=True),
        Property("md", "class", of_task=True),
        Property("accuracy", "number"),
    ),
    "sequential-digits": (
        Property("angle", "angle", of_task=True),
        Property("accuracy", "number"),
        Property("step", "class"),
        Property("generalisation_gap", "number"),
    ),
}
"""Properties by family (section 5.3 of the paper)."""

Prediction = dict[str, np.ndarray]
"""Predicted values of some rows by property, ``[rows]`` each."""


def properties_of(zoo: Zoo) -> tuple[Property, ...]:
    """What is predicted for the networks of a zoo."""
    return PROPERTIES[zoo.family]


def angle_error(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of angles on the circle, in degrees from 0 to 180."""
    return np.abs((predicted - truth + 180.0) % 360.0 - 180.0)


def measure(zoo: Zoo, rows: np.ndarray, prediction: Prediction) -> dict[str, float]:
    """Compare a prediction for ``rows`` of a zoo with the truth.

    Returns:
        For a class: under its name, the share that is right. For a number: ``NAME_r2`` and ``NAME_error``, coefficient
        of determination and mean absolute error. For an angle: ``NAME_error``, the median error in degrees on the
        circle. Properties of the task are scored on the networks that have learnt it (their number is ``learnt``), the
        others on all. If the task is a combination of several classes, ``exact`` is the share with all of them right,
        and ``exact_all`` the same over all snapshots, untrained ones included. NaN: there was nothing to measure.
    """
    learnt = zoo.column("accuracy")[rows] >= zoo.recipe.learnt_accuracy
    metrics: dict[str, float] = {}
    right = np.ones(len(rows), dtype=bool)
    classes = [p for p in properties_of(zoo) if p.of_task and p.kind == "class"]
    for wanted in properties_of(zoo):
        truth, found = zoo.column(wanted.name)[rows], prediction[wanted.name]
        scored = learnt if wanted.of_task else np.ones_like(learnt)
        if wanted.kind == "class":
            hit = found == truth
            metrics[wanted.name] = _mean(hit[scored])
            right &= hit if wanted.of_task else True
        elif wanted.kind == "number":
            metrics[f"{wanted.name}_r2"] = r2(found, truth)
            metrics[f"{wanted.name}_error"] = float(np.abs(found - truth).mean())
        else:
            errors = angle_error(found, truth)[scored]
            metrics[f"{wanted.name}_error"] = float(np.median(errors)) if len(errors) else float("nan")
    if classes:
        metrics |= {"exact": _mean(right[learnt]), "exact_all": _mean(right)}
    return metrics | {"learnt": int(learnt.sum())}


def r2(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Coefficient of determination; 0 for the mean of the truth."""
    residual = ((predicted - truth) ** 2).sum()
    return float(1 - residual / max(((truth - truth.mean()) ** 2).sum(), 1e-12))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
