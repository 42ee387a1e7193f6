"""The first parameters of networks: a function of a seed and a network's number alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.randomness import generator

LEAK = 0.2
"""The first rate of every unit of a leaky network."""


def first_parameters(architecture: Architecture, seed: int, models: Sequence[int]) -> np.ndarray:
    """Parameters ``[N, P]`` in float32, see :meth:`rnn2vec.networks.Population.initialise`.

    Raises:
        RNN2VecError: if there is no memory for so many.
    """
    try:
        flat = np.stack(
            [
                generator(seed, model, "initialisation").random(architecture.num_parameters, dtype=np.float32)
                for model in models
            ]
        )
    except RNN2VecError:
        raise
    except (MemoryError, ValueError) as error:  # more than there is, or than numpy can count
        raise RNN2VecError(f"no memory for {len(models)} networks ({architecture}): choose smaller ones") from error
    first = 0
    for name, shape in architecture.parameter_shapes().items():
        own = flat[:, first : first + math.prod(shape)]
        bound = 1 / math.sqrt(_fan_in(architecture, name))
        own *= 2 * bound
        own -= np.float32(bound)
        if name.startswith(("leak_", "h0_", "c0_")):
            own[:] = LEAK if name.startswith("leak_") else 0.0
        first += own.shape[1]
    return flat


def _fan_in(architecture: Architecture, name: str) -> int:
    """What bounds a parameter's first values: H of a recurrent layer, as in torch.nn, or inputs of a head's layer."""
    prefix, _, part = name.rpartition(".")
    heads = {own: inputs for own, inputs, *_ in architecture.head_layers()}
    return heads[prefix] if prefix else architecture.hidden_sizes[int(part.rsplit("_l", 1)[1])]
