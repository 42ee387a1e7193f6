"""Numbers: what goes in or comes out is real."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Real
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import are_finite_floats, counted, number, shown, whole
from rnn2vec.losses import OF_NUMBERS, Loss

SILENT = 1e-6
"""The level of a network's answers, in units of the spread of all, below which they are taken for silence."""
FLAT = 0.01
"""How much answers vary, in units of the spread of all, below which they are taken for constant."""
LOUD = 10.0
"""Times as far from the middle of all as three of four networks are: answers further off do not set the unit."""
FEW = 8
"""At most one network of so many is left out so, or one: where more are as loud, that is how these networks answer."""


@dataclasses.dataclass(frozen=True)
class Numbers:
    """``size`` real numbers at every step.

    Attributes:
        size: X or Y, numbers of a step.
        low: the lowest that a question may have; of outputs, None.
        high: the highest, likewise.
    """

    size: int
    low: float | None = None
    high: float | None = None
    kind: ClassVar[str] = "numbers"
    drawn: ClassVar[bool] = False
    losses: ClassVar[Mapping[str, Loss]] = OF_NUMBERS
    common_loss: ClassVar[str] = "mse"
    reported: ClassVar[tuple[str, ...]] = ("error-to-signal",)
    """Losses that evaluations report besides."""
    distance: ClassVar[str] = "mean absolute difference"
    """What a figure calls the distance of two answers."""
    measure: ClassVar[str] = "root mean square difference, in units of the answers' spread"
    """What :meth:`difference` measures."""
    scaled: ClassVar[str] = " (or of the louder network's level, if both are quieter)"
    """What :meth:`scale` adds to that."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole("the number of numbers", self.size))
        if (self.low is None) != (self.high is None):
            raise RNN2VecError(f"a range has two ends, or there is none; got {shown(self.low)} to {shown(self.high)}")
        if self.low is not None and self.high is not None:
            for name in ("low", "high"):
                object.__setattr__(self, name, number(f"the {name} end of a range", getattr(self, name), -math.inf))
            if not self.low < self.high:
                raise RNN2VecError(f"a range goes from low to high; got {self.low} to {self.high}")

    @property
    def stored(self) -> np.dtype:
        """The type that holds numbers on disk."""
        return np.dtype(np.float32)

    @property
    def range(self) -> tuple[float, float]:
        """Low and high.

        Raises:
            RNN2VecError: if there is none.
        """
        if self.low is None or self.high is None:
            raise RNN2VecError("questions of numbers need a range, Numbers(size, low, high); got none")
        return self.low, self.high

    def questions(self, logits: Float[Tensor, "*any X"]) -> Float[Tensor, "*any X"]:
        """Inputs ``[..., X]`` from logits: numbers within the range, through a sigmoid."""
        low, high = self.range
        return low + (high - low) * logits.sigmoid()

    def logits(self, inputs: Real[Tensor, "*any X"]) -> Float32[Tensor, "*any X"]:
        """Logits ``[..., X]`` whose questions are these inputs, or the nearest that are not at an end of the range."""
        return self.shares(inputs.float()).logit(eps=0.02)

    def tensor(self, array: Real[np.ndarray, "*any"]) -> Float32[Tensor, "*any"]:
        """Stored numbers as float32."""
        return torch.from_numpy(np.asarray(array, dtype=np.float32))

    def shares(self, questions: Float[Tensor, "*any X"]) -> Float[Tensor, "*any X"]:
        """Questions from 0, the low end of the range, to 1."""
        low, high = self.range
        return (questions - low) / (high - low)

    def problem(self, array: np.ndarray) -> str:
        """What is wrong with stored numbers; empty if nothing is."""
        return "" if are_finite_floats(array) else "numbers are finite floats"

    def answers(self, outputs: Float[Tensor, "*any Y"]) -> Float[Tensor, "*any Y"]:
        """Outputs as encoders read them: as they are."""
        return outputs

    def levelled(
        self, answers: Float[Tensor, "*any R T Y"], unit: Float[Tensor, "R 1 Y"]
    ) -> Float[Tensor, "*any R T Y"]:
        """Answers ``[..., R, T, Y]`` for networks to be told apart by: in units ``[R, 1, Y]``, at each network's level.

        That is the root mean square of all its answers in these units, and at least :data:`SILENT`. So two networks
        that differ in loudness alone are alike, and quiet networks are told apart beside loud ones.
        """
        own = answers / unit
        length = torch.linalg.vector_norm(own, dim=(-3, -2, -1), keepdim=True, dtype=torch.float64)  # squares overflow
        return own / (length / math.prod(own.shape[-3:]) ** 0.5).to(own.dtype).clamp(min=SILENT)

    def compared(self, outputs: Float[Tensor, "*any Y"]) -> Float[Tensor, "*any Y"]:
        """Outputs as losses read them: as they are."""
        return outputs

    def units(
        self, networks: int, blocks: Iterable[Float[np.ndarray, "_ ... Y"]]
    ) -> tuple[Float32[Tensor, "N Y"], Float32[Tensor, " Y"]]:
        """The unit ``[N, Y]`` of each network's losses, and that of all, ``[Y]``, in which differences are measured.

        That of all is the standard deviation of each output over the networks that are :func:`ordinary`; 1 for an
        output that does not vary. A network's own unit is how far its outputs are from their mean: whoever says that
        mean always loses 1, at a quiet network as at a loud one. It is at least a tenth of the unit of all, so that no
        network outweighs the rest.

        Args:
            networks: N.
            blocks: stored outputs of some networks at a time, ``[K, ..., Y]``, as many of each.
        """
        means, variances, largest = [], [], []
        for block in blocks:
            flat = block.reshape(len(block), -1, self.size).astype(np.float64)
            means.append(flat.mean(1))
            variances.append(flat.var(1))
            largest.append(np.abs(flat).max(1))
        mean = np.concatenate(means)
        kept = ordinary(mean, np.concatenate(variances))
        apart = np.concatenate(variances) + np.square(mean - mean.mean(0, where=kept))
        spread = np.sqrt(apart.mean(0, where=kept))
        most = np.concatenate(largest).max(0, where=kept, initial=1e-6)
        unit = np.where(spread > 1e-6 * most, spread, 1.0)
        own = np.maximum(np.sqrt(apart), 0.1 * unit)
        own, unit = (array.clip(max=np.finfo(np.float32).max).astype(np.float32) for array in (own, unit))
        return torch.from_numpy(own), torch.from_numpy(unit)

    def difference(
        self, answers: Float[Tensor, "*#any Y"], others: Float[Tensor, "*#any Y"], spread: Float[Tensor, " Y"]
    ) -> Float[Tensor, "*any"]:
        """How far two answers ``[..., Y]`` are apart, ``[...]``: root mean square in units of the spread ``[Y]``."""
        # in float64: beside a network that diverges, float32 would lose what the others differ by, and squares overflow
        return ((answers.double() - others.double()) / spread).square().mean(-1).sqrt()

    def scale(
        self, answers: Float[Tensor, "*#any R T Y"], others: Float[Tensor, "*#any R T Y"], unit: Float[Tensor, " Y"]
    ) -> Float[Tensor, "*any"]:
        """What a distance of two networks is small or large beside, ``[...]``, in units ``[Y]``: 1, or how far the
        louder one is from silence, if that is less. Beside loud networks, all quiet ones would else be nearly the same.
        """
        silence = torch.zeros_like(answers[..., :1, :1, :])
        far = [self.difference(own, silence, unit).mean((-2, -1)) for own in (answers, others)]
        return torch.maximum(*far).clamp(SILENT, 1.0)

    def unexplained(
        self, answers: Float[Tensor, "N R T Y"], others: Float[Tensor, "N R T Y"], unit: Float[Tensor, " Y"]
    ) -> Float64[Tensor, " N"]:
        """How much of the answers ``[N, R, T, Y]`` of networks others do not explain: the root mean square difference,
        in units ``[Y]``, over that of the answers from their own mean; at least :data:`FLAT` is taken for this. 0 is
        nothing, and 1 is what the mean of a network's answers leaves.
        """
        own = answers.double() / unit
        off, varying = own - others.double() / unit, own - own.mean((1, 2), keepdim=True)
        lengths = [each.square().mean((1, 2, 3)).sqrt() for each in (off, varying)]
        return lengths[0] / lengths[1].clamp(min=FLAT)

    quantity: ClassVar[str] = "loudness"
    """What :meth:`pictured` measures: the root mean square of all answers."""

    def pictured(
        self, answers: Float[Tensor, "N R T Y"]
    ) -> tuple[Float[Tensor, "N R T"], Float[Tensor, "N R T"], Float[Tensor, " N"]]:
        """Answers ``[N, R, T, Y]`` as a small picture shows them: values ``[N, R, T]``, of the first output; strengths
        ``[N, R, T]``, ones; and one quantity ``[N]`` measured on all.
        """
        return answers[..., 0], torch.ones_like(answers[..., 0]), answers.square().mean((1, 2, 3)).sqrt()

    def extent(self, *answers: np.ndarray) -> tuple[float, float] | None:
        """Between what limits answers are drawn: the lowest and the highest."""
        return min(float(own.min()) for own in answers), max(float(own.max()) for own in answers)

    def __str__(self) -> str:
        ends = "" if self.low is None else f" in {self.low:g}..{self.high:g}"
        return counted(self.size, "number") + ends


def ordinary(means: Float[np.ndarray, "N Y"], variances: Float[np.ndarray, "N Y"]) -> Bool[np.ndarray, "N Y"]:
    """Which networks set the unit of each output: those that are not :data:`LOUD` times as far from the middle of all
    as three of four are, if these are few. One network that diverges, or answers in millivolts, would else make all
    others alike.

    Args:
        means: of each network's outputs.
        variances: of the same.
    """
    middle = np.median(means, 0)
    apart = np.sqrt(variances + np.square(means - middle))
    usual = np.quantile(apart, 0.75, axis=0, method="lower")
    loud = apart > LOUD * usual
    most = max(1, len(means) // FEW) if len(means) > 2 else 0
    constant = usual <= 1e-6 * np.maximum(np.abs(middle), 1e-6)  # but for rounding
    return ~loud | constant | (loud.sum(0) > most)
