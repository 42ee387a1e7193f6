"""AdamW for a population: options, moments, and the numbers of one step."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from rnn2vec.errors import RNN2VecError
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
        """The weight decay of each network, ``[N]`` in double precision on the CPU.

        Raises:
            RNN2VecError: if there is neither one nor one for each, or they are not finite.
        """
        decays = torch.as_tensor(self.weight_decay, dtype=torch.float64, device="cpu")
        if decays.shape not in ((), (1,), (models,)) or not bool(decays.isfinite().all()):
            raise RNN2VecError(
                f"weight_decay is one finite number, or one for each of {models} networks; got {self.weight_decay}"
            )
        return decays.expand(models)

    def check_fits(self, population: Population) -> None:
        """Raise :class:`RNN2VecError` unless the moments are those of a population's weights."""
        for moments in (self.first, self.second):
            if set(moments) != set(population.weights):
                wrong = ", ".join(sorted(set(moments) ^ set(population.weights)))
                raise RNN2VecError(f"AdamW's moments are named as the weights; missing or unknown: {wrong}")
            for name, weight in population.weights.items():
                moment = moments[name]
                if (moment.shape, moment.dtype, moment.device) != (weight.shape, weight.dtype, weight.device):
                    raise RNN2VecError(
                        f"AdamW's moments are shaped as the weights, and of their dtype and device; {name} has "
                        f"{list(weight.shape)} {weight.dtype} {weight.device}, its moment {list(moment.shape)} "
                        f"{moment.dtype} {moment.device}"
                    )
        self.decays(len(population))
