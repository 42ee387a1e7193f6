"""Trials of cognitive tasks: the channels that all tasks share, time, and what a batch of trials holds."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number, whole

INPUTS = ("fixation", "first 1", "first 2", "second 1", "second 2", "context 1", "context 2")
"""Channels that a network reads: a fixation cue, two modalities of two numbers each, and a context."""
OUTPUTS = ("fixation", "response 1", "response 2")
"""Channels that it answers on."""
FIXATION, FIRST, SECOND, CONTEXT, RESPONSE = 0, slice(1, 3), slice(3, 5), slice(5, 7), slice(1, 3)
STEPS = 60
"""Steps of a trial: 1.2 s, if a leak of 0.2 stands for a time constant of 100 ms."""
SETTLE = 5
"""First steps of a trial, which count in no loss: a network starts from an empty state."""
KIND = "kind"
PARAMETERS = ("set_size", "delay", "strength")
"""What may differ between two tasks of one kind; 0 where a kind of task has no such parameter."""


Grid = tuple[Sequence[int], Sequence[int], Sequence[float]]
"""Values of the three parameters."""


@dataclasses.dataclass(frozen=True)
class Trials:
    """A batch of trials.

    Attributes:
        inputs: ``[B, T, 7]`` float32, see :data:`INPUTS`.
        targets: ``[B, T, 3]`` float32, see :data:`OUTPUTS`.
        mask: ``[B, T]`` float32, what each step counts in the loss.
    """

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray


@dataclasses.dataclass(frozen=True)
class CognitiveTask(ABC):
    """A cognitive task with parameters of its own. A subclass is a kind of task.

    Attributes:
        set_size: how many alternatives there are: directions, bits, frequencies or intervals; 0 for none.
        delay: steps: of the longest delay, or of what takes its place; 0 for none.
        strength: of stimuli: coherence, difference, amplitude or speed; 0 for none.
        noise: standard deviation of what is added to every input at every step.

    Raises:
        RNN2VecError: if this kind of task has no such parameters.
    """

    set_size: int = 0
    delay: int = 0
    strength: float = 0.0
    noise: float = 0.05

    number: ClassVar[int]
    """Of the kind of task, in zoos."""
    name: ClassVar[str]
    grid: ClassVar[Grid]
    """Values that the three parameters take in zoos."""
    limits: ClassVar[tuple[tuple[int, int], tuple[int, int], tuple[float, float]]]
    """The lowest and the highest value that each may have."""

    cued: ClassVar[bool] = False
    """Whether the fixation cue is on until the answer is due."""

    input_size: ClassVar[int] = len(INPUTS)
    output_size: ClassVar[int] = len(OUTPUTS)

    def __post_init__(self) -> None:
        sizes, delays, strengths = self.limits
        object.__setattr__(self, "set_size", whole(f"set_size of {self.name}", self.set_size, *sizes))
        object.__setattr__(self, "delay", whole(f"delay of {self.name}", self.delay, *delays))
        strength = number(f"strength of {self.name}", self.strength, strengths[0])
        if strength > strengths[1]:
            raise RNN2VecError(f"strength of {self.name} is at most {strengths[1]}; got {strength}")
        object.__setattr__(self, "strength", strength)
        object.__setattr__(self, "noise", number("noise", self.noise))

    def __str__(self) -> str:
        said = {"set size": self.set_size, "delay": self.delay, "strength": self.strength}
        return ", ".join([self.name, *(f"{name} {value:g}" for name, value in said.items() if value)])

    @property
    def parameters(self) -> dict[str, float]:
        """The number of the kind of task, and its parameters."""
        return {KIND: self.number, "set_size": self.set_size, "delay": self.delay, "strength": self.strength}

    @property
    def resting(self) -> np.ndarray:
        """What a network reads while nothing happens, ``[7]`` float32: the fixation cue, where there is one."""
        return np.array([self.cued, *[0] * (len(INPUTS) - 1)], dtype=np.float32)

    @abstractmethod
    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        """Draw trials without noise of the inputs."""

    @abstractmethod
    def performance(self, trials: Trials, outputs: np.ndarray) -> np.ndarray:
        """How well each trial was done, ``[B]`` from 0 to 1, by outputs ``[B, T, 3]``."""

    def draw(self, size: int, generator: np.random.Generator) -> Trials:
        """Draw trials, with noise on every input."""
        trials = self.trials(size, generator)
        noise = generator.standard_normal(trials.inputs.shape, dtype=np.float32)
        return dataclasses.replace(trials, inputs=trials.inputs + np.float32(self.noise) * noise)

    def sample(self, size: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw a training batch: inputs ``[B, T, 7]``, targets ``[B, T, 3]`` and the mask of the loss ``[B, T]``."""
        trials = self.draw(size, generator)
        return trials.inputs, trials.targets, trials.mask


def empty(size: int) -> Trials:
    """Trials in which nothing happens and all steps but the first :data:`SETTLE` count."""
    mask = np.ones((size, STEPS), dtype=np.float32)
    mask[:, :SETTLE] = 0
    inputs, targets = (np.zeros((size, STEPS, count), dtype=np.float32) for count in (len(INPUTS), len(OUTPUTS)))
    return Trials(inputs, targets, mask)


def during(start: np.ndarray | int, end: np.ndarray | int) -> np.ndarray:
    """Which steps ``[B, T]`` (``[1, T]`` for numbers) lie from ``start`` up to ``end``, each ``[B]`` or a number."""
    steps = np.arange(STEPS)
    return (steps >= np.atleast_1d(start)[:, None]) & (steps < np.atleast_1d(end)[:, None])


def waits(longest: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Delays ``[B]`` in steps, uniform from half the longest to the longest: a network cannot count on one of them."""
    return generator.integers((longest + 1) // 2, longest + 1, size)


def points(angles: np.ndarray) -> np.ndarray:
    """Cosines and sines ``[..., 2]`` of angles in radians."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)


def explained(outputs: np.ndarray, targets: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The share ``[B]`` of the targets' variance ``[B, T, Y]`` that outputs explain in the steps that count; from 0."""
    counted = (mask > 0)[:, :, None]
    steps = np.maximum(counted.sum(1, keepdims=True), 1)
    mean = (targets * counted).sum(1, keepdims=True) / steps
    missed = (np.square(outputs - targets) * counted).sum((1, 2))
    varied = (np.square(targets - mean) * counted).sum((1, 2))
    return np.clip(1 - missed / np.maximum(varied, 1e-9), 0, 1)
