"""The two files of a shard: some rows of them, each checked against a checksum of its own, and what rows hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.files import open_tensors, read_tensors
from rnn2vec.interface import Interface
from rnn2vec.networks import Population

TRACES = ("inputs", "outputs")
"""Tensors of traces that a row's checksum is of, in this order."""


def row_checksums(tensors: Mapping[str, np.ndarray], names: Sequence[str]) -> list[str]:
    """SHA-256 of the bytes of each row ``[S, ...]``, tensor by tensor in the order of the names."""
    arrays = [np.ascontiguousarray(tensors[name]) for name in names]
    digests = [hashlib.sha256() for _ in range(len(arrays[0]))]
    for array in arrays:
        for row, digest in zip(array.reshape(len(array), -1), digests, strict=True):
            digest.update(row.data)
    return [digest.hexdigest() for digest in digests]


def read_rows(
    path: Path, names: Sequence[str], rows: np.ndarray, own: Sequence[str | None], whole: str | None
) -> dict[str, np.ndarray]:
    """Some rows of a shard's tensors. Reading one row costs one row.

    Args:
        path: the file.
        names: of the tensors, in the order of the checksums.
        rows: ``[K]`` row numbers.
        own: the checksum of each row, ``[K]``; where one is None, the file is read and checked as a whole.
        whole: the checksum of the file; None if the zoo has no such file.

    Returns:
        Tensors ``[K, ...]`` by name.

    Raises:
        RNN2VecError: if the file or a row is missing, damaged or altered.
    """
    if whole is None:
        raise RNN2VecError(f"the index of this zoo records no checksum of {path}; restore or rebuild the zoo")
    if None in own:
        tensors = read_tensors(path, whole)
        require_rows(path, names, {name: array.shape for name, array in tensors.items()}, rows)
        return {name: tensors[name][rows] for name in names}
    order, back = np.unique(rows, return_inverse=True)
    runs = np.split(order, np.flatnonzero(np.diff(order) != 1) + 1)
    with open_tensors(path) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        require_rows(path, names, {name: tuple(part.get_shape()) for name, part in slices.items()}, rows)
        found = {name: np.concatenate([slices[name][int(run[0]) : int(run[-1]) + 1] for run in runs]) for name in names}
    expected = dict(zip(rows.tolist(), own, strict=True))
    for row, checksum in zip(order.tolist(), row_checksums(found, names), strict=True):
        if checksum != expected[row]:
            raise altered(path, row)
    return {name: taken(array, back) for name, array in found.items()}


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays one after the other; a single one as it is."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def taken(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows of an array; the array itself if these are all of it in order."""
    return array if np.array_equal(rows, np.arange(len(array))) else array[rows]


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


def population_of(
    tensors: Mapping[str, np.ndarray], architecture: Architecture, interface: Interface, path: Path
) -> Population:
    """The networks of a shard, from tensors in its file of weights.

    Raises:
        RNN2VecError: if names, shapes or types are not those of networks of this architecture, in float32, or a weight
            is NaN or infinity.
    """
    try:
        networks = Population(
            architecture, {name: torch.from_numpy(array) for name, array in tensors.items()}, interface
        )
    except (RNN2VecError, TypeError) as error:
        raise RNN2VecError(f"{path} does not fit this zoo: {error}") from error
    if networks.dtype != torch.float32:
        raise RNN2VecError(f"weights of a zoo are float32; {path} holds {networks.dtype}: make the zoo again")
    # A sum is cheaper to look at than every number; it is finite only if all are, and may overflow where they are.
    sums = torch.stack([weight.sum() for weight in networks.weights.values()])
    if not bool(sums.isfinite().all()) and not all(bool(own.isfinite().all()) for own in networks.weights.values()):
        raise RNN2VecError(f"weights are finite numbers; {path} holds NaN or infinity")
    return networks


def problems_of_rows(rows: np.ndarray, length: int, path: Path) -> list[str]:
    """What is wrong with the rows that are asked of a shard's file: those beyond its last one."""
    return [] if int(rows.max()) < length else [f"{path} has {length} rows; the table asks for row {rows.max()}"]
