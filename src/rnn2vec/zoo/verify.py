"""What is wrong with a zoo: its index, its table against its recipe, and every number in its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from rnn2vec.errors import RNN2VecError
from rnn2vec.families.recipe import Recipe
from rnn2vec.families.task_set import TaskSet
from rnn2vec.files import read_bytes, read_tensors
from rnn2vec.zoo.index import Index
from rnn2vec.zoo.layout import CARD, INDEX, SCHEMA_VERSION, TABLE, traces_path, weights_path
from rnn2vec.zoo.shards import TRACES, problems_of_rows, require_weights, row_checksums
from rnn2vec.zoo.table import CHECKSUMS, places_of, snapshot_name


def problems_of_zoo(directory: Path, index: Index, table: pa.Table) -> list[str]:
    """Check a zoo that could be opened.

    Each file is looked at for itself: what is wrong with one hides nothing of another.

    Args:
        directory: where it is.
        index: what it says of itself.
        table: its table.

    Returns:
        One line for each thing that is wrong; an empty list for a sound zoo.
    """
    _, shards, _ = places_of(table)
    files = []
    for shard in np.unique(shards).tolist():
        own = table.take(np.flatnonzero(shards == shard))
        files.append((_problems_of_weights, weights_path(directory, shard), own))
        if index.version < SCHEMA_VERSION or own["traces_sha256"].null_count < own.num_rows:
            files.append((_problems_of_traces, traces_path(directory, shard, index.version), own))
    known = [directory / TABLE, directory / CARD, *(path for _, path, _ in files)]
    problems = _problems_of_files(directory, index.checksums, known)
    problems += _problems_of_file(directory / CARD, index.checksums.get(CARD))
    problems += [f"{directory / TABLE}: {problem}" for problem in _problems_of_values(table, index)]
    unreadable, unsound = [], []
    for check, file, own in files:
        try:
            tensors = read_tensors(file, index.checksums.get(file.relative_to(directory).as_posix(), ""))
        except RNN2VecError as error:
            unreadable.append(str(error))
            continue
        try:
            unsound += check(tensors, index, own, file)
        except RNN2VecError as error:
            unsound.append(str(error))
    return list(dict.fromkeys([*problems, *unreadable, *unsound]))


def _problems_of_files(directory: Path, checksums: Mapping[str, str], paths: list[Path]) -> list[str]:
    index = directory / INDEX
    files = {path.relative_to(directory).as_posix() for path in paths}
    problems = [f"{index} records no checksum of {name}" for name in sorted(files - checksums.keys())]
    problems += [f"{index} records {name!r}, no file of this zoo" for name in sorted(checksums.keys() - files)]
    there = {place.relative_to(directory).as_posix() for place in directory.rglob("*") if not place.is_dir()}
    visible = {name for name in there if not any(part.startswith(".") for part in name.split("/"))}
    return problems + [f"{directory / name} is no file of this zoo" for name in sorted(visible - files - {INDEX})]


def _problems_of_file(path: Path, sha256: str | None) -> list[str]:
    try:
        if hashlib.sha256(read_bytes(path)).hexdigest() != sha256:
            return [f"{path} differs from its recorded checksum: it was truncated or altered"]
    except OSError as error:
        return [f"cannot read {path}: {error.strerror or error}"]
    return []


def _problems_of_values(table: pa.Table, index: Index) -> list[str]:
    problems = []
    if index.version == SCHEMA_VERSION and (missing := table["weights_sha256"].null_count):
        problems.append(f"weights of every row have a checksum; {missing} have none")
    if index.task_set is None:
        return problems
    accuracy = table["accuracy"].to_numpy()
    if not ((accuracy >= 0) & (accuracy <= 1)).all():
        problems.append(f"accuracies are shares from 0 to 1; got {accuracy.min()} to {accuracy.max()}")
    if index.recipe is None:
        return problems + _problems_of_tasks(table, index.task_set)
    return problems + _problems_of_recipe(table, index.recipe)


def _problems_of_recipe(table: pa.Table, recipe: Recipe) -> list[str]:
    """Whatever the recipe does not give for a row's place."""
    snapshots = len(recipe.snapshots)
    if table.num_rows != recipe.models * snapshots:
        return [
            f"{recipe.models} networks with {snapshots} snapshots each are {recipe.models * snapshots} rows; got "
            f"{table.num_rows}"
        ]
    model, step = table["model"].to_numpy(), table["step"].to_numpy()
    architectures, shards, rows = places_of(table)
    held = [recipe.shard_models(shard) for shard in range(recipe.num_shards)]
    there = shards < len(held)
    first, count = (np.array(of)[shards * there] for of in ([own.start for own in held], [len(own) for own in held]))
    models = np.where(there & (rows < count * snapshots), first + rows // snapshots, -1)
    kinds = np.array([recipe.architecture_number(model) for model in range(recipe.models)])[models]
    steps = np.array(recipe.snapshots)[rows % snapshots]
    names = np.array([snapshot_name(*at) for at in zip(models.tolist(), steps.tolist(), strict=True)])
    problems = _differences(model, models, "model", "its shard and row")
    problems += _differences(step, steps, "step", "its shard and row")
    problems += _differences(architectures, kinds, "architecture", "its shard and row")
    problems += _differences(table["name"].to_numpy().astype(str), names, "name", "its shard and row")
    known = np.flatnonzero((model >= 0) & (model < recipe.models))
    given = [recipe.snapshot_values(number, 0, {}) for number in range(recipe.models)]
    for name in (own for own in given[0] if own not in ("model", "step")):
        found, right = table[name].to_numpy(), np.array([values[name] for values in given])
        expected = found.astype(np.result_type(found, right))
        expected[known] = right[model[known].astype(np.int64)]
        problems += _differences(found, expected, name, "the seed of its recipe")
    return problems


def _problems_of_tasks(table: pa.Table, task_set: TaskSet) -> list[str]:
    """Tasks that there are not, or that cannot be of their networks."""
    tasks = np.stack([table[name].to_numpy() for name in task_set.task_columns], axis=1)
    problems = problems_of_networks(table["model"].to_numpy(), table["step"].to_numpy(), tasks)
    for values in np.unique(tasks, axis=0):
        try:
            task_set.task_from(dict(zip(task_set.task_columns, values.tolist(), strict=True)))
        except RNN2VecError as error:
            problems.append(str(error))
    return problems


def problems_of_networks(model: np.ndarray, step: np.ndarray, tasks: np.ndarray) -> list[str]:
    """What cannot be of snapshots ``[S]`` and their tasks ``[S, P]``: two of one network at one step, or of two tasks.

    Zoos are split by task, so a network of two tasks could be trained on and tested on.
    """
    problems = []
    if model.min() < 0 or step.min() < 0:
        problems.append(f"networks and steps are numbered from 0; got {min(model.min(), step.min())}")
    taken = np.unique(np.stack([model, step]), axis=1).shape[1]
    if taken < len(model):
        problems.append(f"a network has one snapshot at a step; {len(model) - taken} rows are of a step that is taken")
    networks = len(np.unique(model))
    of_tasks = len(np.unique(np.column_stack([model, tasks]), axis=0))
    if of_tasks > networks:
        problems.append(f"a network has one task; {networks} networks have {of_tasks} different ones")
    return problems


def _differences(found: np.ndarray, expected: np.ndarray, name: str, given: str) -> list[str]:
    differs = found != expected
    if not differs.any():
        return []
    first = int(differs.argmax())
    return [
        f"{name} of {differs.sum()} rows is not what {given} gives: {found[first]} in row {first}, where "
        f"{expected[first]} is right"
    ]


def _problems_of_weights(tensors: Mapping[str, np.ndarray], index: Index, own: pa.Table, path: Path) -> list[str]:
    problems = []
    if not all(np.isfinite(array).all() for array in tensors.values()):
        problems.append(f"weights are finite numbers; {path} holds NaN or infinity")
    architecture = index.architectures[int(own["architecture"][0].as_py())]
    names = list(architecture.parameter_shapes())
    try:
        require_weights(architecture, path, tensors)
    except RNN2VecError as error:
        return list(dict.fromkeys([*problems, str(error)]))
    problems += _problems_of_rows(own, len(tensors[names[0]]), path)
    return problems + _problems_of_checksums(tensors, names, own, CHECKSUMS[0], path)


def _problems_of_traces(tensors: Mapping[str, np.ndarray], index: Index, own: pa.Table, path: Path) -> list[str]:
    if missing := [name for name in TRACES if name not in tensors]:
        return [f"a file of traces holds inputs and outputs; {path} lacks {' and '.join(missing)}"]
    if single := [name for name in TRACES if tensors[name].ndim == 0]:
        return [f"{' and '.join(single)} of traces have a row for each network; those of {path} are single numbers"]
    problems = []
    for name, part in zip(TRACES, (index.interface.inputs, index.interface.outputs), strict=True):
        array = tensors[name]
        problems += _problems_of_rows(own, len(array), path)
        older = [np.dtype(np.float16)] if index.version < SCHEMA_VERSION and part.stored.kind == "f" else []
        if array.dtype not in [part.stored, *older]:
            problems.append(f"{name} are stored as {part.stored}; got {array.dtype}; in {path}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            problems.append(f"{name} hold NaN or infinity; in {path}")
        elif problem := part.problem(array):
            problems.append(f"{name} do not fit the zoo: {problem}; in {path}")
    problems += _problems_of_shapes(tensors, index, path)
    problems += _problems_of_metrics(tensors, index, own, path)
    if len(tensors["inputs"]) == len(tensors["outputs"]):
        problems += _problems_of_checksums(tensors, TRACES, own, CHECKSUMS[1], path)
    return problems


def _problems_of_shapes(tensors: Mapping[str, np.ndarray], index: Index, path: Path) -> list[str]:
    """Traces of other sequences than the family's, or of another number of them."""
    inputs, outputs = (tensors[name].shape[1:] for name in TRACES)
    if index.task_set is None:
        fits = inputs[:2] == outputs[:2] or index.interface.inputs.kind == "tokens"
        return [] if fits else [f"inputs and outputs have the same steps; got {inputs} and {outputs}; in {path}"]
    count = index.recipe.traces if index.recipe else inputs[0] if inputs else 0
    return [
        f"{name} have the shape {found} each, not {(count, *wanted)}; in {path}"
        for name, found, wanted in zip(TRACES, (inputs, outputs), index.task_set.trace_shapes, strict=True)
        if found != (count, *wanted)
    ]


def _problems_of_metrics(tensors: Mapping[str, np.ndarray], index: Index, own: pa.Table, path: Path) -> list[str]:
    """Metrics in the table that are not those that a shard holds; only those that were built hold any."""
    problems, rows, length = [], places_of(own)[2], len(tensors["inputs"])
    for name in index.task_set.metric_columns if index.recipe and index.task_set else ():
        if name not in tensors:
            problems.append(f"a shard holds {name} as it was measured; it is missing in {path}")
        elif tensors[name].shape != (length,):
            problems.append(f"{name} is a number for each of {length} rows; in {path}")
        elif rows.max() < length and not np.array_equal(tensors[name][rows], own[name].to_numpy(), equal_nan=True):
            problems.append(f"{name} in the table is not what was measured; in {path}")
    return problems


def _problems_of_checksums(
    tensors: Mapping[str, np.ndarray], names: Sequence[str], own: pa.Table, column: str, path: Path
) -> list[str]:
    found = row_checksums(tensors, names)
    recorded = zip(places_of(own)[2].tolist(), own[column].to_pylist(), strict=True)
    wrong = [row for row, sha256 in recorded if sha256 is not None and row < len(found) and found[row] != sha256]
    return [f"rows {', '.join(map(str, wrong))} of {path} differ from their recorded checksums"] if wrong else []


def _problems_of_rows(own: pa.Table, length: int, path: Path) -> list[str]:
    rows = places_of(own)[2]
    if problems := problems_of_rows(rows, length, path):
        return problems
    return [] if len(rows) == length else [f"{path} has {length} rows; the table has {len(rows)} of them"]
