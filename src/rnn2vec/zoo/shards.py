"""What the two files of a shard hold, once they are read: networks, and what they read and said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.interface import Interface
from rnn2vec.networks import Population


def networks_of(
    tensors: Mapping[str, np.ndarray], architecture: Architecture, interface: Interface, path: Path
) -> Population:
    """The networks of a shard, from the tensors in its file of weights.

    Raises:
        RNN2VecError: if names, shapes or types are not those of networks of this architecture, in float32.
    """
    try:
        networks = Population(
            architecture, {name: torch.from_numpy(array) for name, array in tensors.items()}, interface
        )
    except (RNN2VecError, TypeError) as error:
        raise RNN2VecError(f"{path} does not fit this zoo: {error}") from error
    if networks.dtype != torch.float32:
        raise RNN2VecError(f"weights of a zoo are float32; {path} holds {networks.dtype}: make the zoo again")
    return networks


def rollouts_of(tensors: Mapping[str, np.ndarray], path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and outputs of a shard, from the tensors in its file of rollouts.

    Raises:
        RNN2VecError: if either is not there or has no row for each snapshot.
    """
    if not {"inputs", "outputs"} <= set(tensors):
        raise RNN2VecError(f"a shard of rollouts holds inputs and outputs; {path} holds {', '.join(tensors)}")
    inputs, outputs = tensors["inputs"], tensors["outputs"]
    if inputs.ndim == 0 or outputs.ndim == 0:
        raise RNN2VecError(f"inputs and outputs have a row for each snapshot; those of {path} are single numbers")
    return inputs, outputs


def problems_of_rows(rows: np.ndarray, length: int, shard: int, path: Path) -> list[str]:
    """What is wrong with the rows that are asked of a shard: those beyond its last one."""
    if int(rows.max()) < length:
        return []
    return [f"shard {shard} has {length} rows; the table asks for row {rows.max()} of {path}"]
