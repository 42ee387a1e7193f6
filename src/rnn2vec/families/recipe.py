"""How the networks of a zoo are trained, whatever its family of tasks: the recipe that a builder follows."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.task_set import TaskSet
from rnn2vec.fields import LARGEST, make_plain, number, sequence, shown, whole
from rnn2vec.networks import Population
from rnn2vec.tasks.task import Task

ASSIGNMENTS = ("balanced", "uniform")
PAPER_SNAPSHOTS = (0, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
LARGEST_SEED = 2**128 - 1
"""The generator's keys have so many bits."""
TRACES_KEY = "rollouts"
"""What the random numbers of traces are for; their earlier name, so that the same recipe draws the same ones."""


@dataclasses.dataclass(frozen=True)
class Recipe(ABC):
    """Everything that decides the bytes of a zoo (appendix A of the paper for the values of the ``paper`` presets).

    A subclass is a family of tasks: it assigns a task to every network, and says how networks are observed.

    Attributes:
        task_set: the tasks.
        architecture: shape of the networks.
        models: how many networks are trained.
        steps: training steps of each.
        snapshots: steps at which a network is kept; 0 is the untrained one.
        seed: seed of every random number.
        batch_size: sequences per training step.
        learning_rates: learning rate at the first, middle and last step, linear between.
        assignment: ``uniform`` draws each model's task, as the paper does; ``balanced`` spreads the models evenly over
            the tasks, in random order.
        traces: sequences kept per snapshot, with the network's outputs.
        models_per_shard: networks that are trained side by side and stored in one file; their weights do not depend on
            it.

    Raises:
        RNN2VecError: if a field is of another type or out of range.
    """

    task_set: TaskSet
    architecture: Architecture
    models: int
    steps: int
    snapshots: tuple[int, ...]
    seed: int = 0
    batch_size: int = 32
    learning_rates: tuple[float, float, float] = (0.01, 0.003, 0.0003)
    assignment: str = "balanced"
    traces: int = 100
    models_per_shard: int = 16

    def __post_init__(self) -> None:
        if not isinstance(self.architecture, Architecture):
            raise RNN2VecError(f"the networks of a recipe have an Architecture; got {shown(self.architecture)}")
        if not isinstance(self.task_set, TaskSet):
            raise RNN2VecError(f"the tasks of a recipe are a TaskSet; got {shown(self.task_set)}")
        interface = self.task_set.interface
        sizes = (interface.inputs.size, interface.outputs.size)
        if (self.architecture.input_size, self.architecture.output_size) != sizes:
            raise RNN2VecError(
                f"networks of {self.task_set.family} have {sizes[0]} inputs and {sizes[1]} outputs here; got "
                f"{self.architecture}"
            )
        for name in ("models", "steps", "batch_size", "traces", "models_per_shard"):
            make_plain(self, name, whole(name, getattr(self, name)))
        make_plain(self, "seed", whole("seed", self.seed, -LARGEST_SEED, LARGEST_SEED))
        if self.assignment not in ASSIGNMENTS:
            raise RNN2VecError(f"tasks are assigned {', '.join(ASSIGNMENTS)}; got {shown(self.assignment)}")
        rates = sequence("learning_rates", self.learning_rates)
        if len(rates) != 3:
            raise RNN2VecError(f"learning_rates are the first, middle and last one; got {shown(list(rates))}")
        make_plain(self, "learning_rates", tuple(number("each of learning_rates", rate) for rate in rates))
        steps = sequence("snapshots", self.snapshots)
        if not steps:
            raise RNN2VecError("snapshots are the steps at which a network is kept, at least one; got none")
        make_plain(self, "snapshots", tuple(whole("each of snapshots", step, -LARGEST) for step in steps))
        if (
            list(self.snapshots) != sorted(set(self.snapshots))
            or not 0 <= self.snapshots[0] <= self.snapshots[-1] <= self.steps
        ):
            raise RNN2VecError(f"snapshots ascend within 0..{self.steps}; got {shown(list(self.snapshots))}")

    @abstractmethod
    def task(self, model: int) -> Task:
        """The task of network ``model``.

        Raises:
            RNN2VecError: if there is no such network.
        """

    @abstractmethod
    def observe(self, population: Population, models: Sequence[int], step: int) -> dict[str, np.ndarray]:
        """Look at the networks of a snapshot: ``inputs`` and ``outputs`` of traces, and ``[N]`` for each metric.

        Traces are kept in the types that the interface stores.
        """

    @abstractmethod
    def weight_decay_of(self, model: int) -> float:
        """Weight decay of AdamW for network ``model``."""

    def snapshot_values(self, model: int, step: int, metrics: Mapping[str, float]) -> dict[str, int | float]:
        """What a row of the zoo's table says of a snapshot: the task's parameters and what was measured."""
        return {"model": model, "step": step, **self.task(model).parameters, **metrics}

    def trace_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of one snapshot's traces, inputs ``[R, T, ...]`` and outputs ``[R, T, Y]``."""
        inputs, outputs = self.task_set.trace_shapes
        return (self.traces, *inputs), (self.traces, *outputs)

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
        """The recipe as a JSON-serialisable dictionary."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        del plain["task_set"]
        return {"family": self.task_set.to_dict(), **plain, "architecture": self.architecture.to_dict()}
