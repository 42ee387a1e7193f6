"""Traces that stay on disk: whoever trains on them reads what a batch needs, however large the zoo is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.files import open_tensors, read_tensors
from rnn2vec.rows import Rows, row_numbers
from rnn2vec.zoo.shards import TRACES, altered, require_rows, row_checksums
from rnn2vec.zoo.traces import Traces

BLOCK = 256
"""Networks whose traces are in memory at once where all are looked at."""


@dataclasses.dataclass(frozen=True)
class StoredTraces:
    """The traces of S networks in the files of a zoo, read when they are asked for; :meth:`rnn2vec.Zoo.traces` reads
    them all at once.

    A file is opened once and stays open. A row is checked against its checksum when it is first read.

    Attributes:
        files: the file of each shard, and its checksum.
        shards: which of them holds each network's traces, ``[S]``.
        rows: the row there, ``[S]``.
        checksums: of that row, ``[S]``; where one is None, its file is checked as a whole.
    """

    files: Mapping[int, tuple[Path, str]]
    shards: np.ndarray
    rows: np.ndarray
    checksums: np.ndarray
    _opened: dict[int, tuple[Any, ...]] = dataclasses.field(default_factory=dict, init=False, repr=False)
    _stack: ExitStack = dataclasses.field(default_factory=ExitStack, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def _sound(self) -> np.ndarray:
        return np.zeros(len(self), bool)

    def __getitem__(self, rows: Rows) -> Traces:
        """The traces of some networks, in memory.

        Raises:
            RNN2VecError: if a file or row is missing, damaged or altered, or traces differ in shape.
        """
        chosen = row_numbers(rows, len(self), "network")
        read: tuple[list[np.ndarray], ...] = tuple([] for _ in TRACES)
        for row, shard, place in zip(chosen, self.shards[chosen].tolist(), self.rows[chosen].tolist(), strict=True):
            own = [part[place : place + 1] for part in self._parts(shard)]
            if not self._sound[row]:
                if self.checksums[row] not in (None, *row_checksums(dict(zip(TRACES, own, strict=True)), TRACES)):
                    raise altered(self.files[shard][0], place)
                self._sound[row] = True
            for found, part in zip(read, own, strict=True):
                found.append(part)
        if any(len({part.shape for part in found}) > 1 for found in read):
            raise RNN2VecError("traces that are read at once have one shape; those of this zoo differ")
        return Traces(*map(np.concatenate, read))

    def blocks(self) -> Iterator[Traces]:
        """All of them, some networks at a time, in order."""
        return (self[start : start + BLOCK] for start in range(0, len(self), BLOCK))

    def _parts(self, shard: int) -> tuple[Any, ...]:
        """The tensors of a shard, to be read row by row."""
        if shard not in self._opened:
            (path, checksum), own = self.files[shard], self.shards == shard
            if None in self.checksums[own]:
                read_tensors(path, checksum)
            file = self._stack.enter_context(open_tensors(path))
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            require_rows(path, TRACES, shapes, self.rows[own])
            self._opened[shard] = tuple(slices[name] for name in TRACES)
        return self._opened[shard]
