"""AdamW by torch's own function, without its class: the first of its optimisers makes a process import its compiler.

That import takes 4 seconds on a slow machine, longer than many trainings here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.optim.adamw import adamw

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What is kept of each parameter, by torch's names: steps done, running means of the gradient and of its square."""
BETAS = (0.9, 0.999)


class AdamW:
    """Adam with decoupled weight decay, step by step the numbers of :class:`torch.optim.AdamW`.

    Args:
        parameters: what it optimises.
        weight_decay: at each step a parameter shrinks by this times the learning rate; 0 is Adam.
        epsilon: added to the root of the mean square.
        scales: what multiplies the learning rate of each parameter; None for 1.

    Attributes:
        parameters: as given.
        moments: what is kept of each, under the names of ``MOMENTS``.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        weight_decay: float = 0.0,
        epsilon: float = 1e-8,
        scales: Sequence[float] | None = None,
    ) -> None:
        self.parameters = list(parameters)
        self.weight_decay, self.epsilon = weight_decay, epsilon
        self.scales = [1.0] * len(self.parameters) if scales is None else list(scales)
        self.moments = [
            {"step": torch.tensor(0.0), "exp_avg": torch.zeros_like(own), "exp_avg_sq": torch.zeros_like(own)}
            for own in self.parameters
        ]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Take a step along the gradients of those parameters that have one."""
        for scale in dict.fromkeys(self.scales):
            taken = [
                (parameter, parameter.grad, moments)
                for parameter, moments, own in zip(self.parameters, self.moments, self.scales, strict=True)
                if own == scale and parameter.grad is not None
            ]
            adamw(
                [parameter for parameter, _, _ in taken],
                [gradient for _, gradient, _ in taken],
                [moments["exp_avg"] for _, _, moments in taken],
                [moments["exp_avg_sq"] for _, _, moments in taken],
                [],
                [moments["step"] for _, _, moments in taken],
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=learning_rate * scale,
                weight_decay=self.weight_decay,
                eps=self.epsilon,
                maximize=False,
            )
