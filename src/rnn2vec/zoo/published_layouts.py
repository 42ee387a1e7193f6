"""What the paper's layout holds of each of its two families: arrays to a zoo's table, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from rnn2vec.architecture import MOST_LAYERS, Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.formal_languages import Languages
from rnn2vec.families.sequential_digits import RotatedDigits
from rnn2vec.families.task_set import TaskSet
from rnn2vec.fields import LARGEST, whole
from rnn2vec.tasks.formal_language import BOS, EOS, SYMBOLS
from rnn2vec.zoo.npy import check_shape, dimensions_of, exactly, whole_numbers
from rnn2vec.zoo.store import Zoo
from rnn2vec.zoo.verify import problems_of_networks

ARGUMENTS = "args.json"
SHARED = ("parameters", "sequences", "logits", "tasks")
"""Arrays that every published zoo has."""
CORRECT_OF = 1000
"""Strings that the published generator counts the correct ones among."""

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Layout:
    """The layout of one family.

    Attributes:
        measured: its arrays beside the shared ones; the first is in no other layout.
        stored: type of its sequences.
        read: arrays and arguments to the tasks, the architecture and the columns of a zoo's table.
        as_read: sequences of some rows as a zoo stores them.
        written: the inverse.
        tables: a zoo to the arrays of tasks and measurements.
        arguments: what of the tasks is among the arguments.
    """

    measured: tuple[str, ...]
    stored: Any
    read: Callable[[Arrays, dict[str, Any]], tuple[TaskSet, Architecture, Arrays]]
    as_read: Callable[[np.ndarray, slice], np.ndarray]
    written: Callable[[np.ndarray], np.ndarray]
    tables: Callable[[Zoo], Arrays]
    arguments: Callable[[TaskSet], dict[str, Any]]


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


def _argument(arguments: dict[str, Any], name: str, default: int, high: int = LARGEST) -> int:
    return whole(f"{name} in {ARGUMENTS}", arguments.get(name, default), 1, high)


def _spec(arguments: dict[str, Any], inputs: int, outputs: int) -> Architecture:
    size = _argument(arguments, "rnn_hidden_size", 32)
    layers = _argument(arguments, "rnn_num_layers", 2, MOST_LAYERS)
    return Architecture.stack("lstm", inputs, size, layers, outputs)


def _language_arguments(task_set: TaskSet) -> dict[str, Any]:
    fields = task_set.to_dict()
    return {
        "num_tokens": len(SYMBOLS) - 2,
        "sequence_length": fields["length"],
        "max_n": fields["max_n"],
    }


LANGUAGES = Layout(
    measured=("num_step_correct",),
    stored=np.int16,
    read=_read_languages,
    as_read=_with_bos,
    written=_without_bos,
    tables=_language_tables,
    arguments=_language_arguments,
)
DIGITS = Layout(
    measured=("num_step", "accuracy_losses"),
    stored=np.float16,
    read=_read_digits,
    as_read=lambda array, part: exactly("sequences", array, np.float16, part),
    written=lambda inputs: inputs,
    tables=_digit_tables,
    arguments=lambda task_set: {name: value for name, value in task_set.to_dict().items() if name != "name"},
)
LAYOUTS: dict[str, Layout] = {Languages.family: LANGUAGES, RotatedDigits.family: DIGITS}
"""By family."""
