"""What an interrogation knows: how likely each network is, and what was asked and answered."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Integer


@dataclasses.dataclass(frozen=True)
class Posterior:
    """How likely it is which network.

    Attributes:
        probabilities: of each network, ``[N]``.
        none: that it is none of them; all add up to one.
    """

    probabilities: Float[np.ndarray, " N"]
    none: float

    @property
    def bits(self) -> float:
        """Entropy that is left."""
        shares = np.append(self.probabilities, self.none)
        shares = shares[shares > 0]
        return float(-(shares * np.log2(shares)).sum())


@dataclasses.dataclass(frozen=True)
class Told:
    """A question and its answer.

    Attributes:
        question: tokens ``[T]`` or numbers ``[T, X]``.
        answer: as the answer model reads it.
        begun: first steps that were not asked anew, since the question before goes on in this one.
    """

    question: Integer[np.ndarray, " T"] | Float[np.ndarray, "T X"]
    answer: np.ndarray
    begun: int = 0
