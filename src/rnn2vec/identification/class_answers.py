"""Class answers: one class a step, the likeliest or drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.identification.information import mutual_information, partition_information
from rnn2vec.identification.noises import scale_of_noises
from rnn2vec.identification.reading import array_said, classes_said

OTHERWISE = 0.05
"""The least share of classes that a box answers otherwise which is none of the networks."""
TEMPERATURES = (0.25, 0.5, 0.7, 1.5, 2.0)
"""Of strangers that draw from the probabilities of a network, as softmax has them."""


@dataclasses.dataclass(frozen=True)
class OneClass:
    """One class at every step, ``[T]`` whole numbers: what :class:`Likeliest` and :class:`Sampled` have in common.

    Attributes:
        size: Y.
        slip: how often a box answers another class than its network, or any of them alike.
    """

    size: int
    slip: float = 1e-3

    name: ClassVar[str]

    @property
    def ways(self) -> int:
        return len(self.noises)

    @property
    def noises(self) -> Tensor:
        return scale_of_noises(self.slip, max(OTHERWISE, 2 * self.slip), 0.8)

    def apart(self, answer: np.ndarray, other: np.ndarray) -> float:
        return float((answer != other).mean())

    def off(self, expected: Tensor, answer: Tensor) -> Tensor:
        return (expected.argmax(-1) != answer).double().mean(-1) / self.slip

    def seen_in(self, answers: Sequence[np.ndarray]) -> str:
        return self.name


@dataclasses.dataclass(frozen=True)
class Likeliest(OneClass):
    """The likeliest class of every step; of numbers ``[T, Y]`` the largest counts."""

    name: ClassVar[str] = "top1"
    repeats: ClassVar[bool] = True
    checks: ClassVar[int] = 1

    def read(self, said: Any, steps: int) -> np.ndarray:
        return classes_said(said, steps, self.size)

    def log_likelihood(self, expected: Tensor, answer: np.ndarray) -> Tensor:
        right = (expected.argmax(-1) == torch.from_numpy(answer)).double().sum(1)[:, None]
        return right * (-self.noises).log1p() + (len(answer) - right) * (self.noises / (self.size - 1)).log()

    def difference(self, expected: Tensor, answer: Tensor) -> Tensor:
        return (expected.argmax(-1) != answer).double().mean(-1)

    def between(self, expected: Tensor, others: Tensor) -> Tensor:
        return self.difference(expected, others.argmax(-1))

    def alike(self, expected: Tensor, others: Tensor) -> Tensor:
        return (expected.argmax(-1) == others.argmax(-1)).all(-1)

    def cells(self, expected: Tensor) -> Tensor:
        return expected.argmax(-1, keepdim=True)

    def information(self, weights: Tensor, groups: Tensor, expected: Tensor) -> Tensor:
        return partition_information(weights, groups, self.cells(expected))


@dataclasses.dataclass(frozen=True)
class Sampled(OneClass):
    """A class drawn at every step from the network's probabilities.

    Strangers are also boxes that draw from probabilities that are sharper or flatter than those of a network.
    """

    name: ClassVar[str] = "sampled"
    repeats: ClassVar[bool] = False
    checks: ClassVar[int] = 8

    def read(self, said: Any, steps: int) -> np.ndarray:
        answer = array_said(said)
        if answer.ndim != 1:
            raise RNN2VecError(f"sampled answers are one class a step, [{steps}]; got the shape {list(answer.shape)}")
        return classes_said(said, steps, self.size)

    def log_likelihood(self, expected: Tensor, answer: np.ndarray) -> Tensor:
        said = torch.from_numpy(answer)
        chosen = _chances_of(expected, said)[..., None]
        noisy = ((1 - self.noises) * chosen + self.noises / self.size).log().sum(-2)
        logits = ((1 - self.slip) * expected.double() + self.slip / self.size).log()
        other = [_chances_of((logits / each).log_softmax(-1), said).sum(-1) for each in TEMPERATURES]
        return torch.cat([noisy, torch.stack(other, -1)], -1)

    @property
    def ways(self) -> int:
        return len(self.noises) + len(TEMPERATURES)

    def difference(self, expected: Tensor, answer: Tensor) -> Tensor:
        return -((1 - self.slip) * _chances_of(expected, answer) + self.slip / self.size).log().mean(-1)

    def between(self, expected: Tensor, others: Tensor) -> Tensor:
        return (expected - others).abs().sum(-1).mean(-1) / 2

    def alike(self, expected: Tensor, others: Tensor) -> Tensor:
        return (expected - others).abs().amax((-2, -1)) < self.slip

    def cells(self, expected: Tensor) -> Tensor:
        return (expected.double() / self.slip).round().long()

    def information(self, weights: Tensor, groups: Tensor, expected: Tensor) -> Tensor:
        return mutual_information(weights, groups, expected)


def _chances_of(expected: Tensor, answer: Tensor) -> Tensor:
    """What networks which compute ``[..., T, Y]`` give to classes ``[..., T]``: ``[..., T]``."""
    return expected.double().gather(-1, answer.expand(expected.shape[:-1])[..., None])[..., 0]
