"""How far an emulator's predictions are from a network's: the losses of emulation, averaged over all positions."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""What the network said and what the emulator says, each ``[..., Y]``, log-probabilities of classes or numbers; and how
far the numbers of a zoo are spread, ``[Y]``; to a scalar."""


def total_variation(network: Tensor, emulator: Tensor, spread: Tensor) -> Tensor:
    """Half the L1 distance of the two distributions: the published code's default."""
    return 0.5 * (network.exp() - emulator.exp()).abs().sum(-1).mean()


def reverse_kl(network: Tensor, emulator: Tensor, spread: Tensor) -> Tensor:
    """KL(emulator || network), in nats: the loss of the paper's text (equation 2)."""
    return (emulator.exp() * (emulator - network)).sum(-1).mean()


def kl(network: Tensor, emulator: Tensor, spread: Tensor) -> Tensor:
    """KL(network || emulator), in nats."""
    return (network.exp() * (network - emulator)).sum(-1).mean()


def jensen_shannon(network: Tensor, emulator: Tensor, spread: Tensor) -> Tensor:
    """Jensen-Shannon divergence, in nats."""
    middle = (network.exp() + emulator.exp()).clamp(min=1e-30).log() - math.log(2)
    return 0.5 * (kl(network, middle, spread) + kl(emulator, middle, spread))


def mean_squared_probabilities(network: Tensor, emulator: Tensor, spread: Tensor) -> Tensor:
    """Mean squared difference of the probabilities."""
    return (network.exp() - emulator.exp()).square().mean()


def mean_squared_error(network: Tensor, emulator: Tensor, spread: Tensor) -> Tensor:
    """Mean squared difference, each output in units of its variance in the zoo: 1 for saying the mean always."""
    return ((network - emulator) / spread).square().mean()


def error_to_signal(network: Tensor, emulator: Tensor, spread: Tensor) -> Tensor:
    """Sum of squared differences over the sum of squares of what the network said, ``[N, ...]``, a mean over networks:
    the measure of those who model amplifiers (Wright et al., 2019, without their pre-emphasis).
    """
    error, signal = ((part.square().flatten(1).sum(1)) for part in (network - emulator, network))
    return (error / signal.clamp(min=1e-12)).mean()


OF_CLASSES: dict[str, Loss] = {
    "total-variation": total_variation,
    "reverse-kl": reverse_kl,
    "kl": kl,
    "js": jensen_shannon,
    "mse": mean_squared_probabilities,
}
"""Losses of networks that answer with classes, by name; the first is the one that is always measured."""

OF_NUMBERS: dict[str, Loss] = {"mse": mean_squared_error, "error-to-signal": error_to_signal}
"""Likewise of networks that answer with numbers."""
