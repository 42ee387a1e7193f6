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

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.recipe import LARGEST_SEED
from rnn2vec.fields import shown, whole
from rnn2vec.files import read_json, write_atomically
from rnn2vec.networks import Population
from rnn2vec.outputs import require_new_directory
from rnn2vec.zoo.index import labels_of
from rnn2vec.zoo.npy import exactly, header, load
from rnn2vec.zoo.published_layouts import ARGUMENTS, DIGITS, LAYOUTS, SHARED, Arrays, Layout
from rnn2vec.zoo.store import Zoo
from rnn2vec.zoo.table import snapshot_name
from rnn2vec.zoo.traces import Traces
from rnn2vec.zoo.write import ROWS_PER_SHARD, Group, write_zoo

KEPT = "published_arguments"
"""What a zoo's provenance keeps of the arguments."""


@dataclasses.dataclass(frozen=True)
class _Parts:
    """The rows of a published zoo as groups, read from disk when they are iterated over.

    Attributes:
        arrays: by name.
        architecture: of the networks.
        columns: of the table.
        source: where they come from.
        layout: of their family.
    """

    arrays: Arrays
    architecture: Architecture
    columns: Arrays
    source: str
    layout: Layout

    def __iter__(self) -> Iterator[Group]:
        rows = len(self.arrays["parameters"])
        times = zip(self.columns["model"].tolist(), self.columns["step"].tolist(), strict=True)
        names = [snapshot_name(model, step) for model, step in times]
        for start in range(0, rows, ROWS_PER_SHARD):
            part = slice(start, start + ROWS_PER_SHARD)
            flat, inputs, outputs = _read_part(self.arrays, part, self.layout)
            population = Population.from_flat(self.architecture, torch.from_numpy(flat))
            columns = {name: values[part] for name, values in self.columns.items()}
            yield Group(population, names[part], [self.source] * len(flat), columns, Traces(inputs, outputs))


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
    layout = next((own for own in LAYOUTS.values() if (source / f"{own.measured[0]}.npy").is_file()), DIGITS)
    arrays = {name: load(source / f"{name}.npy") for name in (*SHARED, *layout.measured)}
    task_set, architecture, columns = layout.read(arrays, arguments)
    return write_zoo(
        directory,
        task_set.interface,
        _Parts(arrays, architecture, columns, source.name, layout),
        labels=labels_of(task_set),
        task_set=task_set,
        seed=whole(f"seed in {ARGUMENTS}", arguments.get("seed", 0), -LARGEST_SEED, LARGEST_SEED),
        provenance={"imported_from": source.name, KEPT: arguments},
        plan={"source": source.name, "checksums": _checksums(source, layout)},
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
    directory, family = Path(directory), zoo.task_set.family
    if family not in LAYOUTS:
        raise RNN2VecError(f"the paper's layout has room for {' and '.join(LAYOUTS)}; {zoo.directory} holds {family}")
    layout = LAYOUTS[family]
    if zoo.architecture.cell != "lstm" or not zoo.architecture.is_plain_stack:
        raise RNN2VecError(f"the paper's layout knows LSTMs only; {zoo.directory} holds {zoo.architecture}")
    require_new_directory(directory)
    first = zoo.traces([0])
    for name, dtype, shape, read in (
        (
            "parameters",
            np.float32,
            (zoo.architecture.num_parameters,),
            lambda part: zoo.population(part).flatten().numpy(),
        ),
        ("sequences", layout.stored, first.inputs.shape[1:], lambda part: layout.written(zoo.traces(part).inputs)),
        ("logits", np.float16, first.outputs.shape[1:], lambda part: zoo.traces(part).outputs),
    ):
        parts = (
            np.arange(start, min(start + ROWS_PER_SHARD, len(zoo))) for start in range(0, len(zoo), ROWS_PER_SHARD)
        )
        pieces = (np.ascontiguousarray(read(part), dtype=dtype).tobytes() for part in parts)
        head = header(dtype, (len(zoo), *shape))
        write_atomically(directory / f"{name}.npy", itertools.chain([head], pieces))
    for name, array in layout.tables(zoo).items():
        write_atomically(directory / f"{name}.npy", header(array.dtype, array.shape) + array.tobytes())
    kept = zoo.index.provenance.get(KEPT) or _arguments(zoo, layout)
    if not isinstance(kept, dict):
        raise RNN2VecError(f"{KEPT} in the index of {zoo.directory} are a JSON object; got {shown(kept)}")
    write_atomically(directory / ARGUMENTS, json.dumps(kept).encode())  # last: a folder with it is whole


def _read_part(arrays: Arrays, part: slice, layout: Layout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights ``[S, P]``, inputs and outputs of some rows, in the types that a zoo holds."""
    inputs = layout.as_read(arrays["sequences"][part], part)
    flat = exactly("parameters", arrays["parameters"][part], np.float32, part)
    return flat, inputs, exactly("logits", arrays["logits"][part], np.float16, part)


def _checksums(source: Path, layout: Layout) -> dict[str, str]:
    """SHA-256 of all files that are imported."""
    checksums = {}
    for path in (source / ARGUMENTS, *(source / f"{name}.npy" for name in (*SHARED, *layout.measured))):
        if path.is_file():
            with path.open("rb") as file:
                checksums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return checksums


def _arguments(zoo: Zoo, layout: Layout) -> dict[str, Any]:
    named = {"rnn_hidden_size": zoo.architecture.widest, "rnn_num_layers": zoo.architecture.num_layers}
    return named | {"seed": zoo.seed, "num_training_runs": zoo.models} | layout.arguments(zoo.task_set)
