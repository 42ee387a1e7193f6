"""Answer models: how what a network computes becomes what a black box answers, and how likely that is.

Each knows several ways to answer, such as a scale of noises. The first is that of a box which *is* one of the networks;
all others are those of a box that is only like one of them, by which "none of these" is weighed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number
from rnn2vec.identification.class_answers import Likeliest, Sampled
from rnn2vec.identification.full_answers import APART, HALF, MEASURED, Full
from rnn2vec.interface import Interface


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
    def ways(self) -> int:
        """G, ways to answer that are weighed: that of a box which is one of the networks, then those of strangers."""
        ...

    def read(self, said: Any, steps: int) -> np.ndarray:
        """What a box said to so many steps, as numbers; see the class.

        Raises:
            RNN2VecError: if it is no such answer.
        """
        ...

    def log_likelihood(self, expected: Tensor, answer: np.ndarray) -> Tensor:
        """How likely an answer is of networks that compute ``[N, T, Y]``, in each way: logarithms ``[N, G]``."""
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
