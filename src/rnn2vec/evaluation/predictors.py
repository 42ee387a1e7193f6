"""What a frozen z knows: predictors of a network's properties, fitted and scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation.properties import Prediction, measure, properties_of, shown_by
from rnn2vec.evaluation.readers import READERS, Reading, choose_reader
from rnn2vec.randomness import generator
from rnn2vec.zoo.split import Split, split_zoo
from rnn2vec.zoo.store import Zoo


@dataclasses.dataclass(frozen=True)
class Predictors:
    """Representations ``[rows, Z]`` to predicted values of every property that there was something to fit to.

    Attributes:
        readings: the reader of every property, by name.
    """

    readings: Mapping[str, Reading]

    def __call__(self, z: np.ndarray) -> Prediction:
        return {name: reading.predict(z) for name, reading in self.readings.items() if reading.predict}


def fit_predictors(
    zoo: Zoo,
    z: np.ndarray,
    seed: int = 0,
    shuffled: bool = False,
    readers: Sequence[str] = tuple(READERS),
    seen: np.ndarray | None = None,
) -> Predictors:
    """Fit a predictor of every property of a zoo's networks to frozen representations (section 5.3 of the paper).

    It sees the train tasks and half of the OOD tasks, and is fitted as it is scored: to networks that have learnt their
    task, if the property is one of the task, else to all. The reader is chosen by cross-validation over these tasks.

    Args:
        zoo: whose snapshots were encoded.
        z: representations of all its snapshots, ``[snapshots, Z]``.
        seed: of the folds and the MLPs.
        shuffled: give every network that is fitted to the labels of another. What the predictors still get right then,
            they do not have from z: a control.
        readers: those to choose from, of :data:`rnn2vec.evaluation.readers.READERS`.
        seen: rows of the snapshots that it sees, in place of all that it may.

    Returns:
        Predicted values of every property from representations ``[rows, Z]``, be they of this zoo or of another.

    Raises:
        RNN2VecError: if the representations are not finite, or not one for each snapshot.
    """
    if len(z) != len(zoo) or not np.isfinite(z).all():
        raise RNN2VecError(
            f"predictors read finite numbers, a row for each of the {len(zoo)} snapshots of the zoo; got the shape "
            f"{list(z.shape)}{'' if np.isfinite(z).all() else ' with NaN or infinity'}: encode its whole population"
        )
    seen = seen_rows(split_zoo(zoo)) if seen is None else seen
    tasks = np.unique(zoo.groups, axis=0, return_inverse=True)[1].reshape(-1)
    readings = {}
    for wanted in properties_of(zoo):
        rows = seen[shown_by(wanted, zoo)[seen]]
        labelled = generator(seed, "shuffled labels").permutation(rows) if shuffled else rows
        truth = zoo.column(wanted.name)[labelled]
        readings[wanted.name] = choose_reader(wanted, z[rows], truth, tasks[rows], seed, readers)
    return Predictors(readings)


def evaluate_frozen(
    zoo: Zoo, z: np.ndarray, seed: int = 0, predictors: Predictors | None = None
) -> dict[str, dict[str, float]]:
    """Predict the properties of networks from frozen representations (section 5.3 of the paper).

    Args:
        zoo: whose snapshots were encoded.
        z: representations of all its snapshots, ``[snapshots, Z]``.
        seed: of the predictors.
        predictors: what :func:`fit_predictors` made of another zoo; fitted to this one by default.

    Returns:
        Metrics of :func:`rnn2vec.evaluation.properties.measure` for ``validation`` and for ``ood``, its unseen half.
    """
    predictors = predictors or fit_predictors(zoo, z, seed)
    return _by_part(split_zoo(zoo), zoo, lambda rows: predictors(z[rows]))


def seen_rows(split: Split) -> np.ndarray:
    """Rows that downstream predictors train on: the train tasks and half of the OOD tasks."""
    return np.concatenate([split.train, split.ood_seen])


def _by_part(split: Split, zoo: Zoo, predict: Callable[[np.ndarray], Prediction]) -> dict[str, dict[str, float]]:
    return {name: measure(zoo, rows, predict(rows)) for name, rows in split.tested.items()}
