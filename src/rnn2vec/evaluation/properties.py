"""What is to be read from a representation: the properties of a network, by family of tasks, and how to score them."""

from __future__ import annotations

import numpy as np

from rnn2vec.families import view_of
from rnn2vec.families.family import Property, View
from rnn2vec.families.kinds import KINDS
from rnn2vec.metrics import mean
from rnn2vec.zoo.store import Zoo

Prediction = dict[str, np.ndarray]
"""Predicted values of some rows by property, ``[rows]`` each; without those that there is nothing to fit to."""


def view_of_zoo(zoo: Zoo) -> View:
    """How the networks of a zoo are seen: as its family says, or by their labels."""
    return view_of(None if zoo.index.task_set is None else zoo.family, zoo.interface, zoo.index.labels)


def properties_of(zoo: Zoo) -> tuple[Property, ...]:
    """What is predicted for the networks of a zoo."""
    return view_of_zoo(zoo).properties


def shown_by(wanted: Property, zoo: Zoo) -> np.ndarray:
    """Which snapshots of a zoo show a property, ``[snapshots]``: what predictors are fitted to and scored on."""
    able = learnt(zoo) if wanted.of_task else np.ones(len(zoo), dtype=bool)
    return able if wanted.absent is None else able & (zoo.column(wanted.name) != wanted.absent)


def learnt(zoo: Zoo) -> np.ndarray:
    """Which snapshots have learnt their task, ``[snapshots]`` booleans; all, where networks have none."""
    if zoo.index.task_set is None:
        return np.ones(len(zoo), dtype=bool)
    return zoo.column("accuracy") >= zoo.task_set.learnt_accuracy


def measure(zoo: Zoo, rows: np.ndarray, prediction: Prediction) -> dict[str, float]:
    """Compare a prediction for ``rows`` of a zoo with the truth.

    Returns:
        For a class: under its name, the share that is right. For a number: ``NAME_r2`` and ``NAME_error``,
        coefficient of determination and mean absolute error. For an angle: ``NAME_error``, the median error in
        degrees on the circle. Properties of the task are scored on the networks that have learnt it (their number
        is ``learnt``), the others on all. If the task is a combination of several classes, ``exact`` is the share
        with all of them right, and ``exact_all`` the same over all snapshots, untrained ones included. NaN: there
        was nothing to measure, nothing to fit to, for R2, no variance to explain, or, for a class, it is what the
        split keeps apart, or all networks have the same.
    """
    able, right = learnt(zoo)[rows], np.ones(len(rows), dtype=bool)
    metrics: dict[str, float] = {}
    classes = [each.name for each in properties_of(zoo) if each.of_task and each.kind == "class"]
    for wanted in properties_of(zoo):
        scored = shown_by(wanted, zoo)[rows] & (wanted.name in prediction)
        if zoo.index.task_set is None and wanted.kind == "class" and wanted.name == zoo.index.split_by:
            scored &= False  # no class is in two parts, so that none could be right
        elif wanted.kind == "class" and len(np.unique(zoo.column(wanted.name))) == 1:
            scored &= False  # nothing else could be said
        truth = zoo.column(wanted.name)[rows]
        found = prediction.get(wanted.name, truth)
        for metric in KINDS[wanted.kind]:
            metrics[f"{wanted.name}{metric.suffix}"] = metric.score(found[scored], truth[scored])
        if wanted.name in classes:
            right &= found == truth
    if classes:
        read = np.full(len(rows), all(name in prediction for name in classes))
        metrics |= {"exact": mean(right[read & able]), "exact_all": mean(right[read])}
    return metrics | {"learnt": int(able.sum())}
