"""The paper's own layout of a zoo, a folder of npy arrays with a row a snapshot: read and written.

Both families have ``parameters`` float32 ``[S, P]`` (one LSTM's, flattened in torch.nn's order), ``sequences``,
``logits`` and ``tasks``; languages have ``num_step_correct`` (model, step, correct of 1000 strings), digits have
``num_step`` (model, step) and ``accuracy_losses`` (validation accuracy, train loss, validation loss, weight decay).
"""

from __future__ import annotations

import io
import itertools
import json
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import safetensors.numpy
import torch

from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_json, require_new_directory, write_atomically, write_json
from rnn2vec.population import Population, RNNSpec
from rnn2vec.tasks.formal_language import BOS, EOS, SYMBOLS
from rnn2vec.zoo.finish import finish_zoo
from rnn2vec.zoo.formal_languages import LanguageRecipe
from rnn2vec.zoo.layout import INDEX, rollouts_path, weights_path
from rnn2vec.zoo.recipe import Recipe
from rnn2vec.zoo.sequential_digits import DigitsRecipe
from rnn2vec.zoo.store import Zoo

ARGUMENTS = "args.json"
IN_PROGRESS = "importing.json"
"""Present in a directory from the first moment of an import to its last."""
CORRECT_OF = 1000
"""Strings that the published generator counts the correct ones among."""
ROWS_PER_SHARD = 256

_UNREADABLE = (ValueError, OSError, EOFError, SyntaxError, tokenize.TokenError)
"""What numpy raises for a damaged file; its header is a Python literal."""


def import_published(source: str | Path, directory: str | Path) -> Zoo:
    """Make a zoo of a folder in the paper's layout.

    Strings that never end have lost their BOS in published data (the generator pads from the first EOS on, and finds
    it, where there is none, in front); it is put back. What ``args.json`` says is kept for :func:`export_published`.

    Args:
        source: the folder.
        directory: a new or empty directory, or that of an interrupted import.

    Raises:
        RNN2VecError: if an array is missing, damaged, of another shape or type, or holds NaN.
    """
    source, directory = Path(source), Path(directory)
    arguments = read_json(source / ARGUMENTS, "arguments of a published zoo") if (source / ARGUMENTS).is_file() else {}
    languages = (source / "num_step_correct.npy").is_file()
    arrays = {name: _load(source / f"{name}.npy") for name in _names(languages)}
    recipe, columns = (_read_languages if languages else _read_digits)(arrays, arguments)
    marker = directory / IN_PROGRESS
    if not marker.exists():
        require_new_directory(directory)
        write_json(marker, {"source": source.name})
    rows = len(arrays["parameters"])
    for shard, start in enumerate(range(0, rows, ROWS_PER_SHARD)):
        part = slice(start, min(start + ROWS_PER_SHARD, rows))
        flat = np.array(arrays["parameters"][part])
        if not np.isfinite(flat).all():
            broken = start + int((~np.isfinite(flat)).any(1).argmax())
            raise RNN2VecError(f"weights are finite numbers; row {broken} of {source / 'parameters.npy'} holds others")
        population = Population.from_flat(recipe.spec, torch.from_numpy(flat))
        weights = {name: weight.numpy() for name, weight in population.weights.items()}
        inputs = _with_bos(arrays["sequences"][part]) if languages else np.array(arrays["sequences"][part])
        rollouts = {"inputs": inputs, "outputs": np.array(arrays["logits"][part])}
        write_atomically(weights_path(directory, shard), safetensors.numpy.save(weights))
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
    if zoo.spec.cell != "lstm":
        raise RNN2VecError(f"the paper's layout knows LSTMs only; {zoo.directory} holds {zoo.spec}")
    require_new_directory(directory)
    inputs, outputs = recipe.rollout_shapes()
    languages = isinstance(recipe, LanguageRecipe)

    def sequences(part: np.ndarray) -> np.ndarray:
        read = zoo.rollouts(part).inputs
        return _without_bos(read) if languages else read

    for name, dtype, shape, read in (
        ("parameters", np.float32, (zoo.spec.num_parameters,), lambda part: zoo.population(part).flatten().numpy()),
        ("sequences", np.int16 if languages else np.float16, inputs, sequences),
        ("logits", np.float16, outputs, lambda part: zoo.rollouts(part).outputs),
    ):
        parts = (
            np.arange(start, min(start + ROWS_PER_SHARD, len(zoo))) for start in range(0, len(zoo), ROWS_PER_SHARD)
        )
        pieces = (np.ascontiguousarray(read(part), dtype=dtype).tobytes() for part in parts)
        header = _header(dtype, (len(zoo), *shape))
        write_atomically(directory / f"{name}.npy", itertools.chain([header], pieces))
    for name, array in (_language_tables if languages else _digit_tables)(zoo).items():
        write_atomically(directory / f"{name}.npy", _header(array.dtype, array.shape) + array.tobytes())
    kept = read_json(zoo.directory / INDEX, "zoo index").get("published_arguments") or _arguments(recipe)
    write_atomically(directory / ARGUMENTS, json.dumps(kept).encode())  # last: a folder with it is whole


def _read_languages(arrays: dict[str, np.ndarray], arguments: dict[str, Any]) -> tuple[Recipe, dict[str, np.ndarray]]:
    symbols = len(SYMBOLS)
    tokens, tasks, counts = arrays["sequences"], arrays["tasks"], arrays["num_step_correct"]
    rows, rollouts, length = _shape(tokens, ("S", "R", "T"), "sequences")
    spec = _spec(arguments, symbols, symbols)
    _check("parameters", arrays["parameters"], (rows, spec.num_parameters))
    _check("logits", arrays["logits"], (rows, rollouts, length - 1, symbols))
    _check("tasks", tasks, (rows, 4))
    _check("num_step_correct", counts, (rows, 3))
    if tokens.min() < 0 or tokens.max() >= symbols:
        raise RNN2VecError(f"tokens of sequences.npy lie in 0..{symbols - 1}; got {tokens.min()}..{tokens.max()}")
    if np.abs(tasks).max() > length:
        raise RNN2VecError(f"shifts in tasks.npy are smaller than a window of {length}; got {np.abs(tasks).max()}")
    if tasks[:, 0].any():
        raise RNN2VecError("the first column of tasks.npy, the shift of letter a, is zero; got other numbers")
    if counts[:, 2].min() < 0 or counts[:, 2].max() > CORRECT_OF:
        raise RNN2VecError(f"the last column of num_step_correct.npy counts correct strings among {CORRECT_OF}")
    recipe = LanguageRecipe(
        spec,
        **_times(counts, arguments),
        rollouts=rollouts,
        length=length,
        max_n=_whole(arguments, "max_n", 10),
        shifts=tuple(range(min(-3, int(tasks.min())), max(2, int(tasks.max())) + 1)),
        evaluation_strings=max(CORRECT_OF, rollouts),
    )
    columns = {"model": counts[:, 0], "step": counts[:, 1]}
    columns |= {name: tasks[:, place + 1] for place, name in enumerate(recipe.task_columns)}
    return recipe, columns | {"accuracy": counts[:, 2] / CORRECT_OF}


def _read_digits(arrays: dict[str, np.ndarray], arguments: dict[str, Any]) -> tuple[Recipe, dict[str, np.ndarray]]:
    tasks, times, measured = arrays["tasks"], arrays["num_step"], arrays["accuracy_losses"]
    rows, rollouts, length, features = _shape(arrays["sequences"], ("S", "R", "T", "X"), "sequences")
    spec = _spec(arguments, features, 10)
    _check("parameters", arrays["parameters"], (rows, spec.num_parameters))
    _check("logits", arrays["logits"], (rows, rollouts, length, 10))
    _check("tasks", tasks, (rows, 1))
    _check("num_step", times, (rows, 2))
    _check("accuracy_losses", measured, (rows, 4))
    if not (tasks.min() >= 0 and tasks.max() < 360):
        raise RNN2VecError(f"angles in tasks.npy lie in 0 up to 360; got {tasks.min()}..{tasks.max()}")
    decays = tuple(float(decay) for decay in np.unique(measured[:, 3]))
    recipe = DigitsRecipe(spec, **_times(times, arguments), rollouts=rollouts, source="mnist", weight_decays=decays)
    _check("sequences", arrays["sequences"], (rows, *recipe.rollout_shapes()[0]))
    accuracy, train, validation, decay = measured.T
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


def _with_bos(tokens: np.ndarray) -> np.ndarray:
    restored = tokens.astype(np.int8)
    restored[..., 0] = BOS
    return restored


def _without_bos(tokens: np.ndarray) -> np.ndarray:
    lost = tokens.astype(np.int16)
    lost[..., 0] = np.where((tokens[..., 1:] == EOS).any(-1), tokens[..., 0], EOS)
    return lost


def _names(languages: bool) -> tuple[str, ...]:
    measured = ("num_step_correct",) if languages else ("num_step", "accuracy_losses")
    return ("parameters", "sequences", "logits", "tasks", *measured)


def _load(path: Path) -> np.ndarray:
    """An array that is read from disk when it is used."""
    if not path.is_file():
        raise RNN2VecError(f"the paper's layout holds {path.name}; {path.parent} does not: is this a published zoo?")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _UNREADABLE as error:
        raise RNN2VecError(f"{path} is damaged ({error}): fetch it again") from error
    kind = "f" if path.stem in ("parameters", "logits", "accuracy_losses") else "if"
    if array.dtype.kind not in kind or array.dtype.itemsize > 8 or array.ndim < 2 or len(array) == 0:
        raise RNN2VecError(f"{path} holds numbers, a row a snapshot; got {array.dtype} of shape {list(array.shape)}")
    if path.stem in ("tasks", "num_step", "num_step_correct", "accuracy_losses") and not np.isfinite(array).all():
        raise RNN2VecError(f"numbers in {path} are finite; got NaN or infinity")
    return array


def _shape(array: np.ndarray, dimensions: tuple[str, ...], name: str) -> tuple[int, ...]:
    if array.ndim != len(dimensions):
        raise RNN2VecError(f"{name}.npy has the shape [{', '.join(dimensions)}]; got {list(array.shape)}")
    return array.shape


def _check(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise RNN2VecError(f"{name}.npy of this published zoo has the shape {list(shape)}; got {list(array.shape)}")


def _whole(arguments: dict[str, Any], name: str, default: int) -> int:
    value = arguments.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RNN2VecError(f"{name} in {ARGUMENTS} is a whole number; got {value!r}")
    return value


def _spec(arguments: dict[str, Any], inputs: int, outputs: int) -> RNNSpec:
    size, layers = _whole(arguments, "rnn_hidden_size", 32), _whole(arguments, "rnn_num_layers", 2)
    return RNNSpec("lstm", inputs, size, layers, outputs)


def _times(counts: np.ndarray, arguments: dict[str, Any]) -> dict[str, Any]:
    if counts[:, 1].min() < 0:
        raise RNN2VecError(f"training steps are at least 0; got {counts[:, 1].min()}")
    return {
        "models": len(np.unique(counts[:, 0])),
        "steps": max(1, int(counts[:, 1].max())),
        "snapshots": tuple(int(step) for step in np.unique(counts[:, 1])),
        "seed": _whole(arguments, "seed", 0),
        "assignment": "listed",
    }


def _arguments(recipe: Recipe) -> dict[str, Any]:
    named = {"rnn_hidden_size": recipe.spec.hidden_size, "rnn_num_layers": recipe.spec.num_layers}
    named |= {"seed": recipe.seed, "num_training_runs": recipe.models}
    if isinstance(recipe, LanguageRecipe):
        named |= {"num_tokens": len(SYMBOLS) - 2, "sequence_length": recipe.length, "max_n": recipe.max_n}
    return named


def _header(dtype: Any, shape: tuple[int, ...]) -> bytes:
    """The head of an npy file, as numpy writes it."""
    described = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()
