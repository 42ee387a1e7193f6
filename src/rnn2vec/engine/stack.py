"""What the engine runs: the stacked weights of N networks of one architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from rnn2vec.architecture import Architecture

State = Float[Tensor, "N L B widest"] | tuple[Float[Tensor, "N L B widest"], Float[Tensor, "N L B widest"]]
"""Recurrent state: ``(h, c)`` for LSTM, ``h`` otherwise, each ``[N, L, B, widest]``, the size of the widest
layer; what lies beyond a smaller layer's size is zero. Of a leaky cell with its leak outside the nonlinearity, v."""


class Stack(Protocol):
    """N networks of one architecture; :class:`rnn2vec.networks.Population` is one.

    Attributes:
        architecture: what the networks are made of.
        weights: tensors ``[N, *shape]`` by the names of :meth:`~rnn2vec.architecture.Architecture.parameter_shapes`, in
            their order.
    """

    @property
    def architecture(self) -> Architecture: ...

    @property
    def weights(self) -> Mapping[str, Float[Tensor, "N ..."]]: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]: ...

    @property
    def is_plain(self) -> bool: ...

    def __len__(self) -> int: ...
