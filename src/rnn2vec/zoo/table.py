"""The table of a zoo, a row a snapshot: made, and checked before anything is looked up in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from rnn2vec.errors import RNN2VecError
from rnn2vec.families.recipe import Recipe
from rnn2vec.fields import are_whole
from rnn2vec.files import parse_parquet, read_bytes, read_tensors
from rnn2vec.zoo.layout import TABLE, rollouts_path

_WHOLE = ("model", "step", "shard", "row")


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


def read_table(directory: Path, recipe: Recipe, sha256: object) -> pa.Table:
    """Read the table of a zoo, in which every row has a task and a place of its own.

    Raises:
        RNN2VecError: if it is missing, damaged, altered, or a lookup in it would go wrong (see
            :func:`problems_of_table`).
    """
    path = directory / TABLE
    try:
        content = read_bytes(path)
    except OSError as error:
        raise RNN2VecError(f"cannot read {path}: {error}; restore or rebuild the zoo") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RNN2VecError(f"{path} differs from its recorded checksum; restore or rebuild the zoo")
    try:
        table = parse_parquet(content)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RNN2VecError(f"cannot read {path}: {error}; restore or rebuild the zoo") from error
    if problems := problems_of_table(table, recipe):
        raise RNN2VecError(f"{path} is the table of no zoo: {'; '.join(problems)}; restore or rebuild the zoo")
    return table


def problems_of_table(table: pa.Table, recipe: Recipe) -> list[str]:
    """What would make lookups in a table go wrong: columns that are missing or hold no numbers, rows without a place.

    Returns:
        One clause for each thing that is wrong.
    """
    if table.num_rows == 0:
        return ["a zoo holds at least one snapshot, the table has no row"]
    needed = ("model", "step", *recipe.task_columns, *recipe.setting_columns, *recipe.metric_columns, "shard", "row")
    problems = []
    for name in needed:
        if (count := table.column_names.count(name)) != 1:
            problems.append(f"it has a column {name}, and one only; there are {count or 'none'}")
        elif table[name].null_count:
            problems.append(f"column {name} has a number in every row; {table[name].null_count} are empty")
        else:
            values = table[name].to_numpy()
            if values.dtype.kind not in "iuf":
                problems.append(f"column {name} holds numbers; got {table[name].type}")
            elif name in _WHOLE and not are_whole(values):
                problems.append(f"column {name} holds whole numbers; got others")
            elif not np.isfinite(values).all():
                problems.append(f"column {name} holds finite numbers; got NaN or infinity")
    if problems:
        return problems
    shards, rows = places_of(table)
    if min(shards.min(), rows.min()) < 0:
        return [f"numbers of shards and rows begin with 0; got {min(shards.min(), rows.min())}"]
    order = np.lexsort((rows, shards))
    again = (np.diff(shards[order]) == 0) & (np.diff(rows[order]) == 0)
    if again.any():
        first = order[int(again.argmax())]
        return [f"no two snapshots share a place; row {rows[first]} of shard {shards[first]} is there more than once"]
    return []


def places_of(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Shard, and row within the shard, of every snapshot."""
    return table["shard"].to_numpy().astype(np.int64), table["row"].to_numpy().astype(np.int64)
