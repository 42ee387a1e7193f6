"""How a property is read from z: a linear, a neural and two kernel readers, chosen by cross-validation over tasks."""

from __future__ import annotations

import dataclasses
import importlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnn2vec.evaluation.targets import Targets
from rnn2vec.families.family import Property
from rnn2vec.families.kinds import KINDS
from rnn2vec.randomness import generator

FOLDS = 5
"""Parts of the cross-validation, or as many as there are tasks."""
MOST_ROWS = 2500
"""Snapshots that a reader is fitted to; of more, these are drawn, so that reading stays a matter of seconds."""


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A reader that was fitted to values of a property.

    Attributes:
        values: representations ``[rows, Z]`` to values of the property ``[rows]``.
        classes: the values that were there, in the order of scores; of a number, none.
        scores: representations ``[rows, Z]`` to scores ``[rows, classes]``, the more the likelier; of a number, None.
    """

    values: Callable[[np.ndarray], np.ndarray]
    classes: np.ndarray
    scores: Callable[[np.ndarray], np.ndarray] | None = None

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Values ``[rows]`` of the property from representations ``[rows, Z]``."""
        return self.values(z)


@dataclasses.dataclass(frozen=True)
class Reader:
    """A way to read, whatever the property.

    Attributes:
        classifier: an estimator of classes as scikit-learn's, from the number of inputs and a seed.
        regressor: likewise of one or two numbers.
    """

    classifier: Callable[[int, int], Any]
    regressor: Callable[[int, int], Any]

    def fit(self, kind: str, z: np.ndarray, truth: np.ndarray, seed: int) -> Fitted:
        """Fit to representations ``[rows, Z]`` and the values ``[rows]`` of a property of a kind."""
        classes = np.unique(truth) if kind == "class" else truth[:0]
        if len(np.unique(truth)) < 2:  # there is but one answer
            scores = (lambda z: np.zeros((len(z), 1))) if len(classes) else None
            return Fitted(lambda z: np.repeat(truth[:1], len(z)), classes, scores)
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.preprocessing import StandardScaler

        scaler, targets = StandardScaler().fit(z), Targets(kind, truth)
        make, y = (self.classifier, truth) if kind == "class" else (self.regressor, targets.encode(truth).squeeze())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the steps of an MLP are bounded, and meant to be
            estimator = make(z.shape[1], seed).fit(scaler.transform(z), y)
        if kind == "class":
            return Fitted(
                lambda z: estimator.predict(scaler.transform(z)),
                classes,
                lambda z: _scores(estimator, scaler.transform(z)),
            )
        return Fitted(lambda z: targets.decode(estimator.predict(scaler.transform(z)).reshape(len(z), -1)), classes)


def _scores(estimator: Any, z: np.ndarray) -> np.ndarray:
    """Scores ``[rows, classes]`` of a classifier: log-probabilities, or what its decisions are made of."""
    if hasattr(estimator, "decision_function"):
        found = estimator.decision_function(z)
        return np.stack([-found, found], axis=1) / 2 if found.ndim == 1 else found
    return np.log(np.maximum(estimator.predict_proba(z), 1e-12))


def _estimator(module: str, name: str, **options: Any) -> Any:
    """An estimator of scikit-learn, which takes seconds to import, and few who import this need."""
    return getattr(importlib.import_module(f"sklearn.{module}"), name)(**options)


def _mlp(name: str) -> Callable[[int, int], Any]:
    """No part of the data is held out to stop early: decay and a bounded number of steps keep it smooth."""
    return lambda size, seed: _estimator(
        "neural_network",
        name,
        hidden_layer_sizes=(64,),
        solver="lbfgs",
        alpha=10.0,
        max_iter=100,
        random_state=int(generator(seed, "readers", "MLP").integers(2**32)),
    )


def _kernel(width: float) -> Reader:
    """Gaussian kernels, ``width`` times as wide as the inputs are spread."""
    return Reader(
        lambda size, seed: _estimator("svm", "SVC", C=30.0, gamma=1 / (size * width**2)),
        lambda size, seed: _estimator(
            "kernel_ridge", "KernelRidge", alpha=0.3, kernel="rbf", gamma=1 / (size * width**2)
        ),
    )


LINEAR = "linear"
READERS: dict[str, Reader] = {
    LINEAR: Reader(
        lambda size, seed: _estimator("linear_model", "LogisticRegression", C=10.0, max_iter=2000),
        lambda size, seed: _estimator("linear_model", "Ridge"),
    ),
    "MLP": Reader(_mlp("MLPClassifier"), _mlp("MLPRegressor")),
    "kernel": _kernel(1.0),
    "wide kernel": _kernel(2.0),
}
"""Candidates for every property by name. Of those that come out the same, the first is taken."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """A reader, chosen and fitted.

    Attributes:
        reader: name of the one chosen; empty if there was nothing to fit.
        scores: of all candidates in cross-validation by the first metric of the kind, the more the better: errors are
            negative.
        networks: snapshots it was fitted to.
        tasks: how many tasks they have.
        note: why there is no reader, or no cross-validation; else empty.
        predict: what it reads; None without a reader.
    """

    reader: str
    scores: dict[str, float]
    networks: int
    tasks: int
    note: str
    predict: Fitted | None

    def to_dict(self) -> dict[str, Any]:
        """All but the reader itself, JSON-serialisable."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "predict"}


def choose_reader(
    wanted: Property,
    z: np.ndarray,
    truth: np.ndarray,
    tasks: np.ndarray,
    seed: int,
    candidates: Sequence[str] = tuple(READERS),
) -> Reading:
    """Choose the reader of a property by cross-validation in which no task is in two folds, and fit it to everything.

    Args:
        wanted: the property.
        z: representations of the networks to fit to, ``[rows, Z]``.
        truth: their values of the property, ``[rows]``.
        tasks: a number for the task of each, ``[rows]``.
        seed: of the folds and the MLP.
        candidates: readers to choose from; a single one is taken without cross-validation.
    """
    if not len(truth):
        return Reading("", {}, 0, 0, "no network that predictors see shows the property", None)
    kept = kept_rows(len(truth), seed)
    z, truth, tasks = z[kept], truth[kept], tasks[kept]
    fold = folds(tasks, seed)
    count, scores, note = len(np.unique(tasks)), {}, ""
    if len(candidates) == 1:
        note = "the only reader asked for"
    elif count < 2:
        note = "networks of a single task cannot be cross-validated over tasks: the first reader is taken"
    else:
        scores = {name: _score(READERS[name], wanted.kind, z, truth, fold, seed) for name in candidates}
    # what differs by rounding alone counts as the same, on every machine
    chosen = max(candidates, key=lambda name: np.nan_to_num(round(scores.get(name, 0.0), 6), nan=-np.inf))
    predict = READERS[chosen].fit(wanted.kind, z, truth, seed)
    return Reading(chosen, scores, len(truth), count, note, predict)


def kept_rows(number: int, seed: int) -> np.ndarray:
    """Of so many rows, in their order, those that a reader is fitted to: at most :data:`MOST_ROWS`."""
    if number <= MOST_ROWS:
        return np.arange(number)
    return np.sort(generator(seed, "readers", "rows").permutation(number)[:MOST_ROWS])


def folds(tasks: np.ndarray, seed: int) -> np.ndarray:
    """The fold of every row: tasks are dealt out at random, so that no fold gathers what neighbours share."""
    known, of_row = np.unique(tasks, return_inverse=True)
    return (generator(seed, "readers", "folds").permutation(len(known)) % FOLDS)[of_row]


def _score(reader: Reader, kind: str, z: np.ndarray, truth: np.ndarray, fold: np.ndarray, seed: int) -> float:
    """Of what is predicted for every row by a reader that saw none of its fold; unseen classes count as wrong."""
    found = np.empty(len(truth), dtype=truth.dtype if kind == "class" else float)
    for held in np.unique(fold):
        rows = fold == held
        found[rows] = reader.fit(kind, z[~rows], truth[~rows], seed)(z[rows])
    metric = KINDS[kind][0]
    return metric.better * metric.score(found, truth)
