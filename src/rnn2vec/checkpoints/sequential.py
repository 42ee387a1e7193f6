"""Layers one after the other as a torch module: what runs where no architecture holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.architecture import Architecture
from rnn2vec.networks import Population

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "tanh": torch.tanh,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
}


class Activated(nn.Module):
    """A linear map, then an activation; ``weight`` is ``[out, in]``."""

    def __init__(self, weight: Tensor, bias: Tensor, activation: str) -> None:
        super().__init__()
        self.weight, self.bias = (nn.Parameter(own, requires_grad=False) for own in (weight, bias))
        self.activation = activation

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``[B, T, out]`` of ``[B, T, in]``."""
        return FUNCTIONS[self.activation](F.linear(inputs, self.weight, self.bias))


class Alone(nn.Module):
    """A network of an architecture of its own, with weights by the architecture's names."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.architecture = architecture
        self.weights = nn.ParameterDict()
        for name, value in weights.items():  # a ParameterDict takes no dots in names
            self.weights[name.replace(".", "-")] = nn.Parameter(value, requires_grad=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``[B, T, H]`` of ``[B, T, in]``."""
        weights = {name.replace("-", "."): value[None] for name, value in self.weights.items()}
        return Population(self.architecture, weights).run(inputs[None])[0][0]


class BothWays(nn.Module):
    """Two modules, one of which reads the steps in reverse; what they say at a step stands side by side."""

    def __init__(self, forwards: nn.Module, backwards: nn.Module) -> None:
        super().__init__()
        self.forwards, self.backwards = forwards, backwards

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``[B, T, both]`` of ``[B, T, in]``."""
        return torch.cat([self.forwards(inputs), self.backwards(inputs.flip(1)).flip(1)], dim=-1)


class Sequential(nn.Module):
    """Layers one after the other, and a skip from the inputs to the outputs.

    Args:
        layers: modules of ``[B, T, in]`` to ``[B, T, out]``.
        inputs: numbers of a step, or different tokens.
        outputs: numbers of a step.
        skip_gain: what the first inputs are multiplied by before they are added to the outputs; 0 for no skip.
    """

    def __init__(self, layers: Sequence[nn.Module], inputs: int, outputs: int, skip_gain: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.inputs, self.outputs, self.skip_gain = inputs, outputs, skip_gain

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``[B, T, Y]`` of sequences ``[B, T, X]``, or of tokens ``[B, T]``."""
        if not inputs.is_floating_point():
            inputs = F.one_hot(inputs, self.inputs).to(next(self.parameters()).dtype)
        read = inputs
        for layer in self.layers:
            read = layer(read)
        return read + self.skip_gain * inputs[..., : self.outputs] if self.skip_gain else read
