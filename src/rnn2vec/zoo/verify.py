"""What is wrong with a zoo: its index, its table against its recipe, and every number in its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from rnn2vec.errors import RNN2VecError
from rnn2vec.families.recipe import Recipe
from rnn2vec.files import read_bytes, read_json, read_tensors
from rnn2vec.zoo.layout import CARD, INDEX, TABLE, rollouts_path, weights_path
from rnn2vec.zoo.shards import networks_of, problems_of_rows, rollouts_of
from rnn2vec.zoo.table import places_of


def problems_of_zoo(directory: Path, recipe: Recipe, table: pa.Table, checksums: Mapping[str, str]) -> list[str]:
    """Check a zoo that could be opened.

    Each file is looked at for itself: what is wrong with one hides nothing of another.

    Args:
        directory: where it is.
        recipe: what its index says it was made of.
        table: its table.
        checksums: SHA-256 of its files by their paths within the directory.

    Returns:
        One line for each thing that is wrong; an empty list for a sound zoo.
    """
    places = places_of(table)
    shards = [int(shard) for shard in np.unique(places[0])]
    paths = [path(directory, shard) for shard in shards for path in (weights_path, rollouts_path)]
    problems = _problems_of_index(directory, recipe, checksums, [directory / TABLE, directory / CARD, *paths])
    problems += _problems_of_file(directory / CARD, checksums.get(CARD))
    problems += [f"{directory / TABLE}: {problem}" for problem in _problems_of_values(table, recipe, *places)]
    unreadable, unsound = [], []
    for shard in shards:
        own = table.take(np.flatnonzero(places[0] == shard))
        for check, path in ((_problems_of_weights, weights_path), (_problems_of_rollouts, rollouts_path)):
            file = path(directory, shard)
            try:
                tensors = read_tensors(file, checksums.get(file.relative_to(directory).as_posix(), ""))
            except RNN2VecError as error:
                unreadable.append(str(error))
                continue
            try:
                unsound += check(tensors, recipe, own, shard, file)
            except RNN2VecError as error:
                unsound.append(str(error))
    return list(dict.fromkeys([*problems, *unreadable, *unsound]))


def _problems_of_index(directory: Path, recipe: Recipe, checksums: Mapping[str, str], paths: list[Path]) -> list[str]:
    index, path = read_json(directory / INDEX, "zoo index"), directory / INDEX
    stated = {"family": recipe.family, "architecture": recipe.architecture.to_dict(), "seed": recipe.seed}
    problems = [
        f"{path} states the {name} {index.get(name)!r}, its recipe {value!r}"
        for name, value in stated.items()
        if index.get(name) != value
    ]
    files = {path.relative_to(directory).as_posix() for path in paths}
    problems += [f"{path} records no checksum of {name}" for name in sorted(files - checksums.keys())]
    problems += [f"{path} records {name!r}, no file of this zoo" for name in sorted(checksums.keys() - files)]
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


def _problems_of_values(table: pa.Table, recipe: Recipe, shards: np.ndarray, rows: np.ndarray) -> list[str]:
    accuracy = table["accuracy"].to_numpy()
    problems = []
    if not ((accuracy >= 0) & (accuracy <= 1)).all():
        problems.append(f"accuracies are shares from 0 to 1; got {accuracy.min()} to {accuracy.max()}")
    model, step = table["model"].to_numpy(), table["step"].to_numpy()
    if recipe.assignment == "listed":
        return problems + _problems_of_listed(table, recipe, model, step)
    snapshots = len(recipe.snapshots)
    if table.num_rows != recipe.models * snapshots:
        return [
            *problems,
            f"{recipe.models} networks with {snapshots} snapshots each are {recipe.models * snapshots} rows; got "
            f"{table.num_rows}",
        ]
    beyond = rows >= recipe.models_per_shard * snapshots
    expected = np.where(beyond, -1, shards * recipe.models_per_shard + rows // snapshots)
    problems += _differences(model, expected, "model", "its shard and row")
    problems += _differences(step, np.array(recipe.snapshots)[rows % snapshots], "step", "its shard and row")
    known = np.flatnonzero((model >= 0) & (model < recipe.models))
    given = [recipe.snapshot_values(number, 0, {}) for number in range(recipe.models)]
    for name in (*recipe.task_columns, *recipe.setting_columns):
        found, right = table[name].to_numpy(), np.array([values[name] for values in given])
        expected = found.astype(np.result_type(found, right))
        expected[known] = right[model[known].astype(np.int64)]
        problems += _differences(found, expected, name, "the seed of its recipe")
    return problems


def _problems_of_listed(table: pa.Table, recipe: Recipe, model: np.ndarray, step: np.ndarray) -> list[str]:
    tasks = np.stack([table[name].to_numpy() for name in recipe.task_columns], axis=1)
    problems = problems_of_networks(model, step, tasks)
    if (networks := len(np.unique(model))) != recipe.models:
        problems.append(f"its recipe is of {recipe.models} networks; got {networks}")
    if (steps := np.unique(step).tolist()) != list(recipe.snapshots):
        problems.append(f"its recipe has snapshots at steps {list(recipe.snapshots)}; got {steps}")
    for values in np.unique(tasks, axis=0):
        try:
            recipe.task_from(dict(zip(recipe.task_columns, values.tolist(), strict=True)))
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


def _problems_of_weights(
    tensors: Mapping[str, np.ndarray], recipe: Recipe, own: pa.Table, shard: int, path: Path
) -> list[str]:
    problems = []
    if not all(np.isfinite(array).all() for array in tensors.values()):
        problems.append(f"weights are finite numbers; {path} holds NaN or infinity")
    try:
        networks = networks_of(tensors, recipe.architecture, recipe.interface, path)
    except RNN2VecError as error:
        return [*problems, str(error)]
    return problems + _problems_of_rows(own, len(networks), shard, path)


def _problems_of_rollouts(
    tensors: Mapping[str, np.ndarray], recipe: Recipe, own: pa.Table, shard: int, path: Path
) -> list[str]:
    inputs, outputs = rollouts_of(tensors, path)
    problems = []
    for name, array, shape in zip(("inputs", "outputs"), (inputs, outputs), recipe.rollout_shapes(), strict=True):
        problems += _problems_of_rows(own, len(array), shard, path)
        wanted = (recipe.interface.inputs if name == "inputs" else recipe.interface.outputs).stored
        if array.dtype != wanted:
            problems.append(f"{name} of shard {shard} are {wanted}; got {array.dtype}; in {path}")
        if array.shape[1:] != shape:
            problems.append(f"{name} of shard {shard} have the shape {array.shape[1:]} each, not {shape}; in {path}")
    if not (np.isfinite(inputs).all() and np.isfinite(outputs).all()):
        problems.append(f"rollouts of shard {shard} hold NaN or infinity; in {path}")
    for part, array in ((recipe.interface.inputs, inputs), (recipe.interface.outputs, outputs)):
        if problem := part.problem(array):
            problems.append(f"traces of shard {shard} do not fit the zoo: {problem}; in {path}")
    rows = places_of(own)[1]
    for name in recipe.metric_columns:
        if name not in tensors:
            if recipe.assignment != "listed":  # imported shards hold none
                problems.append(f"shard {shard} holds {name} as it was measured; it is missing in {path}")
        elif tensors[name].shape != (len(inputs),):
            problems.append(f"{name} of shard {shard} has a number for each of {len(inputs)} rows; in {path}")
        elif rows.max() < len(inputs) and not np.array_equal(tensors[name][rows], own[name].to_numpy(), equal_nan=True):
            problems.append(f"{name} of shard {shard} in the table is not what was measured; in {path}")
    return problems


def _problems_of_rows(own: pa.Table, length: int, shard: int, path: Path) -> list[str]:
    rows = own["row"].to_numpy()
    if problems := problems_of_rows(rows, length, shard, path):
        return problems
    return [] if len(rows) == length else [f"shard {shard} has {length} rows; the table has {len(rows)} of {path}"]
