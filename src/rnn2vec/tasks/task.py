"""The contract of a task: what a zoo builder needs to know about the thing its networks learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import numpy as np
from jaxtyping import Shaped


class Task(Protocol):
    """One task of a family, and so the data of one network.

    Attributes:
        input_size: X, features of an input, or the number of different tokens.
        output_size: Y, classes or numbers that a network predicts at every step.
    """

    output_size: ClassVar[int]

    @property
    def input_size(self) -> int:
        """X."""
        ...

    @property
    def parameters(self) -> Mapping[str, float]:
        """The numbers that tell this task from others of its family: columns of ``snapshots.parquet``."""
        ...

    def sample(self, size: int, generator: np.random.Generator) -> tuple[Shaped[np.ndarray, "B T ..."], ...]:
        """Draw a training batch: inputs ``[B, T]`` (tokens) or ``[B, T, X]``; targets, which are classes ``[B, T]`` or
        numbers ``[B, T, Y]``; and, where not all steps count the same in the loss, what each counts, ``[B, T]``.
        """
        ...
