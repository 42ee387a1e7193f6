"""The paper's own layout of a zoo, a folder of npy arrays with a row a snapshot: read and written.

Both families have ``parameters`` float32 ``[S, P]`` (one LSTM's, flattened in torch.nn's order), ``sequences`` (int16,
or float16 of digits), ``logits`` float16 and ``tasks``; languages have ``num_step_correct`` (model, step, correct of
1000 strings), digits have ``num_step`` (model, step) and ``accuracy_losses`` (validation accuracy, train loss,
validation loss, weight decay). Arrays of another type or byte order are read if these types hold their numbers exactly.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn2vec.architecture import MOST_LAYERS, Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.formal_languages import Languages
from rnn2vec.families.recipe import LARGEST_SEED
from rnn2vec.families.sequential_digits import RotatedDigits
from rnn2vec.families.task_set import TaskSet
from rnn2vec.fields import LARGEST, shown, whole
from rnn2vec.files import read_json, write_atomically
from rnn2vec.networks import Population
from rnn2vec.outputs import require_new_directory
from rnn2vec.tasks.formal_language import BOS, EOS, SYMBOLS
from rnn2vec.zoo.index import labels_of
from rnn2vec.zoo.npy import check_shape, dimensions_of, exactly, header, load, whole_numbers
from rnn2vec.zoo.store import Zoo
from rnn2vec.zoo.table import snapshot_name
from rnn2vec.zoo.traces import Traces
from rnn2vec.zoo.verify import problems_of_networks
from rnn2vec.zoo.write import ROWS_PER_SHARD, Group, write_zoo

ARGUMENTS = "args.json"
CORRECT_OF = 1000
"""Strings that the published generator counts the correct ones among."""
KEPT = "published_arguments"
"""What a zoo's provenance keeps of the arguments."""

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class _Parts:
    """The rows of a published zoo as groups, read from disk when they are iterated over.

    Attributes:
        arrays: by name.
        architecture: of the networks.
        columns: of the table.
        source: where they come from.
        languages: whether they are of languages.
    """

    arrays: Arrays
    architecture: Architecture
    columns: Arrays
    source: str
    languages: bool

    def __iter__(self) -> Iterator[Group]:
        rows = len(self.arrays["parameters"])
        times = zip(self.columns["model"].tolist(), self.columns["step"].tolist(), strict=True)
        names = [snapshot_name(model, step) for model, step in times]
        for start in range(0, rows, ROWS_PER_SHARD):
            part = slice(start, start + ROWS_PER_SHARD)
            flat, inputs, outputs = _read_part(self.arrays, part, self.languages)
            population = Population.from_flat(self.architecture, torch.from_numpy(flat))
            columns = {name: values[part] for name, values in self.columns.items()}
            yield Group(population, names[part], self.source, columns, Traces(inputs, outputs))


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
    source = Path(source)
    arguments = read_json(source / ARGUMENTS, "arguments of a published zoo") if (source / ARGUMENTS).is_file() else {}
    languages = (source / "num_step_correct.npy").is_file()
    arrays = {name: load(source / f"{name}.npy") for name in _names(languages)}
    task_set, architecture, columns = (_read_languages if languages else _read_digits)(arrays, arguments)
    return write_zoo(
        directory,
        task_set.interface,
        _Parts(arrays, architecture, columns, source.name, languages),
        labels=labels_of(task_set),
        task_set=task_set,
        seed=whole(f"seed in {ARGUMENTS}", arguments.get("seed", 0), -LARGEST_SEED, LARGEST_SEED),
        provenance={"imported_from": source.name, KEPT: arguments},
        plan={"source": source.name, "checksums": _checksums(source, languages)},
        inputs=[source],
    )


def export_published(zoo: Zoo, directory: str | Path) -> None:
    """Write a zoo in the paper's layout, which has room for what the paper's zoos hold only.

    Strings that never end get EOS in place of BOS, as in the published data.

    Args:
        zoo: of LSTMs.
        directory: a new or empty directory.

    Raises:
        RNN2VecError: if the zoo holds other cells, a shard is damaged, or the disk is full.
    """
    directory, task_set = Path(directory), zoo.task_set
    if zoo.architecture.cell != "lstm" or not zoo.architecture.is_plain_stack:
        raise RNN2VecError(f"the paper's layout knows LSTMs only; {zoo.directory} holds {zoo.architecture}")
    require_new_directory(directory)
    first = zoo.traces([0])
    languages = isinstance(task_set, Languages)

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
        ("sequences", np.int16 if languages else np.float16, first.inputs.shape[1:], sequences),
        ("logits", np.float16, first.outputs.shape[1:], lambda part: zoo.traces(part).outputs),
    ):
        parts = (
            np.arange(start, min(start + ROWS_PER_SHARD, len(zoo))) for start in range(0, len(zoo), ROWS_PER_SHARD)
        )
        pieces = (np.ascontiguousarray(read(part), dtype=dtype).tobytes() for part in parts)
        head = header(dtype, (len(zoo), *shape))
        write_atomically(directory / f"{name}.npy", itertools.chain([head], pieces))
    for name, array in (_language_tables if languages else _digit_tables)(zoo).items():
        write_atomically(directory / f"{name}.npy", header(array.dtype, array.shape) + array.tobytes())
    kept = zoo.index.provenance.get(KEPT) or _arguments(zoo)
    if not isinstance(kept, dict):
        raise RNN2VecError(f"{KEPT} in the index of {zoo.directory} are a JSON object; got {shown(kept)}")
    write_atomically(directory / ARGUMENTS, json.dumps(kept).encode())  # last: a folder with it is whole


def _read_languages(arrays: Arrays, arguments: dict[str, Any]) -> tuple[TaskSet, Architecture, Arrays]:
    symbols = len(SYMBOLS)
    tokens = arrays["sequences"]
    rows, traces, length = dimensions_of(tokens, ("S", "R", "T"), "sequences")
    architecture = _spec(arguments, symbols, symbols)
    check_shape("parameters", arrays["parameters"], (rows, architecture.num_parameters))
    check_shape("logits", arrays["logits"], (rows, traces, length - 1, symbols))
    tasks = whole_numbers("tasks", arrays["tasks"], (rows, 4))
    counts = whole_numbers("num_step_correct", arrays["num_step_correct"], (rows, 3))
    if tasks[:, 0].any():
        raise RNN2VecError("the first column of tasks.npy, the shift of letter a, is zero; got other numbers")
    if np.abs(tasks).max() > length:
        raise RNN2VecError(f"shifts in tasks.npy are smaller than a window of {length}; got {np.abs(tasks).max()}")
    if counts[:, 2].min() < 0 or counts[:, 2].max() > CORRECT_OF:
        raise RNN2VecError(f"the last column of num_step_correct.npy counts correct strings among {CORRECT_OF}")
    task_set = Languages(length, _argument(arguments, "max_n", 10), tuple(np.unique(tasks[:, 1:])))
    for shifts in np.unique(tasks[:, 1:], axis=0):  # each can be made
        task_set.task_from(dict(zip(task_set.task_columns, shifts, strict=True)))
    _check_networks(counts[:, 0], counts[:, 1], tasks)
    columns = {"model": counts[:, 0], "step": counts[:, 1]}
    columns |= {name: tasks[:, place + 1] for place, name in enumerate(task_set.task_columns)}
    return task_set, architecture, columns | {"accuracy": counts[:, 2] / CORRECT_OF}


def _read_digits(arrays: Arrays, arguments: dict[str, Any]) -> tuple[TaskSet, Architecture, Arrays]:
    tasks, measured = arrays["tasks"], arrays["accuracy_losses"]
    rows, traces, length, features = dimensions_of(arrays["sequences"], ("S", "R", "T", "X"), "sequences")
    architecture = _spec(arguments, features, 10)
    check_shape("parameters", arrays["parameters"], (rows, architecture.num_parameters))
    check_shape("logits", arrays["logits"], (rows, traces, length, 10))
    check_shape("tasks", tasks, (rows, 1))
    times = whole_numbers("num_step", arrays["num_step"], (rows, 2))
    check_shape("accuracy_losses", measured, (rows, 4))
    if not (tasks.min() >= 0 and tasks.max() < 360):
        raise RNN2VecError(f"angles in tasks.npy lie in 0 up to 360; got {tasks.min()}..{tasks.max()}")
    task_set = RotatedDigits(arguments.get("source", RotatedDigits.source_of(length, features)))
    check_shape("sequences", arrays["sequences"], (rows, traces, *task_set.trace_shapes[0]))
    _check_networks(times[:, 0], times[:, 1], tasks)
    accuracy, train, validation, decay = measured.T
    if not ((accuracy >= 0) & (accuracy <= 1)).all():
        raise RNN2VecError(f"accuracies are shares from 0 to 1; got {accuracy.min()} to {accuracy.max()}")
    return (
        task_set,
        architecture,
        {
            "model": times[:, 0],
            "step": times[:, 1],
            "angle": tasks[:, 0],
            "accuracy": accuracy,
            "train_loss": train,
            "validation_loss": validation,
            "generalisation_gap": validation - train,
            "weight_decay": decay,
        },
    )


def _check_networks(model: np.ndarray, step: np.ndarray, tasks: np.ndarray) -> None:
    if model.min() < 0 or step.min() < 0:
        raise RNN2VecError(f"models and training steps are at least 0; got {model.min()} and {step.min()}")
    for name, numbers in (("models", model), ("steps", step)):
        whole(f"the largest number of {name}", int(numbers.max()), 0)
    if problems := problems_of_networks(model, step, tasks):
        raise RNN2VecError(f"the tables of a published zoo are of its networks: {'; '.join(problems)}")


def _language_tables(zoo: Zoo) -> Arrays:
    correct = np.round(zoo.column("accuracy") * CORRECT_OF)
    counts = np.stack([zoo.column("model"), zoo.column("step"), correct], axis=1)
    tasks = np.concatenate([np.zeros((len(zoo), 1), dtype=np.int64), zoo.tasks], axis=1)
    return {"tasks": tasks.astype(np.int64), "num_step_correct": counts.astype(np.int64)}


def _digit_tables(zoo: Zoo) -> Arrays:
    measured = [zoo.column(name) for name in ("accuracy", "train_loss", "validation_loss", "weight_decay")]
    return {
        "tasks": zoo.tasks,
        "num_step": np.stack([zoo.column("model"), zoo.column("step")], axis=1).astype(np.int64),
        "accuracy_losses": np.ascontiguousarray(np.stack(measured, axis=1)),
    }


def _read_part(arrays: Arrays, part: slice, languages: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def _arguments(zoo: Zoo) -> dict[str, Any]:
    named = {"rnn_hidden_size": zoo.architecture.widest, "rnn_num_layers": zoo.architecture.num_layers}
    named |= {"seed": zoo.seed, "num_training_runs": zoo.models}
    if isinstance(zoo.task_set, Languages):
        return named | {
            "num_tokens": len(SYMBOLS) - 2,
            "sequence_length": zoo.task_set.length,
            "max_n": zoo.task_set.max_n,
        }
    return named | {name: value for name, value in zoo.task_set.to_dict().items() if name != "name"}
