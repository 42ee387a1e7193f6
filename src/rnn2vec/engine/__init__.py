"""The one hot primitive: run N different RNNs at once, each on its own batch of sequences."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rnn2vec.engine import torch_backend
from rnn2vec.errors import RNN2VecError
from rnn2vec.population import Population

State = Tensor | tuple[Tensor, Tensor]
"""Recurrent state: ``h`` for GRU and Elman, ``(h, c)`` for LSTM, each ``[N, L, B, H]``."""

BACKENDS = {"torch": torch_backend.run}
"""Backends by name, in order of preference for CPU float32."""


def backend_name() -> str:
    """Name of the backend in use."""
    return next(iter(BACKENDS))


def run(population: Population, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run N different networks, each on its own batch of sequences.

    Differentiable in the inputs, the state and the weights; a gradient that nobody asked for (``requires_grad``) is not
    computed.

    Args:
        population: N networks of one spec.
        inputs: ``[N, B, T, X]`` floats, or ``[N, B, T]`` integer tokens in ``0..X-1``, which are looked up.
        state: where to start, zeros by default: ``(h, c)`` for LSTM, ``h`` otherwise, each ``[N, L, B, H]``.

    Returns:
        The head's outputs ``[N, B, T, Y]`` and the state after the last step, shaped like ``state``.

    Raises:
        RNN2VecError: if shapes, dtypes or tokens do not fit the population.
    """
    inputs = _checked_inputs(population, inputs)
    parts = _checked_state(population, inputs, state)
    outputs, final = BACKENDS[backend_name()](population, inputs, parts)
    return outputs, (final[0], final[1]) if population.spec.cell == "lstm" else final[0]


def _checked_inputs(population: Population, inputs: Tensor) -> Tensor:
    spec, models = population.spec, len(population)
    if inputs.is_floating_point():
        if inputs.ndim != 4 or inputs.shape[0] != models or inputs.shape[3] != spec.input_size:
            raise RNN2VecError(
                f"float inputs to {models} networks ({spec}) have the shape [{models}, B, T, {spec.input_size}]; "
                f"got {list(inputs.shape)}"
            )
        if inputs.dtype != population.dtype:
            raise RNN2VecError(f"inputs have the dtype of the weights, {population.dtype}; got {inputs.dtype}")
    else:
        if inputs.ndim != 3 or inputs.shape[0] != models:
            raise RNN2VecError(
                f"tokens for {models} networks have the shape [{models}, B, T]; got {list(inputs.shape)}"
            )
        inputs = inputs.long()
        if inputs.numel() and not (int(inputs.min()) >= 0 and int(inputs.max()) < spec.input_size):
            raise RNN2VecError(f"tokens lie in 0..{spec.input_size - 1}; got {int(inputs.min())}..{int(inputs.max())}")
    if inputs.shape[1] < 1 or inputs.shape[2] < 1:
        raise RNN2VecError(f"a batch holds at least one sequence of at least one step; got {list(inputs.shape)}")
    return inputs


def _checked_state(population: Population, inputs: Tensor, state: State | None) -> tuple[Tensor, ...]:
    spec = population.spec
    shape = (len(population), spec.num_layers, inputs.shape[1], spec.hidden_size)
    count = 2 if spec.cell == "lstm" else 1
    if state is None:
        zeros: Any = torch.zeros(shape, dtype=population.dtype, device=population.device)
        return (zeros,) * count
    parts = (state,) if isinstance(state, Tensor) else tuple(state)
    if len(parts) != count or any(tuple(part.shape) != shape for part in parts):
        kind = "(h, c), each" if count == 2 else "h,"
        raise RNN2VecError(
            f"the state of {spec} is {kind} of shape {list(shape)}; got {[list(part.shape) for part in parts]}"
        )
    for part in parts:
        if part.dtype != population.dtype:
            raise RNN2VecError(f"the state has the dtype of the weights, {population.dtype}; got {part.dtype}")
    return parts
