"""Tokens: one of a few different inputs at every step."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int64, Integer, Real
from torch import Tensor
from torch.nn import functional as F

from rnn2vec.fields import counted, whole


@dataclasses.dataclass(frozen=True)
class Tokens:
    """One of ``size`` tokens at every step; in a question, a mixture of them.

    Attributes:
        size: X, different tokens.
    """

    size: int
    kind: ClassVar[str] = "tokens"
    drawn: ClassVar[bool] = True
    """Whether a question can be drawn from probabilities."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole("the number of tokens", self.size))

    @property
    def stored(self) -> np.dtype:
        """The type that holds inputs on disk."""
        return np.min_scalar_type(-self.size)

    def questions(self, logits: Float[Tensor, "*any X"]) -> Float[Tensor, "*any X"]:
        """Inputs ``[..., X]`` from logits: points of the simplex."""
        return logits.softmax(-1)

    def logits(self, inputs: Integer[Tensor, "*any"]) -> Float[Tensor, "*any X"]:
        """Logits ``[..., X]`` of tokens ``[...]``: 3 above the others', 4/5 of the probability among six."""
        return 3.0 * F.one_hot(inputs.long(), self.size)

    def tensor(self, array: Real[np.ndarray, "*any"]) -> Int64[Tensor, "*any"]:
        """Stored inputs as networks read them."""
        return torch.from_numpy(array).long()

    def shares(self, questions: Float[Tensor, "*any X"]) -> Float[Tensor, "*any X"]:
        """Questions ``[..., X]`` between 0 and 1, to be drawn."""
        return questions

    def problem(self, array: np.ndarray) -> str:
        """What is wrong with stored inputs; empty if nothing is."""
        good = array.dtype.kind in "iu" and bool(((array >= 0) & (array < self.size)).all())
        return "" if good else f"tokens are whole numbers in 0..{self.size - 1}"

    def __str__(self) -> str:
        return counted(self.size, "token")
