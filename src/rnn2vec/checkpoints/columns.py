"""Layers whose matrices are ``[in, out]`` with gates in Keras' orders: what Keras, RTNeural and AIDA-X write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnn2vec.architecture import GATES
from rnn2vec.checkpoints.arrays import array
from rnn2vec.checkpoints.layers import Dense, Recurrent, reordered
from rnn2vec.errors import RNN2VecError

ORDERS = {"lstm": "ifco", "gru": "zrh"}
"""A GRU's z keeps the old state, as torch.nn's does."""


def dense(name: str, weights: Sequence[object], below: int | None, activation: str) -> Dense:
    """A linear map and an activation, of a kernel ``[in, out]`` and, perhaps, a bias ``[out]``.

    Raises:
        RNN2VecError: if they are of other shapes.
    """
    kernel = array(f"the kernel of {name}", weights[0], below, None)
    size = kernel.shape[1]
    bias = array(f"the bias of {name}", weights[1], size) if len(weights) > 1 else np.zeros(size)
    return Dense(kernel.T, bias, activation)


def recurrent(
    cell: str, name: str, weights: Sequence[object], below: int | None, reset: str = "after", nonlinearity: str = "tanh"
) -> Recurrent:
    """A recurrent layer of a kernel ``[in, G H]``, a recurrent one ``[H, G H]`` and, perhaps, a bias.

    The bias is ``[G H]``; that of a GRU whose reset is after the recurrent product ``[2, G H]``.

    Raises:
        RNN2VecError: if they are of other shapes.
    """
    gates = GATES[cell]
    kept = array(f"the recurrent kernel of {name}", weights[1], None, None)
    size = kept.shape[0]
    if kept.shape[1] != gates * size:
        raise RNN2VecError(f"the recurrent kernel of {name} has the shape [H, {gates} H]; got {list(kept.shape)}")
    read = array(f"the kernel of {name}", weights[0], below, gates * size)
    biases = np.zeros((2, gates * size))
    if len(weights) > 2:
        shape = (2, gates * size) if cell == "gru" and reset == "after" else (gates * size,)
        found = np.atleast_2d(array(f"the bias of {name}", weights[2], *shape))
        biases[: len(found)] = found
    order = ORDERS.get(cell)
    w, u, b, b2 = (part if order is None else reordered(part, order, cell) for part in (read.T, kept.T, *biases))
    return Recurrent(cell, w, u, b, b2, nonlinearity, reset)
