"""Noises: the scale by which an answer model tells a box that is one of the networks from one that is only like it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

STRANGERS = 12
"""Noises of a box that is none of the networks, on a logarithmic scale."""


def scale_of_noises(own: float, least: float, high: float) -> Tensor:
    """That of a box which is one of the networks, and then those of strangers, from the least on: ``[G]``."""
    others = torch.logspace(math.log10(least), math.log10(high), STRANGERS, dtype=torch.float64)
    return torch.cat([torch.tensor([own], dtype=torch.float64), others])
