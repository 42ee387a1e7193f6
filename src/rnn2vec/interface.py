"""Interface: what goes into a network and what comes out, and all that follows from it.

How learned logits become questions, how raw outputs are read, which losses exist, what a difference between two answers
is, whether a network can be fed its own answer, how traces are stored: whoever needs to know asks an interface.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number, shown, whole
from rnn2vec.losses import OF_CLASSES, OF_NUMBERS, Loss

LEAST_LOGIT = -10.0
"""Of a token that a network is fed with as good as no probability."""


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

    def questions(self, logits: Tensor) -> Tensor:
        """Inputs ``[..., X]`` from logits: points of the simplex."""
        return logits.softmax(-1)

    def logits(self, inputs: Tensor) -> Tensor:
        """Logits ``[..., X]`` of tokens ``[...]``: 3 above the others', 4/5 of the probability among six."""
        return 3.0 * F.one_hot(inputs.long(), self.size)

    def tensor(self, array: np.ndarray) -> Tensor:
        """Stored inputs as networks read them."""
        return torch.from_numpy(array).long()

    def shares(self, questions: Tensor) -> Tensor:
        """Questions ``[..., X]`` between 0 and 1, to be drawn."""
        return questions

    def problem(self, array: np.ndarray) -> str:
        """What is wrong with stored inputs; empty if nothing is."""
        good = array.dtype.kind in "iu" and bool(((array >= 0) & (array < self.size)).all())
        return "" if good else f"tokens are whole numbers in 0..{self.size - 1}"

    def __str__(self) -> str:
        return f"{self.size} tokens"


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

    def questions(self, logits: Tensor) -> Tensor:
        """Inputs ``[..., X]`` from logits: numbers within the range, through a sigmoid."""
        low, high = self.range
        return low + (high - low) * logits.sigmoid()

    def logits(self, inputs: Tensor) -> Tensor:
        """Logits ``[..., X]`` whose questions are these inputs, or the nearest that are not at an end of the range."""
        return self.shares(inputs.float()).logit(eps=0.02)

    def tensor(self, array: np.ndarray) -> Tensor:
        """Stored numbers as float32."""
        return torch.from_numpy(np.asarray(array, dtype=np.float32))

    def shares(self, questions: Tensor) -> Tensor:
        """Questions from 0, the low end of the range, to 1."""
        low, high = self.range
        return (questions - low) / (high - low)

    def problem(self, array: np.ndarray) -> str:
        """What is wrong with stored numbers; empty if nothing is."""
        return "" if _are_finite_floats(array) else "numbers are finite floats"

    def answers(self, outputs: Tensor) -> Tensor:
        """Outputs as encoders read them: as they are."""
        return outputs

    def compressed(self, answers: Tensor, unit: Tensor) -> Tensor:
        """Answers ``[..., Y]`` for networks to be told apart by: what exceeds the unit counts by its logarithm."""
        return (answers / unit).asinh()

    def compared(self, outputs: Tensor) -> Tensor:
        """Outputs as losses read them: as they are."""
        return outputs

    def spread(self, outputs: np.ndarray) -> Tensor:
        """The standard deviation ``[Y]`` of each output over stored outputs ``[..., Y]``: the unit of losses and
        differences; 1 for an output that does not vary.
        """
        flat = outputs.reshape(-1, self.size)
        found = flat.std(0, dtype=np.float64)
        varying = found > 1e-6 * np.maximum(np.abs(flat).max(0), 1e-6)
        return torch.from_numpy(np.where(varying, found, 1.0).astype(np.float32))

    def spreads(self, outputs: np.ndarray) -> Tensor:
        """The unit ``[N, Y]`` of each network's losses, from stored outputs ``[N, ..., Y]``.

        It is how far its outputs are from the mean of all: whoever says that mean always loses 1, at a quiet network as
        at a loud one. It is at least a tenth of the spread of all, so that no network outweighs the rest.
        """
        flat = outputs.reshape(len(outputs), -1, self.size).astype(np.float64)
        own = np.sqrt(np.square(flat - flat.mean((0, 1))).mean(1))
        return torch.from_numpy(own.astype(np.float32)).clamp(min=0.1 * self.spread(outputs))

    def difference(self, answers: Tensor, others: Tensor, spread: Tensor) -> Tensor:
        """How far two answers ``[..., Y]`` are apart, ``[...]``: root mean square in units of the spread ``[Y]``."""
        return ((answers - others) / spread).square().mean(-1).sqrt()

    quantity: ClassVar[str] = "loudness"
    """What :meth:`pictured` measures: the root mean square of all answers."""

    def pictured(self, answers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Answers ``[N, R, T, Y]`` as a small picture shows them: values ``[N, R, T]``, of the first output; strengths
        ``[N, R, T]``, ones; and one quantity ``[N]`` measured on all.
        """
        return answers[..., 0], torch.ones_like(answers[..., 0]), answers.square().mean((1, 2, 3)).sqrt()

    def extent(self, *answers: np.ndarray) -> tuple[float, float] | None:
        """Between what limits answers are drawn: the lowest and the highest."""
        return min(float(own.min()) for own in answers), max(float(own.max()) for own in answers)

    def __str__(self) -> str:
        ends = "" if self.low is None else f" in {self.low:g}..{self.high:g}"
        return f"{self.size} numbers{ends}"


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole("the number of classes", self.size))

    @property
    def stored(self) -> np.dtype:
        """The type that holds logits or log-probabilities on disk."""
        return np.dtype(np.float16)

    def tensor(self, array: np.ndarray) -> Tensor:
        """Stored logits or log-probabilities as float32."""
        return torch.from_numpy(np.asarray(array, dtype=np.float32))

    def problem(self, array: np.ndarray) -> str:
        """What is wrong with stored outputs; empty if nothing is."""
        return "" if _are_finite_floats(array) else "logits are finite floats"

    def answers(self, outputs: Tensor) -> Tensor:
        """Outputs ``[..., Y]`` as encoders read them: probabilities."""
        return outputs.softmax(-1)

    def compressed(self, answers: Tensor, unit: Tensor) -> Tensor:
        """Answers ``[..., Y]`` for networks to be told apart by: probabilities, as they are."""
        return answers

    def compared(self, outputs: Tensor) -> Tensor:
        """Outputs as losses read them: log-probabilities."""
        return outputs.log_softmax(-1)

    def spread(self, outputs: np.ndarray) -> Tensor:
        """Ones ``[Y]``: probabilities need no unit."""
        return torch.from_numpy(np.ones(self.size, dtype=np.float32))

    def spreads(self, outputs: np.ndarray) -> Tensor:
        """Ones ``[N, Y]``, of each network."""
        return self.spread(outputs).expand(len(outputs), -1)

    def difference(self, answers: Tensor, others: Tensor, spread: Tensor) -> Tensor:
        """How far two answers ``[..., Y]`` are apart, ``[...]``: total variation of the probabilities."""
        return 0.5 * (answers - others).abs().sum(-1)

    quantity: ClassVar[str] = "certainty"
    """What :meth:`pictured` measures: the mean probability of the likeliest class."""

    def pictured(self, answers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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


def _are_finite_floats(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" and bool(np.isfinite(array).all())


INPUTS: dict[str, type[Tokens] | type[Numbers]] = {"tokens": Tokens, "numbers": Numbers}
OUTPUTS: dict[str, type[Classes] | type[Numbers]] = {"classes": Classes, "numbers": Numbers}


@dataclasses.dataclass(frozen=True)
class Interface:
    """What goes into networks and what comes out.

    Attributes:
        inputs: tokens, or numbers within a range.
        outputs: classes, or numbers.

    Raises:
        RNN2VecError: if either is something else, or inputs are numbers without a range.
    """

    inputs: Tokens | Numbers
    outputs: Classes | Numbers

    def __post_init__(self) -> None:
        if type(self.inputs) not in INPUTS.values() or type(self.outputs) not in OUTPUTS.values():
            raise RNN2VecError(
                "an interface is Tokens(n) or Numbers(n, low, high) in, and Classes(n) or Numbers(n) out; got "
                f"{shown(self.inputs)} and {shown(self.outputs)}"
            )
        if isinstance(self.inputs, Numbers):
            self.inputs.range  # noqa: B018 (it has one)

    @property
    def can_echo(self) -> bool:
        """Whether a network can be fed its own answer."""
        kinds = {("tokens", "classes"), ("numbers", "numbers")}
        return self.inputs.size == self.outputs.size and (self.inputs.kind, self.outputs.kind) in kinds

    @property
    def writes(self) -> bool:
        """Whether a network can write strings: its answer is a distribution over its next token."""
        return self.can_echo and self.inputs.drawn

    def echo(self, outputs: Tensor) -> Tensor:
        """Logits ``[..., X]`` of the question that is a network's own answer, from its outputs ``[..., Y]``."""
        if isinstance(self.inputs, Tokens):
            return self.outputs.compared(outputs).clamp(min=LEAST_LOGIT)
        return self.inputs.logits(outputs)

    def fits(self, other: Interface) -> bool:
        """Whether networks of the other can be asked and heard as those of this one: kinds and sizes agree."""
        return all(
            (mine.kind, mine.size) == (theirs.kind, theirs.size)
            for mine, theirs in ((self.inputs, other.inputs), (self.outputs, other.outputs))
        )

    def to_dict(self) -> dict[str, Any]:
        """What it is as a JSON-serialisable dictionary."""
        parts = {"inputs": self.inputs, "outputs": self.outputs}
        plain = {name: {"kind": part.kind, **dataclasses.asdict(part)} for name, part in parts.items()}
        return {name: {key: value for key, value in own.items() if value is not None} for name, own in plain.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Interface:
        """The inverse of :meth:`to_dict`.

        Raises:
            RNN2VecError: if a field is unknown, missing or out of range.
        """
        try:
            fields = {
                name: {key: value for key, value in values[name].items() if key != "kind"}
                for name in ("inputs", "outputs")
            }
            inputs = INPUTS[values["inputs"]["kind"]](**fields["inputs"])
            outputs = OUTPUTS[values["outputs"]["kind"]](**fields["outputs"])
        except (TypeError, KeyError, AttributeError) as error:
            raise RNN2VecError(
                f"an interface has inputs and outputs, each with kind and size; got {shown(values)}"
            ) from error
        return cls(inputs, outputs)

    def __str__(self) -> str:
        return f"{self.inputs} in, {self.outputs} out"
