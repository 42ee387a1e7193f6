"""The two files of a shard: what their rows hold, and the checksum of each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError

TRACES = ("inputs", "outputs")
"""Tensors of traces that a row's checksum is of, in this order."""


def row_checksums(tensors: Mapping[str, np.ndarray], names: Sequence[str]) -> list[str]:
    """SHA-256 of the bytes of each row ``[S, ...]``, tensor by tensor in the order of the names."""
    arrays = [np.ascontiguousarray(tensors[name]) for name in names]
    digests = [hashlib.sha256() for _ in range(len(arrays[0]))]
    for array in arrays:
        for row, digest in zip(array.reshape(len(array), -1), digests, strict=True):
            digest.update(row.view(np.uint8).data)  # as bytes, for types that buffers lack
    return [digest.hexdigest() for digest in digests]


def altered(path: Path, row: int) -> RNN2VecError:
    """What is raised where a row is not as it was written."""
    return RNN2VecError(
        f"row {row} of {path} differs from its recorded checksum: it was altered; restore or rebuild the zoo"
    )


def require_rows(path: Path, names: Sequence[str], shapes: Mapping[str, Sequence[int]], rows: np.ndarray) -> None:
    """Refuse a file that lacks one of these tensors or one of the rows.

    Raises:
        RNN2VecError: if it does.
    """
    if missing := [name for name in names if name not in shapes]:
        raise RNN2VecError(f"a file of this shard holds {', '.join(names)}; missing in {path}: {', '.join(missing)}")
    for name in names:
        if not shapes[name]:
            raise RNN2VecError(f"tensors of a shard have a row for each network; {name} in {path} is a single number")
        if problems := problems_of_rows(rows, shapes[name][0], path):
            raise RNN2VecError(problems[0])


def require_weights(architecture: Architecture, path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Refuse tensors ``[S, ...]`` of a file that are no weights of S networks.

    Raises:
        RNN2VecError: if names, shapes or types are not those of networks of this architecture, in float32, or a weight
            is NaN or infinity.
    """
    expected = architecture.parameter_shapes()
    if wrong := sorted(set(expected) ^ set(tensors)):
        raise RNN2VecError(f"{path} does not fit this zoo: missing or unknown: {', '.join(wrong)}")
    for name, shape in expected.items():
        array = tensors[name]
        if array.ndim == 0 or array.shape[1:] != tuple(shape):
            raise RNN2VecError(
                f"{path} does not fit this zoo: {name} is {list(shape)} for each network of {architecture}; got "
                f"{list(array.shape[1:])}"
            )
        if array.dtype != np.float32:
            raise RNN2VecError(f"weights of a zoo are float32; {path} holds {array.dtype}: make the zoo again")
    if len(counts := {len(array) for array in tensors.values()}) > 1:
        raise RNN2VecError(f"{path} does not fit this zoo: its tensors have {sorted(counts)} rows each, not as many")
    # A sum is cheaper to look at than every number; it is finite only if all are, and may overflow where they are.
    with np.errstate(over="ignore", invalid="ignore"):
        if not all(np.isfinite(array.sum()) or np.isfinite(array).all() for array in tensors.values()):
            raise RNN2VecError(f"weights are finite numbers; {path} holds NaN or infinity")


def problems_of_rows(rows: np.ndarray, length: int, path: Path) -> list[str]:
    """What is wrong with the rows that are asked of a shard's file: those beyond its last one."""
    return [] if int(rows.max()) < length else [f"{path} has {length} rows; the table asks for row {rows.max()}"]
