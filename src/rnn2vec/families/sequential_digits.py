"""Zoos of networks that read rotated digits tile by tile (section 5.1 of the paper: tiled sequential MNIST)."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.family import Column, Emulate, Family, Property, Reading, Words
from rnn2vec.families.pretraining import LEARNS, asks
from rnn2vec.families.recipe import PAPER_SNAPSHOTS, TRACES_KEY, Recipe
from rnn2vec.families.task_set import TaskSet
from rnn2vec.fields import make_plain, number, sequence, shown, whole
from rnn2vec.interface import Classes, Interface, Numbers
from rnn2vec.networks import Population
from rnn2vec.randomness import generator
from rnn2vec.tasks.digits import NORMALISATION, load_digits
from rnn2vec.tasks.tiled_digits import TiledDigits

OOD_ANGLES = (312.0, 360.0)
"""Angles from the first up to the second, in degrees, are out of distribution."""

NAME = "sequential-digits"
CLONE_BATCH = 64
"""Networks that are compared with the emulator at once."""
CHUNK = 256
"""Images that all networks of a shard look at in one call."""


@dataclasses.dataclass(frozen=True)
class RotatedDigits(TaskSet):
    """Digits rotated by an angle, read tile by tile.

    Attributes:
        source: ``mnist``, or ``uci`` for the 8 x 8 digits that scikit-learn ships.
        directory: where the files of ``mnist`` are; decides no byte, so it is no part of a zoo.
    """

    source: str = "mnist"
    directory: str | None = dataclasses.field(default=None, compare=False)

    family: ClassVar[str] = NAME
    task_columns: ClassVar[tuple[str, ...]] = ("angle",)
    setting_columns: ClassVar[tuple[str, ...]] = ("weight_decay",)
    metric_columns: ClassVar[tuple[str, ...]] = ("accuracy", "train_loss", "validation_loss", "generalisation_gap")
    learnt_accuracy: ClassVar[float] = 0.5

    def __post_init__(self) -> None:
        if self.directory is not None:
            if not isinstance(self.directory, (str, os.PathLike)):
                raise RNN2VecError(f"the directory with MNIST's files is a path; got {shown(self.directory)}")
            make_plain(self, "directory", os.fspath(self.directory))
        TiledDigits(0.0, self.source)

    @staticmethod
    def source_of(length: int, features: int) -> str:
        """The digits whose sequences have this shape; MNIST if none have."""
        tasks = [TiledDigits(0.0, source) for source in NORMALISATION]
        return next((task.source for task in tasks if (task.length, task.input_size) == (length, features)), "mnist")

    @property
    def interface(self) -> Interface:
        """A tile in, from black to white after normalisation; the class of the digit out."""
        mean, std = NORMALISATION[self.source]
        pixels = Numbers(TiledDigits(0.0, self.source).input_size, -mean / std, (1.0 - mean) / std)
        return Interface(pixels, Classes(TiledDigits.output_size))

    @property
    def trace_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """A tile and the logits at every step."""
        task = TiledDigits(0.0, self.source)
        return (task.length, task.input_size), (task.length, task.output_size)

    def fetch_data(self) -> None:
        load_digits(self.source, self.directory)

    def task_from(self, parameters: Mapping[str, Any]) -> TiledDigits:
        return TiledDigits(number("angle", parameters["angle"]), self.source, self.directory)

    def ood_tasks(self, tasks: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Angles in [312, 360)."""
        angles = tasks[order, 0]
        return order[(angles >= OOD_ANGLES[0]) & (angles < OOD_ANGLES[1])]


@dataclasses.dataclass(frozen=True)
class DigitsRecipe(Recipe):
    """A zoo of classifiers, each of digits rotated by its own angle. See :class:`Recipe` for the other fields.

    A snapshot's traces are validation images with the logits at every tile. Its accuracy is that of the last step on
    validation images; its losses are cross-entropies averaged over all steps, as in training; the generalisation gap is
    validation loss less training loss.

    Attributes:
        task_set: the digits.
        weight_decays: of AdamW; each network draws one.
        evaluation_images: of either part that a snapshot is measured on, at most.
    """

    task_set: RotatedDigits
    weight_decays: tuple[float, ...] = (0.0, 0.001, 0.01, 0.1)
    evaluation_images: int = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        decays = sequence("weight_decays", self.weight_decays)
        if not decays:
            raise RNN2VecError("weight_decays are numbers from 0 on, at least one; got none")
        make_plain(self, "weight_decays", tuple(number("each of weight_decays", decay) for decay in decays))
        make_plain(self, "evaluation_images", whole("evaluation_images", self.evaluation_images))

    def task(self, model: int) -> TiledDigits:
        """The angle of network ``model``; balanced: one in each of as many equal sectors as there are networks."""
        whole("the number of a network", model, 0, self.models - 1)
        turn = float(generator(self.seed, model, "task").random())
        if self.assignment == "balanced":
            turn = (int(self._sectors[model]) + turn) / self.models
        return self.task_set.task_from({"angle": 360.0 * turn})

    @functools.cached_property
    def _sectors(self) -> np.ndarray:
        """The sector of each network's angle, of as many as there are networks."""
        return generator(self.seed, "deal").permutation(self.models)

    def weight_decay_of(self, model: int) -> float:
        draw = generator(self.seed, model, "weight decay").integers(len(self.weight_decays))
        return self.weight_decays[int(draw)]

    def snapshot_values(self, model: int, step: int, metrics: Mapping[str, float]) -> dict[str, int | float | str]:
        values = super().snapshot_values(model, step, metrics)
        return values | {"weight_decay": self.weight_decay_of(model)}

    def observe(self, population: Population, models: Sequence[int], step: int) -> dict[str, np.ndarray]:
        """Let every network read validation images: ``inputs`` ``[N, R, T, X]``, ``outputs`` ``[N, R, T, Y]``."""
        tasks = [self.task(model) for model in models]
        accuracy, validation_loss = measure_classifiers(
            population, tasks, tasks[0].validation[: self.evaluation_images]
        )
        _, train_loss = measure_classifiers(population, tasks, tasks[0].training[: self.evaluation_images])
        kept = []
        for model, task in zip(models, tasks, strict=True):
            chosen = generator(self.seed, model, TRACES_KEY, step).choice(task.validation, self.traces)
            kept.append(task.sequences(chosen)[0])
        inputs = np.stack(kept)
        with torch.no_grad():
            outputs, _ = population.run(torch.from_numpy(inputs))
        return {
            "inputs": inputs,
            "outputs": outputs.numpy(),
            "accuracy": accuracy,
            "train_loss": train_loss,
            "validation_loss": validation_loss,
            "generalisation_gap": validation_loss - train_loss,
        }


@torch.no_grad()
def measure_classifiers(
    population: Population, tasks: Sequence[TiledDigits], images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy at the last step and mean cross-entropy over all steps of N networks, each ``[N]`` float32.

    Args:
        population: the networks.
        tasks: the task of each.
        images: numbers of the images they are shown.
    """
    right, losses = torch.zeros(len(tasks), dtype=torch.float64), torch.zeros(len(tasks), dtype=torch.float64)
    for start in range(0, len(images), CHUNK):
        shown = [task.sequences(images[start : start + CHUNK]) for task in tasks]
        inputs, labels = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*shown, strict=True))
        outputs, _ = population.run(inputs)
        right += (outputs[:, :, -1].argmax(-1) == labels).sum(1)
        losses += _losses(outputs, labels).sum(1)
    count = len(images)
    return (right / count).numpy().astype(np.float32), (losses / count).numpy().astype(np.float32)


def _losses(outputs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits ``[N, B, T, Y]`` with labels ``[N, B]``, averaged over the steps: ``[N, B]``."""
    steps = outputs.shape[2]
    at_every_step = labels[:, :, None].expand(-1, -1, steps)
    return (
        F.cross_entropy(outputs.flatten(0, 2), at_every_step.flatten(), reduction="none").view_as(at_every_step).mean(2)
    )


PRESETS: dict[str, Recipe] = {
    "demo": DigitsRecipe(
        RotatedDigits("uci"),
        Architecture.stack("lstm", 4, 24, 1, 10),
        models=128,
        steps=800,
        snapshots=(0, 50, 100, 200, 400, 800),
        traces=50,
    ),
    "laptop": DigitsRecipe(
        RotatedDigits(),
        Architecture.stack("lstm", 16, 32, 2, 10),
        models=240,
        steps=2000,
        snapshots=(0, 100, 200, 500, 1000, 2000),
        traces=20,
    ),
    "paper": DigitsRecipe(
        RotatedDigits(),
        Architecture.stack("lstm", 16, 32, 2, 10),
        models=1000,
        steps=20_000,
        snapshots=PAPER_SNAPSHOTS,
        assignment="uniform",
        models_per_shard=10,
        evaluation_images=12_000,
    ),
}
"""``demo`` reads small digits that need no download; ``laptop`` and ``paper`` read MNIST, ``paper`` by the paper's
protocol."""


def clone_scores(
    tasks: Sequence[TiledDigits],
    emulate: Emulate,
    interface: Interface,
    inputs: np.ndarray,
    outputs: np.ndarray,
    seeds: Sequence[tuple[int, int]],
) -> np.ndarray:
    """The share of each network's traces on which the emulator names the same class as the network at the last step."""
    scores = []
    for start in range(0, len(tasks), CLONE_BATCH):
        rows = slice(start, start + CLONE_BATCH)
        said, _ = emulate(rows, interface.inputs.tensor(inputs[rows]), None)
        same = said[:, :, -1].argmax(-1).numpy() == outputs[rows, :, -1].argmax(-1)
        scores.append(same.mean(1, dtype=np.float64))
    return np.concatenate(scores)


def show(inputs: np.ndarray, outputs: np.ndarray) -> Reading:
    """The first image."""
    return Reading(0, outputs.shape[1], [str(step) for step in range(outputs.shape[1])])


FAMILY = Family(
    name=NAME,
    task_set=RotatedDigits,
    recipe=DigitsRecipe,
    presets=PRESETS,
    pretraining={
        "demo": LEARNS | {"encoder_options": asks(17)},
        "laptop": LEARNS | {"emulator_size": 128, "encoder_options": asks(50)},
        "paper": {
            "steps": 100_000,
            "encoder_options": {"noninteractive": {"probe_length": 50}, "interactive": {"probe_length": 50}},
        },
    },
    properties=(
        Property("angle", "angle", of_task=True),
        Property("accuracy", "number"),
        Property("step", "class"),
        Property("generalisation_gap", "number"),
    ),
    columns=(
        Column("angle error", "frozen", "validation", "angle_error"),
        Column("angle error OOD", "frozen", "ood", "angle_error"),
        Column("angle error (linear)", "linear", "validation", "angle_error"),
        Column("accuracy R2", "frozen", "validation", "accuracy_r2"),
        Column("step", "frozen", "validation", "step"),
        Column("gap R2", "frozen", "validation", "generalisation_gap_r2"),
        Column("transferred", "transferred", "validation", "angle_error"),
        Column("transferred OOD", "transferred", "ood", "angle_error"),
        Column("end-to-end", "supervised", "validation", "angle_error"),
        Column("end-to-end OOD", "supervised", "ood", "angle_error"),
    ),
    headline="angle error",
    words=Words(
        task="angle",
        tasks="angles: digits rotated by an angle, read tile by tile",
        columns="Angle error: median, in degrees, of the angle that is read from the frozen z (networks that have "
        "learnt their task only; 90 by chance); (linear): by the linear reader alone. Step: share of snapshots whose "
        "training step is right. Gap R2: how well z predicts validation loss less training loss.",
        headline="angle error: median, read from the frozen z; 90\u00b0 by chance.",
        symbols=tuple("0123456789"),
        answer="the class of the digit",
        step="tile just read",
        where="Networks commit themselves as more of the digit is read.",
        clones="the share of images in which it is joined in naming the digit by the emulator",
        clone_axis="agreement of the emulator",
        knowledge={
            "angle_error": "angle, degrees off",
            "accuracy_r2": "accuracy, R2",
            "step": "training step, share",
            "generalisation_gap_r2": "generalisation gap, R2",
        },
        knowledge_caption="Properties of validation networks. Angles: median error of networks that have learnt their "
        "task, 90 degrees by chance.",
        tile=True,
    ),
    clone_scores=clone_scores,
    show=show,
    paper_losses={
        "statistics": 0.039,
        "flat": 0.024,
        "transformer": 0.067,
        "deep_weight_space": 0.024,
        "noninteractive": 0.017,
        "interactive": 0.017,
    },
)
