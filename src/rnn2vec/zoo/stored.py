"""Networks and traces that stay on disk: whoever needs some reads these, however large the zoo is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.files import open_tensors, read_tensors
from rnn2vec.interface import Interface
from rnn2vec.networks import Mixed, Networks, Population
from rnn2vec.rows import Rows, row_numbers
from rnn2vec.zoo.shards import TRACES, altered, require_rows, row_checksums
from rnn2vec.zoo.traces import Traces

IN_MEMORY = 2**30
"""Bytes of weights that training may keep in memory."""
BLOCK = 256
"""Networks whose traces are in memory at once where all are looked at."""


@dataclasses.dataclass(frozen=True)
class StoredRows:
    """S rows of tensors in the shards of a zoo. Reading one row costs one row.

    A file is opened once and stays open. A row is checked against its checksum when it is first read.

    Attributes:
        names: of the tensors, in the order of the checksums.
        files: the file of each shard, and its checksum.
        shards: which of them holds each row, ``[S]``.
        rows: its number there, ``[S]``.
        checksums: of that row, ``[S]``; where one is None, its file is checked as a whole.
        require: refuses rows of a file that are not what they should be.
    """

    names: Sequence[str]
    files: Mapping[int, tuple[Path, str]]
    shards: np.ndarray
    rows: np.ndarray
    checksums: np.ndarray
    require: Callable[[Path, Mapping[str, np.ndarray]], None] = lambda path, tensors: None
    _opened: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict, init=False, repr=False)
    _stack: ExitStack = dataclasses.field(default_factory=ExitStack, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def _sound(self) -> np.ndarray:
        return np.zeros(len(self), bool)

    def read(self, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """Some of them, in memory.

        Args:
            chosen: ``[K]``, each within ``0 .. S - 1``.

        Returns:
            Tensors ``[K, ...]`` by name.

        Raises:
            RNN2VecError: if a file or row is missing, damaged or altered, or not as required, or they differ in shape.
        """
        found: dict[str, np.ndarray] = {}
        for shard, where in by_shard(self.shards[chosen]):
            for name, array in self._read(shard, chosen[where]).items():
                if len(where) == len(chosen):
                    found[name] = array
                    continue
                if name not in found:
                    found[name] = np.empty((len(chosen), *array.shape[1:]), array.dtype)
                own = found[name]
                if own.shape[1:] != array.shape[1:] or own.dtype != array.dtype:
                    raise RNN2VecError(
                        f"rows that are read at once have one shape; {name} in {self.files[shard][0]} is {array.dtype} "
                        f"{list(array.shape[1:])}, elsewhere {own.dtype} {list(own.shape[1:])}"
                    )
                own[where] = array
        return found

    def _read(self, shard: int, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """Rows that lie in one shard."""
        slices, path, rows = self._slices(shard), self.files[shard][0], self.rows[chosen]
        first, last = int(rows[0]), int(rows[-1]) + 1
        if last - first == len(rows) and bool((rows == np.arange(first, last)).all()):
            found = {name: slices[name][first:last] for name in self.names}
        else:
            found = {
                name: np.concatenate([slices[name][row : row + 1] for row in rows.tolist()]) for name in self.names
            }
        if len(unsound := np.flatnonzero(~self._sound[chosen])):
            read = {name: array[unsound] for name, array in found.items()}
            for place, checksum in zip(unsound, row_checksums(read, self.names), strict=True):
                if self.checksums[chosen[place]] not in (None, checksum):
                    raise altered(path, int(rows[place]))
            self.require(path, read)
            self._sound[chosen] = True
        return found

    def _slices(self, shard: int) -> dict[str, Any]:
        """The tensors of a shard, to be read row by row."""
        if shard not in self._opened:
            (path, checksum), own = self.files[shard], self.shards == shard
            if None in self.checksums[own]:
                read_tensors(path, checksum)
            file = self._stack.enter_context(open_tensors(path))
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            require_rows(path, self.names, shapes, self.rows[own])
            self._opened[shard] = slices
        return self._opened[shard]


@dataclasses.dataclass(frozen=True)
class StoredTraces:
    """The traces of S networks in the files of a zoo, read when they are asked for.

    :meth:`rnn2vec.Zoo.traces` reads them all at once.
    """

    stored: StoredRows

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: Rows) -> Traces:
        """The traces of some networks, in memory.

        Raises:
            RNN2VecError: if a file or row is missing, damaged or altered, or traces differ in shape.
        """
        read = self.stored.read(row_numbers(rows, len(self), "network"))
        return Traces(*(read[name] for name in TRACES))

    def blocks(self) -> Iterator[Traces]:
        """All of them, some networks at a time, in order."""
        return (self[start : start + BLOCK] for start in range(0, len(self), BLOCK))


@dataclasses.dataclass(frozen=True)
class StoredNetworks:
    """S networks in the files of a zoo, read when they are asked for.

    :meth:`rnn2vec.Zoo.networks` reads them all at once.

    Attributes:
        interface: what goes in and what comes out.
        parts: the rows of each architecture, by a number.
        kinds: the number of each network's, ``[S]``.
        places: its row there, ``[S]``.
    """

    interface: Interface
    parts: Mapping[int, tuple[Architecture, StoredRows]]
    kinds: np.ndarray
    places: np.ndarray
    differentiable: bool = dataclasses.field(default=True, init=False)
    dtype: torch.dtype = dataclasses.field(default=torch.float32, init=False)
    device: torch.device = dataclasses.field(default=torch.device("cpu"), init=False)

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, rows: Rows) -> Networks:
        """Some networks, in memory: a population if they have one architecture, mixed networks if several.

        Raises:
            RNN2VecError: if a row is not there, or is missing in its shard, altered, of another shape, or holds NaN or
                infinity.
        """
        chosen = row_numbers(rows, len(self))
        found, wheres = [], []
        for kind, where in by_shard(self.kinds[chosen]):
            architecture, stored = self.parts[kind]
            tensors = stored.read(self.places[chosen[where]])
            weights = {name: torch.from_numpy(array) for name, array in tensors.items()}
            found.append(Population(architecture, weights, self.interface))
            wheres.append(where)
        return found[0] if len(found) == 1 else Mixed(found, np.concatenate(wheres))

    @property
    def architecture(self) -> Architecture:
        """What all are made of.

        Raises:
            AttributeError: if there are several architectures, as mixed networks have none.
        """
        if len(self.parts) > 1:
            raise AttributeError("networks of several architectures have none in common")
        return next(iter(self.parts.values()))[0]

    def in_memory(self) -> Networks:
        """All of them, read at once unless their weights take more than ``IN_MEMORY``; else as they are, on disk.

        Where batches are drawn at random, that saves milliseconds a batch.
        """
        size = sum(architecture.num_parameters * len(stored) for architecture, stored in self.parts.values())
        return self[:] if size * self.dtype.itemsize <= IN_MEMORY else self

    def run(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Read all and run each on its own batch of sequences, see :meth:`rnn2vec.Networks.run`."""
        return self[:].run(inputs, state)


def by_shard(shards: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each number that occurs, ascending, and where, ascending."""
    order = np.argsort(shards, kind="stable")
    for where in np.split(order, np.flatnonzero(np.diff(shards[order])) + 1):
        yield int(shards[where[0]]), where
