"""A zoo on disk: weights and rollouts in safetensors shards, a row a snapshot in parquet, one index in JSON."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from rnn2vec.errors import RNN2VecError
from rnn2vec.files import parse_parquet, read_json, read_tensors, write_atomically, write_json
from rnn2vec.population import Population, RNNSpec, concatenate
from rnn2vec.tasks.task import Task
from rnn2vec.zoo.families import recipe_from_dict
from rnn2vec.zoo.recipe import Recipe

SCHEMA_VERSION = 1
TABLE = "snapshots.parquet"
INDEX = "zoo.json"
CARD = "README.md"


def weights_path(directory: Path, shard: int) -> Path:
    """File of a shard's weights: torch.nn's names to ``[snapshots of the shard, ...]``."""
    return directory / "weights" / f"{shard:05d}.safetensors"


def rollouts_path(directory: Path, shard: int) -> Path:
    """File of a shard's ``inputs``, ``outputs`` (see :class:`Rollouts`) and metrics ``[S]``."""
    return directory / "rollouts" / f"{shard:05d}.safetensors"


@dataclasses.dataclass(frozen=True)
class Rollouts:
    """What S snapshots said.

    Attributes:
        inputs: what each network read: strings that it wrote, ``[S, R, T]`` int8, BOS first, or digits,
            ``[S, R, T, X]`` float16.
        outputs: log-probabilities of each next token, ``[S, R, T - 1, Y]``, or logits of the classes at each step,
            ``[S, R, T, Y]``; float16.
    """

    inputs: np.ndarray
    outputs: np.ndarray

    def __getitem__(self, rows: np.ndarray | slice) -> Rollouts:
        return Rollouts(self.inputs[rows], self.outputs[rows])


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
            RNN2VecError: if the directory is no zoo, an unfinished one, of a newer schema, or its table is damaged.
        """
        directory = Path(directory)
        if not (directory / INDEX).is_file():
            reason = (
                "its build has not finished: run the same command again"
                if (directory / "building.json").exists()
                else ("make one with `rnn2vec zoo build FAMILY --out DIR`")
            )
            raise RNN2VecError(f"a zoo is a directory with a {INDEX}; {directory} has none: {reason}")
        index = read_json(directory / INDEX, "zoo index")
        version = index.get("schema_version")
        if not isinstance(version, int) or version < 1:
            raise RNN2VecError(f"{directory / INDEX} states no schema_version, so it is no zoo of this format")
        if version > SCHEMA_VERSION:
            raise RNN2VecError(
                f"{directory} has schema version {version}, this rnn2vec reads up to {SCHEMA_VERSION}: upgrade rnn2vec"
            )
        recipe, checksums = index.get("recipe"), index.get("checksums")
        if not isinstance(recipe, dict) or not isinstance(checksums, dict):
            raise RNN2VecError(f"{directory / INDEX} lacks a recipe or checksums; restore or rebuild the zoo")
        table_path = directory / TABLE
        try:
            content = table_path.read_bytes()
            if hashlib.sha256(content).hexdigest() != checksums.get(TABLE):
                raise RNN2VecError(f"{table_path} differs from its recorded checksum; restore or rebuild the zoo")
            table = parse_parquet(content)
        except (OSError, pa.ArrowException) as error:
            raise RNN2VecError(f"cannot read {table_path}: {error}; restore or rebuild the zoo") from error
        return cls(directory, recipe_from_dict(recipe), table, {str(k): str(v) for k, v in checksums.items()})

    def __len__(self) -> int:
        """Snapshots."""
        return int(self.snapshots.num_rows)

    @property
    def spec(self) -> RNNSpec:
        """Shape of the networks."""
        return self.recipe.spec

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
        """The task of the snapshot in a row of the table."""
        return self.recipe.task_from({name: self.column(name)[row] for name in self.recipe.task_columns})

    def population(self, rows: Sequence[int] | np.ndarray | None = None) -> Population:
        """The networks of some rows of the table, of all by default, in the order asked for.

        Raises:
            RNN2VecError: if a shard is missing, truncated, altered, of another shape, or holds NaN or infinity.
        """
        loaded = []
        for shard, within in self._by_shard(rows):
            tensors = self._read(weights_path(self.directory, shard))
            try:
                population = Population(self.spec, {name: torch.from_numpy(array) for name, array in tensors.items()})
                finite = bool(torch.isfinite(population.flatten()).all())
            except (RNN2VecError, TypeError) as error:
                raise RNN2VecError(f"{weights_path(self.directory, shard)} does not fit this zoo: {error}") from error
            if not finite:
                raise RNN2VecError(
                    f"weights are finite numbers; {weights_path(self.directory, shard)} holds NaN or infinity"
                )
            self._check_rows(shard, within, len(population))
            loaded.append(population[within])
        return concatenate(loaded)[self._order(rows)]

    def rollouts(self, rows: Sequence[int] | np.ndarray | None = None) -> Rollouts:
        """The rollouts of some rows of the table, of all by default, in the order asked for.

        Raises:
            RNN2VecError: if a shard is missing, truncated or altered.
        """
        inputs, outputs = [], []
        for shard, within in self._by_shard(rows):
            path = rollouts_path(self.directory, shard)
            tensors = self._read(path)
            if not {"inputs", "outputs"} <= set(tensors):
                raise RNN2VecError(f"a shard of rollouts holds inputs and outputs; {path} holds {', '.join(tensors)}")
            self._check_rows(shard, within, min(len(tensors["inputs"]), len(tensors["outputs"])))
            inputs.append(tensors["inputs"][within])
            outputs.append(tensors["outputs"][within])
        return Rollouts(np.concatenate(inputs), np.concatenate(outputs))[self._order(rows)]

    def verify(self) -> list[str]:
        """Check every file: that it is there and unaltered, its shapes, and that its numbers are finite.

        Returns:
            One line for each thing that is wrong; an empty list for a sound zoo.
        """
        problems, damaged = [], set()
        for name, sha256 in self.checksums.items():
            path = self.directory / name
            if not path.is_file():
                problems.append(f"{path} is missing")
                damaged.add(path)
            elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
                problems.append(f"{path} differs from its recorded checksum: it was truncated or altered")
                damaged.add(path)
        for shard in np.unique(self.column("shard")):
            rows = np.flatnonzero(self.column("shard") == shard)
            if weights_path(self.directory, shard) not in damaged:
                problems += self._problems_of_weights(rows)
            if rollouts_path(self.directory, shard) not in damaged:
                problems += self._problems_of_rollouts(shard, rows)
        return list(dict.fromkeys(problems))

    def _problems_of_weights(self, rows: np.ndarray) -> list[str]:
        try:
            self.population(rows)
        except RNN2VecError as error:
            return [str(error)]
        return []

    def _problems_of_rollouts(self, shard: int, rows: np.ndarray) -> list[str]:
        try:
            rollouts = self.rollouts(rows)
        except RNN2VecError as error:
            return [str(error)]
        problems = []
        for name, array, shape in zip(
            ("inputs", "outputs"), (rollouts.inputs, rollouts.outputs), self.recipe.rollout_shapes(), strict=True
        ):
            if array.shape != (len(rows), *shape):
                problems.append(f"{name} of shard {shard} have the shape {array.shape}, not {(len(rows), *shape)}")
        if not (np.isfinite(rollouts.inputs).all() and np.isfinite(rollouts.outputs).all()):
            problems.append(f"rollouts of shard {shard} hold NaN or infinity")
        return problems

    def _read(self, path: Path) -> dict[str, np.ndarray]:
        return read_tensors(path, self.checksums.get(path.relative_to(self.directory).as_posix(), ""))

    def _check_rows(self, shard: int, within: np.ndarray, length: int) -> None:
        if int(within.max()) >= length:
            raise RNN2VecError(
                f"shard {shard} of {self.directory} has {length} rows; the table asks for row {within.max()}"
            )

    def _rows(self, rows: Sequence[int] | np.ndarray | None) -> np.ndarray:
        chosen = np.arange(len(self)) if rows is None else np.asarray(rows, dtype=np.int64)
        if len(chosen) == 0 or chosen.min() < 0 or chosen.max() >= len(self):
            raise RNN2VecError(
                f"rows of this zoo lie in 0..{len(self) - 1}, and at least one is asked for; got {chosen}"
            )
        return chosen

    def _by_shard(self, rows: Sequence[int] | np.ndarray | None) -> list[tuple[int, np.ndarray]]:
        chosen = self._rows(rows)
        shards, places = self.column("shard")[chosen], self.column("row")[chosen]
        return [(int(shard), places[shards == shard]) for shard in np.unique(shards)]

    def _order(self, rows: Sequence[int] | np.ndarray | None) -> np.ndarray:
        """Where the k-th row asked for lies once the shards are joined."""
        return np.argsort(np.argsort(self.column("shard")[self._rows(rows)], kind="stable"), kind="stable")


def snapshot_table(directory: Path, recipe: Recipe) -> pa.Table:
    """The table of a zoo whose shards are all there, from the metrics that they hold."""
    columns: dict[str, list[int | float]] = {}
    for shard in range(recipe.num_shards):
        tensors = read_tensors(rollouts_path(directory, shard))
        for row, (model, step) in enumerate((m, s) for m in recipe.shard_models(shard) for s in recipe.snapshots):
            metrics = {name: float(tensors[name][row]) for name in recipe.metric_columns}
            values = recipe.snapshot_values(model, step, metrics) | {"shard": shard, "row": row}
            for name, value in values.items():
                columns.setdefault(name, []).append(value)
    return pa.table(columns)


def finish_zoo(directory: Path, recipe: Recipe, table: pa.Table, **extra: Any) -> None:
    """Write the table, the dataset card and, last, the index of a zoo whose shards are all there.

    Args:
        directory: where the shards are.
        recipe: what they follow.
        table: a row a snapshot.
        extra: what else the index is to hold.
    """
    checksums = {}
    for shard in np.unique(table["shard"].to_numpy()):
        for path in (weights_path(directory, shard), rollouts_path(directory, shard)):
            checksums[path.relative_to(directory).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    checksums[TABLE] = write_atomically(directory / TABLE, buffer.getvalue())
    checksums[CARD] = write_atomically(directory / CARD, _card(recipe, table).encode())
    index = {
        "schema_version": SCHEMA_VERSION,
        "family": recipe.family,
        "spec": recipe.spec.to_dict(),
        "seed": recipe.seed,
        **extra,
    }
    write_json(directory / INDEX, {**index, "recipe": recipe.to_dict(), "checksums": checksums})


def _card(recipe: Recipe, table: pa.Table) -> str:
    accuracy = table["accuracy"].to_numpy()[table["step"].to_numpy() == recipe.snapshots[-1]]
    inputs, outputs = (", ".join(map(str, ["S", *shape])) for shape in recipe.rollout_shapes())
    said = "logits of the classes" if recipe.input_range else "log-probabilities of each next token"
    return f"""---
pretty_name: Recurrent networks trained on {recipe.family}
tags: [model-zoo, weight-space-learning, recurrent-neural-networks, rnn2vec]
configs:
- config_name: default
  data_files: {TABLE}
---

# A model zoo: {recipe.models} recurrent networks trained on {recipe.family}

{recipe.spec}; snapshots at steps {", ".join(map(str, recipe.snapshots))}; {table.num_rows} in all. At the last one,
{(accuracy >= recipe.learnt_accuracy).mean():.0%} of the networks have an accuracy of at least {recipe.learnt_accuracy}
(median {np.median(accuracy):.3f}).

- `{TABLE}`: a row a snapshot: {", ".join(table.column_names)}
- `weights/*.safetensors`: parameters under torch.nn's names, `[snapshots of the shard, ...]`
- `rollouts/*.safetensors`: `inputs`, sequences each network read, `[{inputs}]`; `outputs`, its {said},
  `[{outputs}]`
- `{INDEX}`: schema version, recipe, seed, checksums

```python
from rnn2vec import Zoo

zoo = Zoo.open("path/to/this/folder")
population = zoo.population()
```
"""
