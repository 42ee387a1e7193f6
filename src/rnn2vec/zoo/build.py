"""Build a zoo: train populations of networks side by side and keep their snapshots."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch

from rnn2vec.engine import train_step
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.recipe import Recipe
from rnn2vec.files import read_json, remove, write_atomically, write_json
from rnn2vec.networks import Population
from rnn2vec.outputs import sole_writer
from rnn2vec.parallel import OnProgress, run_jobs
from rnn2vec.plan import begin, require_same
from rnn2vec.randomness import generator
from rnn2vec.rows import Rows, row_numbers
from rnn2vec.zoo.finish import finish_zoo
from rnn2vec.zoo.index import Index
from rnn2vec.zoo.layout import BUILDING, INDEX, traces_path, weights_path
from rnn2vec.zoo.memory import check_memory
from rnn2vec.zoo.store import Zoo
from rnn2vec.zoo.table import snapshot_table

BUILT = "built"
"""Folder of an unfinished build: the checksums of a shard's two files, once both are written."""


def build_zoo(
    recipe: Recipe,
    directory: str | Path,
    workers: int = 1,
    on_progress: OnProgress | None = None,
    ray: str | None = None,
) -> Zoo:
    """Train every network of a recipe and write the zoo.

    A build that was interrupted goes on where it stopped when it is called again with the same recipe and directory:
    shards that are there are kept, unless their files were damaged since. A zoo that is finished is kept as a whole.

    Args:
        recipe: what to build.
        directory: a new or empty directory, or that of an interrupted build of the same recipe.
        workers: processes that train shards side by side, see :func:`rnn2vec.parallel.run_jobs`.
        on_progress: told ``(shard, steps x models done, note)``; in all ``recipe.models * recipe.steps``.
        ray: address of a Ray cluster to train them on instead.

    Returns:
        The finished zoo.

    Raises:
        RNN2VecError: if the directory holds anything else, training needs more memory than there is, the disk is full,
            or a network's weights become infinite.
    """
    if ray is None:
        check_memory(recipe, workers)
    recipe.task_set.fetch_data()
    directory = Path(directory)
    with sole_writer(directory):
        return _build(recipe, directory, workers, on_progress, ray)


def _build(recipe: Recipe, directory: Path, workers: int, on_progress: OnProgress | None, ray: str | None) -> Zoo:
    marker = directory / BUILDING
    if not marker.exists() and (directory / INDEX).exists():
        finished = Zoo.open(directory)
        require_same(directory, "zoo", finished.recipe.to_dict() if finished.recipe else {}, recipe.to_dict())
        shutil.rmtree(directory / BUILT, ignore_errors=True)
        if on_progress:
            on_progress(0, recipe.models * recipe.steps, "kept")
        return finished  # killed or asked for again after its last moment
    begin(marker, "zoo", recipe.to_dict())
    on_progress = on_progress or (lambda job, amount, note: None)
    missing = []
    for shard in range(recipe.num_shards):
        if _is_built(directory, shard):
            on_progress(shard, len(recipe.shard_models(shard)) * recipe.steps, "kept")
        else:
            if _is_unrecorded(directory, shard):
                on_progress(shard, 0, f"shard {shard} has no record: trained again")
            missing.append(shard)
    try:
        run_jobs(
            [Shard(recipe, directory, shard) for shard in missing],
            workers,
            lambda job, amount, note: on_progress(missing[job], amount, note),
            ray,
        )
    except Exception:  # no interruption: the recipe, the machine or the disk is to be changed
        if [*directory.iterdir()] == [marker]:  # nothing is lost, and another recipe may follow
            marker.unlink()
        raise
    finish_zoo(directory, Index.of_recipe(recipe), snapshot_table(directory, recipe))
    remove(marker)
    shutil.rmtree(directory / BUILT, ignore_errors=True)
    return Zoo.open(directory)


def _built_path(directory: Path, shard: int) -> Path:
    return directory / BUILT / f"{shard:05d}.json"


def _shard_paths(directory: Path, shard: int) -> tuple[Path, Path]:
    return weights_path(directory, shard), traces_path(directory, shard)


def _is_unrecorded(directory: Path, shard: int) -> bool:
    """Whether a shard was written but its checksums were not: by an earlier version, or just before it was killed."""
    written = any(path.exists() for path in _shard_paths(directory, shard))
    return written and not _built_path(directory, shard).exists()


def _is_built(directory: Path, shard: int) -> bool:
    """Whether both files of a shard are there as they were written; what is damaged is trained again."""
    try:
        found = {
            path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in _shard_paths(directory, shard)
        }
        return read_json(_built_path(directory, shard), "record of a shard") == found
    except (OSError, RNN2VecError):
        return False


@dataclasses.dataclass(frozen=True)
class Shard:
    """One shard of a zoo, to be trained.

    Attributes:
        recipe: of the zoo.
        directory: of the zoo.
        number: of the shard.
    """

    recipe: Recipe
    directory: Path
    number: int

    def run(self, on_progress: Callable[[int, str], None]) -> None:
        """Train its networks and write its two files, and last their checksums."""
        build_shard(self.recipe, self.directory, self.number, on_progress)


def build_shard(recipe: Recipe, directory: Path, shard: int, on_progress: Callable[[int, str], None]) -> None:
    """Train the networks of one shard and write its two files, and last their checksums."""
    check_memory(recipe)  # of the machine that trains it
    models = recipe.shard_models(shard)
    weights, traces = [], []
    for step, population in train_population(recipe, models, on_progress):
        weights.append({name: weight.numpy().copy() for name, weight in population.weights.items()})
        _check_finite("weights", weights[-1], models, step)
        traces.append(_stored(recipe, recipe.observe(population, models, step)))
        _check_finite("outputs", traces[-1], models, step)

    def stacked(snapshots: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        # rows run over models first, then over their snapshots, so that one model's history lies together
        return {
            name: np.ascontiguousarray(
                np.stack([s[name] for s in snapshots], axis=1).reshape(-1, *snapshots[0][name].shape[1:])
            )
            for name in snapshots[0]
        }

    files = {weights_path(directory, shard): weights, traces_path(directory, shard): traces}
    checksums = {
        path.parent.name: write_atomically(path, safetensors.numpy.save(stacked(tensors)))
        for path, tensors in files.items()
    }
    write_json(_built_path(directory, shard), checksums)


def _stored(recipe: Recipe, observed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Traces in the types that hold them on disk, and metrics."""
    interface = recipe.task_set.interface
    types = {"inputs": interface.inputs.stored, "outputs": interface.outputs.stored}
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        return observed | {name: observed[name].astype(kind) for name, kind in types.items()}


def _check_finite(what: str, arrays: Mapping[str, np.ndarray], models: Sequence[int], step: int) -> None:
    for array in arrays.values():
        finite = np.isfinite(array).reshape(len(models), -1).all(1)
        if not finite.all():
            raise RNN2VecError(
                f"{what} stay finite; those of model {models[int(finite.argmin())]} are not at step {step}: choose "
                "another seed or lower learning_rates"
            )


def train_population(
    recipe: Recipe, models: Rows, on_progress: Callable[[int, str], None] | None = None
) -> Iterator[tuple[int, Population]]:
    """Train networks side by side, each on its own task, and yield ``(step, population)`` at every snapshot.

    Nothing a network sees or draws depends on the others, so neither do its weights.
    """
    numbers: list[int] = row_numbers(models, recipe.models, "network").tolist()
    # On PyTorch, a batch of one matrix is rounded differently from several: a lone network trains beside its copy.
    alone = len(numbers) == 1
    trained = [*numbers, *numbers] if alone else numbers
    kinds = {recipe.architecture_number(model) for model in numbers}
    if len(kinds) > 1:
        raise RNN2VecError(f"networks that train side by side have one architecture; got {len(kinds)} of this recipe's")
    population = recipe.start(recipe.architectures[kinds.pop()], trained)
    tasks = [recipe.task(model) for model in trained]
    optimizer = recipe.optimizer(population, trained)
    unreported = 0
    for step in range(recipe.steps + 1):
        if step in recipe.snapshots:
            yield step, population[:1] if alone else population
        if step == recipe.steps:
            break
        batches = [
            task.sample(recipe.batch_size, generator(recipe.seed, model, "training", step))
            for model, task in zip(trained, tasks, strict=True)
        ]
        inputs, targets, *masks = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*batches, strict=True))
        mask, noise = (masks[0] if masks else None), recipe.noise(population, trained, step)
        rate = recipe.learning_rate(step, population.architecture)
        train_step(population, optimizer, inputs, targets, rate, mask, noise)
        unreported += len(numbers)
        if on_progress and (step % 10 == 9 or step + 1 == recipe.steps):
            on_progress(unreported, f"step {step + 1}")
            unreported = 0
