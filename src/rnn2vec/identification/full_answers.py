"""Full answers: all numbers that a network says, exact, rounded or noisy."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.identification.information import partition_information
from rnn2vec.identification.noises import scale_of_noises
from rnn2vec.identification.reading import numbers_said, precision_of, step_of

APART = 10.0
"""How many times the noise of a box that is one of the networks the least of those is, of numbers."""
MEASURED = 1.5
"""Likewise where the noise is known: what differs by as much again is another network."""
APART_BY = 6
"""Standard deviations by which numbers differ that are told apart."""
ROUNDING = 1e-5
"""Of a network's answers, relative to their root mean square: other ways to compute them, six digits."""
HALF = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
"""Likewise of networks that compute and answer in 16 bits."""
FURTHEST = 2.0**62
"""Steps that a whole number counts."""
QUIET = 1e-3
"""Of the unit squared, below which what a network says is silence, to which no error is relative."""


@dataclasses.dataclass(frozen=True)
class Full:
    """All numbers of every step, ``[T, Y]``: probabilities of classes, or the numbers themselves, with additive noise.

    Attributes:
        unit: of noise, ``[Y]``.
        sigma: standard deviation of the noise, in units.
        classes: whether answers are probabilities.
        name: as it was asked for.
        repeats: whether the noise is that of the question, such as rounding, and the same when it is asked again.
        least: how many times the noise the least of a box is that is none of the networks.
        rounding: of answers, relative to their root mean square.
    """

    unit: Tensor
    sigma: float
    classes: bool
    name: str = "full"
    repeats: bool = True
    least: float = APART
    rounding: float = ROUNDING
    checks: ClassVar[int] = 1

    @property
    def ways(self) -> int:
        return len(self.noises)

    @property
    def noises(self) -> Tensor:
        return scale_of_noises(self.sigma, self.least * self.sigma, max(1.0, 2 * APART * self.sigma))

    def read(self, said: Any, steps: int) -> np.ndarray:
        answer = numbers_said(said, (steps, len(self.unit)))
        # as far as noise lets them
        most, total = 1.0 + 5 * self.sigma, 0.5 + self.sigma * math.sqrt(len(self.unit))
        if self.classes and not (np.abs(answer - 0.5).max() < most and np.abs(answer.sum(1) - 1).mean() < total):
            raise RNN2VecError(
                "answers are probabilities of classes, which add up to one at each step; got others: "
                "give softmax of logits, or ask for --answers top1"
            )
        return answer

    def log_likelihood(self, expected: Tensor, answer: np.ndarray) -> Tensor:
        off = ((expected.double() - torch.from_numpy(answer)) / self.unit).square().sum((1, 2))
        noises = self.noises * self._louder(expected)[:, None]
        return -off[:, None] / (2 * noises.square()) - answer.size * noises.log()

    def apart(self, answer: np.ndarray, other: np.ndarray) -> float:
        return float(np.sqrt(np.square((answer - other) / self.unit.numpy()).mean()))

    def off(self, expected: Tensor, answer: Tensor) -> Tensor:
        return self._length(expected.double() - answer) / (self.sigma * self._louder(expected))

    def _length(self, numbers: Tensor) -> Tensor:
        return (numbers.double() / self.unit).square().mean((-2, -1)).sqrt()

    def _louder(self, expected: Tensor) -> Tensor:
        """How many times more noise a network has than the least: rounding is relative, and of a network that is much
        louder than the unit more than the noise of others.
        """
        return (self.rounding * self._length(expected) / self.sigma).clamp(min=1.0)

    def seen_in(self, answers: Sequence[np.ndarray]) -> str:
        numbers = np.concatenate([answer.reshape(-1) for answer in answers])
        step, precision = step_of(numbers), precision_of(numbers)
        # small numbers of half precision are also multiples of a step, but of one that is too fine for the largest
        if precision and step < np.abs(numbers).max() * HALF[precision] / 2:
            return precision
        return f"rounded:{math.floor(-math.log10(step) + 0.005)}" if 1e-8 < step <= 0.1 else self.name

    def difference(self, expected: Tensor, answer: Tensor) -> Tensor:
        if self.classes:
            return (expected - answer).abs().sum(-1).mean(-1) / 2
        error, signal = (((part / self.unit).square().mean((-2, -1))) for part in (expected - answer, expected))
        return error / (signal + QUIET)

    def between(self, expected: Tensor, others: Tensor) -> Tensor:
        return self.difference(expected, others)

    def alike(self, expected: Tensor, others: Tensor) -> Tensor:
        return ((expected.double() - others) / self.unit).abs().amax((-2, -1)) < APART_BY * self.sigma

    def cells(self, expected: Tensor) -> Tensor:
        # what differs by less than a few standard deviations is not told apart
        steps = expected.double() / (self.unit * APART_BY * self.sigma)
        return steps.clamp(-FURTHEST, FURTHEST).round().long()

    def information(self, weights: Tensor, groups: Tensor, expected: Tensor) -> Tensor:
        return partition_information(weights, groups, self.cells(expected))
