"""What a zoo is made of, whatever its family of tasks: the recipe that a builder follows."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import LARGEST, number, sequence, shown, whole
from rnn2vec.interface import Interface
from rnn2vec.networks import Population
from rnn2vec.tasks.task import Task

ASSIGNMENTS = ("balanced", "uniform", "listed")
PAPER_SNAPSHOTS = (0, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
LARGEST_SEED = 2**128 - 1
"""The generator's keys have so many bits."""


@dataclasses.dataclass(frozen=True)
class Recipe(ABC):
    """Everything that decides the bytes of a zoo (appendix A of the paper for the values of the ``paper`` presets).

    A subclass is a family of tasks: it adds what is particular to the family, and says how its networks are observed.

    Attributes:
        architecture: shape of the networks.
        models: how many networks are trained.
        steps: training steps of each.
        snapshots: steps at which a network is kept; 0 is the untrained one.
        seed: seed of every random number.
        batch_size: sequences per training step.
        learning_rates: learning rate at the first, middle and last step, linear between.
        assignment: ``uniform`` draws each model's task, as the paper does; ``balanced`` spreads the models evenly over
            the tasks, in random order; ``listed`` is for networks trained elsewhere, whose tasks are in the zoo's table
            alone.
        rollouts: sequences kept per snapshot, with the network's outputs.
        models_per_shard: networks that are trained side by side and stored in one file; their weights do not depend on
            it.

    Raises:
        RNN2VecError: if a field is of another type or out of range.
    """

    architecture: Architecture
    models: int
    steps: int
    snapshots: tuple[int, ...]
    seed: int = 0
    batch_size: int = 32
    learning_rates: tuple[float, float, float] = (0.01, 0.003, 0.0003)
    assignment: str = "balanced"
    rollouts: int = 100
    models_per_shard: int = 16

    family: ClassVar[str]
    """Name of the family of tasks."""
    task_columns: ClassVar[tuple[str, ...]]
    """Names of the numbers that tell the family's tasks apart."""
    setting_columns: ClassVar[tuple[str, ...]] = ()
    """Names of what else differs from network to network, by the recipe."""
    metric_columns: ClassVar[tuple[str, ...]]
    """What is measured of every snapshot; ``accuracy`` is among them."""
    learnt_accuracy: ClassVar[float]
    """A network has learnt its task if its accuracy is at least this."""

    def __post_init__(self) -> None:
        if not isinstance(self.architecture, Architecture):
            raise RNN2VecError(f"the networks of a recipe have an Architecture; got {shown(self.architecture)}")
        for name in ("models", "steps", "batch_size", "rollouts", "models_per_shard"):
            self._make_plain(name, whole(name, getattr(self, name)))
        self._make_plain("seed", whole("seed", self.seed, -LARGEST_SEED, LARGEST_SEED))
        if self.assignment not in ASSIGNMENTS:
            raise RNN2VecError(f"tasks are assigned {', '.join(ASSIGNMENTS)}; got {shown(self.assignment)}")
        rates = sequence("learning_rates", self.learning_rates)
        if len(rates) != 3:
            raise RNN2VecError(f"learning_rates are the first, middle and last one; got {shown(list(rates))}")
        self._make_plain("learning_rates", tuple(number("each of learning_rates", rate) for rate in rates))
        steps = sequence("snapshots", self.snapshots)
        if not steps:
            raise RNN2VecError("snapshots are the steps at which a network is kept, at least one; got none")
        self._make_plain("snapshots", tuple(whole("each of snapshots", step, -LARGEST) for step in steps))
        if (
            list(self.snapshots) != sorted(set(self.snapshots))
            or not 0 <= self.snapshots[0] <= self.snapshots[-1] <= self.steps
        ):
            raise RNN2VecError(f"snapshots ascend within 0..{self.steps}; got {shown(list(self.snapshots))}")

    def _make_plain(self, name: str, value: object) -> None:
        """Keep a field as Python's own number or tuple, which JSON holds and which equals what is read from there."""
        object.__setattr__(self, name, value)

    @abstractmethod
    def fetch_data(self) -> None:
        """Get the data that training needs, once and before any process needs it.

        Raises:
            RNN2VecError: if it cannot be had.
        """

    @abstractmethod
    def task(self, model: int) -> Task:
        """The task of network ``model``."""

    @abstractmethod
    def task_from(self, parameters: Mapping[str, Any]) -> Task:
        """The task with these values of :attr:`task_columns`."""

    @abstractmethod
    def ood_tasks(self, tasks: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Which of the tasks ``[K, P]`` are out of distribution, as indices; ``order`` is a random order of all K."""

    @abstractmethod
    def observe(self, population: Population, models: Sequence[int], step: int) -> dict[str, np.ndarray]:
        """Look at the networks of a snapshot: ``inputs`` and ``outputs`` of rollouts, and ``[N]`` for each metric."""

    @abstractmethod
    def rollout_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of one snapshot's rollouts, inputs and outputs."""

    def architecture_with(self, overrides: Mapping[str, Any]) -> Architecture:
        """The architecture that fits once ``overrides`` replace fields of the recipe."""
        return self.architecture

    @property
    @abstractmethod
    def interface(self) -> Interface:
        """What goes into the networks and what comes out."""

    @abstractmethod
    def weight_decay_of(self, model: int) -> float:
        """Weight decay of AdamW for network ``model``."""

    def snapshot_values(self, model: int, step: int, metrics: Mapping[str, float]) -> dict[str, int | float]:
        """A row of the zoo's table: the task's parameters and what was measured."""
        return {"model": model, "step": step, **self.task(model).parameters, **metrics}

    def _check_assigned(self, model: int) -> None:
        """Raise :class:`RNN2VecError` unless the recipe has this network and knows its task."""
        whole("the number of a network", model, 0, self.models - 1)
        if self.assignment == "listed":
            raise RNN2VecError(
                "networks that were trained elsewhere have their tasks in the zoo's table: ask Zoo.task(row)"
            )

    def learning_rate(self, step: int) -> float:
        """Learning rate of training step ``step`` (0-based): linear between the first, middle and last value."""
        first, middle, last = self.learning_rates
        progress = 2 * step / max(1, self.steps)
        return first + (middle - first) * progress if progress < 1 else middle + (last - middle) * (progress - 1)

    @property
    def num_shards(self) -> int:
        """Files of weights."""
        return math.ceil(self.models / self.models_per_shard)

    def shard_models(self, shard: int) -> range:
        """Networks in a shard."""
        start = shard * self.models_per_shard
        return range(start, min(start + self.models_per_shard, self.models))

    def to_dict(self) -> dict[str, Any]:
        """The recipe as a JSON-serialisable dictionary; fields that decide no byte (``compare=False``) are left out."""
        values = dataclasses.asdict(self)
        kept = {field.name: values[field.name] for field in dataclasses.fields(self) if field.compare}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}
        return {"family": self.family, **plain}
