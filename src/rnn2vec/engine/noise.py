"""Noise in the recurrent layers, from a counter: what it is, and its numbers as the torch backend adds them.

Noise is added to the pre-activation of every unit at every step, before the nonlinearity. With z standard normal and
sigma the standard deviation, of a cell with

- Elman: h <- f(W h + U x + b + sigma z);
- a leak outside: v <- (1-a) v + a (W f(v) + U x + b + sqrt(2/a) sigma z), so v gets sqrt(2 a) sigma z (Song et al.
  2016);
- a leak inside: h <- (1-a) h + a f(W h + U x + b + sqrt(2/a) sigma z) (Yang et al. 2019).

Gradients pass by the noise: it is a constant, its scale sqrt(2/a) included. LSTMs and GRUs have no agreed definition,
and are refused.

Each z is a function of a network's key, the layer, the step, the sequence and the unit. ``native/noise.hpp`` has the
same recipe; its quantile agrees with the exact one within 1e-6.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number
from rnn2vec.randomness import torch_seed

_CELLS = ("elman", "leaky")
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclasses.dataclass(frozen=True)
class Noise:
    """Noise of N networks in one call.

    The steps of a call are counted from 0: two calls with the same keys have the same noise. A call that goes on from a
    state takes new keys.

    Attributes:
        sigma: standard deviation, at least 0, in units of the pre-activation (of a leaky cell see above).
        keys: ``[N]`` int64, what each network's numbers are a function of.

    Raises:
        RNN2VecError: if the standard deviation is negative or not finite, or the keys are not int64 in one dimension.
    """

    sigma: float
    keys: Int64[Tensor, " N"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", number("sigma", self.sigma))
        if not isinstance(self.keys, Tensor) or self.keys.dtype is not torch.int64 or self.keys.ndim != 1:
            raise RNN2VecError("keys of noise are one int64 a network, [N]: Noise.keyed makes them from a seed")
        object.__setattr__(self, "keys", self.keys.clone())  # a backward pass may make the noise again

    @classmethod
    def keyed(cls, sigma: float, seed: int, networks: Iterable[int], *counter: int | str) -> Noise:
        """Noise of the networks of these numbers, a function of the seed and of what else it is counted by.

        Args:
            sigma: standard deviation.
            seed: of the zoo or the training run.
            networks: each network's own number, whatever else is in the stack.
            counter: such as the training step, so that each has noise of its own.
        """
        return cls(sigma, torch.tensor([torch_seed(seed, "noise", each, *counter) for each in networks]).long())


def is_defined(architecture: Architecture) -> bool:
    """Whether networks of this architecture can have noise in their recurrent layers."""
    return architecture.cell in _CELLS


def check_noise(noise: Noise, architecture: Architecture, weights: Mapping[str, Tensor]) -> None:
    """Raise :class:`RNN2VecError` if networks of this architecture, with these weights, cannot have this noise."""
    if not is_defined(architecture):
        raise RNN2VecError(
            f"noise is defined for {' and '.join(_CELLS)} cells; got {architecture.cell}: run it without noise"
        )
    some = weights["linear.bias"]
    if noise.keys.shape[0] != some.shape[0]:
        raise RNN2VecError(f"noise of {some.shape[0]} networks has as many keys; got {noise.keys.shape[0]}")
    for name, weight in weights.items():
        if name.startswith("leak_l") and not bool((weight > 0).all()):
            raise RNN2VecError(
                f"noise of leaky cells needs rates above 0; got {float(weight.min())} in {name}: run it without noise"
            )


def layer_noise(
    noise: Noise, layer: int, steps: int, batch: int, leak: Tensor | None, size: int, like: Tensor
) -> Tensor:
    """What a layer's pre-activations get, ``[T, N, B, H]``, with the dtype and device of ``like``.

    Args:
        noise: of the networks.
        layer: its number.
        steps: T.
        batch: B.
        leak: rates ``[N, 1, H]`` of a leaky cell.
        size: H.
        like: a tensor of the weights' dtype and device.
    """
    keys = noise.keys.cpu().numpy().view(np.uint64)
    with np.errstate(over="ignore"):
        own = _mixed(keys + np.uint64(layer + 1) * _GOLDEN)
        stems = _mixed(own + np.arange(1, steps + 1, dtype=np.uint64)[:, None] * _GOLDEN)[:, :, None]  # [T, N, 1]
    bits = _bits(stems.astype(np.uint32), (stems >> np.uint64(32)).astype(np.uint32), np.arange(batch * size))
    uniform = (bits >> np.uint32(9)) * 2.0**-22 - (1 - 2.0**-23)
    normal = torch.special.ndtri(torch.from_numpy(uniform) / 2 + 0.5).unflatten(2, (batch, size))
    scale: Tensor | float = 1.0 if leak is None else (2 / leak.detach()).sqrt()
    return normal.to(like) * scale * noise.sigma


def _mixed(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _bits(low: np.ndarray, high: np.ndarray, position: np.ndarray) -> np.ndarray:
    """32 random bits of each position, for a stem of two halves."""
    x = position.astype(np.uint32) + low
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D) ^ high
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))
