"""Differences: how far the answers of two networks are apart, over sequences, steps and outputs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from torch import Tensor

from rnn2vec.library.pair import Pair

PARTS = 4
"""Of the steps, whose means tell whether networks drift apart."""


@dataclasses.dataclass(frozen=True)
class Differences:
    """Of R sequences of T steps with Y outputs, in the interface's own measure.

    Attributes:
        mean: over all steps of all sequences.
        largest: at one step of one sequence.
        by_step: means over sequences, ``[T]``.
        largest_by_step: ``[T]``.
        by_sequence: means over steps, ``[R]``.
        by_output: mean absolute differences of each output, ``[Y]``: of probabilities, or in units of the spread.
        largest_by_output: ``[Y]``.
        error_to_signal: sum of squared differences over the sum of A's squared outputs; None of classes, and where A is
            silent.
        disagreement: share of steps at which the likeliest class is another; None of numbers.
    """

    mean: float
    largest: float
    by_step: np.ndarray
    largest_by_step: np.ndarray
    by_sequence: np.ndarray
    by_output: np.ndarray
    largest_by_output: np.ndarray
    error_to_signal: float | None
    disagreement: float | None

    @classmethod
    def of(cls, pair: Pair, a: Tensor, b: Tensor) -> Differences:
        """Of answers ``[R, T, Y]`` of A and B."""
        apart = pair.differences(a, b).cpu().numpy()
        classes = pair.interface.outputs.kind == "classes"
        unit = 1.0 if pair.unit is None else pair.unit.double().numpy()
        each = np.abs((a - b).cpu().numpy()) / unit
        power = float(a.square().sum())
        return cls(
            mean=float(apart.mean()),
            largest=float(apart.max()),
            by_step=apart.mean(0),
            largest_by_step=apart.max(0),
            by_sequence=apart.mean(1),
            by_output=each.mean((0, 1)),
            largest_by_output=each.max((0, 1)),
            error_to_signal=None if classes or power == 0.0 else float((a - b).square().sum()) / power,
            disagreement=float((a.argmax(-1) != b.argmax(-1)).double().mean()) if classes else None,
        )

    @property
    def by_part(self) -> list[float]:
        """Means over the first quarter of the steps, the second, and so on; of fewer steps, over each."""
        return [float(part.mean()) for part in np.array_split(self.by_step, min(PARTS, len(self.by_step)))]

    def to_dict(self) -> dict[str, Any]:
        """As a JSON-serialisable dictionary."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
        return plain | {"by_part": self.by_part}
