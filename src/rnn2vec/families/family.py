"""What a family of tasks is: everything particular to it, as plain values and functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from rnn2vec.families.kinds import KINDS, SHARE, Metric
from rnn2vec.families.recipe import Recipe
from rnn2vec.families.task_set import TaskSet


@dataclasses.dataclass(frozen=True)
class Property:
    """A property of a network that a predictor reads from z (section 5.3 of the paper).

    Attributes:
        name: a column of the zoo's table, and what the metrics are called after.
        kind: one of :data:`rnn2vec.families.kinds.KINDS`.
        of_task: whether it is a property of the task; only networks that have learnt their task can show it.
        absent: the value that says that a network has no such property: it shows none.
    """

    name: str
    kind: str
    of_task: bool = False
    absent: float | None = None


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of the closing table.

    Attributes:
        title: its head.
        reading: how the metric was read: ``frozen``, ``linear``, ``transferred`` or ``supervised``.
        part: of the zoo, ``validation`` or ``ood``.
        metric: see :func:`rnn2vec.evaluation.properties.measure`.
    """

    title: str
    reading: str
    part: str
    metric: str


@dataclasses.dataclass(frozen=True)
class Reading:
    """One trace of a network, as a reader is shown it.

    Attributes:
        sequence: which of the network's traces.
        steps: how many of its steps.
        labels: what was read in each of them.
        text: the sequence in words; empty if there is nothing to say.
    """

    sequence: int
    steps: int
    labels: Sequence[str]
    text: str = ""


@dataclasses.dataclass(frozen=True)
class Words:
    """How a family is put to a reader.

    Attributes:
        task: what one task is called, such as ``language``.
        tasks: the tasks, in the plural, in a sentence.
        columns: what the family's columns of the table mean.
        headline: in a few words, what the headline column is.
        symbols: names of the outputs of a network, in their order.
        answer: what a network's answer is.
        step: what it reads in a step.
        where: where in a sequence to look.
        clones: what is counted of the emulator; ``clone_axis``: the same on an axis.
        knowledge: what a figure of what z knows shows: titles by metric.
        knowledge_caption: how to read it.
        tile: whether inputs are square tiles of an image.
    """

    task: str
    tasks: str
    columns: str
    headline: str
    symbols: Sequence[str]
    answer: str
    step: str
    where: str
    clones: str
    clone_axis: str
    knowledge: Mapping[str, str]
    knowledge_caption: str
    tile: bool = False


CloneScores = Callable[..., np.ndarray]
"""``clone_scores(tasks, emulate, interface, inputs, outputs, seeds) -> [S]``: how well an emulator does what each of S
networks does.

``tasks`` are theirs; ``emulate(rows, inputs, state)`` is the emulator, told the z of these rows; ``inputs`` and
``outputs`` are their traces; ``seeds`` are ``(seed, row)`` for what is drawn of each.
"""

Emulate = Callable[[slice, Tensor, Any], tuple[Tensor, Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """How networks are pretrained on, what is read of them, and how that is put to a reader.

    Attributes:
        pretraining: fields of :class:`rnn2vec.emulation.recipe.PretrainRecipe` by the names of presets.
        properties: what is predicted of a network.
        columns: of the closing table.
        headline: the title of the column that says what z knows.
        words: for reports.
        show: a network's traces, inputs ``[R, T, ...]`` and outputs ``[R, T, Y]``, to the one that is drawn.
    """

    pretraining: Mapping[str, Mapping[str, Any]]
    properties: tuple[Property, ...]
    columns: tuple[Column, ...]
    headline: str
    words: Words
    show: Callable[[np.ndarray, np.ndarray], Reading]

    def metric(self, name: str) -> Metric:
        """How a metric of :func:`rnn2vec.evaluation.properties.measure` is read, by its name."""
        known = {f"{each.name}{metric.suffix}": metric for each in self.properties for metric in KINDS[each.kind]}
        return known.get(name, SHARE)  # several classes at once are a share, too


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family(View):
    """A family of tasks.

    Attributes:
        name: as in ``zoo.json`` and on the command line.
        task_set: the class that says what a zoo's tasks are.
        recipe: the class of its zoos' recipes.
        presets: zoo recipes by name, the same as of pretraining.
        clone_scores: see :data:`CloneScores`.
        paper_losses: validation emulation loss of each encoder in table 2 of the paper; empty if it has none.
    """

    name: str
    task_set: type[TaskSet]
    recipe: type[Recipe]
    presets: Mapping[str, Recipe]
    clone_scores: CloneScores
    paper_losses: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def tasks_are_angles(self) -> bool:
        """Whether a task is one angle."""
        kinds = {each.name: each.kind for each in self.properties}
        return [kinds.get(name) for name in self.task_set.task_columns] == ["angle"]

    @property
    def headline_column(self) -> Column:
        """The column that says what z knows of the task."""
        return next(column for column in self.columns if column.title == self.headline)
