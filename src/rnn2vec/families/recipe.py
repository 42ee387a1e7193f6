"""How the networks of a zoo are trained, whatever its family of tasks: the recipe that a builder follows."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from rnn2vec.architecture import Architecture
from rnn2vec.engine.noise import Noise
from rnn2vec.engine.optimizer import AdamW
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
        others: further architectures. The networks are dealt to all of them in equal parts, one after the other.

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
    others: tuple[Architecture, ...] = ()

    def __post_init__(self) -> None:
        make_plain(self, "others", sequence("others", self.others))
        for architecture in self.architectures:
            if not isinstance(architecture, Architecture):
                raise RNN2VecError(f"the networks of a recipe have an Architecture; got {shown(architecture)}")
        if len(set(self.architectures)) < len(self.architectures):
            raise RNN2VecError(f"the architectures of a zoo differ; got {'; '.join(map(str, self.architectures))}")
        if not isinstance(self.task_set, TaskSet):
            raise RNN2VecError(f"the tasks of a recipe are a TaskSet; got {shown(self.task_set)}")
        interface = self.task_set.interface
        sizes = (interface.inputs.size, interface.outputs.size)
        for architecture in self.architectures:
            if (architecture.input_size, architecture.output_size) != sizes:
                raise RNN2VecError(
                    f"networks of {self.task_set.family} have {sizes[0]} inputs and {sizes[1]} outputs here; got "
                    f"{architecture}"
                )
        for name in ("models", "steps", "batch_size", "traces", "models_per_shard"):
            make_plain(self, name, whole(name, getattr(self, name)))
        make_plain(self, "seed", whole("seed", self.seed, -LARGEST_SEED, LARGEST_SEED))
        if self.models < len(self.architectures):
            raise RNN2VecError(
                f"a zoo has a network of each of its {len(self.architectures)} architectures; got {self.models} in all"
            )
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

    def start(self, architecture: Architecture, models: Sequence[int]) -> Population:
        """These networks, which have this architecture, before the first step."""
        return Population.initialise(architecture, self.seed, models)

    def optimizer(self, population: Population, models: Sequence[int]) -> AdamW:
        """The state of the optimiser before the first step of these networks."""
        decays = torch.tensor([self.weight_decay_of(model) for model in models], dtype=torch.float64)
        return AdamW.start(population, decays)

    def noise(self, population: Population, models: Sequence[int], step: int) -> Noise | None:
        """The noise in the recurrent layers of these networks in a training step; none by default."""
        return None

    def snapshot_values(self, model: int, step: int, metrics: Mapping[str, float]) -> dict[str, int | float | str]:
        """What a row of the zoo's table says of a snapshot: the task's parameters and what was measured."""
        return {"model": model, "step": step, **self.task(model).parameters, **metrics}

    def trace_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of one snapshot's traces, inputs ``[R, T, ...]`` and outputs ``[R, T, Y]``."""
        inputs, outputs = self.task_set.trace_shapes
        return (self.traces, *inputs), (self.traces, *outputs)

    def learning_rate(self, step: int, architecture: Architecture | None = None) -> float:
        """Learning rate of training step ``step`` (0-based): linear between the first, middle and last value.

        Args:
            step: of training.
            architecture: of the networks, where that makes a difference.
        """
        first, middle, last = self.learning_rates
        progress = 2 * step / max(1, self.steps)
        return first + (middle - first) * progress if progress < 1 else middle + (last - middle) * (progress - 1)

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """All of the zoo's."""
        return (self.architecture, *self.others)

    def architecture_number(self, model: int) -> int:
        """The place of a network's architecture among all."""
        return next(place for place, own in enumerate(self._parts) if model in own)

    def networks_beside(self, model: int) -> range:
        """The networks of the same architecture."""
        return self._parts[self.architecture_number(model)]

    @property
    def _parts(self) -> list[range]:
        """The networks of each architecture."""
        count = len(self.architectures)
        return [range(self.models * part // count, self.models * (part + 1) // count) for part in range(count)]

    @property
    def num_shards(self) -> int:
        """Files of weights; each holds networks of one architecture."""
        return sum(math.ceil(len(own) / self.models_per_shard) for own in self._parts)

    def shard_models(self, shard: int) -> range:
        """Networks in a shard."""
        whole("the number of a shard", shard, 0, self.num_shards - 1)
        for own in self._parts:
            shards = math.ceil(len(own) / self.models_per_shard)
            if shard < shards:
                break
            shard -= shards
        return own[shard * self.models_per_shard : (shard + 1) * self.models_per_shard]

    def to_dict(self) -> dict[str, Any]:
        """The recipe as a JSON-serialisable dictionary."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        del plain["task_set"], plain["others"]
        others = {"others": [own.to_dict() for own in self.others]} if self.others else {}
        return {"family": self.task_set.to_dict(), **plain, "architecture": self.architecture.to_dict(), **others}
