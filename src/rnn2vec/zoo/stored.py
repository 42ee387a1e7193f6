"""Networks and traces that stay on disk: whoever needs some reads these, however large the zoo is."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import counted
from rnn2vec.files import open_tensors, read_tensors, undamaged
from rnn2vec.interface import Interface
from rnn2vec.networks import Mixed, Networks, Population
from rnn2vec.rows import Rows, row_numbers
from rnn2vec.zoo.shards import TRACES, altered, require_rows, row_checksums
from rnn2vec.zoo.traces import Traces

MOST_OPEN = 4096
"""Files that are open at once; a process may map some 65,000 (Linux)."""
IN_MEMORY = 2**30
"""Bytes of weights that training may keep in memory."""
BLOCK = 256
"""Networks that are in memory at once where all are looked at."""


@dataclasses.dataclass(frozen=True, eq=False)
class StoredRows:
    """S rows of tensors in the shards of a zoo. Reading one row costs one row.

    A file stays open once it was read. A row is checked against its checksum when it is first read, and again if its
    file has changed since.

    Attributes:
        names: of the tensors, in the order of the checksums.
        files: the file of each shard, and its checksum.
        shards: which of them holds each row, ``[S]``.
        rows: its number there, ``[S]``.
        checksums: of that row, ``[S]``; where one is None, its file is checked as a whole.
        require: refuses rows of a file that are not what they should be; None to take all.
    """

    names: Sequence[str]
    files: Mapping[int, tuple[Path, str]]
    shards: np.ndarray
    rows: np.ndarray
    checksums: np.ndarray
    require: Callable[[Path, Mapping[str, np.ndarray]], None] | None = None
    _opened: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict, init=False, repr=False)
    _states: dict[int, tuple[int, ...]] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": {}, "_states": {}}

    @cached_property
    def _sound(self) -> np.ndarray:
        return np.zeros(len(self), bool)

    @cached_property
    def _members(self) -> dict[int, np.ndarray]:
        return dict(by_shard(self.shards))

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
                if found[name].shape[1:] != array.shape[1:]:
                    raise RNN2VecError(
                        f"rows that are read at once have one shape; {name} in {self.files[shard][0]} has "
                        f"{list(array.shape[1:])}, elsewhere {list(found[name].shape[1:])}"
                    )
                if (both := np.result_type(found[name], array)) != found[name].dtype:  # an earlier schema has float16
                    found[name] = found[name].astype(both)
                found[name][where] = array
        return found

    def _read(self, shard: int, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """Rows that lie in one shard."""
        slices, path, rows = self._slices(shard), self.files[shard][0], self.rows[chosen]
        order, back = (rows, None) if _in_order(rows) else np.unique(rows, return_inverse=True)
        runs = np.split(order, np.flatnonzero(np.diff(order) != 1) + 1)
        found = {}
        for name in self.names:
            with undamaged(path):
                parts = [slices[name][int(run[0]) : int(run[-1]) + 1] for run in runs]
            joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
            found[name] = joined if back is None else joined[back]
        if len(unsound := np.flatnonzero(~self._sound[chosen])):
            new = {name: array[unsound] for name, array in found.items()}
            recorded = self.checksums[chosen[unsound]].tolist()
            if any(recorded):
                for row, known, own in zip(rows[unsound], recorded, row_checksums(new, self.names), strict=True):
                    if known not in (None, own):
                        raise altered(path, int(row))
            if self.require is not None:
                self.require(path, new)
            self._sound[chosen] = True
        return found

    def _slices(self, shard: int) -> dict[str, Any]:
        """The tensors of a shard, to be read row by row."""
        path, checksum = self.files[shard]
        state: tuple[int, ...] = ()
        with contextlib.suppress(OSError):  # it cannot be opened either
            told = path.stat()
            state = (told.st_size, told.st_mtime_ns, told.st_ino)
        changed = self._states.get(shard) != state
        if changed or shard not in self._opened:
            own = self._members[shard]
            if changed:
                self._sound[own] = False
                if None in self.checksums[own]:
                    read_tensors(path, checksum)
            slices = open_tensors(path)
            require_rows(path, self.names, {name: part.get_shape() for name, part in slices.items()}, self.rows[own])
            if len(self._opened) == MOST_OPEN:
                self._opened.clear()
            self._opened[shard], self._states[shard] = slices, state
        return self._opened[shard]


def _in_order(rows: np.ndarray) -> bool:
    """Whether they ascend, none twice."""
    return len(rows) == 1 or bool((np.diff(rows) > 0).all())


@dataclasses.dataclass(frozen=True, eq=False)
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


@dataclasses.dataclass(frozen=True, eq=False)
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

    def __repr__(self) -> str:
        return f"StoredNetworks({counted(len(self), 'network')}: {self.interface})"

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

        Where batches are drawn at random, that saves milliseconds a batch. All are checked in either case.

        Raises:
            RNN2VecError: as for some networks.
        """
        size = sum(architecture.num_parameters * len(stored) for architecture, stored in self.parts.values())
        if size * self.dtype.itemsize <= IN_MEMORY:
            return self[:]
        for start in range(0, len(self), BLOCK):
            self[start : start + BLOCK]
        return self

    @cached_property
    def _all(self) -> Networks:
        return self[:]

    def run(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Read all, keep them, and run each on its own batch of sequences, see :meth:`rnn2vec.Networks.run`."""
        return self._all.run(inputs, state)


def by_shard(shards: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each number that occurs, ascending, and where, ascending."""
    order = np.argsort(shards, kind="stable")
    for where in np.split(order, np.flatnonzero(np.diff(shards[order])) + 1):
        yield int(shards[where[0]]), where
