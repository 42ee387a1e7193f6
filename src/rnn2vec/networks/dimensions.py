"""In how many dimensions hidden states vary: the participation ratio of their covariance."""

from __future__ import annotations

import numpy as np


def dimensions(states: np.ndarray) -> np.ndarray:
    """The participation ratio ``[N]`` of hidden states ``[N, B, T, H]``: in how many dimensions they vary."""
    flat = states.reshape(len(states), -1, states.shape[-1]).astype(np.float64)
    centred = flat - flat.mean(1, keepdims=True)
    covariance = centred.transpose(0, 2, 1) @ centred
    squares = np.square(covariance).sum((1, 2))
    return (np.square(np.trace(covariance, axis1=1, axis2=2)) / np.maximum(squares, 1e-30)).astype(np.float32)
