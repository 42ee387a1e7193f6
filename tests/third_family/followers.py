"""A third family of tasks with numbers in and out: networks learn to follow their input at a rate of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from rnn2vec.architecture import Architecture
from rnn2vec.families.family import Column, Emulate, Family, Property, Reading, Words
from rnn2vec.families.recipe import Recipe
from rnn2vec.families.task_set import TaskSet
from rnn2vec.interface import Interface, Numbers
from rnn2vec.networks import Population
from rnn2vec.randomness import generator

NAME = "followers"


@dataclasses.dataclass(frozen=True)
class Follower:
    """An exponential average of what is read."""

    rate: float
    length: int
    input_size: int = 1
    output_size: int = 1

    @property
    def parameters(self) -> dict[str, float]:
        return {"rate": self.rate}

    def answer(self, inputs: np.ndarray) -> np.ndarray:
        said, level = np.zeros_like(inputs), np.zeros_like(inputs[:, 0])
        for step in range(inputs.shape[1]):
            level = level + np.float32(self.rate) * (inputs[:, step] - level)
            said[:, step] = level
        return said

    def sample(self, size: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        inputs = generator.uniform(-1, 1, (size, self.length, 1)).astype(np.float32)
        return inputs, self.answer(inputs)


@dataclasses.dataclass(frozen=True)
class Followers(TaskSet):
    """Rates from 0 to 1."""

    length: int = 12

    family: ClassVar[str] = NAME
    task_columns: ClassVar[tuple[str, ...]] = ("rate",)
    metric_columns: ClassVar[tuple[str, ...]] = ("accuracy",)
    learnt_accuracy: ClassVar[float] = 0.0

    @property
    def interface(self) -> Interface:
        return Interface(Numbers(1, -1.0, 1.0), Numbers(1))

    @property
    def trace_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (self.length, 1), (self.length, 1)

    def fetch_data(self) -> None:
        """None is needed."""

    def task_from(self, parameters: Mapping[str, Any]) -> Follower:
        return Follower(float(parameters["rate"]), self.length)

    def ood_tasks(self, tasks: np.ndarray, order: np.ndarray) -> np.ndarray:
        return order[np.argsort(-tasks[order, 0], kind="stable")][: round(0.15 * len(tasks))]


@dataclasses.dataclass(frozen=True)
class FollowerRecipe(Recipe):
    """A zoo of followers."""

    task_set: Followers

    def task(self, model: int) -> Follower:
        return Follower((model + 0.5) / self.models, self.task_set.length)

    def weight_decay_of(self, model: int) -> float:
        return 0.0

    @torch.no_grad()
    def observe(self, population: Population, models: Sequence[int], step: int) -> dict[str, np.ndarray]:
        drawn = [self.task(model).sample(self.traces, generator(self.seed, model, "traces", step)) for model in models]
        inputs, expected = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
        outputs = population.run(torch.from_numpy(inputs))[0].numpy()
        missed = np.square(outputs - expected).mean((1, 2, 3)) / expected.var((1, 2, 3))
        return {"inputs": inputs, "outputs": outputs, "accuracy": np.clip(1 - missed, 0, 1).astype(np.float32)}


def clone_scores(
    tasks: Sequence[Follower],
    emulate: Emulate,
    interface: Interface,
    inputs: np.ndarray,
    outputs: np.ndarray,
    seeds: Sequence[tuple[int, int]],
) -> np.ndarray:
    """What the emulator explains of each network's answers."""
    said = emulate(slice(None), interface.inputs.tensor(inputs), None)[0].numpy()
    return np.clip(1 - np.square(said - outputs).mean((1, 2, 3)) / outputs.var((1, 2, 3)), 0, 1)


_PROBES = {"probes": 2, "probe_length": 6, "core_size": 8, "mlp_size": 8, "probe_init": "traces"}

FAMILY = Family(
    name=NAME,
    task_set=Followers,
    recipe=FollowerRecipe,
    presets={
        "demo": FollowerRecipe(
            Followers(),
            Architecture("leaky", 1, (4,), 1, skip=True),
            models=24,
            steps=30,
            snapshots=(0, 30),
            traces=6,
            batch_size=8,
        )
    },
    pretraining={
        "demo": {
            "steps": 40,
            "networks": 16,
            "traces": 2,
            "learning_rate": 5e-3,
            "clip": 1.0,
            "loss": "mse",
            "emulator_size": 16,
            "emulator_layers": 1,
            "encoder_options": {"interactive": _PROBES | {"feedback": "echo"}, "noninteractive": _PROBES},
        }
    },
    properties=(Property("rate", "number", of_task=True), Property("accuracy", "number")),
    columns=(
        Column("rate R2", "frozen", "validation", "rate_r2"),
        Column("rate R2 OOD", "frozen", "ood", "rate_r2"),
        Column("accuracy R2", "frozen", "validation", "accuracy_r2"),
        Column("end-to-end", "supervised", "validation", "rate_r2"),
    ),
    headline="rate R2",
    words=Words(
        task="rate",
        tasks="rates at which they follow their input",
        columns="Rate R2: how well the rate is read from the frozen z.",
        headline="rate R2: how well the rate is read from the frozen z.",
        symbols=("level",),
        answer="the level",
        step="number just read",
        where="Slow networks lag behind.",
        clones="the share of their variance explained by the emulator",
        clone_axis="variance explained",
        knowledge={"rate_r2": "rate, R2", "accuracy_r2": "accuracy, R2"},
        knowledge_caption="Properties of validation networks.",
    ),
    clone_scores=clone_scores,
    show=lambda inputs, outputs: Reading(0, outputs.shape[1], [f"{value:.1f}" for value in inputs[0, :, 0]]),
)
