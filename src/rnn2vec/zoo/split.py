"""Split a zoo by task, never by snapshot: no network of a validation task is seen in training."""

from __future__ import annotations

import dataclasses

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.families import family_of
from rnn2vec.randomness import generator
from rnn2vec.zoo.store import Zoo


@dataclasses.dataclass(frozen=True)
class Split:
    """Rows of a zoo's table.

    Attributes:
        train: all other tasks, about 70 %, or 85 %.
        validation: 15 % of the tasks.
        ood: out of distribution, by the rule of the zoo's family, about 15 % of the tasks; none without one.
        ood_seen: a random half of the OOD tasks, on which downstream predictors also train.
        ood_unseen: the other half, on which they are tested.
    """

    train: np.ndarray
    validation: np.ndarray
    ood: np.ndarray
    ood_seen: np.ndarray
    ood_unseen: np.ndarray

    @property
    def tested(self) -> dict[str, np.ndarray]:
        """Rows that every figure is of, losses and readings alike, by the name of the part; no part is empty."""
        parts = {"validation": self.validation, "ood": self.ood_unseen}
        return {name: rows for name, rows in parts.items() if len(rows)}


def split_zoo(zoo: Zoo) -> Split:
    """Split a zoo by task as the paper does (section 5.2). The same zoo always splits the same way.

    Networks of no family are split by the file they are from, or by the column that the zoo names; nothing is out of
    distribution then.

    Raises:
        RNN2VecError: if tasks or files are too few to fill every part.
    """
    tasks, of_row = np.unique(zoo.groups, axis=0, return_inverse=True)
    of_row = of_row.reshape(-1)
    task_set = zoo.index.task_set
    count, noun = round(0.15 * len(tasks)), family_of(zoo.family).words.task if task_set else zoo.index.split_by
    order = generator(zoo.seed, "split").permutation(len(tasks))
    ood = task_set.ood_tasks(tasks, order) if task_set else order[:0]
    rest = order[~np.isin(order, ood)]
    if count < 2:
        raise RNN2VecError(f"a split by {noun} needs at least 10 {noun}s in the zoo; this one has {len(tasks)}")
    if (task_set and len(ood) < 2) or len(rest) < 2 * count:
        raise RNN2VecError(
            f"a split by {noun} needs tasks in and out of distribution; of the {len(tasks)} {noun}s of this zoo, "
            f"{len(ood)} are out of distribution"
        )
    seen = generator(zoo.seed, "split", "ood").permutation(ood)[: len(ood) // 2]

    def rows(chosen: np.ndarray) -> np.ndarray:
        return np.flatnonzero(np.isin(of_row, chosen))

    return Split(
        train=rows(rest[count:]),
        validation=rows(rest[:count]),
        ood=rows(ood),
        ood_seen=rows(seen),
        ood_unseen=rows(np.setdiff1d(ood, seen)),
    )
