"""The paper's own layout of a zoo, a folder of npy arrays with a row a snapshot: read and written.

Both families have ``parameters`` float32 ``[S, P]`` (one LSTM's, flattened in torch.nn's order), ``sequences`` (int16,
or float16 of digits), ``logits`` float16 and ``tasks``; languages have ``num_step_correct`` (model, step, correct of
1000 strings), digits have ``num_step`` (model, step) and ``accuracy_losses`` (validation accuracy, train loss,
validation loss, weight decay). Arrays of another type or byte order are read if these types hold their numbers exactly.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import safetensors.numpy
import torch

from rnn2vec.architecture import MOST_LAYERS, Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.formal_languages import LanguageRecipe
from rnn2vec.families.recipe import Recipe
from rnn2vec.families.sequential_digits import DigitsRecipe
from rnn2vec.fields import LARGEST, shown, whole
from rnn2vec.files import read_json, write_atomically
from rnn2vec.networks import Population
from rnn2vec.outputs import require_new_directory, sole_writer
from rnn2vec.plan import begin
from rnn2vec.tasks.formal_language import BOS, EOS, SYMBOLS
from rnn2vec.zoo.finish import finish_zoo
from rnn2vec.zoo.layout import IMPORTING, INDEX, read_index, rollouts_path, weights_path
from rnn2vec.zoo.npy import check_shape, dimensions_of, exactly, header, load, whole_numbers
from rnn2vec.zoo.store import Zoo
from rnn2vec.zoo.verify import problems_of_networks

ARGUMENTS = "args.json"
CORRECT_OF = 1000
"""Strings that the published generator counts the correct ones among."""
ROWS_PER_SHARD = 256


def import_published(source: str | Path, directory: str | Path) -> Zoo:
    """Make a zoo of a folder in the paper's layout.

    Strings that never end have lost their BOS in published data (the generator pads from the first EOS on, and finds
    it, where there is none, in front); it is put back. What ``args.json`` says is kept for :func:`export_published`.

    Args:
        source: the folder.
        directory: a new or empty directory, or that of an interrupted import of the same files.

    Raises:
        RNN2VecError: if the directory holds anything else, another process is writing to it, or an array is missing,
            damaged, of another shape, or holds NaN, fractions where numbers are whole, or numbers that a zoo's types do
            not hold exactly. Nothing is written then.
    """
    source, directory = Path(source), Path(directory)
    with sole_writer(directory, [source]):
        return _import(source, directory)


def _import(source: Path, directory: Path) -> Zoo:
    arguments = read_json(source / ARGUMENTS, "arguments of a published zoo") if (source / ARGUMENTS).is_file() else {}
    languages = (source / "num_step_correct.npy").is_file()
    arrays = {name: load(source / f"{name}.npy") for name in _names(languages)}
    recipe, columns = (_read_languages if languages else _read_digits)(arrays, arguments)
    rows = len(arrays["parameters"])
    parts = [slice(start, start + ROWS_PER_SHARD) for start in range(0, rows, ROWS_PER_SHARD)]
    for part in parts:  # all is checked before anything is written
        _read_part(arrays, part, languages)
    marker = directory / IMPORTING
    plan = {"source": source.name, "checksums": _checksums(source, languages)}
    begin(marker, "import", plan, added=["checksums"])
    for shard, part in enumerate(parts):
        flat, inputs, outputs = _read_part(arrays, part, languages)
        population = Population.from_flat(recipe.architecture, torch.from_numpy(flat))
        weights = {name: weight.numpy() for name, weight in population.weights.items()}
        write_atomically(weights_path(directory, shard), safetensors.numpy.save(weights))
        rollouts = {"inputs": inputs, "outputs": outputs}
        write_atomically(rollouts_path(directory, shard), safetensors.numpy.save(rollouts))
    places = np.arange(rows)
    columns |= {"shard": places // ROWS_PER_SHARD, "row": places % ROWS_PER_SHARD}
    finish_zoo(directory, recipe, pa.table(columns), published_arguments=arguments)
    marker.unlink()
    return Zoo.open(directory)


def export_published(zoo: Zoo, directory: str | Path) -> None:
    """Write a zoo in the paper's layout, which has room for what the paper's zoos hold only.

    Strings that never end get EOS in place of BOS, as in the published data.

    Args:
        zoo: of LSTMs.
        directory: a new or empty directory.

    Raises:
        RNN2VecError: if the zoo holds other cells, a shard is damaged, or the disk is full.
    """
    directory, recipe = Path(directory), zoo.recipe
    if zoo.architecture.cell != "lstm":
        raise RNN2VecError(f"the paper's layout knows LSTMs only; {zoo.directory} holds {zoo.architecture}")
    require_new_directory(directory)
    inputs, outputs = recipe.rollout_shapes()
    languages = isinstance(recipe, LanguageRecipe)

    def sequences(part: np.ndarray) -> np.ndarray:
        read = zoo.traces(part).inputs
        return _without_bos(read) if languages else read

    for name, dtype, shape, read in (
        (
            "parameters",
            np.float32,
            (zoo.architecture.num_parameters,),
            lambda part: zoo.population(part).flatten().numpy(),
        ),
        ("sequences", np.int16 if languages else np.float16, inputs, sequences),
        ("logits", np.float16, outputs, lambda part: zoo.traces(part).outputs),
    ):
        parts = (
            np.arange(start, min(start + ROWS_PER_SHARD, len(zoo))) for start in range(0, len(zoo), ROWS_PER_SHARD)
        )
        pieces = (np.ascontiguousarray(read(part), dtype=dtype).tobytes() for part in parts)
        head = header(dtype, (len(zoo), *shape))
        write_atomically(directory / f"{name}.npy", itertools.chain([head], pieces))
    for name, array in (_language_tables if languages else _digit_tables)(zoo).items():
        write_atomically(directory / f"{name}.npy", header(array.dtype, array.shape) + array.tobytes())
    kept = read_index(zoo.directory).get("published_arguments") or _arguments(recipe)
    if not isinstance(kept, dict):
        raise RNN2VecError(f"published_arguments in {zoo.directory / INDEX} is a JSON object; got {shown(kept)}")
    write_atomically(directory / ARGUMENTS, json.dumps(kept).encode())  # last: a folder with it is whole


def _read_languages(arrays: dict[str, np.ndarray], arguments: dict[str, Any]) -> tuple[Recipe, dict[str, np.ndarray]]:
    symbols = len(SYMBOLS)
    tokens = arrays["sequences"]
    rows, rollouts, length = dimensions_of(tokens, ("S", "R", "T"), "sequences")
    architecture = _spec(arguments, symbols, symbols)
    check_shape("parameters", arrays["parameters"], (rows, architecture.num_parameters))
    check_shape("logits", arrays["logits"], (rows, rollouts, length - 1, symbols))
    tasks = whole_numbers("tasks", arrays["tasks"], (rows, 4))
    counts = whole_numbers("num_step_correct", arrays["num_step_correct"], (rows, 3))
    if tasks[:, 0].any():
        raise RNN2VecError("the first column of tasks.npy, the shift of letter a, is zero; got other numbers")
    if np.abs(tasks).max() > length:
        raise RNN2VecError(f"shifts in tasks.npy are smaller than a window of {length}; got {np.abs(tasks).max()}")
    if counts[:, 2].min() < 0 or counts[:, 2].max() > CORRECT_OF:
        raise RNN2VecError(f"the last column of num_step_correct.npy counts correct strings among {CORRECT_OF}")
    recipe = LanguageRecipe(
        architecture,
        **_times(counts, arguments),
        rollouts=rollouts,
        length=length,
        max_n=_argument(arguments, "max_n", 10),
        shifts=tuple(np.unique(tasks[:, 1:])),
        evaluation_strings=max(CORRECT_OF, rollouts),
    )
    for shifts in np.unique(tasks[:, 1:], axis=0):  # each can be made
        recipe.task_from(dict(zip(recipe.task_columns, shifts, strict=True)))
    _check_networks(counts[:, 0], counts[:, 1], tasks)
    columns = {"model": counts[:, 0], "step": counts[:, 1]}
    columns |= {name: tasks[:, place + 1] for place, name in enumerate(recipe.task_columns)}
    return recipe, columns | {"accuracy": counts[:, 2] / CORRECT_OF}


def _read_digits(arrays: dict[str, np.ndarray], arguments: dict[str, Any]) -> tuple[Recipe, dict[str, np.ndarray]]:
    tasks, measured = arrays["tasks"], arrays["accuracy_losses"]
    rows, rollouts, length, features = dimensions_of(arrays["sequences"], ("S", "R", "T", "X"), "sequences")
    architecture = _spec(arguments, features, 10)
    check_shape("parameters", arrays["parameters"], (rows, architecture.num_parameters))
    check_shape("logits", arrays["logits"], (rows, rollouts, length, 10))
    check_shape("tasks", tasks, (rows, 1))
    times = whole_numbers("num_step", arrays["num_step"], (rows, 2))
    check_shape("accuracy_losses", measured, (rows, 4))
    if not (tasks.min() >= 0 and tasks.max() < 360):
        raise RNN2VecError(f"angles in tasks.npy lie in 0 up to 360; got {tasks.min()}..{tasks.max()}")
    source = arguments.get("source", DigitsRecipe.source_of(length, features))
    decays = tuple(np.unique(measured[:, 3]))
    recipe = DigitsRecipe(
        architecture, **_times(times, arguments), rollouts=rollouts, source=source, weight_decays=decays
    )
    check_shape("sequences", arrays["sequences"], (rows, *recipe.rollout_shapes()[0]))
    _check_networks(times[:, 0], times[:, 1], tasks)
    accuracy, train, validation, decay = measured.T
    if not ((accuracy >= 0) & (accuracy <= 1)).all():
        raise RNN2VecError(f"accuracies are shares from 0 to 1; got {accuracy.min()} to {accuracy.max()}")
    return recipe, {
        "model": times[:, 0],
        "step": times[:, 1],
        "angle": tasks[:, 0],
        "accuracy": accuracy,
        "train_loss": train,
        "validation_loss": validation,
        "generalisation_gap": validation - train,
        "weight_decay": decay,
    }


def _check_networks(model: np.ndarray, step: np.ndarray, tasks: np.ndarray) -> None:
    if problems := problems_of_networks(model, step, tasks):
        raise RNN2VecError(f"the tables of a published zoo are of its networks: {'; '.join(problems)}")


def _language_tables(zoo: Zoo) -> dict[str, np.ndarray]:
    correct = np.round(zoo.column("accuracy") * CORRECT_OF)
    counts = np.stack([zoo.column("model"), zoo.column("step"), correct], axis=1)
    tasks = np.concatenate([np.zeros((len(zoo), 1), dtype=np.int64), zoo.tasks], axis=1)
    return {"tasks": tasks.astype(np.int64), "num_step_correct": counts.astype(np.int64)}


def _digit_tables(zoo: Zoo) -> dict[str, np.ndarray]:
    measured = [zoo.column(name) for name in ("accuracy", "train_loss", "validation_loss", "weight_decay")]
    return {
        "tasks": zoo.tasks,
        "num_step": np.stack([zoo.column("model"), zoo.column("step")], axis=1).astype(np.int64),
        "accuracy_losses": np.ascontiguousarray(np.stack(measured, axis=1)),
    }


def _read_part(
    arrays: dict[str, np.ndarray], part: slice, languages: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights ``[S, P]``, inputs and outputs of some rows, in the types that a zoo holds."""
    read = arrays["sequences"][part]
    inputs = _with_bos(read, part) if languages else exactly("sequences", read, np.float16, part)
    flat = exactly("parameters", arrays["parameters"][part], np.float32, part)
    return flat, inputs, exactly("logits", arrays["logits"][part], np.float16, part)


def _with_bos(array: np.ndarray, part: slice) -> np.ndarray:
    tokens, known = exactly("sequences", array, np.int8, part), np.arange(len(SYMBOLS))
    if not np.isin(tokens, known).all():
        raise RNN2VecError(f"tokens in sequences.npy lie in 0..{known[-1]}; got {tokens.min()}..{tokens.max()}")
    first, endless = tokens[..., 0], (tokens[..., 1:] != EOS).all(-1)
    if not ((first == BOS) | ((first == EOS) & endless)).all():
        raise RNN2VecError("strings in sequences.npy begin with BOS, or with EOS if they never end; got others")
    tokens[..., 0] = BOS
    return tokens


def _without_bos(tokens: np.ndarray) -> np.ndarray:
    lost = tokens.astype(np.int16)
    lost[..., 0] = np.where((tokens[..., 1:] == EOS).any(-1), tokens[..., 0], EOS)
    return lost


def _names(languages: bool) -> tuple[str, ...]:
    measured = ("num_step_correct",) if languages else ("num_step", "accuracy_losses")
    return ("parameters", "sequences", "logits", "tasks", *measured)


def _checksums(source: Path, languages: bool) -> dict[str, str]:
    """SHA-256 of all files that are imported."""
    checksums = {}
    for path in (source / ARGUMENTS, *(source / f"{name}.npy" for name in _names(languages))):
        if path.is_file():
            with path.open("rb") as file:
                checksums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return checksums


def _argument(arguments: dict[str, Any], name: str, default: int, high: int = LARGEST) -> int:
    return whole(f"{name} in {ARGUMENTS}", arguments.get(name, default), 1, high)


def _spec(arguments: dict[str, Any], inputs: int, outputs: int) -> Architecture:
    size = _argument(arguments, "rnn_hidden_size", 32)
    layers = _argument(arguments, "rnn_num_layers", 2, MOST_LAYERS)
    return Architecture.stack("lstm", inputs, size, layers, outputs)


def _times(counts: np.ndarray, arguments: dict[str, Any]) -> dict[str, Any]:
    if counts[:, 1].min() < 0:
        raise RNN2VecError(f"training steps are at least 0; got {counts[:, 1].min()}")
    return {
        "models": len(np.unique(counts[:, 0])),
        "steps": max(1, int(counts[:, 1].max())),
        "snapshots": tuple(np.unique(counts[:, 1])),
        "seed": arguments.get("seed", 0),
        "assignment": "listed",
    }


def _arguments(recipe: Recipe) -> dict[str, Any]:
    named = {"rnn_hidden_size": recipe.architecture.widest, "rnn_num_layers": recipe.architecture.num_layers}
    named |= {"seed": recipe.seed, "num_training_runs": recipe.models}
    if isinstance(recipe, LanguageRecipe):
        named |= {"num_tokens": len(SYMBOLS) - 2, "sequence_length": recipe.length, "max_n": recipe.max_n}
    return named | {"source": recipe.source} if isinstance(recipe, DigitsRecipe) else named
