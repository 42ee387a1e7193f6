"""Whether a machine has the memory to build a zoo, said before anything is written."""

from __future__ import annotations

import math
import os

from rnn2vec.errors import RNN2VecError
from rnn2vec.families.recipe import Recipe
from rnn2vec.zoo.table import OWN

FLOAT = 4
CELL = 40
"""Bytes of a number in the table while it is put together: a Python number and where it is."""

_REMEDIES = {
    "networks": "lower hidden_size or num_layers (--hidden-size, --layers)",
    "batches": "lower batch_size (--batch-size)",
    "traces": "lower traces",
    "table": "lower models (--models)",
}


def check_memory(recipe: Recipe, workers: int = 1) -> None:
    """Refuse to train what this machine certainly has no memory for.

    Raises:
        RNN2VecError: if what shards that are trained side by side hold at the same time exceeds the physical memory.
    """
    available = physical_memory()
    if available is None:
        return
    shard, side_by_side = _bytes_of_a_shard(recipe), max(1, min(workers, recipe.num_shards))
    table = {"table": recipe.models * len(recipe.snapshots) * CELL * (len(OWN) + len(recipe.task_set.columns))}
    for needed, count in ((shard, 1), (shard, side_by_side), (table, 1)):
        total = count * sum(needed.values())
        if total > available:
            remedy = _REMEDIES[max(needed, key=needed.__getitem__)] if count == 1 else "lower workers (--workers)"
            made = "; ".join(map(str, recipe.architectures))
            raise RNN2VecError(
                f"a zoo of {recipe.models} networks ({made}) needs at least {_size(total)} of memory, "
                f"this machine has {_size(available)}: {remedy}"
            )


def physical_memory() -> int | None:
    """Bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _bytes_of_a_shard(recipe: Recipe) -> dict[str, int]:
    """What training a shard holds at the same time, at the least."""
    networks, architecture, snapshots = (
        min(recipe.models, recipe.models_per_shard),
        max(recipe.architectures, key=lambda own: own.num_parameters),
        len(recipe.snapshots),
    )
    inputs, outputs = recipe.trace_shapes()
    interface = recipe.task_set.interface
    sizes = interface.inputs.stored.itemsize, interface.outputs.stored.itemsize
    return {
        # weights, gradients and AdamW's two moments, and a copy of the weights at every snapshot
        "networks": FLOAT * networks * architecture.num_parameters * (4 + snapshots),
        # hidden states of every step, which the gradient needs
        "batches": FLOAT * networks * recipe.batch_size * inputs[1] * sum(architecture.hidden_sizes),
        "traces": networks * snapshots * (sizes[0] * math.prod(inputs) + sizes[1] * math.prod(outputs)),
    }


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count < 1e15 else f"{count / 1e15:,.0f} million GB"
