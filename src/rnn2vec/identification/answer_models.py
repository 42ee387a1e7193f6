"""Answer models: how what a network computes becomes what a black box answers, and how likely that is.

Each knows a scale of noises. The first is that of a box which *is* one of the networks; all others are those of a box
that is only like one of them, by which "none of these" is weighed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number
from rnn2vec.identification.information import mutual_information, partition_information
from rnn2vec.identification.reading import array_said, classes_said, numbers_said, precision_of, step_of
from rnn2vec.interface import Interface

STRANGERS = 12
"""Noises of a box that is none of the networks, on a logarithmic scale."""
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
OTHERWISE = 0.05
"""The least share of classes that a box answers otherwise which is none of the networks."""


class AnswerModel(Protocol):
    """What a black box answers with."""

    @property
    def name(self) -> str:
        """As it is asked for."""
        ...

    @property
    def repeats(self) -> bool:
        """Whether the same question has the same answer."""
        ...

    @property
    def checks(self) -> int:
        """Whole questions by which it is made sure that a box is no stranger, once it is clear which one it is like."""
        ...

    @property
    def noises(self) -> Tensor:
        """The scale of noises ``[G]``."""
        ...

    def read(self, said: Any, steps: int) -> np.ndarray:
        """What a box said to so many steps, as numbers; see the class.

        Raises:
            RNN2VecError: if it is no such answer.
        """
        ...

    def log_likelihood(self, expected: Tensor, answer: np.ndarray) -> Tensor:
        """How likely an answer is of networks that compute ``[N, T, Y]``, with each noise: logarithms ``[N, G]``."""
        ...

    def apart(self, answer: np.ndarray, other: np.ndarray) -> float:
        """How far two answers are apart, as noise is measured: in units, or as the share of classes that differ."""
        ...

    def off(self, expected: Tensor, answer: Tensor) -> Tensor:
        """How far an answer is from what networks compute, ``[N, T, Y]``, in units of the noise of a box that is one:
        ``[N]``.
        """
        ...

    def seen_in(self, answers: Sequence[np.ndarray]) -> str:
        """The name of the model that answers show: rounded ones, where all of them are multiples of a step, or those
        of half precision.
        """
        ...

    def difference(self, expected: Tensor, answer: Tensor) -> Tensor:
        """How far an answer is from what a network computes, ``[..., T, Y]``, whatever the noise: numbers by the error
        in parts of the network's own signal, probabilities by total variation, classes by the share of other ones,
        drawn classes by their cross-entropy in nats.
        """
        ...

    def between(self, expected: Tensor, others: Tensor) -> Tensor:
        """How far what networks compute is from what others do, ``[..., T, Y]`` both, in the same way."""
        ...

    def alike(self, expected: Tensor, others: Tensor) -> Tensor:
        """Whether what networks compute is so near what others do that answers do not tell them apart, ``[...]``."""
        ...

    def cells(self, expected: Tensor) -> Tensor:
        """Whole numbers ``[N, R, T, K]`` of what networks compute, ``[N, R, T, Y]``: alike where answers are alike."""
        ...

    def information(self, weights: Tensor, groups: Tensor, expected: Tensor) -> Tensor:
        """Bits ``[R, T]`` that answers to the first steps of questions tell of which group it is.

        Args:
            weights: how likely each network is, ``[N]``.
            groups: a number for the group of each, ``[N]``.
            expected: what they compute, ``[N, R, T, Y]``.
        """
        ...


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
    def noises(self) -> Tensor:
        return _scale(self.sigma, self.least * self.sigma, max(1.0, 2 * APART * self.sigma))

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
    def noises(self) -> Tensor:
        return _scale(self.slip, max(OTHERWISE, 2 * self.slip), 0.8)

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
    """A class drawn at every step from the network's probabilities."""

    name: ClassVar[str] = "sampled"
    repeats: ClassVar[bool] = False
    checks: ClassVar[int] = 8

    def read(self, said: Any, steps: int) -> np.ndarray:
        answer = array_said(said)
        if answer.ndim != 1:
            raise RNN2VecError(f"sampled answers are one class a step, [{steps}]; got the shape {list(answer.shape)}")
        return classes_said(said, steps, self.size)

    def log_likelihood(self, expected: Tensor, answer: np.ndarray) -> Tensor:
        chosen = _chances_of(expected, torch.from_numpy(answer))[..., None]
        return ((1 - self.noises) * chosen + self.noises / self.size).log().sum(-2)

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


def answer_model(name: str, interface: Interface, unit: Tensor, noise: float | None = None) -> AnswerModel:
    """The model of a name.

    Args:
        name: ``full``; ``rounded:K``, to K digits after the point; ``float16`` or ``bfloat16``, of networks that
            compute so; ``top1``; or ``sampled``.
        interface: of the networks.
        unit: of differences between answers, ``[Y]``.
        noise: standard deviation in units, or how often a class is another; very little by default.

    Raises:
        RNN2VecError: if there is no such model for these networks.
    """
    classes, size = interface.outputs.kind == "classes", interface.outputs.size
    given = None if noise is None else number("noise", noise)
    kind, colon, digits = name.partition(":")
    least = MEASURED if given else APART
    if kind == "full" and not colon:
        return Full(unit.double(), max(given or 0.0, 1e-4), classes, repeats=not given, least=least)
    if kind == "rounded" and digits.isascii() and digits.isdigit() and int(digits) <= 8:
        step = 10.0 ** -int(digits)
        # uniform within a step, in units of the smallest unit
        sigma = max(step / math.sqrt(12) / float(unit.min()), 1e-4)
        return Full(unit.double(), max(given or 0.0, sigma), classes, name, repeats=not given, least=least)
    if kind in HALF and not colon:
        sigma = max(given or 0.0, 1e-4)
        return Full(unit.double(), sigma, classes, name, repeats=not given, least=least, rounding=HALF[kind])
    if kind in ("top1", "sampled") and not colon:
        if not classes or size < 2:
            raise RNN2VecError(f"{name} is an answer of classes, two at least; these networks say {interface.outputs}")
        slip = min(max(given or 0.0, 1e-3), 0.3)
        return Likeliest(size, slip) if kind == "top1" else Sampled(size, slip)
    raise RNN2VecError(f"answers are full, rounded:K (0 to 8 digits), float16, bfloat16, top1 or sampled; got {name!r}")


def _scale(own: float, least: float, high: float) -> Tensor:
    others = torch.logspace(math.log10(least), math.log10(high), STRANGERS, dtype=torch.float64)
    return torch.cat([torch.tensor([own], dtype=torch.float64), others])


def _chances_of(expected: Tensor, answer: Tensor) -> Tensor:
    """The probability ``[..., T]`` that networks which compute ``[..., T, Y]`` give to classes ``[..., T]``."""
    return expected.double().gather(-1, answer.expand(expected.shape[:-1])[..., None])[..., 0]
