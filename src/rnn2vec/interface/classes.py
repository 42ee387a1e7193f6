"""Classes: what comes out are logits of a distribution."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64, Real
from torch import Tensor

from rnn2vec.fields import are_finite_floats, whole
from rnn2vec.losses import OF_CLASSES, Loss


@dataclasses.dataclass(frozen=True)
class Classes:
    """Logits of ``size`` classes at every step.

    Attributes:
        size: Y, classes.
    """

    size: int
    kind: ClassVar[str] = "classes"
    losses: ClassVar[Mapping[str, Loss]] = OF_CLASSES
    common_loss: ClassVar[str] = "total-variation"
    reported: ClassVar[tuple[str, ...]] = ()
    distance: ClassVar[str] = "total variation"
    measure: ClassVar[str] = "total variation"
    scaled: ClassVar[str] = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole("the number of classes", self.size))

    @property
    def stored(self) -> np.dtype:
        """The type that holds logits or log-probabilities on disk."""
        return np.dtype(np.float16)

    def tensor(self, array: Real[np.ndarray, "*any"]) -> Float32[Tensor, "*any"]:
        """Stored logits or log-probabilities as float32."""
        return torch.from_numpy(np.asarray(array, dtype=np.float32))

    def problem(self, array: np.ndarray) -> str:
        """What is wrong with stored outputs; empty if nothing is."""
        return "" if are_finite_floats(array) else "logits are finite floats"

    def answers(self, outputs: Float[Tensor, "*any Y"]) -> Float[Tensor, "*any Y"]:
        """Outputs ``[..., Y]`` as encoders read them: probabilities."""
        return outputs.softmax(-1)

    def levelled(self, answers: Float[Tensor, "*any Y"], unit: Tensor) -> Float[Tensor, "*any Y"]:
        """Answers ``[..., Y]`` for networks to be told apart by: probabilities, as they are."""
        return answers

    def compared(self, outputs: Float[Tensor, "*any Y"]) -> Float[Tensor, "*any Y"]:
        """Outputs as losses read them: log-probabilities."""
        return outputs.log_softmax(-1)

    def units(
        self, networks: int, blocks: Iterable[Float[np.ndarray, "_ ... Y"]]
    ) -> tuple[Float32[Tensor, "N Y"], Float32[Tensor, " Y"]]:
        """Ones ``[N, Y]``, of each network, and ``[Y]``, of all; nothing is looked at."""
        return torch.ones(networks, self.size), torch.ones(self.size)

    def difference(
        self, answers: Float[Tensor, "*#any Y"], others: Float[Tensor, "*#any Y"], spread: Float[Tensor, " Y"]
    ) -> Float[Tensor, "*any"]:
        """How far two answers ``[..., Y]`` are apart, ``[...]``: total variation of the probabilities."""
        return 0.5 * (answers - others).abs().sum(-1)

    def scale(
        self, answers: Float[Tensor, "*#any R T Y"], others: Float[Tensor, "*#any R T Y"], unit: Float[Tensor, " Y"]
    ) -> Float[Tensor, ""]:
        """What a difference of two networks is small or large beside: 1, since probabilities have one scale."""
        return torch.ones((), dtype=torch.float64)

    def unexplained(
        self, answers: Float[Tensor, "N R T Y"], others: Float[Tensor, "N R T Y"], unit: Float[Tensor, " Y"]
    ) -> Float64[Tensor, " N"]:
        """How much of the answers ``[N, R, T, Y]`` of networks others do not explain: the mean total variation."""
        return self.difference(answers, others, unit).double().mean((1, 2))

    quantity: ClassVar[str] = "certainty"
    """What :meth:`pictured` measures: the mean probability of the likeliest class."""

    def pictured(
        self, answers: Float[Tensor, "N R T Y"]
    ) -> tuple[Int64[Tensor, "N R T"], Float[Tensor, "N R T"], Float[Tensor, " N"]]:
        """Answers ``[N, R, T, Y]`` as a small picture shows them: the likeliest classes ``[N, R, T]``, their
        probabilities ``[N, R, T]``; and one quantity ``[N]`` measured on all.
        """
        strengths, values = answers.max(-1)
        return values, strengths, strengths.mean((1, 2))

    def extent(self, *answers: np.ndarray) -> tuple[float, float] | None:
        """Between what limits answers are drawn: none, since probabilities are."""
        return None

    def __str__(self) -> str:
        return f"{self.size} classes"
