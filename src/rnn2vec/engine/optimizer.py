"""AdamW for a population: options, moments, and the numbers of one step."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from rnn2vec.population import Population


@dataclasses.dataclass
class AdamW:
    """State and options of :class:`torch.optim.AdamW`, one optimiser for each network of a population.

    Attributes:
        first: running means of the gradients, named and shaped as the population's weights.
        second: running means of their squares.
        betas: decay rates of the two.
        epsilon: added to the root of the second.
        weight_decay: one for all networks, or ``[N]``, one each.
        step: training steps done.
    """

    first: dict[str, Tensor]
    second: dict[str, Tensor]
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float | Tensor = 0.01
    step: int = 0

    @classmethod
    def start(cls, population: Population, weight_decay: float | Tensor = 0.01) -> AdamW:
        """The state before the first step: moments of zero."""
        first, second = ({name: torch.zeros_like(w) for name, w in population.weights.items()} for _ in range(2))
        return cls(first, second, weight_decay=weight_decay)

    def decays(self, models: int) -> Tensor:
        """The weight decay of each network, ``[N]`` in double precision."""
        return torch.as_tensor(self.weight_decay, dtype=torch.float64).expand(models)
