"""The table of a zoo, a row a network: made, and checked before anything is looked up in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rnn2vec.errors import RNN2VecError
from rnn2vec.families.recipe import Recipe
from rnn2vec.fields import are_whole
from rnn2vec.files import parse_parquet, read_bytes, read_tensors
from rnn2vec.zoo.index import Index
from rnn2vec.zoo.layout import TABLE, traces_path, weights_path
from rnn2vec.zoo.schema1 import VERSION, table_of_schema_1
from rnn2vec.zoo.shards import TRACES, row_checksums

PLACE = ("architecture", "shard", "row")
CHECKSUMS = ("weights_sha256", "traces_sha256")
OWN = ("name", "source", *PLACE, *CHECKSUMS)
"""Columns that every zoo has."""
_WHOLE = ("model", "step", *PLACE)


def rows_of_shard(
    shard: int,
    names: Sequence[str],
    sources: Sequence[str],
    parameters: Sequence[str],
    weights: Mapping[str, np.ndarray],
    traces: Mapping[str, np.ndarray] | None,
    architecture: int = 0,
) -> dict[str, Sequence[Any]]:
    """The columns that every zoo has, for the rows of one shard.

    Args:
        shard: its number.
        names: of its networks.
        sources: where each comes from.
        parameters: names of the weights in the architecture's order.
        weights: the tensors in its file of weights.
        traces: those in its file of traces, if it has one.
        architecture: the place of their architecture in the index.
    """
    count = len(names)
    return {
        "name": names,
        "source": sources,
        "architecture": [architecture] * count,
        "shard": [shard] * count,
        "row": range(count),
        "weights_sha256": row_checksums(weights, parameters),
        "traces_sha256": [None] * count if traces is None else row_checksums(traces, TRACES),
    }


def table_of(shards: Sequence[Mapping[str, Sequence[Any] | np.ndarray]]) -> pa.Table:
    """A table from the columns of all shards."""

    def joined(name: str) -> pa.Array:
        parts = [shard[name] for shard in shards]
        if name in ("name", "source", *CHECKSUMS):
            return pa.array([value for part in parts for value in part], pa.string())
        return pa.array(np.concatenate([np.asarray(part) for part in parts]))

    return pa.table({name: joined(name) for name in shards[0]})


def snapshot_table(directory: Path, recipe: Recipe) -> pa.Table:
    """The table of a zoo that was built and whose shards are all there, from what they hold."""
    shards = []
    for shard in range(recipe.num_shards):
        weights, traces = (read_tensors(path(directory, shard)) for path in (weights_path, traces_path))
        models = recipe.shard_models(shard)
        number = recipe.architecture_number(models[0])
        parameters = list(recipe.architectures[number].parameter_shapes())
        snapshots = [(model, step) for model in models for step in recipe.snapshots]
        values = [
            recipe.snapshot_values(model, step, {name: traces[name][row].item() for name in metrics})
            for metrics in [recipe.task_set.metric_columns]
            for row, (model, step) in enumerate(snapshots)
        ]
        names = [snapshot_name(*at) for at in snapshots]
        own = rows_of_shard(shard, names, [""] * len(names), parameters, weights, traces, number)
        shards.append({**own, **{name: [value[name] for value in values] for name in values[0]}})
    return table_of(shards)


def snapshot_name(model: int, step: int) -> str:
    """The name of a network that was trained here."""
    return f"model-{model}-step-{step}"


def read_table(directory: Path, index: Index) -> pa.Table:
    """Read the table of a zoo, in which every row has a name and a place of its own.

    Raises:
        RNN2VecError: if it is missing, damaged, altered, or a lookup in it would go wrong (see
            :func:`problems_of_table`).
    """
    path = directory / TABLE
    try:
        content = read_bytes(path)
    except OSError as error:
        raise RNN2VecError(f"cannot read {path}: {error}; restore or rebuild the zoo") from error
    if hashlib.sha256(content).hexdigest() != index.checksums.get(TABLE):
        raise RNN2VecError(f"{path} differs from its recorded checksum; restore or rebuild the zoo")
    try:
        table = parse_parquet(content)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RNN2VecError(f"cannot read {path}: {error}; restore or rebuild the zoo") from error
    if index.version == VERSION:
        table = table_of_schema_1(table)
    if problems := problems_of_table(table, index):
        raise RNN2VecError(f"{path} is the table of no zoo: {'; '.join(problems)}; restore or rebuild the zoo")
    return table


def problems_of_table(table: pa.Table, index: Index) -> list[str]:
    """What would make lookups in a table go wrong: columns that are missing or of another type, rows without a place.

    Returns:
        One clause for each thing that is wrong.
    """
    if table.num_rows == 0:
        return ["a zoo holds at least one network, the table has no row"]
    of_tasks = () if index.task_set is None else index.task_set.columns
    needed = dict.fromkeys((*OWN, *of_tasks, *index.labels, index.split_by))
    problems = []
    for name in (*needed, *(name for name in table.column_names if name not in needed)):
        count = table.column_names.count(name)
        if count != 1:
            problem = f"it has a column {name}, and one only; there are {count or 'none'}"
        elif name in CHECKSUMS:
            problem = (
                "" if pa.types.is_string(table[name].type) else f"column {name} holds text; got {table[name].type}"
            )
        elif name in needed:
            text = name in ("name", "source", index.split_by) or index.labels.get(name) == "class"
            problem = _problem_of_column(table, name, text=text and name not in of_tasks)
        else:
            continue
        problems += [problem] if problem else []
    return problems or _problems_of_places(table, index)


def _problem_of_column(table: pa.Table, name: str, text: bool) -> str:
    """What is wrong with a column of numbers, or of text if it may hold that; empty if nothing is."""
    kind = table[name].type
    if table[name].null_count:
        return f"column {name} has a value in every row; {table[name].null_count} are empty"
    if text and pa.types.is_string(kind):
        return ""
    values = table[name].to_numpy()
    if values.dtype.kind not in "iuf" or name in ("name", "source"):
        return f"column {name} holds {'text' if text else 'numbers'}; got {kind}"
    if name in _WHOLE and not are_whole(values):
        return f"column {name} holds whole numbers; got others"
    return "" if np.isfinite(values).all() else f"column {name} holds finite numbers; got NaN or infinity"


def _problems_of_places(table: pa.Table, index: Index) -> list[str]:
    architectures, shards, rows = places_of(table)
    if min(shards.min(), rows.min()) < 0:
        return [f"numbers of shards and rows begin with 0; got {min(shards.min(), rows.min())}"]
    if architectures.min() < 0 or architectures.max() >= len(index.architectures):
        return [
            f"its architectures are 0..{len(index.architectures) - 1}; got {architectures.min()}..{architectures.max()}"
        ]
    order = np.lexsort((rows, shards))
    beside = np.diff(shards[order]) == 0
    same = beside & (np.diff(rows[order]) == 0)
    if same.any():
        first = order[int(same.argmax())]
        return [f"no two networks share a place; row {rows[first]} of shard {shards[first]} is there more than once"]
    if (beside & (np.diff(architectures[order]) != 0)).any():
        return ["the networks of a shard have one architecture; those of some have several"]
    if again := table.num_rows - pc.count_distinct(table["name"]).as_py():
        return [f"no two networks share a name; {again} are another's"]
    return []


def places_of(table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Architecture, shard, and row within the shard, of every network."""
    architectures, shards, rows = (table[name].to_numpy().astype(np.int64) for name in PLACE)
    return architectures, shards, rows
