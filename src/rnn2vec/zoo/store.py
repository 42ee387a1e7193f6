"""A zoo on disk: weights and rollouts in safetensors shards, a row a snapshot in parquet, one index in JSON."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from rnn2vec.architecture import Architecture
from rnn2vec.checksums import require_unaltered
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.recipe import Recipe
from rnn2vec.files import read_tensors
from rnn2vec.interface import Interface
from rnn2vec.networks import Networks, Population, concatenate
from rnn2vec.rows import Rows, row_numbers
from rnn2vec.tasks.task import Task
from rnn2vec.zoo.layout import INDEX, TABLE, read_index, rollouts_path, weights_path
from rnn2vec.zoo.recipes import recipe_from_dict
from rnn2vec.zoo.shards import networks_of, problems_of_rows, rollouts_of
from rnn2vec.zoo.table import places_of, read_table
from rnn2vec.zoo.traces import Traces
from rnn2vec.zoo.verify import problems_of_zoo


@dataclasses.dataclass(frozen=True)
class Zoo:
    """A zoo that is opened for reading. Weights and rollouts are read only when asked for.

    Attributes:
        directory: where it is.
        recipe: how it was built.
        snapshots: the table, one row a snapshot: ``model``, ``step``, the task's parameters, metrics, ``shard``,
            ``row``.
        checksums: SHA-256 of every file, by its path within the directory.
    """

    directory: Path
    recipe: Recipe
    snapshots: pa.Table
    checksums: dict[str, str]

    @classmethod
    def open(cls, directory: str | Path) -> Zoo:
        """Open a zoo that was built or downloaded.

        Raises:
            RNN2VecError: if the directory is no zoo, an unfinished one, of a newer schema, its index was altered, or
                its table is damaged or such that later calls would be wrong: a column is missing, a snapshot has no
                place or shares one. :meth:`verify` looks at the rest.
        """
        directory = Path(directory)
        index = read_index(directory)
        recipe = recipe_from_dict(index["recipe"])
        require_unaltered(directory / INDEX, index)
        checksums = {str(name): str(checksum) for name, checksum in index["checksums"].items()}
        return cls(directory, recipe, read_table(directory, recipe, checksums.get(TABLE)), checksums)

    def __len__(self) -> int:
        """Snapshots."""
        return int(self.snapshots.num_rows)

    @property
    def architecture(self) -> Architecture:
        """Shape of the networks."""
        return self.recipe.architecture

    @property
    def interface(self) -> Interface:
        """What goes into the networks and what comes out."""
        return self.recipe.interface

    @property
    def family(self) -> str:
        """Family of tasks."""
        return self.recipe.family

    def column(self, name: str) -> np.ndarray:
        """A column of the table, ``[snapshots]``.

        Raises:
            RNN2VecError: if there is no such column.
        """
        if name not in self.snapshots.column_names:
            raise RNN2VecError(f"the columns of this zoo are {', '.join(self.snapshots.column_names)}; got {name!r}")
        return self.snapshots[name].to_numpy()

    @cached_property
    def tasks(self) -> np.ndarray:
        """The task of every snapshot, ``[snapshots, P]``: mb, mc, md, or the angle."""
        return np.stack([self.column(name) for name in self.recipe.task_columns], axis=1)

    def task(self, row: int) -> Task:
        """The task of the snapshot in a row of the table.

        Raises:
            RNN2VecError: if there is no such row, or several are meant.
        """
        chosen = self._rows(row)
        if len(chosen) != 1:
            raise RNN2VecError(f"one snapshot has one task; got {len(chosen)} rows: see the table's task columns")
        return self.recipe.task_from({name: self.column(name)[chosen[0]] for name in self.recipe.task_columns})

    def population(self, rows: Rows | None = None) -> Population:
        """The networks of some rows of the table, of all by default, in the order asked for.

        Args:
            rows: numbers, a slice, or a mask with a boolean for each row, see :func:`rnn2vec.rows.row_numbers`.

        Raises:
            RNN2VecError: if a row is not there, or a shard is missing, truncated, altered, of another shape, or holds
                NaN or infinity.
        """
        chosen, loaded = self._rows(rows), []
        for shard, within in self._by_shard(chosen):
            path = weights_path(self.directory, shard)
            networks = networks_of(self._read(path), self.architecture, self.interface, path)
            if not bool(torch.isfinite(networks.flatten()).all()):
                raise RNN2VecError(f"weights are finite numbers; {path} holds NaN or infinity")
            self._check_rows(shard, within, len(networks), path)
            loaded.append(networks[within])
        return concatenate(loaded)[self._order(chosen)]

    def networks(self, rows: Rows | None = None) -> Networks:
        """The networks of some rows of the table, of all by default, in the order asked for.

        Raises:
            RNN2VecError: as :meth:`population` does.
        """
        return self.population(rows)

    def traces(self, rows: Rows | None = None) -> Traces:
        """The rollouts of some rows of the table, of all by default, in the order asked for.

        Args:
            rows: as for :meth:`population`.

        Raises:
            RNN2VecError: if a row is not there, or a shard is missing, truncated or altered.
        """
        chosen, inputs, outputs = self._rows(rows), [], []
        for shard, within in self._by_shard(chosen):
            path = rollouts_path(self.directory, shard)
            read, said = rollouts_of(self._read(path), path)
            self._check_rows(shard, within, min(len(read), len(said)), path)
            inputs.append(read[within])
            outputs.append(said[within])
        try:
            return Traces(np.concatenate(inputs), np.concatenate(outputs))[self._order(chosen)]
        except ValueError as error:
            raise RNN2VecError(f"rollouts of all shards have one shape; those of {self.directory} differ") from error

    def verify(self) -> list[str]:
        """Check everything: the index, the table against the recipe, and every file: checksum, shapes, numbers.

        Returns:
            One line for each thing that is wrong; an empty list for a sound zoo.
        """
        return problems_of_zoo(self.directory, self.recipe, self.snapshots, self.checksums)

    def _read(self, path: Path) -> dict[str, np.ndarray]:
        return read_tensors(path, self.checksums.get(path.relative_to(self.directory).as_posix(), ""))

    def _check_rows(self, shard: int, within: np.ndarray, length: int, path: Path) -> None:
        if problems := problems_of_rows(within, length, shard, path):
            raise RNN2VecError(problems[0])

    def _rows(self, rows: Rows | None) -> np.ndarray:
        return np.arange(len(self)) if rows is None else row_numbers(rows, len(self), "snapshot")

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        return places_of(self.snapshots)

    def _by_shard(self, chosen: np.ndarray) -> list[tuple[int, np.ndarray]]:
        shards, places = (values[chosen] for values in self._places)
        return [(int(shard), places[shards == shard]) for shard in np.unique(shards)]

    def _order(self, chosen: np.ndarray) -> np.ndarray:
        """Where the k-th row asked for lies once the shards are joined."""
        return np.argsort(np.argsort(self._places[0][chosen], kind="stable"), kind="stable")
